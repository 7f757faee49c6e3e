"""Checkpoints by attacks: what each attack brought back of each model, the worst case first.

Recovery and excess are those of `backend.attack_report`, without its intervals, which take a thousand draws an attack:
a matrix reads hundreds of runs. Of a checkpoint the newest attack run on the same people counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, select

from backend.attack_report import LEAST_FORGOTTEN
from backend.comparing.models import Model, RunRow, Snapshot, people_of, whom_key
from backend.suites import KNOWN, PLAIN
from storage.database import reading
from storage.tables import AttackUnit

Unit = tuple[str, float, str, float | None]
"""Attack, strength, role, leak rate."""
Shares = Mapping[str, float]
"""Leak rate by role."""


@dataclass(frozen=True)
class Worst:
    """An attack on a model, at the strength that brought out most. `excess` is what leaked beyond what the control
    says, or, without a control, beyond what the model says plainly."""

    attack: str
    title: str
    at: str
    leak: float
    control: float | None
    recovery: float | None
    excess: float
    run: str


@dataclass(frozen=True)
class Attacked:
    """A model with its attacks by name, and the worst of them."""

    model: Model
    run: str
    by_attack: dict[str, Worst]
    worst: Worst


def attack_runs(seen: Snapshot, found: Iterable[Model], benchmark: str, whom: str) -> dict[str, str]:
    """The newest attack run on each model's checkpoint that is about these people and found something, by the model's
    `run`."""
    newest: dict[str, RunRow] = {}
    for run in seen.runs.values():
        about = run.kind == "attack" and run.scored and run.spec.get("benchmark") == benchmark
        if about and run.parent is not None and whom_key(run.spec) == people_of(whom):
            newest.setdefault(run.parent, run)
    return {model.run: newest[model.checkpoint].id for model in found if model.checkpoint in newest}


def attacked(engine: Engine, seen: Snapshot, found: Sequence[Model], benchmark: str, whom: str) -> list[Attacked]:
    """The models on which an attack was carried out, the worst off first."""
    by_model = attack_runs(seen, found, benchmark, whom)
    units, plain = _units(engine, list(by_model.values())), _plainly(engine, list(by_model.values()))
    made = []
    for model in found:
        run = by_model.get(model.run)
        attacks = by_attack(units.get(run, ()), run, plain.get(run)) if run else {}
        if attacks and run:
            made.append(Attacked(model, run, attacks, max(attacks.values(), key=lambda worst: worst.excess)))
    return sorted(made, key=lambda one: one.worst.excess, reverse=True)


def by_attack(units: Iterable[Unit], run: str, asked: Mapping[str, Shares] | None = None) -> dict[str, Worst]:
    """Each attack that could be made on the unlearned model, at its worst strength; asking plainly is none.

    `asked` are the plain leaks of each modality: an attack on pictures is held against plain questions with a picture.
    """
    leaks: dict[tuple[str, float], dict[str, float]] = defaultdict(dict)
    for attack, strength, role, value in units:
        if value is not None:
            leaks[attack, strength][role] = value
    plain = leaks.get((PLAIN.name, 0.0), {})
    found: dict[str, Worst] = {}
    trivial = {one for one in leaks if one[0] in KNOWN and one[1] in KNOWN[one[0]].trivial}
    telling = {name for name, strength in leaks if (name, strength) not in trivial}
    for (attack, strength), by_role in leaks.items():
        if attack == PLAIN.name or "unlearned" not in by_role:
            continue
        if (attack, strength) in trivial and attack in telling:
            continue
        modalities = KNOWN[attack].modalities if attack in KNOWN else ()
        alike = asked.get(modalities[0], {}) if asked and len(modalities) == 1 else {}
        one = _worst(attack, strength, by_role, alike or plain, run)
        if attack not in found or one.excess > found[attack].excess:
            found[attack] = one
    return found


def columns(found: Iterable[Attacked]) -> list[tuple[str, str]]:
    """(name, title) of the attacks that anyone was put under, that which brought out most anywhere first."""
    most: dict[str, float] = {}
    for one in found:
        for name, worst in one.by_attack.items():
            most[name] = max(most.get(name, float("-inf")), worst.excess)
    return [(name, _title(name)) for name in sorted(most, key=lambda name: -most[name])]


def _worst(attack: str, strength: float, by_role: Shares, plain: Shares, run: str) -> Worst:
    leak, control = by_role["unlearned"], by_role.get("control")
    before, original = plain.get("unlearned"), plain.get("original")
    known = KNOWN.get(attack)
    at = known.at(strength) if known else ""
    held_against = control if control is not None else before
    recovery = recovered(leak, before, original)
    return Worst(attack, _title(attack), at, leak, control, recovery, leak - (held_against or 0.0), run)


def recovered(attacked: float, before: float | None, original: float | None) -> float | None:
    """(attacked − before) / (original − before); None where next to nothing was forgotten, or it is not known."""
    if before is None or original is None or original - before < LEAST_FORGOTTEN:
        return None
    return (attacked - before) / (original - before)


def _title(name: str) -> str:
    return KNOWN[name].title if name in KNOWN else name


def _units(engine: Engine, run_ids: Sequence[str]) -> dict[str, list[Unit]]:
    columns = (AttackUnit.run_id, AttackUnit.attack, AttackUnit.strength, AttackUnit.role, AttackUnit.value)
    found: dict[str, list[Unit]] = defaultdict(list)
    with reading(engine) as session:
        for run_id, attack, strength, role, value in session.execute(
            select(*columns).where(AttackUnit.run_id.in_(run_ids))
        ):
            found[run_id].append((attack, strength, role, value))
    return found


def _plainly(engine: Engine, run_ids: Sequence[str]) -> dict[str, dict[str, dict[str, float]]]:
    """What leaked when asked plainly, by run, modality and role."""
    found: dict[str, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    columns = (AttackUnit.run_id, AttackUnit.role, AttackUnit.detail["modality"])
    statement = select(*columns).where(AttackUnit.run_id.in_(run_ids), AttackUnit.attack == PLAIN.name)
    with reading(engine) as session:
        for run_id, role, tallies in session.execute(statement):
            for modality, (leaked, asked) in (tallies or {}).items():
                found[run_id][modality][role] = leaked / asked
    return found
