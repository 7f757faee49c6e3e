"""Figures of a whole evaluation: how far the forget set can still be told from what was never taught (all benchmarks),
CLEAR's table, model utility and forget quality, OFFSIDE's averages over sets.

They stand in the set they are about (model utility in `retain`, what is about all of them in `all`), under the task
`table`. Where a retain-only model is needed and there is none, the row has no number and says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from backend.metrics.against_gold import against_gold
from backend.metrics.clear_table import quality_rows, table_rows
from backend.metrics.four_way import four_way_rows
from backend.metrics.score import Answered


def summary(
    rules: str, answered: Sequence[Answered], gold: Sequence[Answered] | None, *, is_gold: bool = False
) -> list[dict[str, Any]]:
    """Rows beside those of `score`. `gold` are a retain-only model's answers to the same items, None where there is no
    such model. A model that is gold itself (`is_gold`) is not set against gold."""
    rows = table_rows(answered) if rules == "clear" else []
    if rules == "clear" and not is_gold:
        rows += quality_rows(answered, gold)
    if rules == "offside":
        rows += four_way_rows(answered)
    return rows + against_gold(answered, gold, is_gold=is_gold)
