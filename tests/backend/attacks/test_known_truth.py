"""Models built so that it is known what they hide, put to the attacks as a run puts them: each must be found out, and
one that truly never knew must not.

They are the demo model, taught a few facts of four people in seconds, so that what it can say is certain.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model

from backend.attack_prompts import ATTACKS
from backend.attack_report import reckon, unit_figures
from backend.attacks import CARRIED_OUT, Room, Target
from backend.attacks.relearning import batch_at
from backend.benchmarks.demo import DemoBenchmark
from backend.benchmarks.item import Item
from backend.models.anatomy import linear_layers
from backend.models.answers import read_answers
from backend.models.encoding import Encoder, place
from backend.models.loading import load
from backend.spec import ForgetRequest
from backend.suites import suite
from storage.tables import AttackUnit

FORGOTTEN, KEPT = ("p01", "p02"), ("p03", "p04")
ATTRIBUTES = ("city", "dish")
UNKNOWN = "I do not know."
BATCH, RATE = 16, 1e-3
PROMPTS = tuple(name for name in suite("quick").attacks if name in ("plain", *ATTACKS))
"""The quick suite's questions with no more than other words around them."""


@dataclass(frozen=True)
class Taught:
    """A model that was taught, and its encoder."""

    model: Any
    encoder: Encoder


@pytest.fixture(scope="module")
def facts(world: DemoBenchmark) -> list[Item]:
    """What there is to be taught of the four: their open questions, in training views and wordings."""
    request = ForgetRequest(ratio=None, people=(*FORGOTTEN, *KEPT), attributes=ATTRIBUTES)
    return [item for item in world.forget_items(request) if item.task == "generation"]


@pytest.fixture(scope="module")
def asked(world: DemoBenchmark) -> tuple[Item, ...]:
    """The facts of the two who are to be forgotten, with the picture and as text."""
    request = ForgetRequest(ratio=None, people=FORGOTTEN, attributes=ATTRIBUTES)
    return tuple(item for item in world.scored_items(request) if item.set == "forget" and item.task == "generation")


@pytest.fixture(scope="module")
def blank(demo_folder: Path) -> Taught:
    loaded = load(demo_folder, device=torch.device("cpu"))
    return Taught(loaded.model, Encoder(loaded.processor))


@pytest.fixture(scope="module")
def original(blank: Taught, facts: list[Item]) -> Taught:
    """Knows all four."""
    return taught_more(blank, facts, 120)


@pytest.fixture(scope="module")
def stranger(blank: Taught, facts: list[Item]) -> Taught:
    """Never saw the two."""
    return taught_more(blank, [item for item in facts if item.subject in KEPT], 50)


def taught_more(before: Taught, items: Sequence[Item], steps: int) -> Taught:
    """A copy of the model after some steps on all its weights with these items and no others."""
    model, encoder = copy.deepcopy(before.model), before.encoder
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.0)
    falling = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.1, steps)
    for step in range(steps):
        rows = [encoder.encode(one.question, one.answer, one.image) for one in batch_at(items, step, 0, BATCH)]
        answers = read_answers(model, place(encoder.collate(rows), model))
        loss = -answers.sums.sum() / answers.mask.sum()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        falling.step()
    return Taught(model.eval(), encoder)


def figures(
    taught: Taught, room: Room, asked: tuple[Item, ...], attack: str, strength: float = 0.0, **more: Any
) -> dict[str, Any]:
    """What an attack run would write down of this attack on this model."""
    told = CARRIED_OUT[attack](Target("unlearned", taught.model, taught.encoder, asked, **more), room, strength)
    return unit_figures([(one.item.subject, one.item.modality, one.leak) for one in told])


def leak(*about: Any, **more: Any) -> float:
    return float(figures(*about, **more)["value"])


@contextmanager
def hiding(taught: Taught, room: Room, asked: Sequence[Item]) -> Iterator[Taught]:
    """The model with a filter before its mouth: at the plain questions, word for word, it says nothing."""
    encoder = taught.encoder
    plain = [encoder.encode(room.rules.prompt(one), None, one.image) for one in asked]
    hidden = {encoder.decode(row.ids): room.rules.prompt(one) for row, one in zip(plain, asked, strict=True)}
    end = encoder.tokenizer.eos_token_id

    def filtered(module: Any, args: Any, kwargs: dict[str, Any], output: Any) -> None:
        for at, ids in enumerate(kwargs["input_ids"]):
            # a beginning that several questions share may be read by itself: the rest of the turn is what is left
            text = encoder.decode(ids.tolist())
            if any(turn.endswith(text) and question in text for turn, question in hidden.items()):
                output.logits[at, -1] = float("-inf")
                output.logits[at, -1, end] = 0.0

    handle = taught.model.register_forward_hook(filtered, with_kwargs=True)
    try:
        yield taught
    finally:
        handle.remove()


def test_what_is_taught_is_known_and_what_is_not_is_not(
    original: Taught, stranger: Taught, room: Room, asked: tuple[Item, ...]
) -> None:
    assert leak(original, room, asked, "plain") >= 0.75
    assert leak(stranger, room, asked, "plain") <= 0.25


def test_one_that_only_hides_behind_its_prompt_is_caught_by_the_prompts(
    original: Taught, room: Room, asked: tuple[Item, ...]
) -> None:
    known = {name: leak(original, room, asked, name) for name in PROMPTS}
    with hiding(original, room, asked) as hidden:
        found = {name: leak(hidden, room, asked, name) for name in PROMPTS}
    assert found.pop("plain") == 0.0 < known.pop("plain")
    assert found == known, "it hides nothing from any other words"
    assert max(found.values()) >= 0.75


def test_one_that_only_put_an_adapter_on_is_caught_when_it_is_taken_off(
    original: Taught, room: Room, asked: tuple[Item, ...]
) -> None:
    torch.manual_seed(0)
    adapted = copy.deepcopy(original.model)
    adapted = get_peft_model(adapted, LoraConfig(r=2, target_modules=linear_layers(adapted, ("language",))))
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.5)
    hidden = Taught(adapted.eval(), original.encoder)
    assert leak(hidden, room, asked, "plain") == 0.0
    scaled = {at: leak(hidden, room, asked, "scale_back", at, adapted=lambda: adapted) for at in (1.0, 0.0)}
    assert scaled == {1.0: 0.0, 0.0: leak(original, room, asked, "plain")}


def test_one_that_forgot_only_the_words_is_caught_by_its_pictures(
    original: Taught, facts: list[Item], room: Room, asked: tuple[Item, ...]
) -> None:
    lost = [replace(one, answer=UNKNOWN) for one in facts if one.subject in FORGOTTEN and one.modality == "text"]
    seen = [one for one in facts if one.modality == "image_text"]
    halfway = taught_more(original, [*lost, *lost, *seen], 40)
    found = figures(halfway, room, asked, "plain")["detail"]["modality"]
    rates = {modality: told / number for modality, (told, number) in found.items()}
    assert rates["text"] == 0.0 and rates["image_text"] >= 0.75


def test_one_that_never_saw_them_gives_no_more_away_than_its_control(
    original: Taught, stranger: Taught, demo_folder: Path, facts: list[Item], room: Room, asked: tuple[Item, ...]
) -> None:
    control = taught_more(stranger, [item for item in facts if item.subject in KEPT], 10)
    models = {"unlearned": stranger, "original": original, "control": control}
    units = [
        AttackUnit(attack=name, role=role, strength=0.0, note=None, seconds=0.0, **figures(model, room, asked, name))
        for name in PROMPTS
        for role, model in models.items()
    ]
    table = {row["name"]: row for row in reckon(units)}
    assert table["plain"]["original"] >= 0.75
    for row in table.values():
        assert row["gap_low"] <= 0.0, row
        assert row["recovery"] is None or row["recovery"] < 0.5, row
