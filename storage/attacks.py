"""What attack runs found out: units (an attack at a strength on one model) and transcripts.

A unit and its transcripts are written in one transaction, so that a run that was killed knows what is done: a unit that
is there is whole. The rest of an attack run's table is reckoned from units when it is read.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Engine, Select, delete, func, select

from storage.claims import touch
from storage.database import finite, insert_or_ignore, reading, writing
from storage.tables import AttackUnit, Transcript, new_id

_FIGURES = ("value", "low", "high", "plainly")
_WORDS = ("item_id", "subject", "modality", "question", "asked", "truth", "text")


def write_unit(
    engine: Engine,
    run_id: str,
    unit: Mapping[str, Any],
    transcripts: Iterable[Mapping[str, Any]] = (),
    *,
    attempt: int | None = None,
) -> None:
    """Keep a unit with all that was said in it; one that is there already is put aside for this one.

    `unit` has attack, role, value, and may have strength, n, people, low, high, plainly, seconds, note, detail; a
    transcript has item_id, subject, modality, question, asked, truth, text, and may have prefix, leaked, detail. Raises
    NotFound; ClaimLost where an `attempt` is named that no longer holds the run; KeyError for a row that lacks a key.
    """
    place = {
        "run_id": run_id,
        "attack": unit["attack"],
        "strength": float(unit.get("strength") or 0),
        "role": unit["role"],
    }
    row = dict.fromkeys(_FIGURES) | {"n": 0, "people": 0, "seconds": 0.0, "note": None, "detail": {}, **unit, **place}
    row |= {name: finite(row[name]) for name in _FIGURES}
    said = [_transcript(place, one) for one in transcripts]
    with writing(engine) as session:
        touch(session, run_id, attempt)
        for model in (Transcript, AttackUnit):
            session.execute(delete(model).where(*(getattr(model, name) == value for name, value in place.items())))
        session.add(AttackUnit(**row))
        insert_or_ignore(session, Transcript, said)


def copy_unit(
    engine: Engine, unit: AttackUnit, run_id: str, detail: Mapping[str, Any], *, attempt: int | None = None
) -> None:
    """Keep another run's unit for this run too, with all that was said in it and `detail` added to the unit's own.
    Raises as `write_unit`."""
    place = {"attack": unit.attack, "strength": unit.strength, "role": unit.role}
    with reading(engine) as session:
        said = list(session.scalars(_narrowed(select(Transcript), unit.run_id, place)))
    kept = {name: getattr(unit, name) for name in (*_FIGURES, "n", "people", "seconds", "note")}
    words = [{name: getattr(one, name) for name in (*_WORDS, "prefix", "leaked", "detail")} for one in said]
    write_unit(engine, run_id, {**place, **kept, "detail": {**unit.detail, **detail}}, words, attempt=attempt)


def sizes(engine: Engine, run_ids: Sequence[str]) -> dict[str, tuple[int, float]]:
    """How many units each of these runs has and how many seconds they took, which tells when there are more; runs
    without units are left out."""
    statement = (
        select(AttackUnit.run_id, func.count(), func.sum(AttackUnit.seconds))
        .where(AttackUnit.run_id.in_(list(run_ids)))
        .group_by(AttackUnit.run_id)
    )
    with reading(engine) as session:
        return {run: (count, seconds) for run, count, seconds in session.execute(statement)}


def units(
    engine: Engine, run_ids: Sequence[str], without: Sequence[str] = (), attack: str | None = None
) -> list[AttackUnit]:
    """All units of these runs, but those of the attacks `without`, or those of one `attack` alone; by run, attack,
    strength and role."""
    statement = (
        select(AttackUnit)
        .where(AttackUnit.run_id.in_(list(run_ids)), AttackUnit.attack.not_in(list(without)))
        .order_by(AttackUnit.run_id, AttackUnit.attack, AttackUnit.strength, AttackUnit.role)
    )
    if attack is not None:
        statement = statement.where(AttackUnit.attack == attack)
    with reading(engine) as session:
        return list(session.scalars(statement))


def transcripts(engine: Engine, run_id: str, *, limit: int = 50, offset: int = 0, **wanted: Any) -> list[Transcript]:
    """A page of a run's transcripts, those that leaked first; `wanted` is what attack, strength, role, subject,
    modality, item_id or leaked must be."""
    statement = _narrowed(select(Transcript), run_id, wanted).order_by(
        func.coalesce(Transcript.leaked, False).desc(),
        Transcript.attack,
        Transcript.strength,
        Transcript.role,
        Transcript.item_id,
    )
    with reading(engine) as session:
        return list(session.scalars(statement.limit(limit).offset(offset)))


def transcripts_of(engine: Engine, run_id: str, items: Sequence[str], **wanted: Any) -> list[Transcript]:
    """All transcripts about these items, under every model; `wanted` as above."""
    statement = _narrowed(select(Transcript), run_id, wanted).where(Transcript.item_id.in_(list(items)))
    with reading(engine) as session:
        return list(session.scalars(statement))


def count_transcripts(engine: Engine, run_id: str, **wanted: Any) -> int:
    """How many transcripts there are of that kind."""
    with reading(engine) as session:
        return session.scalar(_narrowed(select(func.count(Transcript.id)), run_id, wanted)) or 0


def _narrowed(statement: Select[Any], run_id: str, wanted: Mapping[str, Any]) -> Select[Any]:
    chosen = (getattr(Transcript, name) == value for name, value in wanted.items() if value is not None)
    return statement.where(Transcript.run_id == run_id, *chosen)


def _transcript(place: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    said = {name: row[name] for name in _WORDS}
    rest = {"prefix": row.get("prefix") or "", "leaked": row.get("leaked"), "detail": dict(row.get("detail") or {})}
    return {"id": new_id(), **place, **said, **rest}
