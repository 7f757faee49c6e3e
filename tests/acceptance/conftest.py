"""One lab for the whole folder, run from the terminal: the models are trained once and asked by every test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from storage.database import connect
from storage.workers import workers

REPO = Path(__file__).parents[2]


@pytest.fixture(scope="package")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("demo")
    yield home
    for worker in workers(connect(f"sqlite:///{home}/lethe.db"), alive_within_s=3600):
        os.kill(worker.pid, 15)


def terminal(home: Path, *words: str) -> str:
    """What `python -m backend` prints; the test fails with its error where it does."""
    environment = os.environ | {"LETHE_HOME": str(home), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "backend", *words]
    done = subprocess.run(command, cwd=REPO, env=environment, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stderr
    return done.stdout


def backend(home: Path, *words: str) -> Any:
    return json.loads(terminal(home, *words, "--json"))


@pytest.fixture(scope="package")
def vanilla(lab: Path) -> dict[str, Any]:
    return dict(backend(lab, "submit", "finetune", "--name", "vanilla", "--wait"))


@pytest.fixture(scope="package")
def unlearned(lab: Path, vanilla: dict[str, Any]) -> dict[str, Any]:
    return dict(backend(lab, "submit", "unlearn", "--preset", "npo", "--name", "npo", "--wait"))
