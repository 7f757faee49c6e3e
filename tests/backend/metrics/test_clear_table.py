"""CLEAR's table with intervals: each figure against the plain functions of `clear`, the truth ratio as coded too."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import pytest

from backend.benchmarks.item import Item
from backend.metrics import clear, forget_quality
from backend.metrics.clear_table import TASKS, quality_rows, table_rows
from backend.metrics.score import Answered

RNG = np.random.default_rng(7)


def answer(subject: str, number: int, item_set: Any, task: Any, losses: list[float], **given: float) -> Answered:
    """`losses`: of the paraphrased truth, then of the wrong answers."""
    item = Item(
        f"{subject}/{item_set}/{task}/{number}", subject, item_set, task, "image_text", "?", "an answer", "x", "y"
    )
    ratio = clear.truth_ratio(losses[0], losses[1:])
    usual = {"probability": 0.5, "option_probability": 0.25, "truth_ratio": ratio, "rougeL_recall": 0.5}
    return Answered(item, "an answer", {**usual, **given}, {"perturbed_losses": losses})


def everything(people: int, each: int) -> list[Answered]:
    """`people` persons a task with `each` answers, of random losses and probabilities."""
    found = []
    for item_set, task in TASKS.values():
        for number in range(people * each):
            losses = list(RNG.uniform(0.5, 3.0, 4))
            given = {
                name: float(RNG.uniform(0.1, 0.9)) for name in ("probability", "option_probability", "rougeL_recall")
            }
            found.append(
                answer(f"{item_set}{number // each}", number, item_set, task or "classification", losses, **given)
            )
    return found


def by_metric(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row["metric"]: row for row in rows if row["task"] == "table"}


def scores_of(answers: list[Answered], name: str, *, coded: bool = False) -> clear.TaskScores:
    """A task's averages, computed with nothing but the functions of `clear`."""
    item_set, task = TASKS[name]
    mine = [one for one in answers if one.item.set == item_set and task in (None, one.item.task)]
    losses = [one.detail["perturbed_losses"] for one in mine]
    ratios = (
        clear.truth_ratios_as_coded([row[0] for row in losses], [row[1:] for row in losses])
        if coded
        else [clear.truth_ratio(row[0], row[1:]) for row in losses]
    )
    fits = clear.truth_ratio_forget if item_set == "forget" else clear.truth_ratio_utility
    among = "probability" if name in ("retain", "forget") else "option_probability"
    means = [sum(one.measures[key] or 0.0 for one in mine) / len(mine) for key in (among, "rougeL_recall")]
    return clear.TaskScores(means[0], fits(ratios), means[1])


def redrawn(answers: list[Answered], seed: int) -> list[Answered]:
    """The answers of people drawn with replacement, set by set."""
    rng, found = np.random.default_rng(seed), []
    for item_set in ("celebrity", "general", "retain", "forget"):
        people = sorted({one.item.subject for one in answers if one.item.set == item_set})
        for who in rng.choice(people, len(people)):
            found += [one for one in answers if one.item.subject == who]
    return found


@pytest.fixture(scope="module")
def answers() -> list[Answered]:
    return everything(people=12, each=2)


@pytest.fixture(scope="module")
def rows(answers: list[Answered]) -> dict[str, dict[str, Any]]:
    return by_metric(table_rows(answers))


@pytest.mark.parametrize("coded", [False, True])
def test_the_columns_are_those_of_clear_with_the_right_truth_ratio_and_with_the_scripts(
    answers: list[Answered], rows: dict[str, dict[str, Any]], coded: bool
) -> None:
    wanted = clear.table({name: scores_of(answers, name, coded=coded) for name in TASKS})
    for column, value in wanted.items():
        row = rows[f"{column}_as_coded" if coded else column]
        assert row["value"] == pytest.approx(value)
        assert (row["n"], row["people"]) == ((48, 24) if column == "real" else (48, 12))
        assert row["low"] < row["value"] < row["high"]
    assert rows["retain"]["value"] != pytest.approx(rows["retain_as_coded"]["value"])


@pytest.mark.parametrize("coded", [False, True])
def test_an_interval_is_that_of_the_whole_figure_made_anew_from_people_drawn_again(
    answers: list[Answered], rows: dict[str, dict[str, Any]], coded: bool
) -> None:
    column = "forget_as_coded" if coded else "forget"
    again = [redrawn([one for one in answers if one.item.set == "forget"], seed) for seed in range(400)]
    names = clear.GROUPS["forget"]
    values = [clear.table({name: scores_of(one, name, coded=coded) for name in names})["forget"] for one in again]
    low, high = np.percentile(np.array(values, dtype=float), [2.5, 97.5])
    wide = high - low
    assert rows[column]["low"] == pytest.approx(low, abs=0.15 * wide)
    assert rows[column]["high"] == pytest.approx(high, abs=0.15 * wide)


def test_model_utility_is_clears_with_an_interval_over_the_people_of_all_its_tasks(
    answers: list[Answered], rows: dict[str, dict[str, Any]]
) -> None:
    row = rows["model_utility"]
    assert row["value"] == pytest.approx(clear.model_utility({name: scores_of(answers, name) for name in TASKS}))
    assert (row["people"], row["n"]) == (36, 96), "nobody of the forget set"
    assert row["low"] < row["value"] < row["high"]


def test_a_task_whose_truths_rouge_cannot_count_leaves_utility_out_and_nothing_else() -> None:
    some = [
        answer(one.item.subject, 0, one.item.set, one.item.task, [1.0, 2.0], rougeL_recall=math.nan)
        if one.item.set == "general"
        else one
        for one in everything(people=2, each=1)
    ]
    found = by_metric(table_rows(some))
    assert "model_utility" not in found and {"real", "retain", "forget"} <= found.keys()


def test_the_truth_ratio_as_coded_takes_one_mean_over_all_questions() -> None:
    two = [answer("a", 0, "forget", "caption", [1.0, 2.0, 4.0]), answer("b", 1, "forget", "caption", [2.0, 6.0])]
    [row] = [one for one in table_rows(two) if one["metric"] == "truth_ratio_as_coded"]
    assert row["value"] == pytest.approx((math.exp(4 - 1) + math.exp(4 - 2)) / 2)  # (2 + 4 + 6) / 3 is 4
    assert (row["item_set"], row["task"], row["modality"]) == ("forget", "caption", "image_text")
    # a drawn twice: exp(3 − 1); b twice: exp(6 − 2)
    assert (row["low"], row["high"]) == (pytest.approx(math.exp(2)), pytest.approx(math.exp(4)))


def test_without_the_losses_there_is_nothing_as_coded() -> None:
    bare = [Answered(one.item, one.text, one.measures) for one in everything(people=2, each=1)]
    assert not [row for row in table_rows(bare) if row["metric"].endswith("_as_coded")]
    assert {"real", "retain", "forget", "model_utility"} <= by_metric(table_rows(bare)).keys()


def test_forget_quality_has_an_interval_of_people_drawn_for_both_models_at_once() -> None:
    ours, gold = everything(people=15, each=2), everything(people=15, each=2)
    rows = by_metric(quality_rows(ours, gold))
    forget = [one for one in ours if one.item.set == "forget"]
    theirs = {one.item.id: one for one in gold}
    pairs = [(one.measures["truth_ratio"], theirs[one.item.id].measures["truth_ratio"]) for one in forget]
    left, right = np.array(pairs, dtype=float).T
    assert rows["forget_quality_1_minus_js"]["value"] == pytest.approx(forget_quality.one_minus_js(left, right))
    for row in rows.values():
        assert row["low"] is not None and row["low"] < row["high"] and (row["n"], row["people"]) == (60, 15)
    same = by_metric(quality_rows(ours, ours))
    assert all((row["value"], row["low"], row["high"]) == (1, 1, 1) for row in same.values())


def test_three_hundred_items_a_task_take_less_than_a_second() -> None:
    ours, gold = everything(people=150, each=2), everything(people=150, each=2)
    began = time.process_time()
    table_rows(ours)
    quality_rows(ours, gold)
    assert time.process_time() - began < 1.0
