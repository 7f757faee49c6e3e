"""Answers into scores: one row for each set, task, modality and measure, with n and an interval over people.

What is measured of one answer is the business of the rules (`rules.py`) and of the common panel (`memorisation.py`).
Here it is averaged, over those answers for which it could be measured. Chance is 0.25 in classification of four and
about 0 elsewhere.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
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
    rows = []
    for (item_set, task, modality), members in cells(answered).items():
        flags = collapse_flags(members)
        for metric in _measured(members):
            cell = {"item_set": item_set, "task": task, "modality": modality, "metric": metric, "flags": flags}
            rows.append({**cell, **average(*having(members, metric))})
    return flag_collapse(rows)


def cells(answered: Iterable[Answered]) -> dict[tuple[str, str, str], list[Answered]]:
    """The answers by set, task and modality, in the order in which tables show them."""
    found: dict[tuple[str, str, str], list[Answered]] = defaultdict(list)
    for answer in answered:
        found[answer.item.set, answer.item.task, answer.item.modality].append(answer)
    order = sorted(found, key=lambda key: (SETS.index(key[0]), TASKS.index(key[1]), key[2]))  # type: ignore[arg-type]
    return {cell: found[cell] for cell in order}


def having(members: Sequence[Answered], metric: str) -> tuple[list[Answered], list[float]]:
    """Those of whom the measure could be taken, and its values."""
    pairs = [(answer, value) for answer in members if (value := finite(answer.measures.get(metric))) is not None]
    return [answer for answer, _ in pairs], [value for _, value in pairs]


def average(members: Sequence[Answered], values: Sequence[float]) -> dict[str, Any]:
    """`value`, `n`, `people` and the 95 % interval over people, `low` and `high`, of one value an answer; None for
    what cannot be said."""
    if not members:
        return {"value": None, "n": 0, "people": 0, "low": None, "high": None}
    subjects = [answer.item.subject for answer in members]
    value, low, high = over_people(values, subjects)
    return {"value": value, "n": len(members), "people": len(set(subjects)), "low": low, "high": high}


def collapse_flags(members: Sequence[Answered]) -> list[str]:
    """What a cell wears whose written answers are no longer language."""
    written = [answer.text for answer in members]
    return ["collapsed"] if members[0].item.task != "classification" and collapsed(written) else []


def finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def flag_collapse(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows, those of retain accuracy flagged where the mean over their cells is under 0.4.

    Such a model has lost what it should keep. Source: the line is CLEAR's (`build_vllm_table.py`), there drawn through
    its table's retain column; ours is drawn through accuracy, which every benchmark has. Where a letter was read from
    the answer (`parsed`), the cell counts by `option_accuracy`: a model that writes no letter has lost its manners and
    not its memory.
    """
    retain = [row for row in rows if row["item_set"] == "retain"]
    lettered = {(row["task"], row["modality"]) for row in retain if row["metric"] == "parsed"}

    def counts(row: dict[str, Any]) -> bool:
        by_letter = (row["task"], row["modality"]) in lettered
        return row["metric"] == ("option_accuracy" if by_letter else "accuracy") and row["value"] is not None

    known = [row["value"] for row in retain if counts(row)]
    if not known or not below_collapse_line(sum(known) / len(known)):
        return rows
    flagged = [row for row in retain if row["metric"] == "accuracy"]
    return [row | {"flags": [*row["flags"], BELOW_LINE]} if row in flagged else row for row in rows]


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
