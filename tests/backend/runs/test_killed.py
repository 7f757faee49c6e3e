"""A run, or its worker, killed again and again at random moments: it is still done once and whole."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path

import pytest
from sqlalchemy import Engine

from storage import checkpoints, metric_points, runs
from storage.tables import ENDED, RunState
from tests.backend.runs.conftest import Workers, short_finetune, wait_until

pytestmark = pytest.mark.timeout(400)
STEPS = 120


def at_work(engine: Engine, run_id: str, attempt: int, step: int) -> bool:
    """This attempt has a process, and the run has come as far as that step."""
    run = runs.get(engine, run_id)
    return run.attempt == attempt and run.pid is not None and (run.step or 0) >= step


@pytest.mark.parametrize("victim", ["run", "worker"])
def test_killed_five_times_at_random_moments_a_run_is_still_done_once_and_whole(
    engine: Engine, home: Path, crew: Workers, victim: str
) -> None:
    chance = random.Random(victim)
    spec = short_finetune(steps=STEPS, save_every=10)
    run = runs.submit(engine, kind="finetune", name="killed", spec=spec.model_dump(mode="json"), max_attempts=20)
    worker = crew.start()
    step = 0
    for killed in range(5):
        further = step + chance.randint(2, 20)
        wait_until(lambda at=(killed + 1, further): at_work(engine, run.id, *at))  # type: ignore[misc]
        if victim == "run":
            pid = runs.get(engine, run.id).pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
        else:
            crew.kill(worker)
            worker = crew.start()
        wait_until(lambda killed=killed: runs.get(engine, run.id).attempt >= killed + 2)  # type: ignore[misc]
        kept = checkpoints.latest(engine, run.id, home=home)
        step = kept.step if kept else 0
    wait_until(lambda: runs.get(engine, run.id).state in ENDED, seconds=180)
    ended = runs.get(engine, run.id)
    assert ended.state == RunState.SUCCEEDED, ended.error
    assert ended.attempt == 6 and (ended.step, ended.steps) == (STEPS, STEPS)
    final = checkpoints.listing(engine, role="final", run_id=run.id)
    assert len(final) == 1 and checkpoints.condition(home, final[0]) == "ok"
    points = [step for step, _ in metric_points.curve(engine, run.id, ["loss"], points=10**6)["loss"]]
    assert points == list(range(1, STEPS + 1)), "no point is lost or doubled"
    whole = {home / one.path for one in checkpoints.listing(engine, role=None, run_id=run.id)}
    on_disk = {manifest.parent for manifest in (home / "checkpoints").rglob("manifest.json")}
    assert on_disk == whole, "nothing half-written is left or taken for whole"
