"""What the lab's runs have to say on a claim: their open-question accuracies, and what attacks brought back. No torch.

A run's accuracy on a set is that of one open task, the first of `OPEN` that was measured, so that its interval over
people goes with it; classification is apart, because a guess scores there. Which runs are about the same questions, and
what their original is, `backend.comparing` knows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine

from backend.attack_report import reckon
from backend.comparing import models
from backend.comparing.models import Model, RunRow, Snapshot
from backend.findings.gains import chances
from backend.suites import KNOWN, PLAIN
from storage import attacks, results
from storage.tables import AttackUnit

OPEN = ("generation", "caption", "name", "cloze")
Cell = Mapping[str, Any]
Table = Sequence[Mapping[str, Any]]
Subject = tuple[str | None, str, str]
"""A checkpoint, the benchmark, and whom it was to forget."""
TABLES_KEPT = 4000
RUMOUR = "print_rumour"
RELEARNT = ("relearn_forget", "relearn_forget_16")
SPEAKING = ("plain", "prompt")
"""Families of which every attack speaks to a claim."""
SILENT = tuple(name for name, one in KNOWN.items() if one.family not in SPEAKING and name not in (RUMOUR, *RELEARNT))
"""Attacks that speak to none."""


@dataclass(frozen=True)
class Case:
    """An unlearning run as a claim looks at it: its accuracies by (set, task, modality), its original's of the same
    questions, and the tables of the attacks on its model, by attack run. `base` is the checkpoint, else the name, of
    the model that it began from, `data` the fingerprint of its benchmark."""

    run: str
    name: str
    spec: Mapping[str, Any]
    cells: Mapping[tuple[str, str, str], Cell]
    before: Mapping[tuple[str, str, str], Cell]
    attacked: Mapping[str, Table] = field(default_factory=dict)
    base: str | None = None
    data: str | None = None

    @property
    def asked_modality(self) -> str:
        """What the forget data was: `both`, `image_text` or `text`."""
        return str((self.spec.get("request") or {}).get("modality", "both"))

    def open(self, item_set: str, modality: str) -> Cell | None:
        """The accuracy of the open task that stands for a set, with its interval; None where none was measured."""
        return next((cell for task in OPEN if (cell := self.cells.get((item_set, task, modality)))), None)

    def at_first(self, item_set: str, modality: str) -> Cell | None:
        """The original's accuracy of the very task that `open` gives; None where it is not known."""
        task = next((task for task in OPEN if (item_set, task, modality) in self.cells), "")
        return self.before.get((item_set, task, modality))

    def cell(self, item_set: str, task: str, modality: str) -> Cell | None:
        """One accuracy."""
        return self.cells.get((item_set, task, modality))

    def mean(self, item_set: str, *, before: bool = False) -> float | None:
        """The accuracy over all open questions of a set, whatever the modality."""
        source = self.before if before else self.cells
        chosen = [cell for (of, task, _), cell in source.items() if of == item_set and task in OPEN]
        asked = sum(cell["n"] for cell in chosen)
        return sum(cell["value"] * cell["n"] for cell in chosen) / asked if asked else None


def cases(engine: Engine, run_ids: Sequence[str] | None = None) -> list[Case]:
    """Every unlearning run whose model was scored on those it was to forget, newest first, or of the runs named: one
    case a run, however often and at however many steps it was asked."""
    seen = models.snapshot(engine)
    wanted = [found for found in _unlearned(seen) if run_ids is None or found[0].id in run_ids]
    speaking = {one.run for _, model, original in wanted for one in (model, original) if one and not one.noted}
    measured = results.accuracies(engine, sorted(speaking))
    on_model = _attacks(engine, seen, {_subject(maker) for maker, _, _ in wanted})
    found = []
    for maker, model, original in wanted:
        if cells := _by_cell(measured.get(model.run, ())):
            before = _by_cell(measured.get(original.run, ())) if original is not None and not original.noted else {}
            attacked = on_model.get(_subject(maker), {})
            base = maker.parent or str(maker.spec.get("model"))
            found.append(Case(maker.id, maker.name, maker.spec, cells, before, attacked, base, maker.data))
    return found


def _unlearned(seen: Snapshot) -> list[tuple[RunRow, Model, Model | None]]:
    """Every run that unlearned, newest first, with its last model as it was asked about those whom the run was to
    forget, and its original, asked the same. Of several lists of questions about them that without solved examples
    counts, else the newest."""
    found: dict[str, tuple[RunRow, Model, Model | None]] = {}
    for asked in sorted(models.questions(seen), key=lambda one: one.whom != models.people_of(one.whom)):
        known = models.models(seen, asked.benchmark, asked.whom)
        by_run = {model.run: model for model in known}
        for model in known:
            maker = seen.runs.get(model.maker or "")
            if model.role != "unlearned" or maker is None or model.checkpoint != maker.output:
                continue
            if _about(maker) == (asked.benchmark, models.people_of(asked.whom)):
                found.setdefault(maker.id, (maker, model, by_run.get(model.original or "")))
    return sorted(found.values(), key=lambda one: -one[0].created_at)


def _about(run: RunRow) -> tuple[str, str]:
    """Benchmark, and whom a run is about."""
    return str(run.spec.get("benchmark")), models.people_of(models.whom_key(run.spec))


def _subject(maker: RunRow) -> Subject:
    return maker.output, *_about(maker)


def _by_cell(rows: Sequence[Cell]) -> dict[tuple[str, str, str], Cell]:
    return {(row["set"], row["task"], row["modality"]): row for row in rows if row["value"] is not None}


def _attacks(engine: Engine, seen: Snapshot, on: set[Subject]) -> dict[Subject, dict[str, Table]]:
    """By checkpoint, benchmark and people: the tables of the attack runs on that model about these people."""
    made = {run.id: (run.parent, *_about(run)) for run in seen.runs.values() if run.kind == "attack" and run.parent}
    made = {run: subject for run, subject in made.items() if subject in on}
    found: dict[Subject, dict[str, Table]] = defaultdict(dict)
    for run, (count, seconds) in sorted(attacks.sizes(engine, sorted(made)).items()):
        found[made[run]][run] = _table(engine, run, count, seconds)
    return found


_tables: dict[tuple[str, str, int, float], Table] = {}
"""By lab, run, number of units and their seconds: a table takes a thousand draws an attack, and seldom changes."""


def _table(engine: Engine, run: str, count: int, seconds: float) -> Table:
    key = (str(engine.url), run, count, seconds)
    if key not in _tables:
        if len(_tables) >= TABLES_KEPT:
            _tables.clear()
        _tables[key] = with_chances(attacks.units(engine, [run], without=SILENT))
    return _tables[key]


def kind(name: str) -> str:
    """Which claim an attack speaks to; those of one kind are tried together."""
    return "visual rumours" if name == RUMOUR else "relearning" if name in RELEARNT else "prompts"


def with_chances(units: Sequence[AttackUnit]) -> Table:
    """The rows of `reckon` less their curves, each with `chance` (see `gains.chances`; None where there is none) and
    `tried`, the number of attacks of its kind, each strength for itself, among which it is the chance."""
    by_kind: dict[str, dict[tuple[str, float], float]] = {}
    for name in {kind(unit.attack) for unit in units if unit.attack != PLAIN.name}:
        by_kind[name] = chances([unit for unit in units if unit.attack == PLAIN.name or kind(unit.attack) == name])
    found = []
    for row in reckon(units):
        tried = by_kind.get(kind(row["name"]), {}) if row["name"] != PLAIN.name else {}
        chance = {"chance": tried.get((row["name"], row["strength"])), "tried": len(tried)}
        found.append({name: value for name, value in row.items() if name != "curve"} | chance)
    return found
