"""What a term may look at, and what a term is.

A term is a pure function of `Seen`. Whoever puts a method together reads from the table what a term needs and fills in
only that: the reference's logits, kept sums, a second answer, hidden states.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from backend.models.answers import Answers
from backend.spec_objective import Objective

SecondAnswer = Literal["", "refusal", "alternate", "mismatch"]


class ObjectiveRefused(ValueError):
    """A method that cannot be put together as asked; the message says what to do."""


@dataclass(frozen=True)
class Seen:
    """One batch as the models see it. Anything but `policy` and `settings` is there only for a term that needs it.

    `policy`, `reference`: the items' own answers under the model being changed and under the model as it was.
    `reference_sums`: log π_ref(y|x), (batch,). `other`: second answers to the same questions under the model being
    changed, k rows for each sample, one sample after the other, (batch · k, …); `other_reference_sums` (batch · k,).
    `hidden`: states of one language block at the positions that predict answer tokens, (batch, width, states);
    `hidden_target`: what they are drawn to, (states,) or the same shape as `hidden`.
    """

    policy: Answers
    settings: Objective
    reference: Answers | None = None
    reference_sums: Tensor | None = None
    other: Answers | None = None
    other_reference_sums: Tensor | None = None
    hidden: Tensor | None = None
    hidden_target: Tensor | None = None

    def averaged(self, values: Tensor) -> Tensor:
        """Values of each position, (batch, width), as a mean over the answer tokens of each sample, (batch,)."""
        return (values * self.policy.mask).sum(dim=1) / self.policy.lengths.clamp(min=1)


NEEDS = {
    "policy": "the model's answers",
    "reference": "the reference's predictions",
    "reference_sums": "the reference's log-probabilities of the answers",
    "other": "a second answer to each question",
    "other_reference_sums": "the reference's log-probabilities of the second answers",
    "hidden": "hidden states",
    "hidden_target": "what the hidden states are drawn to",
}
"""What a term may need, in words. `policy` is listed by terms whose gradient goes through the items' own answers."""


@dataclass(frozen=True)
class Term:
    """`function` gives one loss a sample, (batch,), for a forget term, and one a position, (batch, width), for a retain
    term. `needs` are names of `NEEDS`; `other` says which second answer is meant."""

    function: Callable[[Seen], Tensor]
    needs: frozenset[str]
    other: SecondAnswer = ""

    def __call__(self, seen: Seen) -> Tensor:
        """Raises `ValueError` when something that the term needs is not there."""
        for name in sorted(self.needs):
            if getattr(seen, name) is None:
                raise ValueError(f"this term needs {NEEDS[name]}")
        return self.function(seen)
