"""What an attack run's table comes to, in sentences: what is told plainly, what the worst attack adds, what it means.

Page and report say the same. No sentence says more than the table: attacks that met no control, or have not met it yet,
are counted apart; of many attacks some leak by chance; and a model that never unlearned has nothing to be brought back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from backend.suites import KNOWN, PLAIN

FEW_PEOPLE = 10
"""Below so many, a bootstrap over people says little."""
Row = Mapping[str, Any]


def percent(value: float | None) -> str:
    """`44 %`, or a dash where there is no figure."""
    return "–" if value is None else f"{100 * value:.0f} %"


def verdict(rows: Sequence[Row], *, running: bool = False) -> list[tuple[str, str]]:
    """Sentences as (what to stress first, the rest), from `reckon`'s rows, worst first; none before anything is known.

    `running` is whether figures are still to come.
    """
    measured = [row for row in rows if row["unlearned"] is not None]
    plain = next((row for row in measured if row["name"] == PLAIN.name), None)
    made = [row for row in measured if row["name"] != PLAIN.name]
    known = any(row["original"] is not None for row in measured)
    found = [("", _plainly(plain, known))] if plain is not None else []
    if made:
        found += [_worst(made[0]), ("", _meaning(made, known, running))]
    return [one for one in found if any(one)]


def _plainly(row: Row, unlearned: bool) -> str:
    model = "the unlearned model" if unlearned else "the model"
    words = f"Asked plainly, {model} tells {percent(row['unlearned'])} of the facts{_held_against(row)}."
    if unlearned and row["gap_low"] is not None and row["gap_low"] > 0:
        words += " That it did not forget shows without any attack."
    return words


def _worst(row: Row) -> tuple[str, str]:
    at = f" ({row['at']})" if row["at"] else ""
    told = percent(row["unlearned"])
    if row["name"] in KNOWN and not KNOWN[row["name"]].speaks:
        return row["title"], f"{at} finds {told} of them inside{_held_against(row, 'shows')}."
    return row["title"], f"{at} makes it tell {told}{_held_against(row)}."


def _held_against(row: Row, verb: str = "tells") -> str:
    """What the control tells: another model, or this one asked about people whom nobody was taught."""
    if row["control"] is None:
        return ""
    told = percent(row["control"])
    if row["control_of"] == "held-out people":
        return f"; of people nobody was taught it {verb} {told}"
    return f", where a model that never knew {verb} {told}"


def _meaning(made: Sequence[Row], unlearned: bool, running: bool) -> str:
    met = [row for row in made if row["gap"] is not None]
    bare = len(made) - len(met)
    if not met:
        words = "The control has not been asked yet." if running else "There is no control, so a leak may be a guess."
    else:
        words = _of_those_that_met_a_control(met, unlearned)
        if bare:
            words += f" Yet to meet it: {bare}." if running else f" {bare} more met none."
    if not unlearned and not running:
        words += " No original is known to hold it against, so nothing is said to have come back."
    people = max((row["people"] or 0 for row in made), default=0)
    return f"{words} With {people} people, intervals are rough." if 0 < people < FEW_PEOPLE else words


def _of_those_that_met_a_control(met: Sequence[Row], unlearned: bool) -> str:
    sure = sum(row["sure"] for row in met)
    alone = sum(row["gap_low"] is not None and row["gap_low"] > 0 for row in met)
    of = f"of {len(met)} that met a control"
    if sure:
        still = "; what was forgotten is still in there" if unlearned else ""
        return f"{_attacks(sure)} {of} {_leak(sure)} beyond it, with all of them counted together{still}."
    if alone:
        return (
            f"{_attacks(alone)} {of} {_leak(alone)} beyond it taken alone, but of so many some do so by chance: "
            "counted together none does."
        )
    return f"None {of} leaks beyond it, as far as these questions can tell."


def _attacks(count: int) -> str:
    return "One attack" if count == 1 else f"{count} attacks"


def _leak(count: int) -> str:
    return "leaks" if count == 1 else "leak"
