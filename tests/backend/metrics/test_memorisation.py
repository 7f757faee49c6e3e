"""The common panel on four tokens that can be worked out by hand."""

import math
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.metrics.memorisation import (
    exact_memorisation,
    extraction_strength,
    extraction_strength_as_coded,
    loss,
    min_k,
    min_k_plus,
    panel,
    probability,
    zlib_ratio,
)

HALVES = np.log([0.5, 0.25, 1.0, 0.125])
RIGHT = [True, False, True, True]
rows = st.lists(st.floats(-50, 0), min_size=1, max_size=30)
flags = st.lists(st.booleans(), min_size=1, max_size=30)


def test_the_panel_of_four_tokens_by_hand() -> None:
    # log p in units of log 2: −1, −2, 0, −3; their mean is −1.5.
    measured = panel(HALVES, RIGHT, HALVES - 1, [1.0, 2.0, 4.0, 0.5], "in Bergen")
    assert measured.probability == pytest.approx(2**-1.5)
    assert measured.loss == pytest.approx(1.5 * math.log(2))
    assert measured.exact_memorisation == 0.75
    assert measured.extraction_strength == 0.5, "the last two of four stand by themselves"
    assert measured.zlib == pytest.approx(1.5 * math.log(2) / len(zlib.compress(b"in Bergen")))
    # 20 % and 40 % of four tokens are none and one: one token each, the least likely.
    assert measured.min_k_20 == measured.min_k_40 == pytest.approx(-3 * math.log(2))
    # (log p − μ) is 1 everywhere, over σ: 1, ½, ¼, 2; the lowest is ¼.
    assert measured.min_k_plus_20 == measured.min_k_plus_40 == pytest.approx(0.25)


def test_min_k_takes_a_share_of_the_tokens_and_rounds_down() -> None:
    ten = -np.arange(10.0)
    assert min_k(ten, 20) == -8.5
    assert min_k(ten, 40) == -7.5
    assert min_k(ten, 29) == -8.5
    assert min_k(ten, 100) == pytest.approx(ten.mean())


def test_min_k_plus_on_a_vocabulary_of_two() -> None:
    # p = (¾, ¼): μ = ¾ log ¾ + ¼ log ¼, σ = √(¾·¼)·log 3; the likelier token lies (¼ log 3)/σ = 1/√3 above μ.
    mean = 0.75 * math.log(0.75) + 0.25 * math.log(0.25)
    spread = math.sqrt(0.75 * 0.25) * math.log(3)
    assert min_k_plus([math.log(0.75)], [mean], [spread]) == pytest.approx(1 / math.sqrt(3))
    assert min_k_plus([math.log(0.25)], [mean], [spread]) == pytest.approx(-math.sqrt(3))


def test_a_distribution_without_spread_gives_a_finite_score() -> None:
    uniform = math.log(1 / 8)
    assert min_k_plus([uniform], [uniform], [0.0]) == 0
    assert math.isfinite(min_k_plus([-40.0], [0.0], [0.0]))


@pytest.mark.parametrize(
    ("right", "fixed", "as_coded"),
    [
        ([True], 1.0, 1.0),
        ([False], 0.0, 1.0),
        ([False, False], 0.0, 0.5),
        ([True, True, False], 0.0, 1 / 3),
        ([False, True, True, True], 0.75, 0.75),
        ([True, False, True], 1 / 3, 1 / 3),
        ([True, True], 1.0, 1.0),
    ],
)
def test_extraction_strength_is_the_share_at_the_end_and_0_when_the_last_is_wrong(
    right: list[bool], fixed: float, as_coded: float
) -> None:
    assert extraction_strength(right) == pytest.approx(fixed)
    assert extraction_strength_as_coded(right) == pytest.approx(as_coded)


@given(flags)
def test_extraction_strength_is_the_definition_tried_from_every_prefix(right: list[bool]) -> None:
    length = len(right)
    shortest = next((k for k in range(length) if all(right[k:])), length)
    assert extraction_strength(right) == pytest.approx(1 - shortest / length)
    assert 0 <= extraction_strength(right) <= exact_memorisation(right) <= 1
    assert extraction_strength_as_coded(right) >= extraction_strength(right)


def test_all_right_and_all_wrong() -> None:
    certain = panel([0.0] * 3, [True] * 3, [0.0] * 3, [0.0] * 3, "x")
    assert (certain.probability, certain.exact_memorisation, certain.extraction_strength) == (1, 1, 1)
    assert (certain.loss, certain.zlib, certain.min_k_20) == (0, 0, 0)
    assert math.copysign(1, certain.loss) == 1, "a loss of minus zero would read as one"
    wrong = panel([-30.0] * 3, [False] * 3, [-1.0] * 3, [1.0] * 3, "x")
    assert wrong.probability == pytest.approx(math.exp(-30))
    assert (wrong.exact_memorisation, wrong.extraction_strength, wrong.min_k_plus_40) == (0, 0, -29)


@given(rows, st.randoms())
def test_what_does_not_mind_the_order_is_the_same_in_any_order(values: list[float], random: object) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    for measure in (probability, loss, min_k):
        assert measure(shuffled) == pytest.approx(measure(values))


@given(rows)
def test_bounds(values: list[float]) -> None:
    assert 0 <= probability(values) <= 1
    assert probability(values) == pytest.approx(math.exp(-loss(values)))
    assert min(values) - 1e-9 <= min_k(values, 20) <= min_k(values, 40) + 1e-9 <= 1e-9
    assert zlib_ratio(values, "a") <= loss(values)


@given(rows)
def test_a_single_token_is_every_share_of_itself(values: list[float]) -> None:
    only = values[:1]
    assert min_k(only, 1) == min_k(only, 100) == pytest.approx(-loss(only))


def test_what_cannot_be_measured_is_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match="token_log_probs are empty"):
        panel([], [], [], [], "x")
    with pytest.raises(ValueError, match="is_argmax"):
        extraction_strength([])
    with pytest.raises(ValueError, match="std_log_probs holds 1 tokens and token_log_probs 2"):
        panel([-1.0, -1.0], [True, True], [0.0, 0.0], [1.0], "x")
    with pytest.raises(ValueError, match="nan at place 1"):
        probability([-1.0, math.nan])
    with pytest.raises(ValueError, match="0 or less"):
        probability([0.5])
    with pytest.raises(ValueError, match="nothing to compress"):
        zlib_ratio([-1.0], "")
    with pytest.raises(ValueError, match="between 1 and 100"):
        min_k([-1.0], 0)
    with pytest.raises(ValueError, match="negative"):
        min_k_plus([-1.0], [-1.0], [-1.0])
