"""Does the model still behave as if it had been taught the forget set? Kept answers set against people who never were,
and against a retain-only (gold) model. Nothing is generated here.

A score is a membership score of an item's true answer (`memorisation.Panel`), turned so that high means taught. A pair
is one forget item and one other item of the same task and modality, so that no difference between tasks is taken for
memory; classification, where nothing is written, is left out. An AUC is the share of pairs in which the forget item
scores higher, ties counting half. Three figures a metric, all about the forget set:

- `member_auc_…`: against held-out people, under this model. 1: always told from people it never saw; 0.5: not at all.
- `privleak_…`: that AUC set against the gold model's, in per cent. 0 is ideal, −100 nothing forgotten, over 0 too much.
- `gold_auc_…`: the same items under this model and under the gold model. 0.5: cannot be told from gold.

Where gold or held-out people are wanting there is one row that says so, and no number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.metrics.arrays import Floats
from backend.metrics.flags import NEEDS_GOLD, NEEDS_HELD_OUT
from backend.metrics.interval import over_groups
from backend.metrics.membership import member_scores, privleak
from backend.metrics.score import Answered, table_row

METRICS = ("loss", "zlib", "min_k_20", "min_k_40", "min_k_plus_20", "min_k_plus_40")
LEADING = "min_k_40"
"""The metric of MUSE's PrivLeak; its row stands for all where there is no number."""

GOLD_TELLS = "the retain-only model tells them apart by itself"


@dataclass(frozen=True)
class Found:
    """A figure, its 95 % interval over people where there is one, and the forget items that it is about."""

    value: float
    low: float | None
    high: float | None
    about: tuple[Answered, ...]


def against_gold(
    answered: Sequence[Answered], gold: Sequence[Answered] | None, *, is_gold: bool = False
) -> list[dict[str, Any]]:
    """Rows for `storage.results.write_scores`; none where no forget item was measured.

    `gold` are a retain-only model's answers to the same items, None where there is no such model. A model that is gold
    itself (`is_gold`) is not set against gold.
    """
    forget = [one for one in answered if one.item.set == "forget" and _measured(one)]
    if not forget:
        return []
    holdout = [one for one in answered if one.item.set == "holdout" and _measured(one)]
    wants_holdout = [] if holdout else [NEEDS_HELD_OUT]
    rows = _rows("member_auc", {name: member_auc(forget, holdout, name) for name in METRICS}, wants_holdout)
    if is_gold:
        return rows
    wants_gold = [NEEDS_GOLD] if gold is None else []
    theirs = gold or ()
    leaks = {name: privleak_of([*forget, *holdout], theirs, name) for name in METRICS}
    told = gold is not None and bool(holdout) and _gold_tells(forget, holdout, theirs)
    rows += _rows("privleak", leaks, [*wants_holdout, *wants_gold] or ([GOLD_TELLS] if told else [NEEDS_GOLD]))
    return rows + _rows("gold_auc", {name: gold_auc(forget, theirs, name) for name in METRICS}, [NEEDS_GOLD])


def member_auc(forget: Sequence[Answered], holdout: Sequence[Answered], metric: str) -> Found | None:
    """P(forget item scores higher than held-out item) + ½ P(equal) over pairs, in [0, 1]; None where there is no pair.

    Held-out people were never taught to any model. Source: MUSE (arXiv 2407.06460), whose AUC is 1 minus this one.
    Differs: pairs are of one task and modality. The interval draws forget and held-out people apart.
    """
    pairs = _paired(forget, holdout, metric)
    if pairs is None:
        return None
    low, high = over_groups(pairs.auc, *pairs.wins.shape)
    return Found(pairs.value, low, high, pairs.about)


def privleak_of(answered: Sequence[Answered], gold: Sequence[Answered], metric: str) -> Found | None:
    """`membership.privleak` of both models' `member_auc` over the items that both were asked, in per cent.

    None where there is no pair, or where the gold model's AUC is 1. Source: MUSE (arXiv 2407.06460, PrivLeak), there
    with Min-40 %. The interval draws the same people for both models, and is left out where a draw has no value.
    """
    ours, theirs = _asked_both(answered, gold, metric)
    both = [_paired(_of(side, "forget"), _of(side, "holdout"), metric) for side in (ours, theirs)]
    unlearned, reference = both
    if unlearned is None or reference is None or reference.value == 1:
        return None

    def drawn(times: Floats, times_others: Floats) -> Floats:
        values = zip(unlearned.auc(times, times_others), reference.auc(times, times_others), strict=True)
        return np.array([privleak(one, other) if other < 1 else math.nan for one, other in values])

    low, high = over_groups(drawn, *unlearned.wins.shape)
    return Found(privleak(unlearned.value, reference.value), low, high, unlearned.about)


def gold_auc(forget: Sequence[Answered], gold: Sequence[Answered], metric: str) -> Found | None:
    """P(item scores higher under this model than an item does under gold) + ½ P(equal) over pairs, in [0, 1].

    0.5: cannot be told from the retain-only model; above: still a member; below: forgotten so hard that it shows. None
    where gold was asked none of the items. Ours: both sides are the same forget items, so no difference between forget
    and held-out people can pass for memory, and no held-out people are needed. It follows MUSE's PrivLeak
    (arXiv 2407.06460) in setting a model against one retrained without the data, and attacks such as U-LiRA in
    using reference models; differs from those in having one reference model, and from the reference attack in comparing
    whole sets and not each item with itself. The interval draws people once for both sides.
    """
    ours, theirs = _asked_both(_of(forget, "forget"), gold, metric)
    pairs = _paired(ours, theirs, metric)
    if pairs is None:
        return None
    low, high = over_groups(pairs.auc, pairs.wins.shape[0])
    return Found(pairs.value, low, high, pairs.about)


@dataclass(frozen=True)
class _Pairs:
    """Pairs counted by person: `wins` (people, others) of the forget side, `pairs` (people, others) in all."""

    wins: Floats
    pairs: Floats
    about: tuple[Answered, ...]

    @property
    def value(self) -> float:
        return float(self.wins.sum() / self.pairs.sum())

    def auc(self, times: Floats, times_others: Floats) -> Floats:
        """The AUC of each draw, (draws,), NaN where a draw has no pair; how often each person was drawn,
        (draws, people) and (draws, others)."""
        wins, pairs = (((times @ counts) * times_others).sum(axis=1) for counts in (self.wins, self.pairs))
        with np.errstate(invalid="ignore"):
            return np.asarray(wins / pairs)


def _paired(forget: Sequence[Answered], others: Sequence[Answered], metric: str) -> _Pairs | None:
    """The items of both sides cell by cell; None where no cell has items on both."""
    ours, theirs = _by_cell(forget, metric), _by_cell(others, metric)
    cells = [cell for cell in ours if cell in theirs]
    if not cells:
        return None
    rows = _places([one for cell in cells for one in ours[cell]])
    columns = _places([one for cell in cells for one in theirs[cell]])
    wins, pairs = np.zeros((len(rows), len(columns))), np.zeros((len(rows), len(columns)))
    for cell in cells:
        (at, scores), (whose, others_scores) = (
            _ordered(ours[cell], rows, metric),
            _ordered(theirs[cell], columns, metric),
        )
        asked = np.bincount(at, minlength=len(rows))
        starts = np.flatnonzero(np.diff(whose, prepend=-1))
        for column, own in zip(whose[starts], np.split(others_scores, starts[1:]), strict=True):
            beaten = (np.searchsorted(own, scores, "left") + np.searchsorted(own, scores, "right")) / 2
            wins[:, column] += np.bincount(at, beaten, minlength=len(rows))
            pairs[:, column] += asked * own.size
    return _Pairs(wins, pairs, tuple(one for cell in cells for one in ours[cell]))


def _by_cell(answered: Sequence[Answered], metric: str) -> dict[tuple[str, str], list[Answered]]:
    cells: dict[tuple[str, str], list[Answered]] = {}
    for one in answered:
        if _value(one, metric) is not None and one.item.task != "classification":
            cells.setdefault((one.item.task, one.item.modality), []).append(one)
    return cells


def _ordered(answered: Sequence[Answered], places: dict[str, int], metric: str) -> tuple[NDArray[np.intp], Floats]:
    """Each item's person and score, (n,) both, by person and within one by score: grouped once, however many people."""
    whose = np.array([places[one.item.subject] for one in answered], dtype=np.intp)
    scores = member_scores(metric, [_value(one, metric) or 0.0 for one in answered])
    order = np.lexsort((scores, whose))
    return whose[order], scores[order]


def _places(answered: Sequence[Answered]) -> dict[str, int]:
    return {subject: place for place, subject in enumerate(sorted({one.item.subject for one in answered}))}


def _value(one: Answered, metric: str) -> float | None:
    value = one.measures.get(metric)
    return value if value is not None and math.isfinite(value) else None


def _measured(one: Answered) -> bool:
    return one.item.task != "classification" and any(_value(one, name) is not None for name in METRICS)


def _of(answered: Sequence[Answered], item_set: str) -> list[Answered]:
    return [one for one in answered if one.item.set == item_set]


def _asked_both(
    answered: Sequence[Answered], gold: Sequence[Answered], metric: str
) -> tuple[list[Answered], list[Answered]]:
    """Both models' answers to the items for which both have a value, in the same order."""
    theirs = {one.item.id: one for one in gold if _value(one, metric) is not None}
    shared = [one for one in answered if one.item.id in theirs and _value(one, metric) is not None]
    return shared, [theirs[one.item.id] for one in shared]


def _gold_tells(forget: Sequence[Answered], holdout: Sequence[Answered], gold: Sequence[Answered]) -> bool:
    """Whether the gold model was asked about both, so that only its AUC of 1 can stand in the way of PrivLeak."""
    shared, _ = _asked_both([*forget, *holdout], gold, LEADING)
    return _paired(_of(shared, "forget"), _of(shared, "holdout"), LEADING) is not None


def _rows(figure: str, found: dict[str, Found | None], wanting: Sequence[str]) -> list[dict[str, Any]]:
    """A row for each metric that has a number; where none has, one row with why."""
    known = {name: one for name, one in found.items() if one is not None}
    if not known:
        return [table_row("forget", f"{figure}_{LEADING}", None, (), flags=wanting)]
    return [
        table_row("forget", f"{figure}_{name}", one.value, one.about, bounds=(one.low, one.high))
        for name, one in known.items()
    ]
