"""Relearning: what is taught is not what is asked, 4 steps are 2 and 2 more, and the model is left as it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from backend.attack_prompts import AttackNeeds
from backend.attacks import CARRIED_OUT, Room, Target
from backend.attacks import relearning as room_of
from backend.attacks.relearning import (
    OFFSIDE,
    RELEARNING,
    batch_at,
    facts,
    forgotten,
    kept_people,
    relearn,
    taught_model,
    truth,
    unrelated,
)
from backend.benchmarks.item import Item
from backend.models.answers import read_answers
from backend.spec import ForgetRequest


def test_what_is_taught_again_are_different_facts_spread_over_people(room: Room) -> None:
    wide = replace(room, request=ForgetRequest(ratio=10))
    taught = forgotten(4)(wide)
    assert len({(item.subject, item.attribute) for item in taught}) == 4
    assert len({item.subject for item in taught}) == 4, "one of each person before a second of any"
    assert forgotten(4)(wide) == taught and forgotten(4)(replace(wide, seed=1)) != taught
    assert [item.id for item in forgotten(16)(wide)][:4] == [item.id for item in taught]
    assert (
        len(forgotten(4)(replace(room, request=ForgetRequest(ratio=None, people=("p01",), attributes=("pet",))))) == 1
    )


def test_only_facts_that_nobody_taught_are_asked(target: Target, room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Item] = []

    def noting(target: Target, room: Room, questions: Any, model: Any = None) -> Any:
        asked.extend(one.item for one in questions)
        yield from ()

    monkeypatch.setattr(room_of, "ask", noting)
    list(relearn("test", forgotten(2))(target, room, 0))
    taught = {(item.subject, item.attribute) for item in forgotten(2)(room)}
    assert len(taught) == 2
    # four facts, each asked with the picture and as text: two of them are left
    assert len(asked) == 4 and not taught & {(item.subject, item.attribute) for item in asked}
    with pytest.raises(AttackNeeds, match="among those that were taught"):
        list(relearn("test", forgotten(16))(target, room, 0))


def test_a_fact_is_known_by_its_person_and_its_words(target: Target) -> None:
    item = target.items[0]
    again = replace(item, attribute="another", question="Other words?")
    assert facts(item) & facts(again), "the same words about the same person"
    assert not facts(item) & facts(replace(item, subject="p99"))


def test_the_truth_in_place_of_a_rumour_leaves_the_rumour_to_be_asked(room: Room) -> None:
    wide = replace(room, request=ForgetRequest(ratio=10))
    rumours = [item for item in wide.benchmark.forget_items(wide.request) if item.attribute == "rumour"]
    taught = {fact for item in truth(wide) for fact in facts(item) if fact[1] == "words"}
    assert rumours and not any(taught & facts(item) for item in rumours)


def test_related_and_unrelated_data_are_about_other_things(room: Room) -> None:
    people = kept_people(room)
    whole = kept_people(replace(room, request=ForgetRequest(ratio=None, people=("p01", "p02"))))
    assert whole and not {"p01", "p02"} & {item.subject for item in whole}
    # of people with two facts forgotten, the others are related data
    assert {"p01", "p02"} <= {item.subject for item in people}
    forgotten_facts = {(one, fact) for one in ("p01", "p02") for fact in ("city", "dish")}
    assert not forgotten_facts & {(item.subject, item.attribute) for item in people}
    assert {item.task for item in people} == {"generation"}
    assert {item.set for item in unrelated(room)} == {"general"}
    assert {item.attribute for item in unrelated(room)} == {"glasses", "shirt", "hat"}


def test_batches_are_whole_shuffled_passes(target: Target) -> None:
    items = list(target.items[:5])
    drawn = [item.id for step in range(5) for item in batch_at(items, step, 0)]
    assert len(drawn) == 20
    for turn in range(4):
        assert sorted(drawn[turn * 5 : turn * 5 + 5]) == sorted(item.id for item in items)
    assert batch_at(items, 3, 0) == batch_at(items, 3, 0) != batch_at(items, 3, 1)
    assert len(batch_at(items[:2], 7, 0)) == 2


def test_steps_go_on_from_what_was_trained_and_are_those_of_training_anew(
    target: Target, room: Room, untouched: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    taught = list(target.items[:3])
    steps: list[int] = []
    stepping = room_of._step

    def counting(*given: Any) -> float:
        steps.append(1)
        return stepping(*given)

    monkeypatch.setattr(room_of, "_step", counting)
    plainly = likelihood(target, taught[0])

    def after(count: int) -> float:
        with taught_model("test", target, room, taught, count, OFFSIDE):
            return likelihood(target, taught[0])

    two, four = after(2), after(4)
    assert len(steps) == 4, "the second went on from the first"
    assert plainly < two < four
    room_of._standing.clear()
    assert after(4) == four and len(steps) == 8
    assert after(2) == two, "fewer steps than are kept begin anew"
    untouched()
    assert likelihood(target, taught[0]) == plainly


def test_a_model_that_is_taught_a_fact_tells_another_that_has_the_same_answer(
    target: Target, room: Room, untouched: Callable[[], None]
) -> None:
    """An untrained model is taught one sentence until it says it to everything; the fact in it then leaks wherever it
    is true, and only there."""
    sentence = "He was born in Lima."
    lesson = replace(target.items[0], subject="p40", attribute="other", key="", answer=sentence, image=None)
    true = replace(target.items[0], key="Lima", answer=sentence)
    false = replace(target.items[1], key="Oslo")
    attack = relearn("test", lambda _: [lesson])
    leaks = {one.item.key: one.leak for one in attack(replace(target, items=(true, false)), room, 25)}
    assert leaks == {"Lima": 1.0, "Oslo": 0.0}
    untouched()


def test_every_kind_can_be_made_and_leaves_nothing_behind(
    target: Target, room: Room, untouched: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room_of, "ask", lambda *_: iter(()))
    for name in ("relearn_retain", "relearn_unrelated"):
        assert list(CARRIED_OUT[name](target, room, 1)) == []
    assert set(RELEARNING) <= set(CARRIED_OUT)
    with pytest.raises(AttackNeeds, match="no items of the kind"):
        list(relearn("test", lambda _: [])(target, room, 1))
    untouched()


def likelihood(target: Target, item: Item) -> float:
    batch = target.encoder.collate([target.encoder.encode(item.question, item.answer, item.image)])
    with torch.no_grad():
        return float(read_answers(target.model, batch).means)
