"""The launch page's form: what stands in it before anything is typed, and what follows when a choice is changed.

A form is one flat dictionary, `{"kind": "unlearn", "training.steps": 80, ...}`, keyed by the spec's own paths, and with
`settings`: whose settings fill it, the demo's or the paper's. Promises: what was typed stays; a paper's epochs are
counted on the benchmark that is chosen; a gold model that fills in the reference is that of the people who are chosen.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Engine

from backend.benchmarks.item import BadRequest, Benchmark
from backend.presets import BadPreset, Settings, UnknownPreset, called, fill, parse, preset, save, split_name, steps_of
from backend.spec import KINDS, EvaluateSpec, FinetuneSpec, Spec, UnlearnSpec
from backend.spec_edit import trains
from backend.spec_guards import Guards
from backend.spec_objective import SETTINGS_OF, settings_in_use
from ui import forms, sweeping
from ui.origins import from_demo, gold_of, listed

CHOSEN = "chosen"
UNTRAINED = "demo"
"""The model that finetune runs begin with when no other is named."""
DEFAULT_PRESET = "npo"
THE_METHOD = ("forget", "retain", "regulariser", "mask", "schedule", "labels", "kl_direction", "reference")
"""The choices of an objective that are the method itself, and no matter of degree."""
THE_METHOD_PATHS = ("edit.method", *(f"objective.{name}" for name in THE_METHOD))
OF_A_METHOD = ("objective.", "edit.", "training.", "guards.")
"""How the paths begin of what a preset fills in."""


def defaults(kind: str, method: str = DEFAULT_PRESET, settings: Settings = "demo") -> dict[str, Any]:
    """Every field of the form before anything is typed. `settings` says whose: the demo's or the paper's.

    Raises `UnknownPreset` or `BadPreset` for a method and ValueError for a kind of run that there is not.
    """
    unlearn = fill(method, settings)
    specs: dict[str, Spec] = {"evaluate": EvaluateSpec(), "unlearn": unlearn, "finetune": FinetuneSpec()}
    if kind not in specs:
        raise ValueError(f"there is no kind of run called {kind!r}; there are unlearn, finetune and evaluate")
    values: dict[str, Any] = {}
    for name in sorted(specs, key=lambda name: name == kind):
        values |= forms.flatten(specs[name])
    return values | {"request.people": (), "settings": settings, "gold": ""} | sweeping.EMPTY


def draft(values: Mapping[str, Any]) -> dict[str, Any]:
    """A form's fields as those of its kind of spec: what the other kinds have is left out, and a choice that the form
    does not show is none, so that no fault is of something hidden."""
    paths = forms.flatten(KINDS[values["kind"]]())
    chosen = values.get("request.ratio") == CHOSEN
    return (
        {path: values.get(path) for path in paths}
        | _unshown(values)
        | {
            "model": str(values.get("model") or "").strip(),
            "request.ratio": None if chosen else values.get("request.ratio"),
            "request.people": tuple(values.get("request.people") or ()) if chosen else (),
            "request.attributes": tuple(values.get("request.attributes") or ()),
        }
    )


def _unshown(values: Mapping[str, Any]) -> dict[str, Any]:
    """Of the choices that could be at fault, those that the form hides, each as if nothing were chosen."""
    if values["kind"] != "unlearn":
        return {}
    if not trains(values.get("edit.method", "none")):
        guards = {f"guards.{name}": value for name, value in Guards().model_dump().items()}
        return guards | {"objective.mask": "none", "objective.schedule": "joint", "training.adapter": "lora"}
    used = settings_in_use({group: values.get(f"objective.{group}") for group in SETTINGS_OF})
    return {f"objective.{name}": none for name, none in (("schedule", "joint"), ("mask", "none")) if name not in used}


def form_of(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A stored spec as a filled form. A method that is no longer known, or does another kind of thing than the spec,
    makes way for one that does the same."""
    edit = (spec.get("edit") or {}).get("method", "none")
    method = called(spec.get("preset") or DEFAULT_PRESET, edit)
    try:
        values = defaults(str(spec.get("kind")), method) | forms.flatten(spec) | {"preset": method}
    except (UnknownPreset, BadPreset):
        known = DEFAULT_PRESET if edit == "none" else edit
        values = defaults(str(spec.get("kind")), known) | forms.flatten(spec) | {"preset": known}
    return values | ({"request.ratio": CHOSEN} if values["request.people"] else {})


FILLED_FOR = ("kind", "preset", "settings", "model", "training.steps")


def filled_for(values: Mapping[str, Any]) -> dict[str, Any]:
    """What `switch` and `with_reference` have to know of a form as it was filled in; of its steps, what would stand
    there had nobody typed."""
    filled = {name: values[name] for name in FILLED_FOR}
    return filled | {"gold": values.get("gold", ""), "training.steps": values.get("counted", filled["training.steps"])}


def is_filled(values: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    """Whether a form has what it was last filled for, and is not on its way from there."""
    return all(values[name] == before[name] for name in ("kind", "preset", "settings", "model"))


def switch(
    values: Mapping[str, Any], before: Mapping[str, Any], engine: Engine, benchmark: Benchmark | None = None
) -> dict[str, Any]:
    """The form after another kind, method, model or settings were chosen: their defaults, but what was typed stays.

    `before` is what `filled_for` said when the form was filled; a field counts as typed where it differs from the
    defaults then. The terms of the objective are the method itself and follow it when it changes. Another model
    brings the settings that suit it.
    """
    settings = values.get("settings", "demo")
    if settings == before.get("settings", "demo") and values["model"] != before.get("model", values["model"]):
        settings = usual_settings(engine, {**values, "settings": settings})
    steps = {name: before[name] for name in ("training.steps",) if name in before}
    old = defaults(before["kind"], before["preset"], before.get("settings", "demo")) | steps
    new = untyped(values, settings, benchmark)
    follow = THE_METHOD_PATHS if values["preset"] != before["preset"] else ()
    switched = {
        path: new[path] if path in follow or (value == old.get(path, value) and path != "preset") else value
        for path, value in values.items()
    } | {"settings": settings, "counted": new["training.steps"]}
    if (values["kind"] == "finetune") != (before["kind"] == "finetune"):
        switched["model"] = UNTRAINED if values["kind"] == "finetune" else "vanilla"
    if switched["model"] == "vanilla":
        switched["model"] = listed(engine, values["benchmark"], "vanilla")
    return with_reference(switched, engine, before)


def untyped(values: Mapping[str, Any], settings: Settings, benchmark: Benchmark | None) -> dict[str, Any]:
    """The form's method with these settings alone, for the people who are chosen."""
    filled = {**values, **defaults(values["kind"], values["preset"], settings)}
    return in_steps(filled | _asked_for(values), benchmark)


def with_reference(
    values: Mapping[str, Any], engine: Engine, before: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The form with the gold model of its people as the reference, where one has to be named and no other was chosen.

    `gold` in the form, and in `before`, is the gold model of those who are, or were, to be forgotten.
    """
    known = (before or {}).get("gold", "")
    if values["kind"] != "unlearn" or values["objective.reference"] != "retain_tuned":
        return {**values, "gold": known}
    gold, named = gold_of(engine, forms.nest(draft(values))), values.get("reference")
    return {**values, "gold": gold, "reference": gold if named in (None, "", known) else named}


def joined(method: str, variant: str | None) -> str:
    """A method and a variant as one name; a variant that the method has not is left out."""
    return f"{method}:{variant}" if variant and variant in preset(method).variants else method


def chosen(values: Mapping[str, Any], variant: str | None) -> dict[str, Any]:
    """What a method that was chosen by its name means for the form: the name with its variant, and what it does beside
    an objective."""
    name = joined(values["preset"], variant)
    return {"preset": name, "edit.method": preset(name).edit.method}


def load(values: Mapping[str, Any], text: str) -> dict[str, Any]:
    """Keeps the preset that a text holds; the form filled with it. Raises `BadPreset`."""
    name = save(parse(text)).stem
    filled = defaults("unlearn", name)
    return {**values, "preset": name, "settings": "demo"} | {
        path: value for path, value in filled.items() if path.startswith(OF_A_METHOD)
    }


def _asked_for(values: Mapping[str, Any]) -> dict[str, Any]:
    return {path: value for path, value in values.items() if path.startswith("request.")}


def in_steps(values: Mapping[str, Any], benchmark: Benchmark | None) -> dict[str, Any]:
    """The form with a paper's epochs as steps, counted on the benchmark; as it is where there is nothing to count."""
    recipe = preset(values["preset"]).recipe(split_name(values["preset"])[1])
    if values["kind"] != "unlearn" or values["settings"] != "paper" or recipe is None or benchmark is None:
        return dict(values)
    spec, _ = forms.check(draft({**values, "model": values["model"] or "vanilla"}))
    if not isinstance(spec, UnlearnSpec):
        return dict(values)
    try:
        counts = len(benchmark.forget_items(spec.request)), len(benchmark.retain_items(spec.request))
    except BadRequest:
        return dict(values)
    steps = steps_of(recipe, spec.objective, spec.training, *counts)
    return {**values} | ({} if steps is None else {"training.steps": steps})


def usual_settings(engine: Engine, values: Mapping[str, Any]) -> Settings:
    """The demo's settings for a model that comes from the demo's, the paper's for any other that has them."""
    own = preset(values["preset"]).paper is None
    return (
        "demo"
        if own or values["kind"] != "unlearn" or from_demo(engine, values["benchmark"], values["model"] or "")
        else "paper"
    )
