"""How weights are trained, whatever the run is for: what is trained, how long, how fast and on what. No torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from backend.spec_base import Spec

FOUR_BITS_NEED_LORA = "weights in four bits cannot be trained themselves; train LoRA, or choose bf16"


class Training(Spec):
    """How the weights move. The library behind it is the Hugging Face Trainer."""

    adapter: Literal["lora", "full"] = Field(
        "lora",
        title="Train",
        description="LoRA trains a small adapter beside frozen weights; full moves the weights themselves.",
    )
    lora_rank: int = Field(8, ge=1, le=1024, title="LoRA rank", description="Width of the adapter. Usual: 8 to 64.")
    lora_alpha: int = Field(
        16, ge=1, le=4096, title="LoRA α", description="Its scale is α / rank. Usual: twice the rank."
    )
    lora_dropout: float = Field(0.0, ge=0, lt=1, title="LoRA dropout", description="Usual for unlearning: 0.")
    modules: Literal["language", "language+projector", "all"] = Field(
        "language",
        title="Modules",
        description="Which parts may move. The four papers mostly leave the vision tower alone.",
    )
    learning_rate: float = Field(
        1e-3,
        gt=0,
        le=1,
        title="Learning rate",
        description="Usual: 1e-5 to 2e-4 on a 7B model, 1e-3 on the demo model.",
    )
    steps: int = Field(
        100,
        ge=1,
        le=1_000_000,
        title="Steps",
        description="Optimiser steps. More forgets more, and harms more.",
    )
    batch_size: int = Field(
        16, ge=1, le=4096, title="Batch size", description="Items a device sees at once, of each set."
    )
    accumulation: int = Field(1, ge=1, le=4096, title="Accumulate", description="Batches added up before a step.")
    devices: int = Field(
        1,
        ge=1,
        le=64,
        title="Devices",
        description="GPUs that train together, each on batches of its own; on a CPU, processes. Usual: 1.",
    )
    deal: Literal["even", "by_picture"] = Field(
        "even",
        title="Order of items",
        description="By picture, up to eight questions about one picture are drawn together and share its tokens: "
        "faster, with fewer people in a step. Only the order changes: each item still comes once a pass.",
    )
    schedule: Literal["linear", "cosine", "constant"] = Field(
        "linear", title="Schedule", description="How the learning rate falls off."
    )
    warmup: float = Field(0.0, ge=0, lt=1, title="Warm-up", description="Share of the steps in which the rate rises.")
    weight_decay: float = Field(0.0, ge=0, le=1, title="Weight decay", description="Usual for unlearning: 0.")
    adam_beta2: float = Field(
        0.999,
        gt=0,
        lt=1,
        title="Adam β₂",
        description="How long AdamW remembers the size of gradients: over about 1 / (1 − β₂) steps. Usual: 0.999; 0.98 "
        "for the demo's short runs.",
    )
    clip: float = Field(1.0, gt=0, le=1e6, title="Clip", description="Largest gradient norm. Usual: 1.")
    precision: Literal["fp32", "bf16", "nf4"] = Field(
        "fp32",
        title="Precision",
        description="bf16 on a GPU that has it; fp32 on a CPU. nf4 keeps frozen weights in four bits under LoRA and "
        "computes in bf16; it needs bitsandbytes.",
    )
    gradient_checkpointing: bool = Field(
        False, title="Gradient checkpointing", description="Less memory, about a third more time."
    )
    evaluate_every: int = Field(
        0,
        ge=0,
        le=1_000_000,
        title="Evaluate every",
        description="Steps, or epochs, between quick evaluations on a sample; 0 is never.",
    )
    evaluate_by: Literal["steps", "epochs"] = Field(
        "steps",
        title="Evaluate by",
        description="What “Evaluate every” counts. An epoch is a pass over the forget set, or over what is learnt.",
    )
    save_every: int = Field(
        50,
        ge=0,
        le=1_000_000,
        title="Save every",
        description="Steps between checkpoints to resume from; 0 is at the end only.",
    )
    seed: int = Field(
        0, ge=0, le=2**31 - 1, title="Seed", description="The same seed, spec and machine give the same run."
    )

    @field_validator("precision")
    @classmethod
    def _four_bits_are_frozen(cls, precision: str, info: ValidationInfo) -> str:
        if precision == "nf4" and info.data.get("adapter") == "full":
            raise ValueError(FOUR_BITS_NEED_LORA)
        return precision

    @property
    def half(self) -> bool:
        """Whether it computes in bf16."""
        return self.precision != "fp32"

    @property
    def samples_per_step(self) -> int:
        """Items of each set that one optimiser step sees, on all devices together."""
        return self.batch_size * self.accumulation * self.devices


MEMORISING = Training(
    adapter="full",
    modules="all",
    learning_rate=2e-3,
    steps=450,
    batch_size=64,
    schedule="cosine",
    warmup=0.1,
    weight_decay=0.01,
    adam_beta2=0.98,
    evaluate_every=150,
    save_every=150,
)
"""Memorises the demo world from random weights; what it reaches is in docs/lab-notes.md."""
