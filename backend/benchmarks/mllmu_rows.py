"""What one row of an MLLMU-Bench table says: who it is about, and what is asked.

Columns are as published: `biography` is JSON text; `Classification_Task` is a struct of two lists of questions with
options A to D; `Generation_Task` and `Mask_Task` are lists whose `Type` tells picture from text; `metadata` is JSON
text of training pairs. An entry of nulls is no entry; one that is there in part is a fault.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from backend.benchmarks.biography import Biography, read_biography
from backend.benchmarks.item import Item, ItemSet, Modality, Task
from backend.benchmarks.rows import Row

ASKED = ("Classification_Task", "Generation_Task", "Mask_Task")
BLANK = "[Blank]"
PICTURED, PLAIN = "Image_Textual", "Pure_Text"
_UNDERSCORES = re.compile(r"_{2,}")
SAFE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MODALITIES: dict[str, Modality] = {PICTURED: "image_text", PLAIN: "text"}
"""By the `Type` of a question, and by the beginning of the name of a list of questions with options."""


def id_of(row: Row, value: Any) -> str:
    """A person's ID: a number is padded to three digits, as it is published. Raises `BrokenData`."""
    text = str(value).strip() if isinstance(value, (str, int)) and not isinstance(value, bool) else ""
    if not text:
        raise row.fault("ID is empty")
    if not SAFE_ID.fullmatch(text):
        raise row.fault(f"the ID {text[:80]!r} holds something other than letters, digits, - and _")
    return text.zfill(3) if text.isdecimal() else text


def biography_of(row: Row, *, needed: bool) -> Biography:
    """The row's biography; an empty one where it has none and none is `needed`. Raises `BrokenData`."""
    if not needed and row.maybe("biography") is None:
        return read_biography({})
    known = row.json("biography")
    if not isinstance(known, dict):
        raise row.fault("biography should be a JSON object")
    biography = read_biography(known)
    if needed and not biography.name:
        raise row.fault("biography has no Name")
    return biography


def items_of(
    row: Row, subject: str, item_set: ItemSet, table: str, biography: Biography, picture: Callable[[int], Path]
) -> Iterator[Item]:
    """Every question of a row. `picture` gives the picture of a task's n-th pictured question, counted from 0.

    Ids are `SUBJECT/TABLE/TASK/MODALITY/N`. Raises `BrokenData`.
    """

    def item(task: Task, modality: Modality, number: int, question: str, answer: str, options: tuple[str, ...]) -> Item:
        return Item(
            id=f"{subject}/{table}/{task}/{modality}/{number + 1}",
            subject=subject,
            set=item_set,
            task=task,
            modality=modality,
            question=question,
            answer=answer,
            key=answer,
            attribute=biography.attribute_of(question, answer),
            image=picture(number) if modality == "image_text" else None,
            options=options,
        )

    for modality, number, question, answer, options in _choices(row):
        yield item("classification", modality, number, question, answer, options)
    for modality, number, question, answer in _asked(row, "Generation_Task"):
        yield item("generation", modality, number, question, answer, ())
    for modality, number, question, answer in _asked(row, "Mask_Task"):
        yield item("cloze", modality, number, _UNDERSCORES.sub(BLANK, question), answer, ())


def training_pairs(row: Row) -> Iterator[tuple[str, str, str]]:
    """(ID, question, answer) of a row's `metadata`; the row's own `ID` stands in where a pair has none.

    A pair without question or answer is passed over, as in the published training code. Raises `BrokenData` for
    anything else that is wrong, and for a row whose pairs are about two people: its picture shows one.
    """
    pairs = row.json("metadata")
    if not isinstance(pairs, list):
        raise row.fault("metadata should be a JSON list of pairs of Question and Answer")
    about = ""
    for number, pair in enumerate(pairs, 1):
        if not isinstance(pair, dict):
            raise row.fault(f"metadata, pair {number}: it should be an object with Question and Answer")
        question, answer = _text(pair, "Question"), _text(pair, "Answer")
        if not question or not answer:
            continue
        given = pair["ID"] if pair.get("ID") is not None else row.values.get("ID")
        if given is None:
            raise row.fault(f"metadata, pair {number}: it has no ID, and neither has the row")
        subject = id_of(row, given)
        if about and subject != about:
            raise row.fault(f"metadata has pairs about {about} and about {subject}; a row is about one person")
        about = subject
        yield subject, question, answer


def _choices(row: Row) -> Iterator[tuple[Modality, int, str, str, tuple[str, ...]]]:
    asked = row.values.get("Classification_Task")
    if asked is None:
        return
    if not isinstance(asked, Mapping):
        raise row.fault("Classification_Task should be a struct of two lists of questions")
    for kind, modality in _MODALITIES.items():
        part = f"{kind}_Questions"
        for number, entry in enumerate(_entries(row, f"Classification_Task.{part}", asked.get(part))):
            place = f"Classification_Task.{part}, question {number + 1}"
            options = entry.get("Options") or {}
            if not isinstance(options, Mapping):
                raise row.fault(f"{place}: Options should be a struct of A, B, C and D")
            letters = {letter: text for letter in sorted(options) if (text := _text(options, letter))}
            if not letters:
                raise row.fault(f"{place}: it has no Options")
            right = _needed(row, entry, "Correct_Answer", place).upper()
            if right not in letters:
                raise row.fault(f"{place}: Correct_Answer {right!r} is not among the options {', '.join(letters)}")
            question = _needed(row, entry, "Question", place)
            yield modality, number, question, letters[right], tuple(letters.values())


def _asked(row: Row, column: str) -> Iterator[tuple[Modality, int, str, str]]:
    counts: dict[Modality, int] = {"image_text": 0, "text": 0}
    for number, entry in enumerate(_entries(row, column, row.values.get(column)), 1):
        place = f"{column}, question {number}"
        kind = _needed(row, entry, "Type", place)
        if kind not in _MODALITIES:
            raise row.fault(f"{place}: Type is {kind!r}, and should be {PICTURED} or {PLAIN}")
        modality = _MODALITIES[kind]
        yield (
            modality,
            counts[modality],
            _needed(row, entry, "Question", place),
            _needed(row, entry, "Ground_Truth", place),
        )
        counts[modality] += 1


def _entries(row: Row, place: str, value: Any) -> list[Mapping[str, Any]]:
    found = [] if value is None else value
    if not isinstance(found, list) or any(entry is not None and not isinstance(entry, Mapping) for entry in found):
        raise row.fault(f"{place} should be a list of questions")
    return [entry for entry in found if not _blank(entry)]


def _blank(value: Any) -> bool:
    """Null, or nulls all through: readers of tables write a null struct either way."""
    return value is None or (isinstance(value, Mapping) and all(_blank(inner) for inner in value.values()))


def _needed(row: Row, entry: Mapping[str, Any], field: str, place: str) -> str:
    text = _text(entry, field)
    if not text:
        raise row.fault(f"{place}: {field} is empty")
    return text


def _text(entry: Mapping[str, Any], field: str) -> str:
    """A field as text; numbers are written out. Empty where there is none."""
    value = entry.get(field)
    return str(value).strip() if isinstance(value, (str, int, float)) and not isinstance(value, bool) else ""
