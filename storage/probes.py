"""Probes: what was asked of several models at once, and what each said. Kept once, never changed."""

import time
from typing import Any

from sqlalchemy import Engine, select

from storage.database import next_rev, reading, writing
from storage.errors import NotFound
from storage.tables import Probe, new_id


def save(engine: Engine, request: dict[str, Any], answers: list[Any]) -> Probe:
    """Keep a probe: what was asked of whom, and what each said."""
    with writing(engine) as session:
        probe = Probe(
            id=new_id(), created_at=time.time(), request=request, answers=list(answers), rev=next_rev(session)
        )
        session.add(probe)
    return probe


def get(engine: Engine, probe_id: str) -> Probe:
    """The probe with this id. Raises NotFound."""
    with reading(engine) as session:
        probe = session.get(Probe, probe_id)
    if probe is None:
        raise NotFound(f"There is no probe {probe_id}.")
    return probe


def listing(engine: Engine, limit: int = 50, offset: int = 0) -> list[Probe]:
    """A page of probes, newest first."""
    # created_at can tie on a coarse clock; rev grows with every write and decides
    statement = select(Probe).order_by(Probe.created_at.desc(), Probe.rev.desc()).limit(limit).offset(offset)
    with reading(engine) as session:
        return list(session.scalars(statement))
