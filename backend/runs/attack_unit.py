"""One unit of an attack run: an attack at a strength on one model, carried out and written down with all that was said.

A unit that cannot be made leaves a sentence, and is tried again when the run is taken up again.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from backend.attack_prompts import AttackNeeds, AttackPrompt
from backend.attack_report import unit_figures
from backend.attacks import CARRIED_OUT, Attack, Room, Target, Told, prompt
from backend.models.loading import ModelRefused
from backend.runs.earlier import Key
from backend.runs.job import Job, log
from backend.suites import PLAIN, AttackInfo, Role
from storage import attacks
from storage.errors import StorageError
from storage.tables import AttackUnit

OUT_OF_REACH = (AttackNeeds, ModelRefused, StorageError)
"""Faults of one attack whose message is for a person."""
Leaks = dict[str, float]
"""What leaked, by item."""


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

    def stamp(self, checkpoint: str | None, control_of: str | None, made_by: str) -> dict[str, Any]:
        """What the unit says of itself whatever comes of it: the checkpoint, what it is a control of, its own prompt,
        and what else an equal unit would have in common with it. What does not apply is left out."""
        own = asdict(self.own) if self.own is not None else None
        said = {"checkpoint": checkpoint, "control_of": control_of, "prompt": own, "made_by": made_by}
        return {key: value for key, value in said.items() if value is not None}


def unit_key(unit: AttackUnit) -> Key:
    """The place of a unit that is written down."""
    return unit.role, unit.attack, unit.strength  # type: ignore[return-value]


def said_plainly(job: Job, role: Role) -> Leaks:
    """What this run has heard of the model of that role when it was asked plainly, as far as it has."""
    said = attacks.transcripts(job.engine, job.id, attack=PLAIN.name, role=role, limit=10**6)
    return {one.item_id: one.detail.get("leak", float(one.leaked)) for one in said if one.leaked is not None}


def make(
    job: Job, unit: Unit, target: Target | str, room: Room, stamp: Mapping[str, Any], plain: Mapping[str, float]
) -> Leaks:
    """Makes a unit and writes it down, with a sentence in place of figures where it cannot be made; `target` is one
    where there is no model. `plain` is what the model tells plainly. Answers what it told here, if this asks plainly.
    """
    began = time.monotonic()
    said: list[Told] = []
    note = target if isinstance(target, str) else None
    try:
        said = _told(unit, target, room) if isinstance(target, Target) else []
    except OUT_OF_REACH as fault:
        note = str(fault)
        log.warning("%s on the %s model: %s", unit.attack.title, unit.role, fault)
    is_plain = unit.attack.name == PLAIN.name
    heard = {one.item.id: one.leak for one in said if one.leak is not None} if is_plain else {}
    figures = figures_of(said, heard or plain)
    figures["detail"] |= stamp
    place = {"attack": unit.attack.name, "strength": unit.strength, "role": unit.role}
    row = place | {"seconds": time.monotonic() - began, "note": note, **figures}
    attacks.write_unit(job.engine, job.id, row, map(_transcript, said), attempt=job.run.attempt)
    return heard


def figures_of(said: list[Told], plain: Mapping[str, float]) -> dict[str, Any]:
    """The figures of a unit; and, in `plainly`, those of the very same questions when they are asked plainly."""
    counted = [one for one in said if one.leak is not None]
    figures = unit_figures((one.item.subject, one.item.modality, one.leak) for one in counted)
    alike = unit_figures(
        (one.item.subject, one.item.modality, plain[one.item.id]) for one in counted if one.item.id in plain
    )
    figures["plainly"] = alike["value"]
    figures["detail"] |= {"plainly": alike["detail"]["people"]} if alike["n"] else {}
    return figures


def _told(unit: Unit, target: Target, room: Room) -> list[Told]:
    """What the model says; in smaller batches where the device has no room for large ones."""
    fitting = tuple(item for item in target.items if item.modality in unit.attack.modalities)
    if not fitting:
        raise AttackNeeds("it needs questions with a picture, and there are none")
    asked = replace(target, items=fitting)
    for size in _halves(room.batch_size):
        try:
            return list(unit.carried_out()(asked, replace(room, batch_size=size), unit.strength))
        except torch.OutOfMemoryError:
            log.warning("%s: no memory for batches of %d", unit.attack.title, size)
        gc.collect()
        torch.cuda.empty_cache()
    raise AttackNeeds("the device has not the memory for it, not even question by question")


def _halves(size: int) -> Iterator[int]:
    while size >= 1:
        yield size
        size //= 2


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
