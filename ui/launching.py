"""What the launch page decides, without Gradio: the models there are, what a form asks for, a run's start.

The form itself is in `ui/launch_form.py`; where its `request.ratio` says CHOSEN, the people are those of
`request.people`. Promises: a form at fault queues nothing; the address of a form brings the same form back; a
start_request_id starts one run however often it is sent.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Engine

from backend.benchmarks.item import BadRequest, Benchmark
from backend.models import four_bits
from backend.presets import BadPreset, UnknownPreset, from_spec, preset, save
from backend.queueing import CannotQueue, precision_of, queue, reference_of
from backend.spec import KINDS, EvaluateSpec, ForgetRequest, LaunchSpec, UnlearnSpec
from backend.spec_edit import EDIT_SETTINGS, WITHOUT_TRAINING, trains
from backend.spec_objective import SETTINGS_OF, settings_in_use
from backend.sweeps import queue_grid
from storage import runs
from storage.errors import NotFound
from storage.tables import Run
from ui import forms, sweeping
from ui.launch_form import (
    CHOSEN,
    DEFAULT_PRESET,
    THE_METHOD,
    UNTRAINED,
    chosen,
    defaults,
    draft,
    filled_for,
    form_of,
    in_steps,
    is_filled,
    joined,
    load,
    switch,
    untyped,
    usual_settings,
    with_reference,
)
from ui.origins import listed, origin, spoken_model

__all__ = [
    "CHOSEN",
    "DEFAULT_PRESET",
    "EVALUATION",
    "THE_METHOD",
    "UNTRAINED",
    "Opening",
    "address",
    "applies",
    "check",
    "chosen",
    "defaults",
    "draft",
    "filled_for",
    "fitted",
    "form_of",
    "in_steps",
    "is_filled",
    "joined",
    "joined_ids",
    "keep",
    "load",
    "new_request_id",
    "opening",
    "origin",
    "parted_ids",
    "people_of",
    "published_share",
    "start",
    "switch",
    "untyped",
    "usual_settings",
    "with_reference",
    "with_share",
]

EVALUATION = ("batch_size", "precision", "samples", "shots", "seed", "judge")
"""The settings that evaluate runs alone have."""
LONGEST_SHARE = 3
"""Digits of the largest share of people, 100 per cent."""


def joined_ids(ids: Iterable[str]) -> str:
    """Ids as one text of an address, with commas between; a comma inside an id is written as %2C."""
    return ",".join(one.replace("%", "%25").replace(",", "%2C") for one in ids)


def parted_ids(text: str) -> tuple[str, ...]:
    """The ids that `joined_ids` has put together."""
    return tuple(one.replace("%2C", ",").replace("%25", "%") for one in text.split(",") if one)


def published_share(benchmark: Benchmark, wanted: int) -> int | str:
    """The share that is wanted where the benchmark has it, else its first; CHOSEN where it has none."""
    shares = benchmark.ratios
    return wanted if wanted in shares else shares[0] if shares else CHOSEN


# -- the form ---


def keep(engine: Engine, benchmarks: Mapping[str, Benchmark], values: Mapping[str, Any], name: str) -> str:
    """Keeps a form's method as a preset of one's own, and gives its name back. Raises `BadPreset`."""
    spec, _ = check(engine, benchmarks, values)
    if not isinstance(spec, UnlearnSpec):
        raise BadPreset("nothing was kept; mend what is marked first")
    return save(from_spec(name.strip(), spec)).stem


def fitted(values: Mapping[str, Any], benchmark: Benchmark | None, engine: Engine) -> dict[str, Any]:
    """The form after another benchmark was chosen: its models, and of people, attributes and shares those it has."""
    known = {person.id for person in benchmark.people()} if benchmark else set()
    there = benchmark.attributes() if benchmark else ()
    fit = with_share(values, benchmark) | {
        "request.people": tuple(one for one in values["request.people"] or () if one in known),
        "request.attributes": tuple(one for one in values["request.attributes"] or () if one in there),
    }
    if values["kind"] != "finetune":
        fit["model"] = listed(engine, values["benchmark"], "vanilla")
    return fit


def with_share(values: Mapping[str, Any], benchmark: Benchmark | None) -> dict[str, Any]:
    """The form with a share that its benchmark has published."""
    ratio = values["request.ratio"]
    if benchmark is None or not isinstance(ratio, int):
        return dict(values)
    return {**values, "request.ratio": published_share(benchmark, ratio)}


def check(
    engine: Engine, benchmarks: Mapping[str, Benchmark], values: Mapping[str, Any]
) -> tuple[LaunchSpec | None, dict[str, str]]:
    """The spec a form asks for and no fault, or None and one phrase a field: bounds, people, model."""
    fields = draft(values)
    spec, faults = forms.check(fields)
    benchmark = benchmarks.get(str(values.get("benchmark")))
    if benchmark is None:
        faults.setdefault("benchmark", "is not on this machine")
    elif "request" not in faults and not any(path.startswith("request.") for path in faults):
        faults |= _request_fault(benchmark, fields)
    if isinstance(spec, EvaluateSpec) and spec.shots and benchmark is not None and benchmark.rules != "mllmu":
        faults["shots"] = "must be 0 here: solved examples are MLLMU-Bench's"
    if "model" not in faults:
        try:
            origin(engine, fields["benchmark"], fields["model"])
        except CannotQueue as error:
            faults["model"] = str(error)
    if isinstance(spec, UnlearnSpec):
        try:
            reference_of(engine, spec)
        except CannotQueue as error:
            faults["reference"] = str(error)
    if spec is not None and (refused := four_bits.missing(precision_of(spec))):
        faults["precision" if isinstance(spec, EvaluateSpec) else "training.precision"] = refused
    if spec is not None and (refused := sweeping.fault(spec, values)):
        faults["sweep"] = refused
    return (None if faults else spec), faults


def _request_fault(benchmark: Benchmark, fields: Mapping[str, Any]) -> dict[str, str]:
    modality = fields["request.modality"] if fields["kind"] == "unlearn" else "both"
    request = ForgetRequest(
        ratio=fields["request.ratio"],
        people=fields["request.people"],
        attributes=fields["request.attributes"],
        modality=modality,
    )
    try:
        benchmark.split(request)
        if fields["kind"] == "unlearn":
            benchmark.forget_items(request)
    except BadRequest as error:
        return {"request": str(error)}
    return {}


def people_of(benchmark: Benchmark | None, values: Mapping[str, Any]) -> tuple[str, ...]:
    """The ids of those to be forgotten, for the gallery's frames: a share's people, or the chosen ones.

    Nobody where the benchmark has no such share.
    """
    if values["request.ratio"] == CHOSEN or benchmark is None:
        return tuple(values["request.people"] or ())
    try:
        return benchmark.split(ForgetRequest(ratio=values["request.ratio"])).forget
    except BadRequest:
        return ()


def applies(place: str, values: Mapping[str, Any]) -> bool:
    """Whether a field, or a group of them, means anything in the form as it stands; if not it is hidden."""
    kind = values["kind"]
    if place in EVALUATION:
        return kind == "evaluate"
    if place == "attributes":
        return kind != "finetune" or values["who"] == "retain"
    if place in ("preset", "modality", "keep"):
        return kind == "unlearn"
    learns = kind != "unlearn" or trains(values["edit.method"])
    if place in ("own", "guards") or place.startswith(("objective.", "guards.")):
        return kind == "unlearn" and learns and _means_something(place, values)
    if place == "variant":
        return kind == "unlearn" and bool(preset(values["preset"]).variants)
    if place == "settings":
        return kind == "unlearn" and preset(values["preset"]).paper is not None
    if place == "reference":
        named = values["objective.reference"] == "retain_tuned" and _means_something("objective.reference", values)
        return kind == "unlearn" and learns and named
    if place == "sweep":
        return kind != "evaluate"
    if place.startswith("training.") and not learns:
        return place.removeprefix("training.") in WITHOUT_TRAINING[values["edit.method"]]
    if place.startswith("edit."):
        return kind == "unlearn" and place.removeprefix("edit.") in EDIT_SETTINGS[values["edit.method"]]
    if place == "who":
        return kind == "finetune"
    if place.startswith("training.lora_"):
        return kind != "evaluate" and values["training.adapter"] == "lora"
    return kind != "evaluate"


def _means_something(place: str, values: Mapping[str, Any]) -> bool:
    """Whether a setting of the objective belongs to a term that is chosen; anything else does."""
    group, _, name = place.partition(".")
    return group != "objective" or name in settings_in_use(_chosen(values))


def _chosen(values: Mapping[str, Any]) -> dict[str, Any]:
    return {group: values[f"objective.{group}"] for group in SETTINGS_OF}


# -- opening and starting ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Opening:
    """A form as a page opens with it, and a sentence where part of the address could not be followed."""

    values: dict[str, Any]
    notice: str = ""


def opening(engine: Engine, query: Mapping[str, str], benchmarks: Mapping[str, Benchmark] | None = None) -> Opening:
    """The form that an address asks for.

    `from=RUN` copies a run; `kind`, `preset`, `forget`, `people=a,b`, `modality`, `who`, `model` and any
    field's path set one thing each. What is unknown is said in `notice`, and the rest is followed.
    """
    notice = ""
    kind = query.get("kind", "unlearn")
    values = defaults(kind if kind in KINDS else "unlearn")
    try:
        if "from" in query:
            values = form_of(runs.find(engine, query["from"]).spec)
        else:
            values = defaults(kind, query.get("preset", DEFAULT_PRESET))
            values |= _settled(engine, query, values, benchmarks or {})
    except (NotFound, UnknownPreset, ValueError) as error:
        notice = str(error)
    asked = _asked(query, values)
    _, faults = forms.check(draft(values | asked))
    for path in [path for path in asked if faults.get(path, "").startswith("must be one of")]:
        notice = notice or f"{path} in the address {faults[path]}"
        del asked[path]
    values |= asked
    wanted = values["request.ratio"]
    values = with_share(values, (benchmarks or {}).get(values["benchmark"]))
    if "request.ratio" in asked and values["request.ratio"] != wanted:
        notice = notice or f"{values['benchmark']} has no forget set of {wanted} %; another share is chosen"
    if values["kind"] != "finetune":
        values["model"] = listed(engine, values["benchmark"], values["model"])
    usual = untyped(values, values["settings"], (benchmarks or {}).get(values["benchmark"]))
    return Opening(with_reference({**values, "counted": usual["training.steps"]}, engine), notice)


def _settled(
    engine: Engine, query: Mapping[str, str], values: dict[str, Any], benchmarks: Mapping[str, Benchmark]
) -> dict[str, Any]:
    """The form with the settings that an address names, or else those that suit the model it names."""
    named = {**values, **_asked(query, values)}
    settings = query.get("settings") or usual_settings(engine, named)
    if settings != "paper" or preset(values["preset"]).paper is None:
        return values
    filled = defaults(values["kind"], values["preset"], "paper")
    typed = _asked(query, filled)
    return in_steps(filled | typed, benchmarks.get(named["benchmark"])) | typed


SHORT = {
    "forget": "request.ratio",
    "modality": "request.modality",
    "attributes": "request.attributes",
    "who": "who",
    "model": "model",
    "benchmark": "benchmark",
}
"""Names in an address that are shorter than the path they stand for."""


def _asked(query: Mapping[str, str], values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that an address sets, in the types of the form; a number that is none is left out."""
    asked: dict[str, Any] = {}
    for name, text in query.items():
        path = SHORT.get(name, name)
        if path == "request.attributes":
            asked[path] = parted_ids(text)
        elif path in values and path not in ("kind", "preset", "settings", "request.people", "edit.method"):
            whole = path == "request.ratio" and text.isdecimal() and len(text) <= LONGEST_SHARE
            asked[path] = int(text) if whole else _read(text, values[path])
    if query.get("people"):
        asked |= {"request.people": parted_ids(query["people"]), "request.ratio": CHOSEN}
    return asked


def _read(text: str, before: Any) -> Any:
    if isinstance(before, bool):
        return text == "true"
    if isinstance(before, int | float):
        try:
            return float(text) if isinstance(before, float) else int(text)
        except ValueError:
            return before
    return text


def address(engine: Engine, values: Mapping[str, Any]) -> str:
    """The address that brings this form back: only what differs from the method's defaults is in it."""
    values = {**values, "model": spoken_model(engine, values["benchmark"], values["model"])}
    kind, method = values["kind"], values["preset"]
    query = {"kind": kind} if kind != "unlearn" else {}
    if kind == "unlearn" and method != DEFAULT_PRESET:
        query["preset"] = method
    settings = values.get("settings", "demo")
    if kind == "unlearn" and settings != usual_settings(engine, values):
        query["settings"] = settings
    fields, usual = draft(values), draft(defaults(kind, method, settings))
    if settings == "paper":
        usual["training.steps"] = None  # a paper's epochs are counted afresh, so the number is always told
    short = {path: name for name, path in SHORT.items()}
    if fields["request.people"]:
        query["people"] = joined_ids(fields["request.people"])
    for path, value in fields.items():
        if path not in ("kind", "preset", "request.people") and value not in (usual[path], None, "", ()):
            query[short.get(path, path)] = joined_ids(value) if isinstance(value, tuple) else forms.plain(value)
    query |= sweeping.asked(values)
    return "/launch" + (f"?{urlencode(query, safe=':,/')}" if query else "")


def new_request_id() -> str:
    """A fresh start_request_id; a page makes one when it opens and one after each run it has started."""
    return uuid.uuid4().hex


def start(
    engine: Engine,
    benchmarks: Mapping[str, Benchmark],
    values: Mapping[str, Any],
    name: str,
    start_request_id: str | None,
) -> Run:
    """Check a form and queue its run, or the first of its sweep; see `start_all`."""
    return start_all(engine, benchmarks, values, name, start_request_id)[0]


def start_all(
    engine: Engine,
    benchmarks: Mapping[str, Benchmark],
    values: Mapping[str, Any],
    name: str,
    start_request_id: str | None,
) -> list[Run]:
    """Check a form and queue its run, or every run of its sweep.

    Raises `CannotQueue`, and queues nothing, while a field is at fault.
    """
    spec, _ = check(engine, benchmarks, values)
    if spec is None:
        raise CannotQueue("nothing was queued; mend what is marked first")
    if not name.strip():
        raise CannotQueue("nothing was queued; give the run a name")
    points = sweeping.points(spec, values)
    if points:
        return queue_grid(engine, points, name.strip(), start_request_id)
    return [queue(engine, spec, name.strip(), start_request_id)]
