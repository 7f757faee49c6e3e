"""leak@k of an attack: the estimate by hand, more answers drawn on from those there are."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from backend.attack_prompts import AttackNeeds
from backend.attacks import Room, Target
from backend.attacks.sampling import sampling
from backend.benchmarks.item import Item
from backend.inference.sampling import Sampler


class Scripted(Sampler):
    """Every eighth answer, counted from the fourth, tells; the rest say nothing."""

    asked: ClassVar[list[tuple[int, int]]] = []

    def draw(self, items: Sequence[Item]) -> Iterator[tuple[Item, list[str]]]:
        Scripted.asked.append((self.skipped, self.samples))
        numbers = range(self.skipped, self.skipped + self.samples)
        for item in items:
            yield item, [f"It is {item.key}." if number % 8 == 3 else "?" for number in numbers]


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    Scripted.asked.clear()
    monkeypatch.setattr(importlib.import_module("backend.attacks.sampling"), "Sampler", Scripted)


@pytest.mark.usefixtures("scripted")
def test_leak_at_k_is_the_chance_that_one_of_k_tells(target: Target, room: Room) -> None:
    two = replace(target, items=target.items[:2])
    # 2 of 16 tell: of 4, none does with 14·13·12·11 / (16·15·14·13) = 11/20
    said = list(sampling(two, room, 4))
    assert [one.leak for one in said] == [pytest.approx(9 / 20)] * 2
    assert said[0].text == f"It is {said[0].item.key}."
    assert said[0].detail == {"n": 16, "leaked": 2, "what": "2 of 16 answers leak"}
    assert {one.leak for one in sampling(two, room, 16)} == {1.0}
    assert Scripted.asked == [(0, 16)], "no answer is drawn twice"
    assert {one.detail["leaked"] for one in sampling(two, room, 64)} == {8}
    assert Scripted.asked == [(0, 16), (16, 48)]


@pytest.mark.usefixtures("scripted")
def test_another_seed_draws_anew(target: Target, room: Room) -> None:
    one = replace(target, items=target.items[:1])
    for seed in (0, 1):
        list(sampling(one, replace(room, seed=seed), 4))
    assert Scripted.asked == [(0, 16), (0, 16)]


def test_answers_drawn_on_are_those_drawn_at_once(target: Target, room: Room) -> None:
    two = (target.items[0], next(item for item in target.items if item.image is None))

    def drawn(samples: int, skipped: int = 0) -> dict[str, list[str]]:
        sampler = Sampler(target.model, target.encoder, room.rules, samples, 0, 8, skipped=skipped)
        return {item.id: texts for item, texts in sampler.draw(two)}

    five, two_more = drawn(5), drawn(2, skipped=3)
    assert {name: texts[3:] for name, texts in five.items()} == two_more


def test_held_out_people_are_asked_too(target: Target, room: Room) -> None:
    stranger = next(
        item
        for item in room.benchmark.scored_items(room.request)
        if item.set == "holdout" and item.task == "generation" and item.image is None
    )
    (said,) = sampling(replace(target, items=(stranger,)), room, 1)
    assert said.leak == 0.0 and said.detail["n"] == 16


def test_nothing_to_leak_is_one_sentence(target: Target, room: Room) -> None:
    choice: Any = replace(target.items[0], task="classification")
    with pytest.raises(AttackNeeds, match="names a fact"):
        list(sampling(replace(target, items=(choice,)), room, 4))
