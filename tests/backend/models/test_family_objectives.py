"""Every kind of objective on every family: a step lowers what is minimised, and moves what it may and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from backend.models.answers import read_answers
from backend.models.encoding import Encoded
from backend.models.lineage import make_trainable
from backend.objectives.hidden import blocks_to, read_hidden
from backend.objectives.masks import salun_mask
from backend.objectives.objective import ObjectiveLoss
from backend.objectives.saliency import answer_loss
from backend.spec import Objective, Training
from backend.training.plan import labelled
from tests.backend.models.tiny import QUESTIONS, TALL, WIDE, Built, one_step

KINDS = {
    "ascent": Objective(forget="ga", retain="ce"),
    "preference, with a second answer": Objective(forget="dpo", retain="none"),
    "away from the reference, and close to it": Objective(forget="kl", retain="kl"),
    "distillation": Objective(forget="undial", retain="none"),
    "hidden states": Objective(forget="rmu", retain="hidden", layer=1),
    "kept reference, and l1": Objective(forget="npo", retain="none", regulariser="l1_lora", regulariser_weight=1e-3),
}
STEP = 1e-3
"""Length of a step along the gradient, short enough for the models' large weights."""


def test_a_step_of_every_kind_of_objective_lowers_it(built: Built) -> None:
    model = make_trainable(built.fresh(), Training(lora_rank=2)).eval()
    trained = {name: one for name, one in model.named_parameters() if one.requires_grad}
    frozen = {name: one.detach().clone() for name, one in model.named_parameters() if not one.requires_grad}
    generator = torch.Generator().manual_seed(5)
    away = {name: torch.randn(one.shape, generator=generator) * 0.05 for name, one in trained.items()}
    for kind, spec in KINDS.items():
        for name, one in trained.items():  # away from the reference, from which nothing draws where it stands
            one.data.copy_(away[name])
            one.grad = None
        objective = ObjectiveLoss(spec, model)
        batch = batch_for(built, objective)
        before = 0.0
        for part in objective.parts(model, batch, 0):
            part.loss.backward()
            before += float(part.loss.detach())
            assert part.name != "forget" or reached(trained), kind
        length = sum(float(one.grad.square().sum()) for one in trained.values() if one.grad is not None) ** 0.5
        for one in trained.values():
            one.data -= STEP / length * one.grad if one.grad is not None else 0.0
        with torch.no_grad():
            after = sum(float(part.loss) for part in objective.parts(model, batch, 0))
        assert before - after > STEP * length / 2, kind
    assert all(torch.equal(one, frozen[name]) for name, one in model.named_parameters() if name in frozen)


def test_under_a_mask_a_step_moves_what_is_open_and_nothing_else(built: Built) -> None:
    model = make_trainable(built.fresh(), Training(adapter="full", modules="all"))
    before = {name: one.detach().clone() for name, one in model.named_parameters()}
    batch = built.encoder.collate(rows_of(built)[:1])
    weights = {name: one for name, one in model.named_parameters() if one.requires_grad}
    mask = salun_mask(model, weights, lambda: [batch], answer_loss(model), 0.1)
    spec = Objective(forget="ga", retain="none")
    one_step(model, ObjectiveLoss(spec, model, forget_mask=mask), {"forget": batch})
    moved = {name: one != before[name] for name, one in model.named_parameters()}
    assert not any(bool((moved[name] & ~mask[name].bool()).any()) for name in mask)
    count, opened = (sum(int(one.sum()) for one in found.values()) for found in (moved, mask))
    assert 0.5 * opened < count <= opened, "but for those that a step is too small to move"


def reached(weights: dict[str, Any]) -> bool:
    return any(one.grad is not None and bool(one.grad.any()) for one in weights.values())


def rows_of(built: Built) -> list[Encoded]:
    """About a picture, the same with another answer, and about another picture."""
    encode = built.encoder.encode
    return [
        encode(QUESTIONS[0], "Mira Laurent", WIDE),
        encode(QUESTIONS[0], "I do not know.", WIDE),
        encode(QUESTIONS[1], "Bergen", TALL),
    ]


def batch_for(built: Built, objective: ObjectiveLoss) -> dict[str, Any]:
    """What the objective asks for of a batch, the reference's answers kept where it wants them so."""
    names = ("forget", "other", "retain")
    batch = {name: built.encoder.collate([row]) for name, row in zip(names, rows_of(built), strict=True)}
    if objective.needs_reference_sums:
        batch["forget"]["reference_sums"] = objective.reference_sums(batch["forget"])
    if objective.needs_other_sums:
        batch["other"]["reference_sums"] = objective.reference_sums(batch["other"])
    return batch


@pytest.mark.parametrize("layer", [0, 1])
def test_states_of_a_mixed_batch_are_those_of_each_row_alone(built: Built, layer: int) -> None:
    """Llama 3.2 Vision reads the two kinds apart, and text passes its block 1 by."""
    encode = built.encoder.encode
    rows = [
        encode(QUESTIONS[0], "Mira Laurent", WIDE),
        encode(QUESTIONS[1], "Bergen"),
        encode(QUESTIONS[1], "Bergen, in the north of the country.", TALL),
        encode(QUESTIONS[0], "I do not know."),
    ]
    model, blocks = built.model, blocks_to(built.model, layer)
    with torch.no_grad():
        together, states = read_hidden(blocks, read_answers, model, labelled(built.encoder, rows))
        for number, row in enumerate(rows):
            alone, expected = read_hidden(blocks, read_answers, model, labelled(built.encoder, [row]))
            found = states[number][together.mask[number].bool()]
            assert torch.allclose(found, expected[0][alone.mask[0].bool()], rtol=1e-4, atol=1e-4), number
            if layer == 0 and row.picture is not None:  # the last that the library hands out is behind the norm
                whole = {name: value for name, value in built.encoder.collate([row]).items() if name != "labels"}
                by_hand = model(**whole, output_hidden_states=True).hidden_states[1][0, row.start - 1 : -1]
                assert torch.allclose(found, by_hand, rtol=1e-4, atol=1e-4), number
