"""KS and JS against gold: cases whose answer is known, and the script's rule beside ours."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.metrics.forget_quality import ks_p_value, one_minus_js, one_minus_js_as_coded

ratios = st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=15)


def test_the_same_ratios_cannot_be_told_apart() -> None:
    values = [0.5, 1.0, 2.0, 4.0]
    assert ks_p_value(values, values) == 1
    assert one_minus_js(values, values) == 1
    assert one_minus_js_as_coded(values, values) == 1


def test_ks_by_counting_the_ways_two_samples_can_interleave() -> None:
    # All three below all three: 2 of the C(6, 3) = 20 ways to interleave them lie so far apart.
    assert ks_p_value([0.1, 0.2, 0.3], [1.0, 2.0, 3.0]) == pytest.approx(2 / 20)


def test_js_of_histograms_that_share_nothing_or_half() -> None:
    # R/(1+R): 1/9 -> 0.1, 9 -> 0.9, in different bins of ten.
    assert one_minus_js([1 / 8, 1 / 8], [8.0, 8.0]) == pytest.approx(0)
    # P = (1, 0), Q = (½, ½), M = (¾, ¼): JS = ½ [log₂ 4/3] + ½ [½ log₂ 2/3 + ½ log₂ 2].
    js = 0.5 * math.log2(4 / 3) + 0.5 * (0.5 * math.log2(2 / 3) + 0.5)
    assert one_minus_js([1 / 8, 1 / 8], [1 / 8, 8.0]) == pytest.approx(1 - js)


def test_the_script_minds_the_order_and_ours_does_not() -> None:
    unlearned, gold = [1.0, 3.0], [1.0, 3.0]
    turned = [3.0, 1.0]
    assert one_minus_js(turned, gold) == one_minus_js(unlearned, gold) == 1
    # P = (¾, ¼), Q = (¼, ¾), M = (½, ½): JS = ¾ log 3/2 + ¼ log ½ in nats, and its root is the distance.
    js = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert one_minus_js_as_coded(turned, gold) == pytest.approx(1 - math.sqrt(js))


def test_the_script_sees_no_difference_when_every_ratio_is_doubled_and_ours_does() -> None:
    gold = [0.5, 1.0, 4.0]
    doubled = [1.0, 2.0, 8.0]
    assert one_minus_js_as_coded(doubled, gold) == pytest.approx(1)
    assert one_minus_js(doubled, gold) < 1


@given(ratios, ratios)
def test_bounds_symmetry_and_order(first: list[float], second: list[float]) -> None:
    for measure in (ks_p_value, one_minus_js):
        value = measure(first, second)
        assert 0 <= value <= 1
        assert measure(second, first) == pytest.approx(value)
        assert measure(first[::-1], second) == pytest.approx(value)
    same_length = min(len(first), len(second))
    assert 1 - math.sqrt(math.log(2)) <= one_minus_js_as_coded(first[:same_length], second[:same_length]) <= 1


@given(ratios)
def test_turning_every_ratio_over_in_both_models_changes_nothing_in_ks(values: list[float]) -> None:
    gold = [0.5, 1.0, 2.0]
    turned = ks_p_value([1 / value for value in values], [1 / value for value in gold])
    # 1/(1/x) can miss x by a rounding, which makes or breaks a tie with gold.
    if not {0.5, 1.0, 2.0} & {round(value, 6) for value in values}:
        assert turned == pytest.approx(ks_p_value(values, gold))


def test_one_answer_is_enough_to_compute_and_none_is_refused() -> None:
    assert ks_p_value([2.0], [1.0]) == 1, "one answer each proves nothing"
    for measure in (ks_p_value, one_minus_js, one_minus_js_as_coded):
        with pytest.raises(ValueError, match="unlearned model's truth ratios are empty"):
            measure([], [1.0])
        with pytest.raises(ValueError, match="gold model's truth ratios are empty"):
            measure([1.0], [])
        with pytest.raises(ValueError, match="over 0"):
            measure([-1.0], [1.0])
    with pytest.raises(ValueError, match="2 ratios against 1"):
        one_minus_js_as_coded([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="two bins"):
        one_minus_js([1.0], [1.0], bins=1)
