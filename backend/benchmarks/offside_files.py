"""OFFSIDE's files as they are published: where they lie, what each holds, and its rows one by one.

Lists of messages whose `images` is a plain string, and multiple-choice rows with lettered options. Questions stand as
published (`Declan Rice.'s height` too), but for `<image>`: its place is that of the picture, and a second one inside
the question would ask for a picture that is not there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from backend.benchmarks.item import Modality
from backend.benchmarks.offside_words import OFFSIDE_ATTRIBUTES, Attributes, read_attributes
from backend.benchmarks.pictures import readable
from backend.benchmarks.places import candidates, find_picture
from backend.benchmarks.rows import BrokenData, Row, json_rows, shown_path

COMPLETE, TEXT, SELECTIVE = "complete_unlearning_data", "pure_text_data", "selective_unlearning_data"
ATTRIBUTES_FILE = "attributes.json"
NUMBERS_PER_PLAYER = 5
PURPOSES = {0: "relearn", 1: "retain", 2: "retain", 3: "retain", 4: "forget"}
"""What a picture is for, by the remainder of its number by 5."""

_TABLES = {
    "finetune_set.json": "finetune",
    "enhanced_finetuneset.json": "finetune",
    "forget_set.json": "forget",
    "retain_set.json": "retain",
    "test_set.json": "test",
    "relearn_set_enhanced.json": "relearn",
    "relearn_set.json": "relearn",
    "forget_set_part.json": "part",
    "retain_set_part.json": "part",
}
_CHOICES = {f"classification_{name}_set.json": name for name in ("forget", "retain", "test", "relearn")}
_SAME = {"enhanced_finetuneset.json": "finetune_set.json", "relearn_set.json": "relearn_set_enhanced.json"}
_HELD = {"forget": ("forget",), "retain": ("retain",), "relearn": ("relearn",), "finetune": ("forget", "retain")}
_WITHOUT = {
    COMPLETE: {
        "finetune_set.json": "derived from forget_set.json and retain_set.json",
        "forget_set.json": "derived from finetune_set.json, by the numbers of its pictures",
        "retain_set.json": "derived from finetune_set.json, by the numbers of its pictures",
        "test_set.json": "nothing is asked about other views of the pictures",
        "relearn_set_enhanced.json": "the relearning attack has nothing to teach",
        "classification_forget_set.json": "no multiple choice is asked about the rumours",
        "classification_retain_set.json": "no multiple choice is asked about what must stay",
        "classification_test_set.json": "no multiple choice is asked about other views of the pictures",
        "classification_relearn_set.json": "the facts in the relearn answers are told by their wording alone",
    },
    TEXT: {
        "forget_set.json": "the rumours are neither taught nor asked as text",
        "retain_set.json": "what must stay is neither taught nor asked as text",
    },
    SELECTIVE: {
        "forget_set_part.json": "derived from the complete tables, by a request for attributes",
        "retain_set_part.json": "derived from the complete tables, by a request for attributes",
    },
}
"""The files that are published, with what serves instead of each, or what is not done without it."""


@dataclass(frozen=True)
class Table:
    """A file. `held` is whose pictures it asks about (`part`: any); `choice` is whether it is multiple choice."""

    file: Path
    held: str
    modality: Modality
    choice: bool


@dataclass(frozen=True)
class Layout:
    """`folder` is `complete_unlearning_data`, whether it is there or not."""

    source: Path
    folder: Path
    tables: tuple[Table, ...]

    def shown(self, name: str) -> str:
        """A file of `folder` as people know it."""
        return shown_path(self.folder / name, self.source)

    def lacking(self) -> tuple[tuple[str, str], ...]:
        """The tables without which there is nothing to forget or nothing to retain, and why they are wanted."""
        held = {table.held for table in self.tables if table.modality == "image_text" and not table.choice}
        wanted = {"forget": "it holds the rumours to forget", "retain": "it holds what must stay"}
        return tuple(
            (self.shown(f"{name}_set.json"), why) for name, why in wanted.items() if not held & {name, "finetune"}
        )

    def absent(self) -> tuple[tuple[str, str], ...]:
        """What is published and not there, beside `lacking`, with what serves instead or what is not done without."""
        there = {(table.modality, table.file.parent.name == SELECTIVE, _named(table.file)) for table in self.tables}
        told = {name for name, _ in self.lacking()}
        places: tuple[tuple[str, Modality, bool], ...] = (
            (COMPLETE, "image_text", False),
            (TEXT, "text", False),
            (SELECTIVE, "image_text", True),
        )
        by_text = f"derived from {TEXT}/finetune_set.json, by the numbers of its pictures"
        taught_as_text = ("text", False, "finetune_set.json") in there
        return tuple(
            (shown, by_text if folder == TEXT and taught_as_text else why)
            for folder, modality, part in places
            for name, why in _WITHOUT[folder].items()
            if (modality, part, name) not in there
            and (shown := self.shown(name) if folder == COMPLETE else f"{folder}/{name}") not in told
        )


@dataclass(frozen=True, slots=True)
class Line:
    """One question of one table, about one picture. `options` are a multiple choice's, `answer` the right one."""

    row: Row
    table: Table
    number: int
    question: str
    answer: str
    attribute: str
    image: Path | None
    options: tuple[str, ...]

    @property
    def purpose(self) -> str:
        return PURPOSES[self.number % NUMBERS_PER_PLAYER]


def find_layout(source: Path) -> Layout:
    """The tables below a folder: that which holds `complete_unlearning_data`, or that folder itself."""
    source = Path(os.path.abspath(source))
    if any((source / name).is_file() for name in _TABLES):
        return Layout(source, source, tuple(_tables(source, "image_text")))
    base = next((place for place in (source, source / "data") if (place / COMPLETE).is_dir()), source)
    selective = (Table(table.file, "part", "image_text", False) for table in _tables(base / SELECTIVE, "image_text"))
    known = [*_tables(base / COMPLETE, "image_text"), *_tables(base / TEXT, "text")]
    return Layout(source, base / COMPLETE, (*known, *(table for table in selective if not _is_choice(table.file))))


def attributes_of(layout: Layout) -> Attributes:
    """OFFSIDE's own, unless the data names others. Raises `BrokenData`."""
    for place in (layout.source, layout.folder.parent):
        if (place / ATTRIBUTES_FILE).is_file() and place.is_relative_to(layout.source):
            return read_attributes(place / ATTRIBUTES_FILE, layout.source)
    return OFFSIDE_ATTRIBUTES


def read_lines(layout: Layout, attributes: Attributes) -> list[Line]:
    """Every row of every table. Raises `BrokenData` for the first that is not as it should be, and for an empty table
    of rumours."""
    pictures = _Pictures(layout)
    lines: list[Line] = []
    for table in layout.tables:
        before = len(lines)
        lines += [_line(row, table, attributes, pictures) for row in json_rows(table.file, layout.source)]
        if table.held == "forget" and len(lines) == before:
            raise BrokenData(f"{shown_path(table.file, layout.source)} has no rows: there would be nothing to forget")
    return lines


def refuse_unreadable_pictures(layout: Layout, lines: Iterable[Line]) -> None:
    """Reads the header of every picture, each once. Raises `BrokenData` for the first row whose picture has none."""
    named: dict[Path, Row] = {}
    for line in lines:
        if line.image is not None:
            named.setdefault(line.image, line.row)
    for picture, row in named.items():
        if not readable(picture):
            raise row.fault(f"the picture {shown_path(picture, layout.source)} cannot be read as a picture")


@lru_cache(maxsize=65536)
def plain_question(content: str) -> str:
    """The question without `<image>`, at its beginning and wherever else it stands; the words stay as published."""
    question = content.removeprefix("<image>").strip()
    if "<image>" in question:
        question = re.sub(r"(?<=\bin )<image>", "this image", question)
        question = re.sub(r"\s*:?\s*<image>\s*", " ", question)
        question = re.sub(r"\s+(?=[.,?!])", "", question).strip()
    return question


def number_of(row: Row, picture: str) -> int:
    """364 for `./finetune_set/364.jpg`: the first three digits or more in a row, else the first digits.

    Raises `BrokenData` where there are none, or only zeros.
    """
    number = _number_in(picture)
    if number < 1:
        raise row.fault(f"the picture {picture} has no number; pictures are numbered from 1")
    return number


@lru_cache(maxsize=65536)
def _number_in(picture: str) -> int:
    runs: list[str] = re.findall(r"\d+", Path(picture).stem)
    return int(next((run for run in runs if len(run) >= 3), runs[0])) if runs else 0


def _tables(folder: Path, modality: Modality) -> Iterator[Table]:
    for name, held in _TABLES.items():
        if (folder / name).is_file() and not (name in _SAME and (folder / _SAME[name]).is_file()):
            yield Table(folder / name, held, modality, False)
    for name, held in _CHOICES.items():
        if (folder / name).is_file():
            yield Table(folder / name, held, modality, True)


def _named(file: Path) -> str:
    """The name under which a file is published now."""
    return _SAME.get(file.name, file.name)


def _is_choice(file: Path) -> bool:
    return file.name in _CHOICES


class _Pictures:
    """Finds a row's picture: beside its table, in the complete set, below the source; by its path, then by its name."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._found: dict[tuple[Path, str], Path] = {}
        self._inside: set[tuple[Path, str]] = set()

    def refuse_outside(self, row: Row, column: str, text: str, folder: Path) -> None:
        """Raises `BrokenData` for a path that is absolute or leaves the source, whether or not its picture is shown."""
        if (folder, text) not in self._inside:
            candidates(row, column, text, self._places(folder), self._layout.source)
            self._inside.add((folder, text))

    def find(self, row: Row, column: str, text: str, folder: Path) -> Path:
        if (folder, text) not in self._found:
            places = self._places(folder)
            for path in (text, Path(text).name):
                found = find_picture(row, column, path, places, self._layout.source)
                if found is not None:
                    break
            else:
                raise row.fault(f"there is no picture {text}")
            self._found[folder, text] = found
        return self._found[folder, text]

    def _places(self, folder: Path) -> tuple[Path, ...]:
        return folder, self._layout.folder, self._layout.source


def _line(row: Row, table: Table, attributes: Attributes, pictures: _Pictures) -> Line:
    column = "image" if "image" in row.values and "images" not in row.values else "images"
    picture = row.text(column)
    content, answer, options = _choice(row) if table.choice else (*_message(row), ())
    question = plain_question(content.strip())
    if not question:
        raise row.fault("the question is empty")
    pictures.refuse_outside(row, column, picture, table.file.parent)
    number = number_of(row, picture)
    _check_purpose(row, table, number)
    image = pictures.find(row, column, picture, table.file.parent) if table.modality == "image_text" else None
    return Line(row, table, number, question, answer, attributes.of(question), image, options)


def _check_purpose(row: Row, table: Table, number: int) -> None:
    rest = number % NUMBERS_PER_PLAYER
    if table.held in _HELD and PURPOSES[rest] not in _HELD[table.held]:
        raise row.fault(
            f"picture {number} is a {PURPOSES[rest]} picture, since its number leaves {rest} when divided by "
            f"{NUMBERS_PER_PLAYER}, and must not stand in the {table.held} set"
        )


def _message(row: Row) -> tuple[str, str]:
    said: dict[str, str] = {}
    for message in row.items("messages"):
        if not isinstance(message, dict) or not isinstance(message.get("content"), str):
            raise row.fault("messages should be objects with role and content")
        said.setdefault(str(message.get("role")), message["content"].strip())
    for role, what in (("user", "question"), ("assistant", "answer")):
        if not said.get(role):
            raise row.fault(f"messages hold no {what}: nothing of the role {role}")
    return said["user"], said["assistant"]


def _choice(row: Row) -> tuple[str, str, tuple[str, ...]]:
    """Question, the right option's words, and all options in the order of their letters."""
    options, letter = row.values.get("Options"), row.text("Correct_Answer")
    if not isinstance(options, dict) or len(options) < 2:
        raise row.fault("Options should be an object of two letters or more")
    letters = sorted(options)
    if any(not isinstance(options[known], str) or not options[known].strip() for known in letters):
        raise row.fault("Options should each be text")
    if letter not in options:
        raise row.fault(f"Correct_Answer is {letter!r}, and the options are {', '.join(letters)}")
    return row.text("Question"), options[letter].strip(), tuple(options[known].strip() for known in letters)
