"""Runs under real workers, and what becomes of them when something is killed."""

from pathlib import Path

import pytest
from sqlalchemy import Engine

from storage import checkpoints, metric_points, runs
from storage.tables import ENDED, RunState
from tests.backend.runs.conftest import Workers, queue, short_finetune, wait_until

pytestmark = pytest.mark.timeout(400)


def state(engine: Engine, run_id: str) -> str:
    return str(runs.get(engine, run_id).state)


def log_of(home: Path, run_id: str) -> str:
    return (home / "logs" / f"{run_id}.log").read_text()


def test_a_run_is_claimed_carried_out_and_leaves_a_whole_checkpoint(engine: Engine, home: Path, crew: Workers) -> None:
    run = queue(engine, short_finetune())
    crew.start()
    wait_until(lambda: state(engine, run.id) in ENDED)
    ended = runs.get(engine, run.id)
    assert (ended.state, ended.step, ended.steps, ended.attempt) == (RunState.SUCCEEDED, 6, 6, 1), ended.error
    assert ended.output_checkpoint_id is not None
    kept = checkpoints.get(engine, ended.output_checkpoint_id)
    assert checkpoints.condition(home, kept) == "ok" and (kept.kind, kept.role) == ("adapter", "final")
    assert [one.role for one in checkpoints.listing(engine, role=None, run_id=run.id)] == ["final"], (
        "resume checkpoints are pruned"
    )
    assert [step for step, _ in metric_points.curve(engine, run.id)["loss"]] == [1, 2, 3, 4, 5, 6]
    assert {"torch", "transformers", "peft", "data", "device"} <= set(ended.versions)


def test_stop_and_save_then_resume_goes_on_where_it_stopped(engine: Engine, home: Path, crew: Workers) -> None:
    run = queue(engine, short_finetune(steps=4000, save_every=0))
    crew.start()
    wait_until(lambda: (runs.get(engine, run.id).step or 0) >= 3)
    runs.request_stop(engine, run.id, "save")
    wait_until(lambda: state(engine, run.id) == "interrupted")
    stopped_at = checkpoints.latest(engine, run.id, home=home)
    assert stopped_at is not None and stopped_at.step >= 3
    runs.resume(engine, run.id)
    wait_until(lambda: (runs.get(engine, run.id).step or 0) > stopped_at.step + 2)
    assert runs.get(engine, run.id).resumed_from == stopped_at.id
    assert f"going on from step {stopped_at.step}" in log_of(home, run.id)
    runs.request_stop(engine, run.id, "cancel")
    wait_until(lambda: state(engine, run.id) == "cancelled")


def test_two_workers_do_twenty_short_runs_once_each(engine: Engine, home: Path, crew: Workers) -> None:
    queued = [queue(engine, short_finetune(steps=1, save_every=0), f"run {number}") for number in range(20)]
    crew.start()
    crew.start()
    wait_until(lambda: all(state(engine, run.id) in ENDED for run in queued), seconds=300)
    for run in queued:
        ended = runs.get(engine, run.id)
        assert (ended.state, ended.attempt) == (RunState.SUCCEEDED, 1), ended.error
        assert len(checkpoints.listing(engine, role=None, run_id=run.id)) == 1
        assert log_of(home, run.id).count("attempt 1") == 1
    assert len({runs.get(engine, run.id).worker_id for run in queued}) == 2, "both had their share"


def test_a_run_that_cannot_be_done_fails_with_one_sentence(
    engine: Engine, home: Path, crew: Workers, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    bad = queue(engine, short_finetune().model_copy(update={"model": str(empty)}))
    good = queue(engine, short_finetune(steps=1))
    crew.start()
    wait_until(lambda: state(engine, bad.id) in ENDED and state(engine, good.id) in ENDED)
    assert runs.get(engine, bad.id).error == f"{empty} holds no config.json, so it is no Hugging Face model folder"
    assert state(engine, good.id) == "succeeded", "the next run is not harmed"


def test_a_worker_that_is_told_to_leave_lets_its_run_save_and_the_next_one_takes_it_up(
    engine: Engine, home: Path, crew: Workers
) -> None:
    run = queue(engine, short_finetune(steps=4000, save_every=0))
    worker = crew.start()
    wait_until(lambda: (runs.get(engine, run.id).step or 0) >= 2)
    worker.terminate()
    worker.wait(60)
    kept = checkpoints.latest(engine, run.id, home=home)
    assert state(engine, run.id) == "interrupted" and kept is not None
    crew.start()
    wait_until(lambda: (runs.get(engine, run.id).step or 0) > kept.step)
    assert runs.get(engine, run.id).attempt == 2
