"""One record for every benchmark: a person, and a question put about them.

A benchmark is a list of items. Images stay on disk: an item carries a path, and whoever needs pixels opens it.
Sets, tasks and modalities carry the names the field uses (MLLMU-Bench, CLEAR, OFFSIDE).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from backend.spec import ForgetRequest

ItemSet = Literal["forget", "test", "retain", "celebrity", "general", "holdout", "relearn"]
Task = Literal["classification", "generation", "cloze", "caption", "name"]
Modality = Literal["image_text", "text"]

SETS: tuple[ItemSet, ...] = ("forget", "test", "retain", "celebrity", "general", "holdout", "relearn")
"""In the order in which pages and tables show them. `holdout` is people who were never taught to any model: matched
controls for membership and attacks."""

SCORED_SETS: tuple[ItemSet, ...] = ("forget", "test", "retain", "celebrity", "general", "holdout")
"""Relearn items are training data for an attack; scoring them would measure nothing."""


@dataclass(frozen=True, slots=True)
class Item:
    """A question about one person, with the answer a model that memorised them gives.

    `answer` is what is trained on; `key` is the fact inside it, and an answer that contains the fact is right.
    `options` (classification) are whole answers, of which `answer` is one; they are ranked by likelihood, and where a
    benchmark has letters, their order is that of the letters. `group` is the benchmark's own name of the table that the
    item is from, where its paper reports by table.
    """

    id: str
    subject: str
    set: ItemSet
    task: Task
    modality: Modality
    question: str
    answer: str
    key: str
    attribute: str
    image: Path | None = None
    options: tuple[str, ...] = ()
    paraphrase: str = ""
    perturbed: tuple[str, ...] = ()
    group: str = ""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody a benchmark knows: `facts` maps an attribute to its true value (a rumour is kept apart)."""

    id: str
    name: str
    picture: Path
    public_figure: bool
    facts: dict[str, str] = field(default_factory=dict)
    rumour: str = ""


@dataclass(frozen=True, slots=True)
class Split:
    """Who is to be forgotten, who must stay, and who is a public figure; ids, disjoint, together everyone."""

    forget: tuple[str, ...]
    retain: tuple[str, ...]
    celebrity: tuple[str, ...]


class BadRequest(ValueError):
    """What was asked for cannot be; the message says what to do instead."""


class Benchmark(Protocol):
    """What the rest of the house asks of a benchmark."""

    name: str
    title: str
    fingerprint: str
    rules: str
    """The paper whose rules score it: `demo`, `mllmu`, `clear`, `offside`."""

    def __hash__(self) -> int: ...

    @property
    def ratios(self) -> tuple[int, ...]:
        """The shares of people that may be asked for, in per cent."""
        ...

    def people(self) -> list[Person]:
        """Whom a request can name, and the public figures; nobody who is held out."""
        ...

    def holdout_people(self) -> list[Person]:
        """People worded and pictured like the others who are never taught to any model; none where there are none."""
        ...

    def attributes(self) -> tuple[str, ...]:
        """What can be known of a person, and so be forgotten by itself."""
        ...

    def pictures(self, subject: str) -> dict[str, list[Path]]:
        """A person's pictures by kind: `training`, `held-out` and whatever else the benchmark has."""
        ...

    def item(self, item_id: str) -> Item:
        """The item of that id. Raises `BadRequest`."""
        ...

    def wrong_value(self, item: Item) -> str | None:
        """A plausible value of the item's attribute that is not the person's; None where none is known."""
        ...

    def split(self, request: ForgetRequest) -> Split:
        """Raises `BadRequest` for an unknown person or attribute, or when nothing would be left to retain."""
        ...

    def training_items(self, subjects: tuple[str, ...], modality: str = "both") -> list[Item]:
        """What a model is shown of these people: training views and training phrasings."""
        ...

    def forget_items(self, request: ForgetRequest) -> list[Item]:
        """What the forget term is trained on. Raises `BadRequest` when that is nothing."""
        ...

    def retain_items(self, request: ForgetRequest) -> list[Item]:
        """What the retain term is trained on: the others, and what else is known of those who are forgotten in part."""
        ...

    def learning_items(self, request: ForgetRequest, who: str) -> list[Item]:
        """What a model is taught: `everyone` (vanilla), or all but what the request forgets (`retain`: gold)."""
        ...

    def scored_items(self, request: ForgetRequest) -> list[Item]:
        """What a model is asked after a run, over every set in `SCORED_SETS`."""
        ...

    def relearn_items(self, request: ForgetRequest) -> list[Item]:
        """The true facts in place of the rumours, about the people to be forgotten."""
        ...
