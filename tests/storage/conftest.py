"""A lab of its own for every test: an empty folder, and a migrated database in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from storage import database


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LETHE_HOME", str(tmp_path / "lab"))
    for name in ("LETHE_DATABASE_URL", "SYSTEM", "SPACE_ID"):
        monkeypatch.delenv(name, raising=False)
    return database.home()


@pytest.fixture
def engine(home: Path) -> Iterator[Engine]:
    engine = database.connect()
    database.migrate(engine)
    yield engine
    engine.dispose()
