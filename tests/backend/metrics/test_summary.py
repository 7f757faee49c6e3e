"""CLEAR's table and forget quality, from answers whose measures were made by hand."""

from __future__ import annotations

from typing import Any

import pytest

from backend.benchmarks.item import Item
from backend.metrics.flags import NEEDS_GOLD
from backend.metrics.score import Answered
from backend.metrics.summary import summary


def asked(subject: str, item_set: Any, task: Any, **measures: float) -> Answered:
    item = Item(f"{subject}/{item_set}/{task}", subject, item_set, task, "image_text", "?", "an answer", "x", "city")
    return Answered(item, "an answer", {"probability": 0.5, "option_probability": 0.5, "truth_ratio": 2.0, **measures})


def everything() -> list[Answered]:
    """Two people a task. A truth ratio of 2 is worth 0.5 by either aggregate."""
    kinds = [("celebrity", "classification"), ("general", "classification")]
    kinds += [(item_set, task) for item_set in ("retain", "forget") for task in ("caption", "name")]
    return [asked(who, item_set, task, rougeL_recall=0.5) for item_set, task in kinds for who in ("a", "b")]


def by_metric(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row["metric"]: row for row in rows}


def test_other_rules_have_no_table_of_clears() -> None:
    assert summary("mllmu", everything(), None) == []


@pytest.mark.parametrize("rules", ["demo", "mllmu", "clear", "offside"])
def test_whatever_the_rules_the_forget_set_is_set_against_gold(rules: str) -> None:
    ours = [asked(who, "forget", "caption", loss=1.0) for who in ("a", "b")]
    gold = [asked(who, "forget", "caption", loss=2.0) for who in ("a", "b")]
    assert by_metric(summary(rules, ours, gold))["gold_auc_loss"]["value"] == 1.0
    assert by_metric(summary(rules, ours, None))["gold_auc_min_k_40"]["flags"] == [NEEDS_GOLD]
    alone = by_metric(summary(rules, ours, gold, is_gold=True))
    assert not [metric for metric in alone if metric.startswith(("gold_auc", "privleak", "forget_quality"))]


def test_where_all_is_one_half_every_column_and_the_utility_are_one_half() -> None:
    rows = by_metric(summary("clear", everything(), None))
    for metric in ("real", "retain", "forget", "model_utility"):
        assert rows[metric]["value"] == pytest.approx(0.5), metric
    assert (rows["real"]["item_set"], rows["real"]["n"]) == ("celebrity", 4)
    assert rows["model_utility"]["flags"] == []


def test_a_model_whose_retain_column_is_under_the_line_has_collapsed() -> None:
    poor = [
        asked(one.item.subject, one.item.set, one.item.task, probability=0.1, option_probability=0.1, rougeL_recall=0.1)
        if one.item.set == "retain"
        else one
        for one in everything()
    ]
    assert by_metric(summary("clear", poor, None))["model_utility"]["flags"] == ["collapsed"]


def test_without_a_retain_only_model_there_is_no_forget_quality() -> None:
    rows = by_metric(summary("clear", everything(), None))
    for metric in ("forget_quality_ks", "forget_quality_1_minus_js"):
        assert (rows[metric]["value"], rows[metric]["flags"]) == (None, [NEEDS_GOLD])


def test_the_same_answers_as_the_retain_only_model_are_the_best_forgetting() -> None:
    rows = by_metric(summary("clear", everything(), everything()))
    assert rows["forget_quality_ks"]["value"] == pytest.approx(1)
    assert rows["forget_quality_1_minus_js"]["value"] == pytest.approx(1)
    assert rows["forget_quality_ks"]["n"] == 4


def test_a_set_that_was_not_asked_leaves_its_column_out() -> None:
    some = [one for one in everything() if one.item.set != "general"]
    rows = by_metric(summary("clear", some, None))
    assert "real" not in rows and "model_utility" not in rows and "retain" in rows
