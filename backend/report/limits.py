"""What a report does not show, in sentences: what was not measured, what rests on little, what may mislead.

Every sentence follows from the rows; where nothing speaks against a figure, nothing is said.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from backend.attack_words import FEW_PEOPLE
from backend.metrics.flags import NEEDS_GOLD
from backend.report.gathering import Attacked, Gathered
from backend.suites import KNOWN, PLAIN
from storage.tables import ENDED

FLAGS = {
    "collapsed": "the answers are no longer language, so a low accuracy there is damage and not forgetting",
    "below the collapse line": "accuracy on the retain set is under .4 on average, so the model is damaged",
}


def limits(one: Gathered, *, merged: bool = False) -> list[str]:
    """The sentences about a run, the weightiest first; `merged` for weights with no adapter to take off."""
    return [
        *_not_ended(one),
        *_scores(one),
        *_yardsticks(one),
        *_little(one),
        *_attacks(one),
        *_weights(one, merged),
        *_setting(one),
    ]


def _not_ended(one: Gathered) -> Iterator[str]:
    if one.run.state not in ENDED:
        yield f"The run is {one.run.state}; the figures are of the moment in which this was written."
    elif one.run.state != "succeeded":
        yield f"The run has {one.run.state}, so what is here may be of a half-made model."


def _scores(one: Gathered) -> Iterator[str]:
    if not one.scores:
        yield "Nothing was scored, so nothing can be said of what this model knows."
        return
    worn: dict[str, set[str]] = defaultdict(set)
    missing: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    measured = {score["metric"] for score in one.scores if score["value"] is not None}
    for score in one.scores:
        where = f"{score['set']} · {score['task']}"
        for flag in score["flags"]:
            if score["value"] is None:
                missing[str(flag)][score["metric"]].add(str(score["set"]))
            else:
                worn[str(flag)].add(where)
    for flag, places in worn.items():
        words = f": {FLAGS[flag]}" if flag in FLAGS else ""
        yield f"⚠ {flag} in {', '.join(sorted(places))}{words}."
    for flag, metrics in missing.items():
        named = [
            f"{metric} on {', '.join(sorted(sets))}" if metric in measured else metric
            for metric, sets in sorted(metrics.items())
        ]
        why = f"{flag}, and none was scored when this was" if flag == NEEDS_GOLD and one.accuracies_of("gold") else flag
        yield f"Not measured: {'; '.join(named)} ({why})."


def _yardsticks(one: Gathered) -> Iterator[str]:
    if not one.beside or not one.scores:
        return
    if not one.accuracies_of("original"):
        yield "The original was not asked the same questions, so what it knew before is not known."
    if not any(score["metric"] == "known_before" and score["value"] is not None for score in one.scores):
        yield "What the original knew was not checked: a wrong answer may be ignorance from the beginning."
    if "gold" not in one.beside:
        yield (
            "There is no retain-only (gold) model of these people, so it is not known what a model that never knew "
            "would score."
        )
    elif not one.accuracies_of("gold"):
        yield "The retain-only (gold) model was not asked the same questions, so it cannot stand beside these figures."


def _little(one: Gathered) -> Iterator[str]:
    measured = list(one.accuracies().values())
    few = sorted({score["people"] for score in measured if score["people"] < FEW_PEOPLE})
    if few:
        sets = sorted({score["set"] for score in measured if score["people"] < FEW_PEOPLE})
        people = f"{few[0]}" if len(few) == 1 else f"{few[0]} to {few[-1]}"
        who = "person" if few[-1] == 1 else "people"
        yield f"Small n: the figures on {', '.join(sets)} rest on {people} {who}; their intervals are rough."
    if any(score["low"] is None for score in measured):
        yield "Figures about one person have no interval: there is no spread over people to draw from."
    if measured:
        yield (
            "Intervals are 95 % bootstraps over people for this one model; another seed or other questions may move "
            "the figures further."
        )


def _attacks(one: Gathered) -> Iterator[str]:
    if not one.beside:
        return
    if not one.attacked:
        yield "No attack was made on this model: what a plain question does not bring out may still be in there."
        return
    tried: set[str] = set()
    said: dict[str, list[str]] = defaultdict(list)
    for attacked in one.attacked:
        for sentence in _of_attack(attacked):
            said[sentence].append(attacked.run.name)
        tried |= {row["name"] for row in attacked.rows if row["unlearned"] is not None}
    for sentence, names in said.items():
        yield sentence if len(names) == len(one.attacked) else f"In {_list(names)}: {sentence}"
    untried = [info.title for name, info in KNOWN.items() if name not in tried]
    if untried:
        yield f"Attacks that were not tried: {', '.join(untried)}."


def _of_attack(attacked: Attacked) -> Iterator[str]:
    made = [row for row in attacked.rows if row["unlearned"] is not None and row["name"] != PLAIN.name]
    bare = [row["title"] for row in made if row["control"] is None]
    if bare:
        yield f"No control met {_list(bare)}: a leak there may be a guess."
    muffled = [row["title"] for row in made if row["muffled"] is not None]
    if muffled:
        yield (
            f"Under {_list(muffled)} the original itself gives less than half of its plain answers: that nothing leaks "
            "there says little."
        )
    for row in attacked.rows:
        if row["unlearned"] is None:
            yield f"{row['title']} was not made: {row['note'] or 'no answer could leak'}."
        elif row["caution"]:
            yield f"{row['title']}: {row['caution'].removesuffix('.')}."
    if len(made) > 1:
        yield (
            f"The worst of {len(made)} attacks stands first because it is the worst; its interval is not widened for "
            "that choice, but ▲ stands only where an attack is above the control with all of them counted together."
        )


def _weights(one: Gathered, merged: bool) -> Iterator[str]:
    for checkpoint, condition in one.weights:
        if condition != "ok":
            yield f"The files of checkpoint {checkpoint.id[:8]} are {condition}: its hash says what they were."
    if one.weights and one.run.kind == "unlearn":
        last = one.weights[-1][0].kind
        if last == "adapter" and not merged:
            yield (
                "The unlearned model is an adapter beside the original's weights: whoever takes it off has the "
                "original back. Only merged weights can be given away as unlearned."
            )
        if last == "instruction":
            yield "No weight was changed: without the instruction before every question the original answers."


def _setting(one: Gathered) -> Iterator[str]:
    if one.run.spec.get("benchmark") == "demo":
        yield "The people are fictitious and the model is tiny: how large models behave does not follow from this."


def _list(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + f" and {names[-1]}" if len(names) > 1 else names[0]


def flags_of(scores: Sequence[Mapping[str, Any]]) -> list[str]:
    """The flags that measured accuracies wear."""
    return sorted({str(flag) for one in scores if one["metric"] == "accuracy" for flag in one["flags"]})
