"""Runs of the demo model held against a retain-only one: which model is taken for gold, and what is counted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, update

from backend.metrics.flags import NEEDS_GOLD
from backend.presets import fill
from backend.queueing import queue
from backend.spec import FinetuneSpec, ForgetRequest, RunSpec
from storage import results, runs
from storage.database import writing
from storage.tables import Answer, Run
from tests.backend.runs.conftest import carried_out, short_finetune

REQUEST = ForgetRequest(ratio=None, people=("p01", "p02"))
AGAINST_GOLD = ("gold_auc", "privleak", "forget_quality")

pytestmark = pytest.mark.usefixtures("few_questions")


def done(engine: Engine, home: Path, name: str, spec: RunSpec) -> Run:
    queue(engine, spec, name)
    run = carried_out(engine, home)
    assert run.state == "succeeded", run.error
    return run


def finetune(**given: Any) -> FinetuneSpec:
    return short_finetune(steps=3, save_every=0).model_copy(update={"request": REQUEST, "score": True, **given})


def unlearn(vanilla: Run) -> RunSpec:
    training = {"steps": 3, "batch_size": 2, "save_every": 0, "learning_rate": 0.01}
    return fill("npo", model=f"run:{vanilla.id}", request=REQUEST, training=training, score=True)


@pytest.fixture
def vanilla(engine: Engine, home: Path) -> Run:
    return done(engine, home, "vanilla", finetune(score=False))


def row_of(engine: Engine, run: Run, metric: str) -> dict[str, Any]:
    [row] = [row for row in results.score_dicts(engine, run_id=run.id) if row["metric"] == metric]
    return row


def waits_for_gold(engine: Engine, run: Run) -> bool:
    row = row_of(engine, run, "gold_auc_min_k_40")
    return row["value"] is None and row["flags"] == [NEEDS_GOLD]


def forget_losses(engine: Engine, run: Run) -> dict[tuple[str, str], list[float]]:
    """The true answer's loss for each forget item, by task and modality; classification has no written answer."""
    found: dict[tuple[str, str], list[float]] = {}
    rows: Sequence[Answer] = results.answers(engine, run_id=run.id, item_set="forget", limit=10_000)
    for row in rows:
        if row.task != "classification" and row.detail["measures"].get("loss") is not None:
            found.setdefault((row.task, row.modality), []).append(row.detail["measures"]["loss"])
    return found


def test_the_gold_auc_of_an_unlearned_model_is_counted_over_its_answers_and_those_of_gold(
    engine: Engine, home: Path, vanilla: Run
) -> None:
    gold = done(engine, home, "gold", finetune(who="retain"))
    run = done(engine, home, "NPO", unlearn(vanilla))
    ours, theirs = forget_losses(engine, run), forget_losses(engine, gold)
    assert ours.keys() == theirs.keys() and len(ours) > 1
    pairs = [(one, other) for cell in ours for one in ours[cell] for other in theirs[cell]]
    won = sum(one < other for one, other in pairs) + sum(one == other for one, other in pairs) / 2
    row = row_of(engine, run, "gold_auc_loss")
    assert row["value"] == pytest.approx(won / len(pairs))
    assert row["n"] == sum(map(len, ours.values())) and row["flags"] == []
    assert any(one != other for one, other in pairs), "the two models are not one"


def test_the_scores_of_a_gold_model_wait_for_no_other(engine: Engine, home: Path, vanilla: Run) -> None:
    for name in ("gold", "gold again"):
        gold = done(engine, home, name, finetune(who="retain"))
        metrics = {row["metric"] for row in results.score_dicts(engine, run_id=gold.id)}
        assert "member_auc_loss" in metrics
        assert [metric for metric in metrics if metric.startswith(AGAINST_GOLD)] == []


def test_a_gold_model_of_other_data_is_not_taken(engine: Engine, home: Path, vanilla: Run) -> None:
    gold = done(engine, home, "gold", finetune(who="retain"))
    with writing(engine) as session:
        session.execute(update(Run).where(Run.id == gold.id).values(versions={"data": "another world"}))
    assert waits_for_gold(engine, done(engine, home, "NPO", unlearn(vanilla)))
    with writing(engine) as session:
        session.execute(update(Run).where(Run.id == gold.id).values(versions=gold.versions))
    assert not waits_for_gold(engine, done(engine, home, "NPO", unlearn(vanilla)))


def test_a_gold_model_of_another_base_is_not_taken(engine: Engine, home: Path, vanilla: Run, demo_folder: Path) -> None:
    done(engine, home, "gold of a folder", finetune(who="retain", model=str(demo_folder)))
    run = in_a_row(engine, home, vanilla)
    assert waits_for_gold(engine, run)


def in_a_row(engine: Engine, home: Path, vanilla: Run) -> Run:
    """An unlearning run that was queued before its model was there, so that it learns its parent as it runs."""
    spec = unlearn(vanilla).model_dump(mode="json")
    waiting = runs.submit(engine, kind="unlearn", name="NPO", spec=spec, depends_on=vanilla.id)
    assert waiting.parent_checkpoint_id is None
    run = carried_out(engine, home)
    assert run.state == "succeeded", run.error
    return run


def test_a_model_that_knew_everyone_before_is_no_gold_and_waits_for_one(
    engine: Engine, home: Path, vanilla: Run
) -> None:
    tuned = done(engine, home, "tuned", finetune(who="retain", model=f"run:{vanilla.id}"))
    assert waits_for_gold(engine, tuned)
    assert waits_for_gold(engine, done(engine, home, "NPO", unlearn(vanilla)))
