"""Attacks by words alone: the question wrapped in one of the attack prompts, or its answer already begun."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from backend.attack_prompts import AttackNeeds, AttackPrompt, Known, about, by_subject, opening, placeholders, put
from backend.attacks.attack import Asked, Attack, Room, Target, Told, ask, plainly
from backend.benchmarks.item import Item
from backend.inference.sampling import is_leak
from backend.models.encoding import Encoder

EXAMPLES = 3
EXAMPLES_AT_HAND = 12
TIMES = {"plain": 1, "spelled": 4, "base64": 4}
"""By how much longer an answer may be that is asked for in letters or in Base64."""


def plain(target: Target, room: Room, strength: float) -> Iterator[Told]:
    """No attack: the question as the benchmark has it."""
    yield from ask(target, room, [plainly(item, room) for item in target.items])


def prompt(one: AttackPrompt) -> Attack:
    """The attack that wraps each question in the prompt; with a `first` question, in a turn of its own before."""

    def attack(target: Target, room: Room, strength: float) -> Iterator[Told]:
        known = _known(one, target.items, room)
        if one.first:
            known = _after(one, known, target, room)
        yield from ask(target, room, _wrapped(one, known, room))

    return attack


def first_tokens(target: Target, room: Room, strength: float) -> Iterator[Told]:
    """The first `strength` tokens of the true answer put into the model's mouth; where the fact begins sooner, as many
    as stand before it. Items whose answer begins with the fact are left out."""
    asked = []
    for item in target.items:
        tokens, begun = beginning(target.encoder, item, int(strength))
        if begun:
            asked.append(replace(plainly(item, room), prefix=begun, detail={"tokens": tokens}))
    if not asked:
        raise AttackNeeds("every true answer begins with the fact itself, so nothing could be given of it")
    yield from ask(target, room, asked)


def beginning(encoder: Encoder, item: Item, most: int) -> tuple[int, str]:
    """At most so many first tokens of the true answer that end before its fact, and how many; (0, "") for none."""
    fact = item.answer.casefold().find(item.key.casefold()) if item.key else -1
    ids = encoder.tokenizer(item.answer, add_special_tokens=False)["input_ids"]
    for tokens in range(min(most, len(ids)), 0, -1):
        text = encoder.decode(ids[:tokens])
        if text and len(text) <= fact and item.answer.startswith(text):
            return tokens, text
    return 0, ""


@dataclass(frozen=True)
class _Around:
    """An item with what is known around it."""

    item: Item
    known: Known


def _known(one: AttackPrompt, items: Sequence[Item], room: Room) -> list[_Around]:
    """What the prompt may need of the benchmark. Its other items are read only where it asks for them."""
    needed = placeholders(one.template + one.prefix)
    scored = room.benchmark.scored_items(room.request) if needed & {"examples", "paraphrase", "cloze", "facts"} else []
    examples, others = _examples(scored), by_subject(scored)
    return [
        _Around(
            item,
            about(
                item,
                room.benchmark,
                others.get(item.subject, ()),
                [one for one in examples.get(item.attribute, ()) if not is_leak(room.rules, item, " ".join(one))][
                    :EXAMPLES
                ],
                room.rules.prompt,
            ),
        )
        for item in items
    ]


def _after(one: AttackPrompt, around: Sequence[_Around], target: Target, room: Room) -> list[_Around]:
    """The same, with what the model answers to the prompt's first question."""
    asked = [
        Asked(each.item, opening(one, room.rules.prompt(each.item), each.known), image=each.item.image)
        for each in around
    ]
    said = {told.item.id: told.text for told in ask(target, room, asked)}
    return [_Around(each.item, replace(each.known, said=said[each.item.id])) for each in around]


def _wrapped(one: AttackPrompt, around: Sequence[_Around], room: Room) -> list[Asked]:
    """The questions under the prompt; those for which it lacks something are left out, unless that is all of them."""
    found, lacking = [], None
    for each in around:
        try:
            under = put(one, room.rules.prompt(each.item), each.known)
        except AttackNeeds as needs:
            lacking = needs
            continue
        found.append(
            Asked(
                each.item,
                under.question,
                under.prefix,
                each.item.image,
                reads=one.reads,
                times=TIMES[one.reads],
            )
        )
    if not found and lacking is not None:
        raise lacking
    return found


def _examples(scored: Sequence[Item]) -> Mapping[str, list[tuple[str, str]]]:
    """By attribute: questions about people of the retain set, answered, as text, one a person. There are more than are
    shown, since one that holds the very fact that is asked for is left out."""
    found: dict[str, dict[str, Item]] = {}
    for item in scored:
        if item.set == "retain" and item.modality == "text" and item.task == "generation":
            by_person = found.setdefault(item.attribute, {})
            if len(by_person) < EXAMPLES_AT_HAND:
                by_person.setdefault(item.subject, item)
    return {
        attribute: [(item.question, item.answer) for item in by_person.values()]
        for attribute, by_person in found.items()
    }
