"""The probe as a small HTTP service of the worker.

`POST /ask` streams events as lines of JSON, `POST /release` gives the memory back. It listens on this machine alone
unless `LETHE_PROBE_HOST` says otherwise, and every request needs its token.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import sys
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection

import transformers
import uvicorn
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from backend.forked import ProbeOrders
from backend.inference.probe import Probe
from backend.liveness import alive
from backend.models.loading import pick_device, show_only
from backend.spec import ProbeSpec, faults
from storage.database import connect

WATCH_S = 1.0
RELEASE_WAIT_S = 5.0
"""How long an answer that is being given may hold up the giving back of memory."""


def application(probe: Probe, token: str) -> Starlette:
    """The service. One question at a time: the next waits for its turn, as the device has no room for two."""
    turn = threading.Lock()

    def refused(request: Request) -> Response | None:
        given = request.headers.get("authorization", "")
        return None if secrets.compare_digest(given, f"Bearer {token}") else JSONResponse({"error": "wrong token"}, 401)

    async def ask(request: Request) -> Response:
        if (no := refused(request)) is not None:
            return no
        try:
            spec = ProbeSpec.model_validate_json(await request.body())
        except ValidationError as error:
            return JSONResponse({"error": faults(error)}, 422)

        def lines() -> Iterator[bytes]:
            with turn:
                for event in probe.ask(spec):
                    yield json.dumps(event).encode() + b"\n"

        return StreamingResponse(lines(), media_type="application/x-ndjson")

    def release(request: Request) -> Response:
        if (no := refused(request)) is not None:
            return no
        if not turn.acquire(timeout=RELEASE_WAIT_S):
            return JSONResponse({"error": "an answer is being given"}, 409)
        try:
            probe.bases.release()
        finally:
            turn.release()
        return JSONResponse({"released": True})

    return Starlette(routes=[Route("/ask", ask, methods=["POST"]), Route("/release", release, methods=["POST"])])


def serve(ready: Connection, orders: ProbeOrders) -> None:
    """The body of the probe's process: binds a free port, sends `(url, token)` through `ready`, and serves until it is
    ended or its worker is gone."""
    os.setsid()
    orders.log_file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(orders.log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(descriptor, sys.stdout.fileno())
    os.dup2(descriptor, sys.stderr.fileno())
    if orders.device.startswith("cuda:"):
        show_only(orders.device)
    transformers.utils.logging.disable_progress_bar()
    host = os.environ.get("LETHE_PROBE_HOST", "127.0.0.1")
    listener = socket.socket()
    listener.bind((host, 0))
    token = secrets.token_urlsafe(24)
    probe = Probe(
        connect(orders.database),
        orders.home,
        pick_device("cuda:0" if orders.device.startswith("cuda") else orders.device),
    )
    server = uvicorn.Server(uvicorn.Config(application(probe, token), log_level="warning", access_log=False))
    threading.Thread(target=_leave_with_worker, args=(orders.worker_pid, orders.worker_started_at), daemon=True).start()
    ready.send((f"http://{_reachable(host)}:{listener.getsockname()[1]}", token))
    ready.close()
    server.run(sockets=[listener])


def _reachable(host: str) -> str:
    return socket.gethostname() if host in ("0.0.0.0", "::") else host


def _leave_with_worker(pid: int, started_at: float) -> None:
    """A probe without its worker is in nobody's table; it ends itself."""
    while alive(pid, started_at):
        threading.Event().wait(WATCH_S)
    os._exit(0)
