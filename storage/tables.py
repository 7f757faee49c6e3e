"""The tables. Times are unix seconds (UTC), ids are uuid4 hex, paths are relative to the lab's home.

`rev` is the pages' cursor: one counter for the whole lab (`Revision`), whose next value is taken and written
to the touched row in the same transaction, so a reader that remembers the largest value has missed nothing.
"""

import time
import uuid
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    Enum,
    ForeignKey,
    Index,
    MetaData,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class RunState(StrEnum):
    """Where a run stands. `interrupted`: its process is gone, and it can go on from its last checkpoint."""

    QUEUED = "queued"
    RUNNING = "running"
    STOPPING = "stopping"
    INTERRUPTED = "interrupted"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


ACTIVE = frozenset({RunState.RUNNING, RunState.STOPPING})
"""A process holds the run."""
ENDED = frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED})
"""Nothing happens to the run any more unless a person asks for it."""

STOP_NONE, STOP_SAVE, STOP_CANCEL = "none", "save", "cancel"


def new_id() -> str:
    """A fresh uuid4 as 32 hex digits."""
    return uuid.uuid4().hex


class Base(DeclarativeBase):
    """Constraints are named by rule, so that a later migration can address each of them on every database."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        dict[str, Any]: JSON,
        list[Any]: JSON,
        RunState: Enum(
            RunState,
            native_enum=False,
            length=16,
            values_callable=lambda states: [state.value for state in states],
        ),
    }


class Run(Base):
    """One run of one kind. The row is the run; the process that works on it comes and goes.

    `started_at` is the start of its first attempt; `worked_s` adds up its attempts that are over, without the waiting
    between them.
    """

    __tablename__ = "runs"
    __table_args__ = (Index("ix_runs_queue", "state", "priority", "position"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(String(32), index=True)
    spec: Mapped[dict[str, Any]]
    state: Mapped[RunState] = mapped_column(default=RunState.QUEUED)
    priority: Mapped[int] = mapped_column(default=0)
    position: Mapped[int]
    attempt: Mapped[int] = mapped_column(default=0)
    max_attempts: Mapped[int] = mapped_column(default=3)
    group_id: Mapped[str | None] = mapped_column(String(64), index=True)
    depends_on: Mapped[str | None] = mapped_column(ForeignKey("runs.id"), index=True)
    requested_stop: Mapped[str] = mapped_column(String(8), default=STOP_NONE)
    stop_requested_at: Mapped[float | None]
    start_request_id: Mapped[str | None] = mapped_column(String(128), unique=True)
    fingerprint: Mapped[str | None] = mapped_column(String(128), index=True)

    worker_id: Mapped[str | None] = mapped_column(String(32))
    host: Mapped[str | None] = mapped_column(Text)
    pid: Mapped[int | None]
    pid_started_at: Mapped[float | None]
    device: Mapped[str | None] = mapped_column(Text)
    heartbeat_at: Mapped[float | None]
    lease_until: Mapped[float | None]

    step: Mapped[int] = mapped_column(default=0)
    steps: Mapped[int | None]
    message: Mapped[str | None] = mapped_column(Text)
    eta_s: Mapped[float | None]
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[float] = mapped_column(default=time.time, index=True)
    started_at: Mapped[float | None]
    attempt_started_at: Mapped[float | None]
    worked_s: Mapped[float] = mapped_column(default=0.0)
    finished_at: Mapped[float | None]

    # runs and checkpoints point at each other, so these two are added once both tables stand
    parent_checkpoint_id: Mapped[str | None] = mapped_column(ForeignKey("checkpoints.id", use_alter=True), index=True)
    output_checkpoint_id: Mapped[str | None] = mapped_column(ForeignKey("checkpoints.id", use_alter=True), index=True)
    # by then often discarded, so it points at nothing and the step is written beside it
    resumed_from: Mapped[str | None] = mapped_column(String(32))
    resumed_at_step: Mapped[int | None]
    versions: Mapped[dict[str, Any]] = mapped_column(default=dict)
    rev: Mapped[int] = mapped_column(BigInteger, default=0, index=True)


class MetricPoint(Base):
    """One value of one curve; null where training gave no finite number."""

    __tablename__ = "metric_points"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(128), primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[float | None]
    at: Mapped[float] = mapped_column(default=time.time)


class Checkpoint(Base):
    """Weights on disk: the row exists only when the whole folder does."""

    __tablename__ = "checkpoints"

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), index=True)
    step: Mapped[int]
    kind: Mapped[str] = mapped_column(String(16))
    role: Mapped[str] = mapped_column(String(16))
    path: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(String(64))
    files: Mapped[dict[str, Any]]
    bytes: Mapped[int] = mapped_column(BigInteger)
    parent_id: Mapped[str | None] = mapped_column(ForeignKey("checkpoints.id"), index=True)
    base: Mapped[str] = mapped_column(Text)
    meta: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[float] = mapped_column(default=time.time)


class Score(Base):
    """One cell of a run's table: a metric over one set, with its n and its interval over people.

    A run scores one model: the checkpoint, or the original where checkpoint_id is null.
    """

    __tablename__ = "scores"
    __table_args__ = (UniqueConstraint("run_id", "item_set", "task", "modality", "metric", name="uq_scores_cell"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"))
    checkpoint_id: Mapped[str | None] = mapped_column(ForeignKey("checkpoints.id"), index=True)
    item_set: Mapped[str] = mapped_column(String(64))
    task: Mapped[str] = mapped_column(String(64))
    modality: Mapped[str] = mapped_column(String(32))
    metric: Mapped[str] = mapped_column(String(64))
    value: Mapped[float | None]
    n: Mapped[int] = mapped_column(default=0)
    people: Mapped[int] = mapped_column(default=0)
    low: Mapped[float | None]
    high: Mapped[float | None]
    flags: Mapped[list[Any]] = mapped_column(default=list)


class Answer(Base):
    """What the model that a run scores said to one item."""

    __tablename__ = "answers"
    __table_args__ = (UniqueConstraint("run_id", "item_id", name="uq_answers_item"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"))
    checkpoint_id: Mapped[str | None] = mapped_column(ForeignKey("checkpoints.id"), index=True)
    item_id: Mapped[str] = mapped_column(String(255))
    subject: Mapped[str | None] = mapped_column(String(255))
    item_set: Mapped[str] = mapped_column(String(64))
    task: Mapped[str] = mapped_column(String(64))
    modality: Mapped[str] = mapped_column(String(32))
    question: Mapped[str] = mapped_column(Text)
    truth: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    correct: Mapped[bool | None]
    probability: Mapped[float | None]
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)


class AttackUnit(Base):
    """One attack at one strength on one model of an attack run: the share of answers that leaked.

    `role` is `unlearned`, `original` or `control`. `value` is null where the attack could not be made; `note` says why.
    `plainly` is what the same model tells when the very same questions are asked plainly, where that was asked.
    """

    __tablename__ = "attack_units"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    attack: Mapped[str] = mapped_column(String(64), primary_key=True)
    strength: Mapped[float] = mapped_column(primary_key=True)
    role: Mapped[str] = mapped_column(String(16), primary_key=True)
    value: Mapped[float | None]
    n: Mapped[int] = mapped_column(default=0)
    people: Mapped[int] = mapped_column(default=0)
    low: Mapped[float | None]
    high: Mapped[float | None]
    plainly: Mapped[float | None]
    seconds: Mapped[float] = mapped_column(default=0.0)
    note: Mapped[str | None] = mapped_column(Text)
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)


class Transcript(Base):
    """What one model said to one item under one attack."""

    __tablename__ = "transcripts"
    __table_args__ = (UniqueConstraint("run_id", "attack", "strength", "role", "item_id", name="uq_transcripts_item"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"))
    attack: Mapped[str] = mapped_column(String(64))
    strength: Mapped[float] = mapped_column(default=0.0)
    role: Mapped[str] = mapped_column(String(16))
    item_id: Mapped[str] = mapped_column(String(255))
    subject: Mapped[str] = mapped_column(String(255))
    modality: Mapped[str] = mapped_column(String(32))
    question: Mapped[str] = mapped_column(Text)
    asked: Mapped[str] = mapped_column(Text)
    prefix: Mapped[str] = mapped_column(Text, default="")
    truth: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    leaked: Mapped[bool | None]
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)


class Probe(Base):
    """One question put to several models at once, and what each said."""

    __tablename__ = "probes"

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    created_at: Mapped[float] = mapped_column(default=time.time, index=True)
    request: Mapped[dict[str, Any]]
    answers: Mapped[list[Any]]
    rev: Mapped[int] = mapped_column(BigInteger, default=0, index=True)


class Worker(Base):
    """A worker process; `device` is in human words such as "CPU, 2 cores", `devices` name each with its `bytes`."""

    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    host: Mapped[str] = mapped_column(Text)
    pid: Mapped[int]
    pid_started_at: Mapped[float]
    started_at: Mapped[float] = mapped_column(default=time.time)
    heartbeat_at: Mapped[float] = mapped_column(default=time.time)
    device: Mapped[str] = mapped_column(Text)
    devices: Mapped[list[Any]] = mapped_column(default=list)
    versions: Mapped[dict[str, Any]] = mapped_column(default=dict)
    probe_url: Mapped[str | None] = mapped_column(Text)
    probe_token: Mapped[str | None] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(8), default="up")
    rev: Mapped[int] = mapped_column(BigInteger, default=0, index=True)


class Revision(Base):
    """The lab's counter of writes: one row."""

    __tablename__ = "revision"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=1)
    value: Mapped[int] = mapped_column(BigInteger, default=0)
