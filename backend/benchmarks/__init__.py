"""Benchmarks: what may be forgotten, what must stay, and the questions that tell. Nothing here imports torch."""

from __future__ import annotations

from backend.benchmarks.item import BadRequest, Benchmark
from backend.benchmarks.library import Library, open_benchmark

__all__ = ["BadRequest", "Benchmark", "Library", "open_benchmark"]
