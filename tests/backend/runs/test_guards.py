"""Guards: what ends a run early, which model it keeps, and that a run which was stopped or killed does the same."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from sqlalchemy import Engine

from backend.benchmarks.demo import DemoBenchmark
from backend.models import lineage
from backend.objectives.retain import RETAIN_TERMS
from backend.objectives.seen import Term
from backend.reports import run_report
from backend.runs import train
from backend.runs.job import Job
from backend.runs.process import carry_out
from backend.spec import ForgetRequest, Objective, Training, UnlearnSpec
from backend.spec_guards import Guards, balance
from storage import checkpoints, metric_points, runs
from storage.tables import Checkpoint, Run, RunState
from tests.backend.runs.conftest import carried_out

CPU = torch.device("cpu")
STEPS = 8
BY_STEP = {2: (0.50, 0.90), 4: (0.20, 0.60), 6: (0.40, 0.85), 8: (0.10, 0.45)}
"""Forget and retain accuracy; balance: .643, .686, .703 and .600, so step 6 is the best."""


def queued(engine: Engine, objective: Objective | None = None, guards: Guards | None = None, **training: Any) -> Run:
    settings: dict[str, Any] = {"steps": STEPS, "batch_size": 3, "evaluate_every": 2, "save_every": 4}
    spec = UnlearnSpec(
        model="demo",
        preset="own",
        request=ForgetRequest(ratio=None, people=("p01",)),
        objective=objective or Objective(forget="ga", retain="ce"),
        guards=guards or Guards(),
        training=Training(**(settings | training)),
        score=False,
    )
    return runs.submit(engine, kind="unlearn", name="guarded", spec=spec.model_dump(mode="json"))


class Script:
    """Accuracies that are known beforehand, by step; and the weights that move as each evaluation found them."""

    def __init__(self, by_step: dict[int, tuple[float, float]]) -> None:
        self.by_step, self.asked = by_step, []  # type: dict[int, tuple[float, float]], list[int]
        self.weights: dict[int, dict[str, torch.Tensor]] = {}

    def measure(self, keeper: Any) -> dict[str, float]:
        step = keeper._evaluated
        self.asked.append(step)
        moving = {name: weight for name, weight in keeper._model.named_parameters() if weight.requires_grad}
        self.weights[step] = {name: weight.detach().clone() for name, weight in moving.items()}
        forget, retain = self.by_step[step]
        return {"accuracy/forget": forget, "accuracy/retain": retain}


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[Script]:
    written, at_work = Script(BY_STEP), []  # type: Script, list[Any]
    evaluate = train._Keeper.evaluate

    def follow(keeper: Any, step: int) -> str:
        at_work[:] = [keeper]
        return evaluate(keeper, step)

    monkeypatch.setattr(train._Keeper, "evaluate", follow)
    monkeypatch.setattr(train, "quick_accuracy", lambda *_: written.measure(at_work[0]))
    yield written


def kept(engine: Engine, run: Run) -> Checkpoint:
    assert run.state == RunState.SUCCEEDED, run.error
    (only,) = checkpoints.listing(engine, role=None, run_id=run.id)
    assert only.role == "final" and only.id == run.output_checkpoint_id
    return only


def adapter(home: Path, checkpoint: Checkpoint) -> dict[str, torch.Tensor]:
    return load_file(checkpoints.verify(home, checkpoint) / "adapter_model.safetensors")


def same(saved: dict[str, torch.Tensor], live: dict[str, torch.Tensor]) -> bool:
    by_file = {name.replace(".default", ""): weight for name, weight in live.items()}
    return saved.keys() == by_file.keys() and all(torch.equal(saved[name], by_file[name]) for name in saved)


def test_the_rule_by_hand() -> None:
    assert balance(0.2, 0.6) == pytest.approx(2 * 0.8 * 0.6 / 1.4)
    assert (balance(0, 1), balance(1, 1), balance(0, 0), balance(1, 0)) == (1, 0, 0, 0)


def test_a_diverging_ascent_stops_at_the_first_step_above_its_bound(engine: Engine, home: Path) -> None:
    guards = Guards(forget_loss_above=9)
    ascent = Objective(forget="ga", retain="none")
    wild = {"adapter": "full", "learning_rate": 1e-2, "schedule": "constant"}
    run = queued(engine, ascent, guards, steps=200, evaluate_every=0, **wild)
    ended = carried_out(engine, home)
    losses = metric_points.curve(engine, run.id, ["forget_loss"], points=1000)["forget_loss"]
    last_step, last_loss = losses[-1]
    assert last_step < 200 and last_loss > 9 and all(loss <= 9 for _, loss in losses[:-1])
    assert (ended.step, kept(engine, ended).step) == (last_step, last_step)
    said = (
        f"Stopped at step {last_step} of 200: the forget loss {last_loss:.2f} passed the bound of 9; "
        "the model of that step is kept."
    )
    assert ended.message == run_report(engine, run.id)["ending"] == said


def test_the_best_by_the_rule_is_kept_and_it_is_the_model_of_that_step(
    engine: Engine, home: Path, script: Script
) -> None:
    queued(engine, guards=Guards(keep="best"))
    ended = carried_out(engine, home)
    final = kept(engine, ended)
    assert script.asked == [2, 4, 6, 8] and final.step == 6
    assert same(adapter(home, final), script.weights[6]) and not same(adapter(home, final), script.weights[8])
    recorded = metric_points.curve(engine, ended.id)
    by_step = {
        step: balance(forget, retain)
        for (step, forget), (_, retain) in zip(recorded["accuracy/forget"], recorded["accuracy/retain"], strict=True)
    }
    assert max(by_step, key=lambda step: by_step[step]) == 6
    assert ended.message == (
        "All 8 steps were made; the model of step 6, the best by the harmonic mean of 1 − forget accuracy and retain "
        "accuracy (.70), is kept."
    )


@pytest.mark.parametrize(("keep", "broken_at"), [("best", 6), ("best", 2), ("last", 6)])
def test_a_loss_that_is_no_number_ends_a_run_with_its_best_model_or_fails_it_where_there_is_none(
    engine: Engine, home: Path, script: Script, monkeypatch: pytest.MonkeyPatch, keep: Any, broken_at: int
) -> None:
    honest, seen = RETAIN_TERMS["ce"], []  # type: Any, list[int]

    def breaking(given: Any) -> torch.Tensor:
        seen.append(1)
        return honest(given) * (float("nan") if len(seen) == broken_at else 1.0)

    monkeypatch.setitem(RETAIN_TERMS, "ce", Term(breaking, honest.needs))
    run = queued(engine, guards=Guards(keep=keep))
    ended = carried_out(engine, home)
    if (keep, broken_at) != ("best", 6):
        assert ended.state == RunState.FAILED and ended.error is not None
        assert ended.error.startswith(f"the loss became nan at step {broken_at}; try a smaller learning rate")
        assert not [one for one in checkpoints.listing(engine, role=None, run_id=run.id) if one.role == "final"]
        return
    final = kept(engine, ended)
    assert script.asked == [2, 4], "a broken model is not asked"
    assert final.step == 4 and same(adapter(home, final), script.weights[4])
    assert (
        ended.message
        == run_report(engine, run.id)["ending"]
        == (
            "Stopped at step 6 of 8: the loss became nan; the model of step 4, the best by the harmonic mean of "
            "1 − forget accuracy and retain accuracy (.69), is kept."
        )
    )


def test_below_the_retain_line_a_run_ends_and_keeps_the_best_above_it(
    engine: Engine, home: Path, script: Script
) -> None:
    script.by_step = {2: (0.9, 0.8), 4: (0.5, 0.45), 6: (0.0, 0.38)}
    queued(engine, guards=Guards(keep="best", retain_below=0.4))
    ended = carried_out(engine, home)
    final = kept(engine, ended)
    assert script.asked == [2, 4, 6], "balance would be .55 at step 6, the highest, but it is below the line"
    assert (ended.step, final.step) == (6, 4) and same(adapter(home, final), script.weights[4])
    assert ended.message is not None and ended.message.startswith(
        "Stopped at step 6 of 8: retain accuracy .38 fell below the line of .40; the model of step 4, the best by "
    )


def test_where_nothing_stood_above_the_line_the_run_says_so(engine: Engine, home: Path, script: Script) -> None:
    script.by_step = {2: (0.1, 0.3)}
    queued(engine, guards=Guards(keep="best", retain_below=0.4))
    ended = carried_out(engine, home)
    assert kept(engine, ended).step == 2 and ended.message is not None
    assert ended.message.endswith("no evaluation stood above the line, so the model of step 2 is kept.")


def test_a_bound_that_is_never_passed_leaves_no_trace(engine: Engine, home: Path, script: Script) -> None:
    queued(engine, guards=Guards(forget_loss_above=1e6, retain_below=0.01))
    ended = carried_out(engine, home)
    assert (ended.step, ended.message, kept(engine, ended).step) == (8, "done", 8)
    assert run_report(engine, ended.id)["ending"] is None


@pytest.mark.parametrize("stop_at", [5, 6])
def test_stopped_and_resumed_a_run_keeps_what_it_keeps_in_one_go(
    engine: Engine, home: Path, script: Script, monkeypatch: pytest.MonkeyPatch, stop_at: int
) -> None:
    guards = Guards(keep="best", retain_below=0.5)
    queued(engine, guards=guards)
    whole = carried_out(engine, home)
    assert kept(engine, whole).step == 6

    again = queued(engine, guards=guards)
    progress = Job.progress

    def stopping(job: Job, done: int, of: int, doing: str, **given: Any) -> str:
        if done == stop_at and job.run.attempt == 1:
            runs.request_stop(engine, again.id, "save")
            return "save"
        return progress(job, done, of, doing, **given)

    monkeypatch.setattr(Job, "progress", stopping)
    stopped = carried_out(engine, home)
    assert stopped.state == RunState.INTERRUPTED
    runs.resume(engine, again.id)
    resumed = carried_out(engine, home)
    assert resumed.resumed_at_step == stop_at and resumed.message == whole.message
    one, other = (adapter(home, kept(engine, run)) for run in (whole, resumed))
    assert max(float((one[name] - other[name]).abs().max()) for name in one) < 1e-6
    assert (
        metric_points.curve(engine, again.id)["accuracy/retain"]
        == metric_points.curve(engine, whole.id)["accuracy/retain"]
    )


class Killed(BaseException):
    """The process ended without a word."""


def test_killed_after_a_better_model_a_run_still_knows_the_best_of_before(
    engine: Engine, home: Path, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The best of step 6 is kept after the last checkpoint to resume from, of step 4; the process dies at 7. Done anew,
    step 6 is a worse one: then that of step 4 must still be there."""
    run = queued(engine, guards=Guards(keep="best"))
    stepped = train._Keeper.stepped

    def dying(keeper: Any, step: int, figures: dict[str, float]) -> str:
        if step == 7:
            raise Killed
        return stepped(keeper, step, figures)

    monkeypatch.setattr(train._Keeper, "stepped", dying)
    claimed = runs.claim(engine, "worker", "here", "cpu")
    assert claimed is not None
    with pytest.raises(Killed):
        carry_out(Job(engine, home, claimed), CPU)
    on_disk = checkpoints.listing(engine, role=None, run_id=run.id)
    assert sorted((one.role, one.step) for one in on_disk) == [("best", 4), ("best", 6), ("resume", 4)]
    assert [one.id for one in runs.reap(engine, "here", lambda *_: False, now=time.time() + 1e6)] == [run.id]

    monkeypatch.setattr(train._Keeper, "stepped", stepped)
    found = script.weights[4]
    script.by_step = BY_STEP | {6: (0.9, 0.9)}
    ended = carried_out(engine, home)
    final = kept(engine, ended)
    assert (ended.attempt, ended.resumed_at_step, final.step) == (2, 4, 4) and same(adapter(home, final), found)


def test_full_weights_are_set_back_to_the_best_too(engine: Engine, home: Path, script: Script) -> None:
    queued(engine, guards=Guards(keep="best"), adapter="full", modules="language+projector")
    final = kept(engine, carried_out(engine, home))
    assert final.step == 6 and final.kind == "full"
    on_disk = lineage.load_weights(checkpoints.verify(home, final))
    assert all(torch.equal(on_disk[name], weight) for name, weight in script.weights[6].items())
    assert not all(torch.equal(on_disk[name], weight) for name, weight in script.weights[8].items())


def test_evaluating_by_epochs_follows_the_passes_over_the_forget_set(
    engine: Engine, home: Path, script: Script, world: DemoBenchmark
) -> None:
    items = len(world.forget_items(ForgetRequest(ratio=None, people=("p01",))))
    batch = items // 3 + 1  # a pass ends within every third step
    script.by_step = dict.fromkeys(range(1, 9), (0.5, 0.5))
    queued(engine, evaluate_every=1, evaluate_by="epochs", batch_size=batch)
    carried_out(engine, home)
    passes = [step for step in range(1, 9) if step * batch // items > (step - 1) * batch // items]
    assert script.asked == sorted({*passes, 8}) and passes[0] == 3


def test_a_benchmark_whose_accuracy_cannot_be_followed_refuses_the_guard(
    engine: Engine, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = DemoBenchmark.scored_items
    monkeypatch.setattr(
        DemoBenchmark, "scored_items", lambda self, request: [i for i in every(self, request) if i.set != "retain"]
    )
    queued(engine, guards=Guards(keep="best"))
    ended = carried_out(engine, home)
    assert ended.state == RunState.FAILED and ended.error is not None
    assert "has no open questions on the retain set" in ended.error


@pytest.mark.parametrize(
    ("change", "phrase"),
    [
        ({"guards": {"retain_below": 0.4}}, "need quick evaluations"),
        ({"guards": {"keep": "best"}}, "need quick evaluations"),
        ({"guards": {"forget_loss_above": 5}, "objective": {"forget": "none", "retain": "ce"}}, "no forget loss"),
    ],
)
def test_a_guard_that_could_not_fire_is_a_fault(change: dict[str, Any], phrase: str) -> None:
    with pytest.raises(ValueError, match=phrase):
        UnlearnSpec.model_validate(change)
