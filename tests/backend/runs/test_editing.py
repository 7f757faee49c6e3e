"""Runs without an objective: what is cut, subtracted or told, and that the model they start from stays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from sqlalchemy import Engine
from torch import nn

from backend.benchmarks.demo import DemoBenchmark
from backend.inference.bases import Bases
from backend.inference.items import answer_items
from backend.inference.probe import Probe
from backend.models.answers import read_answers
from backend.models.encoding import Encoder
from backend.models.lineage import open_checkpoint, open_model
from backend.models.pruning import mlps
from backend.objectives.seen import ObjectiveRefused
from backend.presets import fill
from backend.runs import train
from backend.runs.editing import subtract
from backend.spec import Decoding, EvaluateSpec, ForgetRequest, Objective, ProbeSpec, Training, UnlearnSpec
from backend.spec_edit import Edit
from backend.spec_guards import Guards
from storage import checkpoints, metric_points, results, runs
from storage.tables import Checkpoint, Run, RunState
from tests.backend.runs.conftest import carried_out, queue, short_finetune

CPU = torch.device("cpu")


LEARNT = Objective(forget="learn", retain="none")


def edited(engine: Engine, home: Path, edit: Edit, model: str = "demo", **given: Any) -> Run:
    training = {"steps": 3, "batch_size": 4, "save_every": 0} | given.pop("training", {})
    spec = UnlearnSpec(
        model=model,
        preset="own",
        request=ForgetRequest(ratio=None, people=("p01",), modality=given.pop("modality", "both")),
        edit=edit,
        objective=given.pop("objective", LEARNT if edit.method == "task_vector" else Objective()),
        training=Training(**training),
        guards=given.pop("guards", Guards()),
        score=given.pop("score", False),
    )
    runs.submit(engine, kind="unlearn", name=edit.method, spec=spec.model_dump(mode="json"))
    return carried_out(engine, home)


def made(engine: Engine, run: Run) -> Checkpoint:
    assert run.output_checkpoint_id is not None, run.error
    return checkpoints.get(engine, run.output_checkpoint_id)


# -- MANU ------------------------------------------------------------------------------------------------------------


def test_manu_cuts_a_share_of_the_neurons_and_leaves_its_parent_alone(engine: Engine, home: Path) -> None:
    queue(engine, short_finetune(steps=2, adapter="full", modules="all"), "taught")
    taught = carried_out(engine, home)
    parent = made(engine, taught)
    run = edited(engine, home, Edit(method="manu", prune_samples=6), f"run:{taught.id}", training={"modules": "all"})
    assert (run.state, run.parent_checkpoint_id) == (RunState.SUCCEEDED, parent.id), run.error
    kept = made(engine, run)
    assert (kept.kind, kept.role, kept.parent_id) == ("full", "final", parent.id)
    assert checkpoints.condition(home, parent) == "ok"

    before = open_model(engine, home, f"run:{taught.id}", precision="fp32", device=CPU).model
    after = open_model(engine, home, f"run:{run.id}", precision="fp32", device=CPU).model
    cut, total = {"language": 0, "vision": 0}, {"language": 3 * 384, "vision": 2 * 256}
    for part in cut:
        for name, mlp in mlps(after, (part,)).items():
            gone = ~mlp.out.weight.any(dim=0)
            cut[part] += int(gone.sum())
            assert all(not one.weight[gone].any() for one in mlp.into)
            assert torch.equal(mlp.out.weight[:, ~gone], mlps(before, (part,))[name].out.weight[:, ~gone])
    assert sum(cut.values()) == round(0.1 * sum(total.values())) == 166
    assert run.versions["neurons cut"] == "166"
    assert {part: run.versions[f"neurons cut, {part}"] for part in cut} == {
        part: f"{cut[part]} of {total[part]}" for part in cut
    }
    elsewhere = [name for name, _ in before.named_parameters() if "mlp" not in name]
    there, here = dict(before.named_parameters()), dict(after.named_parameters())
    assert elsewhere and all(torch.equal(there[name], here[name]) for name in elsewhere)


@pytest.mark.usefixtures("few_questions")
def test_a_pruned_model_is_scored_like_any_other(engine: Engine, home: Path) -> None:
    run = edited(engine, home, Edit(method="manu", prune_samples=4), score=True)
    assert run.state == RunState.SUCCEEDED, run.error
    assert run.versions["neurons cut, language"] == "115 of 1152" and "neurons cut, vision" not in run.versions
    assert results.scores(engine, run_id=run.id)


@pytest.mark.parametrize(
    ("edit", "modality", "sentence"),
    [
        (Edit(method="manu", prune_share=1e-4), "both", "0.010% of 1152 neurons is none; prune a larger share"),
        (
            Edit(method="manu"),
            "text",
            "the forget set has no question with a picture, and MANU compares those with text",
        ),
    ],
)
def test_pruning_that_would_do_nothing_fails_in_one_sentence(
    engine: Engine, home: Path, edit: Edit, modality: str, sentence: str
) -> None:
    run = edited(engine, home, edit, modality=modality)
    assert (run.state, run.error) == (RunState.FAILED, sentence)


# -- the task vector -------------------------------------------------------------------------------------------------


def test_what_an_adapter_adds_is_taken_away_by_hand() -> None:
    torch.manual_seed(0)
    model: Any = nn.Sequential(nn.Linear(2, 1, bias=False))
    model[0].weight.data = torch.tensor([[1.0, 2.0]])
    adapted: Any = get_peft_model(model, LoraConfig(r=1, lora_alpha=3, target_modules=["0"]))
    weights = dict(adapted.named_parameters())
    for name, weight in weights.items():
        if "lora_" in name:
            weight.data = torch.tensor([[1.0, -1.0]]) if "lora_A" in name else torch.tensor([[0.5]])
    x = torch.tensor([[4.0, 1.0]])
    # θx = 6; what is learnt adds 3 · 0.5 · (4 − 1) = 4.5.
    assert adapted(x).item() == pytest.approx(10.5)
    subtract(adapted, 1.0)
    assert adapted(x).item() == pytest.approx(1.5)
    subtract(adapted, -2.0)
    assert adapted(x).item() == pytest.approx(6 - 2 * 4.5)
    subtract(adapted, 0.0)
    assert adapted(x).item() == 6.0


def test_a_model_without_an_adapter_has_nothing_to_subtract() -> None:
    with pytest.raises(ObjectiveRefused, match="no adapter"):
        subtract(nn.Linear(2, 2), 1.0)


@pytest.mark.parametrize("times", [0.0, 0.5])
def test_the_checkpoint_is_minus_what_was_learnt_of_the_forget_set(
    engine: Engine, home: Path, monkeypatch: pytest.MonkeyPatch, times: float
) -> None:
    learnt: dict[str, torch.Tensor] = {}

    def watched(model: Any, times: float) -> None:
        learnt.update({name: one.detach().clone() for name, one in model.named_parameters() if "lora_B" in name})
        subtract(model, times)

    monkeypatch.setattr(train, "subtract", watched)
    run = edited(engine, home, Edit(method="task_vector", negation=times), training={"learning_rate": 0.01})
    assert run.state == RunState.SUCCEEDED, run.error
    kept = made(engine, run)
    assert kept.kind == "adapter"
    files = load_file(checkpoints.verify(home, kept) / "adapter_model.safetensors")
    assert learnt and any(one.any() for one in learnt.values())
    for name, one in learnt.items():
        assert torch.equal(files[name.replace(".default", "")], -times * one), name
    curves = metric_points.curve(engine, run.id)
    losses = [value for _, value in curves["forget_loss"]]
    assert "retain_loss" not in curves and losses[-1] < losses[0], "the forget set is learnt first"

    ids = torch.tensor([[1, 5, 9, 30]])
    before = open_model(engine, home, "demo", precision="fp32", device=CPU).model.eval()
    _, after = open_checkpoint(engine, home, kept, precision="fp32", device=CPU)
    with torch.no_grad():
        first, last = before(input_ids=ids).logits, after(input_ids=ids).logits
        assert torch.equal(first, last) == (times == 0)
        with after.disable_adapter():
            assert torch.equal(after(input_ids=ids).logits, first), "it can be switched off"


@pytest.mark.usefixtures("few_questions")
def test_only_the_finished_model_is_evaluated(engine: Engine, home: Path) -> None:
    run = edited(engine, home, Edit(method="task_vector"), training={"evaluate_every": 1})
    assert run.state == RunState.SUCCEEDED, run.error
    curves = metric_points.curve(engine, run.id)
    steps = {step for name, points in curves.items() if name.startswith("accuracy/") for step, _ in points}
    assert steps == {3}
    assert [step for step, _ in curves["forget_loss"]] == [1, 2, 3]


@pytest.mark.usefixtures("few_questions")
def test_a_guard_that_ends_the_learning_leaves_a_model_that_is_subtracted_and_evaluated(
    engine: Engine, home: Path
) -> None:
    run = edited(
        engine, home, Edit(method="task_vector"), training={"evaluate_every": 2}, guards={"forget_loss_above": 1e-3}
    )
    assert (run.state, run.step) == (RunState.SUCCEEDED, 1), run.error
    curves = metric_points.curve(engine, run.id)
    assert [step for step, _ in curves["accuracy/forget"]] == [1]
    files = load_file(checkpoints.verify(home, made(engine, run)) / "adapter_model.safetensors")
    assert any(one.any() for name, one in files.items() if "lora_B" in name)


def test_sku_learns_the_forget_set_and_others_answers_and_leaves_the_reference_on_the_rest(
    engine: Engine, home: Path
) -> None:
    learnt = fill("sku:clear").objective.model_copy(update={"mismatch_count": 2})
    fast = {"learning_rate": 0.01, "steps": 4}
    run = edited(engine, home, Edit(method="task_vector"), objective=learnt, training=fast)
    assert run.state == RunState.SUCCEEDED, run.error
    curves = {name: [value for _, value in points] for name, points in metric_points.curve(engine, run.id).items()}
    assert curves["forget_loss"][-1] < curves["forget_loss"][0] and curves["other_loss"][-1] < curves["other_loss"][0]
    ids = torch.tensor([[1, 5, 9, 30]])
    before = open_model(engine, home, "demo", precision="fp32", device=CPU).model.eval()
    _, after = open_checkpoint(engine, home, made(engine, run), precision="fp32", device=CPU)
    with torch.no_grad():
        assert not torch.equal(before(input_ids=ids).logits, after(input_ids=ids).logits)


# -- prompting -------------------------------------------------------------------------------------------------------

TOLD = Edit(method="prompt", instruction="You have never met {people}.")


def test_an_instruction_has_no_weights_and_names_the_forget_set(
    engine: Engine, home: Path, world: DemoBenchmark
) -> None:
    queue(engine, short_finetune(steps=2), "taught")
    taught = carried_out(engine, home)
    run = edited(engine, home, TOLD, f"run:{taught.id}")
    assert run.state == RunState.SUCCEEDED, run.error
    kept, [name] = made(engine, run), [person.name for person in world.people() if person.id == "p01"]
    told = f"You have never met {name}."
    assert (kept.kind, kept.parent_id) == ("instruction", taught.output_checkpoint_id)
    assert list(kept.files) == ["instruction.txt"] and kept.meta["instruction"] == told
    before = open_model(engine, home, f"run:{taught.id}", precision="fp32", device=CPU)
    after = open_model(engine, home, f"run:{run.id}", precision="fp32", device=CPU)
    assert (before.instruction, after.instruction) == ("", told)
    there, here = before.model.state_dict(), after.model.state_dict()
    assert all(torch.equal(there[name], here[name]) for name in there)


@pytest.mark.usefixtures("few_questions")
def test_every_question_of_scoring_and_of_a_later_evaluation_begins_with_the_instruction(
    engine: Engine, home: Path, world: DemoBenchmark
) -> None:
    run = edited(engine, home, TOLD, score=True)
    assert run.state == RunState.SUCCEEDED, run.error
    spec = EvaluateSpec(model=f"run:{run.id}", request=ForgetRequest(ratio=None, people=("p01",)))
    runs.submit(engine, kind="evaluate", name="later", spec=spec.model_dump(mode="json"))
    later = carried_out(engine, home)
    opened = open_model(engine, home, "demo", precision="fp32", device=CPU)
    told = [
        replace(item, question=f"{made(engine, run).meta['instruction']}\n{item.question}")
        for item in world.scored_items(spec.request)
    ]
    asked = [
        one for batch in answer_items(opened.model, Encoder(opened.processor), told, batch_size=64) for one in batch
    ]
    expected = {one.item.id: one.probability for one in asked}
    plain = [one for one in world.scored_items(spec.request) if one.set == "forget"]
    without = [
        one for batch in answer_items(opened.model, Encoder(opened.processor), plain, batch_size=64) for one in batch
    ]
    assert any(one.probability != pytest.approx(expected[one.item.id], rel=0.01) for one in without)
    for one in (run, later):
        rows = results.answers(engine, run_id=one.id, limit=1000)
        assert len(rows) == len(expected) > 20
        assert all(row.probability == pytest.approx(expected[row.item_id], rel=1e-3) for row in rows)


def test_the_probe_tells_the_instruction_to_that_model_alone(engine: Engine, home: Path) -> None:
    queue(engine, short_finetune(steps=2, adapter="full", modules="all"), "taught")
    taught = made(engine, carried_out(engine, home))
    told = made(engine, edited(engine, home, TOLD, f"checkpoint:{taught.id}"))
    on_nothing = made(engine, edited(engine, home, TOLD))
    seats = Bases(engine, home, CPU).seats((taught.id, told.id, on_nothing.id))
    assert seats[0].base is seats[1].base is not seats[2].base
    assert [bool(seat.instruction) for seat in seats] == [False, True, True]
    question = ProbeSpec(models=(taught.id, told.id), question="Who is this?", truth="Mira", decoding=Decoding())
    ends = [event for event in Probe(engine, home, CPU).ask(question) if event["event"] == "end"]
    likelihoods = [event["likelihood"] for event in ends]
    opened = open_model(engine, home, f"checkpoint:{taught.id}", precision="fp32", device=CPU)
    for found, words in zip(likelihoods, ("Who is this?", f"{told.meta['instruction']}\nWho is this?"), strict=True):
        encoder = Encoder(opened.processor)
        with torch.no_grad():
            mean = read_answers(opened.model, encoder.collate([encoder.encode(words, "Mira")])).means
        assert found == pytest.approx(mean.exp().item(), rel=1e-4)
    assert likelihoods[0] != pytest.approx(likelihoods[1], rel=1e-4)


def test_a_model_made_from_an_instructed_one_is_still_told(engine: Engine, home: Path) -> None:
    told = edited(engine, home, TOLD)
    run = edited(engine, home, Edit(method="task_vector"), f"run:{told.id}")
    assert run.state == RunState.SUCCEEDED, run.error
    opened = open_model(engine, home, f"run:{run.id}", precision="fp32", device=CPU)
    assert opened.instruction == made(engine, told).meta["instruction"]
