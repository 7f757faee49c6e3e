"""The score table: a row an entry, a column a cell; how good each figure is, and the order of the rows."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from backend.comparing.figures import SHARE_KNOWN, Cell, Figure, Figures, known_share, less, of_entry
from backend.comparing.matrix import Worst
from backend.comparing.models import ROLES, Entry
from backend.comparing.pair import STAYS
from backend.comparing.points import COLLAPSED, gain, has_collapsed

GIBBERISH = "gibberish where it forgot"
NAME, ATTACK = "name", "attack"
"""Columns that are no cell, as an address sorts by them."""


@dataclass(frozen=True)
class Row:
    """An entry's figures by cell, and how good each is (0 to 1, None where no way is better)."""

    entry: Entry
    figures: Mapping[Cell, Figure]
    good: Mapping[Cell, float] = field(default_factory=dict)
    above: Mapping[str, Mapping[Cell, float]] = field(default_factory=dict)
    worst: Worst | None = None

    @property
    def flags(self) -> tuple[str, ...]:
        """What speaks against any of its figures, each once. Answers to what was to go that are no longer language are
        no collapse of the model, and are called by another name."""
        worn = ((flag, cell.set in STAYS) for cell, one in self.figures.items() for flag in one.flags)
        return tuple(dict.fromkeys(GIBBERISH if flag == COLLAPSED[0] and not stays else flag for flag, stays in worn))

    @property
    def collapsed(self) -> bool:
        """Whether it lost what it should keep."""
        return has_collapsed(self.figures)

    def mean_good(self) -> float | None:
        """The mean over its columns of how good they are."""
        return statistics.fmean(self.good.values()) if self.good else None


def rows(
    entries: Iterable[Entry],
    figures: Figures,
    columns: Sequence[Cell],
    ways: Mapping[Cell, str],
    worst: Mapping[str, Worst],
) -> list[Row]:
    """A row for each entry in its order, also for one of which nothing in these columns is known."""
    found = []
    for entry in entries:
        own = {cell: one for cell in columns if (one := of_entry(figures, entry, cell)) is not None}
        above = {
            role: {cell: by for cell in own if (by := less(figures, entry, cell, role)) is not None}
            for role in ("original", "gold")
        }
        attacked = [worst[model.run] for model in entry.members if model.run in worst]
        found.append(Row(entry, own, above=above, worst=max(attacked, key=lambda one: one.excess, default=None)))
    return _shaded(found, columns, ways)


def little_known(figures: Figures, entry: Entry, columns: Iterable[Cell]) -> list[tuple[Cell, Figure]]:
    """The accuracies of which the original knew less than `SHARE_KNOWN`, with the share it knew."""
    shares = [(cell, known_share(figures, entry, cell)) for cell in columns if cell.metric == "accuracy"]
    return [(cell, share) for cell, share in shares if share is not None and share.value < SHARE_KNOWN]


def _shaded(found: list[Row], columns: Sequence[Cell], ways: Mapping[Cell, str]) -> list[Row]:
    by_cell = {cell: goodness([row.figures[cell].value for row in found if cell in row.figures], ways.get(cell, ""))
               for cell in columns}  # fmt: skip
    shades = {cell: iter(values) for cell, values in by_cell.items()}
    made = []
    for row in found:
        good = {cell: shade for cell in columns if cell in row.figures and (shade := next(shades[cell])) is not None}
        made.append(replace(row, good=good))
    return made


def goodness(values: Sequence[float], way: str) -> list[float | None]:
    """How good each value of a column is, from 0 to 1. A rate counts as it is, or from 1 down; a distance from .5 is
    1 at .5 and 0 at either end; anything else is set between the worst and the best of its column."""
    gains = [gain(value, way) for value in values]
    if not values or gains[0] is None:
        return [None] * len(values)
    if all(0 <= value <= 1 for value in values):
        best, span = {"↑": (1.0, 1.0), "↓": (0.0, 1.0), "→0": (0.0, 1.0), "→.5": (0.0, 0.5)}[way]
        return [1 - (best - one) / span for one in gains if one is not None]
    known = [one for one in gains if one is not None]
    low, high = min(known), max(known)
    return [(one - low) / (high - low) if high > low else 0.5 for one in known]


def in_order(found: Sequence[Row], sort: str) -> list[Row]:
    """Sorted by a column's address, `name` or `attack`; with `-` in front from high to low. What is not known is last.

    Without a column: original and gold first, then by the mean of how good the columns are, collapsed models last.
    """
    column, down = sort.removeprefix("-"), sort.startswith("-")
    if column == NAME:
        return sorted(found, key=lambda row: row.entry.name.casefold(), reverse=down)
    cell = Cell.read(column)
    if column != ATTACK and cell is None:
        return sorted(found, key=_usual)

    def value(row: Row) -> float | None:
        if cell is None:
            return row.worst.recovery if row.worst else None
        return row.figures[cell].value if cell in row.figures else None

    known = [row for row in found if value(row) is not None]
    unknown = [row for row in found if value(row) is None]
    return sorted(known, key=lambda row: value(row) or 0.0, reverse=down) + unknown


def _usual(row: Row) -> tuple[int, bool, float]:
    role = row.entry.role
    place = ROLES.index(role) if role in ("original", "gold") else len(ROLES)
    mean = row.mean_good()
    return place, row.collapsed, -mean if mean is not None else 2.0
