"""MLLMU-Bench as its authors publish it: parquet tables of 500 fictitious people and 153 celebrities.

| folder | what is in it |
|---|---|
| `Full_Set` | every fictitious person: picture, biography, questions |
| `forget_5/10/15`, `retain_95/90/85` | the same people in parts; a pair of them serves where `Full_Set` is missing |
| `Test_Set` | the same people in other poses (`images`, a list), with questions of their own |
| `Retain_Set` | real celebrities, who must stay |
| `ft_Data` | what the vanilla model is taught: `image` and `metadata` |
| `baseline_train_split/forget_X`, `retain_Y` | the same in parts: a download of its own, in this folder or beside it |

Two things differ from the published scripts. A test question always shows the same picture, the n-th question of a task
the n-th of the list and round again, where `eval.py` draws one at random without a seed. And items carry an attribute,
found by the biography (see `biography.py`), which the files do not tell.

Promises: text is read without the column of pictures; pictures are written out once, after the text was found sound; an
opened benchmark holds no picture in memory.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from backend.benchmarks.biography import Biography
from backend.benchmarks.contents import Contents, TableBenchmark
from backend.benchmarks.item import BadRequest, Item, Person
from backend.benchmarks.mllmu_rows import ASKED, biography_of, id_of, items_of, training_pairs
from backend.benchmarks.mllmu_tables import TRAINING_SPLIT, Table, Tables, absent, find_tables, no_people, untaught
from backend.benchmarks.pictures import PictureStore, suffix_of
from backend.benchmarks.rows import BrokenData, Row, fingerprint_of, first_fault, parquet_count
from backend.benchmarks.survey import Survey

VERSION = "mllmu 1"
"""Raised whenever the same files are read otherwise, so that older pictures and runs are not taken for these."""

_MORE_PICTURES = re.compile(r"(.+)\.(test|train)(\d+)")


def open_mllmu(source: Path, home: Path, name: str = "mllmu") -> TableBenchmark:
    """The benchmark in a folder; its pictures are written under `home` when it is opened for the first time.

    Raises `BadRequest` for a folder without its tables, `BrokenData` (file and row) for tables that are broken.
    """
    tables = find_tables(source)
    if not tables.private:
        raise BadRequest(f"{source} is not MLLMU-Bench: {no_people(tables)}")
    fingerprint = fingerprint_of(VERSION, [file for table in tables.used() for file in table.files], source)
    store = PictureStore(home, fingerprint)
    if not store.ready:
        _read(tables, _Shelf())
        try:
            for row, column, cell, picture in _cells(tables):
                store.write(row, column, cell, picture)
            store.keep()
        finally:
            store.drop()
    return TableBenchmark(name, "MLLMU-Bench", "mllmu", fingerprint, _read(tables, _Shelf(store.folder)))


def survey(source: Path) -> Survey:
    """Which tables are there, what is missing, and the first fault in text or pictures. Nothing is written."""
    tables = find_tables(source)
    counted, faults = [], []
    for table in tables.there.values():
        try:
            counted.append((table.name, parquet_count(table.files, table.root)))
        except BrokenData as error:
            faults.append(str(error))
    if not faults and tables.private and (fault := first_fault(partial(_checked, tables))):
        faults.append(fault)
    missing = []
    if not tables.private:
        missing.append(("Full_Set", no_people(tables)))
    if not tables.forget:
        missing.append(("forget_5", "no share of the people can be asked for; forget_10 or forget_15 would do"))
    if "Test_Set" not in tables.there:
        missing.append(("Test_Set", "nothing is asked of forgotten people in other poses and words"))
    if "Retain_Set" not in tables.there:
        missing.append(("Retain_Set", "nobody is asked about the celebrities, who must stay"))
    if not tables.training:
        missing.append((TRAINING_SPLIT, untaught(tables)))
    return Survey(tuple(counted), tuple(missing), faults[0] if faults else None, tuple(absent(tables)))


def unread_fault(source: Path) -> str | None:
    """The first fault in tables of training pairs that opening passes over, as another table serves instead."""
    return first_fault(lambda: _unread_pairs(find_tables(source)))


def _unread_pairs(tables: Tables) -> Iterator[tuple[str, str, str]]:
    for table in tables.there.values():
        if table.name.startswith(("ft_Data", TRAINING_SPLIT)) and table not in tables.training:
            for row in table.rows(["metadata"], ["ID"]):
                yield from training_pairs(row)


# -- reading ----------------------------------------------------------------------------------------------------------


def _read(tables: Tables, shelf: _Shelf) -> Contents:
    people: list[Person] = []
    items: dict[str, list[Item]] = defaultdict(list)
    lives: dict[str, Biography] = {}
    _refuse_the_training_download(tables.private)
    for subject, row in _by_person(tables.private, ["ID", "biography", *ASKED]):
        lives[subject] = biography_of(row, needed=True)
        picture = shelf.own(subject)
        people.append(Person(subject, lives[subject].name, picture, False, lives[subject].facts))
        items["known"] += items_of(row, subject, "retain", "known", lives[subject], partial(_always, picture))
    private = set(lives)
    for subject, row in _celebrities(tables, private, ["ID", *ASKED], ["biography"]):
        lives[subject] = biography_of(row, needed=False)
        picture = shelf.own(subject)
        people.append(Person(subject, lives[subject].name or subject, picture, True, lives[subject].facts))
        shown = partial(_always, picture)
        items["celebrity"] += items_of(row, subject, "celebrity", "celebrity", lives[subject], shown)
    for subject, row in _test_rows(tables, ["ID", *ASKED]):
        _refuse_strangers(row, subject, private)
        items["test"] += items_of(row, subject, "test", "test", lives[subject], partial(shelf.view, subject))
    for item in _training(tables, lives, shelf):
        items["training" if item.subject in private else "kept_training"].append(item)
    return Contents(
        people=tuple(people),
        shares=_shares(tables, private),
        training=tuple(items["training"]),
        known=tuple(items["known"]),
        test=tuple(items["test"]),
        celebrity=tuple(items["celebrity"]),
        kept_training=tuple(items["kept_training"]),
        pictures={person.id: shelf.by_kind(person.id) for person in people},
        untaught=untaught(tables),
    )


def _training(tables: Tables, lives: Mapping[str, Biography], shelf: _Shelf) -> Iterator[Item]:
    """One item a pair; ids are `SUBJECT/training/N`, counted through the tables."""
    pairs: Counter[str] = Counter()
    for subject, nth, row in _taught(tables, ["metadata"], ["ID"]):
        _refuse_strangers(row, subject, lives)
        image = shelf.trained(subject, nth)
        for _, question, answer in training_pairs(row):
            pairs[subject] += 1
            yield Item(
                id=f"{subject}/training/{pairs[subject]}",
                subject=subject,
                set="retain",
                task="generation",
                modality="image_text",
                question=question,
                answer=answer,
                key=answer,
                attribute=lives[subject].attribute_of(question, answer),
                image=image,
            )


def _shares(tables: Tables, private: set[str]) -> dict[int, tuple[str, ...]]:
    shares = {}
    for share, table in tables.forget.items():
        chosen = []
        for subject, row in _by_person((table,), ["ID"]):
            _refuse_strangers(row, subject, private)
            chosen.append(subject)
        shares[share] = tuple(chosen)
    return shares


def _by_person(
    tables: Sequence[Table], columns: Sequence[str], optional: Sequence[str] = ()
) -> Iterator[tuple[str, Row]]:
    """The rows with their IDs. Raises `BrokenData` when one stands twice."""
    seen: dict[str, str] = {}
    for table in tables:
        for row in table.rows(columns, optional):
            subject = id_of(row, row.values["ID"])
            if subject in seen:
                raise row.fault(f"the ID {subject!r} stands twice, first in {seen[subject]}")
            seen[subject] = f"{row.file}, row {row.number}"
            yield subject, row


def _celebrities(
    tables: Tables, private: set[str], columns: Sequence[str], optional: Sequence[str] = ()
) -> Iterator[tuple[str, Row]]:
    """Celebrities under their IDs, or all under `celebrity-ID` where one has the ID of a fictitious person."""
    if "Retain_Set" in tables.there:
        table = (tables.there["Retain_Set"],)
        clash = any(subject in private for subject, _ in _by_person(table, ["ID"]))
        for subject, row in _by_person(table, columns, optional):
            yield f"celebrity-{subject}" if clash else subject, row


def _test_rows(tables: Tables, columns: Sequence[str]) -> Iterator[tuple[str, Row]]:
    if "Test_Set" in tables.there:
        yield from _by_person((tables.there["Test_Set"],), columns)


def _taught(tables: Tables, columns: Sequence[str], optional: Sequence[str] = ()) -> Iterator[tuple[str, int, Row]]:
    """Rows of training pairs with their person, and how many of that person's rows came before."""
    rows: Counter[str] = Counter()
    for table in tables.training:
        for row in table.rows(columns, optional):
            subject = next((subject for subject, _, _ in training_pairs(row)), None)
            if subject is not None:
                yield subject, rows[subject], row
                rows[subject] += 1


def _refuse_strangers(row: Row, subject: str, known: Mapping[str, Any] | set[str]) -> None:
    if subject not in known:
        raise row.fault(f"the ID {subject!r} is in none of the tables that say who is who; those are not whole")


def _refuse_the_training_download(tables: Sequence[Table]) -> None:
    if tables[0].has("metadata") and not tables[0].has(ASKED[0]):
        raise BadRequest(
            "this is the training download alone; name the folder of MLLMMU/MLLMU-Bench, and put this one inside it or "
            f"beside it as {TRAINING_SPLIT}"
        )


# -- pictures ---------------------------------------------------------------------------------------------------------


def _cells(tables: Tables) -> Iterator[tuple[Row, str, Any, str]]:
    """(row, column, cell, name) of every picture to be written out.

    Names are `ID`, `ID.testN` and `ID.trainN`; a training picture that is the person's own is not written again.
    """
    own: dict[str, bytes] = {}
    for subject, row in _by_person(tables.private, ["ID", "image"]):
        own[subject] = _digest(row.values["image"])
        yield row, "image", row.values["image"], subject
    for subject, row in _celebrities(tables, set(own), ["ID", "image"]):
        own[subject] = _digest(row.values["image"])
        yield row, "image", row.values["image"], subject
    for subject, row in _test_rows(tables, ["ID", "images"]):
        views = row.items("images")
        if not views:
            raise row.fault("images holds no picture")
        for number, cell in enumerate(views):
            yield row, "images", cell, f"{subject}.test{number}"
    for subject, nth, row in _taught(tables, ["metadata"], ["ID", "image"]):
        if "image" in row.values and _digest(row.values["image"]) != own[subject]:
            yield row, "image", row.values["image"], f"{subject}.train{nth}"


def _always(picture: Path, _: int) -> Path:
    return picture


def _digest(cell: Any) -> bytes:
    data = cell.get("bytes") if isinstance(cell, dict) else cell
    return hashlib.sha256(data).digest() if isinstance(data, bytes) else b""


def _checked(tables: Tables) -> Iterator[None]:
    """Walks everything that opening would read, and writes nothing."""
    TableBenchmark("mllmu", "MLLMU-Bench", "mllmu", "", _read(tables, _Shelf()))
    for _ in _unread_pairs(tables):
        yield
    for row, column, cell, _ in _cells(tables):
        suffix_of(row, column, cell)
        yield


class _Shelf:
    """Where the pictures lie. Before they are written out every name has a place, so that the text can be checked."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._own: dict[str, Path] = {}
        self._more: dict[tuple[str, str], dict[int, Path]] = defaultdict(dict)
        for path in sorted(folder.iterdir()) if folder else ():
            if more := _MORE_PICTURES.fullmatch(path.stem):
                self._more[more[2], more[1]][int(more[3])] = path
            else:
                self._own[path.stem] = path

    def own(self, subject: str) -> Path:
        """Raises `BadRequest` when the picture was taken away since."""
        if self._folder is None:
            return Path(subject)
        if subject not in self._own:
            raise BadRequest(f"the picture of {subject} is gone from {self._folder}; delete that folder to remake it")
        return self._own[subject]

    def view(self, subject: str, number: int) -> Path:
        """The held-out picture of a task's question of that number: one after the other, and round again."""
        views = self._all("test", subject)
        return views[number % len(views)] if views else self.own(f"{subject}.test0")

    def trained(self, subject: str, nth: int) -> Path:
        """The picture of a person's n-th training row; the person's own where that is the same."""
        return self._more["train", subject].get(nth) or self.own(subject)

    def by_kind(self, subject: str) -> dict[str, tuple[Path, ...]]:
        return {
            "training": (self.own(subject), *self._all("train", subject)),
            "held-out": self._all("test", subject),
        }

    def _all(self, kind: str, subject: str) -> tuple[Path, ...]:
        return tuple(path for _, path in sorted(self._more[kind, subject].items()))
