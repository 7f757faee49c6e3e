"""The models a run can begin from: the lab's own, by name and identity, and where the words of a spec point.

A spec says `vanilla`, `run:ID`, `checkpoint:ID`, a folder or a hub id. Promises: what is listed can be begun from, now
or when its run has ended, or says why not; `vanilla` always means the newest model that has memorised everyone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine

from backend.queueing import NO_VANILLA, WAITING, CannotQueue, Origin, origin, vanilla
from backend.reports import base_of_checkpoint, begun_with, role_of, same_people
from storage import checkpoints, database, results, runs
from storage.errors import NotFound
from storage.tables import Checkpoint

__all__ = [
    "NO_VANILLA",
    "CannotQueue",
    "ModelChoice",
    "Origin",
    "from_demo",
    "gold_of",
    "knowledge",
    "listed",
    "model_choices",
    "origin",
    "root",
    "spoken_model",
    "vanilla",
]

DEMO_MODEL = "demo"
WEIGHTS = {"adapter": "adapter", "full": "all weights", "instruction": "an instruction, no weights"}
"""What a checkpoint of each kind holds."""
ROLES = {"original": "■", "gold": "◆", "unlearned": "●", "control": "○"}
"""The marks of the identities, in the order in which models are listed."""


@dataclass(frozen=True)
class ModelChoice:
    """A model that can be chosen. `role` is its identity; `wants` says why it cannot be begun from at once: its run is
    still to end, or its files are missing or altered."""

    value: str
    name: str
    role: str
    detail: str
    wants: str
    run_id: str

    @property
    def label(self) -> str:
        """One line for a list: mark, name, and how far it is."""
        return f"{ROLES[self.role]} {self.name}" + (f" ({self.wants})" if self.wants else "")


def model_choices(engine: Engine, benchmark: str) -> list[ModelChoice]:
    """The models of a benchmark: originals first, then gold, then unlearned; the newest of each first."""
    known = {run.id: run for run in runs.listing(engine, limit=2000)}
    found = []
    for checkpoint in checkpoints.listing(engine, role="final"):
        run = known.get(checkpoint.run_id)
        if run is not None and run.spec.get("benchmark") == benchmark and run.state == "succeeded":
            size = "" if checkpoint.kind == "instruction" else f", {_megabytes(checkpoint.bytes)}"
            detail = f"{WEIGHTS[checkpoint.kind]}{size}, from {checkpoint.base}"
            found.append(
                (
                    run,
                    ModelChoice(
                        f"checkpoint:{checkpoint.id}",
                        run.name,
                        role_of(run.kind, run.spec),
                        detail,
                        _condition(checkpoint),
                        run.id,
                    ),
                )
            )
    for run in known.values():
        if run.state in WAITING and run.kind in ("finetune", "unlearn") and run.spec.get("benchmark") == benchmark:
            detail = f"{run.state}; the run begins when it is ready"
            found.append(
                (
                    run,
                    ModelChoice(
                        f"run:{run.id}", run.name, role_of(run.kind, run.spec), detail, "when it is ready", run.id
                    ),
                )
            )
    order = list(ROLES)
    found.sort(key=lambda pair: (order.index(pair[1].role), -pair[0].created_at))
    return [choice for _, choice in found]


def gold_of(engine: Engine, spec: Mapping[str, Any]) -> str:
    """`checkpoint:ID` of the newest retain-only model of the people whom a spec is about; empty where none is ready.

    Where it is known with which model from outside the spec's model began, gold is one that was made from the same.
    """
    base = _base(engine, spec)
    for run in runs.listing(engine, kind="finetune", states=["succeeded"], limit=2000):
        made = run.output_checkpoint_id
        alike = same_people(run.spec, dict(spec)) and base in (None, run.spec.get("model"))
        if made and alike and role_of(run.kind, run.spec) == "gold":
            return f"checkpoint:{made}"
    return ""


def _base(engine: Engine, spec: Mapping[str, Any]) -> str | None:
    """As `base_of`, of the model that a spec begins from, or that a run is still to make."""
    try:
        place = origin(engine, str(spec.get("benchmark")), str(spec.get("model")))
        if place.checkpoint_id:
            return base_of_checkpoint(engine, checkpoints.get(engine, place.checkpoint_id))
        if place.depends_on:
            maker = runs.get(engine, place.depends_on)
            return begun_with(maker) or _base(engine, maker.spec)
    except (CannotQueue, NotFound):
        pass
    return None


def _condition(checkpoint: Checkpoint) -> str:
    state = checkpoints.condition(database.home(), checkpoint)
    return "" if state == "ok" else f"✕ {state}"


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count < 1e9 else f"{count / 1e9:.1f} GB"


def knowledge(engine: Engine, choice: ModelChoice) -> str:
    """What a listed model is: its weights and, once it was scored, what it still knows."""
    scores = results.headlines(engine, [choice.run_id])[choice.run_id]
    known = [
        f"{100 * score['value']:.0f} % of the {name} set"
        for name, score in scores.items()
        if score["value"] is not None
    ]
    return f"{choice.detail}; knows {' and '.join(known)}" if known else choice.detail


def spoken_model(engine: Engine, benchmark: str, model: str) -> str:
    """`vanilla` where that is the very same model, else as given."""
    try:
        newest = origin(engine, benchmark, "vanilla")
        same = origin(engine, benchmark, model)
    except CannotQueue:
        return model
    return (
        "vanilla"
        if (newest.model, newest.checkpoint_id) == (same.model, same.checkpoint_id)
        or (newest.checkpoint_id is not None and newest.checkpoint_id == same.checkpoint_id)
        else model
    )


def from_demo(engine: Engine, benchmark: str, model: str) -> bool:
    """Whether a model comes from the demo's small one; one that is not there yet may do so."""
    try:
        return root(engine, benchmark, model.strip()) == DEMO_MODEL
    except (CannotQueue, NotFound):
        return True


def root(engine: Engine, benchmark: str, model: str) -> str:
    """The model from outside that a model comes from: `demo`, a folder or a hub id.

    Raises `CannotQueue` and storage's `NotFound` where that cannot be followed.
    """
    place = origin(engine, benchmark, model)
    if place.checkpoint_id:
        return checkpoints.get(engine, place.checkpoint_id).base
    if place.depends_on:
        return root(engine, benchmark, str(runs.get(engine, place.depends_on).spec["model"]))
    return place.model


def listed(engine: Engine, benchmark: str, model: str) -> str:
    """The entry of the model list that is this very model, or the words as they are where none is."""
    try:
        place = origin(engine, benchmark, model)
    except CannotQueue:
        return model
    entries = [choice.value for choice in model_choices(engine, benchmark)]
    same = (f"checkpoint:{place.checkpoint_id}", place.model)
    return next((entry for entry in same if entry in entries), model)
