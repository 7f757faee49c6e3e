"""Answers into scores: one row for each set, task, modality and metric, with n and an interval over people.

`accuracy` is the share of answers that hold the fact (generation, cloze, name), or in which the true option is the
likeliest of four (classification: options are ranked by their likelihood, no letter is parsed). `probability` is the
mean of exp(log π(y|x) / |y|) of the true answer. Chance is 0.25 in classification and about 0 elsewhere.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from backend.benchmarks.item import SETS, Item
from backend.metrics.answers import collapsed
from backend.metrics.interval import over_people

TASKS = ("generation", "cloze", "classification", "name")


@dataclass(frozen=True)
class Answered:
    """An item with what a model made of it: the text (the chosen option in classification), whether it is right,
    and the probability of the true answer per token (geometric mean)."""

    item: Item
    text: str
    correct: bool
    probability: float
    detail: dict[str, Any] = field(default_factory=dict)


def score(answered: Sequence[Answered]) -> list[dict[str, Any]]:
    """Rows for `storage.results.write_scores`, in the order in which tables show them."""
    groups: dict[tuple[str, str, str], list[Answered]] = defaultdict(list)
    for answer in answered:
        groups[answer.item.set, answer.item.task, answer.item.modality].append(answer)
    rows = []
    order = sorted(groups, key=lambda key: (SETS.index(key[0]), TASKS.index(key[1]), key[2]))  # type: ignore[arg-type]
    for item_set, task, modality in order:
        members = groups[item_set, task, modality]
        subjects = [answer.item.subject for answer in members]
        flags = ["collapsed"] if task != "classification" and collapsed([answer.text for answer in members]) else []
        for metric, values in (
            ("accuracy", [float(answer.correct) for answer in members]),
            ("probability", [answer.probability for answer in members]),
        ):
            value, low, high = over_people(values, subjects)
            rows.append(
                {
                    "item_set": item_set,
                    "task": task,
                    "modality": modality,
                    "metric": metric,
                    "value": value,
                    "n": len(members),
                    "people": len(set(subjects)),
                    "low": low,
                    "high": high,
                    "flags": flags,
                }
            )
    return rows
