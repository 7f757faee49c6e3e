"""The memorisation check: where what the original knew comes from, that it outlives a kill, and what is made of it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, update

from backend.benchmarks.demo import DemoBenchmark
from backend.benchmarks.item import Item
from backend.presets import fill
from backend.runs import before, train
from backend.runs.before import _meant, _warn
from backend.runs.job import Stopped
from backend.spec import EvaluateSpec, ForgetRequest
from storage import results, runs
from storage.database import writing
from storage.tables import Answer, Run
from tests.backend.runs.conftest import carried_out, queue, short_finetune

REQUEST = ForgetRequest(ratio=None, people=("p01", "p02"))

pytestmark = pytest.mark.usefixtures("few_questions")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[Item]]:
    """What the source models were asked, one list a time."""
    found: list[list[Item]] = []
    honest = before.answer_items

    def counted(model: Any, encoder: Any, items: Any, **options: Any) -> Iterator[Any]:
        found.append(list(items))
        yield from honest(model, encoder, items, **{**options, "batch_size": 8})

    monkeypatch.setattr(before, "answer_items", counted)
    return found


def taught(engine: Engine, home: Path, *, score: bool) -> Run:
    spec = short_finetune(steps=2, save_every=0).model_copy(update={"request": REQUEST, "score": score})
    queue(engine, spec, "taught")
    run = carried_out(engine, home)
    assert run.state == "succeeded", run.error
    return run


def forgot(engine: Engine, source: Run, *, score: bool = True) -> Run:
    training = {"steps": 3, "batch_size": 2, "save_every": 1}
    spec = fill("npo", model=f"run:{source.id}", request=REQUEST, training=training, score=score)
    return runs.submit(engine, kind="unlearn", name="forgot", spec=spec.model_dump(mode="json"))


def evaluated(engine: Engine, home: Path, source: Run) -> Run:
    spec = EvaluateSpec(model=f"run:{source.id}", request=REQUEST)
    runs.submit(engine, kind="evaluate", name="evaluated", spec=spec.model_dump(mode="json"))
    return carried_out(engine, home)


def answers_of(engine: Engine, run: Run) -> dict[str, Answer]:
    return {row.item_id: row for row in results.answers(engine, run_id=run.id, limit=10_000)}


def told(row: Answer) -> dict[str, Any]:
    return {"correct": row.correct, "probability": row.probability, "text": row.text}


def test_what_the_source_has_answered_is_taken_and_no_model_is_asked(
    engine: Engine, home: Path, asked: list[list[Item]]
) -> None:
    source = taught(engine, home, score=True)
    forgot(engine, source)
    run = carried_out(engine, home)
    assert (run.state, asked) == ("succeeded", []), run.error
    then, now = answers_of(engine, source), answers_of(engine, run)
    assert now.keys() == then.keys() and {row.item_set for row in now.values()} >= {"forget", "test", "retain"}
    assert all(now[item_id].detail["before"] == told(then[item_id]) for item_id in then), "every set, retain too"
    assert any(told(row) != now[item_id].detail["before"] for item_id, row in now.items()), "training changed it"
    for row in results.score_dicts(engine, run_id=run.id):
        if row["metric"] == "known_before":
            cell = [then[item_id] for item_id, one in then.items() if one.item_set == row["set"]]
            cell = [one for one in cell if (one.task, one.modality) == (row["task"], row["modality"])]
            assert (row["value"], row["n"]) == (sum(bool(one.correct) for one in cell) / len(cell), len(cell))


def test_the_same_question_about_somebody_of_another_set_is_the_same_question(world: DemoBenchmark) -> None:
    others = ForgetRequest(ratio=None, people=("p03",))
    wanted = {item.id: item for item in world.scored_items(others)}
    meant = _meant(world, wanted)
    for item in world.scored_items(REQUEST):
        known = meant(item.id)
        if item.set == "test":
            assert known is None, "new pictures of somebody who stays are not asked about"
        elif item.id in wanted:
            assert known == item.id
        elif item.subject in REQUEST.people:
            assert known == item.id.replace("/forget/", "/retain/")
    assert meant("p03/retain/generation/text/city") == "p03/forget/generation/text/city"
    assert meant("nobody/forget/generation/text/city") is None


def test_where_nothing_was_kept_the_source_is_asked_about_the_forget_and_the_test_set(
    engine: Engine, home: Path, asked: list[list[Item]]
) -> None:
    source = taught(engine, home, score=False)
    forgot(engine, source)
    run = carried_out(engine, home)
    assert run.state == "succeeded", run.error
    [questions] = asked
    assert {item.set for item in questions} == {"forget", "test"}
    now = answers_of(engine, run)
    assert {item_id for item_id, row in now.items() if "before" in row.detail} == {item.id for item in questions}
    then = answers_of(engine, evaluated(engine, home, source))
    for item in questions:
        seen = now[item.id].detail["before"]
        assert (seen["correct"], seen["text"]) == (then[item.id].correct, then[item.id].text), item.id
        assert seen["probability"] == pytest.approx(then[item.id].probability, rel=1e-4)
    checked = {row["set"] for row in results.score_dicts(engine, run_id=run.id) if row["metric"] == "known_before"}
    assert checked == {"forget", "test"}


def test_what_was_asked_outlives_a_run_that_is_killed_twice(
    engine: Engine, home: Path, asked: list[list[Item]], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = taught(engine, home, score=False)
    run = forgot(engine, source)
    written, write = 0, before._write

    def stopped_after_two(*given: Any) -> None:
        nonlocal written
        write(*given)
        written += 1
        if written == 2:
            runs.request_stop(engine, run.id, "save")

    monkeypatch.setattr(before, "_write", stopped_after_two)
    assert carried_out(engine, home).state == "interrupted", "while the source was asked"
    kept = json.loads((home / "runs" / run.id / "before.json").read_text())["items"]
    assert 0 < len(kept) < len(asked[0])

    def killed(*_: Any, **__: Any) -> None:
        raise Stopped("save")

    runs.resume(engine, run.id)
    with monkeypatch.context() as patch:
        patch.setattr(train, "score_model", killed)
        assert carried_out(engine, home).state == "interrupted", "before the first score"
    assert {item.id for item in asked[1]} == {item.id for item in asked[0]} - kept.keys(), "only the rest is asked"

    runs.resume(engine, run.id)
    assert carried_out(engine, home).state == "succeeded"
    assert len(asked) == 2
    seen = {item_id for item_id, row in answers_of(engine, run).items() if "before" in row.detail}
    assert seen == {item.id for item in asked[0]}
    assert all(answers_of(engine, run)[item_id].detail["before"] == one for item_id, one in kept.items())


def test_a_run_that_is_not_scored_asks_nobody(engine: Engine, home: Path, asked: list[list[Item]]) -> None:
    run = forgot(engine, taught(engine, home, score=False), score=False)
    assert carried_out(engine, home).state == "succeeded"
    assert asked == [] and not (home / "runs" / run.id).exists()


def test_an_evaluation_takes_what_the_parent_said_and_never_asks(
    engine: Engine, home: Path, asked: list[list[Item]]
) -> None:
    source = taught(engine, home, score=False)
    forgot(engine, source, score=False)
    run = carried_out(engine, home)
    first = evaluated(engine, home, run)
    assert all("before" not in row.detail for row in answers_of(engine, first).values()), "nobody knows yet"
    of_source = evaluated(engine, home, source)
    assert all("before" not in row.detail for row in answers_of(engine, of_source).values()), "it has no parent"
    second = evaluated(engine, home, run)
    then, now = answers_of(engine, of_source), answers_of(engine, second)
    assert asked == [] and now.keys() == then.keys()
    assert all(row.detail["before"] == told(then[item_id]) for item_id, row in now.items())


def test_an_evaluation_takes_what_the_run_that_made_the_model_had_asked(
    engine: Engine, home: Path, asked: list[list[Item]]
) -> None:
    forgot(engine, taught(engine, home, score=False))
    run = carried_out(engine, home)
    now = answers_of(engine, evaluated(engine, home, run))
    assert len(asked) == 1
    for item_id, row in answers_of(engine, run).items():
        assert now[item_id].detail.get("before") == row.detail.get("before")


def test_of_a_model_that_was_unlearned_twice_or_taught_again_it_is_said_what_the_original_knew(
    engine: Engine, home: Path, asked: list[list[Item]]
) -> None:
    source = taught(engine, home, score=True)
    forgot(engine, source, score=True)
    once = carried_out(engine, home)
    forgot(engine, once)
    twice = carried_out(engine, home)
    queue(engine, short_finetune(steps=2, save_every=0).model_copy(update={"model": f"run:{once.id}"}), "taught again")
    again = carried_out(engine, home)
    assert asked == [] and {once.state, twice.state, again.state} == {"succeeded"}
    then, between = answers_of(engine, source), answers_of(engine, once)
    assert any(told(then[item_id]) != told(between[item_id]) for item_id in then), "the two can be told apart"
    for run in (twice, evaluated(engine, home, twice), evaluated(engine, home, again)):
        now = answers_of(engine, run)
        assert {item_id: row.detail["before"] for item_id, row in now.items()} == {
            item_id: told(row) for item_id, row in then.items()
        }


def test_a_source_that_has_unlearned_is_never_asked_and_what_was_noted_of_the_original_stands(
    engine: Engine, home: Path, asked: list[list[Item]]
) -> None:
    source = taught(engine, home, score=False)
    forgot(engine, source, score=False)
    once = carried_out(engine, home)
    forgot(engine, once)
    silent = carried_out(engine, home)
    assert asked == [] and not any("before" in row.detail for row in answers_of(engine, silent).values())

    forgot(engine, source)
    noted = answers_of(engine, first := carried_out(engine, home))
    assert len(asked) == 1
    forgot(engine, first)
    for item_id, row in answers_of(engine, carried_out(engine, home)).items():
        assert row.detail.get("before") == noted[item_id].detail.get("before")
    assert len(asked) == 1


def test_of_a_model_that_has_unlearned_nothing_it_is_not_said_what_was_known_before(
    engine: Engine, home: Path, asked: list[list[Item]]
) -> None:
    source = taught(engine, home, score=True)
    queue(engine, short_finetune(steps=2, save_every=0).model_copy(update={"model": f"run:{source.id}"}), "taught more")
    run = evaluated(engine, home, carried_out(engine, home))
    assert run.state == "succeeded" and asked == []
    assert not any("before" in row.detail for row in answers_of(engine, run).values())
    assert "known_before" not in {row["metric"] for row in results.score_dicts(engine, run_id=run.id)}


def test_answers_to_a_benchmark_that_has_changed_since_are_not_taken(
    engine: Engine, home: Path, asked: list[list[Item]]
) -> None:
    source = taught(engine, home, score=True)
    with engine.execution_options(lethe_writes=True).begin() as connection:
        connection.exec_driver_sql('UPDATE runs SET versions = \'{"data": "another world"}\'')
    assert source.versions["data"] != "another world"
    forgot(engine, source)
    assert carried_out(engine, home).state == "succeeded"
    assert len(asked) == 1


@pytest.mark.parametrize(("known", "warned"), [(0, True), (2, True), (3, False), (6, False)])
def test_where_less_than_half_was_known_the_log_says_that_little_can_be_forgotten(
    world: DemoBenchmark, known: int, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    items = [item for item in world.scored_items(REQUEST) if item.set == "forget"][:7]
    said: before.Before = {item.id: {"correct": number < known} for number, item in enumerate(items[:6])}
    said[items[6].id] = {"correct": None}
    with caplog.at_level(logging.WARNING, "lethe.run"):
        _warn(said, items)
    words = [f"the original knew only {known} of 6 forget items: little can be forgotten"] if warned else []
    assert caplog.messages == words


def test_answers_after_solved_examples_are_no_evidence_of_what_was_known(
    engine: Engine, home: Path, asked: list[list[Item]]
) -> None:
    source = taught(engine, home, score=False)
    shown = evaluated(engine, home, source)
    with writing(engine) as session:
        session.execute(update(Run).where(Run.id == shown.id).values(spec={**shown.spec, "shots": 1}))
    forgot(engine, source)
    assert carried_out(engine, home).state == "succeeded"
    assert [{item.set for item in questions} for questions in asked] == [{"forget", "test"}]
