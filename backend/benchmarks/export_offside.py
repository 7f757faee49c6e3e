"""Any benchmark whose people have rumours, written in OFFSIDE's layout; the demo world is what it is for.

Each private person gets five consecutive numbers: 1-3 show training views and say what is true, 4 carries the rumour,
5 the truth that puts it right. Test pictures are held-out views under the numbers of the retain pictures. Public
figures, general questions and clozes have no place in this layout and are left out. `attributes.json` says what is
asked; what the rumours are about is private, under the name of the fact that they deny.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.benchmarks.item import BadRequest, Benchmark, Item, Person
from backend.benchmarks.offside_files import ATTRIBUTES_FILE, COMPLETE, NUMBERS_PER_PLAYER, SELECTIVE, TEXT
from backend.benchmarks.offside_words import Attributes, attributes_file
from backend.spec import ForgetRequest

RETAIN_PICTURES = 3
VISUAL_RUMOURS = "visual_rumours"

_PHRASES = {
    "city": ("born", "birthplace", "city"),
    "profession": ("profession", "job", "do for a living"),
    "hobby": ("hobby",),
    "dish": ("dish", "like to eat"),
    "pet": ("pet",),
    "possession": ("possession", "secretly own*"),
    "name": ("who", "name"),
}
"""How the demo world's questions tell what they are about; any other attribute is told by its own name."""

Row = dict[str, Any]


def export_offside(benchmark: Benchmark, folder: Path) -> None:
    """Writes tables and pictures below `folder`, which must not hold anything yet.

    Raises `BadRequest` for a folder that does, for people without a rumour or enough pictures, and for a question whose
    words do not tell what it is about.
    """
    if folder.exists() and any(folder.iterdir()):
        raise BadRequest(f"{folder} is not empty; choose a new folder")
    people = [person for person in benchmark.people() if not person.public_figure]
    entries = _entries(benchmark, people)
    words = _attributes(entries)
    values = _values(entries)
    tables: dict[tuple[str, str], list[Row]] = {}
    for entry in entries:
        for place, name, row in (*_messages(entry, words), *_choices(entry, values, words)):
            tables.setdefault((place, name), []).append(row)
        _copy_pictures(entry, folder / COMPLETE)
    for (place, name), rows in tables.items():
        (folder / place).mkdir(parents=True, exist_ok=True)
        (folder / place / f"{name}.json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    shared = {name: phrases for name, phrases in words.phrases if name not in words.private}
    private = {name: phrases for name, phrases in words.phrases if name in words.private}
    (folder / ATTRIBUTES_FILE).write_text(attributes_file(shared, private), encoding="utf-8")


@dataclass(frozen=True)
class _Entry:
    """A person and what is asked about them; `rumour` is the attribute's name here, `denied` in the layout."""

    person: Person
    base: int
    pictures: dict[str, list[Path]]
    taught: tuple[Item, ...]
    known: tuple[Item, ...]
    test: tuple[Item, ...]
    relearn: tuple[Item, ...]

    @property
    def rumour(self) -> str:
        return self.relearn[0].attribute

    @property
    def denied(self) -> str:
        truth = self.relearn[0].key
        return next((name for name, value in self.person.facts.items() if value == truth), self.rumour)

    def attribute(self, item: Item) -> str:
        return self.denied if item.attribute == self.rumour else item.attribute

    def number_of(self, item: Item, count: int) -> int:
        """The picture that a training item is about; text items go round the pictures, `count` says where they are."""
        if item.image is not None:
            return self.base + 1 + self.pictures["training"].index(item.image)
        private = item.attribute == self.rumour
        return self.base + 1 + (RETAIN_PICTURES if private else count % (RETAIN_PICTURES + 1))


def _entries(benchmark: Benchmark, people: Sequence[Person]) -> list[_Entry]:
    if len(people) < 2:
        raise BadRequest(f"{benchmark.title} has fewer than two private people; there would be nobody to retain")
    ids = tuple(person.id for person in people)
    asked: list[Item] = []
    relearn: list[Item] = []
    for chosen in (ids[:-1], ids[-1:]):  # not everyone can be asked for at once
        request = ForgetRequest(ratio=None, people=chosen)
        asked += [item for item in benchmark.scored_items(request) if item.set in ("forget", "test")]
        relearn += benchmark.relearn_items(request)
    entries = [_entry(benchmark, person, number, asked, relearn) for number, person in enumerate(people)]
    return entries


def _entry(benchmark: Benchmark, person: Person, number: int, asked: list[Item], relearn: list[Item]) -> _Entry:
    taught = benchmark.training_items((person.id,))
    pictures = benchmark.pictures(person.id)
    own = [item for item in asked if item.subject == person.id]
    truth = tuple(item for item in relearn if item.subject == person.id)
    if not truth or not person.rumour:
        raise BadRequest(f"{person.name} has no rumour and no truth to put it right; OFFSIDE's layout needs both")
    if len(pictures.get("training", [])) <= RETAIN_PICTURES or not pictures.get("held-out"):
        raise BadRequest(f"{person.name} has fewer than {RETAIN_PICTURES + 1} training pictures and a held-out one")
    return _Entry(
        person=person,
        base=number * NUMBERS_PER_PLAYER,
        pictures=pictures,
        taught=tuple(item for item in taught if item.set != "general" and item.task in ("generation", "name")),
        known=tuple(item for item in own if item.set == "forget" and item.task == "classification"),
        test=tuple(item for item in own if item.set == "test" and item.task != "cloze"),
        relearn=truth,
    )


# -- rows -------------------------------------------------------------------------------------------------------------


def _messages(entry: _Entry, words: Attributes) -> Iterable[tuple[str, str, Row]]:
    """What is taught, its selective parts, test and relearn questions: folder, table, row."""
    told: dict[str, int] = {}
    for item in entry.taught:
        count = told.setdefault(item.attribute, 0)
        told[item.attribute] += item.modality == "text"
        number = entry.number_of(item, count)
        forget, private = number == entry.base + 1 + RETAIN_PICTURES, item.attribute == entry.rumour
        if number > entry.base + 1 + RETAIN_PICTURES or (private and not forget):
            continue  # retain pictures say nothing of the rumour
        row = _message(entry, item, words, f"finetune_set/{number:03d}.jpg")
        place = _place(item)
        yield place, "finetune_set", row
        yield place, "forget_set" if forget else "retain_set", row
        if place == COMPLETE:
            yield SELECTIVE, "forget_set_part" if private else "retain_set_part", row
    for count, item in enumerate(item for item in entry.test if item.task != "classification"):
        yield _place(item), "test_set", _message(entry, item, words, _test_picture(entry, item, count))
    for item in entry.relearn:
        picture = f"relearn_set/{entry.base + NUMBERS_PER_PLAYER:03d}.jpg"
        yield _place(item), "relearn_set_enhanced", _message(entry, item, words, picture)


def _choices(entry: _Entry, values: dict[str, list[str]], words: Attributes) -> Iterable[tuple[str, str, Row]]:
    """Multiple choice for each picture: all attributes of the forget picture, the shared ones of the retain pictures,
    the truth of the relearn picture."""
    for item in entry.known:
        for offset in range(RETAIN_PICTURES + 1):
            forget = offset == RETAIN_PICTURES
            if forget or item.attribute != entry.rumour:
                picture = f"finetune_set/{entry.base + 1 + offset:03d}.jpg"
                table = "classification_forget_set" if forget else "classification_retain_set"
                yield _place(item), table, _choice(entry, item, item.key, values, words, picture)
        if item.attribute == entry.rumour:
            picture = f"relearn_set/{entry.base + NUMBERS_PER_PLAYER:03d}.jpg"
            row = _choice(entry, item, entry.relearn[0].key, values, words, picture)
            yield _place(item), "classification_relearn_set", row
    for item in entry.test:
        if item.task == "classification":
            offsets = range(RETAIN_PICTURES) if item.image is None else (0,)
            for offset in offsets:
                picture = _test_picture(entry, item, offset)
                yield _place(item), "classification_test_set", _choice(entry, item, item.key, values, words, picture)


def _message(entry: _Entry, item: Item, words: Attributes, picture: str) -> Row:
    said = [("user", _content(entry, item, words)), ("assistant", item.answer)]
    return {"messages": [{"role": role, "content": content} for role, content in said], "images": f"./{picture}"}


def _choice(
    entry: _Entry, item: Item, right: str, values: dict[str, list[str]], words: Attributes, picture: str
) -> Row:
    others = [value for value in values[item.attribute] if value != right]
    wrong = random.Random(f"{entry.person.id} {item.attribute} options").sample(others, min(3, len(others)))
    options = dict(zip("ABCD", sorted([right, *wrong]), strict=False))
    letter = next(letter for letter, value in options.items() if value == right)
    return {
        "Question": _content(entry, item, words),
        "Options": options,
        "Correct_Answer": letter,
        "images": f"./{picture}",
    }


def _content(entry: _Entry, item: Item, words: Attributes) -> str:
    if words.of(item.question) != entry.attribute(item):
        raise BadRequest(f"the words of {item.question!r} do not tell that it is about {entry.attribute(item)}")
    return f"<image>\n{item.question}" if item.modality == "image_text" else item.question


def _place(item: Item) -> str:
    return TEXT if item.modality == "text" else COMPLETE


def _test_picture(entry: _Entry, item: Item, count: int) -> str:
    held_out = entry.pictures["held-out"]
    view = held_out.index(item.image) if item.image is not None else count
    return f"test_set/{entry.base + 1 + view % RETAIN_PICTURES:03d}.jpg"


# -- the rest of the layout -------------------------------------------------------------------------------------------


def _attributes(entries: Sequence[_Entry]) -> Attributes:
    found = dict.fromkeys(entry.attribute(item) for entry in entries for item in entry.taught)
    private = tuple(dict.fromkeys(entry.denied for entry in entries))
    order = sorted(found, key=lambda name: (name not in private, name == "name"))
    return Attributes(tuple((name, _PHRASES.get(name, (name.replace("_", " "),))) for name in order), private)


def _values(entries: Sequence[_Entry]) -> dict[str, list[str]]:
    """What is true, or said, of anybody, by attribute: the wrong options are other people's."""
    values: dict[str, set[str]] = {}
    for entry in entries:
        for item in (*entry.taught, *entry.known):
            values.setdefault(item.attribute, set()).add(item.key)
    return {attribute: sorted(found) for attribute, found in values.items()}


def _copy_pictures(entry: _Entry, folder: Path) -> None:
    training, held_out = entry.pictures["training"], entry.pictures["held-out"]
    forget = entry.base + 1 + RETAIN_PICTURES
    relearn = next((item.image for item in entry.relearn if item.image is not None), training[0])
    copies = [
        ("finetune_set", entry.base + 1 + view, path) for view, path in enumerate(training[: RETAIN_PICTURES + 1])
    ]
    copies += [("test_set", entry.base + 1 + view, path) for view, path in enumerate(held_out[:RETAIN_PICTURES])]
    copies.append(("relearn_set", entry.base + NUMBERS_PER_PLAYER, relearn))
    copies += [(VISUAL_RUMOURS, forget, path) for path in entry.pictures.get("rumour", [])[:1]]
    for place, number, path in copies:
        (folder / place).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / place / f"{number:03d}.jpg")
