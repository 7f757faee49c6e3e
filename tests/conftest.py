"""What every test may ask for: the demo world, drawn once, and its untrained model, written once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from backend.benchmarks.demo import DemoBenchmark


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
