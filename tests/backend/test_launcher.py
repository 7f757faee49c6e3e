"""When a lab takes its worker for dead: by its process on this machine, by its silence on another."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, update

from backend.launcher import worker_is_up
from backend.liveness import started_at
from storage.database import connect, migrate, writing
from storage.tables import Worker
from storage.workers import register_worker, worker_down


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = connect(f"sqlite:///{tmp_path}/lethe.db")
    migrate(engine)
    yield engine
    engine.dispose()


def a_worker(engine: Engine, *, host: str, silent_s: float, start: float | None = None) -> Worker:
    own = started_at(os.getpid()) or 0.0
    worker = register_worker(
        engine, host=host, pid=os.getpid(), pid_started_at=own if start is None else start, device="CPU"
    )
    with writing(engine) as session:
        session.execute(update(Worker).values(heartbeat_at=time.time() - silent_s))
    return worker


def test_a_silent_worker_whose_process_is_here_is_not_dead(engine: Engine) -> None:
    worker = a_worker(engine, host=socket.gethostname(), silent_s=300)
    assert worker_is_up(engine)
    worker_down(engine, worker.id)
    assert not worker_is_up(engine)


def test_a_worker_whose_process_is_gone_is_dead_however_lately_it_was_heard(engine: Engine) -> None:
    a_worker(engine, host=socket.gethostname(), silent_s=0, start=1.0)  # another process has its number now
    assert not worker_is_up(engine)


@pytest.mark.parametrize(("silent_s", "up"), [(5, True), (15, False)])
def test_a_worker_on_another_machine_is_known_by_its_heartbeat(engine: Engine, silent_s: float, up: bool) -> None:
    a_worker(engine, host="another machine", silent_s=silent_s)
    assert worker_is_up(engine) is up
