"""Which modality forgot, against which modality is asked: the cross-modal leak matrix of an attack run, as HTML.

OFFSIDE's first finding and MMUnlearner's claim are read from it: what was forgotten with the picture only may still be
told as text, and the reverse. Runs that attacked the same method on the same people, forgotten in another modality,
give the matrix its other rows. Only plain questions count; every share has its interval over people and its n.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from backend.attack_report import share_over_people
from backend.suites import PLAIN
from storage import attacks, runs
from storage.errors import NotFound
from storage.tables import AttackUnit, Run
from ui import parts
from ui.context import Lab

FORGOTTEN = {
    "both": "forgotten with the picture and as text",
    "image_text": "forgotten with the picture",
    "text": "forgotten as text",
}
ASKED = ("image_text", "text")
LOOKED_THROUGH = 200
Tallies = Mapping[str, Mapping[str, Sequence[float]]]
"""By modality that is asked, by person: the sum of what leaked, and the number of answers."""


def crossed(lab: Lab, run: Run, units: Sequence[AttackUnit]) -> Markup:
    """The matrix; nothing before the unlearned model was asked plainly."""
    found = _plain(units)
    if "unlearned" not in found:
        return Markup("")
    rows = [(_unlearned(run), *_cells(found["unlearned"]))]
    rows += [(_unlearned(other, _link(other)), *_cells(told)) for other, told in _others(lab, run)]
    rows += [(parts.identity(role), *_cells(found[role])) for role in ("original", "control") if role in found]
    return parts.table(["", "Asked with picture", "Asked as text"], rows, label="leak by modality")


def _others(lab: Lab, run: Run) -> Iterator[tuple[Run, Tallies]]:
    """The newest attack run for each other forgotten modality of the same method and people, with what it was told."""
    seen, method = {_modality(run)}, _method(lab, run)
    for other in runs.listing(lab.engine, kind="attack", limit=LOOKED_THROUGH):
        if _modality(other) in seen or _about(other) != _about(run) or _method(lab, other) != method:
            continue
        found = _plain(attacks.units(lab.engine, [other.id], attack=PLAIN.name))
        if "unlearned" in found:
            seen.add(_modality(other))
            yield other, found["unlearned"]


def _plain(units: Sequence[AttackUnit]) -> dict[str, Tallies]:
    plain = [unit for unit in units if unit.attack == PLAIN.name and unit.detail.get("asked")]
    return {unit.role: unit.detail["asked"] for unit in plain}


def _modality(run: Run) -> str:
    return str((run.spec.get("request") or {}).get("modality", "both"))


def _about(run: Run) -> tuple[object, ...]:
    request = run.spec.get("request") or {}
    whom = {name: value for name, value in request.items() if name != "modality"}
    return run.spec.get("benchmark"), whom


def _method(lab: Lab, run: Run) -> Any:
    """The preset that the attacked model forgot by; None where that is not known any more."""
    place, _, attacked = str(run.spec.get("model")).partition(":")
    try:
        return runs.get(lab.engine, attacked).spec.get("preset") if place == "run" else None
    except NotFound:
        return None


def _unlearned(run: Run, link: object = "") -> Markup:
    return Markup('{}<small class="lethe-note">{}</small>').format(
        parts.identity("unlearned"), parts.joined([FORGOTTEN[_modality(run)], link])
    )


def _link(run: Run) -> Markup:
    return Markup('<a class="lethe-link" href="/attack?run={}">{}</a>').format(run.id, run.name)


def _cells(told: Tallies) -> tuple[Markup, ...]:
    return tuple(_cell(told.get(asked, {})) for asked in ASKED)


def _cell(tally: Mapping[str, Sequence[float]]) -> Markup:
    asked = sum(int(count) for _, count in tally.values())
    if not asked:
        return parts.NOTHING
    return Markup('{}<small class="lethe-note">n {}</small>').format(parts.rate(*share_over_people(tally)), asked)
