"""CLEAR's scores by hand: a truth ratio of 2 is a loss difference of log 2."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hmean

from backend.metrics.clear import (
    TaskScores,
    below_collapse_line,
    harmonic_mean,
    model_utility,
    probability_with_options,
    table,
    truth_ratio,
    truth_ratio_forget,
    truth_ratio_utility,
    truth_ratios_as_coded,
)

LOG2 = math.log(2)
losses = st.lists(st.floats(0, 2000), min_size=1, max_size=8)
ratios = st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=20)


def test_probability_is_shared_out_between_the_truth_and_the_false_options() -> None:
    # p = ½ for the truth, ¼ and ¼ for the others.
    assert probability_with_options(LOG2, [2 * LOG2, 2 * LOG2]) == pytest.approx(0.5)
    assert probability_with_options(1.0, [1.0, 1.0, 1.0]) == pytest.approx(0.25)
    assert probability_with_options(0.0, [900.0]) == pytest.approx(1)
    assert probability_with_options(900.0, [900.0]) == pytest.approx(0.5), "both too unlikely for exp to hold"


@given(st.floats(0, 2000), losses)
def test_probability_with_options_lies_between_0_and_1_in_any_order(truth: float, others: list[float]) -> None:
    value = probability_with_options(truth, others)
    assert 0 <= value <= 1
    assert probability_with_options(truth, others[::-1]) == pytest.approx(value)


def test_a_model_that_knows_has_a_ratio_over_one() -> None:
    assert truth_ratio(LOG2, [2 * LOG2, 4 * LOG2]) == pytest.approx(4)
    assert truth_ratio(3 * LOG2, [2 * LOG2]) == pytest.approx(0.5)
    assert truth_ratio(0.0, [5000.0]) < math.inf


def test_forget_and_utility_read_the_ratio_in_their_own_direction() -> None:
    knows, undecided, wrong = 4.0, 1.0, 0.25
    assert truth_ratio_forget([knows, undecided, wrong]) == pytest.approx((0.25 + 1 + 0.25) / 3)
    assert truth_ratio_utility([knows, undecided, wrong]) == pytest.approx((0.75 + 0 + 0) / 3)
    assert truth_ratio_utility([1e9]) == pytest.approx(1), "all right"
    assert truth_ratio_utility([1e-9]) == 0, "all wrong"


@given(ratios)
def test_aggregates_lie_between_0_and_1_and_mind_no_order(values: list[float]) -> None:
    for aggregate in (truth_ratio_forget, truth_ratio_utility):
        assert 0 <= aggregate(values) <= 1
        assert aggregate(values[::-1]) == pytest.approx(aggregate(values))
    assert truth_ratio_forget([1 / value for value in values]) == pytest.approx(truth_ratio_forget(values))


def test_the_script_takes_one_mean_of_perturbed_losses_for_all_questions() -> None:
    paraphrased, perturbed = [LOG2, LOG2], [[LOG2, LOG2], [3 * LOG2, 3 * LOG2]]
    ours = [truth_ratio(loss, row) for loss, row in zip(paraphrased, perturbed, strict=True)]
    assert ours == pytest.approx([1, 4])
    assert truth_ratios_as_coded(paraphrased, perturbed) == pytest.approx([2, 2])
    assert truth_ratios_as_coded([LOG2], [[2 * LOG2]]) == pytest.approx([truth_ratio(LOG2, [2 * LOG2])])
    assert truth_ratios_as_coded([LOG2, LOG2], [[LOG2], [4 * LOG2, 4 * LOG2]]) == pytest.approx([4, 4]), "by loss"


def test_a_harmonic_mean_is_nothing_when_one_part_is_nothing() -> None:
    assert harmonic_mean([0.5, 1.0]) == pytest.approx(2 / 3)
    assert harmonic_mean([0.0, 1.0]) == 0
    assert harmonic_mean([5e-324, 1.0]) >= 0
    with pytest.raises(ValueError, match="0 or more"):
        harmonic_mean([-0.1, 1.0])


@given(st.lists(st.floats(1e-3, 1), min_size=1, max_size=12))
def test_a_harmonic_mean_is_scipys(values: list[float]) -> None:
    assert harmonic_mean(values) == pytest.approx(float(hmean(values)))
    assert min(values) - 1e-12 <= harmonic_mean(values) <= np.mean(values) + 1e-12


def test_model_utility_is_of_twelve_scores_and_no_forget_score_counts() -> None:
    halves = TaskScores(0.5, 0.5, 0.5)
    four = dict.fromkeys(("real_faces", "real_world", "retain", "retain_name"), halves)
    assert model_utility(four) == pytest.approx(0.5)
    assert model_utility({**four, "forget": TaskScores(0.0, 0.0, 0.0)}) == pytest.approx(0.5)
    # 11 scores of ½ and one of 1: 12 / (11·2 + 1).
    assert model_utility({**four, "retain": TaskScores(0.5, 0.5, 1.0)}) == pytest.approx(12 / 23)
    assert model_utility({**four, "retain": TaskScores(0.5, 0.5, 0.0)}) == 0
    with pytest.raises(ValueError, match="real_world, retain_name"):
        model_utility({"real_faces": halves, "retain": halves, "retain_name": TaskScores(0.5, 0.5)})


def test_the_table_has_a_number_where_both_tasks_were_measured_and_none_elsewhere() -> None:
    tasks = {
        "retain": TaskScores(1.0, 0.5, 0.1),
        "retain_name": TaskScores(0.5, 0.5),
        "forget": TaskScores(0.0, 0.9),
        "forget_name": TaskScores(0.9, 0.9),
        "real_faces": TaskScores(1.0, 1.0),
    }
    # 4 / (1 + 2 + 2 + 2); ROUGE has no part in it.
    assert table(tasks) == {"real": None, "retain": pytest.approx(4 / 7), "forget": 0.0}


def test_the_collapse_line_is_at_0_4() -> None:
    assert below_collapse_line(0.399)
    assert not below_collapse_line(0.4)


def test_empty_and_impossible_input_is_refused() -> None:
    for measure in (truth_ratio_forget, truth_ratio_utility):
        with pytest.raises(ValueError, match="truth ratios are empty"):
            measure([])
        with pytest.raises(ValueError, match="over 0"):
            measure([1.0, 0.0])
    with pytest.raises(ValueError, match="option_losses are empty"):
        probability_with_options(1.0, [])
    with pytest.raises(ValueError, match="perturbed_losses are empty"):
        truth_ratio(1.0, [])
    with pytest.raises(ValueError, match="nan"):
        truth_ratio(math.nan, [1.0])
    with pytest.raises(ValueError, match="2 paraphrased losses but 1 rows"):
        truth_ratios_as_coded([1.0, 2.0], [[1.0]])
    with pytest.raises(ValueError, match="one row"):
        truth_ratio_forget(np.ones((2, 2)))
