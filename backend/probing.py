"""The way to the probe: where it is found, and how a question is put to it. No torch; the answers stream in as events.

The probe lives in a process of the worker, listens on this machine alone unless told otherwise, and asks for a token.
Both stand in the workers table, so whoever can read the lab's database can ask.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
from sqlalchemy import Engine

from backend.spec import ProbeSpec
from storage.workers import workers

READ_TIMEOUT_S = 300.0


class ProbeUnavailable(RuntimeError):
    """No probe can be reached; the message says what to do."""


@dataclass(frozen=True)
class Address:
    """Where a probe listens, and the token it asks for."""

    url: str
    token: str


def find_server(engine: Engine) -> Address | None:
    """The probe of the newest worker that is alive and can be reached from here, or None."""
    for worker in reversed(workers(engine)):
        # a loopback address of another machine would be a port of this one
        here = worker.host == socket.gethostname() or "//127." not in (worker.probe_url or "")
        if worker.probe_url and worker.probe_token and here:
            return Address(worker.probe_url, worker.probe_token)
    return None


def ask(address: Address, spec: ProbeSpec) -> Iterator[dict[str, Any]]:
    """Streams events: `start`, then `text` and `end` for each model, then `done` with the probe's id, or `error`.

    Raises `ProbeUnavailable` when the probe cannot be reached or stops half-way.
    """
    try:
        with httpx.stream(
            "POST",
            f"{address.url}/ask",
            json=spec.model_dump(mode="json"),
            headers={"Authorization": f"Bearer {address.token}"},
            timeout=httpx.Timeout(10.0, read=READ_TIMEOUT_S),
        ) as response:
            if response.status_code != 200:
                response.read()
                raise ProbeUnavailable(
                    f"the probe refused the question ({response.status_code}): {response.text[:300]}"
                )
            for line in response.iter_lines():
                if line:
                    yield json.loads(line)
    except httpx.HTTPError as error:
        raise ProbeUnavailable(
            "the probe stopped answering; the worker starts it again within a few seconds"
        ) from error
