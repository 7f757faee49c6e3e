"""A method put together: γ · forget term + α · retain term + λ · regulariser, over whatever parameters are trainable.

The terms of a step are handed out one after the other, so that each is backpropagated by itself and two graphs never
live at once. The reference is the model as it was: with LoRA the same model with its adapter off; with full
fine-tuning a frozen copy, made only for a term that needs its predictions.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor, nn

from backend.models.answers import Answers, read_answers
from backend.objectives.forget import FORGET_TERMS
from backend.objectives.hidden import blocks_to, read_hidden
from backend.objectives.regularisers import REGULARISERS, is_lora
from backend.objectives.retain import RETAIN_TERMS
from backend.objectives.schedule import Dual, Turns
from backend.objectives.seen import ObjectiveRefused, SecondAnswer, Seen, Term
from backend.spec_objective import L1_NEEDS_LORA, Objective

Batch = Mapping[str, Any]
MASKS_EVERY_TERM = ("salun",)
"""Masks that are laid over the whole step: SalUn's code multiplies the gradients of its retain batches too, while
MMUnlearner's leaves its retain steps free."""
KEPT = ("reference_sums",)
"""What a batch may carry besides the model's inputs and its labels."""


@dataclass(frozen=True)
class Part:
    """One term of a step: `name` is `forget`, `retain` or `regulariser`; `loss` is weighted and carries the gradient;
    `figures` are plain numbers for the curves (cross-entropies, in nats a token)."""

    name: str
    loss: Tensor
    figures: dict[str, float] = field(default_factory=dict)


class Reference:
    """The model as it was, or another that is `given`: `predicting()` gives a module to run under `no_grad`."""

    def __init__(self, model: nn.Module, copy_needed: bool, given: nn.Module | None = None) -> None:
        self._model = model
        self.autocast: Callable[[], AbstractContextManager[Any]] = nullcontext
        """The precision the copy is run in; whoever trains the model sets it to its own."""
        adapted = isinstance(model, PeftModel)
        self._copy = given
        if given is None and copy_needed and not adapted:
            self._copy = copy.deepcopy(model).eval().requires_grad_(False)
        self._gone = False

    def let_go(self) -> None:
        """Frees the copy or the given model; nothing can be asked from then on."""
        self._gone = self._gone or self._copy is not None
        self._copy = None

    @property
    def module(self) -> nn.Module:
        """The copy or the given model where there is one, else the model itself."""
        return self._copy if self._copy is not None else self._model

    @contextmanager
    def predicting(self) -> Iterator[nn.Module]:
        if self._gone:
            raise RuntimeError("the reference was let go; what is needed of it has to be kept before")
        model, was_training = self._model, self._model.training
        with torch.no_grad():
            if self._copy is not None:
                with self.autocast():
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
    """`parts` of a batch `{"forget": collated, "retain": collated, "other": collated}`; what no term needs may be left
    out. `other` holds the second answers to the forget items, k rows for each; `forget` and `other` carry
    `reference_sums` where `needs_reference_sums` and `needs_other_sums` ask for them.

    `forget_mask` holds, by parameter name, what the gradient of the forget term is multiplied with, and under SalUn
    that of every term, as in its code; a parameter that is not in it moves freely. `turns` say which terms a step has.
    `second` is the kind of second answer that is needed.
    `steps` are the whole run's. `reference` is the model that π_ref is, where that is not the model as it was.
    """

    def __init__(
        self,
        spec: Objective,
        model: nn.Module,
        *,
        seed: int = 0,
        steps: int = 0,
        turns: Turns | None = None,
        forget_mask: Mapping[str, Tensor] | None = None,
        reference: nn.Module | None = None,
    ) -> None:
        """Raises `ObjectiveRefused` when the method does not fit the model."""
        self.spec = spec
        self.turns = turns or Turns.of(spec)
        self.needs_forget, self.needs_retain = spec.forgets, spec.retains
        self._forget = FORGET_TERMS[spec.forget] if self.needs_forget else None
        self._retain = RETAIN_TERMS[spec.retain] if self.needs_retain else None
        self.needs_reference_sums = self._needs("reference_sums")
        self.needs_other_sums = self._needs("other_reference_sums")
        self.second: SecondAnswer = self._forget.other if self._forget is not None else ""
        retain_hidden = self._retain is not None and "hidden" in self._retain.needs
        self.reference = Reference(model, self._needs("reference") or retain_hidden, given=reference)
        self.dual = Dual(spec, steps) if self.needs_forget and spec.forget == "pdu" else None
        self._blocks = blocks_to(model, spec.layer) if self._needs("hidden") else None
        self._reference_blocks = blocks_to(self.reference.module, spec.layer) if retain_hidden else None
        self._weights = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
        self._start = self._starting_weights()
        self._mask = dict(forget_mask or {})
        self._check_mask()
        self._seed = seed
        self._direction: Tensor | None = None
        self._retain_losses: list[float] = []

    # -- a step ---------------------------------------------------------------------------------------------------

    def parts(
        self, model: nn.Module, batch: Mapping[str, Batch], step: int, retain_tokens: float | None = None
    ) -> Iterator[Part]:
        """The terms of a batch in step `step` (counted from 0), one after the other.

        Backpropagate and let go of a part before the next is asked for. `retain_tokens` is what the sum over retain
        tokens is divided by: the mean number of a batch in this step, and by default the batch's own. Raises
        `ValueError` when a set that a term needs is missing.
        """
        turn = self.turns.at(step)
        if "forget" in turn:
            with self._masked():
                yield self._forget_part(model, batch)
        with self._masked() if self.spec.mask in MASKS_EVERY_TERM else nullcontext():
            if "retain" in turn:
                yield self._retain_part(model, _set(batch, "retain"), retain_tokens)
            if self.spec.regulariser != "none":
                loss = REGULARISERS[self.spec.regulariser](self._weights, self._start)
                yield Part("regulariser", self.spec.regulariser_weight * loss, {"regulariser": float(loss.detach())})

    def finish_step(self, done: int, average: Callable[[float], float] = float) -> None:
        """Called after each optimiser step; `done` is how many there have been. Moves PDU's multiplier.

        `average` takes the mean over devices.
        """
        if self.dual is not None and self._retain_losses:
            self.dual.follow(done, average(sum(self._retain_losses) / len(self._retain_losses)))
        self._retain_losses.clear()

    def reference_sums(self, batch: Batch) -> Tensor:
        """log π_ref(y|x) of each sample of a collated batch, (batch,).

        Only before the first step if trained in full.
        """
        with self.reference.predicting() as reference:
            return read_answers(reference, batch).sums

    def sums_are_kept(self) -> None:
        """Every item has its `reference_sums`: a reference of which no more is needed makes room."""
        if not self._needs("reference") and self._reference_blocks is None:
            self.reference.let_go()

    def state(self) -> dict[str, float]:
        """What moves with the run and is neither weights nor optimiser: kept with a checkpoint."""
        return {"dual": self.dual.value} if self.dual is not None else {}

    def load_state(self, state: Mapping[str, float]) -> None:
        """Takes up what `state` answered."""
        if self.dual is not None:
            self.dual.value = state["dual"]

    # -- the terms ------------------------------------------------------------------------------------------------

    def _forget_part(self, model: nn.Module, batch: Mapping[str, Batch]) -> Part:
        assert self._forget is not None
        needs, forget = self._forget.needs, _set(batch, "forget")
        # A term that does not look at the true answers still has its curve.
        with torch.set_grad_enabled("policy" in needs):
            policy, hidden = self._read(model, forget, "hidden" in needs)
        other = _set(batch, "other") if "other" in needs else None
        seen = Seen(
            policy,
            self.spec,
            reference=self._ask_reference(forget) if "reference" in needs else None,
            reference_sums=forget.get("reference_sums"),
            other=read_answers(model, _inputs(other)) if other is not None else None,
            other_reference_sums=other.get("reference_sums") if other is not None else None,
            hidden=hidden,
            hidden_target=self._random_direction(hidden) if hidden is not None else None,
        )
        figures = {"forget_loss": _nats(policy)}
        if seen.other is not None:
            figures["other_loss"] = _nats(seen.other)
        return Part("forget", self.spec.forget_weight * self._forget(seen).mean(), figures)

    def _retain_part(self, model: nn.Module, retain: Batch, tokens: float | None) -> Part:
        assert self._retain is not None
        needs = self._retain.needs
        target: Tensor | None = None
        reference: Answers | None = None
        if self._reference_blocks is not None:
            with self.reference.predicting() as module:
                _, target = read_hidden(self._reference_blocks, read_answers, module, _inputs(retain))
        elif "reference" in needs:
            reference = self._ask_reference(retain)
        policy, hidden = self._read(model, retain, "hidden" in needs)
        seen = Seen(policy, self.spec, reference=reference, hidden=hidden, hidden_target=target)
        summed = (self._retain(seen) * policy.mask).sum()
        loss = summed / (policy.mask.sum() if tokens is None else tokens)
        figures = {"retain_loss": _nats(policy)}
        weight = self.spec.retain_weight
        if self.dual is not None:
            self._retain_losses.append(float(loss.detach()))
            weight = figures["dual"] = self.dual.value
        return Part("retain", weight * loss, figures)

    def _read(self, model: nn.Module, batch: Batch, hidden: bool) -> tuple[Answers, Tensor | None]:
        if not hidden:
            return read_answers(model, _inputs(batch)), None
        assert self._blocks is not None
        return read_hidden(self._blocks, read_answers, model, _inputs(batch))

    def _ask_reference(self, batch: Batch) -> Answers:
        with self.reference.predicting() as reference:
            return read_answers(reference, _inputs(batch))

    def _random_direction(self, hidden: Tensor) -> Tensor:
        """c · u, u of length 1 with entries drawn evenly from 0 to 1, as in RMU's paper; the same for the whole run."""
        if self._direction is None:
            drawn = torch.rand(hidden.shape[-1], generator=torch.Generator().manual_seed(self._seed))
            self._direction = self.spec.rmu_scale * drawn / drawn.norm()
        return self._direction.to(hidden.device)

    # -- putting together -----------------------------------------------------------------------------------------

    def _terms(self) -> list[Term]:
        return [term for term in (self._forget, self._retain) if term is not None]

    def _needs(self, name: str) -> bool:
        return any(name in term.needs for term in self._terms())

    def _starting_weights(self) -> dict[str, Tensor]:
        if self.spec.regulariser == "l1_lora" and not any(map(is_lora, self._weights)):
            raise ObjectiveRefused(L1_NEEDS_LORA)
        if self.spec.regulariser != "l2_start":
            return {}
        return {name: weight.detach().clone() for name, weight in self._weights.items()}

    def _check_mask(self) -> None:
        stray = [name for name in self._mask if name not in self._weights]
        if stray:
            raise ObjectiveRefused(
                f"the mask names {stray[0]!r}, which is no weight that this run trains; "
                "make the mask for the same modules and the same kind of training"
            )
        if self._mask and not self.needs_forget:
            raise ObjectiveRefused("a mask needs a forget term, whose gradient it is laid over")
        for name, mask in self._mask.items():
            if mask.shape != self._weights[name].shape:
                raise ObjectiveRefused(f"the mask of {name!r} has not the shape of the weight")

    @contextmanager
    def _masked(self) -> Iterator[None]:
        """Until left, a gradient that reaches a masked parameter is multiplied on its way, before it is added up."""
        handles = [self._weights[name].register_hook(_laid_over(mask)) for name, mask in self._mask.items()]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


def _laid_over(mask: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda gradient: gradient * mask.to(gradient.device, gradient.dtype)


def _set(batch: Mapping[str, Batch], name: str) -> Batch:
    if name not in batch:
        raise ValueError(f"this objective needs {name} items, and the batch has none")
    return batch[name]


def _inputs(batch: Batch) -> dict[str, Any]:
    return {key: value for key, value in batch.items() if key not in KEPT}


def _nats(answers: Answers) -> float:
    return -float(answers.means.mean().detach())
