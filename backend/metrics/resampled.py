"""Figures made of several averages, and their 95 % interval: for each draw of people the whole figure is made anew.

A figure is a function of how often each person was drawn, (draws, people), and gives (draws,). What has no value in a
draw, because nobody who counts in it was drawn, is nan there; such a figure has no interval.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from backend.metrics.arrays import Floats, Numbers
from backend.metrics.interval import DRAWS, over_groups

Figure = Callable[[Floats], Floats]


class People:
    """Who can be drawn: everybody a figure is about, once, whichever of its averages they count in."""

    def __init__(self, subjects: Iterable[str]) -> None:
        self.places = {subject: place for place, subject in enumerate(sorted(set(subjects)))}

    def interval(self, figure: Figure, *, draws: int = DRAWS, seed: int = 0) -> tuple[float | None, float | None]:
        """The 2.5th and 97.5th percentile of the figure over the draws; see `interval.over_groups`."""
        return over_groups(lambda times, _: figure(times), len(self.places), draws=draws, seed=seed)

    def of(self, subjects: Sequence[str]) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
        """Each subject's place, (n,)."""
        return np.array([self.places[subject] for subject in subjects], dtype=np.intp)

    def mean(self, values: Numbers, subjects: Sequence[str]) -> Figure:
        """The average of one value an answer, (n,)."""
        at, people = self.of(subjects), len(self.places)
        sums, counts = np.bincount(at, np.asarray(values, dtype=float), people), np.bincount(at, minlength=people)
        return lambda times: _ratio(times @ sums, times @ counts)

    def shifted_mean(
        self, shape: Callable[[Floats], Floats], shift: Figure, values: Numbers, subjects: Sequence[str]
    ) -> Figure:
        """The average of shape(shift − value) of one value an answer, where the shift is a figure of its own."""
        at, own = self.of(subjects), np.asarray(values, dtype=float)

        def figure(times: Floats) -> Floats:
            drawn = times[:, at]
            shaped = shape(shift(times)[:, None] - own[None, :])
            return _ratio((shaped * drawn).sum(axis=1), drawn.sum(axis=1))

        return figure


def harmonic(figures: Sequence[Figure]) -> Figure:
    """n / Σ 1/x of the figures in each draw, and 0 where any is 0; as `clear.harmonic_mean`."""

    def figure(times: Floats) -> Floats:
        values = np.stack([one(times) for one in figures])
        with np.errstate(divide="ignore"):
            return np.asarray(len(figures) / (1 / values).sum(axis=0))

    return figure


def arithmetic(figures: Sequence[Figure]) -> Figure:
    """The plain mean of the figures in each draw, whatever the number of answers behind each."""
    return lambda times: np.asarray(np.stack([one(times) for one in figures]).mean(axis=0))


def everybody_once(people: People) -> Floats:
    """The draw that is no draw: (1, people) ones. A figure of it is the figure itself."""
    return np.ones((1, len(people.places)))


def _ratio(above: Floats, below: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(above / below)
