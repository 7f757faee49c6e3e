"""Benchmarks: what may be forgotten, what must stay, and the questions that tell. Nothing here imports torch."""

from __future__ import annotations

from pathlib import Path

from backend.benchmarks.demo import DemoBenchmark, open_demo
from backend.benchmarks.item import BadRequest

__all__ = ["BadRequest", "open_benchmark"]

_OPEN = {"demo": open_demo}


def open_benchmark(name: str, home: Path) -> DemoBenchmark:
    """The benchmark of that name. Raises `BadRequest`."""
    if name not in _OPEN:
        raise BadRequest(f"there is no benchmark called {name!r}; there are {', '.join(_OPEN)}")
    return _OPEN[name](home)
