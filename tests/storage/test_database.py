"""The database: where it lies, how it is set, how it is migrated, and that writers queue."""

import multiprocessing
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from storage import database, metric_points, runs
from storage.errors import DatabaseTooNew, DriverMissing
from storage.tables import Base, Revision, Run


def pragma(engine: Engine, name: str) -> object:
    with engine.connect() as connection:
        return connection.execute(text(f"PRAGMA {name}")).scalar_one()


def test_the_lab_lives_where_lethe_home_says_and_the_folder_is_made(home: Path) -> None:
    assert home.is_dir() and home.is_absolute() and home.name == "lab"
    assert database.url() == f"sqlite:///{home}/lethe.db"


def test_a_database_url_of_ones_own_wins(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LETHE_DATABASE_URL", "postgresql+psycopg://lab@db/lethe")
    assert database.url() == "postgresql+psycopg://lab@db/lethe"
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(DriverMissing, match=r'needs the Python package psycopg: .* pip install "psycopg\[binary\]"'):
        database.connect()


def test_sqlite_is_set_for_several_processes_and_keeps_foreign_keys(engine: Engine) -> None:
    assert pragma(engine, "journal_mode") == "wal"
    assert pragma(engine, "foreign_keys") == 1
    assert pragma(engine, "busy_timeout") == 30_000
    assert pragma(engine, "synchronous") == 1  # NORMAL


def test_on_a_spaces_bucket_there_is_no_shared_memory_and_nobody_is_shut_out(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_BUCKET", home.parent)
    assert not database.on_bucket()  # the folder alone does not make a Space
    monkeypatch.setenv("SPACE_ID", "someone/lethe")
    engine = database.connect()
    assert pragma(engine, "journal_mode") == "delete"
    assert pragma(engine, "locking_mode") == "normal"
    assert pragma(engine, "busy_timeout") == 30_000
    database.migrate(engine)
    with database.reading(engine) as one, database.reading(engine) as two:
        assert [session.scalars(select(Revision.value)).one() for session in (one, two)] == [0, 0]
    assert [path.name for path in home.iterdir()] == ["lethe.db"]
    engine.dispose()


ROUNDS = 25


def _work_on_a_bucket(name: str, together: Any, failures: Any) -> None:
    """What the web process and the worker do to the file, boiled down: write and read, again and again."""
    database._BUCKET = database.home().parent
    engine = database.connect()
    try:
        assert pragma(engine, "journal_mode") == "delete"
        together.wait(30)
        database.migrate(engine)
        run = runs.submit(engine, kind="evaluate", name=name, spec={})
        seen = run.rev
        for step in range(ROUNDS):
            metric_points.record(engine, run.id, [(step, "loss", float(step))])
            latest = runs.latest_rev(engine)
            assert latest > seen, f"{latest} after {seen}: a write was lost"
            seen = latest
        together.wait(60)  # both have written; neither has let go of its connections
        for row in runs.listing(engine):
            assert len(metric_points.curve(engine, row.id)["loss"]) == ROUNDS
        assert sorted(row.name for row in runs.listing(engine)) == ["web", "worker"]
        together.wait(60)
    except Exception as error:
        failures.put(f"{name}: {error!r}")
        together.abort()
    engine.dispose()


def test_two_processes_write_and_read_side_by_side_on_a_bucket(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACE_ID", "someone/lethe")
    spawn = multiprocessing.get_context("spawn")
    together, failures = spawn.Barrier(2), spawn.SimpleQueue()
    processes = [spawn.Process(target=_work_on_a_bucket, args=(name, together, failures)) for name in ("web", "worker")]
    for process in processes:
        process.start()
    for process in processes:
        process.join(100)
    assert failures.empty(), failures.get()
    assert [process.exitcode for process in processes] == [0, 0]
    with sqlite3.connect(home / "lethe.db") as plain:
        # every write took a revision of its own: two submits, and the points one by one
        assert plain.execute("SELECT value FROM revision").fetchone() == (2 + 2 * ROUNDS,)
        assert plain.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    plain.close()


def test_migrating_twice_changes_nothing_the_second_time(engine: Engine) -> None:
    runs.submit(engine, kind="evaluate", name="kept", spec={})
    database.migrate(engine)
    assert [run.name for run in runs.listing(engine)] == ["kept"]


def test_the_migrated_schema_is_the_tables_schema(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []
        assert {"runs", "scores"} <= set(Base.metadata.tables)


def test_the_migrated_foreign_keys_and_indexes_are_the_tables_own(engine: Engine, tmp_path: Path) -> None:
    """Compared a second way: SQLite's own account of both, because autogenerate overlooks some."""
    plain = database.connect(f"sqlite:///{tmp_path / 'plain.db'}")
    Base.metadata.create_all(plain)

    def account(of: Engine) -> dict[str, Any]:
        with of.connect() as connection:
            names = sorted(Base.metadata.tables)
            keys = {
                name: sorted(tuple(row)[2:] for row in connection.execute(text(f"PRAGMA foreign_key_list({name})")))
                for name in names
            }
            indexes = connection.execute(
                text("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql > '' ORDER BY name")
            )
            return {"keys": keys, "indexes": [tuple(row) for row in indexes]}

    assert account(engine) == account(plain)
    assert len(account(engine)["keys"]["runs"]) == 3
    plain.dispose()


def test_a_database_from_a_newer_lethe_is_refused_with_one_sentence(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseTooNew, match=r"revision 9999.*update Lethe"):
        database.migrate(engine)


def _migrate_when_told(start: Any, failures: Any) -> None:
    engine = database.connect()
    start.wait()
    try:
        database.migrate(engine)
    except Exception as error:
        failures.put(repr(error))
    engine.dispose()


def test_two_processes_may_migrate_a_new_database_at_once(home: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    start, failures = spawn.Barrier(2), spawn.SimpleQueue()
    processes = [spawn.Process(target=_migrate_when_told, args=(start, failures)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    assert failures.empty(), failures.get()
    engine = database.connect()
    assert runs.latest_rev(engine) == 0
    engine.dispose()


def test_a_second_writer_waits_before_it_reads_so_no_write_is_lost(engine: Engine) -> None:
    first_is_in, first_may_go = threading.Event(), threading.Event()

    def add_one(first: bool) -> None:
        with database.writing(engine) as session:
            row = session.scalars(select(Revision)).one()
            if first:
                first_is_in.set()
                first_may_go.wait(10)
            row.value += 1

    one = threading.Thread(target=add_one, args=(True,))
    two = threading.Thread(target=add_one, args=(False,))
    one.start()
    assert first_is_in.wait(10)
    two.start()
    two.join(0.3)
    assert two.is_alive()  # it waits for the lock rather than reading the old value
    first_may_go.set()
    one.join(10)
    two.join(10)
    assert runs.latest_rev(engine) == 2


def test_a_write_that_fails_leaves_nothing_behind(engine: Engine) -> None:
    with pytest.raises(RuntimeError), database.writing(engine) as session:
        database.next_rev(session)
        raise RuntimeError("in the middle")
    assert runs.latest_rev(engine) == 0


def test_a_read_sees_one_moment_even_while_another_writes(engine: Engine) -> None:
    with database.reading(engine) as session:
        before = session.scalars(select(Revision.value)).one()
        runs.submit(engine, kind="evaluate", name="meanwhile", spec={})
        assert session.scalars(select(Run.name)).all() == []
        assert session.scalars(select(Revision.value)).one() == before


def test_numbers_that_json_does_not_know_are_stored_as_null(engine: Engine, home: Path) -> None:
    run = runs.submit(engine, kind="unlearn", name="n", spec={"lr": [float("nan"), 1.5], "deep": {"x": float("inf")}})
    assert runs.get(engine, run.id).spec == {"lr": [None, 1.5], "deep": {"x": None}}
    with sqlite3.connect(home / "lethe.db") as plain:
        assert plain.execute("SELECT json_valid(spec) FROM runs").fetchone() == (1,)
    plain.close()


def test_postgresql_gets_the_circle_of_references_after_both_tables() -> None:
    created = str(CreateTable(Base.metadata.tables["runs"]).compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]
    assert "REFERENCES runs" in created and "REFERENCES checkpoints" not in created


def test_storage_imports_no_torch_no_gradio_and_no_other_room() -> None:
    code = (
        "import sys, storage.runs, storage.results, storage.checkpoints, storage.workers, storage.database\n"
        "print(sorted({name.split('.')[0] for name in sys.modules}"
        " & {'torch', 'transformers', 'gradio', 'pydantic', 'backend', 'ui'}))"
    )
    root = Path(database.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
