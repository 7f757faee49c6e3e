"""MLP neurons: found by structure, watched while a model reads, scored as MANU does, and cut.

A neuron is one number between an MLP's two sides: a row of what leads into it (one linear layer, or two where it is
gated) and a column of what leads out. Cutting it sets both to nothing, so what is left is an ordinary model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from backend.models.anatomy import language_blocks, vision_blocks

TINY = 1e-6
"""Keeps a quotient of nothing by nothing at nothing."""


@dataclass(frozen=True)
class Mlp:
    """`into` lead to the neurons, `out` leads away from them; neuron j is row j of each and column j of `out`."""

    name: str
    into: tuple[nn.Linear, ...]
    out: nn.Linear

    @property
    def neurons(self) -> int:
        return self.out.in_features


@dataclass
class Activity:
    """What neurons did: over `count` observations their sum, sum of squares, and how often they fired; (neurons,)
    each, float64."""

    count: int
    total: Tensor
    squares: Tensor
    fired: Tensor

    @classmethod
    def none(cls, neurons: int) -> Activity:
        return cls(0, *(torch.zeros(neurons, dtype=torch.float64) for _ in range(3)))

    def see(self, values: Tensor, fires_above: float) -> None:
        """Takes in observations, (observations, neurons)."""
        seen = values.detach().double().cpu()
        self.count += len(seen)
        self.total += seen.sum(dim=0)
        self.squares += seen.square().sum(dim=0)
        self.fired += (seen > fires_above).sum(dim=0)

    @property
    def mean(self) -> Tensor:
        """0 where nothing was seen."""
        return self.total / max(1, self.count)

    @property
    def variance(self) -> Tensor:
        return (self.squares / max(1, self.count) - self.mean.square()).clamp(min=0)


def mlps(model: PreTrainedModel, parts: tuple[str, ...]) -> dict[str, Mlp]:
    """The MLP of each language and vision block, of those parts that are asked for, by name.

    It is the module of a block that holds two or three linear layers and no other: the last leads from the neurons back
    to the block's width, the others from that width to the neurons. An attention has four, or one of another shape.
    """
    blocks = language_blocks(model) if "language" in parts else []
    blocks += vision_blocks(model) if "vision" in parts else []
    found: dict[str, Mlp] = {}
    for block in blocks:
        for name, module in model.get_submodule(block).named_modules(prefix=block):
            linear = [child for child in module.children() if isinstance(child, nn.Linear)]
            if len(linear) in (2, 3) and all(_leads_into(one, linear[-1]) for one in linear[:-1]):
                found[name] = Mlp(name, tuple(linear[:-1]), linear[-1])
    return found


def _leads_into(one: nn.Linear, out: nn.Linear) -> bool:
    return (one.in_features, one.out_features) == (out.out_features, out.in_features)


class Watch:
    """While `watching`, each forward adds to `activity` what the neurons of each MLP did.

    With `at`, the position of one token in each row (rows,), a row of an MLP that sees rows of tokens is one
    observation; for MLPs that see patches of pictures every patch is one.
    """

    def __init__(self, found: Mapping[str, Mlp], tokens: frozenset[str], fires_above: float) -> None:
        """`tokens` names the MLPs that see rows of tokens."""
        self.activity = {name: Activity.none(mlp.neurons) for name, mlp in found.items()}
        self.at: Tensor | None = None
        self._found, self._tokens, self._fires_above = found, tokens, fires_above

    @contextmanager
    def watching(self) -> Iterator[None]:
        with ExitStack() as hooks:
            for name, mlp in self._found.items():
                hooks.callback(mlp.out.register_forward_pre_hook(self._seeing(name)).remove)
            yield

    def _seeing(self, name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def hook(_: nn.Module, given: tuple[Tensor, ...]) -> None:
            values = given[0]
            if name in self._tokens and self.at is not None:
                values = values[torch.arange(len(values)), self.at.to(values.device)]
            self.activity[name].see(values.reshape(-1, values.shape[-1]), self._fires_above)

        return hook


def importance(pictured: Activity, plain: Activity) -> Tensor:
    """How much a neuron tells a question with its picture from the same question as text, (neurons,) (MANU,
    arXiv 2502.15910): I_abs + I_freq + I_var + I_rms.

    |μ₁ − μ₂| / (|μ₁| + |μ₂|), |n₁ − n₂| / (n₁ + n₂) of how often it fires, √(σ₁² + σ₂²), and √(|s₁ − s₂| / (s₁ + s₂))
    of summed squares. Published code divides the first by μ₁ + μ₂ with their signs, which has no bound; here the sizes
    are added. A vision tower does nothing for text, so that its neurons differ by their variance alone.
    """
    spread = (pictured.variance + plain.variance).sqrt()
    return (
        _apart(pictured.mean, plain.mean)
        + _apart(pictured.fired, plain.fired)
        + spread
        + _apart(pictured.squares, plain.squares).sqrt()
    )


def _apart(one: Tensor, other: Tensor) -> Tensor:
    return (one - other).abs() / (one.abs() + other.abs() + TINY)


def most_forgettable(forget: Mapping[str, Tensor], retain: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """By MLP the neurons (indices) among the largest `share` of I_forget / (I_retain + 10⁻⁶), taken together.

    Rounded to the nearest number of neurons; of equal ones the first.
    """
    names = list(forget)
    scores = torch.cat([forget[name] / (retain[name] + TINY) for name in names])
    wanted = round(share * len(scores))
    chosen = torch.zeros(len(scores), dtype=torch.bool)
    chosen[scores.argsort(descending=True, stable=True)[:wanted]] = True
    parts = chosen.split([len(forget[name]) for name in names])
    return {name: part.nonzero().flatten() for name, part in zip(names, parts, strict=True)}


def cut(found: Mapping[str, Mlp], chosen: Mapping[str, Tensor]) -> int:
    """Sets the rows and columns of these neurons to nothing, in place; how many of them did something before."""
    count = 0
    with torch.no_grad():
        for name, neurons in chosen.items():
            mlp = found[name]
            at = neurons.to(mlp.out.weight.device)
            count += int(mlp.out.weight[:, at].any(dim=0).sum())
            mlp.out.weight[:, at] = 0
            for one in mlp.into:
                one.weight[at] = 0
                if one.bias is not None:
                    one.bias[at] = 0
    return count
