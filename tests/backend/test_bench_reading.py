"""The generated benchmark is one that the loader takes, and a walk goes through all of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from backend import bench_reading
from backend.benchmarks.mllmu import survey


def test_a_small_tree_is_generated_read_and_walked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PEOPLE": 20, "PUBLIC_FIGURES": 3, "PIXELS": 64, "SHARES": {5: 1, 10: 2, 15: 3}}.items():
        monkeypatch.setattr(bench_reading, name, value)
    bench_reading.generate(tmp_path)
    assert survey(tmp_path / "tree").sound
    found = bench_reading.read(tmp_path / "tree", tmp_path / "home")
    taught, known, tested, celebrity = 20 * 8, 20 * 24, 2 * 24, 3 * 24
    assert (found.people, found.items) == (23, taught + known + tested + celebrity)
    assert 23 <= found.pictures <= 23 + 2 and found.peak_mb > 10


def test_the_peak_is_the_readers_own(tmp_path: Path) -> None:
    """Not what its parent held when it was started."""
    bench_reading_read = bench_reading._alone("read", _tree(tmp_path))
    ballast = bytearray(600 * 2**20)
    again = bench_reading._alone("read", tmp_path)
    assert len(ballast) and json.loads(again)["peak_mb"] < json.loads(bench_reading_read)["peak_mb"] + 100


def _tree(folder: Path) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"PEOPLE": 20, "PUBLIC_FIGURES": 1, "PIXELS": 32, "SHARES": {5: 1, 10: 2, 15: 3}}.items():
            patch.setattr(bench_reading, name, value)
        bench_reading.generate(folder)
    return folder
