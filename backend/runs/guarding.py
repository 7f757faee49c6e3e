"""What ends an unlearning run early, and which of its models is kept.

The best model so far lies on disk as a `best` checkpoint that carries its accuracies, so that a run which is killed
takes up its guards from there. Beside it the best as of the last checkpoint to resume from is kept: whatever is done
anew from there is compared with what it was compared with the first time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from backend.benchmarks.item import BadRequest, Benchmark
from backend.runs.job import Job, log
from backend.runs.scoring import quick_sample
from backend.spec import ForgetRequest
from backend.spec_guards import RULE, Guards, balance
from storage import checkpoints
from storage.tables import Checkpoint

Keep = Callable[[int, dict[str, Any]], Checkpoint]
"""Writes the model as it is at a step, with the accuracies that were measured of it, as a `best` checkpoint."""


def check_measurable(guards: Guards, benchmark: Benchmark, request: ForgetRequest) -> None:
    """Raises `BadRequest` where a guard goes by an accuracy that quick evaluations do not measure here."""
    missing = [name for name in ("forget", "retain") if not quick_sample(benchmark, request).get(name)]
    if guards.need_evaluations and missing:
        raise BadRequest(
            f"{benchmark.title} has no open questions on the {missing[0]} set, which quick evaluations ask; "
            "leave the retain line at 0 and keep the last model"
        )


class Warden:
    """The guards of one run. `reason` says why one has fired, and is empty until then."""

    def __init__(self, job: Job, guards: Guards, steps: int, keep: Keep) -> None:
        self._job, self._guards, self._steps, self._keep = job, guards, steps, keep
        self.reason = ""
        self.best: Checkpoint | None = None
        self._at_resume: Checkpoint | None = None

    def take_up(self, step: int) -> None:
        """Finds the best model up to `step`, from which the run goes on; what came later is made anew."""
        kept = [one for one in self._kept() if one.step <= step and self._whole(one)]
        self.best = max(kept, key=lambda one: (one.meta["balance"], -one.step), default=None)
        self.can_resume()

    def can_resume(self) -> None:
        """A checkpoint to resume from has been kept, and with it the best model as of now."""
        self._at_resume = self.best
        self._tidy()

    def saw_losses(self, step: int, figures: Mapping[str, float]) -> bool:
        """Whether the forget loss of a step has passed its bound."""
        bound, loss = self._guards.forget_loss_above, figures.get("forget_loss")
        if bound and loss is not None and loss > bound:
            self._fire(step, f"the forget loss {loss:.2f} passed the bound of {bound:g}")
        return bool(self.reason)

    def saw_accuracies(self, step: int, figures: Mapping[str, float]) -> bool:
        """Keeps the model where it is the best so far. Answers whether the retain accuracy fell below its line."""
        if not self._guards.need_evaluations:
            return False
        forget, retain, line = figures["accuracy/forget"], figures["accuracy/retain"], self._guards.retain_below
        if retain < line:
            self._fire(step, f"retain accuracy {_rate(retain)} fell below the line of {_rate(line)}")
            return True
        value = balance(forget, retain)
        if self._guards.keep == "best" and (self.best is None or value > self.best.meta["balance"]):
            self.best = self._keep(step, {"forget": forget, "retain": retain, "balance": value})
            self._tidy()
        return False

    def saw_divergence(self, step: int, reason: str) -> bool:
        """The loss of a step is no number. Answers whether there is a best model to end with."""
        if self.best is not None:
            self._fire(step, reason)
        return self.best is not None

    def ending(self, made: int) -> str:
        """One sentence on how the run ended and which model is kept; empty where no guard had a say."""
        if not self.reason and self._guards.keep == "last":
            return ""
        if made < self._steps:
            begin = f"Stopped at step {made} of {self._steps}: {self.reason}"
        else:
            begin = f"At the last step, {made}, {self.reason}" if self.reason else f"All {made} steps were made"
        return f"{begin}; {self._what_is_kept(made)}."

    def close(self) -> None:
        """Lets go of the best models: the one that counts is the run's final checkpoint by now."""
        self.best = self._at_resume = None
        self._tidy()

    def _what_is_kept(self, made: int) -> str:
        if self._guards.keep == "last":
            return "the model of that step is kept"
        if self.best is None:
            return f"no evaluation stood above the line, so the model of step {made} is kept"
        value = _rate(self.best.meta["balance"])
        return f"the model of step {self.best.step}, the best by {RULE} ({value}), is kept"

    def _fire(self, step: int, reason: str) -> None:
        if not self.reason:
            self.reason = reason
            log.info("a guard fired at step %d: %s", step, reason)

    def _kept(self) -> list[Checkpoint]:
        return checkpoints.listing(self._job.engine, role="best", run_id=self._job.id)

    def _whole(self, kept: Checkpoint) -> bool:
        return checkpoints.condition(self._job.home, kept) == "ok"

    def _tidy(self) -> None:
        needed = {one.id for one in (self.best, self._at_resume) if one is not None}
        for one in self._kept():
            if one.id not in needed:
                checkpoints.discard(self._job.engine, self._job.home, one)


def _rate(value: float) -> str:
    """`.38`, as the pages write a rate."""
    return f"{value:.2f}".removeprefix("0") if value < 1 else f"{value:.2f}"
