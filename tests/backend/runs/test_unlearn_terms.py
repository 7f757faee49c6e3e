"""Every term as a run of its own: it ends, its loss is a number, and only the adapter has moved."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from sqlalchemy import Engine

from backend.models.answers import read_answers
from backend.objectives.forget import FORGET_TERMS
from backend.runs import train
from backend.runs.job import Job
from backend.runs.process import carry_out
from backend.spec import ForgetRequest, Objective, Training, UnlearnSpec
from backend.spec_edit import Edit
from storage import checkpoints, metric_points, runs
from storage.tables import Run, RunState

CPU = torch.device("cpu")
STEPS = 3


def unlearned(engine: Engine, home: Path, objective: Objective, **training: Any) -> Run:
    """A short run on one person, carried out in this process."""
    spec = UnlearnSpec(
        model="demo",
        preset="own",
        request=ForgetRequest(ratio=None, people=("p01",)),
        objective=objective,
        edit=Edit(method="task_vector" if objective.teaches else "none"),
        training=Training(steps=STEPS, batch_size=3, save_every=0, **training),
        score=False,
    )
    made = runs.submit(engine, kind="unlearn", name=objective.forget, spec=spec.model_dump(mode="json"))
    claimed = runs.claim(engine, "worker", "here", "cpu")
    assert claimed is not None and claimed.id == made.id
    carry_out(Job(engine, home, claimed), CPU)
    return runs.get(engine, made.id)


@pytest.fixture
def whole(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Every weight by name, as the run found it and as it left it."""
    found: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
    before: dict[str, torch.Tensor] = {}

    class Watched(train.LetheTrainer):
        def train(self, *given: Any, **named: Any) -> Any:
            before.update({name: weight.detach().clone() for name, weight in self.bare_model().named_parameters()})
            done = super().train(*given, **named)
            found.update(
                {name: (before[name], weight.detach()) for name, weight in self.bare_model().named_parameters()}
            )
            return done

    monkeypatch.setattr(train, "LetheTrainer", Watched)
    return found


@pytest.mark.parametrize("term", sorted(FORGET_TERMS))
def test_a_run_of_each_forget_term_ends_and_moves_nothing_but_the_adapter(
    engine: Engine, home: Path, whole: dict[str, tuple[torch.Tensor, torch.Tensor]], term: str
) -> None:
    run = unlearned(engine, home, Objective(forget=term, layer=1, mismatch_count=2))
    assert (run.state, run.step) == (RunState.SUCCEEDED, STEPS), run.error
    curves = metric_points.curve(engine, run.id)
    assert {"loss", "forget_loss", "retain_loss"} <= set(curves)
    assert ("dual" in curves) == (term == "pdu") and ("other_loss" in curves) == bool(FORGET_TERMS[term].other)
    for points in curves.values():
        assert [step for step, _ in points] == [1, 2, 3] and all(math.isfinite(value) for _, value in points)
    moved = {name for name, (before, after) in whole.items() if not torch.equal(before, after)}
    assert moved and all("lora_" in name for name in moved)
    assert run.output_checkpoint_id is not None
    assert checkpoints.get(engine, run.output_checkpoint_id).kind == "adapter"


def test_pdus_multiplier_stands_for_its_share_of_the_runs_steps(engine: Engine, home: Path) -> None:
    run = unlearned(engine, home, Objective(forget="pdu", retain_weight=2, pdu_warmup=0.34))
    first, second, third = (value for _, value in metric_points.curve(engine, run.id)["dual"])
    assert first == second == 2 != third, "a third of three steps is one, after which it has not moved"


@pytest.mark.parametrize(
    "objective",
    [
        Objective(forget="rmu", retain="hidden", layer=1),
        Objective(forget="undial", retain="kl", schedule="alternate"),
        Objective(forget="dpo", schedule="sequential", labels="full"),
        Objective(forget="ga", regulariser="l1_lora", labels="full"),
        Objective(forget="kl", retain="ce_kl", kl_direction="from_model"),
    ],
    ids=["rmu", "alternate", "sequential", "l1", "scrub"],
)
def test_retain_terms_turns_labels_and_regularisers_run_too(engine: Engine, home: Path, objective: Objective) -> None:
    run = unlearned(engine, home, objective)
    assert run.state == RunState.SUCCEEDED, run.error
    curves = metric_points.curve(engine, run.id)
    forget, retain = ([step for step, _ in curves.get(name, [])] for name in ("forget_loss", "retain_loss"))
    turns = {"joint": ([1, 2, 3], [1, 2, 3]), "alternate": ([1, 3], [2]), "sequential": ([1, 2, 3], [])}
    assert (forget, retain) == turns[objective.schedule]
    assert ("regulariser" in curves) == (objective.regulariser != "none")


@pytest.mark.parametrize("term", ["undial", "npo"])
def test_full_weights_run_too_and_the_vision_tower_stays(
    engine: Engine, home: Path, whole: dict[str, tuple[torch.Tensor, torch.Tensor]], term: str
) -> None:
    run = unlearned(engine, home, Objective(forget=term, retain="kl"), adapter="full", learning_rate=0.01)
    assert run.state == RunState.SUCCEEDED, run.error
    assert whole and not any("lora_" in name for name in whole)
    assert any("language_model" in name and not torch.equal(*pair) for name, pair in whole.items())
    assert all(torch.equal(*pair) for name, pair in whole.items() if "vision_tower" in name)


def test_kept_sums_of_second_answers_are_those_of_the_model_as_it_was(
    engine: Engine, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[dict[str, Any]] = []

    class Peeping(train.ObjectiveLoss):
        def parts(self, model: Any, batch: Any, *given: Any) -> Any:
            if not batches:
                batches.append(batch)
                other = {key: value for key, value in batch["other"].items() if key != "reference_sums"}
                with torch.no_grad():
                    self.live = read_answers(model, other).sums
                    batches.append({"live": self.live})
            return super().parts(model, batch, *given)

    monkeypatch.setattr(train, "ObjectiveLoss", Peeping)
    run = unlearned(engine, home, Objective(forget="altpo", labels="full"))
    assert run.state == RunState.SUCCEEDED, run.error
    # Before the first step an adapter adds nothing, so the model is its own reference.
    assert torch.allclose(batches[0]["other"]["reference_sums"], batches[1]["live"], atol=1e-4)
    assert not torch.allclose(batches[0]["forget"]["reference_sums"], batches[1]["live"], atol=1e-2)


def test_the_reference_is_asked_of_no_more_items_at_once_than_a_batch_holds(
    engine: Engine, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    class Counting(train.ObjectiveLoss):
        def reference_sums(self, batch: Any) -> torch.Tensor:
            sizes.append(len(batch["input_ids"]))
            return super().reference_sums(batch)

    monkeypatch.setattr(train, "ObjectiveLoss", Counting)
    run = unlearned(engine, home, Objective(forget="dpo"))
    assert run.state == RunState.SUCCEEDED, run.error
    assert max(sizes) == 3, "the batch size, though there are more"
    assert sum(sizes) % 2 == 0 and sum(sizes) > 12, "each item, and a refusal to each"


def test_a_layer_that_is_not_there_fails_the_run_with_one_sentence(engine: Engine, home: Path) -> None:
    run = unlearned(engine, home, Objective(forget="rmu"))
    assert (run.state, run.error) == (
        RunState.FAILED,
        "there is no layer 7: this language model has 3 blocks, 0 to 2",
    )
