"""A retain-tuned reference: what it answers is what that model answers, and nothing runs where none is named."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from sqlalchemy import Engine

from backend.models.answers import read_answers
from backend.models.encoding import Encoder
from backend.models.lineage import open_model
from backend.presets import fill
from backend.queueing import NO_REFERENCE, CannotQueue, queue
from backend.runs import train
from backend.spec import FinetuneSpec, ForgetRequest, Objective, UnlearnSpec
from backend.spec_edit import Edit
from storage import checkpoints, runs
from storage.tables import Run, RunState
from tests.backend.runs.conftest import carried_out, short_finetune
from tests.backend.runs.conftest import queue as submit

CPU = torch.device("cpu")
ONE_PERSON = ForgetRequest(ratio=None, people=("p01",))
SHORT: dict[str, Any] = {"steps": 2, "batch_size": 3, "save_every": 0, "learning_rate": 1e-3}


@pytest.fixture
def gold(engine: Engine, home: Path) -> Run:
    """A model that went a few large steps away from the untaught one."""
    fast = short_finetune(steps=3, learning_rate=0.02).model_dump() | {"who": "retain", "request": ONE_PERSON}
    submit(engine, FinetuneSpec.model_validate(fast), "gold")
    return carried_out(engine, home)


def asked(name: str, **given: Any) -> UnlearnSpec:
    training = SHORT | given.pop("training", {})
    return fill(name, model="demo", request=ONE_PERSON, score=False, training=training, **given)


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The first batch of each run, as its objective was given it."""
    found: list[dict[str, Any]] = []

    class Peeping(train.ObjectiveLoss):
        def parts(self, model: Any, batch: Any, step: int, *given: Any) -> Any:
            if step == 0:
                found.append(batch)
            return super().parts(model, batch, step, *given)

    monkeypatch.setattr(train, "ObjectiveLoss", Peeping)
    return found


def live_sums(engine: Engine, home: Path, model: str, batch: Any) -> torch.Tensor:
    opened = open_model(engine, home, model, precision="fp32", device=CPU)
    with torch.no_grad():
        return read_answers(opened.model.eval(), {k: v for k, v in batch.items() if k != "reference_sums"}).sums


@pytest.mark.parametrize("adapter", ["lora", "full"])
def test_its_log_probabilities_are_those_of_that_model_loaded_from_its_checkpoint(
    engine: Engine, home: Path, gold: Run, batches: list[dict[str, Any]], adapter: str
) -> None:
    spec = asked("npo:mllmu", reference=f"run:{gold.id}", training={"adapter": adapter})
    queued = queue(engine, spec, "NPO")
    assert runs.get(engine, queued.id).spec["reference"] == f"checkpoint:{gold.output_checkpoint_id}"
    assert carried_out(engine, home).state == RunState.SUCCEEDED
    forget = batches[0]["forget"]
    there = live_sums(engine, home, f"run:{gold.id}", forget)
    assert torch.allclose(forget["reference_sums"], there, atol=1e-4)
    assert not torch.allclose(there, live_sums(engine, home, "demo", forget), atol=0.1), "it is another model"


def test_a_divergence_is_taken_from_it_and_from_the_model_as_it_was_otherwise(
    engine: Engine, home: Path, gold: Run
) -> None:
    encoder = Encoder(open_model(engine, home, "demo", precision="fp32", device=CPU).processor)
    batch = encoder.collate([encoder.encode("Who is this?", "Mira")])
    spec = Objective(forget="none", retain="kl", reference="retain_tuned")
    first, other = (
        open_model(engine, home, name, precision="fp32", device=CPU).model.eval() for name in ("demo", f"run:{gold.id}")
    )
    by_hand = _divergence(other, first, batch)
    assert by_hand > 1e-3
    for reference, expected in ((other, by_hand), (None, 0.0)):
        objective = train.ObjectiveLoss(spec, first, reference=reference)
        [part] = objective.parts(first, {"retain": batch}, 0)
        assert part.loss.item() == pytest.approx(expected, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(("retain", "needed"), [("ce", False), ("kl", True)])
def test_it_is_let_go_before_the_first_step_where_its_sums_are_all_that_is_needed(
    engine: Engine, home: Path, gold: Run, monkeypatch: pytest.MonkeyPatch, retain: str, needed: bool
) -> None:
    opened: list[weakref.ref[Any]] = []
    there: list[bool] = []

    class Peeping(train.ObjectiveLoss):
        def __init__(self, *given: Any, reference: Any, **named: Any) -> None:
            opened.append(weakref.ref(reference))
            super().__init__(*given, reference=reference, **named)

        def parts(self, *given: Any) -> Any:
            gc.collect()
            there.append(opened[0]() is not None)
            return super().parts(*given)

    monkeypatch.setattr(train, "ObjectiveLoss", Peeping)
    objective = {"forget": "npo_mean", "retain": retain, "reference": "retain_tuned"}
    queue(engine, asked("npo", reference=f"run:{gold.id}", objective=objective), "NPO")
    run = carried_out(engine, home)
    assert run.state == RunState.SUCCEEDED, run.error
    assert there == [needed] * SHORT["steps"]


def test_one_that_was_let_go_answers_nothing_more(engine: Engine, home: Path) -> None:
    opened = open_model(engine, home, "demo", precision="fp32", device=CPU)
    encoder = Encoder(opened.processor)
    batch = encoder.collate([encoder.encode("Who is this?", "Mira")])
    spec = Objective(forget="npo", retain="ce", reference="retain_tuned")
    objective = train.ObjectiveLoss(spec, opened.model, reference=torch.nn.Linear(1, 1))
    objective.sums_are_kept()
    with pytest.raises(RuntimeError, match="was let go"):
        objective.reference_sums(batch)


def _divergence(one: Any, other: Any, batch: Any) -> float:
    """KL(one ‖ other), a mean over answer tokens."""
    with torch.no_grad():
        read = [read_answers(model, batch) for model in (one, other)]
        first, second = (answers.logits.log_softmax(dim=-1) for answers in read)
        return float(((first.exp() * (first - second)).sum(dim=-1) * read[0].mask).sum() / read[0].mask.sum())


def test_none_that_is_named_is_refused_before_it_is_queued_and_again_by_the_run(engine: Engine, home: Path) -> None:
    spec = asked("npo:mllmu")
    with pytest.raises(CannotQueue) as refused:
        queue(engine, spec, "NPO")
    assert str(refused.value) == NO_REFERENCE and runs.listing(engine) == []
    runs.submit(engine, kind="unlearn", name="NPO", spec=spec.model_dump(mode="json"))
    run = carried_out(engine, home)
    assert (run.state, run.error) == (RunState.FAILED, NO_REFERENCE)


def test_one_that_is_gone_or_still_in_the_making_is_refused(engine: Engine, home: Path, gold: Run) -> None:
    coming = submit(engine, short_finetune(), "coming")
    with pytest.raises(CannotQueue, match="the reference is still in the making; start this run when it is ready"):
        queue(engine, asked("npo:mllmu", reference=f"run:{coming.id}"), "NPO")
    assert gold.output_checkpoint_id is not None
    for file in checkpoints.path_of(home, checkpoints.get(engine, gold.output_checkpoint_id)).iterdir():
        file.unlink()
    with pytest.raises(CannotQueue, match="are missing; choose another model"):
        queue(engine, asked("npo:mllmu", reference=f"run:{gold.id}"), "NPO")


def test_a_name_without_use_is_not_kept(engine: Engine) -> None:
    run = queue(engine, asked("npo", reference="run:nobody"), "NPO")
    assert runs.get(engine, run.id).spec["reference"] == ""


def test_a_reference_that_is_told_an_instruction_is_refused(engine: Engine, home: Path) -> None:
    queue(engine, asked("prompt", edit=Edit(method="prompt").model_dump()), "told")
    told = carried_out(engine, home)
    queue(engine, asked("npo:mllmu", reference=f"run:{told.id}"), "NPO")
    run = carried_out(engine, home)
    assert (run.state, run.error) == (
        RunState.FAILED,
        "the reference is told an instruction that the model is not; name another reference",
    )


def test_one_that_was_made_from_another_model_is_refused(engine: Engine, home: Path, gold: Run) -> None:
    elsewhere = home / "elsewhere"
    open_model(engine, home, "demo", precision="fp32", device=CPU).model.save_pretrained(elsewhere)
    open_model(engine, home, "demo", precision="fp32", device=CPU).processor.save_pretrained(elsewhere)
    taught = submit(engine, short_finetune(1).model_copy(update={"model": str(elsewhere)}), "taught")
    assert carried_out(engine, home).state == RunState.SUCCEEDED
    changes = {"model": f"run:{taught.id}", "reference": f"run:{gold.id}"}
    queue(engine, asked("npo:mllmu").model_copy(update=changes), "NPO")
    run = carried_out(engine, home)
    assert (run.state, run.error) == (
        RunState.FAILED,
        f"the reference was made from demo and the model from {elsewhere}; name one made from the same model",
    )


def test_one_of_another_size_is_refused_wherever_it_comes_from(engine: Engine, home: Path) -> None:
    opened = open_model(engine, home, "demo", precision="fp32", device=CPU)
    language = opened.model.model.language_model
    del language.layers[-1]
    opened.model.config.text_config.num_hidden_layers -= 1
    language.config.num_hidden_layers = len(language.layers)
    for part in (opened.model, opened.processor):
        part.save_pretrained(home / "smaller")
    queue(engine, asked("npo:mllmu", reference=str(home / "smaller")), "NPO")
    run = carried_out(engine, home)
    assert (run.state, run.error) == (
        RunState.FAILED,
        "the reference is of another size than the model; name one made from the same model",
    )
