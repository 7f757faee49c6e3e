"""A run as plain JSON: what the API's `get_run` and the command line's `show --json` both give.

One shape for both, so that a script written against one works against the other. Reads rows, measures nothing.
What an unlearned model is held against, its yardsticks, is found here too: the original, which is what stood before the
first unlearning of its line, and a retain-only (gold) model of the same people. Only scores of the same questions are
one: same benchmark, same data, same people to forget.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine

from backend.attack_report import attack_report
from storage import checkpoints, results, runs
from storage.errors import NotFound
from storage.tables import Checkpoint, Run

SCORE_KEYS = ("set", "task", "modality", "metric", "value", "n", "people", "low", "high", "flags")
LOOKED_THROUGH = 1000
"""How many runs of a kind are looked through for a yardstick, the newest first."""


@dataclass(frozen=True)
class Yardstick:
    """A model to be held against: the run that made it (an original from outside has none), and its scores of the same
    questions, empty where it was not asked them. Where an original was only asked before its model unlearned, they are
    the accuracies that were noted down then."""

    run: Run | None
    scores: tuple[dict[str, Any], ...] = ()


def run_summary(run: Run) -> dict[str, Any]:
    """The row of a list: id, name, kind, state, method, progress and times (unix seconds)."""
    return {
        "id": run.id,
        "name": run.name,
        "kind": run.kind,
        "state": str(run.state),
        "method": run.spec.get("preset"),
        "progress": {"step": run.step, "steps": run.steps, "message": run.message, "eta_s": run.eta_s},
        "created_at": run.created_at,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
    }


def run_report(engine: Engine, run_id: str) -> dict[str, Any]:
    """Everything there is to know about a run but its curves, answers and log.

    `parent` and `checkpoint` are None or {id, run, step, kind, folder, sha256, bytes}; `scores` are the run's
    own, or those of the checkpoint it made when they were measured by another run: {set, task, modality,
    metric, value, n, people, low, high, flags}. `attacks` is an attack run's table (`attack_report`). `yardsticks` has
    `original` and `gold`, each None or {run, name, scores}: what those models scored in the same cells; an original
    from outside has no run and no name. Raises
    `NotFound`.
    """
    run = runs.get(engine, run_id)
    held_against = {role: _yardstick(found) for role, found in yardsticks(engine, run).items()}
    return {
        **run_summary(run),
        "spec": run.spec,
        "attempt": run.attempt,
        "error": run.error,
        "ending": ending_of(engine, run),
        "device": run.device,
        "versions": run.versions,
        "resumed_from": run.resumed_from,
        "resumed_at_step": run.resumed_at_step,
        "worked_s": run.worked_s,
        "parent": _checkpoint(engine, run.parent_checkpoint_id),
        "checkpoint": _checkpoint(engine, run.output_checkpoint_id),
        "scores": [{key: score.get(key) for key in SCORE_KEYS} for score in scores_of(engine, run)],
        "attacks": attack_report(engine, run_id),
        "yardsticks": {"original": None, "gold": None, **held_against},
    }


def ending_of(engine: Engine, run: Run) -> str | None:
    """Why a guard ended the run, and which model was kept; None where none had a say."""
    if run.kind != "unlearn" or run.output_checkpoint_id is None:
        return None
    return checkpoints.get(engine, run.output_checkpoint_id).meta.get("ending")


def scores_of(engine: Engine, run: Run) -> list[dict[str, Any]]:
    """The scores that belong on a run's page: its own; where it has none, those of the checkpoint it made."""
    own = results.score_dicts(engine, run_id=run.id)
    if own or run.output_checkpoint_id is None:
        return own
    return results.score_dicts(engine, checkpoint_id=run.output_checkpoint_id)


def yardsticks(engine: Engine, run: Run) -> dict[str, Yardstick]:
    """What the unlearned model that a run made or asked is held against: `original`, and `gold` once there is a
    retain-only model of the same people. Nothing where the run's model has unlearned nothing."""
    line = _line(engine, run)
    if not line or line[0].kind != "unlearn":
        return {}
    found = {"original": _original(engine, run, line)}
    gold = gold_run(engine, run)
    if gold is not None and gold.state == "succeeded":
        found["gold"] = Yardstick(gold, _scores_as_asked(engine, run, gold))
    return found


def gold_run(engine: Engine, run: Run) -> Run | None:
    """The newest retain-only model of the people a run forgets; where none is ready, the newest in the making.

    Where it is known with which model from outside the run's line began, gold is one that was made from the same.
    """
    base = base_of(engine, run)
    known = [
        one
        for one in runs.listing(engine, kind="finetune", limit=LOOKED_THROUGH)
        if role_of(one.kind, one.spec) == "gold"
        and same_people(one.spec, run.spec)
        and base in (None, one.spec.get("model"))
    ]
    ready = [one for one in known if one.state == "succeeded"]
    coming = [one for one in known if one.state in ("queued", "running", "stopping", "interrupted")]
    return next(iter([*ready, *coming]), None)


def is_gold(engine: Engine, run: Run) -> bool:
    """Whether the model that a run made or asked is a retain-only one of the people whom the run is about."""
    made = next(iter(_line(engine, run)), None)
    return made is not None and role_of(made.kind, made.spec) == "gold" and same_people(made.spec, run.spec)


def original_run(engine: Engine, run: Run) -> Run | None:
    """The run that made what a run's model was before any unlearning; None for a model from outside."""
    return _maker_of_original(_line(engine, run))


def original_model(engine: Engine, run: Run) -> str | None:
    """What a run's model was before any unlearning, as a spec's `model` names it; None where it has unlearned nothing
    or that is not known any more."""
    line = _line(engine, run)
    if not any(one.kind == "unlearn" for one in line):
        return None
    maker = _maker_of_original(line)
    if maker is not None:
        return f"run:{maker.id}" if maker.output_checkpoint_id else None
    return str(line[-1].spec["model"]) if line[-1].parent_checkpoint_id is None else None


def base_of(engine: Engine, run: Run) -> str | None:
    """The model from outside with which the line of a run's model began; None where that is not known, or was the
    original itself."""
    root = next(reversed(_line(engine, run)), None)
    return begun_with(root) if root is not None else None


def base_of_checkpoint(engine: Engine, checkpoint: Checkpoint) -> str | None:
    """The same of a checkpoint's line. Raises `NotFound`."""
    return begun_with(runs.get(engine, checkpoints.lineage(engine, checkpoint)[0].run_id))


def begun_with(root: Run) -> str | None:
    """The model from outside with which the first run of a line began; None as for `base_of`."""
    return None if root.kind == "unlearn" or _begins_in_the_lab(root.spec) else str(root.spec["model"])


def asked_the_same(engine: Engine, run: Run, maker: Run) -> Run | None:
    """The run that has put the questions of `run` to the model that `maker` made, and scored it: `maker` itself, else
    the newest evaluation. None where nobody has."""
    if maker.output_checkpoint_id is None:
        return None
    return _first_asked(engine, run, [maker, *_evaluations(engine, maker.output_checkpoint_id)])


def same_people(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two specs forget the same of the same people of the same benchmark, by whichever modality."""
    return one.get("benchmark") == other.get("benchmark") and _whom(one) == _whom(other)


def _whom(spec: dict[str, Any]) -> tuple[Any, frozenset[str], frozenset[str]]:
    request = spec.get("request") or {}
    return request.get("ratio"), frozenset(request.get("people") or ()), frozenset(request.get("attributes") or ())


def _line(engine: Engine, run: Run) -> list[Run]:
    """The runs that made the model a run is about, newest first, itself included where it trains."""
    own = [] if run.kind in ("evaluate", "attack") else [run]
    if run.parent_checkpoint_id is None:
        return own
    try:
        line = checkpoints.lineage(engine, checkpoints.get(engine, run.parent_checkpoint_id))
        return [*own, *(runs.get(engine, checkpoint.run_id) for checkpoint in reversed(line))]
    except NotFound:
        return own


def _maker_of_original(line: list[Run]) -> Run | None:
    unlearnt = [place for place, one in enumerate(line) if one.kind == "unlearn"]
    return next(iter(line[unlearnt[-1] + 1 :] if unlearnt else line), None)


def _original(engine: Engine, run: Run, line: list[Run]) -> Yardstick:
    maker = _maker_of_original(line)
    if maker is not None:
        scores = _scores_as_asked(engine, run, maker)
    else:
        same = line[-1].spec.get("model") if line[-1].parent_checkpoint_id is None else None
        outside = [one for one in _evaluations(engine, None) if one.spec["model"] == same]
        asked = _first_asked(engine, run, outside)
        scores = tuple(results.score_dicts(engine, run_id=asked.id)) if asked else ()
    return Yardstick(maker, scores or _known_before(engine, run))


def _known_before(engine: Engine, run: Run) -> tuple[dict[str, Any], ...]:
    """What the run noted down of the original: the share that was right is that model's accuracy."""
    noted = (score for score in scores_of(engine, run) if score["metric"] == "known_before")
    return tuple(score | {"metric": "accuracy"} for score in noted)


def _scores_as_asked(engine: Engine, run: Run, maker: Run) -> tuple[dict[str, Any], ...]:
    asked = asked_the_same(engine, run, maker)
    return tuple(results.score_dicts(engine, run_id=asked.id)) if asked else ()


def _evaluations(engine: Engine, checkpoint_id: str | None) -> list[Run]:
    known = runs.listing(engine, kind="evaluate", states=["succeeded"], limit=LOOKED_THROUGH)
    return [one for one in known if one.parent_checkpoint_id == checkpoint_id]


def _first_asked(engine: Engine, run: Run, candidates: Iterable[Run]) -> Run | None:
    same = (
        one
        for one in candidates
        if same_people(one.spec, run.spec) and _same_data(one, run) and _examples(one) == _examples(run)
    )
    return next((one for one in same if results.scores(engine, run_id=one.id)), None)


def _examples(run: Run) -> tuple[int, int]:
    """How many solved examples stood before a question, and the seed that chose them."""
    shots = run.spec.get("shots") or 0
    return shots, run.spec.get("seed", 0) if shots else 0


def _same_data(one: Run, other: Run) -> bool:
    """Whether both were asked the same data, as far as it was written down."""
    prints = {(run.versions or {}).get("data") for run in (one, other)} - {None}
    return len(prints) < 2


def _yardstick(found: Yardstick) -> dict[str, Any]:
    scores = [{key: score.get(key) for key in SCORE_KEYS} for score in found.scores]
    maker = {"run": found.run.id, "name": found.run.name} if found.run else {"run": None, "name": None}
    return {**maker, "scores": scores}


def _checkpoint(engine: Engine, checkpoint_id: str | None) -> dict[str, Any] | None:
    # not "path": Gradio's client takes any dictionary with that key for a file to download
    if checkpoint_id is None:
        return None
    found: Checkpoint = checkpoints.get(engine, checkpoint_id)
    return {
        "id": found.id,
        "run": found.run_id,
        "step": found.step,
        "kind": found.kind,
        "folder": found.path,
        "sha256": found.sha256,
        "bytes": found.bytes,
    }


def role_of(kind: str, spec: dict[str, Any]) -> str:
    """The identity of the model that a run makes: original, gold, unlearned, or control for anything else.

    Gold has never seen the forget set, so it is made from a model from outside: one that goes on from a model of the
    lab, which may have been taught everyone, is merely retain fine-tuned, a control.
    """
    if kind == "finetune":
        if spec.get("who") != "retain":
            return "original"
        return "control" if _begins_in_the_lab(spec) else "gold"
    return "unlearned" if kind == "unlearn" else "control"


def _begins_in_the_lab(spec: dict[str, Any]) -> bool:
    model = str(spec.get("model"))
    return model == "vanilla" or model.startswith(("run:", "checkpoint:"))
