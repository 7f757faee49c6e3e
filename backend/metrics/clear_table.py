"""CLEAR's table, model utility and forget quality out of kept answers, with intervals over people.

Its six tasks are found by set and task. Beside each column stands its twin by the published script, `…_as_coded`, and
beside each task's truth ratio the script's. Where a task was not asked, or a retain-only model is wanting, there is no
number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backend.metrics import clear, forget_quality
from backend.metrics.arrays import Floats
from backend.metrics.flags import NEEDS_GOLD
from backend.metrics.resampled import Figure, People, harmonic
from backend.metrics.score import Answered, having, table_row

TASKS: dict[str, tuple[str, str | None]] = {
    "real_faces": ("celebrity", None),
    "real_world": ("general", None),
    "retain": ("retain", "caption"),
    "retain_name": ("retain", "name"),
    "forget": ("forget", "caption"),
    "forget_name": ("forget", "name"),
}
"""CLEAR's six tasks: the set and, where it has several, the task of the items that belong to each."""

COLUMN_SETS = {"real": "celebrity", "retain": "retain", "forget": "forget"}
QUALITY_DRAWS = 200
"""Draws behind the interval of a forget quality: a Kolmogorov-Smirnov test is made anew in each."""


@dataclass(frozen=True)
class Task:
    """The answers to one of the six tasks. `scores` are its averages; `coded` those with the truth ratio as coded,
    None where the losses behind it were not kept."""

    name: str
    members: tuple[Answered, ...]
    scores: clear.TaskScores
    coded: clear.TaskScores | None

    def figures(self, people: People) -> list[Figure]:
        """Probability and truth ratio under draws of people."""
        shape = _SHAPES[self.name.startswith("forget")]
        known, ratios = having(self.members, "truth_ratio")
        return [self._mean(people, _probability(self.name)), people.mean(shape(np.log(ratios)), _subjects(known))]

    def figures_as_coded(self, people: People) -> list[Figure]:
        """The same with the truth ratio as coded: each draw has a mean of the perturbed losses of its own."""
        shape = _SHAPES[self.name.startswith("forget")]
        shift, truths, subjects = _global(self.members, people)
        return [self._mean(people, _probability(self.name)), people.shifted_mean(shape, shift, truths, subjects)]

    def rouge(self, people: People) -> Figure:
        return self._mean(people, "rougeL_recall")

    def _mean(self, people: People, metric: str) -> Figure:
        known, values = having(self.members, metric)
        return people.mean(values, _subjects(known))


def table_rows(answered: Sequence[Answered]) -> list[dict[str, Any]]:
    """The columns `real`, `retain` and `forget`, their twins as coded, and model utility, each with its interval."""
    tasks = {name: task for name in TASKS if (task := _task(name, answered)) is not None}
    coded = {name: task.coded for name, task in tasks.items() if task.coded is not None}
    rows = []
    for suffix, scores in (("", {name: task.scores for name, task in tasks.items()}), ("_as_coded", coded)):
        for column, value in clear.table(scores).items():
            if value is not None:
                rows.append(_column(column, suffix, value, [tasks[name] for name in clear.GROUPS[column]]))
    return [*rows, *_truth_ratios_as_coded(tasks.values()), *_utility(tasks)]


def quality_rows(answered: Sequence[Answered], gold: Sequence[Answered] | None) -> list[dict[str, Any]]:
    """KS p-value and 1 − JS of the truth ratios of the forget set, this model's against the retain-only one's.

    Intervals are of `QUALITY_DRAWS` draws, of the same people for both models. A draw holds people twice and others not
    at all, so its samples lie further apart than the answers do, and the interval of the p-value lies low.
    """
    forget, ratios = having([one for one in answered if one.item.set == "forget"], "truth_ratio")
    if not forget:
        return []
    same = {one.item.id: value for one, value in zip(*having(gold or (), "truth_ratio"), strict=True)}
    pairs = [(one, ratio, same[one.item.id]) for one, ratio in zip(forget, ratios, strict=True) if one.item.id in same]
    if not pairs:
        return [table_row("forget", name, None, [], flags=[NEEDS_GOLD]) for name in _QUALITIES]
    about = [one for one, _, _ in pairs]
    ours, theirs = (np.array([pair[side] for pair in pairs]) for side in (1, 2))
    people = People(_subjects(about))
    at = people.of(_subjects(about))

    def under_draws(quality: _Quality) -> Figure:
        return lambda times: np.array([_drawn(quality, ours, theirs, drawn[at]) for drawn in times])

    return [
        table_row(
            "forget",
            name,
            quality(ours, theirs),
            about,
            bounds=people.interval(under_draws(quality), draws=QUALITY_DRAWS),
        )
        for name, quality in _QUALITIES.items()
    ]


_Quality = Callable[[Floats, Floats], float]
_QUALITIES: dict[str, _Quality] = {
    "forget_quality_ks": forget_quality.ks_p_value,
    "forget_quality_1_minus_js": forget_quality.one_minus_js,
    "forget_quality_1_minus_js_as_coded": forget_quality.one_minus_js_as_coded,
}


def _drawn(quality: _Quality, ours: Floats, theirs: Floats, times: Floats) -> float:
    """The quality of answers of which each stands there as often as its person was drawn."""
    which = np.repeat(np.arange(ours.size), times.astype(int))
    return quality(ours[which], theirs[which]) if which.size else math.nan


# -- the table --------------------------------------------------------------------------------------------------------


def _task(name: str, answered: Sequence[Answered]) -> Task | None:
    item_set, task = TASKS[name]
    members = tuple(one for one in answered if one.item.set == item_set and task in (None, one.item.task))
    _, probabilities = having(members, _probability(name))
    _, ratios = having(members, "truth_ratio")
    if not probabilities or not ratios:
        return None
    fits = clear.truth_ratio_forget if name.startswith("forget") else clear.truth_ratio_utility
    _, rouge = having(members, "rougeL_recall")
    scores = clear.TaskScores(_mean(probabilities), fits(ratios), _mean(rouge) if rouge else None)
    coded = _as_coded(members)
    return Task(name, members, scores, replace(scores, truth_ratio=fits(coded)) if coded is not None else None)


def _as_coded(members: Sequence[Answered]) -> Floats | None:
    """The truth ratios as coded; None where the losses behind them were not kept."""
    _, losses = _losses(members)
    return clear.truth_ratios_as_coded([row[0] for row in losses], [row[1:] for row in losses]) if losses else None


def _losses(members: Sequence[Answered]) -> tuple[list[Answered], list[list[float]]]:
    """The answers of which losses were kept, and those: the paraphrased truth's, then the wrong answers'."""
    known = [one for one in members if len(one.detail.get("perturbed_losses") or ()) > 1]
    return known, [one.detail["perturbed_losses"] for one in known]


def _global(members: Sequence[Answered], people: People) -> tuple[Figure, list[float], list[str]]:
    """The mean of all perturbed losses under draws, and each answer's own loss with its person."""
    known, losses = _losses(members)
    wrong = [(loss, one.item.subject) for one, row in zip(known, losses, strict=True) for loss in row[1:]]
    shift = people.mean([loss for loss, _ in wrong], [subject for _, subject in wrong])
    return shift, [row[0] for row in losses], _subjects(known)


def _column(column: str, suffix: str, value: float, tasks: Sequence[Task]) -> dict[str, Any]:
    about = [one for task in tasks for one in task.members]
    people = People(_subjects(about))
    figures = [one for task in tasks for one in (task.figures_as_coded if suffix else task.figures)(people)]
    bounds = people.interval(harmonic(figures))
    return table_row(COLUMN_SETS[column], f"{column}{suffix}", value, about, bounds=bounds)


def _utility(tasks: Mapping[str, Task]) -> list[dict[str, Any]]:
    """Model utility, flagged where the retain column is under the collapse line; nothing where a task has no score."""
    kept = [tasks[name] for name in (*clear.GROUPS["real"], *clear.GROUPS["retain"]) if name in tasks]
    if len(kept) < 4 or any(task.scores.rouge is None for task in kept):
        return []
    scores = {task.name: task.scores for task in kept}
    about = [one for task in kept for one in task.members]
    people = People(_subjects(about))
    figures = [one for task in kept for one in (*task.figures(people), task.rouge(people))]
    flags = ["collapsed"] if clear.below_collapse_line(clear.table(scores)["retain"] or 0.0) else []
    bounds = people.interval(harmonic(figures))
    return [table_row("retain", "model_utility", clear.model_utility(scores), about, bounds=bounds, flags=flags)]


def _truth_ratios_as_coded(tasks: Iterable[Task]) -> list[dict[str, Any]]:
    """The mean R of each task as coded, in the cell in which the right one stands."""
    rows = []
    for task in tasks:
        known, _ = _losses(task.members)
        ratios = _as_coded(task.members)
        if ratios is None or len({(one.item.task, one.item.modality) for one in known}) != 1:
            continue
        people = People(_subjects(known))
        shift, truths, subjects = _global(known, people)
        low, high = people.interval(people.shifted_mean(_exp, shift, truths, subjects))
        row = table_row(known[0].item.set, "truth_ratio_as_coded", float(ratios.mean()), known, bounds=(low, high))
        rows.append(row | {"task": known[0].item.task, "modality": known[0].item.modality})
    return rows


def _exp(exponents: Floats) -> Floats:
    return np.exp(np.clip(exponents, -clear.LARGEST_EXPONENT, clear.LARGEST_EXPONENT))


_SHAPES: tuple[Callable[[Floats], Floats], Callable[[Floats], Floats]] = (
    lambda logs: np.maximum(0.0, 1 - _exp(-logs)),
    lambda logs: _exp(-np.abs(logs)),
)
"""What log R is worth: of what should stay max(0, 1 − 1/R), of the forget set min(R, 1/R)."""


def _probability(name: str) -> str:
    return "probability" if name in ("retain", "forget") else "option_probability"


def _subjects(answers: Iterable[Answered]) -> list[str]:
    return [one.item.subject for one in answers]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
