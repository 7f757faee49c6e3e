"""A method put together: the parts of a step, what they need, the mask, and what is refused."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch

import backend.objectives.objective as module
from backend.benchmarks.demo import DemoBenchmark
from backend.models.answers import Answers, read_answers
from backend.models.encoding import Encoder
from backend.models.lineage import make_trainable
from backend.models.loading import load
from backend.objectives.hidden import blocks_to, read_hidden
from backend.objectives.objective import ObjectiveLoss, Part
from backend.objectives.schedule import Turns
from backend.objectives.seen import ObjectiveRefused
from backend.spec import Objective, Training

CPU = torch.device("cpu")
LORA, FULL = Training(), Training(adapter="full")


@pytest.fixture
def batch(world: DemoBenchmark, demo_folder: Path) -> dict[str, dict[str, torch.Tensor]]:
    encoder = Encoder(load(demo_folder, device=CPU).processor)
    items = world.training_items(("p01", "p02"))[::40]
    rows = [encoder.encode(item.question, item.answer, item.image) for item in items]
    return {"forget": encoder.collate(rows[:3]), "retain": encoder.collate(rows[3:6])}


def model_of(folder: Path, training: Training = LORA) -> Any:
    return make_trainable(load(folder, device=CPU).model, training)


def nudged(model: Any, by: float = 0.02) -> Any:
    """The model after a few steps, so to speak: B of LoRA is no longer nothing."""
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.add_(by)
    return model


def gradients(model: Any, parts: Iterable[Part], only: tuple[str, ...] = ()) -> dict[str, torch.Tensor]:
    model.zero_grad()
    for part in parts:
        if not only or part.name in only:
            part.loss.backward()
    found = {name: weight.grad for name, weight in model.named_parameters() if weight.requires_grad}
    return {name: torch.zeros(()) if gradient is None else gradient.clone() for name, gradient in found.items()}


def test_graddiff_is_gamma_forget_and_alpha_retain(demo_folder: Path, batch: dict) -> None:
    model = load(demo_folder, device=CPU).model
    objective = ObjectiveLoss(Objective(forget="ga", retain="ce", forget_weight=2, retain_weight=3), model)
    forget_part, retain_part = objective.parts(model, batch, step=0)
    forget, retain = read_answers(model, batch["forget"]), read_answers(model, batch["retain"])
    assert torch.allclose(forget_part.loss, 2 * forget.means.mean())
    assert torch.allclose(retain_part.loss, -3 * retain.token_log_probs.sum() / retain.mask.sum())
    assert forget_part.figures == {"forget_loss": pytest.approx(-forget.means.mean().item(), rel=1e-5)}
    assert retain_part.figures == {"retain_loss": pytest.approx(-retain.means.mean().item(), rel=1e-5)}


def test_the_retain_mean_is_over_the_tokens_it_is_told(demo_folder: Path, batch: dict) -> None:
    model = load(demo_folder, device=CPU).model
    objective = ObjectiveLoss(Objective(forget="none"), model)
    tokens = float((batch["retain"]["labels"] != -100).sum())
    [alone] = objective.parts(model, batch, step=0)
    [told] = objective.parts(model, batch, step=0, retain_tokens=2 * tokens)
    assert told.loss.item() == pytest.approx(alone.loss.item() / 2, rel=1e-6)


def test_a_term_that_lacks_its_items_is_refused(demo_folder: Path, batch: dict) -> None:
    model = load(demo_folder, device=CPU).model
    with pytest.raises(ValueError, match="forget items"):
        list(ObjectiveLoss(Objective(forget="ga", retain="ce"), model).parts(model, {"retain": batch["retain"]}, 0))
    with pytest.raises(ValueError, match="other items"):
        list(ObjectiveLoss(Objective(forget="idk"), model).parts(model, batch, 0))


def test_a_step_has_the_parts_whose_turn_it_is(demo_folder: Path, batch: dict) -> None:
    model = model_of(demo_folder)
    objective = ObjectiveLoss(Objective(forget="ga", schedule="every_k", every=3, regulariser="l2_start"), model)
    names = [[part.name for part in objective.parts(model, batch, step)] for step in range(4)]
    assert names == [["forget", "regulariser"], ["retain", "regulariser"], ["retain", "regulariser"], names[0]]


def test_a_parts_graph_is_gone_when_the_next_part_is_made(
    demo_folder: Path, batch: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, alive = model_of(demo_folder), []
    made: list[weakref.ref[torch.Tensor]] = []

    def watched(*given: Any) -> Answers:
        alive.append(sum(logits() is not None for logits in made))
        answers = read_answers(*given)
        made.append(weakref.ref(answers.logits))
        return answers

    monkeypatch.setattr(module, "read_answers", watched)
    for part in ObjectiveLoss(Objective(forget="ga"), model).parts(model, batch, step=0):
        part.loss.backward()
        del part
    assert alive == [0, 0]


# -- the reference ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("training", [LORA, FULL], ids=["lora", "full"])
def test_kl_is_zero_at_the_start_and_later_the_distance_from_the_model_as_it_was(
    demo_folder: Path, batch: dict, training: Training
) -> None:
    as_it_was = load(demo_folder, device=CPU).model
    model = model_of(demo_folder, training)
    objective = ObjectiveLoss(Objective(forget="kl", retain="kl"), model)
    assert [part.loss.item() for part in objective.parts(model, batch, 0)] == pytest.approx([0, 0], abs=1e-6)
    nudged(model)
    by_hand = []
    for name in ("forget", "retain"):
        with torch.no_grad():
            answers, before = read_answers(model, batch[name]), read_answers(as_it_was, batch[name])
        log_policy, log_reference = answers.logits.log_softmax(-1), before.logits.log_softmax(-1)
        per_token = torch.nn.functional.kl_div(log_policy, log_reference, log_target=True, reduction="none").sum(-1)
        by_hand.append(per_token * answers.mask)
    samples = batch["forget"]["labels"].ne(-100).sum(dim=1)
    forget_by_hand = -float((by_hand[0].sum(dim=1) / samples).mean())
    retain_by_hand = float(by_hand[1].sum() / batch["retain"]["labels"].ne(-100).sum())
    assert retain_by_hand > 1e-3
    found = [part.loss.item() for part in objective.parts(model, batch, 0)]
    assert found == pytest.approx([forget_by_hand, retain_by_hand], rel=1e-4)


@pytest.mark.parametrize("training", [LORA, FULL], ids=["lora", "full"])
def test_hidden_states_are_held_to_those_of_the_model_as_it_was(
    demo_folder: Path, batch: dict, training: Training
) -> None:
    as_it_was, model = load(demo_folder, device=CPU).model, model_of(demo_folder, training)
    objective = ObjectiveLoss(Objective(forget="none", retain="hidden", layer=1), model)
    [part] = objective.parts(model, batch, 0)
    assert part.loss.item() == 0
    nudged(model)
    states = []
    for one in (as_it_was, model):
        with torch.no_grad():
            inputs = {key: value for key, value in batch["retain"].items() if key != "labels"}
            # hidden_states[0] is what goes into block 0
            states.append(one(**inputs, output_hidden_states=True).hidden_states[2])
    labels = batch["retain"]["labels"]
    at = labels[:, 1:] != -100
    by_hand = float((states[0] - states[1])[:, :-1].square().mean(dim=-1)[at].mean())
    [part] = objective.parts(model, batch, 0)
    assert by_hand > 1e-6
    assert part.loss.item() == pytest.approx(by_hand, rel=1e-4)


def test_rmu_has_one_direction_for_a_run_of_its_length_and_its_seed(demo_folder: Path, batch: dict) -> None:
    model = model_of(demo_folder)
    spec = Objective(forget="rmu", layer=2, rmu_scale=5)
    answers, hidden = read_hidden(blocks_to(model, 2), read_answers, model, batch["forget"])
    drawn = torch.rand(128, generator=torch.Generator().manual_seed(3))
    target = 5 * drawn / drawn.square().sum().sqrt()
    answered = answers.labels != -100
    per_sample = [(hidden[row][answered[row]] - target).square().mean(dim=-1).mean() for row in range(len(hidden))]
    part = next(ObjectiveLoss(spec, model, seed=3).parts(model, batch, 0))
    assert part.loss.item() == pytest.approx(torch.stack(per_sample).mean().item(), rel=1e-4)
    other = next(ObjectiveLoss(spec, model, seed=4).parts(model, batch, 0))
    assert other.loss.item() != pytest.approx(part.loss.item(), rel=1e-4)


def test_a_block_is_of_the_language_model_and_one_too_many_is_refused(demo_folder: Path) -> None:
    model = model_of(demo_folder)
    names = {id(block): name for name, block in model.named_modules()}
    assert [names[id(block)].split(".")[-3:] for block in blocks_to(model, 2)] == [
        ["language_model", "layers", str(layer)] for layer in range(3)
    ]
    with pytest.raises(ObjectiveRefused, match="there is no layer 7: this language model has 3 blocks, 0 to 2"):
        ObjectiveLoss(Objective(forget="rmu"), model)


# -- regulariser and multiplier --------------------------------------------------------------------------------


def test_l1_on_lora_is_the_sum_of_its_matrices_and_needs_lora(demo_folder: Path, batch: dict) -> None:
    spec = Objective(forget="ga", retain="none", regulariser="l1_lora", regulariser_weight=0.5)
    model = model_of(demo_folder)
    _, part = ObjectiveLoss(spec, model).parts(model, batch, 0)
    by_hand = sum(weight.abs().sum().item() for name, weight in model.named_parameters() if "lora" in name)
    assert part.loss.item() == pytest.approx(by_hand / 2, rel=1e-5)
    assert part.figures["regulariser"] == pytest.approx(by_hand, rel=1e-5)
    with pytest.raises(ObjectiveRefused, match="needs LoRA"):
        ObjectiveLoss(spec, model_of(demo_folder, FULL))


def test_the_distance_from_the_start_is_from_where_the_run_began(demo_folder: Path, batch: dict) -> None:
    model = model_of(demo_folder)
    objective = ObjectiveLoss(Objective(forget="none", regulariser="l2_start", regulariser_weight=2), model)
    count = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    _, part = objective.parts(nudged(model, 0.5), batch, 0)
    assert part.loss.item() == pytest.approx(2 * count * 0.25, rel=1e-5)


def test_pdu_weighs_the_retain_loss_with_its_multiplier_which_is_kept(demo_folder: Path, batch: dict) -> None:
    model = model_of(demo_folder)
    spec = Objective(forget="pdu", retain_weight=2, pdu_epsilon=0.5, pdu_rate=0.1)
    objective = ObjectiveLoss(spec, model)
    _, part = objective.parts(model, batch, 0)
    assert part.figures["dual"] == 2 and part.loss.item() == pytest.approx(2 * retain_ce(model, batch), rel=1e-5)
    objective.finish_step(1)
    risen = 2 + 0.1 * (retain_ce(model, batch) - 0.5)
    assert objective.state() == {"dual": pytest.approx(risen, rel=1e-5)}
    again = ObjectiveLoss(spec, model)
    again.load_state(objective.state())
    _, part = again.parts(model, batch, 1)
    assert part.loss.item() == pytest.approx(risen * retain_ce(model, batch), rel=1e-5)


def retain_ce(model: Any, batch: dict) -> float:
    with torch.no_grad():
        answers = read_answers(model, batch["retain"])
    return -float(answers.token_log_probs.sum() / answers.mask.sum())


# -- the mask --------------------------------------------------------------------------------------------------


def test_a_masked_weight_gets_the_retain_gradient_and_nothing_else(demo_folder: Path, batch: dict) -> None:
    model = nudged(model_of(demo_folder))
    spec = Objective(forget="ga", retain="ce", regulariser="l2_start")
    free = ObjectiveLoss(spec, model)
    parts = {name: gradients(model, free.parts(model, batch, 0), (name,)) for name in ("forget", "retain")}
    closed, half, open_ = sorted(parts["forget"])[:3]
    shape = parts["forget"][half].shape
    halved = torch.zeros(shape)
    halved[: shape[0] // 2] = 1
    mask = {closed: torch.zeros_like(parts["forget"][closed]), half: halved}
    found = gradients(model, ObjectiveLoss(spec, model, forget_mask=mask).parts(model, batch, 0))
    assert parts["forget"][closed].abs().max() > 1e-5
    assert torch.allclose(found[closed], parts["retain"][closed], atol=1e-7)
    assert torch.allclose(found[half], parts["retain"][half] + halved * parts["forget"][half], atol=1e-6)
    assert torch.allclose(found[open_], parts["retain"][open_] + parts["forget"][open_], atol=1e-6)


def test_salun_lays_its_mask_over_every_term(demo_folder: Path, batch: dict) -> None:
    model = nudged(model_of(demo_folder))
    spec = Objective(forget="ga", retain="ce", regulariser="l2_start", mask="salun")
    weights = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    free = ObjectiveLoss(spec, model)
    nudged(model)
    whole = gradients(model, free.parts(model, batch, 0))
    half = {name: torch.arange(one.numel()).reshape(one.shape) % 2 for name, one in weights.items()}
    masked = ObjectiveLoss(spec, model, forget_mask=half)
    masked._start = free._start
    for term in ("forget", "retain", "regulariser"):
        alone = gradients(model, masked.parts(model, batch, 0), (term,))
        assert any(one.any() for one in alone.values()), f"{term} moves something"
        assert not any((one * (1 - half[name])).any() for name, one in alone.items()), f"{term} moves what is closed"
    found = gradients(model, masked.parts(model, batch, 0))
    assert all(torch.allclose(found[name], whole[name] * half[name], atol=1e-6) for name in whole)


def test_a_mask_leaves_what_was_added_up_before_alone(demo_folder: Path, batch: dict) -> None:
    model = nudged(model_of(demo_folder))
    closed = next(name for name, weight in model.named_parameters() if weight.requires_grad)
    mask = {closed: torch.zeros_like(dict(model.named_parameters())[closed])}
    masked = ObjectiveLoss(Objective(forget="ga"), model, forget_mask=mask)
    once = gradients(model, masked.parts(model, batch, 0))[closed]
    model.zero_grad()
    for _ in range(2):
        for part in masked.parts(model, batch, 0):
            part.loss.backward()
    twice = dict(model.named_parameters())[closed].grad
    assert twice is not None and torch.allclose(twice, 2 * once, atol=1e-7)


@pytest.mark.parametrize(
    ("mask", "sentence"),
    [
        ({"language_model.layers.0.weight": torch.zeros(1)}, "no weight that this run trains"),
        ({"TRAINED": torch.zeros(1)}, "has not the shape"),
    ],
)
def test_a_mask_that_would_do_nothing_is_refused(demo_folder: Path, mask: dict, sentence: str) -> None:
    model = model_of(demo_folder)
    trained = next(name for name, weight in model.named_parameters() if weight.requires_grad)
    named = {name.replace("TRAINED", trained): value for name, value in mask.items()}
    with pytest.raises(ObjectiveRefused, match=sentence):
        ObjectiveLoss(Objective(forget="ga"), model, forget_mask=named)


def test_a_mask_without_a_forget_term_is_refused(demo_folder: Path) -> None:
    model = model_of(demo_folder)
    name, weight = next((name, weight) for name, weight in model.named_parameters() if weight.requires_grad)
    with pytest.raises(ObjectiveRefused, match="needs a forget term"):
        ObjectiveLoss(Objective(forget="none"), model, forget_mask={name: torch.ones_like(weight)})


def test_the_turns_of_an_objective_are_its_specs_unless_told_otherwise(demo_folder: Path, batch: dict) -> None:
    model = model_of(demo_folder)
    spec = Objective(forget="ga", schedule="sequential")
    told = ObjectiveLoss(spec, model, turns=Turns.of(spec, 6, 3, 3))
    assert [[part.name for part in told.parts(model, batch, step)] for step in range(3)] == [
        ["forget"],
        ["forget"],
        ["retain"],
    ]
