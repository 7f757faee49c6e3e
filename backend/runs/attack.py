"""The attack run: a suite put to an unlearned model, to its original and to a control that never knew.

Each attack at each strength on each model is a unit; a run that was killed goes on with the units it lacks. An attack
that cannot be made here leaves one sentence, and the others go on. The control is the retain-only (gold) model of the
same people, asked the same; where there is none, the unlearned model itself, asked about people who were never taught.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from peft import PeftModel

from backend.attacks import Room, Target
from backend.attacks.questions import questions
from backend.benchmarks.item import BadRequest, Benchmark, Item
from backend.metrics.rules import Rules, rules_of
from backend.models.encoding import Encoder
from backend.models.lineage import find_checkpoint, open_checkpoint, open_model
from backend.models.loading import ModelRefused
from backend.reports import gold_run, original_model
from backend.runs.attack_unit import Unit, make, said_plainly, unit_key
from backend.runs.earlier import made_by, take_over
from backend.runs.job import Job, log
from backend.spec import AttackSpec
from backend.suites import Role, chosen
from storage import attacks, runs
from storage.errors import StorageError
from storage.tables import Checkpoint


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
    room = Room(benchmark, spec.request, rules, spec.seed, spec.batch_size, device, job.raise_if_stopped)
    alike = {role: (one.checkpoint, one.of, made_by(job, spec, one.items, device)) for role, one in models.items()}
    stamps = {unit.key: unit.stamp(*alike[unit.role]) for unit in wanted}
    kept = {unit_key(unit) for unit in attacks.units(job.engine, [job.id]) if not unit.note}
    kept |= take_over(job, spec, {key: stamp for key, stamp in stamps.items() if key not in kept})
    left = [unit for unit in wanted if unit.key not in kept]
    done = len(wanted) - len(left)
    for role, members in groupby(left, key=lambda unit: unit.role):
        target = _opened(job, models[role], spec, device)
        plain = said_plainly(job, role)
        for unit in members:
            job.progress(done, len(wanted), f"{unit.attack.title} · {role}")
            job.raise_if_stopped()
            plain |= make(job, unit, target, room, stamps[unit.key], plain)
            done += 1
        del target  # two models at once may be more than the device holds
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
            if opened.checkpoint is None or not _unlearned_by_adapter(job, opened.checkpoint):
                return None
            _, model = open_checkpoint(job.engine, job.home, opened.checkpoint, precision=spec.precision, device=device)
            return model if isinstance(model, PeftModel) else None

        return Target(self.role, opened.model.eval(), encoder, self.items, adapted)


def _unlearned_by_adapter(job: Job, checkpoint: Checkpoint) -> bool:
    """Whether what the last unlearning did is an adapter that can be turned back."""
    return checkpoint.kind == "adapter" and runs.get(job.engine, checkpoint.run_id).kind == "unlearn"


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
    if gold is not None and gold.state == "succeeded" and gold.output_checkpoint_id != attacked:
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
