"""Where the lab lives, and how it is read and written.

Promises: a write takes the write lock before it reads anything, so two writers never act on the same stale
row; a read sees one moment; `migrate` may be called by several processes at once, as often as they like.
An engine belongs to the process that made it: a forked process calls `connect` for itself.
"""

import json
import math
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, Table, create_engine, event, select, update
from sqlalchemy import text as sql
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.orm import Session

from storage.errors import DatabaseTooNew, DriverMissing, NotFound
from storage.tables import Base, Revision, Run

BUSY_TIMEOUT_S = 30
_MIGRATIONS = Path(__file__).parent / "migrations"
_BUCKET = Path("/data")
_MIGRATION_LOCK = 0x1E74E  # any number, the same in every process: PostgreSQL's advisory lock
_CHUNK = 500


def home() -> Path:
    """The lab's folder (`LETHE_HOME`, else `~/.lethe`), absolute; made when it is not there."""
    folder = Path(os.environ.get("LETHE_HOME") or Path.home() / ".lethe").expanduser().absolute()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def url() -> str:
    """The database's URL: `LETHE_DATABASE_URL`, else the SQLite file `lethe.db` in the lab's folder."""
    return os.environ.get("LETHE_DATABASE_URL") or f"sqlite:///{(home() / 'lethe.db').as_posix()}"


def on_bucket() -> bool:
    """Whether the lab's folder is on a Space's storage bucket, where SQLite's shared memory does not work."""
    in_space = os.environ.get("SYSTEM") == "spaces" or bool(os.environ.get("SPACE_ID"))
    return in_space and home().is_relative_to(_BUCKET)


def connect(url: str | None = None) -> Engine:
    """An engine for `url` (default: `url()`), with SQLite's settings and transactions put right. Raises DriverMissing.

    On a bucket SQLite keeps a rollback journal and plain file locks, so that the web process and the worker
    share the file there too; a write then waits for reads to end, so reads must be short.
    """
    target = make_url(url or globals()["url"]())
    if target.get_backend_name() != "sqlite":
        return _reach(target)
    if target.database and target.database != ":memory:":
        Path(target.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(target, json_serializer=_to_json, connect_args={"timeout": BUSY_TIMEOUT_S})
    event.listen(engine, "connect", _configure_on_bucket if on_bucket() else _configure)
    event.listen(engine, "begin", _begin)
    return engine


def _reach(target: URL) -> Engine:
    """An engine for a database server. Raises DriverMissing."""
    try:
        return create_engine(target, json_serializer=_to_json, pool_pre_ping=True)
    except ModuleNotFoundError as error:
        raise DriverMissing(
            f"The database {target.get_backend_name()} needs the Python package {error.name}: install it first "
            '(for PostgreSQL: pip install "psycopg[binary]").'
        ) from error


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """A session that sees one moment and keeps nothing."""
    with Session(engine, expire_on_commit=False) as session:
        yield session


@contextmanager
def writing(engine: Engine) -> Iterator[Session]:
    """A session that is the only writer until it ends; commits at the end, rolls back on an error."""
    with (
        Session(engine.execution_options(lethe_writes=True), expire_on_commit=False) as session,
        session.begin(),
    ):
        if engine.dialect.name != "sqlite":
            # Everyone queues for this row first, so that no two writers hold rows the other one waits for.
            session.execute(select(Revision.value).with_for_update())
        yield session


def next_rev(session: Session) -> int:
    """Take the lab's next revision inside this transaction."""
    return session.execute(
        update(table(Revision)).values(value=Revision.value + 1).returning(Revision.value)
    ).scalar_one()


def touch_run(session: Session, run_id: str) -> None:
    """Give the run the next revision, so that its pages look again. Raises NotFound."""
    touched = session.execute(
        update(Run).where(Run.id == run_id).values(rev=next_rev(session)).returning(Run.id)
    ).scalar_one_or_none()
    if touched is None:
        raise NotFound(f"There is no run {run_id}.")


def insert_or_ignore(session: Session, model: type[Base], rows: Iterable[dict[str, Any]]) -> None:
    """Insert the rows that are not there yet; a row whose unique key is taken is left as it stands."""
    make = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = make(table(model)).on_conflict_do_nothing()
    waiting = list(rows)
    for start in range(0, len(waiting), _CHUNK):
        session.execute(statement, waiting[start : start + _CHUNK])


def table(model: type[Base]) -> Table:
    """The table under a model, for statements that bypass the session's own bookkeeping."""
    return cast(Table, model.__table__)


def finite(value: float | None) -> float | None:
    """The value, or None where it is not finite: databases and JSON know neither nan nor infinity."""
    return float(value) if value is not None and math.isfinite(value) else None


def migrate(engine: Engine) -> None:
    """Bring the database up to this code's tables. Raises DatabaseTooNew for one that a newer Lethe wrote."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    scripts = ScriptDirectory.from_config(config)
    with engine.connect() as connection:
        if _revision(connection, scripts) == scripts.get_current_head():
            return
    with engine.execution_options(lethe_writes=True).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sql("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        _revision(connection, scripts)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _revision(connection: Connection, scripts: ScriptDirectory) -> str | None:
    current = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in scripts.walk_revisions()}
    if current is not None and current not in known:
        raise DatabaseTooNew(
            f"The database is at revision {current}, which this version of Lethe does not know: "
            "update Lethe, or point LETHE_HOME at another folder."
        )
    return current


def _configure(connection: sqlite3.Connection, _record: object) -> None:
    _set_pragmas(connection, journal="wal")


def _configure_on_bucket(connection: sqlite3.Connection, _record: object) -> None:
    # No shared memory, so no WAL. Not locking_mode EXCLUSIVE either: it would shut the other process out.
    _set_pragmas(connection, journal="delete")


def _set_pragmas(connection: sqlite3.Connection, journal: str) -> None:
    # No transaction begins unless `_begin` says so: the driver's own begin comes too late for a read.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_S * 1000}")
    _set_journal(connection, journal)
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")


def _set_journal(connection: sqlite3.Connection, journal: str) -> None:
    """Change the journal mode, trying for a while: SQLite does not wait for another that changes it."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while connection.execute("PRAGMA journal_mode").fetchone()[0] not in (journal, "memory"):
        try:
            connection.execute(f"PRAGMA journal_mode = {journal}")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("lethe_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _to_json(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:
        return json.dumps(_without_nan(value), ensure_ascii=False, allow_nan=False)


def _without_nan(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(inner) for inner in value]
    return finite(value) if isinstance(value, float) else value
