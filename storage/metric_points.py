"""The curves of runs: points of a name over steps.

A point is written once: the same row sent again changes nothing, so a process that resumes may repeat what it is not
sure about. An attempt that goes back to a step first forgets the points above it, so that a curve is one training's and
never spliced from two.
"""

import time
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Engine, Select, delete, func, or_, select
from sqlalchemy.orm import Session

from storage.claims import touch
from storage.database import finite, insert_or_ignore, reading, writing
from storage.tables import MetricPoint


def record(engine: Engine, run_id: str, rows: Iterable[tuple[int, str, float]], *, attempt: int | None = None) -> None:
    """Add points (step, name, value) to a run's curves; a point that is there already stays.

    Raises NotFound; ClaimLost where an `attempt` is named that no longer holds the run.

    A value that is not finite is kept as a gap, so that a curve shows where training broke.
    """
    now = time.time()
    points = [
        {"run_id": run_id, "step": int(step), "name": name, "value": finite(value), "at": now}
        for step, name, value in rows
    ]
    if not points:
        return
    with writing(engine) as session:
        touch(session, run_id, attempt)
        insert_or_ignore(session, MetricPoint, points)


def forget_after(engine: Engine, run_id: str, step: int, *, attempt: int | None = None) -> None:
    """Delete the points of a run's curves above `step` (all of them above 0 when it begins anew with step 1).

    Raises NotFound; ClaimLost where an `attempt` is named that no longer holds the run.
    """
    with writing(engine) as session:
        touch(session, run_id, attempt)
        session.execute(delete(MetricPoint).where(MetricPoint.run_id == run_id, MetricPoint.step > step))


def curve(
    engine: Engine, run_id: str, only: Iterable[str] | None = None, points: int = 400
) -> dict[str, list[tuple[int, float]]]:
    """At most `points` (step, value) pairs of each name, or each of `only`, thinned so that kept ones stay as it grows.

    Every 2^k-th point is kept, counted from the first, with the smallest k that fits; when k grows, those
    kept are some of those kept before. First and last are always there. A gap comes back as nan.
    """
    if points < 2:
        raise ValueError("A curve needs room for its first and its last point: points must be 2 or more.")
    wanted = None if only is None else list(only)
    with reading(engine) as session:
        sizes = _sizes(session, run_id, wanted)
        curves: dict[str, list[tuple[int, float]]] = {name: [] for name in sizes}
        by_stride: dict[int, list[str]] = {}
        for name, size in sizes.items():
            by_stride.setdefault(_stride(size, points), []).append(name)
        for stride, group in by_stride.items():
            for name, step, value in session.execute(_thinned(run_id, group, stride)):
                curves[name].append((step, float("nan") if value is None else value))
    return curves


def names(engine: Engine, run_id: str) -> list[str]:
    """The names of the run's curves, in alphabetical order."""
    with reading(engine) as session:
        return list(_sizes(session, run_id, None))


def _stride(size: int, points: int) -> int:
    """The smallest power of two that leaves at most `points` of `size` points, the last one included."""
    stride = 1
    while -(-size // stride) + ((size - 1) % stride != 0) > points:
        stride *= 2
    return stride


def _sizes(session: Session, run_id: str, names: list[str] | None) -> dict[str, int]:
    statement = select(MetricPoint.name, func.count()).where(MetricPoint.run_id == run_id)
    if names is not None:
        statement = statement.where(MetricPoint.name.in_(names))
    rows = session.execute(statement.group_by(MetricPoint.name).order_by(MetricPoint.name))
    return {name: size for name, size in rows}


def _thinned(run_id: str, names: list[str], stride: int) -> Select[Any]:
    numbered = (
        select(
            MetricPoint.name,
            MetricPoint.step,
            MetricPoint.value,
            (func.row_number().over(partition_by=MetricPoint.name, order_by=MetricPoint.step) - 1).label("place"),
            func.count().over(partition_by=MetricPoint.name).label("size"),
        )
        .where(MetricPoint.run_id == run_id, MetricPoint.name.in_(names))
        .subquery()
    )
    place = numbered.c.place
    kept = or_(place % stride == 0, place == numbered.c.size - 1)
    columns = (numbered.c.name, numbered.c.step, numbered.c.value)
    return select(*columns).where(kept).order_by(numbered.c.name, numbered.c.step)
