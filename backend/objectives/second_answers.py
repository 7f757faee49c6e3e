"""A second answer to each question of the forget set: a refusal, a plausible wrong one, or other people's answers.

Drawn once, from the seed and the item's id, so that a resumed run teaches the same.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from backend.benchmarks.item import Benchmark, Item
from backend.objectives.refusals import REFUSALS
from backend.objectives.seen import ObjectiveRefused, SecondAnswer


def second_answers(
    kind: SecondAnswer, forget: Sequence[Item], retain: Sequence[Item], benchmark: Benchmark, *, count: int, seed: int
) -> list[Item]:
    """The forget items with another answer, `count` of each where the kind is `mismatch` and one otherwise, one item
    after the other. Raises `ObjectiveRefused` for an item that has no such answer.
    """
    others = retain or forget
    found: list[Item] = []
    for item in forget:
        rng = random.Random(f"{seed} {item.id} {kind}")
        if kind == "refusal":
            answers = [rng.choice(REFUSALS)]
        elif kind == "alternate":
            answers = [_alternate(item, forget, retain, benchmark, rng)]
        else:
            answers = _mismatched(item, others, count, rng)
        found += [replace(item, answer=answer) for answer in answers]
    return found


def _alternate(
    item: Item, forget: Sequence[Item], retain: Sequence[Item], benchmark: Benchmark, rng: random.Random
) -> str:
    """The item's own perturbed answers; else its answer with a wrong value; else what somebody else's item answers."""
    if item.perturbed:
        return rng.choice(item.perturbed)
    wrong = benchmark.wrong_value(item)
    if wrong is not None:
        return item.answer.replace(item.key, wrong) if item.key and item.key in item.answer else wrong
    alike = [
        other.answer
        for other in (*retain, *forget)
        if other.attribute == item.attribute and other.task == item.task and other.key != item.key
    ]
    if not alike:
        raise ObjectiveRefused(f"no other answer is known to {item.id}, which AltPO needs; choose IDK or DPO instead")
    return rng.choice(alike)


def _mismatched(item: Item, others: Sequence[Item], count: int, rng: random.Random) -> list[str]:
    answers = sorted({other.answer for other in others if other.subject != item.subject and other.key != item.key})
    if not answers:
        raise ObjectiveRefused("LLMU teaches other people's answers, and there is nobody else in this run")
    return rng.sample(answers, count) if len(answers) >= count else rng.choices(answers, k=count)
