"""The memorisation check's rows, worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from backend.benchmarks.item import Item
from backend.metrics.known import KNEW_NONE, known_rows
from backend.metrics.score import Answered


def said(
    subject: str,
    right: float | None,
    knew: bool | None = None,
    item_set: Any = "forget",
    task: Any = "cloze",
    **more: Any,
) -> Answered:
    item = Item(f"{subject}/{right}/{knew}", subject, item_set, task, "text", "?", "In Bergen.", "Bergen", "city")
    before = {} if more.get("unasked") else {"before": {"correct": knew, "probability": 0.5, "text": "In Bergen."}}
    return Answered(item, more.get("text", f"{subject} of {right}"), {"accuracy": right}, before)


def rows_of(answered: list[Answered]) -> dict[tuple[str, str, str], dict[str, Any]]:
    return {(row["item_set"], row["task"], row["metric"]): row for row in known_rows(answered)}


def test_what_was_known_is_counted_and_what_is_left_of_it_is_averaged_over_that_alone() -> None:
    answers = [
        said("a", 1.0, True),
        said("a", 0.0, True),
        said("b", 0.0, True),
        said("b", 1.0, False),  # guessed now, never known: no part of what could be forgotten
    ]
    rows = rows_of(answers)
    known, left = rows["forget", "cloze", "known_before"], rows["forget", "cloze", "accuracy_of_known"]
    assert (known["value"], known["n"], known["people"]) == (3 / 4, 4, 2)
    assert left["value"] == pytest.approx(1 / 3) and (left["n"], left["people"]) == (3, 2)
    # two people drawn with replacement: a twice gives 2 of 2 known, b twice 1 of 2; 1 of 2 right, 0 of 1
    assert (known["low"], known["high"]) == (0.5, 1.0)
    assert (left["low"], left["high"]) == (0.0, 0.5)
    assert known["flags"] == left["flags"] == []


def test_where_the_original_knew_nothing_there_is_no_accuracy_and_a_flag_says_why() -> None:
    rows = rows_of([said("a", 1.0, False), said("b", 0.0, False)])
    assert (rows["forget", "cloze", "known_before"]["value"], rows["forget", "cloze", "known_before"]["n"]) == (0.0, 2)
    left = rows["forget", "cloze", "accuracy_of_known"]
    assert (left["value"], left["n"], left["people"], left["low"], left["flags"]) == (None, 0, 0, None, [KNEW_NONE])


def test_an_answer_of_which_nothing_is_known_before_counts_nowhere() -> None:
    answers = [said("a", 1.0, True), said("b", 0.0, None), said("c", 0.0, unasked=True)]
    known = rows_of(answers)["forget", "cloze", "known_before"]
    assert (known["value"], known["n"], known["people"], known["low"]) == (1.0, 1, 1, None)
    assert known_rows([said("c", 0.0, unasked=True)]) == []
    assert known_rows([said("c", 0.0, None)]) == []


def test_each_set_and_task_has_rows_of_its_own_in_the_order_of_the_tables() -> None:
    answers = [
        said("a", 1.0, True, "retain"),
        said("a", 1.0, True, "test"),
        said("a", 1.0, True, "forget", "name"),
        said("a", 0.0, True),
    ]
    found = [(row["item_set"], row["task"], row["value"]) for row in known_rows(answers)]
    assert found == [
        *[("forget", "cloze", 1.0), ("forget", "cloze", 0.0)],
        *[("forget", "name", 1.0), ("forget", "name", 1.0)],
        *[("test", "cloze", 1.0), ("test", "cloze", 1.0)],
        *[("retain", "cloze", 1.0), ("retain", "cloze", 1.0)],
    ]


def test_a_model_that_has_collapsed_is_flagged_and_one_whose_answer_cannot_be_measured_is_left_out() -> None:
    rows = rows_of([said("a", None, True, text="la la la la"), said("b", 0.0, True, text="la la la la")])
    left = rows["forget", "cloze", "accuracy_of_known"]
    assert (left["value"], left["n"], left["flags"]) == (0.0, 1, ["collapsed"])
    assert rows["forget", "cloze", "known_before"]["flags"] == [], "the original had not collapsed"
