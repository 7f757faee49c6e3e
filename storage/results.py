"""What runs found out: scores and answers; their curves are in `storage.metric_points`.

An answer is written once: the same row sent again changes nothing, so a process that resumes may repeat what it is not
sure about. A run scores one model, and its scores and answers are
its own: they change as a whole or not at all, whoever else scores the same checkpoint. Where a checkpoint is asked
after, one run answers for it, the one that made it or else the newest that scored it: a table never mixes cells that
several runs measured.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Engine, ScalarSelect, Select, and_, bindparam, case, delete, func, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from storage.claims import touch
from storage.database import finite, insert_or_ignore, reading, table, writing
from storage.errors import NotFound
from storage.tables import Answer, Checkpoint, Run, Score, new_id

HEADLINE_SETS = ("forget", "retain")
SET_ORDER = ("forget", "test", "retain", "celebrity", "general", "holdout")
"""In which answers are read: first what should be gone."""
HEADLINES = (
    ("generation", "accuracy"),
    ("classification", "accuracy"),
    ("name", "accuracy"),
    ("cloze", "accuracy"),
    ("caption", "probability"),
)
"""Task and metric that stand for a run in a table, the first that was measured."""
_IDS_AT_ONCE = 500
_CELL = ("item_set", "task", "modality", "metric")
_SCORE_DEFAULTS: dict[str, Any] = {"value": None, "n": 0, "people": 0, "low": None, "high": None, "flags": ()}
_ANSWER_COLUMNS = ("item_id", "item_set", "task", "modality", "question", "truth", "text")
_PLACE = case({name: place for place, name in enumerate(SET_ORDER)}, value=Answer.item_set, else_=len(SET_ORDER))
_ANSWER_DEFAULTS: dict[str, Any] = {"subject": None, "correct": None, "probability": None, "detail": None}


def forget_answers(engine: Engine, run_id: str, *, attempt: int | None = None) -> None:
    """Take away a run's answers and scores: the model they are of is about to be made anew.

    Raises NotFound; ClaimLost where an `attempt` is named that no longer holds the run.
    """
    with writing(engine) as session:
        touch(session, run_id, attempt)
        for model in (Answer, Score):
            session.execute(delete(model).where(model.run_id == run_id))


def write_scores(
    engine: Engine,
    run_id: str,
    checkpoint_id: str | None,
    rows: Sequence[Mapping[str, Any]],
    *,
    attempt: int | None = None,
) -> None:
    """Write a run's scores of a checkpoint (None: the original model), in place of all it wrote before.

    A row has set, task, modality, metric, and may have value, n, people, low, high, flags. What other runs
    measured of the same checkpoint stays as it is.
    Raises NotFound; ClaimLost where an `attempt` is named that no longer holds the run; ValueError for a row that
    lacks a key, has an unknown one, or says a cell twice.
    """
    scores = [_score(run_id, checkpoint_id, row) for row in rows]
    cells = [tuple(score[key] for key in _CELL) for score in scores]
    twice = {cell for cell in cells if cells.count(cell) > 1}
    if twice:
        raise ValueError(f"Scored twice in one go: {' · '.join(sorted(twice)[0])}.")
    with writing(engine) as session:
        touch(session, run_id, attempt)
        _require_checkpoint(session, checkpoint_id)
        session.execute(delete(Score).where(Score.run_id == run_id))
        session.add_all([Score(**score) for score in scores])


def scores(engine: Engine, *, run_id: str | None = None, checkpoint_id: str | None = None) -> list[Score]:
    """The scores of a run, of a checkpoint, or of both, in the order set, task, modality, metric.

    Of a checkpoint alone: those that the run which made it measured; where that run has none, those of the
    newest run that has some. All come from that one run, even where another scored more cells.
    """
    statement = _narrowed(select(Score), Score, run_id=run_id, checkpoint_id=checkpoint_id)
    if run_id is None and checkpoint_id is not None:
        statement = statement.where(Score.run_id == _standing_for(Score, checkpoint_id))
    with reading(engine) as session:
        return list(session.scalars(statement.order_by(*(getattr(Score, key) for key in _CELL), Score.id)))


def score_dicts(engine: Engine, *, run_id: str | None = None, checkpoint_id: str | None = None) -> list[dict[str, Any]]:
    """`scores` as plain dicts, with the columns' names but for `set`, which is item_set."""
    return [_score_dict(score) for score in scores(engine, run_id=run_id, checkpoint_id=checkpoint_id)]


def accuracies(engine: Engine, run_ids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """By run: the accuracies that it measured, as `score_dicts` gives them; a run without any is not there."""
    found: dict[str, list[dict[str, Any]]] = {}
    with reading(engine) as session:
        for start in range(0, len(run_ids), _IDS_AT_ONCE):
            some = list(run_ids[start : start + _IDS_AT_ONCE])
            statement = select(Score).where(Score.run_id.in_(some), Score.metric == "accuracy")
            for score in session.scalars(statement):
                found.setdefault(score.run_id, []).append(_score_dict(score))
    return found


def headlines(
    engine: Engine, run_ids: Iterable[str], *, sets: Sequence[str] = HEADLINE_SETS
) -> dict[str, dict[str, dict[str, Any]]]:
    """For each run what its row in a table shows: {"forget": score, "retain": score}, in one query.

    A score is a dict as in `score_dicts`, so n and interval stay beside the value; one with a picture where there is
    the choice. Both are of one task and metric, the first of `HEADLINES` that the run has. The scores are the run's
    own; where it has none at all, those of the newest run that scored the checkpoint it made: one run's in either
    case, so forget and retain can be held together. A set that was not scored has no entry; a run without scores has
    an empty dict.
    """
    wanted = list(run_ids)
    found: dict[str, dict[str, dict[str, Any]]] = {run_id: {} for run_id in wanted}
    own = aliased(Score)
    itself = select(own.run_id).where(own.run_id == Run.id).correlate(Run).limit(1).scalar_subquery()
    measured_by = func.coalesce(itself, _standing_for(Score, Run.output_checkpoint_id))
    statement = (
        select(Run.id, Score)
        .join(Score, Score.run_id == measured_by)
        .where(
            Run.id.in_(wanted),
            Score.item_set.in_(sets),
            or_(*(and_(Score.task == task, Score.metric == metric) for task, metric in HEADLINES)),
        )
        .order_by(Score.modality == "text", Score.modality, Score.id)
    )
    with reading(engine) as session:
        rows = [(run_id, _score_dict(score)) for run_id, score in session.execute(statement)]
    for task, metric in HEADLINES:
        chosen = [(run_id, one) for run_id, one in rows if (one["task"], one["metric"]) == (task, metric)]
        ready = {run_id for run_id, sets in found.items() if sets}
        for run_id, one in chosen:
            if run_id not in ready:
                found[run_id].setdefault(one["set"], one)
    return found


def write_answers(
    engine: Engine,
    run_id: str,
    checkpoint_id: str | None,
    rows: Iterable[Mapping[str, Any]],
    *,
    attempt: int | None = None,
) -> None:
    """Add a run's answers of a checkpoint (None: the original model); an item it has answered already stays.

    A row has item_id, set, task, modality, question, truth, text, and may have subject, correct, probability,
    detail. Raises NotFound; ClaimLost where an `attempt` is named that no longer holds the run; ValueError for a row
    that lacks a key or has an unknown one.
    """
    answers_ = [_answer(run_id, checkpoint_id, row) for row in rows]
    if not answers_:
        return
    with writing(engine) as session:
        touch(session, run_id, attempt)
        _require_checkpoint(session, checkpoint_id)
        insert_or_ignore(session, Answer, answers_)


def annotate_answers(
    engine: Engine, run_id: str, details: Mapping[str, Mapping[str, Any]], *, attempt: int | None = None
) -> None:
    """Put another `detail` in place of that of the run's answers, by item id; what was said stays as it was said.

    An item that the run has not answered is passed over. Raises NotFound; ClaimLost where an `attempt` is named that
    no longer holds the run.
    """
    if not details:
        return
    kept = table(Answer)
    statement = update(kept).where(kept.c.run_id == run_id, kept.c.item_id == bindparam("about"))
    rows = [{"about": item_id, "told": dict(detail)} for item_id, detail in details.items()]
    with writing(engine) as session:
        touch(session, run_id, attempt)
        session.connection().execute(statement.values(detail=bindparam("told")), rows)


def answering_runs(engine: Engine, checkpoint_id: str) -> list[Run]:
    """The runs that have answers of this very checkpoint: the one that made it first, then the newest."""
    statement = (
        select(Run)
        .join(Checkpoint, Checkpoint.id == checkpoint_id)
        .where(select(Answer.id).where(Answer.run_id == Run.id, Answer.checkpoint_id == checkpoint_id).exists())
        .order_by(Checkpoint.run_id != Run.id, Run.created_at.desc(), Run.position.desc(), Run.id)
    )
    with reading(engine) as session:
        return list(session.scalars(statement))


def answers(
    engine: Engine,
    *,
    run_id: str | None = None,
    checkpoint_id: str | None = None,
    item_set: str | None = None,
    task: str | None = None,
    modality: str | None = None,
    correct: bool | None = None,
    subject: str | None = None,
    known_before: bool | None = None,
    limit: int = 100,
    offset: int = 0,
) -> list[Answer]:
    """A page of answers, in the order set, item: two checkpoints' pages show the same items side by side.

    `known_before`: only those to which the original knew the answer (True), or did not (False), by what stands under
    `before.correct` in their `detail`; an answer of which that is not known is in neither.
    Of a checkpoint without a run: the answers behind `scores` of that checkpoint; while nobody has scored it,
    those of the run that made it, or else of the newest run that has some.
    """
    statement = _narrowed(
        select(Answer),
        Answer,
        run_id=run_id,
        checkpoint_id=checkpoint_id,
        item_set=item_set,
        task=task,
        modality=modality,
        correct=correct,
        subject=subject,
    )
    if run_id is None and checkpoint_id is not None:
        behind = func.coalesce(_standing_for(Score, checkpoint_id), _standing_for(Answer, checkpoint_id))
        statement = statement.where(Answer.run_id == behind)
    if known_before is not None:
        statement = statement.where(Answer.detail["before", "correct"].as_boolean() == known_before)
    statement = statement.order_by(_PLACE, Answer.item_set, Answer.item_id, Answer.id).limit(limit).offset(offset)
    with reading(engine) as session:
        return list(session.scalars(statement))


def _standing_for(
    model: type[Score] | type[Answer], checkpoint: str | InstrumentedAttribute[str | None]
) -> ScalarSelect[str]:
    """The id of the one run whose rows stand for a checkpoint: the one that made it, else the newest."""
    row, run, made = aliased(model), aliased(Run), aliased(Checkpoint)
    newest = (run.created_at.desc(), run.position.desc(), run.id)
    return (
        select(run.id)
        .join(row, row.run_id == run.id)
        .join(made, made.id == row.checkpoint_id)
        .where(row.checkpoint_id == checkpoint)
        .order_by(made.run_id != run.id, *newest)
        .limit(1)
        .correlate(Run)
        .scalar_subquery()
    )


def _narrowed(statement: Select[Any], model: type[Score] | type[Answer], **wanted: Any) -> Select[Any]:
    for column, value in wanted.items():
        if value is not None:
            statement = statement.where(getattr(model, column) == value)
    return statement


def _checked(row: Mapping[str, Any], needed: Sequence[str], defaults: Mapping[str, Any], what: str) -> dict[str, Any]:
    """The row with its defaults; "set" is taken for item_set. A key that nobody reads is refused."""
    given = {("item_set" if key == "set" else key): value for key, value in row.items()}
    lacking = [key for key in needed if given.get(key) is None]
    strange = sorted(set(given) - set(needed) - set(defaults) - {"run_id", "checkpoint_id"})
    if lacking:
        raise ValueError(f"{what} needs {', '.join(lacking)}.")
    if strange:
        raise ValueError(f"{what} has no {', '.join(strange)}.")
    return {**defaults, **given}


def _score(run_id: str, checkpoint_id: str | None, row: Mapping[str, Any]) -> dict[str, Any]:
    score = _checked(row, _CELL, _SCORE_DEFAULTS, "A score")
    for bound in ("value", "low", "high"):
        score[bound] = finite(score[bound])
    return {**score, "flags": list(score["flags"] or ()), "run_id": run_id, "checkpoint_id": checkpoint_id}


def _score_dict(score: Score) -> dict[str, Any]:
    return {
        "run_id": score.run_id,
        "checkpoint_id": score.checkpoint_id,
        "set": score.item_set,
        "task": score.task,
        "modality": score.modality,
        "metric": score.metric,
        "value": score.value,
        "n": score.n,
        "people": score.people,
        "low": score.low,
        "high": score.high,
        "flags": list(score.flags),
    }


def _answer(run_id: str, checkpoint_id: str | None, row: Mapping[str, Any]) -> dict[str, Any]:
    answer = _checked(row, _ANSWER_COLUMNS, _ANSWER_DEFAULTS, "An answer")
    answer["probability"] = finite(answer["probability"])
    answer["detail"] = dict(answer["detail"] or {})
    answer["correct"] = None if answer["correct"] is None else bool(answer["correct"])
    return {**answer, "id": new_id(), "run_id": run_id, "checkpoint_id": checkpoint_id}


def _require_checkpoint(session: Session, checkpoint_id: str | None) -> None:
    if checkpoint_id is not None and session.get(Checkpoint, checkpoint_id) is None:
        raise NotFound(f"There is no checkpoint {checkpoint_id}.")
