"""A method put together: the sum of its terms, and what it refuses."""

from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from backend.benchmarks.demo import DemoBenchmark
from backend.models.answers import read_answers
from backend.models.encoding import Encoder
from backend.models.lineage import make_trainable
from backend.models.loading import load
from backend.objectives.objective import ObjectiveLoss
from backend.spec import Objective, Training

CPU = torch.device("cpu")


@pytest.fixture
def batch(world: DemoBenchmark, demo_folder: Path) -> dict[str, dict[str, torch.Tensor]]:
    encoder = Encoder(load(demo_folder, device=CPU).processor)
    rows = [
        encoder.encode(item.question, item.answer, item.image) for item in world.training_items(("p01", "p02"))[::40]
    ]
    return {"forget": encoder.collate(rows[:3]), "retain": encoder.collate(rows[3:6])}


def test_graddiff_is_alpha_retain_minus_gamma_forget(demo_folder: Path, batch: dict) -> None:
    model = load(demo_folder, device=CPU).model
    losses = ObjectiveLoss(Objective(forget="ga", retain="ce", forget_weight=2, retain_weight=3), model)(model, batch)
    forget, retain = read_answers(model, batch["forget"]), read_answers(model, batch["retain"])
    by_hand = 2 * forget.means.mean() - 3 * retain.token_log_probs.sum() / retain.mask.sum()
    assert torch.allclose(losses.total, by_hand)
    assert losses.parts["forget_loss"] == pytest.approx(-forget.means.mean().item(), rel=1e-5)


def test_a_term_that_lacks_its_items_is_refused(demo_folder: Path, batch: dict) -> None:
    model = load(demo_folder, device=CPU).model
    with pytest.raises(ValueError, match="forget items"):
        ObjectiveLoss(Objective(forget="ga", retain="ce"), model)(model, {"retain": batch["retain"]})


def test_an_objective_that_does_nothing_cannot_be_made() -> None:
    with pytest.raises(ValidationError, match="nothing would be trained"):
        Objective(forget="none", retain="ce", retain_weight=0)


@pytest.mark.parametrize("adapter", ["lora", "full"])
def test_kl_is_zero_at_the_start_and_later_the_distance_from_the_model_as_it_was(
    demo_folder: Path, batch: dict, adapter: str
) -> None:
    as_it_was = load(demo_folder, device=CPU).model
    model = make_trainable(load(demo_folder, device=CPU).model, Training(adapter=adapter))
    objective = ObjectiveLoss(Objective(forget="none", retain="kl"), model)
    assert objective(model, batch).parts["loss"] == pytest.approx(0, abs=1e-6)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.02)
        answers, before = read_answers(model, batch["retain"]), read_answers(as_it_was, batch["retain"])
    log_policy, log_reference = answers.logits.log_softmax(-1), before.logits.log_softmax(-1)
    per_token = torch.nn.functional.kl_div(log_policy, log_reference, log_target=True, reduction="none").sum(-1)
    by_hand = float((per_token * answers.mask).sum() / answers.mask.sum())
    assert by_hand > 1e-3
    assert objective(model, batch).parts["loss"] == pytest.approx(by_hand, rel=1e-4)
