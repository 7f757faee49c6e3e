"""Who is there to take runs: a worker's row is its sign of life.

A heartbeat that changes nothing visible leaves the pages' cursor alone.
"""

import time
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from storage.database import next_rev, reading, writing
from storage.errors import NotFound
from storage.tables import Worker, new_id


def register_worker(
    engine: Engine,
    *,
    host: str,
    pid: int,
    pid_started_at: float,
    device: str,
    devices: list[Any] | None = None,
    versions: dict[str, Any] | None = None,
    probe_url: str | None = None,
    probe_token: str | None = None,
    worker_id: str | None = None,
) -> Worker:
    """Write a worker's row and return it; with the `worker_id` of an earlier row, that row is taken over."""
    now = time.time()
    with writing(engine) as session:
        worker = (session.get(Worker, worker_id) if worker_id else None) or Worker(id=worker_id or new_id())
        worker.host, worker.pid, worker.pid_started_at = host, pid, pid_started_at
        worker.device, worker.devices, worker.versions = device, list(devices or []), dict(versions or {})
        worker.probe_url, worker.probe_token = probe_url, probe_token
        worker.started_at = worker.heartbeat_at = now
        worker.state, worker.rev = "up", next_rev(session)
        session.add(worker)
    return worker


def worker_heartbeat(
    engine: Engine, worker_id: str, probe_url: str | None = None, probe_token: str | None = None
) -> None:
    """Say that the worker lives; a probe address that is given replaces the one known. Raises NotFound."""
    with writing(engine) as session:
        worker = _get(session, worker_id)
        before = (worker.state, worker.probe_url, worker.probe_token)
        worker.heartbeat_at, worker.state = time.time(), "up"
        worker.probe_url = probe_url if probe_url is not None else worker.probe_url
        worker.probe_token = probe_token if probe_token is not None else worker.probe_token
        if (worker.state, worker.probe_url, worker.probe_token) != before:
            worker.rev = next_rev(session)


def worker_down(engine: Engine, worker_id: str) -> None:
    """Say that the worker has ended; its probe address is forgotten. Raises NotFound."""
    with writing(engine) as session:
        worker = _get(session, worker_id)
        worker.state, worker.probe_url, worker.probe_token = "down", None, None
        worker.rev = next_rev(session)


def workers(engine: Engine, alive_within_s: float = 30) -> list[Worker]:
    """The workers that are up and gave a sign of life in the last `alive_within_s` seconds, oldest first."""
    alive = (Worker.state == "up") & (Worker.heartbeat_at >= time.time() - alive_within_s)
    with reading(engine) as session:
        return list(session.scalars(select(Worker).where(alive).order_by(Worker.started_at, Worker.id)))


def _get(session: Session, worker_id: str) -> Worker:
    worker = session.get(Worker, worker_id)
    if worker is None:
        raise NotFound(f"There is no worker {worker_id}.")
    return worker
