"""Whom and what one can ask about: a benchmark's people in order, their pictures by name, and its questions.

Everything here is about one benchmark, or about none: then there is nobody, no picture and no question.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from backend.benchmarks.item import SETS, BadRequest, Benchmark, Item, Person
from backend.spec import ForgetRequest
from ui.context import Lab

_TASKS = ("generation", "name", "cloze", "caption", "classification")
"""The order in which questions are listed. Of a choice only the question is put: the answer is open."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question of a benchmark with every item that puts it in the same words to the same person."""

    text: str
    items: tuple[Item, ...]

    def item(self, picture: Path | None) -> Item:
        """The item that goes with the picture, else the first: the fact is the same in every view."""
        return next((item for item in self.items if picture and item.image == picture), self.items[0])


def opened(lab: Lab, name: str) -> Benchmark:
    """The lab's benchmark of that name. Raises `BadRequest` with the reason why there is none."""
    found = lab.benchmarks.get(name)
    if found is not None:
        return found
    fault = getattr(lab.benchmarks, "faults", {}).get(name)
    if fault:
        raise BadRequest(f"the benchmark {name} cannot be opened: {fault}")
    raise BadRequest(f"there is no benchmark called {name!r}; there are {', '.join(lab.benchmarks) or 'none'}")


# -- people and their pictures ---------------------------------------------------------------------


def person_of(benchmark: Benchmark | None, subject: str | None) -> Person | None:
    """The person with that id, or nobody."""
    return next((person for person in _everyone(benchmark) if person.id == subject), None)


def held_out_of(benchmark: Benchmark | None) -> frozenset[str]:
    """The ids of those who were never taught to any model."""
    return frozenset(person.id for person in benchmark.holdout_people()) if benchmark else frozenset()


def people_in_order(benchmark: Benchmark | None, forgotten: frozenset[str]) -> list[Person]:
    """Those who are forgotten first, then the other private people, public figures, and who is held out."""
    held_out = held_out_of(benchmark)
    return sorted(
        _everyone(benchmark), key=lambda one: (one.id in held_out, one.public_figure, one.id not in forgotten)
    )


def _everyone(benchmark: Benchmark | None) -> list[Person]:
    return [*benchmark.people(), *benchmark.holdout_people()] if benchmark else []


def pictures_of(benchmark: Benchmark | None, subject: str | None) -> dict[str, Path]:
    """A person's pictures by what they are: `held-out view 1`, …, `training view 1`, …, and other kinds there are."""
    if benchmark is None or person_of(benchmark, subject) is None:
        return {}
    return _pictures(benchmark, subject or "")


def pictured(benchmark: Benchmark | None, image: Path) -> str | None:
    """The id of whom this picture of the benchmark shows."""
    found = (one.id for one in _everyone(benchmark) if image in pictures_of(benchmark, one.id).values())
    return next(found, None)


# -- questions -------------------------------------------------------------------------------------


def questions_of(benchmark: Benchmark | None, subject: str | None, by_name: bool) -> list[Question]:
    """What a benchmark asks about a person, with the picture or by name as text; each wording once."""
    if benchmark is None or person_of(benchmark, subject) is None:
        return []
    return _questions(benchmark, subject or "", by_name)


def question_called(questions: Sequence[Question], text: str) -> Question | None:
    """The question in exactly these words; spaces around them do not count."""
    return next((question for question in questions if question.text.strip() == text.strip()), None)


def counterpart(questions: Sequence[Question], item: Item | None) -> Question | None:
    """The question about the same thing among others (those by name for one with a picture); else the
    first.
    """
    if item is None:
        return questions[0] if questions else None

    def nearness(question: Question) -> tuple[bool, ...]:
        other = question.items[0]
        return (other.attribute == item.attribute, other.task == item.task, other.set == item.set)

    return max(questions, key=nearness, default=None)


def item_called(benchmark: Benchmark | None, item_id: str | None) -> Item | None:
    """The item with that id, or none."""
    if benchmark is None or not item_id:
        return None
    try:
        return benchmark.item(item_id)
    except BadRequest:
        return None


@lru_cache(maxsize=512)
def _items(benchmark: Benchmark, subject: str) -> list[Item]:
    """What a person is asked after a run, held-out wordings first."""
    private = [person.id for person in benchmark.people() if not person.public_figure]
    # who cannot be forgotten is asked about whoever is
    who = subject if subject in private else next(iter(private), None)
    try:
        scored = benchmark.scored_items(ForgetRequest(ratio=None, people=(who,), modality="both")) if who else []
    except BadRequest:
        return []
    mine = [item for item in scored if item.subject == subject]
    return sorted(mine, key=lambda item: (item.set != "test", SETS.index(item.set)))


@lru_cache(maxsize=512)
def _questions(benchmark: Benchmark, subject: str, by_name: bool) -> list[Question]:
    modality = "text" if by_name else "image_text"
    wordings: dict[str, list[Item]] = {}
    for task in _TASKS:
        for item in _items(benchmark, subject):
            if item.modality == modality and item.task == task:
                wordings.setdefault(item.question, []).append(item)
    return [Question(text, tuple(items)) for text, items in wordings.items()]


@lru_cache(maxsize=512)
def _pictures(benchmark: Benchmark, subject: str) -> dict[str, Path]:
    named: dict[str, Path] = {}
    filed = benchmark.pictures(subject)
    for kind in sorted(filed, key=lambda kind: kind != "held-out"):
        for number, path in enumerate(filed[kind], start=1):
            named[f"{kind} view {number}"] = path
    return named
