"""Rows of the files that benchmarks are published in: parquet tables, JSON lists, JSON lines and CSV.

Whatever is wrong with a file is said in one sentence that names the file and the row (the first row is 1). Tables are
read a few rows at a time and only the columns that are asked for; nothing is unpickled.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet as parquet

from backend.benchmarks.item import BadRequest

ROWS_AT_ONCE = 32
_HEAD = 65536
_READ_AHEAD = 1 << 20
_LINE_BREAK = re.compile(r"\r\n|\r|\n")
_SHARD = re.compile(r"(.+)-(\d{5})-of-(\d{5})\.parquet")


class BrokenData(BadRequest):
    """A file of a benchmark cannot be read as what it should be; the message names file and row."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table. `file` is as it is shown to people (relative to what they named), `number` counts from 1.

    `line` is where the row begins in a file with a heading, whose first line is 1; 0 where it has no line of its own.
    """

    file: str
    number: int
    values: dict[str, Any]
    line: int = 0

    def fault(self, sentence: str) -> BrokenData:
        """`Full_Set/train-00000-of-00001.parquet, row 7: the picture is empty`."""
        line = f" (line {self.line} of the file)" if self.line else ""
        return BrokenData(f"{self.file}, row {self.number}{line}: {sentence}")

    def text(self, column: str) -> str:
        """The column as text that is not blank. Raises `BrokenData`."""
        value = self.values.get(column)
        if not isinstance(value, str) or not value.strip():
            raise self.fault(f"{column} is empty")
        return value.strip()

    def maybe(self, column: str) -> str | None:
        """The column as text; None where there is none. Raises `BrokenData` for anything but text."""
        value = self.values.get(column)
        if value is None or (isinstance(value, str) and not value.strip()):
            return None
        if not isinstance(value, str):
            raise self.fault(f"{column} should be text, and is {_kind(value)}")
        return value.strip()

    def json(self, column: str) -> Any:
        """What a column of JSON text holds. Raises `BrokenData`."""
        try:
            return json.loads(self.text(column))
        except json.JSONDecodeError as error:
            raise self.fault(f"{column} is not JSON ({error.msg} at character {error.pos})") from error

    def items(self, column: str) -> list[Any]:
        """A column of lists; an empty list where there is none. Raises `BrokenData` for anything but a list."""
        value = self.values.get(column)
        if value is None:
            return []
        if not isinstance(value, (list, tuple)):
            raise self.fault(f"{column} should be a list, and is {_kind(value)}")
        return list(value)


def parquet_shards(folder: Path) -> list[Path]:
    """The parquet files of a table's folder, in the order of their names (`train-00000-of-00002.parquet`, …)."""
    return sorted(path for path in folder.glob("*.parquet") if path.is_file())


def parquet_rows(
    files: Sequence[Path], root: Path, columns: Sequence[str], optional: Sequence[str] = ()
) -> Iterator[Row]:
    """The rows of a table's shards, numbered through each file. `optional` columns may be absent.

    Raises `BrokenData` for a file that is no whole parquet file, for one that lacks a column, and for one of several
    that is missing.
    """
    _refuse_missing_shards(files, root)
    for file in files:
        shown = shown_path(file, root)
        table = _open_parquet(file, shown)
        present = set(table.schema_arrow.names)
        lacking = [column for column in columns if column not in present]
        if lacking:
            raise BrokenData(f"{shown} has no column {lacking[0]}; it has {', '.join(sorted(present)) or 'none'}")
        wanted = [*columns, *(column for column in optional if column in present)]
        number = 0
        try:
            for batch in table.iter_batches(batch_size=ROWS_AT_ONCE, columns=wanted):
                for values in batch.to_pylist():
                    number += 1
                    yield Row(shown, number, values)
        except (pyarrow.ArrowException, OSError) as error:
            raise BrokenData(f"{shown}, after row {number}: the file is damaged ({_first_line(error)})") from error


def parquet_count(files: Sequence[Path], root: Path) -> int:
    """How many rows a table's shards have; only their footers are read. Raises `BrokenData`."""
    _refuse_missing_shards(files, root)
    return sum(int(_open_parquet(file, shown_path(file, root)).metadata.num_rows) for file in files)


def json_rows(file: Path, root: Path) -> Iterator[Row]:
    """The objects of a JSON list. Raises `BrokenData`."""
    shown = shown_path(file, root)
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BrokenData(f"{shown} is not JSON ({_first_line(error)})") from error
    if not isinstance(found, list):
        raise BrokenData(f"{shown} should be a list of rows, and is {_kind(found)}")
    for number, values in enumerate(found, 1):
        yield _object(shown, number, values)


def json_line_rows(file: Path, root: Path, faults: list[str] | None = None) -> Iterator[Row]:
    """The objects of a file with one JSON object a line; blank lines are passed over.

    Raises `BrokenData` for the first broken line; given `faults`, notes each there and goes on.
    """
    shown = shown_path(file, root)
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                if line.strip():
                    yield _object(shown, number, _parsed(shown, number, line))
            except BrokenData as error:
                if faults is None:
                    raise
                faults.append(str(error))


def csv_rows(file: Path, root: Path, faults: list[str] | None = None) -> Iterator[Row]:
    """The rows of a CSV file under its heading; the first row below it is 1.

    Raises `BrokenData`; given `faults`, notes a row with too many cells there and goes on.
    """
    shown = shown_path(file, root)
    with file.open(encoding="utf-8-sig", newline="") as lines:
        try:
            reader = csv.DictReader(lines, strict=True)
            for number, values in enumerate(reader, 1):
                row = Row(shown, number, dict(values), reader.line_num - _line_breaks(values))
                if None not in values:
                    yield row
                    continue
                fault = row.fault("it has more cells than the heading has columns")
                if faults is None:
                    raise fault
                faults.append(str(fault))
        except (UnicodeDecodeError, csv.Error) as error:
            raise BrokenData(f"{shown} is not CSV ({_first_line(error)})") from error


def fingerprint_of(version: str, files: Sequence[Path], root: Path) -> str:
    """Twelve hex digits that change when a file is added, grows or changes at its beginning or end.

    Whole files of gigabytes are not read: a parquet file's end describes all of it.
    """
    digest = hashlib.sha256(version.encode())
    for file in sorted(files):
        digest.update(shown_path(file, root).encode())
        size = file.stat().st_size
        digest.update(str(size).encode())
        with file.open("rb") as opened:
            digest.update(opened.read(_HEAD))
            if size > _HEAD:
                opened.seek(max(_HEAD, size - _HEAD))
                digest.update(opened.read(_HEAD))
    return digest.hexdigest()[:12]


def shown_path(file: Path, root: Path) -> str:
    """A file as people know it: below the folder they named."""
    return file.relative_to(root).as_posix() if file.is_relative_to(root) else file.name


def first_fault(rows: Callable[[], Iterator[Any]]) -> str | None:
    """Walks rows to the end; answers the first fault as a sentence, or None."""
    try:
        for _ in rows():
            pass
    except BadRequest as error:
        return str(error)
    return None


def _refuse_missing_shards(files: Sequence[Path], root: Path) -> None:
    """A file called `…-00000-of-00002.parquet` is half a table: the other must lie beside it."""
    for file in files:
        if parts := _SHARD.fullmatch(file.name):
            of = int(parts[3])
            for number in range(of):
                shard = file.with_name(f"{parts[1]}-{number:05d}-of-{of:05d}.parquet")
                if not shard.is_file():
                    raise BrokenData(
                        f"{shown_path(shard, root)} is missing: {file.parent.name} comes in {of} files; fetch all of "
                        "them"
                    )


def _open_parquet(file: Path, shown: str) -> parquet.ParquetFile:
    try:
        # buffering ahead would take in a whole table of pictures at once
        return parquet.ParquetFile(file, pre_buffer=False, buffer_size=_READ_AHEAD)
    except (pyarrow.ArrowException, OSError) as error:
        raise BrokenData(
            f"{shown} is not a whole parquet file ({_first_line(error)}); if it came with git, fetch it with git lfs"
        ) from error


def _line_breaks(values: Mapping[Any, Any]) -> int:
    """How many lines of its file a CSV row goes on for after its first."""
    cells = [cell for value in values.values() for cell in (value if isinstance(value, list) else [value]) if cell]
    return sum(len(_LINE_BREAK.findall(cell)) for cell in cells)


def _parsed(shown: str, number: int, line: bytes) -> Any:
    try:
        return json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BrokenData(f"{shown}, row {number}: this line is not JSON ({_first_line(error)})") from error


def _object(shown: str, number: int, values: Any) -> Row:
    if not isinstance(values, dict):
        raise BrokenData(f"{shown}, row {number}: it should be an object, and is {_kind(values)}")
    return Row(shown, number, values)


def _kind(value: Any) -> str:
    names = {str: "text", dict: "an object", list: "a list", bool: "true or false", int: "a number", float: "a number"}
    return names.get(type(value), "nothing" if value is None else type(value).__name__)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
