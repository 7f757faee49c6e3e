"""The published methods, as data: an objective, its source, its defaults, and where the papers' code differs.

A preset never trains anything itself: it fills in an `UnlearnSpec`, and everything in it can be changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from backend.spec import Objective, Training, UnlearnSpec


@dataclass(frozen=True)
class Preset:
    """A method under the name its paper gave it. `formula` is what is minimised, in plain mathematics. `training` are
    defaults for the demo model; `published` says what the papers used on models of several billion weights."""

    name: str
    title: str
    formula: str
    source: str
    about: str
    differs: str
    published: str
    objective: Objective
    training: dict[str, Any] = field(default_factory=dict)


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            name="ga",
            title="GA",
            formula="γ · mean log π_θ(y|x) on forget",
            source="Gradient ascent, Jang et al. 2023 (arXiv 2210.01504)",
            about="Plain ascent on the answers to forget. Unbounded: it soon harms everything else.",
            differs="MLLMU-Bench's code also ascends on the question; here only on the answer.",
            published="MLLMU-Bench: LoRA r16 α16, learning rate 2e-5, 1 epoch, batch 4",
            objective=Objective(forget="ga", retain="none"),
            training={"steps": 20, "learning_rate": 2e-3, "batch_size": 24},
        ),
        Preset(
            name="graddiff",
            title="GradDiff",
            formula="γ · mean log π_θ(y|x) on forget + α · CE on retain",
            source="Gradient difference, Liu et al. 2022 (arXiv 2203.12817)",
            about="Ascent on what must go, descent on what must stay, in the same step.",
            differs="MLLMU-Bench's code alternates whole passes; here the two are summed, as CLEAR's code does.",
            published="MLLMU-Bench: LoRA r16 α16, learning rate 2e-5, 1 epoch, batch 4",
            objective=Objective(forget="ga", retain="ce", retain_weight=4.0),
            training={"steps": 60, "learning_rate": 2e-3, "batch_size": 24},
        ),
        Preset(
            name="kl",
            title="KL",
            formula="γ · mean log π_θ(y|x) on forget + α · KL(π_ref ‖ π_θ) on retain",
            source="KL minimisation, Maini et al. 2024 (TOFU, arXiv 2401.06121)",
            about="Ascent on what must go; on the rest, stay close to the model as it was.",
            differs=(
                "MLLMU-Bench's code sums the divergence over the prompt and padding; here answer tokens only, averaged."
            ),
            published="MLLMU-Bench: LoRA r16 α16, learning rate 2e-5, 1 epoch, batch 4",
            objective=Objective(forget="ga", retain="kl", retain_weight=4.0),
            training={"steps": 60, "learning_rate": 1e-3, "batch_size": 24},
        ),
        Preset(
            name="npo",
            title="NPO",
            formula="γ · −(2/β) log σ(−β (log π_θ(y|x) − log π_ref(y|x))) on forget + α · CE on retain",
            source="Negative preference optimisation, Zhang et al. 2024 (arXiv 2404.05868)",
            about="A bounded push away from the reference that fades once an answer is gone.",
            differs="MLLMU-Bench's and OFFSIDE's code take the token mean and a retain-tuned reference; "
            "here the sequence sum and the model as it was, as in the paper.",
            published="MLLMU-Bench: LoRA r16 α16, learning rate 2e-5, 1 epoch, batch 4, β 0.4; "
            "OFFSIDE: learning rate 5e-5, β 0.9",
            objective=Objective(forget="npo", retain="ce", beta=0.07, retain_weight=3.0),
            training={
                "steps": 60,
                "learning_rate": 3e-3,
                "batch_size": 32,
                "schedule": "cosine",
                "lora_rank": 32,
                "lora_alpha": 64,
            },
        ),
        Preset(
            name="retain_ft",
            title="Retain fine-tuning",
            formula="α · CE on retain",
            source="A baseline of CLEAR, Dontsov et al. 2024 (arXiv 2410.18057)",
            about="Goes on training on what must stay and hopes that the rest fades. It seldom does.",
            differs="As in CLEAR's code.",
            published="CLEAR: learning rate 1e-5, 5 epochs, batch 2, full weights",
            objective=Objective(forget="none", retain="ce"),
            training={"steps": 60, "learning_rate": 1e-3, "batch_size": 24},
        ),
    )
}


class UnknownPreset(ValueError):
    """There is no method of that name; the message lists those that are."""


def preset(name: str) -> Preset:
    """The preset of that name. Raises `UnknownPreset`."""
    try:
        return PRESETS[name]
    except KeyError:
        raise UnknownPreset(f"there is no method called {name!r}; there are {', '.join(PRESETS)}") from None


def fill(name: str, /, **changes: Any) -> UnlearnSpec:
    """An unlearning spec with a preset's objective and defaults. `changes` are fields of the spec; those of
    `objective` and `training` may be partial dictionaries and override the preset's.

    Raises `UnknownPreset`, and pydantic's error for a change that is no field or no value of one.
    """
    chosen = preset(name)
    usual = {"objective": chosen.objective.model_dump(), "training": Training().model_dump() | chosen.training}
    merged = {
        group: {**fields, **changes[group]} if isinstance(changes.get(group), Mapping) else changes.get(group, fields)
        for group, fields in usual.items()
    }
    return UnlearnSpec.model_validate({"preset": name, **changes, **merged})
