"""Attacks that change a model's weights for as long as they ask: rounding, an adapter turned back, neurons cut.

Promises: afterwards every weight is bit for bit what it was, whether the attack went through or not.
"""

from __future__ import annotations

import importlib.util
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from peft.helpers import rescale_adapter_scale
from torch import Tensor, nn

from backend.attack_prompts import AttackNeeds
from backend.attacks.attack import Attack, Room, Target, Told, ask, plainly
from backend.attacks.hidden import block_at, blocks_of, changed, last_states
from backend.benchmarks.item import Item
from backend.models.anatomy import linear_layers, parameters_of
from backend.models.pruning import Mlp, cut, mlps

ROUNDED = ("language", "projector", "vision")
"""The head stays whole, as in most formats."""
GROUP = 128
NF4_BLOCK = 64
NF4_OFFSET = 0.9677083
SHOWN_EACH = 32
"""Questions of a kind from which a direction is taken."""


@contextmanager
def undone(weights: Iterable[Tensor]) -> Iterator[None]:
    """Whatever is written into these weights is taken back when this is left."""
    before = [(weight, weight.detach().to("cpu", copy=True)) for weight in weights]
    try:
        yield
    finally:
        with torch.no_grad():
            for weight, was in before:
                weight.copy_(was)


def _ask_all(target: Target, room: Room, model: Any | None = None) -> Iterator[Told]:
    yield from ask(target, room, [plainly(item, room) for item in target.items], model)


# -- rounding ---------------------------------------------------------------------------------------------------------


def nearest(weight: Tensor, bits: int, group: int | None = None) -> Tensor:
    """Each weight as the nearest multiple of its group's scale, the scale being max|w| / (2^(bits−1) − 1).

    A group is `group` neighbours of a row (the last may be shorter), or the whole row. Same shape and kind as `weight`,
    (out, in). Symmetric round to nearest, weights only.
    """
    rows, width = weight.shape
    size = min(group or width, width)
    parts = nn.functional.pad(weight.float(), (0, -width % size)).view(rows, -1, size)
    scale = parts.abs().amax(dim=-1, keepdim=True) / (2 ** (bits - 1) - 1)
    levels = (parts / scale.clamp(min=torch.finfo(torch.float32).tiny)).round()
    return (levels * scale).view(rows, -1)[:, :width].to(weight.dtype)


def nf4_levels() -> Tensor:
    """The 16 values of NF4: quantiles of a normal distribution, eight up to 0 and eight from it on, the largest 1
    (QLoRA, arXiv 2305.14314, section 3 and appendix E)."""
    below = torch.special.ndtri(torch.linspace(NF4_OFFSET, 0.5, 8, dtype=torch.float64))
    above = torch.special.ndtri(torch.linspace(NF4_OFFSET, 0.5, 9, dtype=torch.float64))
    levels = torch.cat([-below, above[:-1]]).sort().values
    return (levels / levels.max()).float()


def nf4(weight: Tensor) -> Tensor:
    """Each weight as the nearest of NF4's values times the largest of its block of 64, as bitsandbytes rounds."""
    flat = nn.functional.pad(weight.float().flatten(), (0, -weight.numel() % NF4_BLOCK)).view(-1, NF4_BLOCK)
    scale = flat.abs().amax(dim=-1, keepdim=True)
    levels = nf4_levels().to(weight.device)
    places = torch.bucketize(flat / scale.clamp(min=torch.finfo(torch.float32).tiny), (levels[1:] + levels[:-1]) / 2)
    return (levels[places] * scale).flatten()[: weight.numel()].view_as(weight).to(weight.dtype)


def quantise(target: Target, room: Room, bits: float) -> Iterator[Told]:
    """Asks the model with its linear layers rounded to so many bits: by rows at 8, by groups of 128 below."""
    layers = _rounded_layers(target.model)
    with undone(layer.weight for layer in layers):
        _write(layers, [nearest(layer.weight, int(bits), GROUP if bits < 8 else None) for layer in layers])
        yield from _ask_all(target, room)


def quantise_nf4(target: Target, room: Room, bits: float) -> Iterator[Told]:
    """Asks the model with its linear layers rounded to NF4."""
    layers = _rounded_layers(target.model)
    with undone(layer.weight for layer in layers):
        _write(layers, (nf4(layer.weight) for layer in layers))
        yield from _ask_all(target, room)


def quantise_torchao(target: Target, room: Room, bits: float) -> Iterator[Told]:
    """Asks the model with its linear layers rounded by torchao. Raises `AttackNeeds` where it is not installed."""
    if importlib.util.find_spec("torchao") is None:
        raise AttackNeeds("torchao is not installed; the round-to-nearest quantisation needs no library")
    layers = _rounded_layers(target.model)
    before = [(layer, layer.weight) for layer in layers]
    with _pictures_seen_anew(target.model, layers):
        try:
            _round_by_torchao(target.model, layers, int(bits))
            yield from _ask_all(target, room)
        finally:
            for layer, weight in before:
                layer.weight = weight


@contextmanager
def _pictures_seen_anew(model: Any, exchanged: Sequence[nn.Linear]) -> Iterator[None]:
    """The tower looks at every picture for as long as this lasts, whatever is kept of it.

    What is kept is let go when a weight is written to, but a Parameter in another's place has no writes to show. Only
    a frozen tower's features are used, so one weight of it that stays in its place is said to be trained.
    """
    taken = {id(layer.weight) for layer in exchanged}
    seeing = [weight for _, weight in parameters_of(model, ("vision", "projector")) if id(weight) not in taken]
    staying = [(weight, weight.requires_grad) for weight in seeing if weight.is_floating_point()][:1]
    for weight, _ in staying:
        weight.requires_grad_(True)
    try:
        yield
    finally:
        for weight, was in staying:
            weight.requires_grad_(was)


def _round_by_torchao(model: Any, layers: Sequence[nn.Linear], bits: int) -> None:
    """Its weight-only rounding to integers, at 8 bits by rows and below by groups of 128; a layer whose rows are no
    multiple of a group is rounded by rows."""
    try:
        from torchao.quantization import IntxWeightOnlyConfig, PerAxis, PerGroup, quantize_
    except ImportError as error:
        raise AttackNeeds("this torchao has no weight-only rounding to integers; a newer one has") from error
    chosen, kind = {id(layer) for layer in layers}, {8: torch.int8, 4: getattr(torch, "int4", None)}[bits]
    for grouped in (True, False):
        config = IntxWeightOnlyConfig(weight_dtype=kind, granularity=PerGroup(GROUP) if grouped else PerAxis(0))
        quantize_(
            model,
            config,
            lambda layer, _, grouped=grouped: (
                id(layer) in chosen and (bits < 8 and layer.in_features % GROUP == 0) == grouped
            ),
        )


def _rounded_layers(model: Any) -> list[nn.Linear]:
    return [model.get_submodule(name) for name in linear_layers(model, ROUNDED)]


@torch.no_grad()
def _write(layers: Sequence[nn.Linear], weights: Iterable[Tensor]) -> None:
    for layer, weight in zip(layers, weights, strict=True):
        layer.weight.copy_(weight)


# -- the adapter turned back ------------------------------------------------------------------------------------------


def scale_back(target: Target, room: Room, scale: float) -> Iterator[Told]:
    """Asks the model with its last adapter at `scale` times its strength. Raises `AttackNeeds` where it has none."""
    model = target.adapted()
    if model is None:
        raise AttackNeeds("this model has no adapter of its own; its weights are in one piece")
    with rescale_adapter_scale(model, scale):
        yield from _ask_all(target, room, model)


# -- neurons cut ------------------------------------------------------------------------------------------------------


def prune(by: str) -> Attack:
    """The attack that cuts a share (in per cent) of the MLP neurons of the language and vision blocks: the smallest
    (`magnitude`) or any (`random`)."""

    def attack(target: Target, room: Room, share: float) -> Iterator[Told]:
        found = mlps(target.model, ("language", "vision"))
        if not found:
            raise AttackNeeds("no MLP was found in this model's blocks, so there is no neuron to cut")
        chosen = _smallest(found, share / 100) if by == "magnitude" else _any(found, share / 100, room.seed)
        with undone(weight for mlp in found.values() for weight in _weights(mlp)):
            cut(found, chosen)
            yield from _ask_all(target, room)

    return attack


def size(mlp: Mlp) -> Tensor:
    """How much each neuron can do, (neurons,): the product of the lengths of what leads into it and of what leads
    out."""
    found = mlp.out.weight.detach().float().norm(dim=0)
    for one in mlp.into:
        found = found * one.weight.detach().float().norm(dim=1)
    return found


def _smallest(found: dict[str, Mlp], share: float) -> dict[str, Tensor]:
    """The smallest share of each MLP: sizes of different blocks cannot be compared."""
    return {name: size(mlp).argsort(stable=True)[: round(share * mlp.neurons)] for name, mlp in found.items()}


def _any(found: dict[str, Mlp], share: float, seed: int) -> dict[str, Tensor]:
    drawn = random.Random(f"{seed} pruned")
    return {
        name: torch.tensor(drawn.sample(range(mlp.neurons), round(share * mlp.neurons)), dtype=torch.long)
        for name, mlp in found.items()
    }


def _weights(mlp: Mlp) -> list[Tensor]:
    return [mlp.out.weight, *(one.weight for one in mlp.into), *(one.bias for one in mlp.into if one.bias is not None)]


# -- a direction taken out --------------------------------------------------------------------------------------------


def ablate(target: Target, room: Room, depth: float) -> Iterator[Told]:
    """Asks with the direction projected out, from the block at a share of the depth on, in which states of forget
    questions differ from those of retain questions at that block (difference of means at the last token of the
    question, as in arXiv 2406.11717)."""
    blocks = blocks_of(target.model)
    at = block_at(blocks, depth)
    away = direction(target, room, blocks[at])

    def without(states: Tensor) -> Tensor:
        along = away.to(states.device, states.dtype)
        return states - (states @ along).unsqueeze(-1) * along

    with changed(blocks[at:], without):
        yield from _ask_all(target, room)


def direction(target: Target, room: Room, block: nn.Module) -> Tensor:
    """The unit vector (states,) from the mean state of retain questions to that of forget questions. Raises
    `AttackNeeds` where there are not both, or no difference."""
    means = {}
    for item_set in ("forget", "retain"):
        states = [last_states(target.model, target.encoder, rows, block) for rows in _questions(target, room, item_set)]
        if not states:
            raise AttackNeeds(f"there are no {item_set} questions to take a direction from")
        means[item_set] = torch.cat(states).mean(dim=0)
    away = means["forget"] - means["retain"]
    if float(away.norm()) == 0:
        raise AttackNeeds("forget and retain questions look the same to this layer, so there is no direction")
    return away / away.norm()


def _questions(target: Target, room: Room, item_set: str) -> Iterator[list[Any]]:
    """Encoded questions of a set, a fixed number with pictures and as text, batch by batch."""
    by_kind: dict[str, list[Item]] = defaultdict(list)
    for item in room.benchmark.scored_items(room.request):
        if item.set == item_set and item.task == "generation":
            by_kind[item.modality].append(item)
    for modality, items in sorted(by_kind.items()):
        drawn = random.Random(f"{room.seed} {item_set} {modality}").sample(items, min(SHOWN_EACH, len(items)))
        for at in range(0, len(drawn), room.batch_size):
            rows = drawn[at : at + room.batch_size]
            yield [target.encoder.encode(room.rules.prompt(item), None, item.image) for item in rows]
            room.pause()


WEIGHTS: dict[str, Attack] = {
    "quantise": quantise,
    "quantise_nf4": quantise_nf4,
    "quantise_torchao": quantise_torchao,
    "scale_back": scale_back,
    "prune_magnitude": prune("magnitude"),
    "prune_random": prune("random"),
    "ablate": ablate,
}
