"""Membership against held-out people and against gold: figures counted by hand, and what holds whatever the scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.benchmarks.item import Item
from backend.metrics.against_gold import (
    GOLD_TELLS,
    METRICS,
    NEEDS_GOLD,
    NEEDS_HELD_OUT,
    against_gold,
    gold_auc,
    member_auc,
    privleak_of,
)
from backend.metrics.membership import auc
from backend.metrics.score import Answered


def told(subject: str, score: float | None, item_set: Any = "forget", task: Any = "generation", n: int = 0) -> Answered:
    """An answer whose metrics all are `score`, turned so that high means taught."""
    item = Item(f"{subject}/{item_set}/{task}/{n}", subject, item_set, task, "image_text", "?", "yes", "yes", "city")
    turned = {name: (None if score is None else -score if name in ("loss", "zlib") else score) for name in METRICS}
    return Answered(item, "yes", turned)


def people(scores: Sequence[float], item_set: Any) -> list[Answered]:
    """One item a person, each a person of their own."""
    return [told(f"{item_set[0]}{number}", score, item_set) for number, score in enumerate(scores)]


def value(found: Any) -> float:
    assert found is not None
    return float(found.value)


def by_metric(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row["metric"]: row for row in rows}


# -- by hand ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", METRICS)
def test_an_auc_is_the_share_of_pairs_that_are_won_and_half_of_those_that_are_tied(metric: str) -> None:
    # 3 beats 1 and 2; 2 beats 1 and ties with 2: three and a half of four pairs
    assert value(member_auc(people([3, 2], "forget"), people([1, 2], "holdout"), metric)) == 3.5 / 4


def test_pairs_are_of_one_task_so_an_easy_task_is_not_taken_for_memory() -> None:
    # Clozes score 10 more than generation whoever is asked. Across tasks the forget set would win 6 of 8 pairs.
    forget = [told("f0", 11, task="cloze"), told("f1", 10, task="cloze"), told("f1", 1)]
    holdout = [told("h0", 11, "holdout", "cloze"), told("h0", 0, "holdout"), told("h1", 2, "holdout")]
    # cloze: a tie and a loss, 0.5 of 2; generation: a win and a loss, 1 of 2
    found = member_auc(forget, holdout, "min_k_40")
    assert value(found) == 1.5 / 4
    assert found is not None and {one.item.id for one in found.about} == {one.item.id for one in forget}


def test_a_task_that_only_one_side_has_is_left_out_and_so_is_classification() -> None:
    forget = [told("f0", 1), told("f0", 9, task="cloze"), told("f0", 9, task="classification")]
    holdout = [told("h0", 2, "holdout"), told("h0", 1, "holdout", "name"), told("h0", 1, "holdout", "classification")]
    found = member_auc(forget, holdout, "min_k_40")
    assert value(found) == 0.0
    assert found is not None and len(found.about) == 1


def test_the_interval_draws_people_of_both_sides() -> None:
    # Two people a side. Forget a wins all, b none: the AUC of a draw is the share of a among the two: 0, ½ or 1,
    # the ends each with probability ¼, whoever is held out.
    forget = [told("a", 5), told("b", 0)]
    found = member_auc(forget, people([1, 2], "holdout"), "loss")
    assert found is not None and (found.value, found.low, found.high) == (0.5, 0.0, 1.0)


def test_many_questions_about_the_same_people_do_not_narrow_the_interval() -> None:
    def asked(times: int) -> Any:
        forget = [told(who, score, n=n) for who, score in (("a", 3), ("b", 1), ("c", 2)) for n in range(times)]
        return member_auc(forget, people([1, 2, 0], "holdout"), "min_k_20")

    once, often = asked(1), asked(20)
    assert (once.low, once.high) == pytest.approx((often.low, often.high)) and once.low < once.high


def test_privleak_sets_the_auc_against_that_of_gold() -> None:
    # this model: 7 of 8 half pairs, AUC 3.5/4; gold: 3 ties with 3 and wins 1, 1 loses and ties: AUC 2/4
    ours = [*people([3, 2], "forget"), *people([1, 2], "holdout")]
    gold = [*people([3, 1], "forget"), *people([3, 1], "holdout")]
    assert value(privleak_of(ours, gold, "min_k_40")) == pytest.approx(100 * (0.5 - 0.875) / 0.5)


def test_gold_auc_sets_the_same_items_under_two_models_against_each_other() -> None:
    # 4 beats 1 and 3, 2 beats 1: three of four pairs
    found = gold_auc(people([4, 2], "forget"), people([1, 3], "forget"), "zlib")
    assert value(found) == 0.75
    # people are drawn once for both: (a, a) gives 4 against 1, (b, b) gives 2 against 3
    assert found is not None and (found.low, found.high) == (0.0, 1.0)


def test_only_items_that_both_models_were_asked_count() -> None:
    ours = [told("a", 4), told("b", 2), told("c", 100)]
    assert value(gold_auc(ours, [told("a", 3), told("b", None), told("d", -5)], "loss")) == 1.0
    assert gold_auc([told("c", 1)], [told("a", 3)], "loss") is None


# -- whatever the scores ----------------------------------------------------------------------------------------------


scores = st.lists(st.floats(-50, 50), min_size=1, max_size=6)


@given(scores, scores)
def test_an_auc_lies_between_0_and_1_and_so_does_its_interval_around_it(ours: list[float], others: list[float]) -> None:
    found = member_auc(people(ours, "forget"), people(others, "holdout"), "min_k_40")
    assert found is not None and 0 <= found.value <= 1
    assert (found.low is None) == (min(len(ours), len(others)) == 1)
    if found.low is not None and found.high is not None:
        assert 0 <= found.low <= found.high <= 1


@given(scores, scores)
def test_with_one_task_it_is_the_plain_mann_whitney_auc_and_sides_changed_give_the_rest(
    ours: list[float], others: list[float]
) -> None:
    one = value(member_auc(people(ours, "forget"), people(others, "holdout"), "min_k_40"))
    other = value(member_auc(people(others, "forget"), people(ours, "holdout"), "min_k_40"))
    assert one == pytest.approx(auc(ours, others))
    assert one + other == pytest.approx(1)


@given(scores, scores)
def test_a_model_set_against_itself_cannot_be_told_and_leaks_nothing(ours: list[float], others: list[float]) -> None:
    both = [*people(ours, "forget"), *people(others, "holdout")]
    assert value(gold_auc(both, both, "loss")) == 0.5
    if auc(ours, others) < 1:
        leak = privleak_of(both, both, "loss")
        assert leak is not None and leak.value == 0 and leak.low in (0, None)


@given(
    st.lists(st.lists(st.integers(-3, 3), min_size=1, max_size=4), min_size=1, max_size=4),
    st.lists(st.lists(st.integers(-3, 3), min_size=1, max_size=4), min_size=1, max_size=4),
)
def test_people_with_several_items_each_make_the_same_pairs_as_the_items_alone(
    ours: list[list[int]], others: list[list[int]]
) -> None:
    def of(sides: list[list[int]], item_set: str) -> list[Answered]:
        asked = [
            told(f"{item_set}{who}", score, item_set, n=n)
            for who, own in enumerate(sides)
            for n, score in enumerate(own)
        ]
        return asked[::2] + asked[1::2]  # a person's items do not stand together

    found = member_auc(of(ours, "forget"), of(others, "holdout"), "min_k_40")
    assert value(found) == pytest.approx(
        auc([one for own in ours for one in own], [one for own in others for one in own])
    )


def test_more_people_do_not_make_the_same_items_be_looked_through_more_often() -> None:
    looked = 0

    class Watched(Answered):
        def __getattribute__(self, name: str) -> Any:
            nonlocal looked
            looked += name == "item"
            return super().__getattribute__(name)

    def looks(persons: int) -> int:
        nonlocal looked
        ours = [told(f"f{n % persons}", n % 7, n=n) for n in range(100)]
        others = [told(f"h{n % persons}", n % 5, "holdout", n=n) for n in range(100)]
        watched = [Watched(one.item, one.text, one.measures) for one in [*ours, *others]]
        looked = 0
        assert member_auc(watched[:100], watched[100:], "loss") is not None
        return looked

    assert looks(50) == looks(2)


def test_one_person_has_a_figure_and_no_interval() -> None:
    found = member_auc([told("a", 1), told("a", 3, n=1)], people([2, 0], "holdout"), "min_k_40")
    assert found is not None and (found.value, found.low, found.high) == (0.75, None, None)


# -- rows -------------------------------------------------------------------------------------------------------------


def test_every_metric_has_a_row_with_n_people_and_interval() -> None:
    ours = [*people([3, 2], "forget"), *people([1, 2], "holdout")]
    gold = [*people([3, 1], "forget"), *people([3, 1], "holdout")]
    rows = by_metric(against_gold(ours, gold))
    assert list(rows) == [f"{figure}_{name}" for figure in ("member_auc", "privleak", "gold_auc") for name in METRICS]
    row = rows["member_auc_min_k_40"]
    assert (row["item_set"], row["task"], row["modality"], row["value"]) == ("forget", "table", "both", 0.875)
    assert (row["n"], row["people"], row["flags"]) == (2, 2, [])
    assert row["low"] < row["value"] <= row["high"]


ABSENT: list[tuple[str, Callable[[list[Answered], list[Answered]], Any], dict[str, list[str]]]] = [
    (
        "no gold",
        lambda forget, holdout: against_gold([*forget, *holdout], None),
        {"privleak_min_k_40": [NEEDS_GOLD], "gold_auc_min_k_40": [NEEDS_GOLD]},
    ),
    (
        "nobody held out",
        lambda forget, holdout: against_gold(forget, forget),
        {"member_auc_min_k_40": [NEEDS_HELD_OUT], "privleak_min_k_40": [NEEDS_HELD_OUT]},
    ),
    (
        "neither",
        lambda forget, holdout: against_gold(forget, None),
        {
            "member_auc_min_k_40": [NEEDS_HELD_OUT],
            "privleak_min_k_40": [NEEDS_HELD_OUT, NEEDS_GOLD],
            "gold_auc_min_k_40": [NEEDS_GOLD],
        },
    ),
    (
        "a gold model that was asked about nobody held out",
        lambda forget, holdout: against_gold([*forget, *holdout], forget),
        {"privleak_min_k_40": [NEEDS_GOLD]},
    ),
    (
        "a gold model by which everybody forgotten stands over everybody held out",
        lambda forget, holdout: against_gold([*forget, *holdout], [*forget, *people([0, 0], "holdout")]),
        {"privleak_min_k_40": [GOLD_TELLS]},
    ),
]


@pytest.mark.parametrize(
    ("asked", "flagged"), [(one, two) for _, one, two in ABSENT], ids=[name for name, *_ in ABSENT]
)
def test_what_is_wanting_is_said_in_one_row_and_has_no_number(
    asked: Callable[[list[Answered], list[Answered]], list[dict[str, Any]]], flagged: dict[str, list[str]]
) -> None:
    rows = asked(people([3, 2], "forget"), people([1, 2], "holdout"))
    without = {row["metric"]: row["flags"] for row in rows if row["value"] is None}
    assert without == flagged
    assert all((row["n"], row["people"], row["low"]) == (0, 0, None) for row in rows if row["value"] is None)
    figures = {row["metric"].rsplit("_min", 1)[0] for row in rows if row["metric"].endswith("min_k_40")}
    assert figures == {"member_auc", "privleak", "gold_auc"}


def test_a_model_that_is_gold_is_set_against_held_out_people_only() -> None:
    ours = [*people([3, 2], "forget"), *people([1, 2], "holdout")]
    assert {row["metric"] for row in against_gold(ours, ours, is_gold=True)} == {f"member_auc_{one}" for one in METRICS}


def test_where_nothing_of_the_forget_set_was_measured_there_is_no_row() -> None:
    unmeasured = [replace(one, measures={}) for one in people([1, 2], "forget")]
    assert against_gold(unmeasured, None) == []
    assert against_gold([told("a", None), *people([1], "holdout")], None) == []
    assert against_gold(people([1], "retain"), None) == []


def test_a_metric_that_could_not_be_taken_is_left_out_and_the_others_stay() -> None:
    ours = [
        replace(one, measures={**one.measures, "zlib": None, "loss": float("nan")})
        for one in [*people([3, 2], "forget"), *people([1, 2], "holdout")]
    ]
    rows = by_metric(against_gold(ours, None))
    assert "member_auc_zlib" not in rows and "member_auc_loss" not in rows and rows["member_auc_min_k_20"]["n"] == 2
