"""From a spec to a queued run: where the words of its `model` point, and what it has to wait for.

A spec says `vanilla`, `run:ID`, `checkpoint:ID`, `demo`, a folder or a hub id. `vanilla` is the newest model that has
memorised everyone, and is written down as the run it meant when the run was queued. No torch.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from backend.models import four_bits
from backend.reports import role_of
from backend.spec import AttackSpec, EvaluateSpec, RunSpec, UnlearnSpec
from backend.suites import BadSuite, kept_with_run
from storage import checkpoints, database, runs
from storage.errors import NotFound
from storage.tables import Checkpoint, Run

WAITING = ("queued", "running", "stopping", "interrupted")
NO_VANILLA = "no model has memorised this benchmark yet; start a finetune run first"


NO_REFERENCE = (
    "this method compares with a model that was tuned on the retain set alone; name it as the reference, "
    "such as the gold model's run:ID"
)


class CannotQueue(ValueError):
    """What was asked for cannot be started; the message says what to do."""


@dataclass(frozen=True)
class Origin:
    """Where a model comes from: a checkpoint, a run to wait for, or neither (a folder, a hub id).

    `model` means the same to every process: a folder is written out from the root.
    """

    model: str
    depends_on: str | None = None
    checkpoint_id: str | None = None


def queue(
    engine: Engine, spec: RunSpec, name: str, start_request_id: str | None = None, *, group_id: str | None = None
) -> Run:
    """Queues the run, as one of a group where that is named; a model still in the making is waited for.

    The same `start_request_id` gives the same run. An attack suite of one's own is written down with the run. Raises
    `CannotQueue` when there is no such model, or no reference where one has to be named, when its weights cannot be
    kept here in the precision that is asked for, or when the suite's file is broken.
    """
    if refused := four_bits.missing(precision_of(spec)):
        raise CannotQueue(refused)
    place = origin(engine, spec.benchmark, spec.model)
    named: dict[str, Any] = {"model": place.model}
    if isinstance(spec, UnlearnSpec):
        named["reference"] = reference_of(engine, spec)
    return runs.submit(
        engine,
        kind=spec.kind,
        name=name,
        spec=spec.model_copy(update=named | _suite_of(spec)).model_dump(mode="json"),
        start_request_id=start_request_id,
        group_id=group_id,
        depends_on=place.depends_on,
        parent_checkpoint_id=place.checkpoint_id,
    )


def _suite_of(spec: RunSpec) -> dict[str, Any]:
    """An attack's suite of one's own, as it stands now, so that a later edit changes nothing of the run."""
    if not isinstance(spec, AttackSpec) or spec.own_suite is not None:
        return {}
    try:
        return {"own_suite": kept_with_run(spec.suite)}
    except BadSuite as fault:
        raise CannotQueue(str(fault)) from None


def attack_values(run: Run) -> dict[str, Any]:
    """The fields of an attack on the model that a run made, or put its questions to: model, benchmark and request.

    Raises `CannotQueue` for a run of another kind.
    """
    if run.kind not in ("unlearn", "finetune", "evaluate"):
        raise CannotQueue(f"the run “{run.name}” made no model; name the run that unlearned")
    model = str(run.spec["model"]) if run.kind == "evaluate" else f"run:{run.id}"
    return {"model": model, "benchmark": run.spec["benchmark"], "request": run.spec["request"]}


def precision_of(spec: RunSpec) -> str:
    """The precision in which a run keeps its model's frozen weights."""
    return spec.precision if isinstance(spec, EvaluateSpec | AttackSpec) else spec.training.precision


def origin(engine: Engine, benchmark: str, model: str) -> Origin:
    """What a spec's `model` points at. Raises `CannotQueue` when that is not there and will not be."""
    if model == "vanilla":
        model = vanilla(engine, benchmark)
    place, _, text = model.partition(":")
    try:
        if place == "checkpoint":
            checkpoint = _whole(checkpoints.find(engine, text))
            return Origin(f"checkpoint:{checkpoint.id}", checkpoint_id=checkpoint.id)
        if place == "run":
            return _made_by(engine, runs.find(engine, text, with_model=True))
    except NotFound as error:
        raise CannotQueue(str(error)) from None
    return Origin(_folder(model) if model.startswith(("/", ".", "~")) else model)


def reference_of(engine: Engine, spec: UnlearnSpec) -> str:
    """What a spec's `reference` points at; empty where the reference is the model as it was.

    Raises `CannotQueue` when it has to be named and is not, is not there, or is still in the making.
    """
    if not spec.needs_reference:
        return ""
    if not spec.reference.strip():
        raise CannotQueue(NO_REFERENCE)
    place = origin(engine, spec.benchmark, spec.reference.strip())
    if place.depends_on:
        raise CannotQueue("the reference is still in the making; start this run when it is ready")
    return f"checkpoint:{place.checkpoint_id}" if place.checkpoint_id else place.model


def vanilla(engine: Engine, benchmark: str) -> str:
    """`run:ID` of the newest finetune run on everyone that succeeded, else of the newest that still can.

    Raises `CannotQueue` when there is none.
    """
    known = [
        run
        for run in runs.listing(engine, kind="finetune", order="newest", limit=2000)
        if run.spec.get("benchmark") == benchmark and role_of(run.kind, run.spec) == "original"
    ]
    ready = [run for run in known if run.state == "succeeded"]
    coming = [run for run in known if run.state in WAITING]
    for run in [*ready, *coming]:
        return f"run:{run.id}"
    raise CannotQueue(NO_VANILLA)


def _folder(model: str) -> str:
    folder = Path(os.path.expanduser(model))  # leaves a ~name that nobody has as it is, where Path would raise
    if not folder.is_dir():
        raise CannotQueue(f"there is no folder {model} on this machine")
    if not (folder / "config.json").is_file():
        raise CannotQueue(f"{model} holds no config.json, so it is no Hugging Face model folder")
    return str(folder.resolve())


def _made_by(engine: Engine, run: Run) -> Origin:
    if run.state == "succeeded" and run.output_checkpoint_id:
        _whole(checkpoints.get(engine, run.output_checkpoint_id))
        return Origin(f"run:{run.id}", checkpoint_id=run.output_checkpoint_id)
    if run.state in WAITING and run.kind in ("finetune", "unlearn"):
        return Origin(f"run:{run.id}", depends_on=run.id)
    raise CannotQueue(f"the run “{run.name}” made no model ({run.state}); choose another")


def _whole(checkpoint: Checkpoint) -> Checkpoint:
    state = checkpoints.condition(database.home(), checkpoint)
    if state != "ok":
        raise CannotQueue(f"the files of checkpoint {checkpoint.id[:8]} are {state}; choose another model")
    return checkpoint
