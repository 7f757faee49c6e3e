"""A against B, item by item: what B no longer knows, still knows, lost beside, and made up.

Both must have been asked the same items; those only one of them was asked are left out and counted. An item without a
right and wrong answer is left out too.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Engine, case, func, select
from sqlalchemy.orm import aliased

from backend.spec_use import meaningful
from storage.database import reading
from storage.tables import Answer

GONE = ("forget", "test")
STAYS = ("retain", "celebrity", "general")
FORGOTTEN, STILL, LOST, KEPT = "forgotten", "still known", "overly forgotten", "kept"
LEARNT, MADE_UP = "newly right", "new answer, wrong"
KINDS = (FORGOTTEN, STILL, LOST, MADE_UP, KEPT, LEARNT)

SAYS_NOTHING = re.compile(
    r"\b(do|does|did|ca|could|would)(n['’]t| not) (know|tell|say|answer|recogni[sz]e|have|cover)\b|"
    r"\bcannot (say|tell|answer)\b|\bnot (sure|able|familiar)\b|\bunable\b|\bno (idea|information)\b|\bsorry\b|"
    r"\bbeyond what i know\b|\bknow nothing\b|\bnothing i can tell\b|\bonly be guessing\b|"
    r"\bnot something i know\b|\bhaven['’]t learned\b",
    re.IGNORECASE,
)
"""A refusal, by its words; an empty answer is one too."""


class Both(NamedTuple):
    """One item that both were asked. `text` is what B said where that is new and wrong, else nothing."""

    item: str
    subject: str | None
    item_set: str
    a_right: bool
    b_right: bool
    text: str | None


@dataclass(frozen=True)
class Wanted:
    """What the comparison is narrowed to; an empty field narrows nothing."""

    item_set: str = ""
    task: str = ""
    modality: str = ""
    subject: str = ""


@dataclass(frozen=True)
class Counted:
    """How many items are of a kind, of how many that could have been."""

    count: int
    of: int

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return self.count / self.of if self.of else 0.0


class Person(NamedTuple):
    """Somebody's items that both were asked: how many, and how many A and B answered rightly."""

    subject: str
    n: int
    a: int
    b: int


def compared(engine: Engine, a: str, b: str, wanted: Wanted | None = None) -> list[Both]:
    """The items to which both runs have an answer that is right or wrong, by set and item."""
    narrow = wanted or Wanted()
    one, other = aliased(Answer), aliased(Answer)
    new = case((other.correct.is_(False) & (one.text != other.text), other.text))
    statement = (
        select(other.item_id, other.subject, other.item_set, one.correct, other.correct, new)
        .join(one, (one.run_id == a) & (one.item_id == other.item_id))
        .where(other.run_id == b, one.correct.is_not(None), other.correct.is_not(None))
        .order_by(other.item_set, other.item_id)
    )
    for name in ("item_set", "task", "modality", "subject"):
        if value := getattr(narrow, name):
            statement = statement.where(getattr(other, name) == value)
    with reading(engine) as session:
        return [Both(*row) for row in session.execute(statement)]


def kinds_of(item: Both) -> frozenset[str]:
    """The kinds an item belongs to. A new wrong answer may be a forgotten one as well; of people who were never taught
    nothing is expected."""
    found = {MADE_UP} if item.text is not None and made_up(item.text) else set()
    if item.item_set in GONE and item.a_right:
        found.add(STILL if item.b_right else FORGOTTEN)
    elif item.item_set in STAYS and item.a_right:
        found.add(KEPT if item.b_right else LOST)
    elif item.item_set in (*GONE, *STAYS) and item.b_right:
        found.add(LEARNT)
    return frozenset(found)


def made_up(text: str) -> bool:
    """Whether a wrong answer claims something: it has words, and they are no refusal."""
    return any(letter.isalnum() for letter in text) and not SAYS_NOTHING.search(text)


def counts(items: Iterable[Both]) -> dict[str, Counted]:
    """By kind. Forgotten and still known are of what A knew and B should not, overly forgotten and kept of what A knew
    and B should; a new wrong answer is of all items, and newly right of what A did not know."""
    number: dict[str, int] = dict.fromkeys(KINDS, 0)
    asked = unknown = 0
    for item in items:
        asked += 1
        unknown += item.item_set in (*GONE, *STAYS) and not item.a_right
        for kind in kinds_of(item):
            number[kind] += 1
    gone, stays = number[FORGOTTEN] + number[STILL], number[LOST] + number[KEPT]
    of = {FORGOTTEN: gone, STILL: gone, LOST: stays, KEPT: stays, MADE_UP: asked, LEARNT: unknown}
    return {kind: Counted(number[kind], of[kind]) for kind in KINDS}


def people(items: Iterable[Both], sets: Sequence[str]) -> list[Person]:
    """Everyone asked about in these sets: whom B knows best first where they should be gone (`GONE`), whom it lost most
    of first anywhere else."""
    tally: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for item in items:
        if item.item_set in sets and item.subject:
            mine = tally[item.subject]
            mine[0] += 1
            mine[1] += item.a_right
            mine[2] += item.b_right
    found = [Person(subject, *figures) for subject, figures in tally.items()]
    if set(sets) <= set(GONE):
        return sorted(found, key=lambda one: (-one.b / one.n, one.subject))
    return sorted(found, key=lambda one: (-(one.a - one.b) / one.n, one.subject))


def only_one(engine: Engine, a: str, b: str) -> tuple[int, int]:
    """How many items have an answer of A alone, and of B alone."""
    one, other = aliased(Answer), aliased(Answer)
    with reading(engine) as session:
        totals = [
            session.scalar(select(func.count()).select_from(Answer).where(Answer.run_id == run)) or 0 for run in (a, b)
        ]
        both = session.scalar(
            select(func.count())
            .select_from(other)
            .join(one, (one.run_id == a) & (one.item_id == other.item_id))
            .where(other.run_id == b)
        )
    return totals[0] - (both or 0), totals[1] - (both or 0)


def answers_of(engine: Engine, run_id: str, items: Sequence[str]) -> dict[str, Answer]:
    """A run's answers to these items, by item."""
    statement = select(Answer).where(Answer.run_id == run_id, Answer.item_id.in_(items))
    with reading(engine) as session:
        return {answer.item_id: answer for answer in session.scalars(statement)}


def spec_differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """(path, A's value, B's value) where two specs are not the same, in their order; None for one that has no such
    setting. Equal settings are left out, and those that mean nothing in a spec."""
    one, other = dict(_leaves(meaningful(a))), dict(_leaves(meaningful(b)))
    paths = dict.fromkeys((*one, *other))
    return [(path, one.get(path), other.get(path)) for path in paths if _text(one, path) != _text(other, path)]


def _text(leaves: Mapping[str, Any], path: str) -> str:
    return json.dumps(leaves.get(path))


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
