"""Attacks on the weights: rounding by hand, neurons cut, a direction taken out, an adapter turned; nothing is left
behind."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn

from backend.attack_prompts import AttackNeeds
from backend.attacks import CARRIED_OUT, Room, Target
from backend.attacks.hidden import block_at, blocks_of, last_states
from backend.attacks.weights import direction, nearest, nf4, nf4_levels, size, undone
from backend.benchmarks.item import Item
from backend.models.anatomy import anatomy, linear_layers
from backend.models.answers import read_answers
from backend.models.encoding import Encoder
from backend.models.loading import load
from backend.models.pruning import Mlp
from backend.spec import ForgetRequest
from backend.suites import KNOWN
from backend.training.plan import labelled


def test_weights_go_to_the_nearest_step_of_their_rows_largest() -> None:
    weight = torch.tensor([[7.0, 3.4, -3.6, 0.2], [0.0, 0.0, 0.0, 0.0]])
    # at 4 bits the largest is 7 steps: a step is 1 here, and an empty row stays empty
    assert nearest(weight, 4).tolist() == [[7.0, 3.0, -4.0, 0.0], [0.0] * 4]
    # groups of two: steps of 1 and of 3.6 / 7
    step = 3.6 / 7
    assert nearest(weight, 4, 2)[0].tolist() == pytest.approx([7.0, 3.0, -3.6, 0.0])
    assert nearest(weight, 4, 3)[0].tolist() == pytest.approx([7.0, 3.0, -4.0, 0.2]), "the last group is shorter"
    assert (nearest(weight, 4, 2) / step)[0, 3] == 0


def test_eight_bits_are_closer_than_four() -> None:
    weight = torch.randn(16, 300, generator=torch.Generator().manual_seed(0))
    errors = [float((nearest(weight, bits, 128) - weight).abs().max()) for bits in (8, 4)]
    # half a step at most, the step being the largest weight over 127 or 7
    assert errors[0] <= float(weight.abs().max()) / 127 / 2 + 1e-6
    assert errors[0] * 10 < errors[1] <= float(weight.abs().max()) / 7 / 2 + 1e-6


def test_nf4_has_the_published_values() -> None:
    published = (
        "-1.0 -0.6961928 -0.5250731 -0.3949175 -0.2844414 -0.1847734 -0.0910500 0.0 "
        "0.0795803 0.1609302 0.2461123 0.3379152 0.4407098 0.5626170 0.7229568 1.0"
    )
    assert nf4_levels().tolist() == pytest.approx([float(value) for value in published.split()], abs=1e-6)


def test_a_block_of_nf4_is_scaled_by_its_largest() -> None:
    weight = torch.zeros(2, 64)
    weight[0, :3] = torch.tensor([2.0, -1.45, 0.1])
    weight[1, 0] = 100.0  # of the next block
    found = nf4(weight)
    # 2 · (1, -.6962, .0796 | 0): -1.45 / 2 = -.725 lies nearest to -.6962, and .05 nearer to .0796 than to 0
    assert found[0, :4].tolist() == pytest.approx([2.0, -1.3923856, 0.1591606, 0.0], abs=1e-5)
    assert found[1, :2].tolist() == pytest.approx([100.0, 0.0])


def test_a_neuron_is_as_large_as_what_leads_in_times_what_leads_out() -> None:
    into, out = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        into.weight.copy_(torch.tensor([[3.0, 4.0], [1.0, 0.0]]))
        out.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 2.0]]))
    assert size(Mlp("toy", (into,), out)).tolist() == [5.0, 2.0]


@pytest.mark.parametrize(
    ("name", "strength"),
    [
        ("quantise", 8),
        ("quantise", 4),
        ("quantise_nf4", 4),
        ("prune_magnitude", 5),
        ("prune_random", 10),
        ("ablate", 0.5),
    ],
)
def test_a_model_is_changed_while_it_is_asked_and_bit_for_bit_the_same_afterwards(
    name: str,
    strength: float,
    target: Target,
    room: Room,
    untouched: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plainly = logits(target, room)
    under: list[torch.Tensor] = []

    def looking(asked: Target, room: Room, questions: Any, model: Any = None) -> Any:
        under.append(logits(asked, room))
        yield from ()

    monkeypatch.setattr("backend.attacks.weights.ask", looking)
    assert list(CARRIED_OUT[name](target, room, strength)) == []
    assert not torch.equal(under[0], plainly), "the attack did nothing"
    untouched()
    assert torch.equal(logits(target, room), plainly)


def test_what_was_said_comes_with_its_item(target: Target, room: Room, untouched: Callable[[], None]) -> None:
    said = list(CARRIED_OUT["quantise"](target, room, 4))
    assert {one.item.id for one in said} == {item.id for item in target.items} and len(said) == 8
    untouched()


def test_weights_come_back_after_a_fault(target: Target, untouched: Callable[[], None]) -> None:
    weight = target.model.get_submodule(linear_layers(target.model, ("language",))[0]).weight
    with pytest.raises(RuntimeError, match="half-way"), undone([weight]), torch.no_grad():
        weight.mul_(1.5)
        raise RuntimeError("half-way")
    untouched()


class Few:
    """A benchmark that asks these items and no others."""

    def __init__(self, items: list[Item]) -> None:
        self._items = items

    def scored_items(self, request: ForgetRequest) -> list[Item]:
        return self._items


def test_the_direction_is_the_difference_of_the_means_and_is_gone_when_taken_out(
    target: Target, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget = list(target.items[:4])
    retain = [item for item in room.benchmark.scored_items(room.request) if item.set == "retain"]
    retain = [item for item in retain if item.task == "generation"][:4]
    few: Any = Few(forget + retain)
    block = blocks_of(target.model)[1]

    def mean(items: list[Item]) -> torch.Tensor:
        rows = [target.encoder.encode(item.question, None, item.image) for item in items]
        return torch.cat([last_states(target.model, target.encoder, [row], block) for row in rows]).mean(dim=0)

    by_hand = mean(forget) - mean(retain)
    away = direction(target, replace(room, benchmark=few), block)
    assert torch.allclose(away, by_hand / by_hand.norm(), atol=1e-4)
    seen: list[float] = []

    def looking(asked: Target, room: Room, questions: Any, model: Any = None) -> Any:
        row = asked.encoder.encode(forget[0].question, None, forget[0].image)
        seen.append(float(last_states(asked.model, asked.encoder, [row], block)[0] @ away))
        yield from ()

    monkeypatch.setattr("backend.attacks.weights.ask", looking)
    list(CARRIED_OUT["ablate"](target, replace(room, benchmark=few), 0.5))
    assert block_at(blocks_of(target.model), 0.5) == 1
    assert seen == [pytest.approx(0.0, abs=1e-5)]


def test_depths_are_shares_of_the_blocks() -> None:
    blocks = [nn.Identity()] * 32
    assert [block_at(blocks, depth) for depth in (0.0, 0.25, 0.5, 0.75, 1.0)] == [0, 8, 16, 24, 31]


# -- the adapter ------------------------------------------------------------------------------------------------------


@pytest.fixture
def hiding(demo_folder: Path, target: Target, room: Room) -> Target:
    """An original and, over it, an adapter that hides what it says: it answers otherwise."""
    original = load(demo_folder, device=torch.device("cpu")).model
    torch.manual_seed(0)
    adapted = get_peft_model(original, LoraConfig(r=2, target_modules=linear_layers(original, ("language",))))
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.5)
    return replace(target, adapted=lambda: adapted.eval())


def test_scale_back_gives_the_original_at_nought_and_the_adapter_at_one(hiding: Target, room: Room) -> None:
    adapted = hiding.adapted()
    assert adapted is not None

    def said(target: Target, name: str, strength: float = 0.0) -> list[str]:
        return [one.text for one in sorted(CARRIED_OUT[name](target, room, strength), key=lambda one: one.item.id)]

    original = said(hiding, "plain")
    hidden = said(replace(hiding, model=adapted), "plain")
    assert original != hidden
    assert said(hiding, "scale_back", 0.0) == original
    assert said(hiding, "scale_back", 1.0) == hidden
    half = said(hiding, "scale_back", 0.5)
    # attention keeps a number by that name, an adapter's layer one for each adapter
    kept = [module.scaling for module in adapted.modules() if isinstance(getattr(module, "scaling", None), dict)]
    assert {scale for one in kept for scale in one.values()} == {8 / 2}
    assert said(replace(hiding, model=_by_hand(adapted, 0.5)), "plain") == half


def _by_hand(adapted: Any, scale: float) -> Any:
    """The base with scale · (α/r) · BA added to each weight."""
    for layer in adapted.modules():
        if hasattr(layer, "lora_A") and layer.lora_A:
            with torch.no_grad():
                delta = layer.lora_B["default"].weight @ layer.lora_A["default"].weight * (8 / 2) * scale
                layer.base_layer.weight.add_(delta)
    return adapted.unload()


def test_a_model_without_an_adapter_says_so(target: Target, room: Room) -> None:
    with pytest.raises(AttackNeeds, match="no adapter of its own"):
        list(CARRIED_OUT["scale_back"](target, room, 0.5))
    assert KNOWN["scale_back"].roles == ("unlearned",)


# -- a library --------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(importlib.util.find_spec("torchao") is not None, reason="torchao is installed")
def test_a_library_that_is_not_there_is_one_sentence(target: Target, room: Room) -> None:
    with pytest.raises(AttackNeeds, match="torchao is not installed"):
        list(CARRIED_OUT["quantise_torchao"](target, room, 8))


@pytest.mark.skipif(importlib.util.find_spec("torchao") is None, reason="torchao is not installed")
@pytest.mark.parametrize("bits", [8, 4])
def test_torchao_leaves_the_weights_as_they_were(
    bits: int, target: Target, room: Room, untouched: Callable[[], None]
) -> None:
    assert len(list(CARRIED_OUT["quantise_torchao"](target, room, bits))) == 8
    untouched()


@pytest.fixture
def exchanging(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for torchao that puts a rounded Parameter in a weight's place, as torchao does."""

    def quantize_(model: nn.Module, config: int, chosen: Callable[[nn.Module, str], bool]) -> None:
        for name, module in model.named_modules():
            if isinstance(module, nn.Linear) and chosen(module, name):
                module.weight = nn.Parameter(nearest(module.weight.detach(), config), requires_grad=False)

    for name in ("torchao", "torchao.quantization"):
        module: Any = ModuleType(name)
        module.__spec__ = ModuleSpec(name, None)
        monkeypatch.setitem(sys.modules, name, module)
    given = {"quantize_": quantize_, "IntxWeightOnlyConfig": lambda **_: 4, "PerAxis": int, "PerGroup": int}
    for name, value in given.items():
        monkeypatch.setattr(sys.modules["torchao.quantization"], name, value, raising=False)


def test_torchao_is_asked_with_what_its_own_tower_sees(
    exchanging: None, target: Target, room: Room, untouched: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Held against a copy whose weights are rounded the same, of which nothing is kept."""
    target.model.requires_grad_(False)
    item = next(item for item in target.items if item.image is not None)
    batch = labelled(target.encoder, [target.encoder.encode(item.question, item.answer, item.image)])

    def said(model: Any) -> torch.Tensor:
        with torch.no_grad():
            return read_answers(model, batch).logits

    plainly, looks = said(target.model), []
    tower = target.model.get_submodule(anatomy(target.model).vision[0])
    handle = tower.register_forward_hook(lambda *_: looks.append(1))
    assert torch.equal(said(target.model), plainly) and not looks, "what the tower made of the picture is kept"
    copy = deepcopy(target.model)
    for name in linear_layers(copy, ("language", "projector", "vision")):
        layer = copy.get_submodule(name)
        layer.weight = nn.Parameter(nearest(layer.weight.detach(), 4), requires_grad=False)
    wanted = said(copy)
    under: list[torch.Tensor] = []

    def looking(asked: Target, room: Room, questions: Any, model: Any = None) -> Any:
        under.append(said(asked.model))
        yield from ()

    monkeypatch.setattr("backend.attacks.weights.ask", looking)
    assert list(CARRIED_OUT["quantise_torchao"](target, room, 4)) == []
    assert torch.equal(under[0], wanted) and not torch.equal(wanted, plainly)
    assert torch.equal(said(target.model), plainly)
    handle.remove()
    assert not any(weight.requires_grad for weight in target.model.parameters())
    target.model.requires_grad_(True)
    untouched()


def logits(target: Target, room: Room) -> torch.Tensor:
    """What the model says of a true answer with its picture."""
    item = next(item for item in target.items if item.image is not None)
    encoder: Encoder = target.encoder
    with torch.no_grad():
        return read_answers(
            target.model, encoder.collate([encoder.encode(item.question, item.answer, item.image)])
        ).logits
