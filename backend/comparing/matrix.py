"""Checkpoints by attacks: what each attack brought back of each model, the worst case first.

Recovery and excess are those of `backend.attack_report`, without its intervals, which take a thousand draws an attack:
a matrix reads hundreds of runs. Of a checkpoint the newest attack run on the same people counts, attack by attack: one
that has only begun, or made few attacks, hides nothing that an earlier one found.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, select

from backend.attack_report import LEAST_FORGOTTEN
from backend.comparing.models import Model, RunRow, Snapshot, people_of, whom_key
from backend.suites import KNOWN, PLAIN, is_trivial
from storage.database import reading
from storage.tables import AttackUnit

Unit = tuple[str, float, str, float | None, float | None]
"""Attack, strength, role, leak rate, and what the same model tells when the very same questions are asked plainly."""
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
    by_attack: dict[str, Worst]
    worst: Worst


def attack_runs(seen: Snapshot, found: Iterable[Model], benchmark: str, whom: str) -> dict[str, list[str]]:
    """The attack runs on each model's checkpoint that are about these people and found something, the newest first, by
    the model's `run`."""
    by_checkpoint: dict[str, list[RunRow]] = defaultdict(list)
    for run in seen.runs.values():
        about = run.kind == "attack" and run.scored and run.spec.get("benchmark") == benchmark
        if about and run.parent is not None and whom_key(run.spec) == people_of(whom):
            by_checkpoint[run.parent].append(run)
    return {
        model.run: [run.id for run in sorted(by_checkpoint[model.checkpoint], key=lambda run: -run.created_at)]
        for model in found
        if model.checkpoint in by_checkpoint
    }


def attacked(engine: Engine, seen: Snapshot, found: Sequence[Model], benchmark: str, whom: str) -> list[Attacked]:
    """The models on which an attack was carried out, the worst off first."""
    by_model = attack_runs(seen, found, benchmark, whom)
    every = [run for chosen in by_model.values() for run in chosen]
    units, plain = _units(engine, every), _plainly(engine, every)
    made = []
    for model in found:
        attacks: dict[str, Worst] = {}
        for run in by_model.get(model.run, ()):
            attacks = by_attack(units.get(run, ()), run, plain.get(run)) | attacks
        if attacks:
            made.append(Attacked(model, attacks, max(attacks.values(), key=lambda one: one.excess)))
    return sorted(made, key=lambda one: one.worst.excess, reverse=True)


def by_attack(units: Iterable[Unit], run: str, asked: Mapping[str, Shares] | None = None) -> dict[str, Worst]:
    """Each attack that could be made on the unlearned model, at its worst strength; asking plainly is none.

    `asked` are the plain leaks of each modality: where a unit has not noted what the same questions tell plainly, an
    attack on pictures is held against plain questions with a picture.
    """
    leaks: dict[tuple[str, float], dict[str, float]] = defaultdict(dict)
    alike: dict[tuple[str, float], dict[str, float]] = defaultdict(dict)
    for attack, strength, role, value, plainly in units:
        if value is not None:
            leaks[attack, strength][role] = value
        if plainly is not None:
            alike[attack, strength][role] = plainly
    plain = leaks.get((PLAIN.name, 0.0), {})
    found: dict[str, Worst] = {}
    telling = {name for name, strength in leaks if not is_trivial(name, strength)}
    for (attack, strength), by_role in leaks.items():
        if attack == PLAIN.name or "unlearned" not in by_role:
            continue
        if is_trivial(attack, strength) and attack in telling:
            continue
        modalities = KNOWN[attack].modalities if attack in KNOWN else ()
        usual = (asked.get(modalities[0]) if asked and len(modalities) == 1 else None) or plain
        one = _worst(attack, strength, by_role, {**usual, **alike[attack, strength]}, run)
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
    of = AttackUnit
    columns = (of.run_id, of.attack, of.strength, of.role, of.value, of.plainly)
    found: dict[str, list[Unit]] = defaultdict(list)
    with reading(engine) as session:
        for run_id, attack, strength, role, value, plainly in session.execute(
            select(*columns).where(of.run_id.in_(run_ids))
        ):
            found[run_id].append((attack, strength, role, value, plainly))
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
