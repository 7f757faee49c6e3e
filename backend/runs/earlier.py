"""What an earlier attack run found on the very same models: an original or a control is not asked the same thing twice.

Only units on the same checkpoint count, under the same spec, data, versions and device; what was asked and said comes
along, and the unit says which run it came from. The unlearned model is always asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backend.runs.job import Job, log
from backend.spec import AttackSpec
from backend.suites import Role
from storage import attacks, runs
from storage.tables import Run

Key = tuple[Role, str, float]
"""A unit's place in a run: role, attack, strength."""
LOOKED_THROUGH = 200
"""How many attack runs are looked through, the newest first."""
ITS_OWN = ("model", "suite", "attacks", "own_suite", "control", "anew")
"""What two runs' specs may differ in, since a unit says for itself what was asked of which model."""


def take_over(job: Job, spec: AttackSpec, wanted: Mapping[Key, Mapping[str, Any]]) -> set[Key]:
    """Copies into this run the units of earlier runs whose `detail` agrees with `wanted`'s; returns their places.

    `wanted` has, by place, what a unit must say of itself: checkpoint, control_of, prompt. One on a model from outside
    the lab (no checkpoint) or one that could not be made is never taken.
    """
    left = {key: stamp for key, stamp in wanted.items() if key[0] != "unlearned" and stamp.get("checkpoint")}
    if not left or spec.anew:
        return set()
    mine = runs.get(job.engine, job.id)
    taken: set[Key] = set()
    for run in runs.listing(job.engine, kind="attack", limit=LOOKED_THROUGH):
        if run.id == mine.id or not _same_questions(run, mine):
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


def stamp(checkpoint: str | None, control_of: str | None, prompt: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a unit says of itself, without what does not apply."""
    said = {"checkpoint": checkpoint, "control_of": control_of, "prompt": prompt}
    return {key: value for key, value in said.items() if value is not None}


def _agrees(detail: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(detail.get(key) == wanted.get(key) for key in ("checkpoint", "control_of", "prompt"))


def _same_questions(one: Run, other: Run) -> bool:
    specs = [{key: value for key, value in run.spec.items() if key not in ITS_OWN} for run in (one, other)]
    made_by = [{key: value for key, value in run.versions.items() if key != "threads"} for run in (one, other)]
    return specs[0] == specs[1] and made_by[0] == made_by[1]
