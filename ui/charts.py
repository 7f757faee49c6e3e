"""A run's curves as rows for a live plot, and the same figures as a table.

Forget is orange and retain is blue on every chart; what is neither has its own fixed colour.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd
from markupsafe import Markup

from ui import parts

Curves = Mapping[str, Sequence[tuple[int, float]]]
Rows = list[tuple[int, float, str]]

LOSSES = {"forget_loss": "forget", "retain_loss": "retain", "loss": "total"}
ACCURACY = "accuracy/"
COLOURS = {
    "forget": "#D55E00",
    "test": "#E69F00",
    "retain": "#0072B2",
    "celebrity": "#00866a",
    "general": "#9a6fb0",
    "holdout": "#7a8592",
    "total": "#7a8592",
}
COLUMNS = ["step", "value", "series"]
POINTS = 200
"""At most this many points a curve travel to the browser."""


def loss_rows(curves: Curves) -> Rows:
    """(step, value, series) of the training losses: the terms apart where they are known, else the total."""
    names = {name: series for name, series in LOSSES.items() if curves.get(name)}
    if len(names) > 1:
        names.pop("loss", None)
    return _rows({series: curves[name] for name, series in names.items()})


def accuracy_rows(curves: Curves) -> Rows:
    """(step, value, series) of the accuracies measured while the run went on, one series a set."""
    named = {name.removeprefix(ACCURACY): points for name, points in curves.items() if name.startswith(ACCURACY)}
    known = [name for name in COLOURS if name in named]
    return _rows({name: named[name] for name in known + sorted(set(named) - set(known))})


def frame(rows: Rows) -> pd.DataFrame:
    """The rows as the plot wants them; empty frames keep their column types."""
    return pd.DataFrame(rows, columns=COLUMNS).astype({"step": "int64", "value": "float64", "series": "object"})


def series_of(rows: Rows) -> list[str]:
    """The names of the curves, in the order in which they came."""
    return list(dict.fromkeys(series for _, _, series in rows))


def legend(rows: Rows) -> Markup:
    """`— forget 2.91  — retain .09`: each curve in its colour, with its latest figure."""
    latest = {name: value for _, value, name in rows}
    pieces = [
        Markup('<span class="lethe-series"><i style="background:{}" aria-hidden="true"></i>{} <b>{}</b></span>').format(
            COLOURS.get(name, COLOURS["total"]), name, parts.figure(latest[name])
        )
        for name in series_of(rows)
    ]
    return Markup(" ").join(pieces)


def drawable(rows: Rows) -> bool:
    """Whether there is a line to draw: some curve has two points."""
    return len(rows) > len(series_of(rows))


def curve_table(rows: Rows, label: str) -> Markup:
    """The same figures as a table: a row a step, a column a curve, newest first."""
    names = series_of(rows)
    if not names:
        return parts.empty("No figures yet.")
    values = {(step, name): value for step, value, name in rows}
    steps = sorted({step for step, _, _ in rows}, reverse=True)
    body = [(step, *(_cell(values.get((step, name))) for name in names)) for step in steps]
    return parts.table(["step", *names], body, numbers=range(len(names) + 1), label=label)


def _rows(curves: Curves) -> Rows:
    return [(step, value, name) for name, points in curves.items() for step, value in points if math.isfinite(value)]


def _cell(value: float | None) -> object:
    return parts.NOTHING if value is None else f"{value:.4g}"
