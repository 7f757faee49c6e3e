"""Answers into scores: one row for each set, task, modality and measure, with n and an interval over people.

What is measured of one answer is the business of the rules (`rules.py`) and of the common panel (`memorisation.py`).
Here it is averaged, over those answers for which it could be measured. Chance is 0.25 in classification of four and
about 0 elsewhere.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from backend.benchmarks.item import SETS, Item
from backend.metrics.answers import collapsed
from backend.metrics.clear import below_collapse_line
from backend.metrics.interval import over_people
from backend.metrics.rules import Measures

TASKS = ("generation", "cloze", "classification", "caption", "name")
FIRST = ("accuracy", "probability")
"""The measures that stand first in a table."""

BELOW_LINE = "below the collapse line"


@dataclass(frozen=True)
class Answered:
    """An item with what a model made of it: the text (the likeliest option where none is written), and its measures;
    None is one that could not be taken."""

    item: Item
    text: str
    measures: Measures
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def correct(self) -> bool | None:
        accuracy = self.measures.get("accuracy")
        return None if accuracy is None else accuracy >= 0.5

    @property
    def probability(self) -> float | None:
        return self.measures.get("probability")


def score(answered: Sequence[Answered]) -> list[dict[str, Any]]:
    """Rows for `storage.results.write_scores`, in the order in which tables show them."""
    groups: dict[tuple[str, str, str], list[Answered]] = defaultdict(list)
    for answer in answered:
        groups[answer.item.set, answer.item.task, answer.item.modality].append(answer)
    rows = []
    order = sorted(groups, key=lambda key: (SETS.index(key[0]), TASKS.index(key[1]), key[2]))  # type: ignore[arg-type]
    for item_set, task, modality in order:
        members = groups[item_set, task, modality]
        written = [answer.text for answer in members]
        flags = ["collapsed"] if task != "classification" and collapsed(written) else []
        for metric in _measured(members):
            known = [answer for answer in members if _finite(answer.measures.get(metric))]
            cell = {"item_set": item_set, "task": task, "modality": modality, "metric": metric, "flags": flags}
            rows.append({**cell, **_average(known, metric)})
    return flag_collapse(rows)


def flag_collapse(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows, those of retain accuracy flagged where the mean over their cells is under 0.4.

    Such a model has lost what it should keep. Source: the line is CLEAR's (`build_vllm_table.py`), there drawn through
    its table's retain column; ours is drawn through accuracy, which every benchmark has.
    """
    accuracies = [row for row in rows if row["item_set"] == "retain" and row["metric"] == "accuracy"]
    known = [row["value"] for row in accuracies if row["value"] is not None]
    if not known or not below_collapse_line(sum(known) / len(known)):
        return rows
    return [row | {"flags": [*row["flags"], BELOW_LINE]} if row in accuracies else row for row in rows]


def table_row(
    item_set: str,
    metric: str,
    value: float | None,
    about: Sequence[Answered],
    *,
    bounds: tuple[float | None, float | None] = (None, None),
    flags: Sequence[str] = (),
) -> dict[str, Any]:
    """A figure of a whole set, under the task `table`: n and people are those of the answers it is about."""
    return {
        "item_set": item_set,
        "task": "table",
        "modality": "both",
        "metric": metric,
        "value": value,
        "n": len(about),
        "people": len({one.item.subject for one in about}),
        "low": bounds[0],
        "high": bounds[1],
        "flags": list(flags),
    }


def _measured(members: Sequence[Answered]) -> list[str]:
    """Every measure that any of them has, the first ones first. A count of tokens is no score."""
    found = {name for answer in members for name in answer.measures} - {"tokens"}
    return [*(name for name in FIRST if name in found), *sorted(found - set(FIRST))]


def _average(known: Sequence[Answered], metric: str) -> dict[str, Any]:
    if not known:
        return {"value": None, "n": 0, "people": 0, "low": None, "high": None}
    subjects = [answer.item.subject for answer in known]
    values = [float(answer.measures[metric] or 0.0) for answer in known]
    value, low, high = over_people(values, subjects)
    return {"value": value, "n": len(known), "people": len(set(subjects)), "low": low, "high": high}


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
