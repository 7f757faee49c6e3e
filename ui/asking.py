"""What the probe page decides: what can be asked about whom, how the page first stands, and the request
itself.

Nothing here knows a page. Whatever is wrong with a request is one sentence in `CannotAsk`, and nothing typed
is lost.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from backend.benchmarks.item import BadRequest, Benchmark, Item, Person
from backend.spec import LONGEST_QUESTION, Decoding, ForgetRequest, ProbeSpec, faults
from ui.askable import Model, chosen_models, forgotten_by_any, usual_models
from ui.context import Lab
from ui.pictures import PictureRefused, accept_picture

__all__ = ["CannotAsk", "PictureRefused", "Question", "View", "accept_picture", "build_probe"]

MOST_MODELS = 4
NO_SERVER = "Nothing is there to answer: no worker is up. Start one with `python -m backend worker` and ask again."
_UPLOAD = re.compile(r"upload:([0-9a-f]{64})")
_OPEN_TASKS = ("generation", "name", "cloze")
_SET_ORDER = ("test", "forget", "retain", "celebrity", "general")


class CannotAsk(ValueError):
    """The request cannot be put like this; the message says what to change."""


# -- people, their pictures and their questions ----------------------------------------------------


@dataclass(frozen=True, slots=True)
class Question:
    """A question of a benchmark with every item that puts it in the same words to the same person."""

    text: str
    items: tuple[Item, ...]

    def item(self, picture: Path | None) -> Item:
        """The item that goes with the picture, else the first: the fact is the same in every view."""
        return next((item for item in self.items if picture and item.image == picture), self.items[0])


def benchmark_of(lab: Lab) -> Benchmark | None:
    """The benchmark whose people the page shows: the first that the lab has."""
    return next(iter(lab.benchmarks.values()), None)


def person_of(lab: Lab, subject: str | None) -> Person | None:
    """The person with that id, or nobody."""
    benchmark = benchmark_of(lab)
    return lab.people(benchmark.name).get(subject or "") if benchmark else None


def people_in_order(lab: Lab, models: Sequence[Model]) -> list[Person]:
    """Those that the models forget first, then the other private people, then public figures."""
    benchmark = benchmark_of(lab)
    forgotten = forgotten_by_any(models)
    people = benchmark.people() if benchmark else []
    return sorted(people, key=lambda person: (person.public_figure, person.id not in forgotten))


def pictures_of(lab: Lab, subject: str | None) -> dict[str, Path]:
    """A person's pictures by what they are: `held-out view 1`, …, `training view 1`, …, `rumour view 1`."""
    benchmark, person = benchmark_of(lab), person_of(lab, subject)
    if benchmark is None or person is None:
        return {}
    return _pictures(benchmark, person.id)


def picture_called(lab: Lab, subject: str | None, name: str | None) -> Path | None:
    """The file behind a picture's name: one of the person's, or an uploaded one.

    No other file can be named.
    """
    upload = _UPLOAD.fullmatch(name or "")
    if upload:
        path = lab.home / "uploads" / f"{upload.group(1)}.png"
        return path if path.exists() else None
    return pictures_of(lab, subject).get(name or "")


def picture_name(lab: Lab, subject: str | None, path: Path | None) -> str | None:
    """The name of a picture: `held-out view 1` of a person's, `upload:…` of one that was uploaded."""
    if path is not None and path.parent == lab.home / "uploads":
        return f"upload:{path.stem}"
    return next((name for name, other in pictures_of(lab, subject).items() if other == path), None)


def questions_of(lab: Lab, subject: str | None, by_name: bool) -> list[Question]:
    """What a benchmark asks about a person, with the picture or by name as text; each wording once."""
    benchmark, person = benchmark_of(lab), person_of(lab, subject)
    if benchmark is None or person is None:
        return []
    return _questions(benchmark, person.id, by_name)


def question_called(questions: Sequence[Question], text: str) -> Question | None:
    """The question in exactly these words; spaces around them do not count."""
    return next((question for question in questions if question.text == text.strip()), None)


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


def item_called(lab: Lab, item_id: str | None) -> Item | None:
    """The item with that id, or none."""
    benchmark = benchmark_of(lab)
    if benchmark is None or not item_id:
        return None
    try:
        return benchmark.item(item_id)
    except BadRequest:
        return None


@lru_cache(maxsize=512)
def _items(benchmark: Benchmark, subject: str) -> list[Item]:
    """What a person is asked after a run, held-out wordings first."""
    people = benchmark.people()
    famous = {person.id for person in people if person.public_figure}
    # a public figure is never to be forgotten, but is asked about whoever is
    who = next((person.id for person in people if person.id not in famous), None) if subject in famous else subject
    scored = benchmark.scored_items(ForgetRequest(ratio=None, people=(who,), modality="both")) if who else []
    mine = [item for item in scored if item.subject == subject]
    return sorted(mine, key=lambda item: _SET_ORDER.index(item.set))


@lru_cache(maxsize=512)
def _questions(benchmark: Benchmark, subject: str, by_name: bool) -> list[Question]:
    modality = "text" if by_name else "image_text"
    wordings: dict[str, list[Item]] = {}
    for task in _OPEN_TASKS:
        for item in _items(benchmark, subject):
            if item.modality == modality and item.task == task:
                wordings.setdefault(item.question, []).append(item)
    return [Question(text, tuple(items)) for text, items in wordings.items()]


@lru_cache(maxsize=512)
def _pictures(benchmark: Benchmark, subject: str) -> dict[str, Path]:
    named: dict[str, Path] = {}
    filed = benchmark.pictures(subject)
    for kind in ("held-out", "training", "rumour"):
        for number, path in enumerate(filed.get(kind, ()), start=1):
            named[f"{kind} view {number}"] = path
    return named


# -- the request -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class View:
    """Everything that can be set on the page: models by their choice, the picture by its name.

    `person` is none while an uploaded picture is shown.
    """

    models: tuple[str, ...] = ()
    person: str | None = None
    picture: str | None = None
    by_name: bool = False
    question: str = ""
    attack: str | None = None
    sample: bool = False
    temperature: float | None = 1.0
    seed: float | None = 0
    max_new_tokens: float | None = 32


def build_probe(lab: Lab, view: View, models: Sequence[Model]) -> ProbeSpec:
    """The request that the page stands for. A question taken unchanged from an item carries its truth and its
    fact.

    Raises `CannotAsk`.
    """
    chosen = chosen_models(models, view.models)
    text = view.question.strip()
    if not chosen:
        raise CannotAsk(
            "No model is chosen; choose at least one to ask."
            if models
            else "There is no model to ask yet; launch a run first."
        )
    broken = next((model for model in chosen if model.condition != "ok"), None)
    if broken is not None:
        raise CannotAsk(f"The files of “{broken.name}” are {broken.condition}; choose another model.")
    if len(chosen) > MOST_MODELS:
        raise CannotAsk(f"{len(chosen)} models are chosen; choose at most {MOST_MODELS}.")
    if not text:
        raise CannotAsk("The question is empty; type one or choose one from the list.")
    if len(text) > LONGEST_QUESTION:
        raise CannotAsk(f"The question has {len(text)} characters; shorten it to {LONGEST_QUESTION}.")
    picture = None if view.by_name else picture_called(lab, view.person, view.picture)
    if picture is None and not view.by_name:
        raise CannotAsk("There is no picture; choose a person, upload one, or ask by name as text.")
    item, benchmark = asked_item(lab, view), benchmark_of(lab)
    try:
        return ProbeSpec(
            models=tuple(model.checkpoint for model in chosen),
            benchmark=benchmark.name if benchmark else "demo",
            question=text,
            image=str(picture) if picture else None,
            item_id=item.id if item else None,
            truth=item.answer if item else None,
            key=item.key if item else None,
            attack=view.attack or None,
            decoding=_decoding(view),
        )
    except ValidationError as error:
        place, phrase = next(iter(faults(error).items()))
        raise CannotAsk(f"{_title(place)} {phrase}.") from error


def view_of(lab: Lab, request: dict[str, Any], models: Sequence[Model]) -> View:
    """The page as it stood when a kept probe was asked. Models that are gone since are left out, and so is the item of
    a benchmark that the page does not show: the same id means another person there.
    """
    benchmark = benchmark_of(lab)
    here = benchmark is not None and request.get("benchmark", "demo") == benchmark.name
    item = item_called(lab, request.get("item_id")) if here else None
    image = request.get("image")
    person = item.subject if item else _pictured(lab, image)
    decoding = Decoding.model_validate(request.get("decoding") or {})
    return View(
        models=tuple(model.choice for model in models if model.checkpoint in request.get("models", ())),
        person=person,
        picture=picture_name(lab, person, Path(image)) if image else next(iter(pictures_of(lab, person)), None),
        by_name=image is None,
        question=request.get("question", ""),
        attack=request.get("attack"),
        sample=decoding.sample,
        temperature=decoding.temperature,
        seed=decoding.seed,
        max_new_tokens=decoding.max_new_tokens,
    )


def opening(lab: Lab, models: Sequence[Model], *, run: str | None = None, item: str | None = None) -> View:
    """The page as it first stands: the usual models, somebody they forget, and the first question about
    them.
    """
    chosen = usual_models(models, run)
    wanted = item_called(lab, item)
    people = people_in_order(lab, chosen)
    person = wanted.subject if wanted else people[0].id if people else None
    view = View(
        models=tuple(model.choice for model in chosen),
        by_name=wanted is not None and wanted.modality == "text",
    )
    return of_person(lab, view, person, wanted)


def of_person(lab: Lab, view: View, subject: str | None, item: Item | None = None) -> View:
    """The same page about somebody else: their picture, and the question as it stood, put about them.

    A question that was typed stays as it was; one of the benchmark becomes its counterpart. `item` sets both.
    """
    picture = picture_name(lab, subject, item.image) if item and item.image else None
    pictures = pictures_of(lab, subject)
    if picture is None:
        picture = view.picture if view.picture in pictures else next(iter(pictures), None)
    before = item or asked_item(lab, view)
    question = view.question
    if item is not None:
        question = item.question
    elif before is not None or not question.strip():
        other = counterpart(questions_of(lab, subject, view.by_name), before)
        question = other.text if other else question
    return replace(view, person=subject, picture=picture, question=question)


def asked_item(lab: Lab, view: View) -> Item | None:
    """The item that the question came from unchanged; none where it was typed or the picture was uploaded."""
    asked = question_called(questions_of(lab, view.person, view.by_name), view.question)
    return asked.item(picture_called(lab, view.person, view.picture)) if asked else None


def by_name_or_picture(lab: Lab, view: View, by_name: bool) -> View:
    """The same page with the other way of asking; a question of the benchmark becomes its counterpart."""
    before = asked_item(lab, view)
    other = counterpart(questions_of(lab, view.person, by_name), before) if before else None
    return replace(view, by_name=by_name, question=other.text if other else view.question)


def _pictured(lab: Lab, image: str | None) -> str | None:
    """Whose picture of the benchmark this is."""
    benchmark = benchmark_of(lab)
    for person in benchmark.people() if benchmark and image else ():
        if Path(image or "") in pictures_of(lab, person.id).values():
            return person.id
    return None


def _decoding(view: View) -> Decoding:
    """Whole numbers come from a form as `3.0`; those with a fraction are left for the check to refuse."""

    def whole(number: float | None) -> float | int | None:
        return int(number) if number is not None and float(number).is_integer() else number

    given: dict[str, Any] = {
        "sample": view.sample,
        "seed": whole(view.seed),
        "max_new_tokens": whole(view.max_new_tokens),
    }
    if view.sample:
        given["temperature"] = view.temperature
    return Decoding.model_validate(given)


def _title(place: str) -> str:
    name = place.rsplit(".", 1)[-1]
    field = Decoding.model_fields.get(name) or ProbeSpec.model_fields.get(name)
    return (field.title if field else None) or name
