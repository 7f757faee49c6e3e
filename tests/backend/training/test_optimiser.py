"""What the optimiser is set to: the demo's short runs as they were measured, a paper's as its code has it."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import nn

from backend.objectives.objective import ObjectiveLoss
from backend.presets import PRESETS, fill
from backend.spec import FinetuneSpec, Objective, Training
from backend.spec_edit import trains
from backend.training.plan import PairedPlan
from backend.training.trainer import LetheTrainer


class Silent:
    """A watcher that wants nothing."""

    def stepped(self, step: int, figures: dict[str, float]) -> str:
        return "none"

    def evaluate(self, step: int) -> str:
        return "none"

    def save(self, step: int, write: object) -> None: ...


def trainer_of(training: Training, folder: Path) -> LetheTrainer:
    model = nn.Linear(2, 2)
    return LetheTrainer(
        model=model,
        objective=ObjectiveLoss(Objective(forget="ga", retain="none"), model),
        plan=PairedPlan(4, None, 4, 0),
        collate=lambda rows: {},
        training=training,
        folder=folder,
        watcher=Silent(),
        use_cpu=True,
    )


@pytest.mark.parametrize(
    ("training", "beta2"),
    [
        (fill("npo").training, 0.98),
        (fill("npo", "paper").training, 0.999),
        (FinetuneSpec().training, 0.98),
        (Training(), 0.999),
    ],
    ids=["the demo's", "a paper's", "memorising", "usual"],
)
def test_the_optimiser_has_the_betas_of_the_settings(training: Training, beta2: float, tmp_path: Path) -> None:
    optimiser = trainer_of(training.model_copy(update={"precision": "fp32"}), tmp_path).create_optimizer()
    assert {group["betas"] for group in optimiser.param_groups} == {(0.9, beta2)}


def test_every_published_method_is_as_measured_on_the_demo_and_as_published_elsewhere() -> None:
    for name, one in PRESETS.items():
        if trains(one.edit.method):
            assert fill(name).training.adam_beta2 == 0.98, name
        for variant in ("", *one.variants):
            said = f"{name}:{variant}" if variant else name
            assert fill(said, "paper").training.adam_beta2 == 0.999, said
