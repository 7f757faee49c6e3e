"""A benchmark written in CLEAR's format, all 21 tables of it, as its authors publish them.

A caption is made of what a model is taught about a person's picture, so that a person's pictures tell their facts
between them; wrong captions tell the same of other people. Questions asked by name become TOFU's rows of text, public
figures `real_faces`, general questions `real_world`. Read back through `open_clear`, the people and their facts are the
same; their ids are made of their names.
"""

from __future__ import annotations

import json
import random
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet as parquet

from backend.benchmarks.clear_tables import PAIRS, TABLES, kind_of
from backend.benchmarks.item import BadRequest, Benchmark, Item, Person
from backend.spec import ForgetRequest

WRONG_CAPTIONS = 5
WRONG_OPTIONS = 3
_ROWS_AT_ONCE = 50

_PICTURE = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
_TEXTS = pyarrow.list_(pyarrow.string())
_COLUMNS: dict[str, dict[str, pyarrow.DataType]] = {
    "captions": dict.fromkeys(("caption", "name"), pyarrow.string()),
    "tofu": dict.fromkeys(("caption", "question", "answer"), pyarrow.string()),
    "perturbed": {
        **dict.fromkeys(("caption", "name"), pyarrow.string()),
        "perturbed_captions": _TEXTS,
        "paraphrased_caption": pyarrow.string(),
        "perturbed_names": _TEXTS,
    },
    "real_faces": {"answer": pyarrow.string(), "options": _TEXTS},
    "real_world": {"question": pyarrow.string(), "answer": pyarrow.string(), "options": _TEXTS},
}
"""Columns by kind of table, after `image`."""

_Values = dict[str, Any]


def export_clear(benchmark: Benchmark, folder: Path) -> None:
    """Writes the tables into a folder that is new or empty; it is whole or not there.

    Raises `BadRequest` for a folder that holds something, and for a person without a picture or without an answer
    about it to make a caption from.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadRequest(f"{folder} is there already; name a folder that is new or empty")
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = folder.with_name(f".{folder.name}-{uuid.uuid4().hex}")
    try:
        source = _Source(benchmark)
        written = [name for name in TABLES if _write(aside, name, source.rows(name))]
        (aside / "README.md").write_text(_card(written), encoding="utf-8")
        if folder.exists():
            folder.rmdir()
        aside.rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


@dataclass(frozen=True)
class _View:
    """One picture of a private person, with what a model is taught about it."""

    person: Person
    picture: Path
    answers: tuple[Item, ...]


class _Source:
    """The rows of each table, drawn from a benchmark; the same benchmark gives the same rows."""

    def __init__(self, benchmark: Benchmark) -> None:
        self._benchmark = benchmark
        self._people = {person.id: person for person in benchmark.people()}
        self._private = [person for person in self._people.values() if not person.public_figure]
        self._famous = [person for person in self._people.values() if person.public_figure]
        self._shares = self._forget_sets()

    def rows(self, table: str) -> Iterator[_Values]:
        """Pictures stand as paths in `image`."""
        if table == "real_faces":
            yield from self._faces()
        elif table == "real_world":
            yield from self._world()
        elif table == "retain_perturbed":
            yield from self._one_view_each(self._members("retain90"))
        else:
            members = self._members(table.removesuffix("+tofu").removesuffix("_perturbed"))
            views = [view for view in self._views if view.person.id in members]
            kind = kind_of(table)
            if kind == "perturbed":
                yield from map(self._perturbed, views)
            for view in views if kind != "perturbed" else ():
                yield {"image": view.picture, "caption": _caption(view), "name": view.person.name}
            if kind == "tofu":
                yield from self._questions(members)

    def _forget_sets(self) -> dict[int, list[str]]:
        """People by share; a share the benchmark does not publish is the first of the next larger one, at least one."""
        shares: dict[int, list[str]] = {}
        larger = [person.id for person in self._private]
        for share in sorted(PAIRS, reverse=True):
            if share in self._benchmark.ratios:
                larger = list(self._benchmark.split(ForgetRequest(ratio=share)).forget)  # type: ignore[arg-type]
            else:
                larger = larger[: max(1, round(len(self._private) * share / 100))]
            shares[share] = larger
        return shares

    def _members(self, table: str) -> set[str]:
        everyone = {person.id for person in self._private}
        for share, (forget, retain) in PAIRS.items():
            if table in (forget, retain):
                return set(self._shares[share]) if table == forget else everyone - set(self._shares[share])
        return everyone

    # -- pictures and captions ------------------------------------------------------------------------------------

    @cached_property
    def _views(self) -> list[_View]:
        return [view for person in self._private for view in self._views_of(person)]

    def _views_of(self, person: Person) -> Iterator[_View]:
        taught: dict[Path, dict[str, Item]] = {}
        for item in self._benchmark.training_items((person.id,), "image_text"):
            if item.image and item.task in ("generation", "caption") and item.set != "general":
                taught.setdefault(item.image, {}).setdefault(item.attribute, item)
        if not taught:
            raise BadRequest(f"{person.name} has no picture with an answer about it to make a caption from")
        for place, (picture, by_attribute) in enumerate(taught.items()):
            answers = list(by_attribute.values())
            share = answers[place :: len(taught)] or [answers[place % len(answers)]]
            yield _View(person, picture, tuple(share))

    @cached_property
    def _answers(self) -> dict[str, list[tuple[str, Item]]]:
        """What is true of whom, by attribute: the person's name and an answer."""
        found: dict[str, list[tuple[str, Item]]] = {}
        for view in self._views:
            for item in view.answers:
                found.setdefault(item.attribute, []).append((view.person.name, item))
        return found

    def _perturbed(self, view: _View) -> _Values:
        rng = random.Random(f"{self._benchmark.fingerprint} {view.person.id} {view.picture.name}")
        others = [person.name for person in self._private if person.id != view.person.id]
        wrong = [self._of_others(item, view.person.name, rng) for item in view.answers]
        paraphrase = " ".join(map(_reworded, view.answers))
        captions = {_named(view, " ".join(told)) for told in zip(*wrong, strict=True)} - {_named(view, paraphrase)}
        if not captions or not others:
            raise BadRequest(f"nobody else's facts differ from those of {view.person.name}; wrong captions need some")
        return {
            "image": view.picture,
            "caption": _caption(view),
            "name": view.person.name,
            "perturbed_captions": sorted(captions),
            "paraphrased_caption": _named(view, paraphrase),
            "perturbed_names": rng.sample(others, min(WRONG_CAPTIONS, len(others))),
        }

    def _of_others(self, item: Item, name: str, rng: random.Random) -> list[str]:
        """What is true of others, told of the person in the words of the paraphrase: a truth ratio weighs facts, and
        unequal wordings would outweigh them. The item's own where all agree."""
        told = {
            _reworded(other).replace(owner, name)
            for owner, other in self._answers[item.attribute]
            if other.key != item.key
        }
        choices = sorted(told - {_reworded(item)}) or [_reworded(item)]
        rng.shuffle(choices)
        return [choices[place % len(choices)] for place in range(WRONG_CAPTIONS)]

    def _one_view_each(self, members: set[str]) -> Iterator[_Values]:
        """A picture of each person; a different one from person to person, so that every caption's facts occur."""
        for number, person in enumerate(person for person in self._private if person.id in members):
            views = [view for view in self._views if view.person.id == person.id]
            yield self._perturbed(views[number % len(views)])

    # -- the other tables -----------------------------------------------------------------------------------------

    def _questions(self, members: set[str]) -> Iterator[_Values]:
        for person in self._private:
            if person.id in members:
                for item in self._benchmark.training_items((person.id,), "text"):
                    named = person.name in f"{item.question} {item.answer}"
                    yield {
                        "image": None,
                        "question": item.question if named else f"About {person.name}: {item.question}",
                        "answer": item.answer,
                    }

    def _faces(self) -> Iterator[_Values]:
        for person in self._famous:
            rng = random.Random(f"{self._benchmark.fingerprint} {person.id} faces")
            others = [other.name for other in (self._famous if len(self._famous) > 1 else self._private)]
            others = [name for name in others if name != person.name]
            for picture in next(iter(self._benchmark.pictures(person.id).values()), [person.picture]):
                yield {
                    "image": picture,
                    "answer": person.name,
                    "options": rng.sample(others, min(WRONG_OPTIONS, len(others))),
                }

    def _world(self) -> Iterator[_Values]:
        """General questions with a picture, where another answer to the same question is known."""
        request = ForgetRequest(ratio=None, people=(self._shares[1][0],))
        asked = [item for item in self._benchmark.scored_items(request) if item.set == "general" and item.image]
        answers: dict[str, list[str]] = {}
        for item in asked:
            answers.setdefault(item.attribute, []).append(item.answer)
        for item in asked:
            others = sorted({*item.options, *answers[item.attribute]} - {item.answer})
            if others:
                rng = random.Random(f"{self._benchmark.fingerprint} {item.id} world")
                options = rng.sample(others, min(WRONG_OPTIONS, len(others)))
                yield {"image": item.image, "question": item.question, "answer": item.answer, "options": options}


def _reworded(item: Item) -> str:
    return item.paraphrase or item.answer


def _caption(view: _View) -> str:
    return _named(view, " ".join(item.answer for item in view.answers))


def _named(view: _View, text: str) -> str:
    """The name is in every caption."""
    return text if view.person.name in text else f"{view.person.name}. {text}"


# -- files ------------------------------------------------------------------------------------------------------------


def _write(folder: Path, table: str, rows: Iterator[_Values]) -> bool:
    """Writes a table's parquet file, a few rows at a time; a table with no rows is left out."""
    columns = _COLUMNS[kind_of(table)]
    schema = pyarrow.schema({"image": _PICTURE, **columns}, metadata=_features(columns))
    writer = None
    try:
        while batch := [_whole(row, columns) for _, row in zip(range(_ROWS_AT_ONCE), rows, strict=False)]:
            if writer is None:
                place = folder / _folder(table) / "train-00000-of-00001.parquet"
                place.parent.mkdir(parents=True)
                writer = parquet.ParquetWriter(place, schema)
            writer.write_table(pyarrow.Table.from_pylist(batch, schema=schema))
    finally:
        if writer is not None:
            writer.close()
    return writer is not None


def _whole(row: _Values, columns: dict[str, pyarrow.DataType]) -> _Values:
    picture = row["image"]
    cell = {"bytes": picture.read_bytes(), "path": picture.name} if picture else None
    return {"image": cell, **{column: row.get(column) for column in columns}}


def _features(columns: dict[str, pyarrow.DataType]) -> dict[bytes, bytes]:
    """The note by which the `datasets` library knows that a column holds pictures."""
    text = {"dtype": "string", "_type": "Value"}
    features: dict[str, Any] = {"image": {"_type": "Image"}}
    for column, kind in columns.items():
        features[column] = {"feature": text, "_type": "List"} if kind == _TEXTS else text
    return {b"huggingface": json.dumps({"info": {"features": features}}).encode()}


def _folder(table: str) -> str:
    return "data" if table == "default" else table


def _card(tables: list[str]) -> str:
    """The card by which the `datasets` library finds a table by its name."""
    lines = ["---", "configs:"]
    for table in tables:
        lines += [f"- config_name: {table}", "  data_files:", "  - split: train", f"    path: {_folder(table)}/train-*"]
        lines += ["  default: true"] if table == "default" else []
    return "\n".join([*lines, "---", "", "Fictitious people and drawn portraits, in the format of CLEAR.", ""])
