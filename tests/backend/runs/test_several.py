"""One run on two devices, as two processes that speak gloo on a CPU, under a real worker.

Slow for a test (about 20 s): a worker, its fork server and two processes have to start, which nothing smaller proves.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest
from safetensors.torch import load_file
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from backend.runs.several import read_only
from backend.spec import ForgetRequest, Objective, Training, UnlearnSpec
from storage import checkpoints, metric_points, runs
from storage.database import connect
from storage.tables import ENDED, Run
from tests.backend.runs.conftest import Workers, queue, wait_until

pytestmark = pytest.mark.timeout(400)
STEPS = 16


def spec(**training: Any) -> UnlearnSpec:
    """Questions as text alone never reach the vision tower, and RMU stops at its layer: gradients that not every device
    has. Answers differ in length, so a mean over tokens is no mean of means."""
    settings = {"steps": STEPS, "batch_size": 2, "modules": "all", "save_every": 0, "learning_rate": 1e-3} | training
    return UnlearnSpec(
        model="demo",
        request=ForgetRequest(ratio=5),
        objective=Objective(forget="rmu", retain="ce", layer=0, rmu_scale=4),
        training=Training(**settings),
        score=False,
    )


def ended(engine: Engine, run: Run) -> Run:
    wait_until(lambda: runs.get(engine, run.id).state in ENDED)
    return runs.get(engine, run.id)


def weights(engine: Engine, home: Path, run: Run) -> dict[str, Any]:
    kept = checkpoints.get(engine, runs.get(engine, run.id).output_checkpoint_id or "")
    return load_file(checkpoints.verify(home, kept) / "adapter_model.safetensors")


def processes_of(engine: Engine, run: Run) -> list[psutil.Process]:
    pid = runs.get(engine, run.id).pid
    return psutil.Process(pid).children() if pid else []


def test_two_devices_make_the_steps_of_one_stop_together_go_on_and_end_together(
    engine: Engine, home: Path, crew: Workers
) -> None:
    alone = queue(engine, spec(accumulation=2), "alone")
    both = queue(engine, spec(devices=2), "both")
    crew.start()
    wait_until(lambda: (runs.get(engine, both.id).step or 0) >= 1)
    [follower] = processes_of(engine, both)
    runs.request_stop(engine, both.id, "save")
    wait_until(lambda: runs.get(engine, both.id).state == "interrupted")
    stopped_at = checkpoints.latest(engine, both.id, home=home)
    assert stopped_at is not None and 0 < stopped_at.step < STEPS
    assert not follower.is_running()
    kept = checkpoints.verify(home, stopped_at).glob("random.*")
    assert sorted(path.name for path in kept) == ["random.0.safetensors", "random.1.safetensors"]
    runs.resume(engine, both.id)

    one, two = ended(engine, alone), ended(engine, both)
    assert (one.state, two.state) == ("succeeded", "succeeded"), one.error or two.error
    assert two.resumed_at_step == stopped_at.step
    curves, others = (metric_points.curve(engine, run.id) for run in (alone, both))
    assert {"loss", "forget_loss", "retain_loss"} <= set(curves) == set(others)
    for name in ("loss", "forget_loss", "retain_loss"):
        assert [step for step, _ in others[name]] == list(range(1, STEPS + 1)), "each step is told once"
        assert [value for _, value in others[name]] == pytest.approx([value for _, value in curves[name]], rel=1e-5)
    assert curves["loss"][0][1] != pytest.approx(curves["loss"][-1][1], rel=1e-2), "it did learn"
    first, second = weights(engine, home, alone), weights(engine, home, both)
    assert first.keys() == second.keys()
    assert max(float((first[name] - second[name]).abs().max()) for name in first) < 1e-5

    lost = queue(engine, spec(devices=2, steps=4000), "lost")
    wait_until(lambda: (runs.get(engine, lost.id).step or 0) >= 1)
    [follower] = processes_of(engine, lost)
    os.kill(follower.pid, signal.SIGKILL)
    assert ended(engine, lost).error == "the process of a further device ended without a word (exit code -9)"


def test_a_follower_cannot_write(engine: Engine, home: Path) -> None:
    reading = read_only(connect())
    with reading.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM runs")).scalar() == 0
    with pytest.raises(DBAPIError, match="readonly"), reading.begin() as connection:
        connection.execute(text("DELETE FROM runs"))
    with pytest.raises(DBAPIError, match="readonly"):
        queue(reading, spec(), "written")  # type: ignore[arg-type]
    assert runs.listing(engine) == []
