"""An untrained demo model as a target, and a room with four questions about two people."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from backend.attacks import Room, Target
from backend.benchmarks.demo import DemoBenchmark
from backend.benchmarks.item import Item
from backend.metrics.rules import rules_of
from backend.models.encoding import Encoder
from backend.models.loading import load
from backend.spec import ForgetRequest

REQUEST = ForgetRequest(ratio=None, people=("p01", "p02"), attributes=("city", "dish"))


@pytest.fixture(scope="session")
def room(world: DemoBenchmark) -> Room:
    return Room(world, REQUEST, rules_of("demo"), 0, 8, torch.device("cpu"))


@pytest.fixture(scope="session")
def items(world: DemoBenchmark) -> tuple[Item, ...]:
    """City and dish of two people, asked with the picture and as text."""
    return tuple(item for item in world.scored_items(REQUEST) if item.set == "forget" and item.task == "generation")


@pytest.fixture
def target(demo_folder: Path, items: tuple[Item, ...]) -> Target:
    loaded = load(demo_folder, device=torch.device("cpu"))
    return Target("unlearned", loaded.model.eval(), Encoder(loaded.processor), items)


@pytest.fixture
def untouched(target: Target) -> Iterator[Callable[[], None]]:
    """Says whether the target's weights are bit for bit what they were, and what they are called."""
    before = {name: weight.clone() for name, weight in target.model.state_dict().items()}
    flags = [weight.requires_grad for weight in target.model.parameters()]

    def check() -> None:
        now: dict[str, Tensor] = target.model.state_dict()
        assert now.keys() == before.keys()
        assert all(torch.equal(now[name], before[name]) for name in now)
        assert [weight.requires_grad for weight in target.model.parameters()] == flags
        assert all(weight.grad is None for weight in target.model.parameters())
        assert not _hooks(target.model)

    yield check


def _hooks(model: Any) -> list[str]:
    """Modules with a hook of ours; the library hangs its own on at the first forward pass."""
    return [
        name
        for name, module in model.named_modules()
        for hook in (*module._forward_hooks.values(), *module._forward_pre_hooks.values())
        if str(getattr(hook, "__module__", "")).startswith("backend")
    ]
