"""What a report says of one run, gathered from rows before a word is written: nothing is measured, nothing is guessed.

What is quoted was not chosen by what it says: answers go person by person in the order of their ids, each with another
kind of question, and of an attack those that leaked come first, as its caption says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Engine

from backend import formula
from backend.attack_report import attack_report
from backend.findings import Finding, findings
from backend.presets import BadPreset, UnknownPreset, known_as, preset
from backend.reports import Yardstick, ending_of, role_of, scores_of, yardsticks
from backend.spec import ForgetRequest, UnlearnSpec, read_spec
from backend.suites import PLAIN
from storage import attacks, checkpoints, metric_points, results, runs
from storage.tables import Answer, Checkpoint, Run, Transcript

QUOTED = {"forget": 6, "test": 3, "retain": 4}
"""By set: how many answers are quoted."""
WORST, OF_EACH = 5, 3
"""How many attacks are quoted from, the worst first, and how many questions of each."""
OPEN = ("generation", "caption", "name", "cloze")
CURVES = 400
Cell = tuple[str, str, str]
"""(set, task, modality)."""


@dataclass(frozen=True)
class Quoted:
    """One question and what the models said to it, by role."""

    item_set: str
    subject: str
    modality: str
    question: str
    truth: str
    said: Mapping[str, tuple[str, bool | None]]


@dataclass(frozen=True)
class Attacked:
    """An attack run on the model: its table, worst case first, and for each of the worst attacks what was said."""

    run: Run
    rows: Sequence[Mapping[str, Any]]
    transcripts: Mapping[str, Sequence[Mapping[str, Transcript]]]


@dataclass(frozen=True)
class Gathered:
    """Everything of one run. `weights` is the line of checkpoints its model was made from, root first, each with its
    condition: ok, missing or altered."""

    run: Run
    scores: Sequence[Mapping[str, Any]]
    beside: Mapping[str, Yardstick]
    curves: Mapping[str, Sequence[tuple[int, float]]]
    weights: Sequence[tuple[Checkpoint, str]]
    attacked: Sequence[Attacked]
    quoted: Sequence[Quoted]
    ending: str | None

    @property
    def role(self) -> str:
        """The identity of the model: unlearned where it has forgotten something."""
        if self.beside:
            return "unlearned"
        return role_of(self.run.kind, self.run.spec)

    def accuracies(self) -> dict[Cell, Mapping[str, Any]]:
        """The run's accuracies that were measured, by cell."""
        return cells(self.scores)

    def accuracies_of(self, role: str) -> dict[Cell, Mapping[str, Any]]:
        """A yardstick's accuracies to the same questions, by cell."""
        return cells(self.beside[role].scores) if role in self.beside else {}


def cells(scores: Sequence[Mapping[str, Any]], metric: str = "accuracy") -> dict[Cell, Mapping[str, Any]]:
    """The figures of one metric that were measured, by (set, task, modality)."""
    return {
        (one["set"], one["task"], one["modality"]): one
        for one in scores
        if one["metric"] == metric and one["value"] is not None
    }


def gather(engine: Engine, home: Path, run_id: str) -> Gathered:
    """Everything a report says of a run. Raises storage's `NotFound`."""
    run = runs.get(engine, run_id)
    scores = _scores(engine, run)
    beside = yardsticks(engine, run)
    made = run.output_checkpoint_id or run.parent_checkpoint_id
    line = checkpoints.lineage(engine, checkpoints.get(engine, made)) if made else []
    return Gathered(
        run=run,
        scores=scores,
        beside=beside,
        curves=metric_points.curve(engine, run.id, points=CURVES),
        weights=[(one, checkpoints.condition(home, one)) for one in line],
        attacked=[_attacked(engine, one) for one in _attacks_on(engine, run)],
        quoted=_quoted(engine, scores, beside),
        ending=ending_of(engine, run),
    )


def found(engine: Engine, gathered: Sequence[Gathered]) -> list[Finding]:
    """What the papers claim, put to these runs: those claims to which one of them speaks."""
    named = [one.run.id if one.run.kind == "unlearn" else _maker(engine, one.run) for one in gathered]
    known = list(dict.fromkeys(name for name in named if name))
    return [one for one in findings(engine, known) if one.witnesses] if known else []


def _maker(engine: Engine, run: Run) -> str | None:
    """The run whose model an attack or an evaluation was about."""
    if run.kind not in ("attack", "evaluate") or run.parent_checkpoint_id is None:
        return None
    return checkpoints.get(engine, run.parent_checkpoint_id).run_id


def _scores(engine: Engine, run: Run) -> list[dict[str, Any]]:
    """The run's own scores; for an attack, those of the model it attacked."""
    if run.kind == "attack" and run.parent_checkpoint_id:
        return results.score_dicts(engine, checkpoint_id=run.parent_checkpoint_id)
    return scores_of(engine, run)


def _attacks_on(engine: Engine, run: Run) -> list[Run]:
    """The attack runs on the model, newest first; an attack run is its own."""
    if run.kind == "attack":
        return [run]
    model = run.output_checkpoint_id or (run.parent_checkpoint_id if run.kind == "evaluate" else None)
    if model is None:
        return []
    known = runs.listing(engine, kind="attack", states=["succeeded", "running", "stopping"], limit=10_000)
    return [one for one in known if one.parent_checkpoint_id == model]


def _attacked(engine: Engine, run: Run) -> Attacked:
    rows = attack_report(engine, run.id)
    made = [row for row in rows if row["name"] != PLAIN.name and row["unlearned"] is not None]
    return Attacked(run, rows, {row["name"]: _said_under(engine, run.id, row) for row in made[:WORST]})


def _said_under(engine: Engine, run_id: str, row: Mapping[str, Any]) -> list[dict[str, Transcript]]:
    """What the models said under an attack at its worst strength, those that leaked first, by role."""
    kind: dict[str, Any] = {"attack": row["name"], "strength": row["strength"]}
    own = attacks.transcripts(engine, run_id, limit=OF_EACH, role="unlearned", **kind)
    everyone = attacks.transcripts_of(engine, run_id, [one.item_id for one in own], **kind)
    return [{one.role: one for one in everyone if one.item_id == first.item_id} for first in own]


# -- what was said, asked plainly -------------------------------------------------------------------------------------


def _quoted(engine: Engine, scores: Sequence[Mapping[str, Any]], beside: Mapping[str, Yardstick]) -> list[Quoted]:
    own = next((one["run_id"] for one in scores), None)
    if own is None:
        return []
    others = {role: stick.scores[0]["run_id"] for role, stick in beside.items() if stick.scores}
    quoted = []
    for item_set, most in QUOTED.items():
        chosen = _one_a_person(_open_answers(engine, own, item_set), most)
        wanted = {one.item_id for one in chosen}
        said = {
            role: {one.item_id: one for one in _open_answers(engine, run_id, item_set) if one.item_id in wanted}
            for role, run_id in others.items()
            if run_id != own
        }
        quoted += [_beside(one, said) for one in chosen]
    return quoted


def _open_answers(engine: Engine, run_id: str, item_set: str) -> list[Answer]:
    known = results.answers(engine, run_id=run_id, item_set=item_set, limit=1_000_000)
    return [one for one in known if one.task in OPEN]


def _one_a_person(answers: Sequence[Answer], most: int) -> list[Answer]:
    """Person by person by id; the kinds of question take turns, and within a kind the questions do."""
    by_person: dict[str, list[Answer]] = {}
    for one in answers:
        by_person.setdefault(one.subject or "", []).append(one)
    kinds = sorted({(one.task, one.modality) for one in answers})
    chosen: list[Answer] = []
    for at, person in enumerate(sorted(by_person)[:most]):
        kind = kinds[at % len(kinds)]
        asked = by_person[person]
        fitting = [one for one in asked if (one.task, one.modality) == kind] or asked
        chosen.append(fitting[at % len(fitting)])
    return chosen


def _beside(answer: Answer, others: Mapping[str, Mapping[str, Answer]]) -> Quoted:
    before = answer.detail.get("before") or {}
    said: dict[str, tuple[str, bool | None]] = {"own": (answer.text, answer.correct)}
    if "text" in before:
        said["original"] = (str(before["text"]), before.get("correct"))
    for role, known in others.items():
        if answer.item_id in known:
            said[role] = (known[answer.item_id].text, known[answer.item_id].correct)
    return Quoted(answer.item_set, answer.subject or "", answer.modality, answer.question, answer.truth, said)


# -- the spec in words ------------------------------------------------------------------------------------------------


def method_of(spec: Mapping[str, Any]) -> str:
    """The method's title, or what kind of learning it is."""
    edit = (spec.get("edit") or {}).get("method", "none")
    if spec.get("kind") == "finetune":
        return "fine-tuned on everyone" if spec.get("who") != "retain" else "fine-tuned on the retain set alone"
    return known_as(str(spec["preset"]), edit, spec.get("objective") or {}) if spec.get("preset") else ""


def minimised(spec: Mapping[str, Any]) -> str:
    """What an unlearning run minimises, in mathematics, or what it does instead; empty for other runs."""
    if spec.get("kind") != "unlearn":
        return ""
    try:
        known = read_spec(dict(spec))
    except (ValueError, ValidationError):
        return ""  # written by a Lethe whose settings were others
    return formula.written(known.objective, known.edit) if isinstance(known, UnlearnSpec) else ""


def source_of(spec: Mapping[str, Any]) -> str:
    """The paper a method comes from; empty where it is nobody's."""
    try:
        return preset(str(spec["preset"])).source if spec.get("preset") else ""
    except (UnknownPreset, BadPreset):
        return ""


def asked_of(spec: Mapping[str, Any]) -> str:
    """`forget 10 %` of the request; empty where it makes no difference."""
    if spec.get("who") == "everyone" or not spec.get("request"):
        return ""
    try:
        return ForgetRequest.model_validate(spec["request"]).words()
    except ValidationError:
        return ""
