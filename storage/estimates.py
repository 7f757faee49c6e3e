"""How long a run may take, from runs like it that this lab has seen."""

import statistics
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Engine, case, select

from storage.database import reading
from storage.tables import Run, RunState

_REMEMBERED = 200  # how many past runs an estimate looks at


def seconds_per_step(engine: Engine, kind: str, like: Mapping[str, Any]) -> tuple[float, int] | None:
    """Median seconds a step took in past runs like this one, and how many runs that is of; None without any.

    Like: same kind, succeeded in one go (so that no waiting between attempts and no step made twice counts), and
    the spec agrees on `like`'s dotted paths, such as {"model": "demo", "training.batch_size": 8}.
    """
    made = case((Run.step > 0, Run.step), else_=Run.steps).label("made")  # a guard may end a run early
    columns = select(Run.spec, Run.started_at, Run.finished_at, made)
    measured = (Run.kind == kind, Run.state == RunState.SUCCEEDED, Run.steps > 0, Run.attempt == 1)
    with reading(engine) as session:
        statement = columns.where(*measured).order_by(Run.finished_at.desc()).limit(_REMEMBERED)
        past = session.execute(statement).all()
    seconds = [
        (row.finished_at - row.started_at) / row.made
        for row in past
        if all(_at(row.spec, path) == value for path, value in like.items())
    ]
    return (statistics.median(seconds), len(seconds)) if seconds else None


def _at(spec: Mapping[str, Any], path: str) -> Any:
    value: Any = spec
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
