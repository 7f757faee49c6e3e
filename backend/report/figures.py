"""A report's drawings, as SVG in the page: no script, no picture from elsewhere, and legible without colour.

Each has its words for those who cannot see it, and its figures stand in a table beside it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from backend.report.pieces import figure

Points = Sequence[tuple[float, float]]
Mark = tuple[float, float | None, float | None]
"""A value with its interval, or without."""

WIDTH, LEFT, RIGHT, ROW = 720, 250, 20, 22
CHART_W, CHART_H, GAP = 420, 210, 44
SIDE = 340
NAME_WIDTH, LINE = 70.0, 14.0
DRAWN = {
    "original": '<rect class="filled" x="{left:.1f}" y="{top:.1f}" width="8" height="8"/>',
    "gold": '<path class="filled" d="M{x:.1f} {top:.1f}l4.6 4.6l-4.6 4.6l-4.6 -4.6z"/>',
    "control": '<circle class="hollow" cx="{x:.1f}" cy="{y:.1f}" r="4"/>',
    "unlearned": '<circle class="filled" cx="{x:.1f}" cy="{y:.1f}" r="4.6"/>',
}


def dots(rows: Sequence[tuple[str, Mapping[str, Mark]]], title: str) -> Markup:
    """A row a label, on a line from 0 to 1: by role its mark, and its interval where it has one."""
    if not rows:
        return Markup("")
    height = ROW * len(rows) + 28
    body = Markup("").join(_dots_row(at, label, marks) for at, (label, marks) in enumerate(rows))
    ticks = Markup("").join(_down(_across(value), height, words) for value, words in ((0, "0"), (0.5, ".5"), (1, "1")))
    said = "; ".join(f"{label}: {_spoken(marks)}" for label, marks in rows)
    return Markup(
        '<figure><svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}</svg><figcaption>{}</figcaption></figure>'
    ).format(WIDTH, height, said, ticks, body, title)


def _spoken(marks: Mapping[str, Mark]) -> str:
    return ", ".join(f"{role} {figure(value)}" for role, (value, _, _) in marks.items())


def _dots_row(at: int, label: str, marks: Mapping[str, Mark]) -> Markup:
    y = ROW * at + 14
    drawn = Markup("").join(_dot(role, mark, y) for role, mark in marks.items())
    return Markup(
        '<text class="label end" x="{}" y="{}">{}</text><line class="axis" x1="{}" x2="{}" y1="{y}" y2="{y}"/>{}'
    ).format(LEFT - 14, y + 4, label, _across(0), _across(1), drawn, y=y)


def _dot(role: str, mark: Mark, y: float) -> Markup:
    value, low, high = mark
    bar = Markup("")
    if low is not None and high is not None:
        bar = Markup('<line class="bar" x1="{:.1f}" x2="{:.1f}" y1="{y}" y2="{y}"/>').format(
            _across(low), _across(high), y=y
        )
    return Markup('<g class="{}">{}{}</g>').format(role, bar, shape(role, _across(value), y))


def shape(role: str, x: float, y: float) -> Markup:
    """The mark of a role, its middle at (x, y)."""
    return Markup(DRAWN.get(role, DRAWN["control"]).format(x=x, y=y, left=x - 4, top=y - 4.6))


def _across(value: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * min(1.0, max(0.0, value))


def _down(x: float, height: float, words: str) -> Markup:
    return _rule(x, x, 4, height - 22) + _text(x, height - 6, words, "mid")


def _rule(x1: float, x2: float, y1: float, y2: float) -> Markup:
    return Markup('<line class="axis" x1="{:.1f}" x2="{:.1f}" y1="{:.1f}" y2="{:.1f}"/>').format(x1, x2, y1, y2)


def _text(x: float, y: float, words: str, classes: str = "") -> Markup:
    return Markup('<text class="{}" x="{:.1f}" y="{:.1f}">{}</text>').format(classes, x, y, words)


def lines(series: Mapping[str, Points], title: str, *, top: float | None = None, across: str = "step") -> Markup:
    """Curves over steps, at most four, each with its name at its end; `top` fixes the scale to 0 … top."""
    drawn = {name: points for name, given in list(series.items())[:4] if len(points := _finite(given)) > 1}
    if not drawn:
        return Markup("")
    values = [value for points in drawn.values() for _, value in points]
    low, high = (0.0, top) if top is not None else (min(0.0, *values), max(values))
    far = max(step for points in drawn.values() for step, _ in points)
    near = min(step for points in drawn.values() for step, _ in points)
    place = _Scale(near, far, low, high if high > low else low + 1)
    traces = Markup("").join(_trace(at, name, points, place) for at, (name, points) in enumerate(drawn.items()))
    ends = ", ".join(f"{name} ends at {points[-1][1]:.3g}" for name, points in drawn.items())
    return Markup(
        '<figure><svg viewBox="0 0 {} {}" role="img" aria-label="{}: {}">{}{}</svg><figcaption>{}</figcaption></figure>'
    ).format(CHART_W, CHART_H, title, ends, place.axes(across), traces, title)


class _Scale:
    """Where a step and a value stand in a chart."""

    def __init__(self, near: float, far: float, low: float, high: float) -> None:
        self.near, self.far, self.low, self.high = near, far, low, high

    def x(self, step: float) -> float:
        return GAP + (CHART_W - GAP - 96) * (step - self.near) / ((self.far - self.near) or 1)

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return 10 + (CHART_H - 44) * (1 - min(1.0, max(0.0, share)))

    def axes(self, across: str) -> Markup:
        """Three lines with their values, the first and the last step."""
        drawn = Markup("")
        for value in (self.low + (self.high - self.low) * share for share in (0, 0.5, 1)):
            y = self.y(value)
            drawn += _rule(GAP, CHART_W - 96, y, y) + _text(GAP - 6, y + 4, f"{value:.3g}", "end")
        base = CHART_H - 14
        first = f"{across} {self.near:g}".strip()
        return (
            drawn + _text(self.x(self.near), base, first, "mid") + _text(self.x(self.far), base, f"{self.far:g}", "mid")
        )


def _trace(at: int, name: str, points: Points, place: _Scale) -> Markup:
    path = " ".join(f"{place.x(step):.1f},{place.y(value):.1f}" for step, value in points)
    x, y = place.x(points[-1][0]) + 6, place.y(points[-1][1]) + 4
    return Markup(
        '<g class="s{}"><polyline class="trace" points="{}"/><text class="own" x="{:.1f}" y="{:.1f}">{}</text></g>'
    ).format(at, path, x, y, name)


def _finite(points: Points) -> list[tuple[float, float]]:
    return [(step, value) for step, value in points if math.isfinite(value)]


def trade(points: Sequence[tuple[str, str, float, float]], title: str) -> Markup:
    """Forget accuracy across, retain accuracy up, each 0 to 1: (label, role, forget, retain). Good is at the upper
    left."""
    if not points:
        return Markup("")
    marks = Markup("").join(_point(*point, down) for point, down in zip(points, _lowered(points), strict=True))
    grid = Markup("").join(_grid(value, words) for value, words in ((0.0, "0"), (0.5, ".5"), (1.0, "1")))
    foot = _text(_square_x(0.5), SIDE + 44, "accuracy on the forget set", "mid")
    said = "; ".join(f"{label}: forget {figure(a)}, retain {figure(b)}" for label, _, a, b in points)
    return Markup(
        '<figure><svg viewBox="0 0 {w} {h}" style="max-width:{w}px" role="img" aria-label="{said}">{grid}{marks}{foot}'
        "</svg><figcaption>{title}</figcaption></figure>"
    ).format(w=SIDE + 120, h=SIDE + 50, said=said, grid=grid, marks=marks, foot=foot, title=title)


def _point(label: str, role: str, forget: float, retain: float, down: float) -> Markup:
    x, y = _square_x(forget), _square_y(retain)
    return Markup('<g class="{}">{}{}</g>').format(role, shape(role, x, y), _text(x + 8, y + 4 + down, label, "own"))


def _lowered(points: Sequence[tuple[str, str, float, float]]) -> list[float]:
    """How far below its mark each name stands, so that none lies on another."""
    taken: list[tuple[float, float]] = []
    for _, _, forget, retain in points:
        x, y = _square_x(forget), _square_y(retain)
        while any(abs(x - left) < NAME_WIDTH and abs(y - top) < LINE for left, top in taken):
            y += LINE
        taken.append((x, y))
    return [y - _square_y(point[3]) for point, (_, y) in zip(points, taken, strict=True)]


def _grid(value: float, words: str) -> Markup:
    """A line up and a line across at a value, named at the axes."""
    x, y = _square_x(value), _square_y(value)
    ruled = _rule(x, x, _square_y(1), _square_y(0)) + _rule(_square_x(0), _square_x(1), y, y)
    return ruled + _text(x, _square_y(0) + 16, words, "mid") + _text(_square_x(0) - 6, y + 4, words, "end")


def _square_x(value: float) -> float:
    return 44 + (SIDE - 40) * min(1.0, max(0.0, value))


def _square_y(value: float) -> float:
    return 14 + (SIDE - 40) * (1 - min(1.0, max(0.0, value)))
