"""What the card `This run` says of memory: what the run would take, part by part, and whether the device has as much.

Sums from the model's config, no measurement and no refusal: a run that would not fit may still be started. Nothing here
knows Gradio.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine

from backend.models import memory
from backend.models.at_hand import NotAtHand, config_at_hand, parameters_in
from backend.queueing import CannotQueue, precision_of
from backend.spec import EvaluateSpec, LaunchSpec, Training, UnlearnSpec
from backend.spec_edit import trains
from backend.spec_objective import Objective
from storage import database
from storage.errors import NotFound
from storage.workers import workers
from ui.origins import root
from ui.parts import size

REFERENCE_TERMS = ("undial", "kl")
"""Forget terms that ask the model as it was, step by step; others keep its answers as numbers, or do without."""
REFERENCE_RETAIN = ("kl", "ce_kl", "kl_away", "hidden")
FREE = 0.1
"""What is to stay free on a device: fragments, and the libraries' own buffers."""
BYTES: dict[str, memory.Weights] = {"fp32": "fp32", "bf16": "bf16", "nf4": "4-bit"}


@dataclass(frozen=True)
class Room:
    """`fact` is a row of the card: its name, what is needed, and of what that is made; `warning` is empty where it
    fits, or is not known."""

    fact: tuple[str, str, str]
    warning: str = ""


@dataclass(frozen=True)
class Device:
    """The one a run would be put on: `bytes` is 0 where nobody has told."""

    gpu: bool = True
    bytes: int = 0

    def __str__(self) -> str:
        if not self.bytes:
            return "what the device has is unknown"
        return f"{'the GPU has' if self.gpu else 'main memory is'} {size(self.bytes)}"


def room(engine: Engine, spec: LaunchSpec) -> Room:
    """What a run takes on each of its devices."""
    try:
        config, folder = config_at_hand(root(engine, spec.benchmark, spec.model), database.home())
    except (NotAtHand, CannotQueue, NotFound) as error:
        return _row("unknown", str(error))
    device = device_of(engine)
    try:
        needed, parts = _needed(config, spec)
    except (memory.UnknownSizes, KeyError, TypeError) as error:
        return _weights_only(folder, spec, error)
    if not device.gpu and not isinstance(spec, EvaluateSpec):
        needed *= spec.training.devices  # its processes share the main memory
    return _row(f"about {size(needed)}", f"{parts}; {device}", _warning(needed, device, spec))


def device_of(engine: Engine) -> Device:
    """The smallest device of the workers that are up: a run may be put on any of them."""
    known = [one for worker in workers(engine) for one in worker.devices if isinstance(one, Mapping) and one["bytes"]]
    if not known:
        return Device()
    least = min(known, key=lambda one: int(one["bytes"]))
    return Device(str(least["name"]).startswith("cuda"), int(least["bytes"]))


def _needed(config: Mapping[str, Any], spec: LaunchSpec) -> tuple[int, str]:
    weights = BYTES[precision_of(spec)]
    training = trained_by(spec)
    if training is None:
        whole = memory.held(config, weights)
        return whole, f"weights {size(whole)}, and what answers take beside them"
    objective, tokens = _objective(spec), memory.row_tokens(config)
    whole_rows = objective is not None and objective.labels == "full"
    found = memory.estimate(
        config,
        weights=weights,
        adapter=training.adapter,
        modules=training.modules,
        lora_rank=training.lora_rank,
        batch_size=training.batch_size * rows_at_once(spec),
        sequence=tokens,
        answer=tokens if whole_rows else memory.ANSWER,
        checkpointing=training.gradient_checkpointing,
        **copies(spec),
    )
    named = ("weights", "gradients", "optimiser", "activations")
    return found.total, " · ".join(f"{name} {size(getattr(found, name))}" for name in named)


def trained_by(spec: LaunchSpec) -> Training | None:
    """How a run trains; None for one that does not."""
    if isinstance(spec, EvaluateSpec) or (isinstance(spec, UnlearnSpec) and not trains(spec.edit.method)):
        return None
    return spec.training


def rows_at_once(spec: LaunchSpec) -> int:
    """Rows that are backpropagated together for each item of a batch: a term that weighs answers against each other
    holds them all."""
    objective = _objective(spec)
    if objective is None or not objective.forgets:
        return 1
    several = 1 + objective.mismatch_count
    return {"dpo": 2, "altpo": 2, "ga_idk": 2, "llmu": several, "sku": several}.get(objective.forget, 1)


def copies(spec: LaunchSpec) -> dict[str, bool]:
    """Which further models are kept: a copy of the model as it was, which under LoRA is the model with its adapter off,
    or the reference that is named."""
    objective = _objective(spec)
    if objective is None:
        return {}
    asks = (objective.forgets and objective.forget in REFERENCE_TERMS) or (
        objective.retains and objective.retain in REFERENCE_RETAIN
    )
    apart = isinstance(spec, UnlearnSpec) and (spec.training.adapter == "full" or spec.needs_reference)
    return {"reference_copy": asks and apart, "start_copy": objective.regulariser == "l2_start"}


def _objective(spec: LaunchSpec) -> Objective | None:
    return spec.objective if isinstance(spec, UnlearnSpec) and trains(spec.edit.method) else None


def _weights_only(folder: Any, spec: LaunchSpec, error: Exception) -> Room:
    """Of a family without sums, the headers of its files still tell how many numbers there are."""
    count, why = (
        parameters_in(folder),
        str(error) if isinstance(error, memory.UnknownSizes) else "its config is unusual",
    )
    if count is None:
        return _row("unknown", why)
    each = {"fp32": memory.FULL, "bf16": memory.HALF, "4-bit": memory.FOUR_BITS}[BYTES[precision_of(spec)]]
    return _row(f"more than {size(math.ceil(count * each))}", f"that is its weights; {why}")


def _warning(needed: int, device: Device, spec: LaunchSpec) -> str:
    if not device.bytes or needed <= device.bytes * (1 - FREE):
        return ""
    less = savings(trained_by(spec), precision_of(spec), on_gpu=device.gpu)
    hint = f" Less is needed with {', '.join(less[:-1]) + ' or ' * bool(less[:-1]) + less[-1]}." if less else ""
    sure = "This would not fit" if needed > device.bytes else "This might not fit"
    return f"{sure}: it takes about {size(needed)}, and {device}.{hint}"


def savings(training: Training | None, precision: str, *, on_gpu: bool) -> list[str]:
    """What of a run's settings would make it smaller, the largest savings first."""
    choices = [
        ("LoRA", training is not None and training.adapter == "full"),
        ("bf16", precision == "fp32" and on_gpu),
        ("weights in four bits (nf4)", precision != "nf4" and training is not None and training.adapter == "lora"),
        ("gradient checkpointing", training is not None and not training.gradient_checkpointing),
        ("a smaller batch, accumulated", training is not None and training.batch_size > 1),
    ]
    return [name for name, helps in choices if helps]


def _row(value: str, small: str, warning: str = "") -> Room:
    return Room(("Memory", value, small), warning)
