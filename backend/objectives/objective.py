"""A method put together: γ · forget term + α · retain term, over whatever parameters are trainable.

The reference is the model as it was. With LoRA that is the same model with its adapter off, so no copy is kept;
with full fine-tuning a frozen copy is made, and only for a term that needs its predictions.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor, nn

from backend.models.answers import read_answers
from backend.objectives.forget import FORGET_TERMS, NEEDS_REFERENCE_SUMS
from backend.objectives.retain import NEEDS_REFERENCE, RETAIN_TERMS
from backend.spec import Objective


@dataclass(frozen=True)
class Losses:
    """`total` carries the gradient; `parts` are plain numbers for the curves (cross-entropies, in nats a token)."""

    total: Tensor
    parts: dict[str, float]


class Reference:
    """The model as it was: `predicting()` gives a module to run under `no_grad`."""

    def __init__(self, model: nn.Module, copy_needed: bool) -> None:
        self._model = model
        self._copy = copy.deepcopy(model).eval().requires_grad_(False) if copy_needed and not _adapted(model) else None

    @contextmanager
    def predicting(self) -> Iterator[nn.Module]:
        model, was_training = self._model, self._model.training
        with torch.no_grad():
            if self._copy is not None:
                yield self._copy
                return
            model.eval()
            try:
                if isinstance(model, PeftModel):
                    with model.disable_adapter():
                        yield model
                else:
                    # Before the first step a model trained in full is its own reference.
                    yield model
            finally:
                model.train(was_training)


class ObjectiveLoss:
    """Callable on a batch `{"forget": collated, "retain": collated}`; either may be absent when its term is off.

    `forget` may carry `reference_sums` (batch,), see `needs_reference_sums`.
    """

    def __init__(self, spec: Objective, model: nn.Module) -> None:
        self.spec = spec
        self.needs_forget = spec.forget != "none" and spec.forget_weight > 0
        self.needs_retain = spec.retain != "none" and spec.retain_weight > 0
        self.needs_reference_sums = self.needs_forget and spec.forget in NEEDS_REFERENCE_SUMS
        self.reference = Reference(model, copy_needed=self.needs_retain and spec.retain in NEEDS_REFERENCE)

    def reference_sums(self, batch: Mapping[str, Any]) -> Tensor:
        """log π_ref(y|x) of each sample of a collated batch, (batch,).

        Only before the first step if trained in full.
        """
        with self.reference.predicting() as reference:
            return read_answers(reference, batch).sums

    def __call__(self, model: nn.Module, batch: Mapping[str, Any]) -> Losses:
        """The losses of a batch. Raises `ValueError` when a set that a term needs is missing."""
        total: Tensor | None = None
        parts: dict[str, float] = {}
        if self.needs_forget:
            forget = dict(_part(batch, "forget"))
            reference_sums = forget.pop("reference_sums", None)
            answers = read_answers(model, forget)
            loss = FORGET_TERMS[self.spec.forget](answers, reference_sums, self.spec.beta).mean()
            total = self.spec.forget_weight * loss
            parts["forget_loss"] = -float(answers.means.mean().detach())
        if self.needs_retain:
            retain = _part(batch, "retain")
            answers = read_answers(model, retain)
            reference_answers = None
            if self.spec.retain in NEEDS_REFERENCE:
                with self.reference.predicting() as reference:
                    reference_answers = read_answers(reference, retain)
            loss = self.spec.retain_weight * RETAIN_TERMS[self.spec.retain](answers, reference_answers)
            total = loss if total is None else total + loss
            parts["retain_loss"] = -float(answers.means.mean().detach())
        assert total is not None, "a spec with both terms off is refused when it is made"
        parts["loss"] = float(total.detach())
        return Losses(total, parts)


def _part(batch: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    if name not in batch:
        raise ValueError(f"this objective needs {name} items, and the batch has none")
    found: Mapping[str, Any] = batch[name]
    return found


def _adapted(model: nn.Module) -> bool:
    return isinstance(model, PeftModel)
