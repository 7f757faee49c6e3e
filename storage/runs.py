"""The queue as people see it: submit, look up, reorder, stop, resume, delete.

A run is claimed once; a row is never lost; pressing Start twice makes one run. What workers do to a run
(claim, heartbeat, finish, reap) is in `storage.claims` and is reached through here.
"""

import copy
import time
from collections.abc import Iterable
from typing import Any, Literal

from sqlalchemy import Engine, Select, case, func, or_, select, update
from sqlalchemy import delete as delete_rows
from sqlalchemy.orm import Session

from storage.claims import (
    attach,
    claim,
    devices_wanted,
    finish,
    heartbeat,
    next_devices,
    note,
    reap,
    waits,
)
from storage.database import next_rev, reading, writing
from storage.errors import ClaimLost, NotFound, RunBusy
from storage.tables import (
    ACTIVE,
    ENDED,
    STOP_CANCEL,
    STOP_NONE,
    STOP_SAVE,
    Answer,
    AttackUnit,
    Checkpoint,
    MetricPoint,
    Revision,
    Run,
    RunState,
    Score,
    Transcript,
    new_id,
)

__all__ = [
    "ATTEMPTS",
    "ClaimLost",
    "NotFound",
    "RunBusy",
    "attach",
    "by_fingerprint",
    "children",
    "claim",
    "counts",
    "delete",
    "devices_wanted",
    "find",
    "finish",
    "get",
    "heartbeat",
    "latest_rev",
    "listing",
    "move",
    "next_devices",
    "note",
    "reap",
    "request_stop",
    "resume",
    "retry",
    "submit",
]

ATTEMPTS = 3
Order = Literal["newest", "oldest", "name", "state", "queue"]
Where = Literal["up", "down", "first", "last"]
_PREFIX = 4
_STATE_ORDER = ("running", "stopping", "queued", "interrupted", "failed", "cancelled", "succeeded")


def submit(
    engine: Engine,
    *,
    kind: str,
    name: str,
    spec: dict[str, Any],
    start_request_id: str | None = None,
    group_id: str | None = None,
    depends_on: str | None = None,
    parent_checkpoint_id: str | None = None,
    priority: int = 0,
    fingerprint: str | None = None,
    max_attempts: int = ATTEMPTS,
    versions: dict[str, Any] | None = None,
) -> Run:
    """Queue a run, last among those of its priority, and return its row.

    The same `start_request_id` twice returns the row of the first time. Raises NotFound when the run or the
    checkpoint that it builds on is not there.
    """
    with writing(engine) as session:
        if start_request_id is not None:
            earlier = session.scalar(select(Run).where(Run.start_request_id == start_request_id))
            if earlier is not None:
                return earlier
        if depends_on is not None:
            _get(session, depends_on)
        if parent_checkpoint_id is not None and session.get(Checkpoint, parent_checkpoint_id) is None:
            raise NotFound(f"There is no checkpoint {parent_checkpoint_id} to start from.")
        run = Run(
            id=new_id(),
            name=name,
            kind=kind,
            spec=copy.deepcopy(spec),
            start_request_id=start_request_id,
            group_id=group_id,
            depends_on=depends_on,
            parent_checkpoint_id=parent_checkpoint_id,
            priority=priority,
            position=_behind_everyone(session),
            fingerprint=fingerprint,
            max_attempts=max_attempts,
            versions=dict(versions or {}),
            rev=next_rev(session),
        )
        session.add(run)
    return run


def get(engine: Engine, run_id: str) -> Run:
    """The run with this id. Raises NotFound."""
    with reading(engine) as session:
        return _get(session, run_id)


def find(engine: Engine, text: str, *, with_model: bool = False) -> Run:
    """The run that `text` means: an id, its first four or more digits, or an exact name (then the newest; of those that
    made a model, or still may, where there are any and `with_model` asks for one).

    Raises NotFound when there is none, or when several ids begin so.
    """
    wanted = text.strip()
    named = select(Run).where(Run.name == wanted)
    if with_model:
        named = named.order_by(Run.state.in_((RunState.FAILED, RunState.CANCELLED)))
    named = named.order_by(*_order("newest"))
    with reading(engine) as session:
        by_id = session.get(Run, wanted)
        if by_id is not None:
            return by_id
        starting: list[Run] = []
        if len(wanted) >= _PREFIX:
            starting = list(session.scalars(select(Run).where(Run.id.startswith(wanted, autoescape=True)).limit(2)))
        if len(starting) == 1:
            return starting[0]
        newest = session.scalar(named.limit(1))
    if newest is not None:
        return newest
    if starting:
        raise NotFound(f"Several runs begin with “{wanted}”: type more of the id.")
    raise NotFound(f"No run has “{wanted}” as its name, its id, or the first four or more digits of its id.")


def listing(
    engine: Engine,
    *,
    kind: str | None = None,
    states: Iterable[str] | None = None,
    text: str | None = None,
    group: str | None = None,
    order: Order = "newest",
    limit: int = 200,
    offset: int = 0,
) -> list[Run]:
    """A page of runs; `text` is looked for in names and at the start of ids; "queue": as claimed; `group` is exact."""
    statement = select(Run).order_by(*_order(order)).limit(limit).offset(offset)
    if kind is not None:
        statement = statement.where(Run.kind == kind)
    if states is not None:
        statement = statement.where(Run.state.in_([RunState(state) for state in states]))
    if group is not None:
        statement = statement.where(Run.group_id == group)
    if text and text.strip():
        wanted = text.strip()
        named = Run.name.icontains(wanted, autoescape=True)
        statement = statement.where(or_(named, Run.id.startswith(wanted, autoescape=True)))
    with reading(engine) as session:
        return list(session.scalars(statement))


def counts(engine: Engine) -> dict[str, int]:
    """How many runs stand in each state; every state has an entry."""
    with reading(engine) as session:
        rows = session.execute(select(Run.state, func.count()).group_by(Run.state))
        found = {state: number for state, number in rows}
    return {state.value: found.get(state, 0) for state in RunState}


def children(engine: Engine, run_id: str) -> list[Run]:
    """The runs that wait for this one or start from one of its checkpoints, oldest first."""
    own = select(Checkpoint.id).where(Checkpoint.run_id == run_id)
    built_on = or_(Run.depends_on == run_id, Run.parent_checkpoint_id.in_(own))
    statement = select(Run).where(built_on, Run.id != run_id).order_by(Run.created_at, Run.position)
    with reading(engine) as session:
        return list(session.scalars(statement))


def by_fingerprint(engine: Engine, fingerprint: str) -> Run | None:
    """The newest run that did, or is to do, exactly this; one that failed or was cancelled, where there is no other."""
    fruitless = Run.state.in_((RunState.FAILED, RunState.CANCELLED))
    statement = select(Run).where(Run.fingerprint == fingerprint).order_by(fruitless, *_order("newest")).limit(1)
    with reading(engine) as session:
        return session.scalar(statement)


def request_stop(engine: Engine, run_id: str, how: str) -> Run:
    """Ask a run to stop: "save" keeps a checkpoint to go on from, "cancel" gives it up. Returns the row.

    A run that no process holds stops at once; save then parks it as interrupted until it is resumed. A cancel
    may follow a save, not the reverse. An ended run is returned as it is. Raises NotFound.
    """
    if how not in (STOP_SAVE, STOP_CANCEL):
        raise ValueError(f"A run is stopped with save or cancel, not with {how!r}.")
    with writing(engine) as session:
        run = _get(session, run_id)
        if run.state in ENDED or run.requested_stop in (how, STOP_CANCEL):
            return run
        run.requested_stop, run.stop_requested_at, run.rev = how, time.time(), next_rev(session)
        if run.state in ACTIVE:
            run.state = RunState.STOPPING
        elif how == STOP_SAVE:
            run.state = RunState.INTERRUPTED
        else:
            run.state, run.finished_at = RunState.CANCELLED, time.time()
    return run


def resume(engine: Engine, run_id: str) -> Run:
    """Queue an interrupted, failed or cancelled run again, for three attempts. Raises RunBusy, NotFound."""
    with writing(engine) as session:
        run = _get(session, run_id)
        if run.state == RunState.QUEUED:
            return run
        if run.state in ACTIVE:
            raise RunBusy(f"The run “{run.name}” is still {run.state}: wait for it to end, then resume it.")
        if run.state == RunState.SUCCEEDED:
            raise RunBusy(f"The run “{run.name}” has succeeded: to do it once more, run a copy of it.")
        run.state, run.requested_stop, run.stop_requested_at = RunState.QUEUED, STOP_NONE, None
        run.max_attempts = run.attempt + ATTEMPTS
        run.error = run.finished_at = None
        run.position, run.rev = _behind_everyone(session), next_rev(session)
    return run


def retry(engine: Engine, run_id: str, start_request_id: str | None = None) -> Run:
    """Queue a copy of the run, with the same spec, as a new run. Raises NotFound."""
    original = get(engine, run_id)
    return submit(
        engine,
        kind=original.kind,
        name=original.name,
        spec=original.spec,
        start_request_id=start_request_id,
        group_id=original.group_id,
        depends_on=original.depends_on,
        parent_checkpoint_id=original.parent_checkpoint_id,
        priority=original.priority,
        fingerprint=original.fingerprint,
    )


def move(engine: Engine, run_id: str, where: Where) -> Run:
    """Move a waiting run in the queue; it takes the priority of the one whose place it takes.

    Raises RunBusy for a run that does not wait; NotFound.
    """
    with writing(engine) as session:
        run = _get(session, run_id)
        queue = list(session.scalars(select(Run).where(waits(Run)).order_by(*_order("queue"))))
        if run not in queue:
            raise RunBusy(f"The run “{run.name}” is {run.state}: only waiting runs can be moved.")
        old = queue.index(run)
        new = {
            "up": max(old - 1, 0),
            "down": min(old + 1, len(queue) - 1),
            "first": 0,
            "last": len(queue) - 1,
        }[where]
        if new == old:
            return run
        run.priority = queue[new].priority
        queue.insert(new, queue.pop(old))
        rev = next_rev(session)
        for position, waiting in enumerate(queue, start=1):
            if waiting.position != position or waiting is run:
                waiting.position, waiting.rev = position, rev
    return run


def delete(engine: Engine, run_id: str) -> list[str]:
    """Delete a run and all that was recorded of it; returns its checkpoints' paths, for the caller to remove.

    Raises RunBusy while a process holds it, or when another run builds on it or on its checkpoints.
    """
    with writing(engine) as session:
        run = _get(session, run_id)
        if run.state in ACTIVE:
            raise RunBusy(f"The run “{run.name}” is {run.state}: stop it first, then delete it.")
        checkpoints = list(session.scalars(select(Checkpoint).where(Checkpoint.run_id == run_id)))
        own = [checkpoint.id for checkpoint in checkpoints]
        needing = session.scalar(_needing(run_id, own))
        if needing is not None:
            raise RunBusy(f"The run “{run.name}” cannot be deleted: “{needing.name}” builds on it. Delete that first.")
        run.parent_checkpoint_id = run.output_checkpoint_id = None
        session.flush()
        for model in (MetricPoint, Score, Answer, AttackUnit, Transcript):
            session.execute(delete_rows(model).where(model.run_id == run_id))
        session.execute(update(Checkpoint).where(Checkpoint.id.in_(own)).values(parent_id=None))
        session.execute(delete_rows(Checkpoint).where(Checkpoint.id.in_(own)))
        session.execute(delete_rows(Run).where(Run.id == run_id))
        next_rev(session)
    return [checkpoint.path for checkpoint in checkpoints]


def latest_rev(engine: Engine) -> int:
    """The lab's revision: it grows with every visible write, deletions too."""
    with reading(engine) as session:
        return session.scalars(select(Revision.value)).one()


def _get(session: Session, run_id: str) -> Run:
    run = session.get(Run, run_id)
    if run is None:
        raise NotFound(f"There is no run {run_id}.")
    return run


def _behind_everyone(session: Session) -> int:
    return (session.scalar(select(func.max(Run.position))) or 0) + 1


def _order(order: Order) -> tuple[Any, ...]:
    rank = case({state: place for place, state in enumerate(_STATE_ORDER)}, value=Run.state, else_=99)
    newest = (Run.created_at.desc(), Run.position.desc(), Run.id)
    orders: dict[str, tuple[Any, ...]] = {
        "newest": newest,
        "oldest": (Run.created_at.asc(), Run.position.asc(), Run.id.asc()),
        "name": (func.lower(Run.name), *newest),
        "state": (rank, *newest),
        "queue": (Run.priority.desc(), Run.position.asc(), Run.id.asc()),
    }
    if order not in orders:
        raise ValueError(f"Runs are ordered by {', '.join(orders)}, not by {order!r}.")
    return orders[order]


def _needing(run_id: str, own: list[str]) -> Select[Run]:
    """Another run that waits for this one, or refers to one of its checkpoints in any way."""
    builders = [
        select(model.run_id).where(column.in_(own))
        for model, column in (
            (Checkpoint, Checkpoint.parent_id),
            (Score, Score.checkpoint_id),
            (Answer, Answer.checkpoint_id),
        )
    ]
    refers = (Run.parent_checkpoint_id, Run.output_checkpoint_id)
    needs = or_(
        Run.depends_on == run_id,
        *(column.in_(own) for column in refers),
        *(Run.id.in_(builder) for builder in builders),
    )
    return select(Run).where(Run.id != run_id, needs).order_by(Run.created_at).limit(1)
