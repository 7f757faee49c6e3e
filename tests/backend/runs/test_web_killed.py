"""The web process may die at any moment: the run goes on, and the next web process finds everything as it was."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from urllib.error import URLError

import pytest
from sqlalchemy import Engine

from storage import metric_points, runs
from storage.tables import ENDED, RunState
from storage.workers import workers
from tests.backend.runs.conftest import REPO, queue, short_finetune, wait_until

pytestmark = pytest.mark.timeout(400)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def serves(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def open_lab(home: Path) -> tuple[subprocess.Popen[bytes], int]:
    port = free_port()
    environment = os.environ | {"LETHE_HOME": str(home), "PORT": str(port), "LETHE_DEMO": "0", "HF_HUB_OFFLINE": "1"}
    with (home / "web.log").open("ab") as log:
        process = subprocess.Popen([sys.executable, "app.py"], cwd=REPO, stdout=log, stderr=log, env=environment)
    return process, port


def test_killing_the_web_process_five_times_does_not_touch_the_run(engine: Engine, home: Path) -> None:
    chance = random.Random(0)
    run = queue(engine, short_finetune(steps=4000, save_every=0))
    known: set[str] = set()
    try:
        for _ in range(5):
            web, port = open_lab(home)
            wait_until(lambda port=port: serves(port))  # type: ignore[misc]
            before = runs.get(engine, run.id).step or 0
            further = before + chance.randint(1, 10)
            wait_until(lambda further=further: (runs.get(engine, run.id).step or 0) >= further)  # type: ignore[misc]
            web.send_signal(signal.SIGKILL)
            web.wait()
            at = runs.get(engine, run.id).step or 0
            wait_until(lambda at=at: (runs.get(engine, run.id).step or 0) > at)  # type: ignore[misc]
            known |= {worker.id for worker in workers(engine)}
        assert len(known) == 1, "the worker that was there is found, and no second one is started"
        runs.request_stop(engine, run.id, "save")
        wait_until(lambda: runs.get(engine, run.id).state in (*ENDED, RunState.INTERRUPTED))
        ended = runs.get(engine, run.id)
        assert (ended.state, ended.attempt) == (RunState.INTERRUPTED, 1)
        steps = [step for step, _ in metric_points.curve(engine, run.id, ["loss"], points=10**6)["loss"]]
        assert steps == list(range(1, len(steps) + 1)), "no step is lost or doubled"
    finally:
        for worker in workers(engine):
            os.kill(worker.pid, signal.SIGTERM)
