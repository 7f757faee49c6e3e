"""CLEAR (Dontsov et al., ACL 2025 Findings, arXiv 2410.18057): fictitious authors of TOFU, given faces.

A model is taught captions of their pictures and TOFU's questions about them as text; the forget sets are 1, 5 and 10 %
of the authors. It is asked for captions and names of the pictures in the `*_perturbed` tables, for celebrities' names
(`real_faces`) and about ordinary pictures (`real_world`).

- The paper draws one of nine caption questions anew whenever a row is used, in scoring too. Here a caption always has
  the same one of the nine, so that two evaluations ask the same.
- `real_faces` is asked with the prompt for faces, as in the paper's evaluation, whatever question stands in the row.
- Perturbed tables of the smaller shares repeat rows of the largest: a picture with its caption is asked about once,
  under the first table of 10, 5 and 1 % that has it. An item's `group` is that table, then `/caption` or `/name`. The
  paper scores the first 300 rows of a table; all are here, in its order.
- A question whose author cannot be told (see `clear_authors`) is taught whatever is forgotten, under no person.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from backend.benchmarks.clear_authors import Authors, ids_of
from backend.benchmarks.clear_items import (
    UNKNOWN_AUTHOR,
    caption_item,
    face_item,
    known_items,
    ordinary_item,
    question_item,
)
from backend.benchmarks.clear_tables import (
    PAIRS,
    REAL_FACES,
    REAL_WORLD,
    TABLES,
    TOFU,
    Line,
    Tables,
    find_tables,
    kind_of,
)
from backend.benchmarks.contents import Contents, TableBenchmark
from backend.benchmarks.item import BadRequest, Person
from backend.benchmarks.pictures import PictureStore, suffix_of
from backend.benchmarks.rows import BrokenData, fingerprint_of, first_fault
from backend.benchmarks.survey import Survey

VERSION = "clear 1"
"""Raised whenever the same files give other items."""

_Reader = Callable[[str], list[Line]]
_Views = dict[str, list[Path]]

_KNOWN_TABLES = (*(f"{forget}_perturbed" for forget, _ in PAIRS.values()), "retain_perturbed")


def open_clear(source: Path, home: Path, name: str = "clear") -> TableBenchmark:
    """CLEAR from a folder: a git clone of `therem/CLEAR`, or its snapshot in the hub's cache.

    Its pictures are written out below `home` the first time; afterwards no picture is read. Raises `BadRequest` where
    the folder has none of its tables, and `BrokenData` for the first row that is not as it should be.
    """
    tables = find_tables(source)
    found = _read(tables)
    files = [file for shards in tables.files.values() for file in shards]
    fingerprint = fingerprint_of(VERSION, files, tables.root)
    store = PictureStore(home, fingerprint)
    if not store.ready:
        _write_pictures(store, tables, found)
    return TableBenchmark(name, "CLEAR", "clear", fingerprint, _contents(found, _find_pictures(store, found)))


def survey(source: Path) -> Survey:
    """What a folder holds of CLEAR. Every row of every table is looked at, pictures too."""
    try:
        tables = find_tables(source)
    except BadRequest as error:
        return Survey((), (), str(error))
    counted, fault = [], None
    for name in TABLES:
        if name in tables:
            try:
                counted.append((name, tables.count(name)))
                fault = fault or first_fault(partial(_whole_rows, tables, name))
            except BrokenData as error:
                fault = fault or str(error)
    fault = fault or first_fault(lambda: iter([_read(tables)]))
    missing = tuple(_missing(tables))
    told = {name for name, _ in missing}
    absent = tuple((name, _without(tables, name)) for name in TABLES if name not in tables and name not in told)
    return Survey(tuple(counted), missing, fault, absent)


# -- which tables serve -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Lessons:
    """The tables that models are taught from: those whose pictures serve, and those whose questions do."""

    pictured: tuple[str, ...]
    told: tuple[str, ...]


def _lessons(tables: Tables) -> _Lessons:
    """`full+tofu`; else a forget and a retain table that are together everyone; else captions from `full`, with
    whatever questions there are."""
    for whole in (("full+tofu",), *((f"{forget}+tofu", f"{retain}+tofu") for forget, retain in PAIRS.values())):
        if all(name in tables for name in whole):
            return _Lessons(whole, whole)
    told = tuple(name for name in TABLES if kind_of(name) == TOFU and name in tables)
    for plain in (("full",), ("default",), *PAIRS.values()):
        if all(name in tables for name in plain):
            return _Lessons(plain, told)
    return _Lessons((), ())


def _missing(tables: Tables) -> Iterator[tuple[str, str]]:
    if not _lessons(tables).pictured:
        yield "full+tofu", "models are taught from it (full, or forget10+tofu with retain90+tofu, would do)"
    if not any(name.startswith("forget") for name in tables.files):
        yield "forget10", "it says who the 10 % are; forget05 and forget01 likewise"
    if not any(name in tables for name in _KNOWN_TABLES[:-1]):
        yield "forget10_perturbed", "what was forgotten is asked from it"
    for name, why in (
        ("retain_perturbed", "what must stay is asked from it"),
        (REAL_FACES, "celebrities, who must stay, are asked from it"),
        (REAL_WORLD, "ordinary pictures, which must still be understood, are asked from it"),
    ):
        if name not in tables:
            yield name, why


def _without(tables: Tables, name: str) -> str:
    """What serves instead of a table that is not there, or what is not done without it."""
    lessons = _lessons(tables)
    everyone = " and ".join(lessons.pictured) or "the tables that are there"
    plain = name.removesuffix("+tofu").removesuffix("_perturbed")
    share = next((share for share, pair in PAIRS.items() if plain in pair), None)
    if name.endswith("+tofu") and not lessons.told:
        return "no table with questions is there: the authors' facts are not taught as text"
    if share is None and not lessons.pictured:
        return "models could be taught from it"
    if share is None:
        return f"what is taught is read from {' and '.join(dict.fromkeys((*lessons.pictured, *lessons.told)))}"
    forget = PAIRS[share][0]
    serving = [one for one in (forget, f"{forget}_perturbed", f"{forget}+tofu") if one in tables]
    if name.endswith("_perturbed"):
        larger = next((other for other, (one, _) in PAIRS.items() if other > share and f"{one}_perturbed" in tables), 0)
        stands_for = f"derived from {PAIRS[larger][0]}_perturbed, which has its rows" if larger else ""
        return stands_for or f"of the {share} % only those in a smaller perturbed table are asked about"
    if not serving:
        return f"no table says who the {share} % are: a share of {share} % cannot be asked for"
    return f"derived from {serving[0]}" if name == forget else f"derived from {everyone} and {serving[0]}"


# -- reading, without pictures ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Found:
    """The rows that serve, with the author's name beside each where it can be told."""

    authors: tuple[str, ...]
    shares: dict[int, tuple[str, ...]]
    captions: list[tuple[Line, str | None]]
    questions: list[tuple[Line, str | None]]
    known: list[tuple[Line, str]]
    faces: list[Line]
    world: list[Line]

    def pictured(self) -> Iterator[Line]:
        """Every row whose picture is needed."""
        for lines in (self.captions, self.known):
            yield from (line for line, _ in lines)
        yield from self.faces
        yield from self.world


def _read(tables: Tables) -> _Found:
    kept: dict[str, list[Line]] = {}

    def lines(name: str) -> list[Line]:
        if name not in kept:
            kept[name] = list(tables.lines(name)) if name in tables else []
        return kept[name]

    named = [line for name in _naming_tables(tables) for line in lines(name) if line.name]
    if not named:
        raise BadRequest(
            f"no table in {tables.root} has the authors' names; fetch full, or the folder data, in its newest version"
        )
    authors = Authors([line.name for line in named], [(line.caption, line.name) for line in named])
    lessons = _lessons(tables)
    captions = [
        (line, authors.known(line.name) if line.name else authors.of_caption(line.caption))
        for name in lessons.pictured
        for line in lines(name)
        if line.caption
    ]
    if len(lessons.pictured) == 2:
        _refuse_overlap(lessons.pictured[0], captions)
    return _Found(
        authors=authors.names,
        shares={share: _members(forget, tables, lines, authors) for share, (forget, _) in PAIRS.items()},
        captions=captions,
        questions=_questions(lessons.told, lines, authors),
        known=_known(lines, authors),
        faces=lines(REAL_FACES),
        world=lines(REAL_WORLD),
    )


def _naming_tables(tables: Tables) -> list[str]:
    """Tables with names, the whole ones first; the retain tables only where no whole one names anybody."""
    small = [name for forget, _ in PAIRS.values() for name in (forget, f"{forget}_perturbed")]
    whole = [name for name in ("full", "default") if name in tables]
    if not any(line.name for name in whole for line in tables.lines(name)):
        whole += [retain for _, retain in PAIRS.values()]
    return [name for name in (*whole, *small, "retain_perturbed") if name in tables]


def _members(forget: str, tables: Tables, lines: _Reader, authors: Authors) -> tuple[str, ...]:
    """The names of a published forget set, in order of appearance. Raises `BrokenData` for a row about nobody."""
    for name in (forget, f"{forget}_perturbed", f"{forget}+tofu"):
        if name in tables:
            pictured = [line for line in lines(name) if line.caption]
            return tuple(dict.fromkeys(_author(line, authors) for line in pictured))
    return ()


def _author(line: Line, authors: Authors) -> str:
    name = authors.known(line.name) if line.name else authors.of_caption(line.caption)
    if name is None:
        raise line.row.fault("name is empty, and the caption names none of the authors")
    return name


def _known(lines: _Reader, authors: Authors) -> list[tuple[Line, str]]:
    found: list[tuple[Line, str]] = []
    for name in _KNOWN_TABLES:
        asked = {(author, line.caption) for line, author in found}
        told = [(line, _author(line, authors)) for line in lines(name)]
        found += [(line, author) for line, author in told if (author, line.caption) not in asked]
    return found


def _questions(names: Iterable[str], lines: _Reader, authors: Authors) -> list[tuple[Line, str | None]]:
    """The rows of text, each question with its answer once."""
    found: dict[tuple[str, str], tuple[Line, str | None]] = {}
    for name in names:
        told = [line for line in lines(name) if line.question]
        pairs = [(line.question, line.answer) for line in told]
        for line, author in zip(told, authors.of_questions(pairs), strict=True):
            found.setdefault((line.question, line.answer), (line, author))
    return list(found.values())


def _refuse_overlap(forget: str, captions: list[tuple[Line, str | None]]) -> None:
    chosen = {author for line, author in captions if line.table == forget and author}
    for line, author in captions:
        if line.table != forget and author in chosen:
            raise line.row.fault(f"{author} is also in {forget}; its forget and retain tables may share nobody")


# -- pictures ---------------------------------------------------------------------------------------------------------


def _write_pictures(store: PictureStore, tables: Tables, found: _Found) -> None:
    needed = {line.picture: line for line in found.pictured()}
    try:
        for name in dict.fromkeys(line.table for line in needed.values()):
            for number, row in enumerate(tables.rows(name, ("image",)), 1):
                if line := needed.get(Line(name, number, row).picture):
                    store.write(row, "image", row.values["image"], line.picture)
        store.keep()
    finally:
        store.drop()


def _find_pictures(store: PictureStore, found: _Found) -> dict[str, Path]:
    """Raises `BadRequest` where somebody took a picture away."""
    names = [line.picture for line in found.pictured()]
    pictures = store.find(names)
    lost = [name for name in names if name not in pictures]
    if lost:
        raise BadRequest(f"the picture {lost[0]} is gone from {store.folder}; delete that folder and open CLEAR again")
    return pictures


def _whole_rows(tables: Tables, name: str) -> Iterator[Line]:
    """A table's rows, each with its picture looked at."""
    for line, row in zip(tables.lines(name), tables.rows(name, ("image",)), strict=True):
        if kind_of(name) != TOFU or line.caption:
            suffix_of(row, "image", row.values["image"])
        yield line


# -- contents ---------------------------------------------------------------------------------------------------------


def _contents(found: _Found, pictures: dict[str, Path]) -> Contents:
    trained, scored, famous = _views(found, pictures)
    ids = ids_of(name for name in found.authors if name in trained or name in scored)
    famous_ids = ids_of(famous, ids.values())
    facts: dict[str, dict[str, str]] = {name: {} for name in ids}
    for line, author in found.questions:
        if author in facts:
            facts[author].setdefault(line.question, line.answer)
    shown = {
        ids[name]: {"training": tuple(trained[name])} if name in trained else {"scored": tuple(scored[name])}
        for name in ids
    }
    shown |= {famous_ids[name]: {"scored": tuple(views)} for name, views in famous.items()}
    people = [Person(ids[name], name, next(iter(shown[ids[name]].values()))[0], False, facts[name]) for name in ids]
    people += [Person(famous_ids[name], name, views[0], True) for name, views in famous.items()]
    taught = [caption_item(line, ids.get(author or ""), pictures) for line, author in found.captions]
    if taught:
        taught += [question_item(line, ids.get(author or "")) for line, author in found.questions]
    members = {share: tuple(ids[name] for name in names if name in ids) for share, names in found.shares.items()}
    return Contents(
        people=tuple(people),
        shares={share: subjects for share, subjects in members.items() if subjects},
        training=tuple(item for item in taught if item.subject != UNKNOWN_AUTHOR),
        kept_training=tuple(item for item in taught if item.subject == UNKNOWN_AUTHOR),
        known=tuple(item for line, author in found.known for item in known_items(line, author, ids[author], pictures)),
        celebrity=tuple(face_item(line, famous_ids[line.answer], pictures) for line in found.faces),
        general=tuple(ordinary_item(line, pictures) for line in found.world),
        pictures=shown,
        untaught="there is nothing to teach from: this folder of CLEAR has neither full+tofu nor full, nor a forget "
        "table with its retain table; fetch full+tofu",
    )


def _views(found: _Found, pictures: dict[str, Path]) -> tuple[_Views, _Views, _Views]:
    """Pictures by name: those that are taught and those that are asked about, of authors; and those of celebrities."""
    trained, scored, famous = defaultdict(list), defaultdict(list), defaultdict(list)
    for line, author in found.captions:
        if author:
            trained[author].append(pictures[line.picture])
    for line, name in found.known:
        scored[name].append(pictures[line.picture])
    for line in found.faces:
        famous[line.answer].append(pictures[line.picture])
    return trained, scored, famous
