"""leak@k against the binomials it stands for, in exact fractions."""

from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.metrics.leak import leak_at_k


@st.composite
def draws(draw: st.DrawFn) -> tuple[int, int, int]:
    n = draw(st.integers(1, 1000))
    return n, draw(st.integers(0, n)), draw(st.integers(1, n))


def test_two_answers_of_four_with_one_leak() -> None:
    # C(3, 2) / C(4, 2) = 3/6 of the pairs are clean.
    assert leak_at_k(4, 1, 2) == pytest.approx(0.5)
    assert leak_at_k(4, 1, 1) == pytest.approx(0.25)
    assert leak_at_k(4, 1, 4) == 1
    assert leak_at_k(4, 3, 2) == 1, "any two hold a leak when only one is clean"


@given(draws())
def test_it_is_one_minus_the_binomials_up_to_a_thousand_answers(drawn: tuple[int, int, int]) -> None:
    n, leaked, k = drawn
    exact = 1 - Fraction(comb(n - leaked, k), comb(n, k))
    assert leak_at_k(n, leaked, k) == pytest.approx(float(exact), rel=1e-9, abs=1e-300)


@given(draws())
def test_more_leaks_and_more_answers_never_leak_less(drawn: tuple[int, int, int]) -> None:
    n, leaked, k = drawn
    value = leak_at_k(n, leaked, k)
    assert 0 <= value <= 1
    assert leak_at_k(n, min(n, leaked + 1), k) >= value - 1e-12
    assert leak_at_k(n, leaked, min(n, k + 1)) >= value - 1e-12


def test_none_leaked_all_leaked_and_a_single_answer() -> None:
    assert leak_at_k(200, 0, 128) == 0
    assert leak_at_k(200, 200, 1) == 1
    assert (leak_at_k(1, 0, 1), leak_at_k(1, 1, 1)) == (0, 1)


def test_counts_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        leak_at_k(0, 0, 1)
    with pytest.raises(ValueError, match="3 of 2 answers"):
        leak_at_k(2, 3, 1)
    with pytest.raises(ValueError, match="leak@5 needs 5"):
        leak_at_k(4, 1, 5)
