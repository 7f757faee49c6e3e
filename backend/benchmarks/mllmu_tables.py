"""Which tables of MLLMU-Bench a folder holds, and which of them say who is who and what is taught.

People come from `Full_Set`, or from a forget set and the retain set that completes it. What is taught comes from the
training split (`baseline_train_split`, a download of its own), from evaluation tables that it was merged into, or from
`ft_Data`. Only file names and schemas are looked at here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow
import pyarrow.parquet as parquet

from backend.benchmarks.item import BadRequest
from backend.benchmarks.rows import Row, parquet_rows, parquet_shards

SHARES = (5, 10, 15)
PAIRS = tuple((f"forget_{share}", f"retain_{100 - share}") for share in SHARES)
TRAINING_SPLIT = "baseline_train_split"
TABLES = ("Full_Set", *(name for pair in PAIRS for name in pair), "Test_Set", "Retain_Set", "ft_Data")
_WHERE_PAIRS_ARE = (
    "the evaluation tables carry no training pairs: those are in MLLMMU/baseline_train_split, a download apart from "
    "MLLMMU/MLLMU-Bench that belongs inside its folder or beside it, or in ft_Data"
)


@dataclass(frozen=True)
class Table:
    name: str
    files: tuple[Path, ...]
    root: Path

    def rows(self, columns: Sequence[str], optional: Sequence[str] = ()) -> Iterator[Row]:
        return parquet_rows(self.files, self.root, columns, optional)

    def has(self, column: str) -> bool:
        """Whether its first file has the column; a file that cannot be read has none."""
        try:
            return column in parquet.read_schema(self.files[0]).names
        except (pyarrow.ArrowException, OSError):
            return False


@dataclass(frozen=True)
class Tables:
    """`there` is every table found, by name; of these the ones that are read."""

    there: Mapping[str, Table]
    private: tuple[Table, ...]
    training: tuple[Table, ...]

    @property
    def forget(self) -> dict[int, Table]:
        return {share: self.there[f"forget_{share}"] for share in SHARES if f"forget_{share}" in self.there}

    def used(self) -> list[Table]:
        others = [self.there[name] for name in ("Test_Set", "Retain_Set") if name in self.there]
        return list(dict.fromkeys([*self.private, *self.forget.values(), *others, *self.training]))


def find_tables(source: Path) -> Tables:
    if not source.is_dir():
        raise BadRequest(f"there is no folder {source}")
    there = {name: table for name in TABLES if (table := _table(source, name, source))}
    for base in (source / TRAINING_SPLIT, source.parent / TRAINING_SPLIT):
        split = {f"{TRAINING_SPLIT}/{name}": _table(base, name, base.parent) for pair in PAIRS for name in pair}
        if any(split.values()):
            there |= {name: Table(name, table.files, table.root) for name, table in split.items() if table}
            break
    return Tables(there, _private_tables(there), _training_tables(there))


def _table(base: Path, name: str, root: Path) -> Table | None:
    files = parquet_shards(base / name)
    return Table(name, tuple(files), root) if files else None


def _private_tables(there: Mapping[str, Table]) -> tuple[Table, ...]:
    """`Full_Set`, or else the first forget set with the retain set that makes it whole."""
    if "Full_Set" in there:
        return (there["Full_Set"],)
    return next((tuple(there[name] for name in pair) for pair in PAIRS if set(pair) <= set(there)), ())


def _training_tables(there: Mapping[str, Table]) -> tuple[Table, ...]:
    """A whole pair of the training split, or evaluation tables that it was merged into, or `ft_Data`."""
    for forget, retain in PAIRS:
        apart = (f"{TRAINING_SPLIT}/{forget}", f"{TRAINING_SPLIT}/{retain}")
        if set(apart) <= set(there):
            return tuple(there[name] for name in apart)
    for pair in PAIRS:
        if set(pair) <= set(there) and all(there[name].has("metadata") for name in pair):
            return tuple(there[name] for name in pair)
    return (there["ft_Data"],) if "ft_Data" in there else ()


def no_people(tables: Tables) -> str:
    pairs = ", or ".join(" with ".join(pair) for pair in PAIRS)
    found = ", ".join(tables.there) or "none of its tables"
    return f"everybody is in Full_Set, or in {pairs}; there is {found}"


def absent(tables: Tables) -> Iterator[tuple[str, str]]:
    """What is published and not there, beside what cannot be done without, with what serves instead."""
    there, everyone = tables.there, _and(table.name for table in tables.private)
    if tables.private and "Full_Set" not in there:
        yield "Full_Set", f"derived from {everyone}"
    for share, (forget, retain) in zip(SHARES, PAIRS, strict=True):
        if tables.forget and forget not in there:
            yield forget, f"a share of {share} % cannot be asked for"
        if tables.private and retain not in there:
            base = everyone if everyone.endswith(forget) else f"{everyone} and {forget}"
            yield retain, f"derived from {base}" if forget in there else f"it goes with {forget}, which is not there"
    if tables.training and "ft_Data" not in there:
        yield "ft_Data", f"what is taught is read from {_and(table.name for table in tables.training)}"
    parts = [f"{TRAINING_SPLIT}/{name}" for pair in PAIRS for name in pair]
    if tables.training and any(part in there for part in parts):
        taught = _and(table.name for table in tables.training)
        yield from ((part, f"what is taught is read from {taught}") for part in parts if part not in there)


def _and(names: Iterable[str]) -> str:
    return " and ".join(names)


def untaught(tables: Tables) -> str:
    """Why there is nothing to train on; empty where there is."""
    if tables.training:
        return ""
    parts = [name for name in tables.there if name.startswith(TRAINING_SPLIT)]
    halves = f" (here is only {', '.join(parts)}, and a forget set goes with its retain set)" if parts else ""
    return f"there is nothing to train on, as {_WHERE_PAIRS_ARE}{halves}"
