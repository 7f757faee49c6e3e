"""A run as plain JSON: what the API's `get_run` and the command line's `show --json` both give.

One shape for both, so that a script written against one works against the other. Reads rows, decides nothing.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine

from storage import checkpoints, results, runs
from storage.tables import Checkpoint, Run

SCORE_KEYS = ("set", "task", "modality", "metric", "value", "n", "people", "low", "high", "flags")


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
    metric, value, n, people, low, high, flags}. Raises `NotFound`.
    """
    run = runs.get(engine, run_id)
    return {
        **run_summary(run),
        "spec": run.spec,
        "attempt": run.attempt,
        "error": run.error,
        "device": run.device,
        "versions": run.versions,
        "resumed_from": run.resumed_from,
        "resumed_at_step": run.resumed_at_step,
        "worked_s": run.worked_s,
        "parent": _checkpoint(engine, run.parent_checkpoint_id),
        "checkpoint": _checkpoint(engine, run.output_checkpoint_id),
        "scores": [{key: score.get(key) for key in SCORE_KEYS} for score in scores_of(engine, run)],
    }


def scores_of(engine: Engine, run: Run) -> list[dict[str, Any]]:
    """The scores that belong on a run's page: its own; where it has none, those of the checkpoint it made."""
    own = results.score_dicts(engine, run_id=run.id)
    if own or run.output_checkpoint_id is None:
        return own
    return results.score_dicts(engine, checkpoint_id=run.output_checkpoint_id)


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
    """The identity of the model that a run makes: original, gold, unlearned, or control for anything else."""
    if kind == "finetune":
        return "gold" if spec.get("who") == "retain" else "original"
    return "unlearned" if kind == "unlearn" else "control"
