"""How much each weight matters to some data, from the gradient of its loss, summed up in float32 whatever its own type.

A gradient is taken in and let go of while it is backpropagated, so the gradients of a model never all live at once, and
only those of the weights asked for are computed. Squares of small gradients vanish in half precision, and with them
the mask; nothing here is ever kept in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from backend.models.answers import read_answers

Batch = TypeVar("Batch")
Weights = Mapping[str, nn.Parameter]


def answer_loss(model: nn.Module) -> Callable[[Mapping[str, Any]], Tensor]:
    """The cross-entropy of a collated batch, in nats, a mean over its labelled tokens."""

    def loss(batch: Mapping[str, Any]) -> Tensor:
        answers = read_answers(model, batch)
        return -answers.token_log_probs.sum() / answers.mask.sum()

    return loss


def mean_squares(
    model: nn.Module, weights: Weights, batches: Iterable[Batch], loss: Callable[[Batch], Tensor]
) -> dict[str, Tensor]:
    """The mean over batches of the squared gradient of a batch's loss, by name, float32 on the weight's device.

    The square is that of a batch's gradient, as MMUnlearner's code has it; with batches of one it is the diagonal of
    the empirical Fisher information. Raises `ValueError` when there is no batch.
    """
    return _mean(model, weights, batches, loss, lambda total, gradient: total.addcmul_(gradient, gradient))


def mean_gradients(
    model: nn.Module, weights: Weights, batches: Iterable[Batch], loss: Callable[[Batch], Tensor]
) -> dict[str, Tensor]:
    """The mean over batches of the gradient itself, by name, float32. Raises `ValueError` when there is no batch."""
    return _mean(model, weights, batches, loss, lambda total, gradient: total.add_(gradient))


def _mean(
    model: nn.Module,
    weights: Weights,
    batches: Iterable[Batch],
    loss: Callable[[Batch], Tensor],
    take: Callable[[Tensor, Tensor], Tensor],
) -> dict[str, Tensor]:
    totals = {name: torch.zeros_like(weight, dtype=torch.float32) for name, weight in weights.items()}
    count = 0
    with _only(model, weights), ExitStack() as hooks:
        for name, weight in weights.items():
            handle = weight.register_post_accumulate_grad_hook(_taking(totals[name], take))
            hooks.callback(handle.remove)
        for batch in batches:
            value = loss(batch)
            # A question without a picture never reaches the vision tower: nothing there matters to it.
            if value.requires_grad:
                value.backward()
            count += 1
    if not count:
        raise ValueError("there is no data to measure gradients on")
    return {name: total / count for name, total in totals.items()}


def _taking(total: Tensor, take: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor], None]:
    def hook(weight: Tensor) -> None:
        assert weight.grad is not None
        take(total, weight.grad.float())
        weight.grad = None

    return hook


@contextmanager
def _only(model: nn.Module, weights: Weights) -> Iterator[None]:
    """Until left, these weights alone have gradients, and the model is as it answers: no dropout."""
    before, training = {weight: weight.requires_grad for weight in model.parameters()}, model.training
    chosen = set(weights.values())
    try:
        for weight in before:
            weight.requires_grad_(weight in chosen)
        model.eval()
        yield
    finally:
        for weight, needed in before.items():
            weight.requires_grad_(needed)
        model.train(training)
