"""OFFSIDE's averages over its test sets: one figure for a model, as `eval_relearn.sh` prints under its tables.

A set counts as much as another, however many questions it has. Beside the paper's four columns it is the mean of three.
Low is good in two of the sets and high in the third: no way is better.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from backend.metrics.resampled import People, arithmetic, everybody_once
from backend.metrics.score import Answered, having, table_row

SETS = ("forget", "test", "retain")
AVERAGED = (
    ("classification", ("accuracy", "accuracy_as_coded")),
    ("generation", ("bleu", "rouge1", "rouge2", "rougeL", "overall", "factuality", "factuality_as_coded")),
)


def four_way_rows(answered: Sequence[Answered]) -> list[dict[str, Any]]:
    """`mean_of_sets_…` for each measure that the script averages; none where one of the sets was not measured.

    The plain mean of three averages, those of forget, test and retain set, of questions with the picture. The interval
    draws players, each with all their questions. Source: OFFSIDE (arXiv 2510.22535), `eval/eval_relearn.sh`. Differs:
    the script averages a fourth set, relearn, which is what a recovery attack trains on and is not asked here.
    """
    rows = []
    for task, metrics in AVERAGED:
        asked = [one for one in answered if one.item.task == task and one.item.modality == "image_text"]
        for metric in metrics:
            by_set = [having([one for one in asked if one.item.set == name], metric) for name in SETS]
            if all(values for _, values in by_set):
                rows.append(_row(metric, by_set))
    return rows


def _row(metric: str, by_set: Sequence[tuple[list[Answered], list[float]]]) -> dict[str, Any]:
    about = [one for known, _ in by_set for one in known]
    people = People(one.item.subject for one in about)
    figure = arithmetic([people.mean(values, [one.item.subject for one in known]) for known, values in by_set])
    value = float(figure(everybody_once(people))[0])
    return table_row("all", f"mean_of_sets_{metric}", value, about, bounds=people.interval(figure))
