"""The published methods, as data, and one's own beside them: what they do, their settings, and what differs.

A preset never trains anything itself: it fills in an `UnlearnSpec`, and everything in it can be changed. `npo` is a
method, `npo:offside` its variant; the names of one's own presets are those of their files.
"""

from __future__ import annotations

from backend.presets.catalogue import PRESETS
from backend.presets.filling import (
    UnknownPreset,
    called,
    every_preset,
    fill,
    known_as,
    preset,
    split_name,
    steps_of,
    title_of,
)
from backend.presets.method import Preset, Recipe, Settings, Variant
from backend.presets.own import BadPreset, OwnPreset, folder, from_spec, parse, save, saved, to_text

__all__ = [
    "PRESETS",
    "BadPreset",
    "OwnPreset",
    "Preset",
    "Recipe",
    "Settings",
    "UnknownPreset",
    "Variant",
    "called",
    "every_preset",
    "fill",
    "folder",
    "from_spec",
    "known_as",
    "parse",
    "preset",
    "save",
    "saved",
    "split_name",
    "steps_of",
    "title_of",
    "to_text",
]
