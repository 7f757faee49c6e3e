"""A sweep on the launch form: up to two numbers with a list of values each, and what comes of them. No Gradio here.

The form's fields are `sweep.1.field`, `sweep.1.values` and the same for 2; an empty field is no axis.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backend.spec import FinetuneSpec, RunSpec, UnlearnSpec
from backend.sweeps import Axes, Point, SweepRefused, grid, numeric_fields

NUMBERS = (1, 2)
FIELDS = tuple(f"sweep.{number}.{part}" for number in NUMBERS for part in ("field", "values"))
EMPTY: dict[str, Any] = dict.fromkeys(FIELDS, "")
SWEPT = tuple(dict.fromkeys((*numeric_fields(UnlearnSpec), *numeric_fields(FinetuneSpec))))
"""Every number that a training run has."""


def axes(values: Mapping[str, Any]) -> Axes:
    """What the form asks to sweep: paths and values as typed. Raises `SweepRefused` for values without a field."""
    found = []
    for number in NUMBERS:
        path, text = (str(values.get(f"sweep.{number}.{part}") or "").strip() for part in ("field", "values"))
        if text and not path:
            raise SweepRefused(f"choose which setting takes the values {text}")
        found += [(path, text)] if path else []
    return found


def points(spec: RunSpec, values: Mapping[str, Any]) -> list[Point]:
    """Every run of the form's sweep; nothing without one. Raises `SweepRefused`."""
    asked = axes(values) if spec.kind != "evaluate" else []
    return grid(spec, asked) if asked else []


def fault(spec: RunSpec, values: Mapping[str, Any]) -> str:
    """Why the sweep cannot be queued; empty where it can, or where there is none."""
    try:
        points(spec, values)
    except SweepRefused as refused:
        return str(refused)
    return ""


def asked(values: Mapping[str, Any]) -> dict[str, str]:
    """What an address needs to bring the sweep back."""
    return {path: str(values[path]).strip() for path in FIELDS if str(values.get(path) or "").strip()}
