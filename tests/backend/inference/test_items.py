"""Every benchmark's items put to a model, read back from the files of that benchmark's own format."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from backend.benchmarks.clear import open_clear
from backend.benchmarks.demo import DemoBenchmark
from backend.benchmarks.export_clear import export_clear
from backend.benchmarks.export_mllmu import export_mllmu
from backend.benchmarks.export_offside import export_offside
from backend.benchmarks.item import Benchmark, Item
from backend.benchmarks.mllmu import open_mllmu
from backend.benchmarks.offside import open_offside
from backend.inference.items import answer_items
from backend.metrics.memorisation import Panel
from backend.metrics.score import score
from backend.metrics.summary import summary
from backend.models.encoding import Encoder
from backend.models.loading import load
from backend.spec import ForgetRequest

FORMATS: dict[str, tuple[Callable[..., None], Callable[..., Benchmark], int, set[str]]] = {
    "mllmu": (export_mllmu, open_mllmu, 10, {"accuracy", "parsed", "accuracy_as_coded", "rougeL", "bleu"}),
    "clear": (export_clear, open_clear, 10, {"truth_ratio", "option_probability", "rougeL_recall"}),
    "offside": (export_offside, open_offside, 100, {"accuracy", "overall", "rougeL"}),
}
SOME = 2


def some_of_each_cell(items: list[Item]) -> list[Item]:
    cells: dict[tuple[str, str, str], list[Item]] = {}
    for item in items:
        cells.setdefault((item.set, item.task, item.modality), []).append(item)
    return [item for members in cells.values() for item in members[:SOME]]


@pytest.mark.parametrize("name", FORMATS)
def test_a_benchmarks_items_are_asked_and_scored_by_its_own_rules(
    name: str, world: DemoBenchmark, demo_folder: Path, tmp_path: Path
) -> None:
    export, open_, share, expected = FORMATS[name]
    export(world, tmp_path / name)
    benchmark = open_(tmp_path / name, tmp_path)
    items = some_of_each_cell(benchmark.scored_items(ForgetRequest(ratio=share)))  # type: ignore[arg-type]
    loaded = load(demo_folder, device=torch.device("cpu"))
    answered = [
        one
        for batch in answer_items(loaded.model, Encoder(loaded.processor), items, batch_size=16, rules=benchmark.rules)
        for one in batch
    ]
    assert {one.item.id for one in answered} == {item.id for item in items}
    for one in answered:
        assert set(Panel.__dataclass_fields__) <= set(one.measures)
        assert all(value is None or math.isfinite(value) for value in one.measures.values()), one.item.id
    rows = score(answered)
    assert expected <= {row["metric"] for row in rows}
    assert all(row["n"] <= SOME and (row["value"] is None) == (row["n"] == 0) for row in rows)
    tables: list[dict[str, Any]] = summary(benchmark.rules, answered, answered)
    assert (name == "clear") == any(row["metric"].startswith("forget_quality") for row in tables)
    assert "gold_auc_loss" in {row["metric"] for row in tables}
