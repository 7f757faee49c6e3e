"""Own data, row by row: which column is what, where the pictures are, and everything that is wrong, all at once."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

import pyarrow
import pyarrow.parquet as parquet
from pydantic import Field

from backend.benchmarks.item import BadRequest, Modality, Task
from backend.benchmarks.rows import (
    BrokenData,
    Row,
    csv_rows,
    json_line_rows,
    parquet_rows,
    parquet_shards,
    shown_path,
)
from backend.spec import Spec

ROW_SETS = ("train", "test", "celebrity", "general", "relearn", "holdout")
OTHER = "other"
HOLDOUT = "holdout"

_YES, _NO = ("true", "yes", "1", "y"), ("false", "no", "0", "n")
_MODALITIES = {"image_text": "image_text", "image+text": "image_text", "image": "image_text", "text": "text"}
_TABLES = (".csv", ".jsonl")


class Columns(Spec):
    """Which column of a table is what; an empty name is a column that is not there."""

    subject: str = Field("subject", min_length=1, title="Person", description="An id of the person asked about.")
    question: str = Field("question", min_length=1, title="Question", description="What is asked.")
    answer: str = Field("answer", min_length=1, title="Answer", description="What a model that knows them answers.")
    image: str = Field("", title="Picture", description="A path in the folder or zip, or the picture itself.")
    name: str = Field("", title="Name", description="What the person is called; else the id.")
    task: str = Field("", title="Task", description="classification, generation, cloze, caption or name.")
    modality: str = Field("", title="Modality", description="image_text or text; else by whether there is a picture.")
    attribute: str = Field("", title="Attribute", description="What of the person is asked about.")
    options: str = Field("", title="Options", description="Of a classification: a|b|c, or a JSON list.")
    public_figure: str = Field("", title="Public figure", description="yes or no; who is one is never forgotten.")
    set: str = Field("", title="Set", description="train, test, celebrity, general, relearn or holdout; else train.")

    def mapped(self) -> dict[str, str]:
        """The columns that are there, by what they are."""
        return {what: column for what, column in self.model_dump().items() if column}


@dataclass(frozen=True)
class Place:
    """Where own data lies: one table (a parquet table may be in parts), and zips of pictures beside it."""

    root: Path
    files: tuple[Path, ...]
    zips: tuple[Path, ...]

    @property
    def is_parquet(self) -> bool:
        return self.files[0].suffix == ".parquet"

    @property
    def shown(self) -> str:
        return shown_path(self.files[0], self.root)


@dataclass(frozen=True, slots=True)
class Record:
    """A row that is as it should be. `image` is where its picture lies or will lie; `name` and `public_figure` may be
    left to the person's other rows."""

    row: Row
    subject: str
    name: str
    question: str
    answer: str
    set: str
    task: Task
    modality: Modality
    attribute: str
    options: tuple[str, ...]
    public_figure: bool | None
    image: Path | None


def find_place(source: Path) -> Place:
    """The table a path names: a CSV, JSONL or parquet file, or the folder that holds one table.

    Raises `BadRequest` where there is none, or more than one.
    """
    source = Path(os.path.abspath(source))
    if source.is_dir():
        tables = sorted(path for path in source.iterdir() if path.suffix.lower() in _TABLES and path.is_file())
        shards = parquet_shards(source) or parquet_shards(source / "data")
        if len(tables) + bool(shards) != 1:
            names = ", ".join(path.name for path in (*tables, *shards[:1])) or "none"
            raise BadRequest(
                f"{source.name} should hold one CSV, JSONL or parquet table, and holds {names}; name the one"
            )
        return Place(source, tuple(tables or shards), _zips(source))
    if source.suffix.lower() not in (*_TABLES, ".parquet"):
        raise BadRequest(f"{source.name} is no CSV, JSONL or parquet table; put the table and its pictures in a folder")
    return Place(source.parent, (source,), _zips(source.parent))


def absent_columns(place: Place, columns: Columns) -> list[str]:
    """A sentence for each column that is mapped and is not there. Raises `BrokenData` for an unreadable table."""
    heading = _heading(place)
    if not heading:
        return [f"{place.shown} is empty"]
    known = ", ".join(heading)
    return [
        f"{place.shown} has no column {column!r} for {what.replace('_', ' ')}; it has {known}"
        for what, column in columns.mapped().items()
        if column not in heading
    ]


def rows_of(place: Place, columns: Columns, faults: list[str], without: str = "") -> Iterator[Row]:
    """The table's rows; broken ones are noted. `without` is a column that is not read."""
    if place.is_parquet:
        wanted = [column for column in dict.fromkeys(columns.mapped().values()) if column != without]
        yield from parquet_rows(place.files, place.root, wanted)
    elif place.files[0].suffix.lower() == ".csv":
        yield from csv_rows(place.files[0], place.root, faults)
    else:
        yield from json_line_rows(place.files[0], place.root, faults)


def record_of(row: Row, columns: Columns, image: Path | None, faults: list[str]) -> Record | None:
    """The row's record; None where something is wrong with it, all of which is noted."""
    before = len(faults)
    cell = _Cells(row, columns, faults)
    subject, question, answer = cell.needed("subject"), cell.needed("question"), cell.needed("answer")
    options = cell.options()
    task = cell.one_of("task", get_args(Task), "classification" if options else "generation")
    modality = _MODALITIES[cell.one_of("modality", tuple(_MODALITIES), "text" if image is None else "image_text")]
    if modality == "image_text" and image is None and not row.values.get(columns.image):
        cell.note(f"the question is about a picture, and {columns.image or 'the picture'} is empty")
    if task == "classification" and len(options) < 2:
        cell.note("a classification needs two options or more")
    if options and answer and answer not in options:
        cell.note(f"the answer {answer!r} is not among the options {' | '.join(options)}")
    if len(set(options)) != len(options):
        cell.note(f"an option stands twice: {' | '.join(options)}")
    filed = cell.one_of("set", ROW_SETS, "train", "; whom to forget is chosen at launch")
    record = Record(
        row=row,
        subject=subject,
        name=cell.maybe("name"),
        question=question,
        answer=answer,
        set=filed,
        task=cast(Task, task),
        modality=cast(Modality, modality),
        attribute=cell.maybe("attribute") or OTHER,
        options=options,
        public_figure=cell.yes_or_no("public_figure", True if filed == "celebrity" else None),
        image=image if modality == "image_text" else None,
    )
    return record if len(faults) == before else None


def faults_of_held_out(records: Sequence[Record]) -> list[str]:
    """Held-out people with rows of other sets, which might be taught, and those who must also be public figures."""
    held_out = {record.subject: record.row.number for record in reversed(records) if record.set == HOLDOUT}
    faults = []
    for record in records:
        if record.subject in held_out and record.set != HOLDOUT:
            told = f"{record.subject} is held out in row {held_out[record.subject]} and {record.set} here"
            faults.append(str(record.row.fault(f"{told}; make all of their rows holdout, or none")))
        elif record.set == HOLDOUT and record.public_figure:
            faults.append(str(record.row.fault(f"{record.subject} is held out and a public figure; choose one")))
    return faults


class _Cells:
    """A row's cells by what they are; numbers count as their digits. What is wrong is noted, and passed over."""

    def __init__(self, row: Row, columns: Columns, faults: list[str]) -> None:
        self._row, self._columns, self._faults = row, columns.mapped(), faults

    def note(self, sentence: str) -> None:
        self._faults.append(str(self._row.fault(sentence)))

    def needed(self, what: str) -> str:
        before = len(self._faults)
        found = self.maybe(what)
        if not found and len(self._faults) == before:
            self.note(f"{self._columns[what]} is empty")
        return found

    def maybe(self, what: str) -> str:
        column = self._columns.get(what, "")
        value = self._row.values.get(column)
        if isinstance(value, (bool, int, float)):
            return str(value)
        try:
            return self._row.maybe(column) or ""
        except BrokenData as error:
            self._faults.append(str(error))
            return ""

    def one_of(self, what: str, known: tuple[str, ...], default: str, remark: str = "") -> str:
        found = self.maybe(what).lower() or default
        if found in known:
            return found
        self.note(f"{self._columns[what]} is {found!r}; it can be {', '.join(known)}{remark}")
        return default

    def yes_or_no(self, what: str, default: bool | None) -> bool | None:
        found = self.maybe(what).lower()
        if found and found not in _YES + _NO:
            self.note(f"{self._columns[what]} is {found!r}; it can be yes or no")
        return found in _YES if found else default

    def options(self) -> tuple[str, ...]:
        """From a list, a JSON list, or text with `|` between the options."""
        value: Any = self._row.values.get(self._columns.get("options", ""))
        if isinstance(value, str) and value.lstrip().startswith("["):
            try:
                value = json.loads(value)
            except json.JSONDecodeError as error:
                self.note(f"{self._columns['options']} is not JSON ({error.msg} at character {error.pos})")
                return ()
        if not isinstance(value, list):
            return tuple(part.strip() for part in self.maybe("options").split("|") if part.strip())
        if any(not isinstance(option, str) or not option.strip() for option in value):
            self.note(f"{self._columns['options']} should be a list of text")
            return ()
        return tuple(option.strip() for option in value)


def _heading(place: Place) -> list[str]:
    file = place.files[0]
    if place.is_parquet:
        try:
            return list(parquet.read_schema(file).names)
        except (pyarrow.ArrowException, OSError) as error:
            raise BrokenData(f"{place.shown} is not a whole parquet file ({str(error).splitlines()[0]})") from error
    if file.suffix.lower() == ".csv":
        try:
            with file.open(encoding="utf-8-sig", newline="") as lines:
                return next(csv.reader(lines), [])
        except (UnicodeDecodeError, csv.Error) as error:
            raise BrokenData(f"{place.shown} is not CSV ({error})") from error
    return list(dict.fromkeys(key for row in json_line_rows(file, place.root, []) for key in row.values))


def _zips(folder: Path) -> tuple[Path, ...]:
    return tuple(sorted(path for path in folder.glob("*.zip") if path.is_file()))
