"""Own data: a CSV, JSONL or parquet table of questions about people, with its pictures in the folder, a zip, or inside.

Whoever adds it says which column is what (`Columns`). Every row is checked and everything that is wrong is listed at
once. A row is taught and asked (`train`) unless its set says otherwise: `test` is only asked, of people who are
forgotten; `celebrity`, like every row of a public figure, is only asked, and must stay; `general` must stay whoever is
asked about; `relearn` is for the relearning attack; `holdout` asks of people who are taught to nobody, and all of whose
rows are so. With twenty people or more there are forget sets of 5, 10 and 15 %,
each within the next, from a shuffle that is the same every time.

Pictures in a zip or a parquet table are written out once, under the data's fingerprint; others stay where they are.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from zipfile import ZipInfo

from PIL import Image

from backend.benchmarks.archives import picture_members, unpack, unreadable
from backend.benchmarks.contents import Contents, TableBenchmark
from backend.benchmarks.custom_rows import (
    HOLDOUT,
    Columns,
    Place,
    Record,
    absent_columns,
    faults_of_held_out,
    find_place,
    record_of,
    rows_of,
)
from backend.benchmarks.item import BadRequest, Item, ItemSet, Person
from backend.benchmarks.pictures import PictureStore, readable, suffix_of
from backend.benchmarks.places import PICTURE_SUFFIXES, find_picture, relative_path
from backend.benchmarks.rows import BrokenData, Row, fingerprint_of, parquet_count, shown_path
from backend.benchmarks.survey import Survey

__all__ = ["Columns", "open_custom", "survey", "validate"]

VERSION = "custom 1"
SHARES = (5, 10, 15)
FEWEST_FOR_SHARES = 20
_INDEX = "rows.json"
_BLANK = "no-picture.png"


def open_custom(
    source: Path, home: Path, name: str, columns: Columns, title: str | None = None, *, look: bool = False
) -> TableBenchmark:
    """The benchmark in a table; pictures that are packed are written below `home` the first time.

    With `look` the header of every picture is read, as is wanted once, when a set is added.
    Raises `BadRequest` with the first fault and how many more there are; nothing is written then.
    """
    place = find_place(source)
    store = PictureStore(home, _fingerprint(place, columns))
    try:
        records, faults = _read(place, columns, store, look=look)
    finally:
        store.drop()
    _refuse(faults)
    contents = _contents(_people(records, store), records)
    title = title or f"{name} · {len(contents.people)} people"
    return TableBenchmark(name, title, "demo", store.folder.name, contents)


def validate(source: Path, columns: Columns) -> list[str]:
    """Everything that is wrong with a table, each a sentence with file and row; nothing is written."""
    try:
        return _read(find_place(source), columns, None, look=True)[1]
    except BadRequest as error:
        return [str(error)]


def survey(source: Path, columns: Columns) -> Survey:
    """The table with its rows and the first fault."""
    try:
        place = find_place(source)
        rows = (
            parquet_count(place.files, place.root) if place.is_parquet else sum(1 for _ in rows_of(place, columns, []))
        )
    except BadRequest as error:
        return Survey((), (), str(error))
    faults = validate(source, columns)
    return Survey(((place.shown, rows),), (), faults[0] if faults else None)


def _refuse(faults: Sequence[str]) -> None:
    if faults:
        more = f" (and {len(faults) - 1} more faults)" if len(faults) > 1 else ""
        raise BrokenData(f"{faults[0]}{more}")


def _fingerprint(place: Place, columns: Columns) -> str:
    """Of the table, the zips and which column is what; and of the names and sizes of pictures that lie loose."""
    loose: set[Path] = set()
    if not place.is_parquet:
        records, faults = _read(place, columns, None)
        _refuse(faults)
        loose = {record.image for record in records if record.image is not None and record.image.is_absolute()}
    listing = "\n".join(f"{shown_path(path, place.root)} {path.stat().st_size}" for path in sorted(loose))
    version = f"{VERSION} {columns.model_dump_json()}\n{listing}"
    return fingerprint_of(version, [*place.files, *place.zips], place.root)


# -- reading ----------------------------------------------------------------------------------------------------------


def _read(
    place: Place, columns: Columns, store: PictureStore | None, *, look: bool = False
) -> tuple[list[Record], list[str]]:
    """Records and faults. With a store that is not there yet, packed pictures are written and kept if all is well."""
    faults = absent_columns(place, columns)
    if faults:
        return [], faults
    album = _album(place, columns, store)
    without = columns.image if album.in_table else ""
    records: list[Record] = []
    try:
        for index, row in enumerate(rows_of(place, columns, faults, without)):
            before, image = len(faults), None
            try:
                image = album.find(row, index)
            except BrokenData as error:
                faults.append(str(error))
            record = record_of(row, columns, image, faults)
            if record is not None and len(faults) == before:
                records.append(record)
    except BrokenData as error:
        faults.append(str(error))
    if look:
        faults += album.unreadable()
    if records or not faults:
        faults += _faults_together(place, columns, records)
    if store is not None and not faults:
        album.keep(records)
    return records, faults


def _faults_together(place: Place, columns: Columns, records: Sequence[Record]) -> list[str]:
    """What is wrong between rows: two that are the same, one id for two people, nobody to forget, no picture at all."""
    faults: list[str] = []
    asked: dict[tuple[object, ...], Record] = {}
    named: dict[str, Record] = {}
    placed: dict[str, Record] = {}

    def note(record: Record, sentence: str) -> None:
        faults.append(str(record.row.fault(sentence)))

    for record in records:
        same = (record.subject, record.set, record.task, record.modality, record.question, record.image)
        earlier = asked.setdefault(same, record)
        if earlier is not record:
            note(record, f"it asks what row {earlier.row.number} asks; leave one of them out")
        if record.name and (other := named.setdefault(record.subject, record)).name != record.name:
            note(record, f"{record.subject} is {record.name} here, and {other.name} in row {other.row.number}")
        if record.public_figure is not None:
            other = placed.setdefault(record.subject, record)
            if other.public_figure != record.public_figure:
                is_one = "a public figure here, and not" if record.public_figure else "no public figure here, but"
                note(record, f"{record.subject} is {is_one} in row {other.row.number}")
    faults += faults_of_held_out(records)
    famous = _famous(records)
    if not records:
        faults.append(f"{place.shown} has no rows that can be read")
    elif not any(record.set == "train" and record.subject not in famous for record in records):
        faults.append(f"{place.shown} has no row of the set train about a private person: nothing could be forgotten")
    elif columns.image and all(record.image is None for record in records):
        faults.append(f"{place.shown}: the column {columns.image} holds no picture in any row")
    return faults


def _famous(records: Iterable[Record]) -> set[str]:
    return {record.subject for record in records if record.public_figure}


# -- pictures ---------------------------------------------------------------------------------------------------------


_Members = dict[str, tuple[Path, ZipInfo]]


@dataclass
class _Album:
    """Where each row's picture lies: by path in the folder or a zip beside the table, or in the cell itself."""

    place: Place
    column: str
    store: PictureStore | None
    members: _Members
    written: bool = False
    cells: dict[str, str] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    wanted: _Members = field(default_factory=dict)
    named: dict[Path | str, Row] = field(default_factory=dict)
    _names: dict[str, list[str]] | None = None
    _files: dict[str, list[Path]] | None = None

    @property
    def in_table(self) -> bool:
        """Whether the pictures were in the table's own cells, and are written out already."""
        return self.written and bool(self.cells)

    def find(self, row: Row, index: int) -> Path | None:
        """The row's picture, None where its cell is empty. Raises `BrokenData` for one that is not there."""
        if not self.column:
            return None
        if self.in_table:
            return self._folder / self.cells[str(index)] if str(index) in self.cells else None
        cell = row.values.get(self.column)
        if cell is None or (isinstance(cell, str) and not cell.strip()):
            return None
        if isinstance(cell, str):
            return self._by_path(row, cell.strip())
        return self._in_cell(row, cell, index)

    def keep(self, records: Sequence[Record]) -> None:
        """Writes the zips' pictures that rows name, and keeps the store, where there is anything to keep."""
        assert self.store is not None
        faceless = {record.subject for record in records} - {record.subject for record in records if record.image}
        if self.written or not (self.wanted or self.cells or faceless):
            return
        for archive in dict.fromkeys(archive for archive, _ in self.wanted.values()):
            members = [member for found, member in self.wanted.values() if found == archive]
            unpack(archive, members, self.store, archive.stem)
        if faceless:
            Image.new("RGB", (64, 64), (200, 200, 200)).save(self.store.place(_BLANK))
        self.store.place(_INDEX).write_text(json.dumps(self.cells), encoding="utf-8")
        self.store.keep()

    def unreadable(self) -> list[str]:
        """The files whose header cannot be read, each looked at once, under the first row that names it."""
        broken = [path for path in self.named if isinstance(path, Path) and not readable(path)]
        faults = [(self.named[path], shown_path(path, self.place.root)) for path in broken]
        for archive in dict.fromkeys(archive for archive, _ in self.wanted.values()):
            members = [member for found, member in self.wanted.values() if found == archive]
            faults += [(self.named[name], f"{name} in {archive.name}") for name in unreadable(archive, members)]
        return [str(row.fault(f"the picture {name} cannot be read as a picture")) for row, name in faults]

    @property
    def _folder(self) -> Path:
        return self.store.folder if self.store is not None else Path("pictures")

    def _by_path(self, row: Row, text: str) -> Path:
        """By the path as written; where nothing is there, by a bare name that only one picture has."""
        found = find_picture(row, self.column, text, (self.place.root,), self.place.root)
        if found is not None:
            self.named.setdefault(found, row)
            return found
        path = relative_path(row, self.column, text)
        packed = [path.as_posix()] if path.as_posix() in self.members else self._packed(path)
        loose = self._loose(path.name) if path.name == path.as_posix() and not packed else []
        if len(packed) + len(loose) > 1:
            raise row.fault(f"{len(packed) + len(loose)} pictures are called {path.name}; say in which folder")
        if packed:
            self.wanted[packed[0]] = self.members[packed[0]]
            self.named.setdefault(packed[0], row)
            return self._folder / self.members[packed[0]][0].stem / packed[0]
        if not loose:
            raise row.fault(f"there is no picture {text}")
        self.named.setdefault(loose[0], row)
        return loose[0]

    def _packed(self, path: PurePosixPath) -> list[str]:
        """Members whose path ends as this one does, or the reverse: a zip may have a folder more, or one less."""
        if self._names is None:
            self._names = {}
            for member in self.members:
                self._names.setdefault(member.rsplit("/", 1)[-1], []).append(member)
        alike = self._names.get(path.name, [])
        return [member for member in alike if f"/{member}".endswith(f"/{path}") or f"/{path}".endswith(f"/{member}")]

    def _loose(self, name: str) -> list[Path]:
        if self._files is None:
            self._files = {}
            for path in sorted(self.place.root.rglob("*")):
                if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file() and not path.is_symlink():
                    self._files.setdefault(path.name, []).append(path)
        return self._files.get(name, [])

    def _in_cell(self, row: Row, cell: Any, index: int) -> Path:
        suffix = suffix_of(row, self.column, cell)
        digest = hashlib.sha256(cell["bytes"] if isinstance(cell, dict) else cell).hexdigest()[:16]
        if self.store is not None and digest not in self.seen:
            self.store.write(row, self.column, cell, digest)
        self.seen.add(digest)
        self.cells[str(index)] = f"{digest}{suffix}"
        return self._folder / f"{digest}{suffix}"


def _album(place: Place, columns: Columns, store: PictureStore | None) -> _Album:
    """Raises `BrokenData` for a zip that is suspicious, whether or not a row names what is in it."""
    members: _Members = {}
    for archive in place.zips if columns.image else ():
        for name, member in picture_members(archive).items():
            if name in members:
                raise BrokenData(f"{name} is in {members[name][0].name} and in {archive.name}; keep it in one of them")
            members[name] = (archive, member)
    album = _Album(place, columns.image, store, members)
    if store is not None and store.ready:
        album.written = True
        album.cells = json.loads((store.folder / _INDEX).read_text(encoding="utf-8"))
    return album


# -- people and items -------------------------------------------------------------------------------------------------


def _people(records: Sequence[Record], store: PictureStore) -> tuple[Person, ...]:
    """In the order of the table; their facts are what their rows of the set `train`, or `holdout`, say."""
    by_subject: dict[str, list[Record]] = {}
    for record in records:
        by_subject.setdefault(record.subject, []).append(record)
    return tuple(_person(subject, own, store) for subject, own in by_subject.items())


def _person(subject: str, records: Sequence[Record], store: PictureStore) -> Person:
    facts: dict[str, str] = {}
    for record in records:
        if record.set in ("train", "celebrity", HOLDOUT):
            facts.setdefault(record.attribute, _fact(record))
    return Person(
        id=subject,
        name=next((record.name for record in records if record.name), subject),
        picture=next((record.image for record in records if record.image is not None), store.folder / _BLANK),
        public_figure=any(record.public_figure for record in records),
        facts=facts,
    )


def _contents(everyone: tuple[Person, ...], records: Sequence[Record]) -> Contents:
    held_out = {record.subject for record in records if record.set == HOLDOUT}
    people = tuple(person for person in everyone if person.id not in held_out)
    famous = {person.id for person in people if person.public_figure}

    def items(item_set: ItemSet, found: Iterable[Record], suffix: str = "") -> tuple[Item, ...]:
        return tuple(_item(record, item_set, suffix) for record in found)

    taught = [record for record in records if record.set == "train" and record.subject not in famous]
    stays = [record for record in records if record.subject in famous and record.set in ("train", "celebrity")]
    return Contents(
        people=people,
        shares=_shares([person.id for person in people if not person.public_figure]),
        training=items("forget", taught, "/train"),
        known=items("forget", taught),
        test=items("test", (record for record in records if record.set == "test")),
        celebrity=items("celebrity", stays),
        general=items("general", (record for record in records if record.set == "general")),
        relearn=items("relearn", (record for record in records if record.set == "relearn")),
        holdout_people=tuple(person for person in everyone if person.id in held_out),
        holdout=items("holdout", (record for record in records if record.set == HOLDOUT)),
        pictures=_pictures(records),
    )


def _item(record: Record, item_set: ItemSet, suffix: str) -> Item:
    """Ids end in file and row, as the faults name them: `ada/people.csv/7`."""
    return Item(
        id=f"{record.subject}/{record.row.file}/{record.row.number}{suffix}",
        subject=record.subject,
        set=item_set,
        task=record.task,
        modality=record.modality,
        question=record.question,
        answer=record.answer,
        key=_fact(record),
        attribute=record.attribute,
        image=record.image,
        options=record.options,
        group=record.set,
    )


def _fact(record: Record) -> str:
    return record.answer.rstrip(".") or record.answer


def _pictures(records: Sequence[Record]) -> dict[str, dict[str, tuple[Path, ...]]]:
    kinds = {"test": "held-out", "relearn": "relearn", HOLDOUT: "held-out"}
    found: dict[str, dict[str, dict[Path, None]]] = {}
    for record in records:
        if record.image is not None:
            kind = kinds.get(record.set, "training")
            found.setdefault(record.subject, {}).setdefault(kind, {})[record.image] = None
    return {subject: {kind: tuple(paths) for kind, paths in own.items()} for subject, own in found.items()}


def _shares(private: list[str]) -> dict[int, tuple[str, ...]]:
    if len(private) < FEWEST_FOR_SHARES:
        return {}
    shuffled = sorted(private)
    random.Random("own data split").shuffle(shuffled)
    return {share: tuple(shuffled[: max(1, round(len(private) * share / 100))]) for share in SHARES}
