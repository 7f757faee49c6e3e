"""What the probe page decides: how it first stands, what a change on it brings with it, and the request itself.

A page is one `View`: models, a benchmark, somebody of it, a picture, a question and how it is put. Nothing here knows a
page. Whatever is wrong with a request is one sentence in `CannotAsk`, and nothing typed is lost.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from pydantic import ValidationError

from backend.benchmarks.item import Benchmark, Item
from backend.benchmarks.library import DEMO
from backend.spec import LONGEST_QUESTION, Decoding, ProbeSpec, faults
from storage import runs
from storage.errors import NotFound
from storage.tables import Run
from ui import subjects
from ui.askable import Model, chosen_models, forgotten_by_any, made_on, usual_models
from ui.context import Lab
from ui.pictures import PictureRefused, accept_picture

__all__ = ["CannotAsk", "PictureRefused", "View", "accept_picture", "build_probe"]

MOST_MODELS = 4
NO_SERVER = "Nothing is there to answer: no worker is up. Start one with `python -m backend worker` and ask again."
_UPLOAD = re.compile(r"upload:([0-9a-f]{64})")


class CannotAsk(ValueError):
    """The request cannot be put like this; the message says what to change."""


@dataclass(frozen=True, slots=True)
class View:
    """Everything that can be set on the page: models by their choice, the picture by its name.

    `benchmark` is the one whose people are shown; `held` says that a person chose it, so that it no longer follows the
    models. `person` is none while an uploaded picture is shown.
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
    benchmark: str = ""
    held: bool = False


# -- the benchmark ---------------------------------------------------------------------------------


def benchmark_of(lab: Lab, view: View) -> Benchmark | None:
    """The benchmark whose people the page shows; none where it is gone or cannot be opened."""
    return lab.benchmarks.get(view.benchmark)


def usual_benchmark(lab: Lab, chosen: Sequence[Model]) -> str:
    """The benchmark that these models are about; without any the first that the lab has."""
    return made_on(chosen) or next(iter(lab.benchmarks), "")


def follow(lab: Lab, view: View, models: Sequence[Model]) -> View:
    """The page after its models have changed: about their benchmark, unless a person has chosen one."""
    chosen = chosen_models(models, view.models)
    return view if view.held or not chosen else _about_benchmark(lab, view, usual_benchmark(lab, chosen), chosen)


def in_benchmark(lab: Lab, view: View, name: str, models: Sequence[Model]) -> View:
    """The page about another benchmark, as a person chose it; choosing that of the models lets it follow them again."""
    chosen = chosen_models(models, view.models)
    held = name != usual_benchmark(lab, chosen)
    return replace(_about_benchmark(lab, view, name, chosen), held=held)


def _about_benchmark(lab: Lab, view: View, name: str, chosen: Sequence[Model]) -> View:
    """Somebody else is shown, an uploaded picture stays: an id of one benchmark means another person in the next."""
    if name == view.benchmark:
        return view
    before, there = asked_item(lab, view), replace(view, benchmark=name)
    if _UPLOAD.fullmatch(view.picture or ""):
        return there
    return _about(lab, there, _first_person(lab, there, chosen), before)


def _first_person(lab: Lab, view: View, chosen: Sequence[Model]) -> str | None:
    forgotten = forgotten_by_any(chosen, view.benchmark)
    return next((person.id for person in subjects.people_in_order(benchmark_of(lab, view), forgotten)), None)


# -- the picture -----------------------------------------------------------------------------------


def pictures_of(lab: Lab, view: View) -> dict[str, Path]:
    """The pictures of whom the page shows, by their names."""
    return subjects.pictures_of(benchmark_of(lab, view), view.person)


def picture_of(lab: Lab, view: View) -> Path | None:
    """The file behind the picture's name: one of the person's, or an uploaded one. No other file can be named."""
    upload = _UPLOAD.fullmatch(view.picture or "")
    if upload:
        path = lab.home / "uploads" / f"{upload.group(1)}.png"
        return path if path.exists() else None
    return pictures_of(lab, view).get(view.picture or "")


def picture_name(lab: Lab, view: View, path: Path | None) -> str | None:
    """The name of a picture: `held-out view 1` of a person's, `upload:…` of one that was uploaded."""
    if path is not None and path.parent == lab.home / "uploads":
        return f"upload:{path.stem}"
    return next((name for name, other in pictures_of(lab, view).items() if other == path), None)


# -- the request -----------------------------------------------------------------------------------


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
    picture = None if view.by_name else picture_of(lab, view)
    if picture is None and not view.by_name:
        raise CannotAsk("There is no picture; choose a person, upload one, or ask by name as text.")
    item = asked_item(lab, view)
    try:
        return ProbeSpec(
            models=tuple(model.checkpoint for model in chosen),
            benchmark=view.benchmark or DEMO,
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
    """The page as it stood when a kept probe was asked. Models that are gone since are left out, and so is the person
    of a benchmark that is gone.
    """
    name, image = request.get("benchmark", DEMO), request.get("image")
    chosen = [model for model in models if model.checkpoint in request.get("models", ())]
    benchmark = lab.benchmarks.get(name)
    item = subjects.item_called(benchmark, request.get("item_id"))
    person = item.subject if item else subjects.pictured(benchmark, Path(image)) if image else None
    decoding = Decoding.model_validate(request.get("decoding") or {})
    view = View(
        models=tuple(model.choice for model in chosen),
        person=person,
        by_name=image is None,
        question=request.get("question", ""),
        attack=request.get("attack"),
        sample=decoding.sample,
        temperature=decoding.temperature,
        seed=decoding.seed,
        max_new_tokens=decoding.max_new_tokens,
        benchmark=name,
        held=name != usual_benchmark(lab, chosen),
    )
    picture = picture_name(lab, view, Path(image)) if image else next(iter(pictures_of(lab, view)), None)
    return replace(view, picture=picture)


# -- changes ---------------------------------------------------------------------------------------


def opening(
    lab: Lab, models: Sequence[Model], *, run: str | None = None, item: str | None = None, benchmark: str = ""
) -> View:
    """The page as it first stands: the usual models, somebody they forget, and the first question about them.

    `run` chooses its own model (of an evaluation, the one that it asked) and the benchmark of its spec.
    """
    asked = _run(lab, run)
    wanted = benchmark or (str(asked.spec.get("benchmark", DEMO)) if asked else "")
    chosen = usual_models(models, maker(lab, models, run), wanted)
    usual = usual_benchmark(lab, chosen)
    name = wanted or usual
    there = lab.benchmarks.get(name)
    found = subjects.item_called(there, item)
    view = View(
        models=tuple(model.choice for model in chosen),
        by_name=found is not None and found.modality == "text",
        benchmark=name,
        held=name != usual,
    )
    return of_person(lab, view, found.subject if found else _first_person(lab, view, chosen), found)


def _run(lab: Lab, run: str | None) -> Run | None:
    try:
        return runs.get(lab.engine, run) if run else None
    except NotFound:
        return None


def maker(lab: Lab, models: Sequence[Model], run: str | None) -> str | None:
    """The run whose model a run is about: itself, or of an evaluation the one that made what it asked."""
    asked = _run(lab, run)
    if asked is None or asked.kind != "evaluate":
        return asked.id if asked else None
    return next((model.run for model in models if model.checkpoint == asked.parent_checkpoint_id), None)


def of_person(lab: Lab, view: View, subject: str | None, item: Item | None = None) -> View:
    """The same page about somebody else: their picture, and the question as it stood, put about them.

    A question that was typed stays as it was; one of the benchmark becomes its counterpart. `item` sets both.
    """
    return _about(lab, view, subject, item or asked_item(lab, view), item)


def _about(lab: Lab, view: View, subject: str | None, before: Item | None, item: Item | None = None) -> View:
    """The page about somebody; `before` is what the question was about. Who has no picture is asked about by name."""
    there = replace(view, person=subject)
    pictures = pictures_of(lab, there)
    picture = picture_name(lab, there, item.image) if item and item.image else None
    if picture is None:
        picture = view.picture if view.picture in pictures else next(iter(pictures), None)
    there = replace(there, picture=picture, by_name=view.by_name or (subject is not None and picture is None))
    if item is not None:
        return replace(there, question=item.question)
    if before is None and view.question.strip():
        return there
    other = subjects.counterpart(questions_of(lab, there), before)
    return replace(there, question=other.text) if other else there


def questions_of(lab: Lab, view: View) -> list[subjects.Question]:
    """What can be asked about whom the page shows, in the way that it asks."""
    return subjects.questions_of(benchmark_of(lab, view), view.person, view.by_name)


def asked_item(lab: Lab, view: View) -> Item | None:
    """The item that the question came from unchanged; none where it was typed or the picture was uploaded."""
    asked = subjects.question_called(questions_of(lab, view), view.question)
    return asked.item(picture_of(lab, view)) if asked else None


def by_name_or_picture(lab: Lab, view: View, by_name: bool) -> View:
    """The same page with the other way of asking; a question of the benchmark becomes its counterpart."""
    turned = replace(view, by_name=by_name)
    before = asked_item(lab, view)
    other = subjects.counterpart(questions_of(lab, turned), before) if before else None
    return replace(turned, question=other.text) if other else turned


def address(lab: Lab, view: View, models: Sequence[Model]) -> str:
    """What stands after `?` so that the page opens again on this question, this benchmark and, by a run, these
    models; "" for a question that was typed in a lab of one benchmark.
    """
    item, chosen = asked_item(lab, view), chosen_models(models, view.models)
    query = {"item": item.id} if item else {}
    if len(lab.benchmarks) > 1 or view.benchmark != usual_benchmark(lab, usual_models(models)):
        query["benchmark"] = view.benchmark
    if chosen != usual_models(models, benchmark=view.benchmark):
        made = sorted(chosen, key=lambda model: model.role != "unlearned")
        bringing = (model.run for model in made if usual_models(models, model.run, view.benchmark) == chosen)
        query["run"] = next(bringing, "")
    return urlencode({name: value for name, value in query.items() if value}, safe="/")


# -- the form --------------------------------------------------------------------------------------


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
