"""The memorisation check: what the original did not know cannot be forgotten.

An answer's `detail["before"]` is what the model that was to forget said to the same item; its `correct` is None where
the item has no right and wrong. Two rows a cell stand beside those of `score`: how much was known at all, and how
accurate the model is now over that alone.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from backend.benchmarks.item import SETS
from backend.metrics.answers import collapsed
from backend.metrics.interval import over_people
from backend.metrics.score import TASKS, Answered

KNEW_NONE = "the original knew none of these"


def known_rows(answered: Sequence[Answered]) -> list[dict[str, Any]]:
    """`known_before` and `accuracy_of_known` for each cell in which something is known of before.

    `known_before`: the share that the original answered rightly, of the n answers of which that can be said.
    `accuracy_of_known`: the accuracy now over those it answered rightly; their number is n, so what was left out is
    seen. No value, and a flag, where it knew none of them. Intervals are over people.
    """
    cells: dict[tuple[str, str, str], list[Answered]] = defaultdict(list)
    for answer in answered:
        cells[answer.item.set, answer.item.task, answer.item.modality].append(answer)
    rows = []
    for item_set, task, modality in sorted(cells, key=_order):
        members = cells[item_set, task, modality]
        told = [answer for answer in members if knew(answer) is not None]
        if not told:
            continue
        known = [answer for answer in told if knew(answer)]
        accurate = [answer for answer in known if _finite(answer.measures.get("accuracy"))]
        cell = {"item_set": item_set, "task": task, "modality": modality}
        worn = ["collapsed"] if task != "classification" and collapsed([one.text for one in members]) else []
        rows += [
            {**cell, "metric": "known_before", "flags": [], **_average(told, [float(bool(knew(one))) for one in told])},
            {
                **cell,
                "metric": "accuracy_of_known",
                "flags": worn if known else [KNEW_NONE],
                **_average(accurate, [float(one.measures["accuracy"] or 0.0) for one in accurate]),
            },
        ]
    return rows


def knew(answer: Answered) -> bool | None:
    """Whether the original answered this item rightly; None where that is not known."""
    correct: bool | None = (answer.detail.get("before") or {}).get("correct")
    return correct


def _order(cell: tuple[str, str, str]) -> tuple[int, int, str]:
    item_set, task, modality = cell
    return SETS.index(item_set), TASKS.index(task), modality  # type: ignore[arg-type]


def _average(members: Sequence[Answered], values: Sequence[float]) -> dict[str, Any]:
    if not members:
        return {"value": None, "n": 0, "people": 0, "low": None, "high": None}
    subjects = [answer.item.subject for answer in members]
    value, low, high = over_people(values, subjects)
    return {"value": value, "n": len(members), "people": len(set(subjects)), "low": low, "high": high}


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
