"""What a lab does when it opens: queue the demo's first runs once, and see to it that a worker is there.

No torch: the worker is a process of its own, in its own session, and outlives the pages it was started for as long as
a run needs it.
"""

from __future__ import annotations

import logging
import math
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from backend.benchmarks.item import Benchmark
from backend.demo_runs import demo_runs
from backend.liveness import alive
from storage import runs
from storage.tables import Run
from storage.workers import workers

WATCH_S = 3.0
SILENT_S = 10.0
"""A worker on another machine that has given no sign of life for so long is taken for dead."""
log = logging.getLogger("lethe")


def seed_demo(engine: Engine, benchmark: Benchmark) -> list[Run]:
    """Vanilla, gold, GradDiff and NPO of the demo world, queued if they are not there; answers their rows.

    A run is known by its fingerprint (world, spec, version), so a later start finds what an earlier one made. One that
    failed or was cancelled is left as it is: a person can resume it, or delete it to have it queued anew.
    """
    kept: dict[str, Run] = {}
    for planned in demo_runs(benchmark):
        known = runs.by_fingerprint(engine, planned.fingerprint)
        if known is None:
            needed = kept.get(planned.needs) if planned.needs else None
            spec = planned.spec.model_dump(mode="json")
            if needed is not None:
                spec["model"] = f"run:{needed.id}"
            known = runs.submit(
                engine,
                kind=planned.spec.kind,
                name=planned.name,
                spec=spec,
                depends_on=needed.id if needed else None,
                fingerprint=planned.fingerprint,
                start_request_id=f"demo-{planned.fingerprint}",
            )
        kept[planned.name] = known
    return list(kept.values())


def keep_worker(engine: Engine, home: Path) -> None:
    """Starts a worker unless one is up, and starts it again whenever none is."""
    threading.Thread(target=_watch, args=(engine, home), daemon=True, name="worker watch").start()


def _watch(engine: Engine, home: Path) -> None:
    process: subprocess.Popen[bytes] | None = None
    while True:
        try:
            if (process is None or process.poll() is not None) and not worker_is_up(engine):
                if process is not None:
                    log.warning("the worker ended (%s); starting another", process.returncode)
                process = start_worker(home)
        except (SQLAlchemyError, OSError) as error:
            log.warning("no worker could be started, tried again: %s", error)
        threading.Event().wait(WATCH_S)


def worker_is_up(engine: Engine) -> bool:
    """Whether there is a worker. One of this machine is known by its process: while the rooms with torch are imported
    for the first time it gives no sign of life, and is not dead."""
    here, heard_since = socket.gethostname(), time.time() - SILENT_S
    return any(
        alive(worker.pid, worker.pid_started_at) if worker.host == here else worker.heartbeat_at >= heard_since
        for worker in workers(engine, alive_within_s=math.inf)
    )


def start_worker(home: Path) -> subprocess.Popen[bytes]:
    """`python -m backend worker` in a session of its own, writing to `home/logs/worker.log`."""
    log_file = home / "logs" / "worker.log"
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with log_file.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "backend", "worker", "--parent", str(os.getpid())],
            cwd=Path(__file__).parent.parent,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env=os.environ | {"LETHE_HOME": str(home)},
        )
