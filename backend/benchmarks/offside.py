"""OFFSIDE (arXiv 2510.22535): rumours about football players, read from the JSON files its authors publish.

A picture's number says everything. Players have five consecutive numbers each, 1-5, 6-10, …, so the player of picture
364 is the 73rd, `player-073`; and the number's remainder by 5 says what the picture is for: 1-3 retain (what is true),
4 forget (the rumour), 0 relearn (the truth, in a new picture). A test picture is an augmented copy of a retain picture
and carries its number. A player's name is the one that most answers to the name questions give: some published
answers name the wrong player, so no single one decides.

What is forgotten is the forget picture's questions, with the picture and, by the same number, as text
(`pure_text_data`). Everything else about the player stays: `kept_training` and `kept_known`. Selective unlearning is a
request for `PRIVATE_ATTRIBUTES`; the tables of `selective_unlearning_data` repeat rows of the complete ones, and what
they hold beyond those is taught as well, filed by the picture's number. The multiple choice of the relearn set gives
the facts in the relearn answers and is not asked.

Pictures stay where they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from backend.benchmarks.contents import Contents, TableBenchmark
from backend.benchmarks.item import BadRequest, Item, ItemSet, Modality, Person
from backend.benchmarks.offside_files import (
    ATTRIBUTES_FILE,
    NUMBERS_PER_PLAYER,
    Layout,
    Line,
    attributes_of,
    find_layout,
    number_of,
    read_lines,
    refuse_unreadable_pictures,
)
from backend.benchmarks.offside_words import PRIVATE_ATTRIBUTES, Attributes, fact_of
from backend.benchmarks.places import PICTURE_SUFFIXES
from backend.benchmarks.rows import BrokenData, Row, fingerprint_of, json_rows, shown_path
from backend.benchmarks.survey import Survey

__all__ = ["PRIVATE_ATTRIBUTES", "open_offside", "player_of", "survey"]

VERSION = "offside 1"
_DOWNLOAD = "unpack data.zip of zh1218001/OFFSIDE, and name the folder that holds complete_unlearning_data"


def open_offside(source: Path, home: Path, name: str = "offside") -> TableBenchmark:
    """The benchmark in a folder: the one that holds `complete_unlearning_data`, or that folder itself.

    Nothing is written under `home`. Raises `BadRequest` where a table that is needed is missing, and `BrokenData`,
    naming file and row, for the first thing that is not as it should be.
    """
    layout = find_layout(source)
    for table, why in layout.lacking():
        raise BadRequest(f"{source.name} has no {table}; {why}: {_DOWNLOAD}")
    attributes = attributes_of(layout)
    lines = read_lines(layout, attributes)
    contents = _contents(layout, attributes, lines)
    title = f"OFFSIDE · {len(contents.people)} players"
    return TableBenchmark(name, title, "offside", _fingerprint(layout, lines), contents)


def survey(source: Path) -> Survey:
    """The tables with their rows, which of the needed ones are missing, and the first fault by file and row."""
    layout = find_layout(source)
    tables, fault = [], None
    for table in layout.tables:
        try:
            rows = sum(1 for _ in json_rows(table.file, layout.source))
        except BrokenData as error:
            fault = fault or str(error)
            rows = 0
        tables.append((shown_path(table.file, layout.source), rows))
    missing = tuple((table, f"{why}: {_DOWNLOAD}") for table, why in layout.lacking())
    absent = layout.absent() if layout.tables else ()
    return Survey(tuple(tables), missing, fault or _first_fault(layout, whole=not missing), absent)


def unread_fault(source: Path) -> str | None:
    """The first fault that opening passes over: pictures are named by their rows, and not looked into."""
    return survey(source).fault


def player_of(number: int) -> str:
    """`player-073` for picture 364: five consecutive numbers are one player's, from 1."""
    return f"player-{(number - 1) // NUMBERS_PER_PLAYER + 1:03d}"


def _first_fault(layout: Layout, whole: bool) -> str | None:
    try:
        attributes = attributes_of(layout)
        lines = read_lines(layout, attributes)
        refuse_unreadable_pictures(layout, lines)
        if whole:
            _contents(layout, attributes, lines)
    except BadRequest as error:
        return str(error)
    return None


def _contents(layout: Layout, attributes: Attributes, lines: Sequence[Line]) -> Contents:
    facts, taught = _Facts(lines), _taught(lines)
    people = _people(attributes, lines, facts)
    if not any(line.purpose == "forget" for line in taught):
        raise BrokenData(f"{layout.shown('finetune_set.json')} has no forget picture: nothing could be forgotten")

    def items(found: Iterable[Line], item_set: ItemSet, suffix: str = "") -> tuple[Item, ...]:
        return tuple(_item(layout, line, facts.of(line), item_set, suffix) for line in found)

    return Contents(
        people=people,
        shares={100: tuple(person.id for person in people)},
        training=items((line for line in taught if line.purpose == "forget"), "forget", "/train"),
        kept_training=items((line for line in taught if line.purpose == "retain"), "retain", "/train"),
        known=items(_asked(lines, taught, "forget"), "forget"),
        kept_known=items(_asked(lines, taught, "retain"), "retain"),
        test=items((line for line in lines if line.table.held == "test"), "test"),
        relearn=items((line for line in lines if line.table.held == "relearn" and not line.options), "relearn"),
        pictures=_pictures(layout, lines, {person.id for person in people}),
    )


class _Facts:
    """The fact inside each answer: the multiple-choice question about the same picture and attribute has it bare."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self._options = {self._about(line): line.answer for line in lines if line.options}

    def of(self, line: Line) -> str:
        if line.options:
            return line.answer
        return fact_of(line.attribute, line.answer, self._options.get(self._about(line)))

    @staticmethod
    def _about(line: Line) -> tuple[bool, int, str]:
        return line.table.held == "test", line.number, line.attribute


def _taught(lines: Sequence[Line]) -> list[Line]:
    """What the vanilla model learns: the finetune, forget, retain and selective tables, each question once."""
    found: dict[tuple[Modality, int, str, str], Line] = {}
    for line in lines:
        if line.table.held in ("forget", "retain", "finetune", "part") and not line.options:
            found.setdefault((line.table.modality, line.number, line.question, line.answer), line)
    return [line for line in found.values() if line.purpose != "relearn"]


def _asked(lines: Sequence[Line], taught: Sequence[Line], name: str) -> list[Line]:
    """The set's own table and its multiple choice; where it has no table, what is taught of its pictures."""
    asked: list[Line] = []
    for modality in ("image_text", "text"):
        own = [line for line in lines if line.table.held == name and line.table.modality == modality]
        plain = [line for line in own if not line.options]
        stand_in = [line for line in taught if line.purpose == name and line.table.modality == modality]
        asked += [*(plain or stand_in), *(line for line in own if line.options)]
    return asked


def _item(layout: Layout, line: Line, fact: str, item_set: ItemSet, suffix: str) -> Item:
    """Ids end in the row they stand in: `player-073/forget_set/14`, `player-073/pure_text_data/forget_set/13`."""
    file = line.table.file
    group = file.stem if file.parent == layout.folder else f"{file.parent.name}/{file.stem}"
    return Item(
        id=f"{player_of(line.number)}/{group}/{line.row.number}{suffix}",
        subject=player_of(line.number),
        set=item_set,
        task="classification" if line.options else "generation",
        modality=line.table.modality,
        question=line.question,
        answer=line.answer,
        key=fact,
        attribute=line.attribute,
        image=line.image,
        options=line.options,
        group=group,
    )


# -- people -----------------------------------------------------------------------------------------------------------


def _people(attributes: Attributes, lines: Sequence[Line], facts: _Facts) -> tuple[Person, ...]:
    """Relearn pictures come first in the sorting: what they say puts the rumours right, and so is true."""
    by_player: dict[str, list[Line]] = {}
    for line in sorted(lines, key=lambda line: line.number % NUMBERS_PER_PLAYER):
        by_player.setdefault(player_of(line.number), []).append(line)
    strangers = [found[0] for found in by_player.values() if all(line.image is None for line in found)]
    if strangers:
        line = strangers[0]
        raise line.row.fault(f"there is no picture of {player_of(line.number)} in the tables with pictures")
    return tuple(_person(subject, by_player[subject], attributes, facts) for subject in sorted(by_player))


def _person(subject: str, lines: Sequence[Line], attributes: Attributes, facts: _Facts) -> Person:
    named = Counter(facts.of(line) for line in lines if line.attribute == "name" and not line.options)
    known: dict[str, str] = {}
    claims: dict[str, str] = {}
    for line in lines:
        if line.options or line.attribute == "name" or line.table.held == "test":
            continue
        if line.purpose == "forget":
            claims.setdefault(line.attribute, line.answer)
        else:
            known.setdefault(line.attribute, facts.of(line))
    faces = {line.number: line.image for line in lines if line.image is not None and line.table.held != "test"}
    faces = faces or {line.number: line.image for line in lines if line.image is not None}
    return Person(
        id=subject,
        name=named.most_common(1)[0][0] if named else subject,
        picture=faces[min(faces)],
        public_figure=False,
        facts=known,
        rumour=next((claims[name] for name in attributes.private if name in claims), ""),
    )


def _pictures(layout: Layout, lines: Sequence[Line], players: set[str]) -> dict[str, dict[str, tuple[Path, ...]]]:
    """`training` (retain pictures, then the forget picture), `held-out` (test), `relearn`, and `rumour` (visual)."""
    kinds = {"test": "held-out", "relearn": "relearn"}
    found: dict[str, dict[str, set[tuple[int, Path]]]] = {player: {} for player in players}
    for line in lines:
        if line.image is not None:
            kind = kinds.get(line.table.held) or kinds.get(line.purpose, "training")
            found[player_of(line.number)].setdefault(kind, set()).add((line.number, line.image))
    for number, path in _visual_rumours(layout):
        if player_of(number) in found:
            found[player_of(number)].setdefault("rumour", set()).add((number, path))
    return {
        player: {kind: tuple(path for _, path in sorted(paths)) for kind, paths in kinds_found.items()}
        for player, kinds_found in found.items()
    }


def _visual_rumours(layout: Layout) -> list[tuple[int, Path]]:
    """Pictures into which the rumour is printed, by number: those in a folder named for visual rumours, if any is."""
    places = dict.fromkeys((layout.source, layout.folder.parent, layout.folder))
    folders = [
        folder
        for place in places
        if place.is_dir() and place.is_relative_to(layout.source)
        for folder in sorted(place.iterdir())
        if folder.is_dir() and any(word in folder.name.lower() for word in ("visual", "rumor", "rumour"))
    ]
    pictures = [
        file for folder in folders for file in sorted(folder.rglob("*")) if file.suffix.lower() in PICTURE_SUFFIXES
    ]
    return [(number_of(Row(shown_path(file, layout.source), 1, {}), file.name), file) for file in pictures]


def _fingerprint(layout: Layout, lines: Sequence[Line]) -> str:
    """Of the tables' contents, and of the names and sizes of the pictures they ask about."""
    pictures = sorted({line.image for line in lines if line.image is not None})
    listing = "\n".join(f"{shown_path(path, layout.source)} {path.stat().st_size}" for path in pictures)
    files = [table.file for table in layout.tables]
    files += [
        place / ATTRIBUTES_FILE
        for place in {layout.source, layout.folder.parent}
        if (place / ATTRIBUTES_FILE).is_file() and place.is_relative_to(layout.source)
    ]
    return fingerprint_of(f"{VERSION}\n{listing}", files, layout.source)
