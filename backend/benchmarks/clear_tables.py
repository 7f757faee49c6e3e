"""CLEAR's files: 21 tables, each a folder of parquet files, and the rows in them without their pictures.

Facts (hub: `therem/CLEAR`, formerly `therem/faces_v1`): a table's folder has its name, and `default` lies in `data/`;
its files are `train-00000-of-00002.parquet`, …. Tables that end in `+tofu` mix rows of pictures (a caption, and no
question) with rows of text (a question and its answer, and no picture); `*_perturbed` tables add wrong captions and
names; the `options` of `real_faces` and `real_world` are the wrong answers only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from backend.benchmarks.item import BadRequest
from backend.benchmarks.rows import BrokenData, Row, parquet_count, parquet_rows, parquet_shards, shown_path

PAIRS = {10: ("forget10", "retain90"), 5: ("forget05", "retain95"), 1: ("forget01", "retain99")}
"""The published shares in per cent, with the table of the forget set and that of everyone else."""

TABLES: tuple[str, ...] = (
    "default",
    "full",
    "full+tofu",
    *(forget + ending for forget in ("forget01", "forget05", "forget10") for ending in ("", "+tofu", "_perturbed")),
    *(retain + ending for retain in ("retain99", "retain95", "retain90") for ending in ("", "+tofu")),
    "retain_perturbed",
    "real_faces",
    "real_world",
)

CAPTIONS, TOFU, PERTURBED, REAL_FACES, REAL_WORLD = "captions", "tofu", "perturbed", "real_faces", "real_world"

COLUMNS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    CAPTIONS: (("caption",), ("name",)),
    TOFU: (("caption", "question", "answer"), ()),
    PERTURBED: (("caption", "paraphrased_caption", "perturbed_captions"), ("name", "perturbed_names")),
    REAL_FACES: (("answer", "options"), ()),
    REAL_WORLD: (("question", "answer", "options"), ()),
}
"""The columns that a kind of table must have, and those that older versions of it lack; all but `image`."""


@dataclass(frozen=True, slots=True)
class Line:
    """A row that was found whole. `number` counts from 1 through all files of the table; `wrong` are its wrong captions
    or wrong answers."""

    table: str
    number: int
    row: Row
    caption: str = ""
    name: str = ""
    question: str = ""
    answer: str = ""
    paraphrase: str = ""
    wrong: tuple[str, ...] = ()
    wrong_names: tuple[str, ...] = ()

    @property
    def picture(self) -> str:
        """The name under which the row's picture is kept."""
        return picture_name(self.table, self.number)


@dataclass(frozen=True)
class Tables:
    """The tables of a folder; `name in tables` tells whether one is there."""

    root: Path
    files: Mapping[str, tuple[Path, ...]]

    def __contains__(self, name: str) -> bool:
        return name in self.files

    def rows(self, name: str, columns: tuple[str, ...], optional: tuple[str, ...] = ()) -> Iterator[Row]:
        """Raises `BrokenData` for a broken file, for one of several that is missing, and for a table with no rows."""
        empty = True
        for row in parquet_rows(self.files[name], self.root, columns, optional):
            empty = False
            yield row
        if empty:
            raise BrokenData(f"{shown_path(self.files[name][0], self.root)} has no rows; fetch it again")

    def lines(self, name: str) -> Iterator[Line]:
        """The rows of a table, each checked; no picture is read. Raises `BrokenData`."""
        kind = kind_of(name)
        for number, row in enumerate(self.rows(name, *COLUMNS[kind]), 1):
            yield _line(kind, name, number, row)

    def count(self, name: str) -> int:
        """Raises `BrokenData`."""
        return parquet_count(self.files[name], self.root)


def find_tables(source: Path) -> Tables:
    """The tables below a folder: a git clone, or a snapshot of the hub. Raises `BadRequest` where there is none."""
    if not source.is_dir():
        raise BadRequest(f"{source} is not a folder; give the folder that therem/CLEAR was fetched into")
    root = _snapshot(source)
    files = {}
    for name in TABLES:
        shards = parquet_shards(root / ("data" if name == "default" else name))
        # for a while the hub had a stray test file beside a table's own
        shards = [file for file in shards if file.name.startswith("train")] or shards
        if shards:
            files[name] = tuple(shards)
    if not files:
        raise BadRequest(
            f"{source} has none of CLEAR's tables; it should hold folders such as full+tofu and forget10_perturbed "
            "with train-00000-of-00001.parquet in each"
        )
    return Tables(root, files)


def kind_of(table: str) -> str:
    if table in (REAL_FACES, REAL_WORLD):
        return table
    return TOFU if table.endswith("+tofu") else PERTURBED if table.endswith("_perturbed") else CAPTIONS


def picture_name(table: str, number: int) -> str:
    return f"{table}-{number:05d}"


def _snapshot(source: Path) -> Path:
    """A folder of the hub's cache keeps the files below `snapshots/REVISION`, and `refs/main` names the revision."""
    snapshots = source / "snapshots"
    if not snapshots.is_dir():
        return source
    main = source / "refs" / "main"
    if main.is_file() and (named := snapshots / main.read_text().strip()).is_dir():
        return named
    kept = sorted(path for path in snapshots.iterdir() if path.is_dir())
    return max(kept, key=lambda path: path.stat().st_mtime) if kept else source


def _line(kind: str, table: str, number: int, row: Row) -> Line:
    if kind == CAPTIONS:
        return Line(table, number, row, caption=row.text("caption"), name=row.maybe("name") or "")
    if kind == TOFU:
        return _mixed_line(table, number, row)
    if kind == PERTURBED:
        named = "perturbed_names" in row.values
        return Line(
            table,
            number,
            row,
            caption=row.text("caption"),
            name=row.maybe("name") or "",
            paraphrase=row.text("paraphrased_caption"),
            wrong=_texts(row, "perturbed_captions"),
            wrong_names=_texts(row, "perturbed_names") if named else (),
        )
    question = row.text("question") if kind == REAL_WORLD else ""
    return Line(table, number, row, question=question, answer=row.text("answer"), wrong=_texts(row, "options"))


def _mixed_line(table: str, number: int, row: Row) -> Line:
    caption, question, answer = row.maybe("caption"), row.maybe("question"), row.maybe("answer")
    if caption and (question or answer):
        raise row.fault("it has both a caption and a question; a row has a picture and its caption, or a question")
    if caption:
        return Line(table, number, row, caption=caption)
    if not question and not answer:
        raise row.fault("it has neither a caption nor a question with its answer")
    return Line(table, number, row, question=row.text("question"), answer=row.text("answer"))


def _texts(row: Row, column: str) -> tuple[str, ...]:
    """A column of lists of text. Raises `BrokenData` for an empty list, and for anything but text in it."""
    values = row.items(column)
    if not values:
        raise row.fault(f"{column} is empty")
    if not all(isinstance(value, str) and value.strip() for value in values):
        raise row.fault(f"{column} should hold texts, and one of them is empty or something else")
    return tuple(value.strip() for value in values)
