"""Whether two ways of getting logits are the same way to this model, tried on the model itself.

In fp32 a fixed share of the largest logit is told from a mistake easily. In half precision rounding is as large as a
small mistake, and how large hangs on the model: so the first way is gone once more with every state nudged by about one
rounding, and what that does to the logits is what rounding may do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from backend.models.anatomy import language_blocks

TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 0.05, torch.float16: 0.01}
"""Largest difference of two logits that may still be rounding, as a share of the largest logit."""
REFUSED = (TypeError, ValueError, RuntimeError, AttributeError, IndexError, KeyError)
"""How a model answers to a way that cannot be gone with it."""

STATES = "hidden_states"
"""What goes into a block, where a family hands it over by name."""

Way = Callable[[], Tensor]
"""Gives logits at the same places, in the same order, as every other way it is compared with."""


def gives_the_same(model: nn.Module, bare: Any, one: Way, other: Way, *, sharp: bool = True) -> bool:
    """Whether two ways of getting logits agree to rounding; a way that cannot be gone is answered with False.

    With `sharp` and in half precision, the difference (root mean square) is also held to what a nudge makes.
    """
    training = model.training
    computed = [next(weight.dtype for weight in bare.parameters() if weight.is_floating_point())]
    # A trainer may cast inside the forward pass, and hand out more digits than were reckoned with.
    hook = bare.get_output_embeddings().register_forward_hook(lambda _module, _given, out: computed.append(out.dtype))
    model.eval()
    try:
        with torch.no_grad():
            first, second = one(), other()
            coarsest = min(computed, key=lambda kind: kind.itemsize)
            if not _close(first, second, coarsest):
                return False
            if coarsest == torch.float32 or not sharp:
                return True
            with _nudged(bare, torch.finfo(coarsest).eps):
                nudged = one()
    except REFUSED:
        return False
    finally:
        hook.remove()
        model.train(training)
    return _size(first - second) <= _size(first - nudged)


def _close(one: Tensor, other: Tensor, kind: torch.dtype) -> bool:
    if one.shape != other.shape:
        return False
    return float((one - other).abs().max()) <= TOLERANCE.get(kind, 0.0) * float(one.abs().max())


def _size(values: Tensor) -> float:
    return float(values.float().square().mean().sqrt())


@contextmanager
def _nudged(bare: Any, share: float) -> Iterator[None]:
    """Until left, every number that goes into a language block is off by this share of itself, up or down by lot.

    In every block, because rounding is in every block.
    """
    draw = torch.Generator().manual_seed(0)

    def nudged(states: Tensor) -> Tensor:
        signs = torch.randint(0, 2, states.shape[-1:], generator=draw).to(states.device) * 2 - 1
        return (states * (1 + share * signs)).to(states.dtype)

    def nudge(_block: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> Any:
        if given:
            return (nudged(given[0]), *given[1:]), named
        return given, {**named, STATES: nudged(named[STATES])}

    with ExitStack() as hooks:
        for name in language_blocks(bare):
            hooks.callback(bare.get_submodule(name).register_forward_pre_hook(nudge, with_kwargs=True).remove)
        yield
