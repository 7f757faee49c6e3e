"""A lab on an empty database, and a short way to fill it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from backend.presets import fill
from storage import checkpoints, runs
from storage.database import connect, migrate
from storage.tables import Checkpoint, Run
from ui.context import Lab


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.setenv("LETHE_HOME", str(tmp_path))
    engine = connect(f"sqlite:///{tmp_path / 'lethe.db'}")
    migrate(engine)
    yield Lab(engine, tmp_path)
    engine.dispose()


@pytest.fixture
def queued(lab: Lab) -> Callable[..., Run]:
    """Queues an unlearning run."""

    def make(name: str = "NPO", **given: Any) -> Run:
        return runs.submit(lab.engine, kind="unlearn", name=name, spec=fill("npo").model_dump(mode="json"), **given)

    return make


@pytest.fixture
def running(lab: Lab, queued: Callable[..., Run]) -> Callable[..., Run]:
    """Queues a run and lets a worker take it."""

    def make(name: str = "NPO", step: int = 75, steps: int = 120, eta_s: float | None = 9.0) -> Run:
        made = queued(name)
        runs.claim(lab.engine, "worker", "host", "CPU, 2 cores")
        runs.heartbeat(lab.engine, made.id, 1, step=step, steps=steps, eta_s=eta_s)
        return runs.get(lab.engine, made.id)

    return make


@pytest.fixture
def saved(lab: Lab) -> Callable[..., Checkpoint]:
    """Saves a checkpoint of a run, of so many bytes."""

    def make(run: Run, size: int = 1000, role: str = "final", parent_id: str | None = None) -> Checkpoint:
        def write(folder: Path) -> None:
            (folder / "adapter.safetensors").write_bytes(b"\0" * size)

        return checkpoints.save(
            lab.engine, lab.home, run_id=run.id, step=50, kind="adapter", role=role, base="demo", write=write,
            parent_id=parent_id,
        )  # fmt: skip

    return make
