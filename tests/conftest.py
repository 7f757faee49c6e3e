"""What every test may ask for: the demo world, drawn once, and its untrained model, written once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # several processes of many threads each only get in each other's way

from backend.benchmarks.demo import DemoBenchmark

FIRST = ("browser", "acceptance")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With several processes (`-n`), a file stays in one, and so does a lab that a folder shares; the longest first."""
    here = Path(__file__).parent
    rank = {name: place for place, name in enumerate(FIRST)}
    items.sort(key=lambda item: rank.get(item.path.relative_to(here).parts[0], len(rank)))
    for item in items:
        room, *_ = item.path.relative_to(here).parts
        item.add_marker(pytest.mark.xdist_group(room if room in FIRST else str(item.path.relative_to(here))))


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
