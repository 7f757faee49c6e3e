"""Results: answers are written once, scores change as a whole."""

import math
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.dialects import postgresql

from storage import checkpoints, metric_points, probes, results, runs
from storage.errors import ClaimLost, NotFound
from storage.tables import Answer, Checkpoint, Run


@pytest.fixture
def run(engine: Engine) -> Run:
    return evaluation(engine, "scored")


@pytest.fixture
def made(engine: Engine, home: Path) -> tuple[Run, Checkpoint]:
    """A run that has succeeded and the checkpoint it made, which nobody has scored."""
    maker = runs.submit(engine, kind="unlearn", name="maker", spec={}, priority=1)
    assert runs.claim(engine, "w", "here", "CPU") is not None
    checkpoint = saved(engine, home, maker)
    runs.finish(engine, maker.id, 1, "succeeded", output_checkpoint_id=checkpoint.id)
    return runs.get(engine, maker.id), checkpoint


def evaluation(engine: Engine, name: str) -> Run:
    return runs.submit(engine, kind="evaluate", name=name, spec={})


def saved(engine: Engine, home: Path, run: Run) -> Checkpoint:
    def write(folder: Path) -> None:
        (folder / "a.safetensors").write_bytes(b"weights")

    return checkpoints.save(
        engine,
        home,
        run_id=run.id,
        step=1,
        kind="adapter",
        role="final",
        base="demo",
        write=write,
    )


def cell(item_set: str, value: float | None, **more: Any) -> dict[str, Any]:
    row = {"set": item_set, "task": "generation", "modality": "image+text", "metric": "accuracy"}
    return {**row, "value": value, "n": 10, "people": 5, "low": 0.1, "high": 0.9, **more}


def answer(item_id: str, **more: Any) -> dict[str, Any]:
    row = {"item_id": item_id, "subject": "p1", "set": "forget", "task": "generation", "modality": "text"}
    return {
        **row,
        "question": "Who?",
        "truth": "Ada",
        "text": "Ada",
        "correct": True,
        "probability": 0.5,
        **more,
    }


# --- scores


def test_scores_come_back_with_their_n_and_interval(engine: Engine, home: Path, run: Run) -> None:
    checkpoint = saved(engine, home, run)
    results.write_scores(engine, run.id, checkpoint.id, [cell("retain", 0.8), cell("forget", 0.2, flags=["collapsed"])])
    forget, retain = results.score_dicts(engine, checkpoint_id=checkpoint.id)
    assert forget == {
        "run_id": run.id,
        "checkpoint_id": checkpoint.id,
        "set": "forget",
        "task": "generation",
        "modality": "image+text",
        "metric": "accuracy",
        "value": 0.2,
        "n": 10,
        "people": 5,
        "low": 0.1,
        "high": 0.9,
        "flags": ["collapsed"],
    }
    assert (retain["set"], retain["value"], retain["flags"]) == ("retain", 0.8, [])
    assert runs.get(engine, run.id).rev == runs.latest_rev(engine)


def test_writing_scores_again_replaces_all_that_the_run_wrote_before(engine: Engine, home: Path, run: Run) -> None:
    checkpoint = saved(engine, home, run)
    results.write_scores(engine, run.id, checkpoint.id, [cell("forget", 0.2), cell("retain", 0.8)])
    results.write_scores(engine, run.id, checkpoint.id, [cell("forget", 0.3)])
    assert [(score.item_set, score.value) for score in results.scores(engine, run_id=run.id)] == [("forget", 0.3)]


def test_a_run_that_is_scored_again_on_another_checkpoint_keeps_only_the_last_scores(
    engine: Engine, home: Path, run: Run
) -> None:
    first, last = saved(engine, home, run), saved(engine, home, run)
    results.write_scores(engine, run.id, first.id, [cell("forget", 0.2)])
    results.write_scores(engine, run.id, last.id, [cell("forget", 0.3)])
    assert results.scores(engine, checkpoint_id=first.id) == []
    assert [score.value for score in results.scores(engine, checkpoint_id=last.id)] == [0.3]


def values(engine: Engine, **asked: str) -> dict[str, float | None]:
    return {f"{row.item_set} {row.metric}": row.value for row in results.scores(engine, **asked)}


def test_two_evaluations_of_one_checkpoint_stand_side_by_side(
    engine: Engine, home: Path, made: tuple[Run, Checkpoint]
) -> None:
    _, checkpoint = made
    older, newer = (evaluation(engine, name) for name in ("older", "newer"))
    results.write_scores(engine, older.id, checkpoint.id, [cell("forget", 0.2), cell("retain", 0.8)])
    results.write_scores(engine, newer.id, checkpoint.id, [cell("forget", 0.3), cell("retain", 0.7)])
    results.write_scores(engine, newer.id, checkpoint.id, [cell("forget", 0.4)])
    assert values(engine, run_id=older.id) == {"forget accuracy": 0.2, "retain accuracy": 0.8}
    assert values(engine, run_id=newer.id) == {"forget accuracy": 0.4}
    assert values(engine, run_id=older.id, checkpoint_id=checkpoint.id) == values(engine, run_id=older.id)


def test_a_checkpoint_shows_the_newest_evaluation_until_its_own_run_has_scored_it(
    engine: Engine, home: Path, made: tuple[Run, Checkpoint]
) -> None:
    maker, checkpoint = made
    older, newer = (evaluation(engine, name) for name in ("older", "newer"))
    # the newer run scores first: what counts is the run, not the moment it wrote
    results.write_scores(engine, newer.id, checkpoint.id, [cell("forget", 0.3)])
    results.write_scores(engine, older.id, checkpoint.id, [cell("forget", 0.2), cell("retain", 0.8)])
    # one run answers: the retain that only the older one measured is not mixed in
    assert values(engine, checkpoint_id=checkpoint.id) == {"forget accuracy": 0.3}
    assert {name: cell["value"] for name, cell in results.headlines(engine, [maker.id])[maker.id].items()} == {
        "forget": 0.3
    }
    results.write_scores(engine, maker.id, checkpoint.id, [cell("retain", 0.9)])
    assert values(engine, checkpoint_id=checkpoint.id) == {"retain accuracy": 0.9}
    found = results.headlines(engine, [maker.id, older.id, newer.id])
    assert {
        run_id: {name: (cell["value"], cell["run_id"]) for name, cell in row.items()} for run_id, row in found.items()
    } == {
        maker.id: {"retain": (0.9, maker.id)},
        older.id: {"forget": (0.2, older.id), "retain": (0.8, older.id)},
        newer.id: {"forget": (0.3, newer.id)},
    }


def test_the_original_model_is_scored_without_a_checkpoint_once_for_each_run(engine: Engine, run: Run) -> None:
    other = runs.submit(engine, kind="evaluate", name="other", spec={})
    for value in (0.1, 0.9):
        results.write_scores(engine, run.id, None, [cell("forget", value)])
    results.write_scores(engine, other.id, None, [cell("forget", 0.5)])
    assert [score.value for score in results.scores(engine, run_id=run.id)] == [0.9]
    assert [score.value for score in results.scores(engine, run_id=other.id)] == [0.5]


def test_scores_that_are_refused_leave_the_old_ones(engine: Engine, run: Run) -> None:
    results.write_scores(engine, run.id, None, [cell("forget", 0.2)])
    with pytest.raises(ValueError, match="twice in one go: forget"):
        results.write_scores(engine, run.id, None, [cell("forget", 0.3), cell("forget", 0.4)])
    with pytest.raises(ValueError, match="no mean"):
        results.write_scores(engine, run.id, None, [cell("forget", 0.3, mean=1)])
    with pytest.raises(ValueError, match="needs item_set, metric"):
        results.write_scores(engine, run.id, None, [{"task": "generation", "modality": "text"}])
    with pytest.raises(NotFound, match="no checkpoint gone"):
        results.write_scores(engine, run.id, "gone", [cell("forget", 0.3)])
    assert [score.value for score in results.scores(engine, run_id=run.id)] == [0.2]


def test_a_score_without_a_finite_value_shows_no_number(engine: Engine, run: Run) -> None:
    results.write_scores(engine, run.id, None, [cell("forget", math.nan, low=-math.inf, high=None)])
    (score,) = results.scores(engine, run_id=run.id)
    assert (score.value, score.low, score.high) == (None, None, None)


def test_headlines_are_generation_accuracy_on_forget_and_retain(engine: Engine, home: Path, run: Run) -> None:
    results.write_scores(
        engine,
        run.id,
        None,
        [
            cell("forget", 0.4, modality="text"),
            cell("forget", 0.2),
            cell("forget", 0.9, task="cloze"),
            cell("retain", 0.8, modality="text"),
            cell("test", 0.5),
        ],
    )
    empty = runs.submit(engine, kind="unlearn", name="empty", spec={})
    found = results.headlines(engine, [run.id, empty.id])
    assert found[empty.id] == {}
    assert set(found[run.id]) == {"forget", "retain"}
    assert (found[run.id]["forget"]["value"], found[run.id]["forget"]["n"]) == (0.2, 10)
    assert (found[run.id]["retain"]["value"], found[run.id]["retain"]["modality"]) == (0.8, "text")


def test_a_run_that_made_a_checkpoint_shows_what_another_run_measured_of_it(
    engine: Engine, run: Run, made: tuple[Run, Checkpoint]
) -> None:
    maker, checkpoint = made
    results.write_scores(engine, run.id, checkpoint.id, [cell("forget", 0.2)])
    assert results.headlines(engine, [maker.id])[maker.id]["forget"]["value"] == 0.2


def test_headlines_are_one_query_however_many_runs_are_asked_after(
    engine: Engine, made: tuple[Run, Checkpoint]
) -> None:
    asked: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *call: asked.append(call[2]))
    results.headlines(engine, [made[0].id, *(f"{number}" for number in range(50))])
    assert len([statement for statement in asked if "scores" in statement]) == 1


# --- answers and probes


def test_an_answer_that_is_sent_again_stays_as_it_was(engine: Engine, home: Path, run: Run) -> None:
    checkpoint = saved(engine, home, run)
    results.write_answers(engine, run.id, checkpoint.id, [answer("i1"), answer("i2", correct=False)])
    results.write_answers(engine, run.id, checkpoint.id, [answer("i2", text="changed"), answer("i3")])
    kept = results.answers(engine, checkpoint_id=checkpoint.id)
    assert [(row.item_id, row.text, row.correct) for row in kept] == [
        ("i1", "Ada", True),
        ("i2", "Ada", False),
        ("i3", "Ada", True),
    ]
    results.write_answers(engine, evaluation(engine, "original").id, None, [answer("i1"), answer("i1")])
    assert len(results.answers(engine)) == 4


def test_a_checkpoint_shows_the_answers_behind_its_scores(
    engine: Engine, home: Path, made: tuple[Run, Checkpoint]
) -> None:
    _, checkpoint = made
    older, newer = (evaluation(engine, name) for name in ("older", "newer"))

    def shown(**asked: Any) -> list[str]:
        return [row.text for row in results.answers(engine, checkpoint_id=checkpoint.id, **asked)]

    results.write_answers(engine, older.id, checkpoint.id, [answer("i1", text="first"), answer("i2")])
    assert shown() == ["first", "Ada"]
    results.write_scores(engine, older.id, checkpoint.id, [cell("forget", 0.2)])
    results.write_answers(engine, newer.id, checkpoint.id, [answer("i1", text="second")])
    assert shown() == ["first", "Ada"]  # the newer run has not scored yet
    results.write_scores(engine, newer.id, checkpoint.id, [cell("forget", 0.3)])
    assert shown() == ["second"]
    assert shown(correct=False) == []
    assert shown(run_id=older.id) == ["first", "Ada"]


def test_more_answers_than_one_statement_holds_are_all_written(engine: Engine, run: Run) -> None:
    results.write_answers(engine, run.id, None, [answer(f"i{number:04d}") for number in range(1203)])
    assert len(results.answers(engine, run_id=run.id, limit=5000)) == 1203
    assert [row.item_id for row in results.answers(engine, run_id=run.id, limit=2, offset=1000)] == [
        "i1000",
        "i1001",
    ]


def test_answers_are_narrowed_by_what_is_asked(engine: Engine, run: Run) -> None:
    rows = [
        answer("a", correct=False),
        answer("b", set="retain"),
        answer("c", subject="p2"),
        answer("d", task="cloze"),
        answer("e", modality="image+text"),
        answer("f", correct=None, probability=math.nan, detail={"rouge": 0.5}),
    ]
    results.write_answers(engine, run.id, None, rows)

    def ids(**asked: Any) -> str:
        return "".join(row.item_id for row in results.answers(engine, run_id=run.id, **asked))

    assert ids() == "acdefb"  # forget before retain
    results.write_answers(engine, run.id, None, [answer("0", set="celebrity", correct=None)])
    assert ids() == "acdefb0", "what should be gone first, whatever the alphabet says"
    assert ids(correct=False) == "a"
    assert ids(correct=True) == "cdeb"
    assert (
        ids(item_set="retain"),
        ids(subject="p2"),
        ids(task="cloze"),
        ids(modality="image+text"),
    ) == tuple("bcde")
    last = results.answers(engine, run_id=run.id, limit=1, offset=4)[0]
    assert (last.correct, last.probability, last.detail) == (None, None, {"rouge": 0.5})


def test_answers_are_narrowed_by_whether_the_original_knew_them(engine: Engine, run: Run) -> None:
    told = {"a": {"before": {"correct": True}}, "b": {"before": {"correct": False}}, "c": {"before": {"correct": None}}}
    rows = [answer(item_id, detail=detail) for item_id, detail in told.items()]
    results.write_answers(engine, run.id, None, [*rows, answer("d"), answer("e", set="retain", detail=told["a"])])

    def ids(known: bool | None, **asked: Any) -> str:
        found = results.answers(engine, run_id=run.id, known_before=known, **asked)
        return "".join(row.item_id for row in found)

    assert (ids(True), ids(False), ids(None)) == ("ae", "b", "abcde")
    assert ids(True, item_set="retain") == "e" and ids(True, limit=1, offset=1) == "e"


def test_that_filter_asks_postgresql_for_a_boolean_too() -> None:
    known = Answer.detail["before", "correct"].as_boolean()
    compiled = str((known == True).compile(dialect=postgresql.dialect()))  # noqa: E712
    assert "CAST((answers.detail #>> %(detail_1)s) AS BOOLEAN) = true" in compiled


def test_a_detail_is_written_anew_and_what_was_said_stays(engine: Engine, run: Run) -> None:
    other = evaluation(engine, "other")
    for one in (run, other):
        results.write_answers(engine, one.id, None, [answer("a", detail={"old": 1}), answer("b", detail={"old": 2})])
    assert runs.claim(engine, "w", "here", "CPU") is not None
    results.annotate_answers(engine, run.id, {"a": {"judge": {"score": 7.0}}, "gone": {}}, attempt=1)
    kept = results.answers(engine, run_id=run.id)
    assert [(row.text, row.detail) for row in kept] == [("Ada", {"judge": {"score": 7.0}}), ("Ada", {"old": 2})]
    assert [row.detail for row in results.answers(engine, run_id=other.id)] == [{"old": 1}, {"old": 2}]
    with pytest.raises(ClaimLost):
        results.annotate_answers(engine, run.id, {"a": {}}, attempt=2)
    results.annotate_answers(engine, run.id, {}, attempt=2)


def test_the_runs_that_answered_for_a_checkpoint_are_its_maker_and_then_the_newest(
    engine: Engine, home: Path, made: tuple[Run, Checkpoint]
) -> None:
    maker, checkpoint = made
    older, newer, of_another = (evaluation(engine, name) for name in ("older", "newer", "of another"))
    assert results.answering_runs(engine, checkpoint.id) == []
    for one in (older, newer, maker):
        results.write_answers(engine, one.id, checkpoint.id, [answer("a"), answer("b")])
    results.write_answers(engine, of_another.id, None, [answer("a")])
    found = [run.id for run in results.answering_runs(engine, checkpoint.id)]
    assert found == [maker.id, newer.id, older.id]


def test_an_answer_with_a_key_that_nobody_reads_is_refused(engine: Engine, run: Run) -> None:
    with pytest.raises(ValueError, match="no rogue"):
        results.write_answers(engine, run.id, None, [answer("a", rogue=1)])


def test_probes_are_kept_newest_first(engine: Engine) -> None:
    first = probes.save(engine, {"question": "Who?"}, [{"side": "original", "text": "Ada"}])
    second = probes.save(engine, {"question": "Where?"}, [])
    assert [probe.id for probe in probes.listing(engine)] == [second.id, first.id]
    assert [probe.id for probe in probes.listing(engine, limit=1, offset=1)] == [first.id]
    again = probes.get(engine, first.id)
    assert (again.request, again.answers) == ({"question": "Who?"}, [{"side": "original", "text": "Ada"}])
    assert second.rev == runs.latest_rev(engine) == first.rev + 1
    with pytest.raises(NotFound, match="no probe"):
        probes.get(engine, "gone")


def test_an_attempt_that_lost_its_run_writes_no_point_no_answer_and_no_score(engine: Engine, run: Run) -> None:
    assert runs.claim(engine, "w", "here", "CPU") is not None
    metric_points.record(engine, run.id, [(1, "loss", 1.0)], attempt=1)
    runs.finish(engine, run.id, 1, "interrupted")
    assert runs.claim(engine, "other", "here", "CPU") is not None
    with pytest.raises(ClaimLost):
        metric_points.record(engine, run.id, [(2, "loss", 9.0)], attempt=1)
    with pytest.raises(ClaimLost):
        results.write_answers(engine, run.id, None, [answer("one")], attempt=1)
    with pytest.raises(ClaimLost):
        results.write_scores(engine, run.id, None, [cell("forget", 0.5)], attempt=1)
    with pytest.raises(ClaimLost):
        metric_points.forget_after(engine, run.id, 0, attempt=1)
    assert metric_points.curve(engine, run.id) == {"loss": [(1, 1.0)]}
    assert (results.answers(engine, run_id=run.id), results.scores(engine, run_id=run.id)) == ([], [])


def test_the_answers_of_a_model_that_is_made_anew_are_taken_away(engine: Engine, run: Run) -> None:
    results.write_answers(engine, run.id, None, [answer("one")])
    results.write_scores(engine, run.id, None, [cell("forget", 0.5)])
    results.forget_answers(engine, run.id)
    assert (results.answers(engine, run_id=run.id), results.scores(engine, run_id=run.id)) == ([], [])
