"""Two samples with a vocabulary of three, made of probabilities that a person can add up, and larger random ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from backend.models.answers import IGNORED, Answers, answers_at
from backend.objectives.seen import Seen
from backend.spec_objective import Objective

Probabilities = list[list[list[float]]]

POLICY: Probabilities = [[[0.5, 0.25, 0.25], [0.25, 0.25, 0.5]], [[0.1, 0.8, 0.1], [0.6, 0.2, 0.2]]]
LABELS = [[0, 1], [1, IGNORED]]
"""p(y) is 1/2 and 1/4 in the first sample, 0.8 in the second, whose other position is padding."""


def answers(logits: Tensor, labels: Tensor) -> Answers:
    """Answers whose tokens are predicted by these logits, through the function that real ones come from."""
    before = torch.full((len(labels), 1), IGNORED)
    return answers_at(
        torch.cat([logits, torch.zeros_like(logits[:, :1])], dim=1),
        torch.cat([before, labels], dim=1),
        logits.shape[1] + 1,
    )


def of(probabilities: Probabilities, labels: list[list[int]] = LABELS) -> Answers:
    return answers(torch.tensor(probabilities).log(), torch.tensor(labels))


def seen(given: dict[str, Any] | None = None, **settings: Any) -> Seen:
    """The two samples above, with what a term needs besides and the settings that matter."""
    return Seen(of(POLICY), Objective(**settings), **(given or {}))


class Leaves:
    """`count` random samples of up to four answer tokens, everything a leaf that keeps its gradient."""

    def __init__(self, count: int, copies: int = 1, seed: int = 0) -> None:
        draw = torch.Generator().manual_seed(seed)
        self.copies = copies
        self.leaves = {
            "policy": torch.randn(count, 4, 3, generator=draw),
            "reference": torch.randn(count, 4, 3, generator=draw),
            "other": torch.randn(count * copies, 4, 3, generator=draw),
            "hidden": torch.randn(count, 4, 5, generator=draw),
        }
        for leaf in self.leaves.values():
            leaf.requires_grad_(True)
        self.labels = _labels(count, draw)
        self.other_labels = _labels(count * copies, draw)
        self.sums = torch.randn(count, generator=draw)
        self.other_sums = torch.randn(count * copies, generator=draw)
        self.target = torch.randn(5, generator=draw)

    def seen(self, rows: slice = slice(None), **settings: Any) -> Seen:
        """What a term sees of these rows."""
        count = len(self.labels)
        first, last, _ = rows.indices(count)
        others = slice(first * self.copies, last * self.copies)
        return Seen(
            answers(self.leaves["policy"][rows], self.labels[rows]),
            Objective(**settings),
            reference=answers(self.leaves["reference"][rows], self.labels[rows]),
            reference_sums=self.sums[rows],
            other=answers(self.leaves["other"][others], self.other_labels[others]),
            other_reference_sums=self.other_sums[others],
            hidden=self.leaves["hidden"][rows],
            hidden_target=self.target,
        )

    def gradients(self, loss: Tensor) -> dict[str, Tensor]:
        """The gradient of the loss in every leaf; zero where the loss does not depend on it."""
        found = torch.autograd.grad(loss, list(self.leaves.values()), allow_unused=True)
        pairs = zip(self.leaves.items(), found, strict=True)
        return {name: torch.zeros_like(leaf) if gradient is None else gradient for (name, leaf), gradient in pairs}

    def padded(self, name: str) -> Tensor:
        """Where that leaf holds padding, (rows, width)."""
        return (self.other_labels if name == "other" else self.labels) == IGNORED


def without(what: Seen, name: str) -> Seen:
    return replace(what, **{name: None})


def _labels(count: int, draw: torch.Generator) -> Tensor:
    labels = torch.randint(0, 3, (count, 4), generator=draw)
    lengths = torch.arange(count) % 4 + 1
    return torch.where(torch.arange(4) < lengths.unsqueeze(1), labels, IGNORED)
