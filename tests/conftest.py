"""What every test may ask for: the demo world, drawn once, and its untrained model, written once."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # several processes of many threads each only get in each other's way

from backend.benchmarks.demo import DemoBenchmark

settings.register_profile("house", deadline=None)  # machines are shared: a slow moment is no fault
settings.load_profile("house")

SHARED = ("tests/browser", "tests/acceptance")
"""Folders whose tests share a lab, and so a process."""
FIRST = (*SHARED, "tests/backend/runs/test_killed.py", "tests/backend/runs/test_worker.py", "tests/backend/test_cli.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest start first, so that they do not stand alone at the end of several processes (`-n`)."""
    items.sort(key=lambda item: _rank(item.nodeid))


def pytest_collection_finish() -> None:
    """What was imported stays: the collector, which every training run calls, need not go through it each time."""
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With several processes a file stays in one of them, and so does a folder that shares a lab."""
    from xdist.scheduler import LoadScopeScheduling

    class ByLab(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return next((folder for folder in SHARED if nodeid.startswith(folder)), nodeid.split("::")[0])

    return ByLab(config, log)


def _rank(nodeid: str) -> int:
    """The place of a test's file or folder among the long ones; behind them all for any other."""
    return next((place for place, start in enumerate(FIRST) if nodeid.startswith(start)), len(FIRST))


@pytest.fixture(scope="session")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def world(shared_home: Path) -> DemoBenchmark:
    from backend.benchmarks.demo import open_demo

    return open_demo(shared_home)


@pytest.fixture(scope="session")
def demo_folder(shared_home: Path, world: DemoBenchmark) -> Path:
    """The untrained demo model as an ordinary Hugging Face folder."""
    from backend.models.demo import ensure_demo_model

    return ensure_demo_model(shared_home, world)
