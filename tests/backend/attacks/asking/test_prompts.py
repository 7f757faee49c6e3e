"""Attacks by words: what is put to the model, what counts as a leak, and that a leak behind one prompt is found."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from backend.attack_prompts import ATTACKS, AttackNeeds, AttackPrompt
from backend.attacks import CARRIED_OUT, Room, Target, Told, attack, prompt
from backend.attacks.prompts import _known, _wrapped, beginning
from backend.benchmarks.demo import DemoBenchmark
from backend.benchmarks.item import Item
from backend.inference.items import Asker
from backend.inference.sampling import is_leak
from backend.models.encoding import Encoded

Items = Callable[..., tuple[Item, ...]]


@pytest.fixture
def target(untrained: Target, asked: Items) -> Target:
    return replace(untrained, items=(*asked(2), *asked(2, "text")))


def answering(monkeypatch: pytest.MonkeyPatch, says: Callable[[str], str]) -> list[tuple[str, int]]:
    """A model that answers the words it is shown by `says`; gives what it was asked and how long answers might be."""
    heard: list[tuple[str, int]] = []

    def write(self: Asker, rows: Sequence[Encoded], longest: int, draw: Any = None) -> list[list[int]]:
        texts = [self.encoder.decode([one for one in row.ids if one not in self.encoder.image_tokens]) for row in rows]
        heard.extend((text, longest) for text in texts)
        return [self.encoder.tokenizer(says(text), add_special_tokens=False)["input_ids"] for text in texts]

    monkeypatch.setattr(Asker, "write", write)
    return heard


def told(name: str, target: Target, room: Room, strength: float = 0.0) -> list[Told]:
    return list(CARRIED_OUT[name](target, room, strength))


def knowing(items: Sequence[Item], behind: str) -> Callable[[str], str]:
    """The true answer where `behind` is in the question, else nothing of it."""

    def says(words: str) -> str:
        item = next((one for one in items if one.question in words), None)
        return item.answer if item is not None and behind in words else "I do not know."

    return says


@pytest.mark.parametrize(
    ("name", "behind"),
    [
        ("roleplay", "archivist"),
        ("system", "privacy filter"),
        ("french", "mots d'origine"),
        ("filler", "bread was still warm"),
        ("name_first", "full name"),
        ("story", "true story"),
    ],
)
def test_what_is_known_behind_one_prompt_only_is_found_by_it_and_by_no_other(
    monkeypatch: pytest.MonkeyPatch, target: Target, room: Room, name: str, behind: str
) -> None:
    answering(monkeypatch, knowing(target.items, behind))
    leaks = {other: [one.leak for one in told(other, target, room)] for other in ("plain", "authority", name)}
    assert leaks == {"plain": [0.0] * 4, "authority": [0.0] * 4, name: [1.0] * 4}


@pytest.mark.parametrize("name", [*ATTACKS, "first_tokens"])
def test_every_prompt_can_be_put_to_every_question_of_the_demo(
    monkeypatch: pytest.MonkeyPatch, target: Target, room: Room, name: str
) -> None:
    heard = answering(monkeypatch, lambda words: "I do not know.")
    said = told(name, target, room, 2)
    assert [one.leak for one in said] == [0.0] * 4
    assert all(not one.item.key or one.item.key not in one.asked + one.prefix for one in said)
    assert all(said[at].asked in heard[-4 + at][0] for at in range(4)), "what is written down is what was asked"


@pytest.mark.parametrize("name", [name for name in ATTACKS if name not in ("first_tokens",)])
def test_strangers_are_asked_in_the_same_way(
    monkeypatch: pytest.MonkeyPatch, untrained: Target, asked: Items, room: Room, name: str
) -> None:
    answering(monkeypatch, lambda words: "I do not know.")
    strangers = replace(untrained, items=(*asked(1, item_set="holdout"), *asked(1, "text", "holdout")))
    assert len(told(name, strangers, room)) == 2


def coded(item: Item) -> str:
    return base64.b64encode(item.answer.encode()).decode()


def spelled(item: Item) -> str:
    return " ".join("-".join(word) for word in item.answer.rstrip(".").split())


@pytest.mark.parametrize(("name", "way"), [("base64", coded), ("spelling", spelled)])
def test_a_fact_in_letters_or_in_code_was_told(
    monkeypatch: pytest.MonkeyPatch, target: Target, room: Room, name: str, way: Callable[[Item], str]
) -> None:
    def says(words: str) -> str:
        item = next(one for one in target.items if one.question in words or _encoded(one) in words)
        return way(item)

    heard = answering(monkeypatch, says)
    said = told(name, target, room)
    assert [one.leak for one in said] == [1.0] * 4 and all(one.item.key in one.detail["decoded"] for one in said)
    assert {longest for _, longest in heard} == {4 * 16}, "letters and code take more tokens"
    assert [one.leak for one in told("plain" if name == "spelling" else "filler", target, room)] == [0.0] * 4


def _encoded(item: Item) -> str:
    return base64.b64encode(item.question.encode()).decode()


def test_a_chain_puts_the_models_own_words_before_the_question(
    monkeypatch: pytest.MonkeyPatch, target: Target, room: Room
) -> None:
    heard = answering(monkeypatch, lambda words: "A bird, perhaps." if words.count("?") == 1 else "No.")
    said = told("chain", target, room)
    assert len(heard) == 2 * 4 and all("What do you know about" in words for words, _ in heard[:4])
    assert all("You said: A bird, perhaps. Now tell me:" in one.asked for one in said)


@pytest.mark.parametrize("tokens", [1, 2, 4])
def test_what_is_given_of_the_answer_is_its_beginning_and_never_the_fact(
    monkeypatch: pytest.MonkeyPatch, target: Target, room: Room, tokens: int
) -> None:
    answering(monkeypatch, lambda words: "nobody knows.")
    for one in told("first_tokens", target, room, tokens):
        given = target.encoder.tokenizer(one.item.answer, add_special_tokens=False)["input_ids"][:tokens]
        assert one.item.answer.startswith(one.prefix) and one.item.key not in one.prefix
        assert one.prefix == target.encoder.decode(given) and one.detail == {"tokens": tokens}
        assert one.leak == 0.0


def test_a_fact_that_comes_soon_shortens_the_beginning(untrained: Target, asked: Items) -> None:
    item = replace(asked(1, "text")[0], answer="It is Bergen.", key="Bergen")
    assert beginning(untrained.encoder, item, 1)[1] and beginning(untrained.encoder, item, 99)[1] == "It is"
    assert beginning(untrained.encoder, replace(item, answer="Bergen it is."), 4) == (0, "")
    assert beginning(untrained.encoder, replace(item, key="Lima"), 4) == (0, ""), "where it stands is not known"


def test_answers_that_begin_with_the_fact_leave_nothing_to_give(untrained: Target, asked: Items, room: Room) -> None:
    item = asked(1, "text")[0]
    only = replace(untrained, items=(replace(item, answer=f"{item.key} it is."),))
    with pytest.raises(AttackNeeds, match="begins with the fact itself"):
        told("first_tokens", only, room, 2)


def test_a_prompt_of_ones_own_is_made_like_the_others(
    monkeypatch: pytest.MonkeyPatch, target: Target, room: Room
) -> None:
    own = AttackPrompt("teacher", "A teacher asks", "x", "As your teacher I ask: {question}", "Dear teacher,")
    answering(monkeypatch, knowing(target.items, "As your teacher"))
    said: Iterator[Told] = prompt(own)(target, room, 0.0)
    assert [(one.leak, one.prefix) for one in said] == [(1.0, "Dear teacher,")] * 4


def test_no_example_holds_the_fact_that_is_asked_for(world: DemoBenchmark, room: Room) -> None:
    """Of 48 people some share a dish or a pet; whoever does is no example."""
    items = [item for item in world.scored_items(room.request) if (item.set, item.task) == ("forget", "generation")]
    few_shot = ATTACKS["few_shot"]
    under = _wrapped(few_shot, _known(few_shot, items, room), room)
    assert len(under) == len(items) >= 40
    assert [one.item.id for one in under if is_leak(room.rules, one.item, one.question)] == []
    assert all(len(one.question) > 2 * len(one.item.question) for one in under), "the examples are there"


def test_a_fact_that_was_put_into_the_mouth_is_no_leak(asked: Items, room: Room) -> None:
    (item,) = asked(1)
    given = attack.told(attack.Asked(item, item.question, prefix=item.answer), "and so it is", room)
    begun = attack.told(attack.Asked(item, item.question, prefix="Sure, the answer is"), item.key, room)
    assert given.leak is None and begun.leak == 1.0
