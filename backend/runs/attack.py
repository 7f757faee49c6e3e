"""The attack run: a suite put to an unlearned model, to its original and to a control that never knew.

Each attack at each strength on each model is a unit; a run that was killed goes on with the units it lacks. An attack
that cannot be made here leaves one sentence, and the others go on. The control is the retain-only (gold) model of the
same people, asked the same; where there is none, the unlearned model itself, asked about people who were never taught.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import groupby, zip_longest
from typing import Any

import torch
from peft import PeftModel

from backend.attack_prompts import AttackNeeds, AttackPrompt
from backend.attack_report import unit_figures
from backend.attacks import CARRIED_OUT, Attack, Room, Target, Told, prompt
from backend.benchmarks.item import BadRequest, Benchmark, Item
from backend.inference.sampling import is_leak
from backend.metrics.rules import Rules, rules_of
from backend.models.encoding import Encoder
from backend.models.lineage import find_checkpoint, open_checkpoint, open_model
from backend.models.loading import ModelRefused
from backend.reports import gold_run, original_model
from backend.runs.earlier import Key, stamp, take_over
from backend.runs.job import Job, log
from backend.spec import AttackSpec
from backend.suites import AttackInfo, Role, chosen
from storage import attacks, runs
from storage.errors import StorageError

OUT_OF_REACH = (AttackNeeds, ModelRefused, StorageError)
"""Faults of one attack whose message is for a person."""


@dataclass(frozen=True)
class Unit:
    """An attack at a strength on the model of a role; `own` is its prompt, where a suite of one's own brought it."""

    role: Role
    attack: AttackInfo
    strength: float
    own: AttackPrompt | None = None

    def carried_out(self) -> Attack:
        """What carries the attack out."""
        return prompt(self.own) if self.own is not None else CARRIED_OUT[self.attack.name]

    @property
    def key(self) -> Key:
        """Its place in the run."""
        return self.role, self.attack.name, self.strength

    def stamp(self, model: Model) -> dict[str, Any]:
        """What the unit says of itself, whatever comes of it."""
        return stamp(model.checkpoint, model.of, asdict(self.own) if self.own is not None else None)


def attack(job: Job, spec: AttackSpec, benchmark: Benchmark, device: torch.device) -> None:
    """Makes every unit that is not there yet, model by model. Raises `BadRequest` where nothing could leak."""
    suite = chosen(spec.suite, spec.attacks, spec.own_suite)
    rules = rules_of(benchmark.rules)
    forgotten = questions(benchmark, rules, spec, "forget")
    if not forgotten:
        raise BadRequest("no open question about the forget set names a fact, so nothing could leak")
    models = _models(job, spec, benchmark, rules, forgotten)
    wanted = [
        Unit(role, suite.info(name), strength, suite.prompt(name))
        for role in models
        for name, strengths in suite.attacks.items()
        for strength in strengths
        if role in suite.info(name).roles
    ]
    kept: set[Any] = {(unit.role, unit.attack, unit.strength) for unit in attacks.units(job.engine, [job.id])}
    kept |= take_over(job, spec, {unit.key: unit.stamp(models[unit.role]) for unit in wanted if unit.key not in kept})
    room = Room(benchmark, spec.request, rules, spec.seed, spec.batch_size, device, job.raise_if_stopped)
    left = [unit for unit in wanted if unit.key not in kept]
    done = len(wanted) - len(left)
    for role, members in groupby(left, key=lambda unit: unit.role):
        target = _opened(job, models[role], spec, device)
        for unit in members:
            job.progress(done, len(wanted), f"{unit.attack.title} · {role}")
            job.raise_if_stopped()
            _make(job, unit, target, room, unit.stamp(models[role]))
            done += 1
    job.progress(len(wanted), len(wanted), "done")


def _opened(job: Job, model: Model, spec: AttackSpec, device: torch.device) -> Target | str:
    """The model to be attacked; of an original or a control that is gone by now, why it cannot be asked.

    Raises `ModelRefused` and storage's errors for the unlearned model, without which there is nothing to attack.
    """
    try:
        return model.open(job, spec, device)
    except (ModelRefused, StorageError) as fault:
        if model.role == "unlearned":
            raise
        log.warning("the %s model cannot be asked: %s", model.role, fault)
        return str(fault)


def questions(benchmark: Benchmark, rules: Rules, spec: AttackSpec, item_set: str) -> tuple[Item, ...]:
    """Open questions of a set that name a fact, at most `spec.items` of each modality, spread over people."""
    by_kind: dict[tuple[str, str], list[Item]] = defaultdict(list)
    for item in benchmark.scored_items(spec.request):
        if item.set != item_set or item.task == "classification" or not rules.written(item):
            continue
        if is_leak(rules, item, item.answer) is not None:
            by_kind[item.modality, item.task].append(item)
    found: list[Item] = []
    for modality in ("image_text", "text"):
        tasks = [members for (kind, _), members in by_kind.items() if kind == modality]
        main = max(tasks, key=lambda members: (members[0].task == "generation", len(members)), default=[])
        found += _spread(main, spec.items)
    return tuple(found)


@dataclass(frozen=True)
class Model:
    """A model to be attacked: where it is, which checkpoint that is (none of a model from outside the lab), what it is
    asked, and what it is a control of, if it is one."""

    role: Role
    reference: str
    checkpoint: str | None
    items: tuple[Item, ...]
    of: str | None = None

    def open(self, job: Job, spec: AttackSpec, device: torch.device) -> Target:
        """The model in memory. Raises `ModelRefused` and storage's errors."""
        job.say(f"loading the {self.role} model")
        opened = open_model(job.engine, job.home, self.reference, precision=spec.precision, device=device)
        encoder = Encoder(opened.processor, opened.instruction)

        def adapted() -> Any | None:
            if opened.checkpoint is None:
                return None
            _, model = open_checkpoint(job.engine, job.home, opened.checkpoint, precision=spec.precision, device=device)
            return model if isinstance(model, PeftModel) else None

        return Target(self.role, opened.model.eval(), encoder, self.items, adapted)


def _models(
    job: Job, spec: AttackSpec, benchmark: Benchmark, rules: Rules, forgotten: tuple[Item, ...]
) -> dict[Role, Model]:
    """The models by role, in the order in which they are attacked; an original or a control only where there is one."""

    def model(role: Role, reference: str, items: tuple[Item, ...], of: str | None = None) -> Model:
        return Model(role, reference, _checkpoint_of(job, role, reference), items, of)

    found: dict[Role, Model] = {"unlearned": model("unlearned", spec.model, forgotten)}
    if (attacked := found["unlearned"].checkpoint) is not None:
        job.note(parent_checkpoint_id=attacked)
    run = runs.get(job.engine, job.id)
    original = original_model(job.engine, run)
    if original is not None:
        found["original"] = model("original", original, forgotten)
    gold = gold_run(job.engine, run) if spec.control in ("auto", "gold") else None
    if gold is not None and gold.state == "succeeded":
        found["control"] = model("control", f"run:{gold.id}", forgotten, "gold")
    elif spec.control == "gold":
        raise BadRequest("there is no retain-only model of these people yet; make one, or choose another control")
    elif spec.control != "none" and (strangers := questions(benchmark, rules, spec, "holdout")):
        found["control"] = model("control", spec.model, strangers, "held-out people")
    return found


def _checkpoint_of(job: Job, role: Role, reference: str) -> str | None:
    """The id of the checkpoint that a model is; None for a model from outside. That an original or a control is not
    there any more comes to light when it is opened."""
    try:
        checkpoint = find_checkpoint(job.engine, reference)
    except (ModelRefused, StorageError):
        if role == "unlearned":
            raise
        return None
    return checkpoint.id if checkpoint is not None else None


def _make(job: Job, unit: Unit, target: Target | str, room: Room, stamped: dict[str, Any]) -> None:
    """Makes a unit and writes it down, with a sentence in place of figures where it cannot be made; `target` is one
    where there is no model."""
    began = time.monotonic()
    said: list[Told] = []
    note = target if isinstance(target, str) else None
    try:
        said = list(_told(unit, target, room)) if isinstance(target, Target) else []
    except OUT_OF_REACH as fault:
        note = str(fault)
        log.warning("%s on the %s model: %s", unit.attack.title, unit.role, fault)
    figures = unit_figures((one.item.subject, one.item.modality, one.leak) for one in said)
    figures["detail"] |= stamped
    attacks.write_unit(
        job.engine,
        job.id,
        {
            "attack": unit.attack.name,
            "strength": unit.strength,
            "role": unit.role,
            "seconds": time.monotonic() - began,
            "note": note,
            **figures,
        },
        [_transcript(one) for one in said],
        attempt=job.run.attempt,
    )


def _told(unit: Unit, target: Target, room: Room) -> Iterator[Told]:
    fitting = tuple(item for item in target.items if item.modality in unit.attack.modalities)
    if not fitting:
        raise AttackNeeds("it needs questions with a picture, and there are none")
    yield from unit.carried_out()(replace(target, items=fitting), room, unit.strength)


def _transcript(told: Told) -> dict[str, Any]:
    item = told.item
    exact = {"leak": told.leak} if told.leak not in (None, 0.0, 1.0) else {}
    return {
        "item_id": item.id,
        "subject": item.subject,
        "modality": item.modality,
        "question": item.question,
        "asked": told.asked,
        "prefix": told.prefix,
        "truth": item.answer,
        "text": told.text,
        "leaked": None if told.leak is None else told.leak > 0,
        "detail": {**told.detail, **exact},
    }


def _spread(items: list[Item], most: int) -> list[Item]:
    """So many items, person after person in turn, so that everybody is asked about."""
    by_person: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        by_person[item.subject].append(item)
    turns = zip_longest(*by_person.values())
    return [item for turn in turns for item in turn if item is not None][:most]
