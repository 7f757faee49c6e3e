"""What befalls a run from outside: it ends in one sentence, and nothing that was whole is lost."""

import errno
from pathlib import Path

import pytest
import torch
from sqlalchemy import Engine

from backend.runs.job import Job
from backend.runs.process import carry_out
from storage import checkpoints, results, runs
from storage.tables import Run
from tests.backend.runs.conftest import queue, short_finetune


def carried_out(engine: Engine, home: Path) -> Run:
    """The next run of the queue, done in this process, as it stands afterwards."""
    run = runs.claim(engine, "worker", "here", "cpu")
    assert run is not None
    carry_out(Job(engine, home, run), torch.device("cpu"))
    return runs.get(engine, run.id)


def test_a_disk_that_fills_up_ends_the_run_and_what_was_saved_goes_on(
    engine: Engine, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = queue(engine, short_finetune(steps=6, save_every=2))
    flush = checkpoints._flush

    def full_from_step_4(path: Path) -> None:
        if checkpoints.listing(engine, role=None, run_id=run.id):
            raise OSError(errno.ENOSPC, "No space left on device")
        flush(path)

    monkeypatch.setattr(checkpoints, "_flush", full_from_step_4)
    failed = carried_out(engine, home)
    assert failed.state == "failed"
    assert failed.error == "The checkpoint at step 4 was not saved: the disk is full. Free some space, then resume."
    [kept] = checkpoints.listing(engine, role=None, run_id=run.id)
    assert (kept.step, checkpoints.condition(home, kept)) == (2, "ok")
    assert [folder.name for folder in (home / "checkpoints" / run.id).iterdir()] == [Path(kept.path).name]

    monkeypatch.setattr(checkpoints, "_flush", flush)
    runs.resume(engine, run.id)
    ended = carried_out(engine, home)
    assert (ended.state, ended.resumed_from, ended.resumed_at_step) == ("succeeded", kept.id, 2)
    assert [step for step, _ in results.curve(engine, run.id)["loss"]] == [1, 2, 3, 4, 5, 6]


def test_a_run_that_was_taken_up_by_another_process_is_left_to_it(engine: Engine, home: Path) -> None:
    queue(engine, short_finetune(steps=2, save_every=0))
    slept = runs.claim(engine, "sleeper", "here", "cpu")
    assert slept is not None
    runs.finish(engine, slept.id, 1, "interrupted")
    taken_up = runs.claim(engine, "other", "here", "cpu")
    assert taken_up is not None and taken_up.attempt == 2
    carry_out(Job(engine, home, slept), torch.device("cpu"))
    now = runs.get(engine, slept.id)
    assert (now.state, now.attempt, now.step) == ("running", 2, 0)
    assert results.metric_names(engine, slept.id) == [] and checkpoints.listing(engine, role=None) == []
