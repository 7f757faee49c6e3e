"""The lab's tables as flat rows, to be written to a file: every row says of which run it is.

A table has the same columns whatever it holds, each of one type, so that files of different runs can be put together.
Nothing is rounded and nothing is left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from sqlalchemy import Engine

from backend.attack_report import attack_report
from backend.findings import findings
from backend.reports import scores_of
from storage import attacks, results, runs
from storage.tables import Run, Transcript

Kind = Literal["text", "number", "count", "yes/no"]
Row = dict[str, Any]
AT_ONCE = 5000

_RUN: dict[str, Kind] = {"run": "text", "run_name": "text"}
_FIGURES: dict[str, Kind] = {"value": "number", "low": "number", "high": "number", "n": "count", "people": "count"}


@dataclass(frozen=True)
class Table:
    """`columns` by name with their type; `rows` of some runs, or of the lab where none are named."""

    name: str
    about: str
    columns: Mapping[str, Kind]
    rows: Callable[[Engine, Sequence[Run]], Iterable[Row]]
    whole_lab: bool = False
    """Whether it may be asked for without naming runs."""


def _of(run: Run) -> Row:
    return {"run": run.id, "run_name": run.name}


def _scores(engine: Engine, chosen: Sequence[Run]) -> Iterator[Row]:
    for run in chosen:
        for score in scores_of(engine, run):
            kept = {name: score[name] for name in SCORES.columns if name in score}
            yield _of(run) | kept | {"measured_by": score["run_id"], "flags": "; ".join(map(str, score["flags"]))}


def _answers(engine: Engine, chosen: Sequence[Run]) -> Iterator[Row]:
    for run in chosen:
        for one in _pages(partial(results.answers, engine, run_id=run.id, limit=AT_ONCE)):
            before = one.detail.get("before") or {}
            yield _of(run) | {
                "item": one.item_id,
                "person": one.subject,
                "set": one.item_set,
                "task": one.task,
                "modality": one.modality,
                "question": one.question,
                "truth": one.truth,
                "answer": one.text,
                "correct": one.correct,
                "probability": one.probability,
                "before": before.get("text"),
                "correct_before": before.get("correct"),
                "checkpoint": one.checkpoint_id,
                "detail": _json(one.detail),
            }


def _attack_runs(engine: Engine, chosen: Sequence[Run]) -> Iterator[Run]:
    """Attack runs as they are; of a run that made a model, the attack runs on it."""
    every = runs.listing(engine, kind="attack", order="oldest", limit=10_000)
    for run in chosen:
        if run.kind == "attack":
            yield run
        elif run.output_checkpoint_id is not None:
            yield from (one for one in every if one.parent_checkpoint_id == run.output_checkpoint_id)


def _attacks(engine: Engine, chosen: Sequence[Run]) -> Iterator[Row]:
    for run in _attack_runs(engine, chosen):
        for place, row in enumerate(attack_report(engine, run.id), start=1):
            for point in row["curve"]:
                kept = {name: point[name] for name in ATTACKS.columns if name in point}
                worst = point["strength"] == row["strength"]
                yield (
                    _of(run)
                    | kept
                    | {"attack": row["name"], "place": place, "worst_strength": worst, "sure": row["sure"]}
                )


def _transcripts(engine: Engine, chosen: Sequence[Run]) -> Iterator[Row]:
    for run in _attack_runs(engine, chosen):
        for one in _pages(partial(attacks.transcripts, engine, run.id, limit=AT_ONCE)):
            yield transcript_row(run, one)


def transcript_row(run: Run, one: Transcript) -> Row:
    """A transcript with the columns of `TRANSCRIPTS`."""
    return _of(run) | {
        "attack": one.attack,
        "strength": one.strength,
        "role": one.role,
        "item": one.item_id,
        "person": one.subject,
        "modality": one.modality,
        "question": one.question,
        "asked": one.asked,
        "prefix": one.prefix,
        "truth": one.truth,
        "answer": one.text,
        "leaked": one.leaked,
        "detail": _json(one.detail),
    }


def _findings(engine: Engine, chosen: Sequence[Run]) -> Iterator[Row]:
    for one in findings(engine, [run.id for run in chosen] or None):
        told = {"claim": one.claim, "key": one.key, "source": one.source, "rule": one.rule}
        told |= {"verdict": one.verdict, "words": one.words}
        heard = one.witnesses or (None,)
        for witness in heard:
            said: Row = {"run": None, "run_name": None, "run_says": None, "speaks": None}
            if witness is not None:
                said = {"run": witness.run, "run_name": witness.name}
                said |= {"run_says": witness.words, "speaks": witness.speaks}
            yield said | told


def _pages(page: Callable[..., Sequence[Any]]) -> Iterator[Any]:
    """All that a reader with an `offset` has, a page at a time."""
    at = 0
    while found := page(offset=at):
        yield from found
        at += len(found)


def _json(detail: Mapping[str, Any]) -> str:
    return json.dumps(detail, ensure_ascii=False, sort_keys=True) if detail else ""


_CELL: dict[str, Kind] = {"set": "text", "task": "text", "modality": "text"}
_ASKED: dict[str, Kind] = {"item": "text", "person": "text"}

SCORES = Table(
    "scores",
    "every score, with n and its 95 % interval over people",
    {**_RUN, **_CELL, "metric": "text", **_FIGURES, "flags": "text", "checkpoint_id": "text", "measured_by": "text"},
    _scores,
)
ANSWERS = Table(
    "answers",
    "every answer behind the scores, with the question, the truth, and what the original said",
    {**_RUN, **_ASKED, **_CELL, "question": "text", "truth": "text", "answer": "text", "correct": "yes/no",
     "probability": "number", "before": "text", "correct_before": "yes/no", "checkpoint": "text", "detail": "text"},
    _answers,
)  # fmt: skip
ATTACKS = Table(
    "attacks",
    "every attack at every strength: leak, recovery, gap over the control",
    {**_RUN, "place": "count", "attack": "text", "title": "text", "family": "text", "strength": "number",
     "worst_strength": "yes/no", "unlearned": "number", "low": "number", "high": "number", "original": "number",
     "control": "number", "control_of": "text", "before": "number", "recovery": "number", "recovery_low": "number",
     "recovery_high": "number", "gap": "number", "gap_low": "number", "gap_high": "number", "sure": "yes/no",
     "n": "count", "people": "count", "seconds": "number", "caution": "text", "note": "text"},
    _attacks,
)  # fmt: skip
TRANSCRIPTS = Table(
    "transcripts",
    "everything that was said under attack, by all three models",
    {**_RUN, "attack": "text", "strength": "number", "role": "text", **_ASKED, "modality": "text", "question": "text",
     "asked": "text", "prefix": "text", "truth": "text", "answer": "text", "leaked": "yes/no", "detail": "text"},
    _transcripts,
)  # fmt: skip
FINDINGS = Table(
    "findings",
    "the papers' claims put to these runs, a row a claim and a run that speaks to it",
    {"key": "text", "claim": "text", "source": "text", "verdict": "text", "words": "text", **_RUN, "run_says": "text",
     "speaks": "count", "rule": "text"},
    _findings,
    whole_lab=True,
)  # fmt: skip
TABLES: dict[str, Table] = {one.name: one for one in (SCORES, ANSWERS, ATTACKS, TRANSCRIPTS, FINDINGS)}


class NoTable(ValueError):
    """There is no such table, or nothing to put into it; the message says what to ask for."""


def table_rows(engine: Engine, name: str, run_ids: Sequence[str]) -> list[Row]:
    """The rows of a table about these runs, each with all its columns. Raises `NoTable`, storage's `NotFound`."""
    if name not in TABLES:
        raise NoTable(f"there is no table called {name!r}; there are {', '.join(TABLES)}")
    table = TABLES[name]
    chosen = [runs.get(engine, run_id) for run_id in dict.fromkeys(run_ids)]
    if not chosen and not table.whole_lab:
        raise NoTable(f"name a run whose {name} to take")
    return [{column: row.get(column) for column in table.columns} for row in table.rows(engine, chosen)]
