"""Every term on every family, on a batch as training makes it: of questions about one picture and of one about none.

Its loss is that of its rows read one by one; of each kind a step lowers it, and moves what it may and nothing else.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import zip_longest
from typing import Any

import pytest
import torch

from backend.models.answers import read_answers
from backend.models.encoding import IGNORED, Encoded
from backend.models.lineage import make_trainable
from backend.objectives.forget import FORGET_TERMS
from backend.objectives.hidden import blocks_to, read_hidden
from backend.objectives.masks import salun_mask
from backend.objectives.objective import ObjectiveLoss
from backend.objectives.retain import RETAIN_TERMS
from backend.objectives.saliency import answer_loss
from backend.spec import Objective, Training
from backend.training.plan import SecondAnswers, collator, labelled
from tests.backend.models.tiny import QUESTIONS, TALL, WIDE, Built, one_step

KINDS = {
    "ascent": Objective(forget="ga", retain="ce"),
    "preference, with a second answer": Objective(forget="dpo", retain="none"),
    "away from the reference, and close to it": Objective(forget="kl", retain="kl"),
    "distillation": Objective(forget="undial", retain="none"),
    "hidden states": Objective(forget="rmu", retain="hidden", layer=1),
    "kept reference, and l1": Objective(forget="npo", retain="none", regulariser="l1_lora", regulariser_weight=1e-3),
}
TERMS = list(zip_longest(FORGET_TERMS, RETAIN_TERMS, fillvalue="ce"))
"""Every forget term, and beside the first of them every retain term."""
STEP = 1e-3
"""Length of a step along the gradient, short enough for the models' large weights."""


def test_a_step_of_every_kind_of_objective_lowers_it(built: Built) -> None:
    model = make_trainable(built.fresh(), Training(lora_rank=2)).eval()
    trained = {name: one for name, one in model.named_parameters() if one.requires_grad}
    frozen = {name: one.detach().clone() for name, one in model.named_parameters() if not one.requires_grad}
    away = steps_away(trained)
    for kind, spec in KINDS.items():
        for name, one in trained.items():
            one.data.copy_(away[name])
            one.grad = None
        objective = ObjectiveLoss(spec, model)
        batch = batches(built, objective)[0]
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
    batch = labelled(built.encoder, rows_of(built)["forget"])
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


def steps_away(weights: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Values away from the reference, from which nothing draws where it stands."""
    generator = torch.Generator().manual_seed(5)
    return {name: torch.randn(one.shape, generator=generator) * 0.05 for name, one in weights.items()}


def rows_of(built: Built) -> dict[str, list[Encoded]]:
    """For each set a question about a picture, one about none, and another about the first picture."""
    encode, kept = built.encoder.encode, {}

    def pictured(question: str, answer: str) -> Encoded:
        row = encode(question, answer, WIDE)
        return replace(row, picture=kept.setdefault("wide", row.picture))

    said = {
        "forget": ("Mira Laurent", "Bergen", "Bergen, in the north of the country."),
        "other": ("I do not know.", "Nobody can say.", "It is a small town.", "He likes tea.", "The sea.", "A baker."),
        "retain": ("Who likes coffee", "In the north", "A short answer."),
    }
    rows = {}
    for name, answers in said.items():
        asked = [(answer, at * 3 // len(answers)) for at, answer in enumerate(answers)]
        rows[name] = [
            encode(QUESTIONS[1], answer) if at == 1 else pictured(QUESTIONS[at // 2], answer) for answer, at in asked
        ]
    return rows


def batches(built: Built, objective: ObjectiveLoss) -> list[dict[str, Any]]:
    """All rows as one batch, and each by itself, with what is kept of the reference where the objective wants it."""
    rows, count = rows_of(built), objective.spec.mismatch_count if objective.second == "mismatch" else 1
    other = [row for at, row in enumerate(rows["other"]) if count == 2 or at % 2 == 0]

    def sums(chosen: list[Encoded], needed: bool) -> list[float] | None:
        return objective.reference_sums(labelled(built.encoder, chosen)).tolist() if needed else None

    second = SecondAnswers(other, count, sums(other, objective.needs_other_sums)) if objective.second else None
    kept = sums(rows["forget"], objective.needs_reference_sums)
    collate = collator(built.encoder, rows["forget"], rows["retain"], kept, second=second)
    return [collate([(0, 0), (1, 1), (2, 2)]), *(collate([(at, at)]) for at in range(3))]


@torch.no_grad()
def test_every_terms_loss_on_a_mixed_batch_is_that_of_its_rows_one_by_one(built: Built) -> None:
    model = make_trainable(built.fresh(), Training(lora_rank=2)).eval()
    trained = {name: one for name, one in model.named_parameters() if one.requires_grad}
    for name, drawn in steps_away(trained).items():
        trained[name].data.copy_(drawn)
    for forget, retain in TERMS:
        objective = ObjectiveLoss(Objective(forget=forget, retain=retain, layer=1, mismatch_count=2), model)
        together, *alone = batches(built, objective)
        tokens = [int((one["retain"]["labels"] != IGNORED).sum()) for one in alone]
        losses = {part.name: float(part.loss) for part in objective.parts(model, together, 0)}
        single = [{part.name: float(part.loss) for part in objective.parts(model, one, 0)} for one in alone]
        by_hand = {
            "forget": sum(one["forget"] for one in single) / 3 if forget != "none" else None,
            "retain": sum(one["retain"] * of for one, of in zip(single, tokens, strict=True)) / sum(tokens),
        }
        for name, loss in losses.items():
            assert loss == pytest.approx(by_hand[name], rel=1e-3, abs=1e-4), (forget, retain, name)
            assert loss != 0, (forget, retain, name)


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
