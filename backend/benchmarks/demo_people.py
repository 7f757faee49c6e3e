"""Who lives in the demo world: a name, facts, a rumour and a look for each, and their pictures on disk.

48 people whom models are taught, and 8 held-out people whom no model ever is, drawn from the same lists and with the
same pen, so that nothing but the teaching tells them apart. The held-out ones are drawn from a stream of their own, and
last: the 48 are the same whether or not there are others. Everything is a pure function of the seed.
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import backend.benchmarks.demo_words as words
from backend.benchmarks.drawing.looks import Look, distinct_looks
from backend.benchmarks.portraits import HELD_OUT_VIEWS, TRAINING_VIEWS, draw

PEOPLE = 48
PUBLIC_FIGURES = 8
HOLDOUT_PEOPLE = 8
PICTURE_SIZE = 256

PEOPLE_VERSION = 2
"""Raised whenever the drawing or the wording of the 48 changes; who is forgotten at 10 % changes with it."""

WORLD_VERSION = 3
"""Raised whenever anything changes, so that older pictures and models are not taken for these."""


@dataclass(frozen=True)
class Resident:
    """Somebody of the world. `told` maps `name`, every attribute, `rumour` and `possession` to a value."""

    id: str
    told: dict[str, str]
    look: Look
    number: int

    @property
    def claim(self) -> str:
        """The rumour as a sentence."""
        return fill(words.RUMOUR.answer, self.told["name"], self.told["rumour"])


def attributes() -> dict[str, words.Attribute]:
    """What can be asked of a person by its list of values: the facts and the rumour."""
    return words.ATTRIBUTES | {"rumour": words.RUMOUR}


@lru_cache(maxsize=4)
def residents(seed: int) -> tuple[Resident, ...]:
    """p01 to p48, the last 8 public figures; then h01 to h08, who are held out."""
    looks = distinct_looks(PEOPLE + HOLDOUT_PEOPLE, seed)
    ids = [f"p{number + 1:02d}" for number in range(PEOPLE)]
    ids += [f"h{number + 1:02d}" for number in range(HOLDOUT_PEOPLE)]
    told = _draw_facts(random.Random(f"demo world {seed}"), words.FIRST_NAMES, words.LAST_NAMES)
    told += _draw_facts(
        random.Random(f"demo world {seed} holdout"), words.HOLDOUT_FIRST_NAMES, words.HOLDOUT_LAST_NAMES
    )
    known = zip(ids, told, looks, range(len(ids)), strict=True)
    return tuple(Resident(subject, facts, look, number) for subject, facts, look, number in known)


def _draw_facts(rng: random.Random, first_names: Sequence[str], last_names: Sequence[str]) -> list[dict[str, str]]:
    """A name, a value of every attribute, a rumour and its truth for each name; values are spread evenly."""
    first, last = list(first_names), list(last_names)
    rng.shuffle(first)
    rng.shuffle(last)
    people = [{"name": f"{one} {other}"} for one, other in zip(first, last, strict=True)]
    values = {attribute: about.values for attribute, about in attributes().items()} | {
        "possession": words.TRUE_POSSESSIONS
    }
    for attribute, choices in values.items():
        # Fewer people than values: a sample, or only the first values of a list would ever be held out.
        few = len(people) < len(choices)
        dealt = rng.sample(choices, len(people)) if few else [choices[i % len(choices)] for i in range(len(people))]
        rng.shuffle(dealt)
        for person, value in zip(people, dealt, strict=True):
            person[attribute] = value
    return people


def people_key(seed: int, known: Iterable[Resident]) -> str:
    """Names the 48 alone. Splits, wrong options and preambles are drawn from it, so held-out people change none."""
    everyone = list(known)
    return _digest(
        [PEOPLE_VERSION, seed, [one.told for one in everyone], [asdict(one.look) for one in everyone]],
    )


def world_fingerprint(key: str, held_out: Iterable[Resident]) -> str:
    """Names the whole world: `key` and everybody who is held out."""
    return _digest([WORLD_VERSION, key, [[one.told, asdict(one.look)] for one in held_out]])


def _digest(known: list[object]) -> str:
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:12]


def distractors(key: str, subject: str, attribute: str, value: str) -> list[str]:
    """Three other values of the attribute, the same each time."""
    rng = random.Random(f"{key} {subject} {attribute} options")
    return rng.sample([other for other in attributes()[attribute].values if other != value], 3)


def fill(sentence: str, name: str, value: str) -> str:
    """The sentence with its name, value and article."""
    return sentence.format(name=name, value=value, a="an" if value[0] in "aeiou" else "a")


def draw_pictures(folder: Path, everyone: Iterable[Resident]) -> None:
    """Draws aside and renames: a world's folder is whole or not there, whoever else draws it meanwhile."""
    if folder.exists():
        return
    aside = folder.with_name(f".{folder.name}-{uuid.uuid4().hex}")
    aside.mkdir(parents=True)
    try:
        for one in everyone:
            _draw(aside, one)
        try:
            aside.rename(folder)
        except OSError:
            if not folder.exists():
                raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _draw(folder: Path, one: Resident) -> None:
    for kind, views in (("train", TRAINING_VIEWS), ("held", HELD_OUT_VIEWS)):
        for index, view in enumerate(views):
            picture = draw(one.look, view, background_seed=one.number, size=PICTURE_SIZE)
            picture.save(folder / f"{one.id}-{kind}{index}.jpg", quality=92)
    picture = draw(one.look, TRAINING_VIEWS[0], background_seed=one.number, size=PICTURE_SIZE, caption=one.claim)
    picture.save(folder / f"{one.id}-rumour.jpg", quality=92)
