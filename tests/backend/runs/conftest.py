"""A lab of its own for each test: a home, a database, and short runs of a model that has learnt nothing."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from sqlalchemy import Engine

from backend import queueing
from backend.benchmarks.demo import DemoBenchmark
from backend.benchmarks.item import Item
from backend.runs import job
from backend.runs.job import Job
from backend.runs.process import carry_out
from backend.spec import FinetuneSpec, ForgetRequest, Training, UnlearnSpec
from storage import runs
from storage.database import connect, migrate
from storage.tables import Run

REPO = Path(__file__).parents[3]


@pytest.fixture
def home(
    tmp_path: Path,
    world: DemoBenchmark,
    demo_folder: Path,
    shared_home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A home that has the demo world and model already, so that no test waits for them to be made."""
    (tmp_path / "worlds").symlink_to(shared_home / "worlds")
    shutil.copytree(shared_home / "models", tmp_path / "models")
    monkeypatch.setenv("LETHE_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def engine(home: Path) -> Engine:
    found = connect()
    migrate(found)
    return found


def short_finetune(steps: int = 6, **training: Any) -> FinetuneSpec:
    settings = {
        "adapter": "lora",
        "steps": steps,
        "batch_size": 4,
        "save_every": 2,
        "learning_rate": 1e-3,
    } | training
    return FinetuneSpec(training=Training(**settings), score=False)


def queue(engine: Engine, spec: FinetuneSpec, name: str = "short") -> Run:
    return runs.submit(engine, kind=spec.kind, name=name, spec=spec.model_dump(mode="json"))


def carried_out(engine: Engine, home: Path) -> Run:
    """The next run of the queue, done in this process, as it stands afterwards."""
    run = runs.claim(engine, "worker", "here", "cpu")
    assert run is not None
    carry_out(Job(engine, home, run), torch.device("cpu"))
    return runs.get(engine, run.id)


@pytest.fixture
def unlearned(engine: Engine, home: Path) -> Run:
    """An unlearning of one step, from a vanilla of one step."""
    vanilla = queueing.queue(engine, short_finetune(1), "vanilla")
    carried_out(engine, home)
    spec = UnlearnSpec(model=f"run:{vanilla.id}", training=Training(steps=1, batch_size=2, save_every=0), score=False)
    queueing.queue(engine, spec, "NPO")
    return carried_out(engine, home)


@pytest.fixture
def few_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three questions of each set, task and modality; and a run that looks at its row at every batch."""
    every = DemoBenchmark.scored_items

    def few(self: DemoBenchmark, request: ForgetRequest) -> list[Item]:
        seen: Counter[Any] = Counter()
        items = []
        for item in every(self, request):
            cell = (item.set, item.task, item.modality)
            seen[cell] += 1
            items += [item] if seen[cell] <= 3 else []
        return items

    monkeypatch.setattr(DemoBenchmark, "scored_items", few)
    monkeypatch.setattr(job, "WRITE_EVERY_S", 0.0)


def wait_until(condition: Callable[[], bool], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass in time"
        time.sleep(0.1)


class Workers:
    """Real workers, as `app.py` would start them."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> subprocess.Popen[bytes]:
        with (self.home / "worker.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "backend", "worker"],
                cwd=REPO,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=os.environ | {"LETHE_HOME": str(self.home), "HF_HUB_OFFLINE": "1"},
            )
        self.processes.append(process)
        return process

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        process.send_signal(signal.SIGKILL)
        process.wait()

    def stop_all(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


@pytest.fixture
def crew(home: Path) -> Iterator[Workers]:
    workers = Workers(home)
    yield workers
    workers.stop_all()
