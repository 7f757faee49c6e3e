"""From the name of a method to a spec: `npo`, its variant `npo:offside`, or a preset of one's own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from backend.presets.catalogue import PRESETS
from backend.presets.method import Preset, Recipe, Settings
from backend.presets.own import find, names, saved
from backend.spec import Training, UnlearnSpec
from backend.spec_guards import Guards
from backend.spec_objective import Objective

KIND = ("forget", "retain", "regulariser", "mask")
"""What of an objective makes it a method."""
SETTINGS: tuple[Settings, ...] = ("demo", "paper")


class UnknownPreset(ValueError):
    """There is no method of that name; the message lists those that are."""


def split_name(name: str) -> tuple[str, str]:
    """`npo:offside` as the method and its variant; the variant is empty where there is none."""
    method, _, variant = name.partition(":")
    return method, variant


def preset(name: str) -> Preset:
    """The preset of that name, whatever its variant. Raises `UnknownPreset`, and `BadPreset` for a broken file."""
    method, variant = split_name(name)
    found = PRESETS.get(method) or find(method)
    if found is None:
        known = (*PRESETS, *names())
        raise UnknownPreset(f"there is no method called {method!r}; there are {', '.join(known)}")
    if variant and variant not in found.variants:
        variants = f"there are {', '.join(found.variants)}" if found.variants else "it has none"
        raise UnknownPreset(f"{method} has no variant {variant!r}; {variants}")
    return found


def every_preset() -> tuple[list[Preset], list[str]]:
    """The published methods and then one's own, and a sentence for each file that could not be read."""
    mine, broken = saved()
    return [*PRESETS.values(), *(one.preset() for one in mine)], broken


def title_of(name: str) -> str:
    """`NPO · OFFSIDE`: how a run calls its method. A name that nobody knows any more stands for itself."""
    method, variant = split_name(name)
    if method not in PRESETS:
        return name
    known = PRESETS[method]
    return f"{known.title} · {known.variants[variant].title}" if variant in known.variants else known.title


def called(name: str, edit: str) -> str:
    """The name that a run with this `edit.method` goes by: its preset's, unless that is another kind of method."""
    method, _ = split_name(name)
    apart = method in PRESETS and PRESETS[method].edit.method != edit
    return ("own" if edit == "none" else edit) if apart else name


def known_as(name: str, edit: str, objective: Mapping[str, Any]) -> str:
    """How a run calls its method: by its preset's title while its terms, regulariser and mask are the preset's, else by
    those themselves, as in `own: wga + ce + l1`. Weights, schedules and numbers may be tuned and change no name."""
    found = called(name, edit)
    method, variant = split_name(found)
    if method not in PRESETS or edit != "none" or not objective:
        return title_of(found)
    usual = [
        PRESETS[method].objective_of(variant if variant in PRESETS[method].variants else "", one) for one in SETTINGS
    ]
    kind = [objective.get(field) for field in KIND]
    if any([getattr(one, field) for field in KIND] == kind for one in usual):
        return title_of(found)
    return f"own: {' + '.join(str(part) for part in kind if part not in (None, 'none')) or 'nothing'}"


def fill(name: str, settings: Settings = "demo", /, **changes: Any) -> UnlearnSpec:
    """An unlearning spec with a preset's method and the demo's or the paper's settings. `changes` are fields of the
    spec; those of `objective`, `edit`, `training` and `guards` may be partial dictionaries and override the preset's.

    Raises `UnknownPreset`, `BadPreset`, and pydantic's error for a change that is no field or no value of one.
    """
    chosen, (_, variant) = preset(name), split_name(name)
    usual = {
        "objective": chosen.objective_of(variant, settings).model_dump(),
        "edit": chosen.edit_of(variant, settings).model_dump(),
        "training": Training().model_dump() | chosen.training_of(variant, settings),
        "guards": Guards().model_dump() | chosen.guards_of(variant, settings),
    }
    merged = {
        group: {**fields, **changes[group]} if isinstance(changes.get(group), Mapping) else changes.get(group, fields)
        for group, fields in usual.items()
    }
    return UnlearnSpec.model_validate({"preset": name, **changes, **merged})


def steps_of(
    recipe: Recipe, objective: Objective, training: Training, forget_items: int, retain_items: int
) -> int | None:
    """The steps that a recipe's epochs come to; None where it counts in steps itself.

    An epoch is a pass over the forget set, with the retain steps that its schedule puts between.
    """
    if recipe.epochs is None:
        return None
    each = training.samples_per_step
    forget, retain = math.ceil(forget_items / each), math.ceil(retain_items / each)
    if not objective.forgets:
        epoch = retain
    elif not objective.retains or objective.schedule == "joint":
        epoch = forget
    else:
        epoch = {"alternate": 2 * forget, "every_k": objective.every * forget}.get(objective.schedule, forget + retain)
    return max(1, math.ceil(recipe.epochs * epoch))
