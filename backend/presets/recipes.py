"""With what the papers trained models of several billion weights: the settings that many of their methods share.

The benchmarks' code trains in fp16; here bf16 stands for it. Sources: the papers' repositories as they were in 2026.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backend.presets.method import Recipe

Settings = Mapping[str, Any]
SHORT: dict[str, Any] = {"adam_beta2": 0.98}
"""On the demo: runs of some dozen steps, to the end of which a β₂ of 0.999 would remember the first gradients."""
HALF: Settings = {"precision": "bf16"}
MLLMU_LORA = {**HALF, "lora_rank": 16, "lora_alpha": 16, "lora_dropout": 0.05, "batch_size": 4}
WHOLE = {**HALF, "adapter": "full", "gradient_checkpointing": True}
EVEN: Settings = {"retain_weight": 1.0}
"""One to one, as most papers weigh the two terms."""


def mllmu(**objective: Any) -> Recipe:
    """MLLMU-Bench's README."""
    return Recipe(
        "MLLMU-Bench: LoRA r16 α16 on the language model, learning rate 2e-5, 1 epoch, batch 4",
        {**MLLMU_LORA, "learning_rate": 2e-5},
        1,
        objective or {},
    )


def mmunlearner(**objective: Any) -> Recipe:
    """The baselines in MMUnlearner's repository."""
    return Recipe(
        "MMUnlearner: LoRA r16 α16 on the whole model, learning rate 1e-5, 1 epoch, batch 4",
        {**MLLMU_LORA, "learning_rate": 1e-5, "modules": "all"},
        1,
        objective or {},
    )


def clear(objective: Settings | None = None, **training: Any) -> Recipe:
    """CLEAR's forget.yaml. It means to freeze the vision tower, and its code does not."""
    return Recipe(
        "CLEAR: all weights of the whole model, learning rate 1e-5, 5 epochs, batch 2 × 4",
        {**WHOLE, "modules": "all", "learning_rate": 1e-5, "batch_size": 2, "accumulation": 4} | training,
        5,
        objective or {},
    )


def clear_lora(**objective: Any) -> Recipe:
    """CLEAR with the adapter of its finetune.yaml, on which its l1 is laid."""
    return Recipe(
        "CLEAR: LoRA r8 α32, learning rate 1e-5, 5 epochs, batch 2 × 4",
        {**HALF, "lora_rank": 8, "lora_alpha": 32, "modules": "all"}
        | {"learning_rate": 1e-5, "batch_size": 2, "accumulation": 4},
        5,
        objective or {},
    )


def offside(epochs: float, rank: int = 8, alpha: int = 32, objective: Settings | None = None, **more: Any) -> Recipe:
    """OFFSIDE's baselines. Their adapters sit on q and v alone; here on every linear layer of the language model."""
    return Recipe(
        f"OFFSIDE: LoRA r{rank} α{alpha} on q and v, learning rate 5e-5, {epochs:g} epochs, batch 4",
        {**HALF, "lora_rank": rank, "lora_alpha": alpha, "lora_dropout": 0.05, "learning_rate": 5e-5, "batch_size": 4}
        | more,
        epochs,
        objective or {},
    )


def tofu(objective: Settings | None = None) -> Recipe:
    """TOFU's forget.yaml and forget.py: 32 items a step in all, the learning rate rising in the first of the epochs."""
    return Recipe(
        "TOFU, on text: all weights of the language model, learning rate 1e-5, 5 epochs, batch 8 × 4",
        {**WHOLE, "learning_rate": 1e-5, "batch_size": 8, "accumulation": 4, "weight_decay": 0.01, "warmup": 0.2},
        5,
        objective or {},
    )


def open_unlearning(epochs: float = 10, rate: float = 1e-5, objective: Settings | None = None) -> Recipe:
    """What open-unlearning trains text models with; no paper has used these methods on the four benchmarks."""
    return Recipe(
        f"open-unlearning, on text: all weights of the language model, learning rate {rate:g}, {epochs:g} epochs, "
        "batch 8 × 4",
        {**WHOLE, "learning_rate": rate, "batch_size": 8, "accumulation": 4},
        epochs,
        objective or {},
    )
