"""Regularisers: what keeps the change small. Each is one number, of the trainable weights alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

Weights = Mapping[str, nn.Parameter]


def l1_lora(weights: Weights, start: Mapping[str, Tensor]) -> Tensor:
    """Σ|A| + Σ|B| over the LoRA matrices (CLEAR, Dontsov et al. 2024, arXiv 2410.18057)."""
    return torch.stack([weight.abs().sum() for name, weight in weights.items() if is_lora(name)]).sum()


def l2_start(weights: Weights, start: Mapping[str, Tensor]) -> Tensor:
    """Σ (θ − θ_start)² over everything that is trained."""
    return torch.stack([(weight - start[name]).square().sum() for name, weight in weights.items()]).sum()


def is_lora(name: str) -> bool:
    """Whether a parameter of that name is a LoRA matrix."""
    return ".lora_" in name


REGULARISERS: dict[str, Callable[[Weights, Mapping[str, Tensor]], Tensor]] = {"l1_lora": l1_lora, "l2_start": l2_start}
