"""What an earlier attack run found on the very same models: an original or a control is not asked the same thing twice.

A unit is taken over only where it was made on the same checkpoint by the same code, libraries and device, of the same
data, request, questions and settings: it says so of itself, as it was when it was made. What was asked and said comes
along, and the unit says which run it came from. The unlearned model is always asked.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

import backend
from backend.benchmarks.item import Item
from backend.runs.job import Job, log
from backend.spec import AttackSpec
from backend.suites import Role
from backend.versions import versions
from storage import attacks, runs

Key = tuple[Role, str, float]
"""A unit's place in a run: role, attack, strength."""
LOOKED_THROUGH = 200
"""How many attack runs are looked through, the newest first."""
TELLING = ("checkpoint", "control_of", "prompt", "made_by")
"""What must be the same of two units for one to stand for the other."""
CODE = ("attack_prompts", "attacks", "benchmarks", "inference", "metrics", "models", "suites")
"""Where what comes of an attack is decided."""


def made_by(job: Job, spec: AttackSpec, items: Sequence[Item], device: torch.device) -> str:
    """Names everything beside model, attack and strength that decides what comes of a unit."""
    settings = spec.model_dump(mode="json", include={"benchmark", "request", "batch_size", "precision", "seed"})
    data = runs.get(job.engine, job.id).versions.get("data")
    known = [settings, [item.id for item in items], data, versions(), _device_name(device), code_digest()]
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:16]


@lru_cache(maxsize=1)
def code_digest() -> str:
    """Names the source of whatever carries attacks out and judges answers."""
    root = Path(backend.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(path for room in CODE for path in (root / room).rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def take_over(job: Job, spec: AttackSpec, wanted: Mapping[Key, Mapping[str, Any]]) -> set[Key]:
    """Copies into this run the units of earlier runs whose `detail` agrees with `wanted`'s; returns their places.

    `wanted` has, by place, what a unit must say of itself (`TELLING`). One on a model from outside the lab (no
    checkpoint) or one that could not be made is never taken.
    """
    left = {key: stamp for key, stamp in wanted.items() if key[0] != "unlearned" and stamp.get("checkpoint")}
    if not left or spec.anew:
        return set()
    taken: set[Key] = set()
    for run in runs.listing(job.engine, kind="attack", limit=LOOKED_THROUGH):
        if run.id == job.id or run.spec.get("benchmark") != spec.benchmark:
            continue
        for unit in attacks.units(job.engine, [run.id]):
            key: Key = (unit.role, unit.attack, unit.strength)  # type: ignore[assignment]
            if key in taken or key not in left or unit.note or not _agrees(unit.detail, left[key]):
                continue
            origin = unit.detail.get("taken_from", run.id)
            attacks.copy_unit(job.engine, unit, job.id, {"taken_from": origin}, attempt=job.run.attempt)
            taken.add(key)
    if taken:
        log.info("%d units on the original or the control were taken over from earlier runs", len(taken))
    return taken


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device} {platform.machine()}"


def _agrees(detail: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(detail.get(key) == wanted.get(key) for key in TELLING)
