"""What the buttons of a run's page do. Each returns the sentence that is shown afterwards."""

from __future__ import annotations

import shutil

from storage import checkpoints, runs
from storage.tables import Run
from ui import parts
from ui.context import Lab
from ui.run_view import log_size


def occupied(lab: Lab, run_id: str) -> int:
    """Bytes that deleting the run would free: its checkpoints and its log."""
    kept = checkpoints.listing(lab.engine, role=None, run_id=run_id)
    return sum(checkpoint.bytes for checkpoint in kept) + log_size(lab, run_id)


def ask_before_delete(lab: Lab, run_id: str) -> str:
    """The question before a run is deleted, with what goes."""
    run = runs.get(lab.engine, run_id)
    kept = len(checkpoints.listing(lab.engine, role=None, run_id=run_id))
    noun = "checkpoint" if kept == 1 else "checkpoints"
    return (
        f"Delete “{run.name}” with its curves, scores, answers and {kept} {noun} "
        f"({parts.size(occupied(lab, run_id))})? This cannot be undone."
    )


def delete(lab: Lab, run_id: str) -> str:
    """Deletes the run, its files and its log. Raises `RunBusy` when it is at work or another run needs it."""
    name, freed = runs.get(lab.engine, run_id).name, occupied(lab, run_id)
    kept = checkpoints.listing(lab.engine, role=None, run_id=run_id)
    runs.delete(lab.engine, run_id)
    for checkpoint in kept:
        checkpoints.discard(lab.engine, lab.home, checkpoint)
    (lab.home / "logs" / f"{run_id}.log").unlink(missing_ok=True)
    shutil.rmtree(lab.home / "runs" / run_id, ignore_errors=True)
    return f"“{name}” is deleted. {parts.size(freed)} of disk freed."


def stop(lab: Lab, run_id: str, how: str) -> str:
    """Asks the run to stop: `save` keeps a checkpoint to go on from, `cancel` gives it up."""
    run = runs.request_stop(lab.engine, run_id, how)
    if str(run.state) == "cancelled":
        return "Cancelled."
    return (
        "It saves a checkpoint and stops at the next step."
        if how == "save"
        else "It stops at the next step; nothing more is kept."
    )


def resume(lab: Lab, run_id: str) -> str:
    """Puts the run back into the queue; it goes on from its last checkpoint."""
    runs.resume(lab.engine, run_id)
    return "Back in the queue; it goes on from its last checkpoint."


def retry(lab: Lab, run_id: str, request_id: str | None = None) -> Run:
    """Queues a copy that starts from the beginning. One `request_id` makes one copy, however often sent."""
    return runs.retry(lab.engine, run_id, start_request_id=request_id)
