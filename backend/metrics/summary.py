"""Figures of a whole evaluation: how far the forget set can still be told from what was never taught (all benchmarks),
CLEAR's table and model utility, and its forget quality against a retain-only model.

They stand in the set they are about (model utility in `retain`), under the task `table`. Where a retain-only model is
needed and there is none, the row has no number and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from backend.metrics import clear, forget_quality
from backend.metrics.against_gold import NEEDS_GOLD, against_gold
from backend.metrics.score import Answered, table_row

_TASKS: dict[str, Callable[[Answered], bool]] = {
    "real_faces": lambda one: one.item.set == "celebrity",
    "real_world": lambda one: one.item.set == "general",
    "retain": lambda one: one.item.set == "retain" and one.item.task == "caption",
    "retain_name": lambda one: one.item.set == "retain" and one.item.task == "name",
    "forget": lambda one: one.item.set == "forget" and one.item.task == "caption",
    "forget_name": lambda one: one.item.set == "forget" and one.item.task == "name",
}
"""CLEAR's six tasks, by the items that belong to each."""


def summary(
    rules: str, answered: Sequence[Answered], gold: Sequence[Answered] | None, *, is_gold: bool = False
) -> list[dict[str, Any]]:
    """Rows beside those of `score`. `gold` are a retain-only model's answers to the same items, None where there is no
    such model. A model that is gold itself (`is_gold`) is not set against gold."""
    rows = _clear_table(answered) if rules == "clear" else []
    if rules == "clear" and not is_gold:
        rows += _forget_quality(answered, gold)
    return rows + against_gold(answered, gold, is_gold=is_gold)


def _clear_table(answered: Sequence[Answered]) -> list[dict[str, Any]]:
    tasks = {name: found for name in _TASKS if (found := _task(name, answered)) is not None}
    rows = [
        table_row(item_set, column, value, _of_column(column, answered))
        for (column, value), item_set in zip(clear.table(tasks).items(), ("celebrity", "retain", "forget"), strict=True)
        if value is not None
    ]
    kept = {name: found for name, found in tasks.items() if not name.startswith("forget")}
    if len(kept) == 4:
        flags = ["collapsed"] if clear.below_collapse_line(clear.table(tasks)["retain"] or 0.0) else []
        rows.append(table_row("retain", "model_utility", clear.model_utility(kept), answered, flags=flags))
    return rows


def _task(name: str, answered: Sequence[Answered]) -> clear.TaskScores | None:
    members = [one for one in answered if _TASKS[name](one)]
    among = "probability" if name in ("retain", "forget") else "option_probability"
    probabilities = _known(members, among)
    ratios = _known(members, "truth_ratio")
    if not probabilities or not ratios:
        return None
    fits = clear.truth_ratio_forget if name.startswith("forget") else clear.truth_ratio_utility
    rouge = _known(members, "rougeL_recall")
    return clear.TaskScores(
        probability=sum(probabilities) / len(probabilities),
        truth_ratio=fits(ratios),
        rouge=sum(rouge) / len(rouge) if rouge else None,
    )


def _forget_quality(answered: Sequence[Answered], gold: Sequence[Answered] | None) -> list[dict[str, Any]]:
    """KS p-value and 1 − JS of the truth ratios of the forget set, this model's against the retain-only one's."""
    forget = [one for one in answered if one.item.set == "forget" and one.measures.get("truth_ratio") is not None]
    if not forget:
        return []
    names = ("forget_quality_ks", "forget_quality_1_minus_js", "forget_quality_1_minus_js_as_coded")
    if gold is None:
        return [table_row("forget", name, None, [], flags=[NEEDS_GOLD]) for name in names]
    same = {one.item.id: one.measures.get("truth_ratio") for one in gold}
    pairs = [(one, same[one.item.id]) for one in forget if same.get(one.item.id) is not None]
    if not pairs:
        return [table_row("forget", name, None, [], flags=[NEEDS_GOLD]) for name in names]
    ours = [float(one.measures["truth_ratio"] or 0.0) for one, _ in pairs]
    theirs = [float(ratio or 0.0) for _, ratio in pairs]
    values = (
        forget_quality.ks_p_value(ours, theirs),
        forget_quality.one_minus_js(ours, theirs),
        forget_quality.one_minus_js_as_coded(ours, theirs),
    )
    about = [one for one, _ in pairs]
    return [table_row("forget", name, value, about) for name, value in zip(names, values, strict=True)]


def _of_column(column: str, answered: Sequence[Answered]) -> list[Answered]:
    return [one for one in answered if any(_TASKS[task](one) for task in clear.GROUPS[column])]


def _known(members: Sequence[Answered], name: str) -> list[float]:
    return [value for one in members if (value := one.measures.get(name)) is not None]
