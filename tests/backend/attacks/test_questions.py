"""Which questions a model is attacked with."""

from __future__ import annotations

from collections import Counter

import pytest

from backend.attacks.questions import questions, spread
from backend.benchmarks.demo import DemoBenchmark
from backend.metrics.rules import rules_of
from backend.spec import AttackSpec


@pytest.mark.parametrize("ratio", [5, 10, 15])
def test_those_to_be_forgotten_and_strangers_are_asked_about_the_same_attributes(
    world: DemoBenchmark, ratio: int
) -> None:
    spec = AttackSpec.model_validate({"model": "run:x", "request": {"ratio": ratio}, "items": 12})
    by_set = {
        item_set: Counter(
            (item.modality, item.attribute) for item in questions(world, rules_of("demo"), spec, item_set)
        )
        for item_set in ("forget", "holdout")
    }
    assert by_set["forget"] == by_set["holdout"]
    assert set(by_set["forget"].values()) == {2}, "12 of each modality over six attributes"


def test_people_are_asked_in_turn_and_nobody_twice_the_same(world: DemoBenchmark) -> None:
    spec = AttackSpec.model_validate({"model": "run:x", "request": {"ratio": 15}})
    items = questions(world, rules_of("demo"), spec, "forget")
    assert len({item.id for item in items}) == len(items) == 48
    people = Counter(item.subject for item in items if item.modality == "text")
    assert max(people.values()) - min(people.values()) <= 1 and len(people) == 6
    assert spread(items, 10**6) == list(items), "more than there are is all"
