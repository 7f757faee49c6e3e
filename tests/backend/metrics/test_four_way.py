"""OFFSIDE's averages over its sets, worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from backend.benchmarks.item import Item
from backend.metrics.four_way import AVERAGED, four_way_rows
from backend.metrics.score import Answered
from backend.metrics.summary import summary


def said(
    player: str, item_set: Any, task: Any = "classification", modality: Any = "image_text", **measures: float
) -> Answered:
    item = Item(
        f"{player}/{item_set}/{task}/{modality}/{measures}", player, item_set, task, modality, "?", "A", "A", "club"
    )
    return Answered(item, "A", {**measures})


CHOICES = [
    *(said("a", "forget", accuracy=value) for value in (1.0, 0.0)),
    said("b", "forget", accuracy=1.0),
    *(said(who, "test", accuracy=0.0) for who in "ab"),
    *(said(who, "retain", accuracy=1.0) for who in "ab"),
]


def test_each_set_counts_as_much_as_another_however_many_questions_it_has() -> None:
    [row] = four_way_rows(CHOICES)
    assert row["value"] == pytest.approx((2 / 3 + 0 + 1) / 3)
    assert (row["metric"], row["item_set"], row["task"]) == ("mean_of_sets_accuracy", "all", "table")
    assert (row["n"], row["people"]) == (7, 2)
    # a drawn twice: (1/2 + 0 + 1) / 3; b twice: (1 + 0 + 1) / 3
    assert (row["low"], row["high"]) == (pytest.approx(0.5), pytest.approx(2 / 3))


def test_answers_as_text_and_of_other_sets_are_no_part_of_it() -> None:
    more = [said("a", "forget", modality="text", accuracy=0.0), said("c", "celebrity", accuracy=0.0)]
    assert four_way_rows([*CHOICES, *more]) == four_way_rows(CHOICES)


def test_there_is_no_mean_where_one_of_the_sets_was_not_asked() -> None:
    assert four_way_rows([one for one in CHOICES if one.item.set != "test"]) == []


def test_written_answers_have_means_of_their_own_and_other_rules_none() -> None:
    written = [
        said("a", item_set, "generation", overall=value)
        for item_set, value in (("forget", 0.2), ("test", 0.4), ("retain", 0.9))
    ]
    [row] = summary("offside", written, None)
    assert (row["metric"], row["value"], row["low"]) == ("mean_of_sets_overall", pytest.approx(0.5), None)
    assert summary("mllmu", written, None) == []
    assert {task for task, _ in AVERAGED} == {"classification", "generation"}
