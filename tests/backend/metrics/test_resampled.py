"""Figures of several averages under draws of people, against the same figure computed draw by draw."""

from __future__ import annotations

import numpy as np
import pytest

from backend.metrics.clear import harmonic_mean
from backend.metrics.interval import over_people
from backend.metrics.resampled import People, arithmetic, everybody_once, harmonic

VALUES, SUBJECTS = [1.0, 0.0, 0.5, 0.25], ["a", "a", "b", "c"]
OTHERS, WHOSE = [0.2, 0.4], ["b", "c"]
TIMES = np.array([[1.0, 1.0, 1.0], [2.0, 1.0, 0.0], [0.0, 0.0, 3.0]])


def drawn(values: list[float], subjects: list[str], times: list[float]) -> list[float]:
    """Each value as often as its person was drawn."""
    often = dict(zip("abc", times, strict=True))
    return [value for value, who in zip(values, subjects, strict=True) for _ in range(int(often[who]))]


def test_a_mean_counts_each_answer_as_often_as_its_person_was_drawn() -> None:
    figure = People(SUBJECTS).mean(VALUES, SUBJECTS)
    assert figure(TIMES) == pytest.approx([np.mean(drawn(VALUES, SUBJECTS, list(row))) for row in TIMES])
    assert figure(TIMES)[1] == pytest.approx((1 + 1 + 0.5) / 5)


def test_means_are_put_together_anew_in_each_draw() -> None:
    people = People([*SUBJECTS, *WHOSE])
    parts = [people.mean(VALUES, SUBJECTS), people.mean(OTHERS, WHOSE)]
    for row in TIMES[:2]:
        pair = [float(np.mean(drawn(VALUES, SUBJECTS, list(row)))), float(np.mean(drawn(OTHERS, WHOSE, list(row))))]
        assert harmonic(parts)(row[None])[0] == pytest.approx(harmonic_mean(pair))
        assert arithmetic(parts)(row[None])[0] == pytest.approx(sum(pair) / 2)


def test_a_part_of_nought_makes_the_harmonic_mean_nought() -> None:
    people = People("ab")
    figure = harmonic([people.mean([0.0, 0.0], "ab"), people.mean([1.0, 1.0], "ab")])
    assert figure(everybody_once(people)) == pytest.approx([0.0])


def test_a_shift_of_the_draw_goes_into_every_answer_of_the_draw() -> None:
    people = People(SUBJECTS)
    figure = people.shifted_mean(np.exp, people.mean([3.0, 1.0], ["a", "b"]), VALUES, SUBJECTS)
    shift = (2 * 3.0 + 1.0) / 3  # a twice, b once
    assert figure(TIMES)[1] == pytest.approx(np.mean(np.exp(shift - np.array([1.0, 1.0, 0.0, 0.0, 0.5]))))


def test_the_interval_of_one_mean_is_that_of_over_people_but_for_the_draws() -> None:
    values = list(np.random.default_rng(3).random(60))
    subjects = [f"p{number // 2}" for number in range(60)]
    people = People(subjects)
    low, high = people.interval(people.mean(values, subjects))
    _, other_low, other_high = over_people(values, subjects)
    assert (low, high) == (pytest.approx(other_low, abs=0.02), pytest.approx(other_high, abs=0.02))


def test_there_is_no_interval_of_one_person_or_where_a_draw_has_no_value() -> None:
    assert People("a").interval(People("a").mean([1.0], "a")) == (None, None)
    people = People("ab")
    assert people.interval(people.mean([1.0], "a")) == (None, None), "a draw of b twice has nothing to average"
