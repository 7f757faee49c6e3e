"""The memorisation check: what the original did not know cannot be forgotten.

An answer's `detail["before"]` is what the model that was to forget said to the same item; its `correct` is None where
the item has no right and wrong. Two rows a cell stand beside those of `score`: how much was known at all, and how
accurate the model is now over that alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from backend.metrics.score import Answered, average, cells, collapse_flags, having

KNEW_NONE = "the original knew none of these"


def known_rows(answered: Sequence[Answered]) -> list[dict[str, Any]]:
    """`known_before` and `accuracy_of_known` for each cell in which something is known of before.

    `known_before`: the share that the original answered rightly, of the n answers of which that can be said.
    `accuracy_of_known`: the accuracy now over those it answered rightly; their number is n, so what was left out is
    seen. No value, and a flag, where it knew none of them. Intervals are over people.
    """
    rows = []
    for (item_set, task, modality), members in cells(answered).items():
        told = [answer for answer in members if knew(answer) is not None]
        if not told:
            continue
        known = [answer for answer in told if knew(answer)]
        cell = {"item_set": item_set, "task": task, "modality": modality}
        rows += [
            {**cell, "metric": "known_before", "flags": [], **average(told, [float(bool(knew(one))) for one in told])},
            {
                **cell,
                "metric": "accuracy_of_known",
                "flags": collapse_flags(members) if known else [KNEW_NONE],
                **average(*having(known, "accuracy")),
            },
        ]
    return rows


def knew(answer: Answered) -> bool | None:
    """Whether the original answered this item rightly; None where that is not known."""
    correct: bool | None = (answer.detail.get("before") or {}).get("correct")
    return correct
