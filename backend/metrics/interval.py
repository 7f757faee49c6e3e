"""How sure an average is: a bootstrap over people, because questions about one person are not independent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from backend.metrics.arrays import Floats

DRAWS = 1000


def over_people(
    values: Sequence[float], subjects: Sequence[str], *, seed: int = 0
) -> tuple[float, float | None, float | None]:
    """Mean, and the 2.5th and 97.5th percentile of the mean when people are drawn with replacement.

    One person gives no spread to draw from, so there are no bounds then (None). Raises `ValueError` on empty input.
    """
    if not values:
        raise ValueError("there is nothing to average")
    sums: dict[str, float] = defaultdict(float)
    counts: dict[str, int] = defaultdict(int)
    for value, subject in zip(values, subjects, strict=True):
        sums[subject] += value
        counts[subject] += 1
    people = sorted(sums)
    totals = np.array([sums[person] for person in people])
    sizes = np.array([counts[person] for person in people])
    mean = float(totals.sum() / sizes.sum())
    if len(people) == 1:
        return mean, None, None
    drawn = np.random.default_rng(seed).integers(0, len(people), size=(DRAWS, len(people)))
    means = totals[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return mean, float(low), float(high)


def over_groups(
    statistic: Callable[[Floats, Floats], Floats],
    people: int,
    others: int | None = None,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> tuple[float | None, float | None]:
    """The 2.5th and 97.5th percentile of a statistic of two groups of people, each drawn with replacement.

    `statistic` is given how often each person was drawn, (draws, people) and (draws, others), and gives (draws,).
    `others` None: both groups are the same people, drawn once. No bounds (None) where a group is one person, which has
    no spread to draw from, or where some draw has no value.
    """
    if people < 2 or (others is not None and others < 2):
        return None, None
    rng = np.random.default_rng(seed)
    times = _times(rng, people, draws)
    drawn = statistic(times, times if others is None else _times(rng, others, draws))
    if not np.isfinite(drawn).all():
        return None, None
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def _times(rng: np.random.Generator, people: int, draws: int) -> Floats:
    return rng.multinomial(people, np.full(people, 1 / people), size=draws).astype(float)
