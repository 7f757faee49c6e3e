"""Forget against retain as a drawing: percent coordinates, so marks and words keep their size at every width.

The good corner is at the top right: an axis on which less is better runs backwards. A mark says by its shape what a
model is, so the drawing can be read without colour; every point is a link to its run.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from backend.comparing.figures import Cell, Figure
from backend.comparing.models import ROLES
from backend.comparing.points import Point
from ui import parts
from ui.compare_words import address_of, bounds, on_axis, plain, way_of
from ui.measure_words import SPOKEN

HEIGHT, SEEN_WIDTH = 380, 540
"""Pixels: the drawing's height, and the width at which labels are kept apart."""
MOST_LABELS, LONGEST_LABEL, MOST_AVOIDED = 14, 24, 200
LETTER, LINE = 7.0, 16.0
MARKS = {
    "original": '<rect x="-6" y="-6" width="12" height="12"/>',
    "gold": '<path d="M0-8L8 0L0 8L-8 0Z"/>',
    "unlearned": '<circle r="6"/>',
    "control": '<circle r="5"/>',
}
Ways = Mapping[str, Sequence[tuple[int, float, float]]]
"""By run, (step, x, y) at each evaluation during training."""


LEAST_SPAN = 0.25
"""So much of a rate's scale is always to be seen."""


@dataclass(frozen=True)
class Axis:
    """A scale from `low` to `high`; `backwards` where less is better."""

    low: float
    high: float
    backwards: bool

    @classmethod
    def over(cls, figures: Iterable[Figure], way: str) -> Axis:
        """Around the figures with their intervals; a rate stays between 0 and 1, and figures that all but agree are not
        drawn as if they lay apart."""
        known = [bound for one in figures for bound in (one.value, one.low, one.high) if bound is not None]
        low, high = min(known, default=0.0), max(known, default=1.0)
        room = max((high - low) * 0.08, 0.03 if high <= 1 else 0.0) or 0.5
        if low >= 0 and high <= 1:
            room = max(room, (LEAST_SPAN - (high - low)) / 2)
            return cls(max(-0.02, low - room), min(1.02, high + room), way == "↓")
        return cls(low - room, high + room, way == "↓")

    def at(self, value: float) -> float:
        """Where a value stands, in per cent from the left (or from below)."""
        share = (value - self.low) / (self.high - self.low)
        return round(100 * (1 - share if self.backwards else share), 2)

    def ticks(self) -> list[float]:
        """Four to eight round values."""
        span = self.high - self.low
        size = 10 ** math.floor(math.log10(span))
        step = next(size * part for part in (0.1, 0.2, 0.25, 0.5, 1.0, 2.0) if span / (size * part) <= 8)
        first = math.ceil(self.low / step - 1e-9)
        return [round(number * step, 10) for number in range(first, math.floor(self.high / step + 1e-9) + 1)]


def scatter(found: Sequence[Point], x: Cell, y: Cell, paths: Ways, chosen: Mapping[str, str]) -> Markup:
    """The drawing with its legend. `chosen` names the runs that are A and B."""
    if not found:
        return parts.empty(f"No model has both a {on_axis(x)} and a {on_axis(y)}; choose other axes.")
    across = Axis.over((one.x for one in found), way_of(x))
    up = Axis.over((one.y for one in found), way_of(y))
    drawn = [
        _grid(across, up),
        *(_path(steps, across, up) for steps in paths.values()),
        _front(found, across, up),
        *(_whiskers(one, across, up) for one in found),
        *(_mark(one, across, up, x, y) for one in sorted(found, key=_upwards)),
        *_labels(found, across, up, chosen),
    ]
    return Markup(
        '<div class="lethe-plane"><p class="lethe-axis lethe-axis-y">{}</p>'
        '<div class="lethe-plane-room"><svg class="lethe-scatter" width="100%" height="{}" role="group" '
        'aria-label="{} against {}; the same figures stand in a table below">{}</svg>'
        '<div class="lethe-tip" hidden></div></div><p class="lethe-axis lethe-axis-x">{}</p>{}</div>'
    ).format(
        _axis_words(y, "↑"), HEIGHT, on_axis(x), on_axis(y), Markup("").join(drawn), _axis_words(x, "→"),
        _legend(found, paths),
    )  # fmt: skip


def _upwards(point: Point) -> int:
    """What is drawn last lies on top: landmarks over models."""
    return ("control", "unlearned", "gold", "original").index(point.entry.role)


def _axis_words(cell: Cell, arrow: str) -> str:
    way = SPOKEN.get(way_of(cell), "neither way is better")
    return f"{on_axis(cell)}: {way} {arrow}" if way_of(cell) in ("↑", "↓") else f"{on_axis(cell)}: {way}"


def _grid(across: Axis, up: Axis) -> Markup:
    lines = [
        Markup(
            '<line class="lethe-rule" x1="{0}%" x2="{0}%" y1="0" y2="100%"/><svg x="{0}%" y="100%" overflow="visible">'
            '<text class="lethe-tick" y="18" text-anchor="middle">{1}</text></svg>'
        ).format(across.at(tick), _tick(tick))
        for tick in across.ticks()
    ]
    lines += [
        Markup(
            '<line class="lethe-rule" x1="0" x2="100%" y1="{0}%" y2="{0}%"/><svg y="{0}%" overflow="visible">'
            '<text class="lethe-tick" x="-8" y="4" text-anchor="end">{1}</text></svg>'
        ).format(_down(up, tick), _tick(tick))
        for tick in up.ticks()
    ]
    return Markup("").join(lines)


def _tick(value: float) -> str:
    return f"{value:g}".replace("-", "\N{MINUS SIGN}")


def _down(up: Axis, value: float) -> float:
    return round(100 - up.at(value), 2)


def _line(kind: str, start: tuple[float, float], end: tuple[float, float]) -> Markup:
    return Markup('<line class="{}" x1="{}%" y1="{}%" x2="{}%" y2="{}%"/>').format(kind, *start, *end)


def _path(steps: Sequence[tuple[int, float, float]], across: Axis, up: Axis) -> Markup:
    """The way a run took; what lies outside the drawing is left out."""
    inside = [
        (across.at(x), _down(up, y)) for _, x, y in steps if across.low <= x <= across.high and up.low <= y <= up.high
    ]
    dots = [Markup('<circle class="lethe-way-dot" cx="{}%" cy="{}%" r="2"/>').format(*at) for at in inside]
    lines = [_line("lethe-way", *pair) for pair in pairwise(inside)]
    return Markup("").join([*lines, *dots])


def _front(found: Sequence[Point], across: Axis, up: Axis) -> Markup:
    best = sorted((across.at(one.x.value), _down(up, one.y.value)) for one in found if one.best)
    return Markup("").join(_line("lethe-front", *pair) for pair in pairwise(best))


def _whiskers(point: Point, across: Axis, up: Axis) -> Markup:
    kind = f"lethe-whisker lethe-stroke-{point.entry.role}"
    x, y = across.at(point.x.value), _down(up, point.y.value)
    drawn = []
    if point.x.low is not None and point.x.high is not None:
        drawn.append(_line(kind, (across.at(point.x.low), y), (across.at(point.x.high), y)))
    if point.y.low is not None and point.y.high is not None:
        drawn.append(_line(kind, (x, _down(up, point.y.low)), (x, _down(up, point.y.high))))
    return Markup("").join(drawn)


def _mark(point: Point, across: Axis, up: Axis, x: Cell, y: Cell) -> Markup:
    entry = point.entry
    told = [
        f"{entry.name} ({entry.role})",
        f"{on_axis(x)}: {plain(point.x.value)} {bounds(point.x)}".rstrip(),
        f"{on_axis(y)}: {plain(point.y.value)} {bounds(point.y)}".rstrip(),
        *(f"⚠ {flag}" for flag in dict.fromkeys((*point.x.flags, *point.y.flags))),
        *(["no other model beats it on both"] if point.best else []),
    ]
    return Markup(
        '<svg x="{}%" y="{}%" overflow="visible"><a href="{}" class="lethe-dot lethe-dot-{}{}" data-tip="{}" '
        'aria-label="{}"><circle class="lethe-reach" r="12"/>{}</a></svg>'
    ).format(
        across.at(point.x.value), _down(up, point.y.value), address_of(entry), entry.role,
        " lethe-hollow" if point.collapsed else "", "\n".join(told), "; ".join(told),
        Markup(MARKS[entry.role]),
    )  # fmt: skip


SIDES = ((11, 4, "start"), (-11, 4, "end"), (0, -12, "middle"), (0, 21, "middle"))
"""Where a name may stand beside its mark."""


def _labels(found: Sequence[Point], across: Axis, up: Axis, chosen: Mapping[str, str]) -> list[Markup]:
    """Names beside the points that matter most, wherever there is room for them."""

    def rank(point: Point) -> tuple[bool, ...]:
        return point.entry.role not in ("original", "gold"), not _letters(point, chosen), not point.best

    marks = {id(one): _box(one, across, up, 0, 0, 2, 12.0) for one in found[:MOST_AVOIDED]}
    taken: list[Box] = []
    drawn = []
    for point in sorted(found, key=rank)[:MOST_LABELS]:
        words = _label(point, chosen)
        others = [*taken, *(box for one, box in marks.items() if one != id(point))]
        for dx, dy, anchor in SIDES:
            box = _box(point, across, up, dx, dy, len(words), LINE, anchor)
            if box[0] >= 0 and box[2] <= SEEN_WIDTH and not any(_meet(box, other) for other in others):
                taken.append(box)
                drawn.append(_name_tag(point, across, up, words, (dx, dy, anchor), always=not all(rank(point)[:2])))
                break
    return drawn


def _name_tag(
    point: Point, across: Axis, up: Axis, words: str, at: tuple[float, float, str], *, always: bool
) -> Markup:
    return Markup(
        '<svg x="{}%" y="{}%" overflow="visible" aria-hidden="true"><text class="lethe-name-tag '
        'lethe-ink-{}{}" x="{}" y="{}" text-anchor="{}">{}</text></svg>'
    ).format(
        across.at(point.x.value), _down(up, point.y.value), point.entry.role, "" if always else " lethe-wide-only",
        *at, words,
    )  # fmt: skip


def _label(point: Point, chosen: Mapping[str, str]) -> str:
    name = point.entry.name
    short = name if len(name) <= LONGEST_LABEL else f"{name[: LONGEST_LABEL - 1]}…"
    return " ".join([*_letters(point, chosen), short, *(["⚠"] if point.collapsed else [])])


def _letters(point: Point, chosen: Mapping[str, str]) -> list[str]:
    runs = {model.run for model in point.entry.members}
    return [f"{letter}:" for letter, run in chosen.items() if run in runs]


Box = tuple[float, float, float, float]


def _box(
    point: Point, across: Axis, up: Axis, dx: float, dy: float, letters: int, height: float, anchor: str = "middle"
) -> Box:
    """Left, top, right and bottom in pixels of a drawing of `SEEN_WIDTH`, of words set at dx, dy from a point."""
    width = letters * LETTER
    x = across.at(point.x.value) / 100 * SEEN_WIDTH + dx - {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor] * width
    y = _down(up, point.y.value) / 100 * HEIGHT + dy - height / 2 - (4 if dy else 0)
    return x, y, x + width, y + height


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _legend(found: Sequence[Point], paths: Ways) -> Markup:
    there = {one.entry.role for one in found}
    told: list[object] = [parts.identity(role, role) for role in ROLES if role in there]
    if any(one.collapsed for one in found):
        told.append("hollow: collapsed, on no front")
    if sum(one.best for one in found) > 1:
        told.append("dashed: the front, whom no other beats on both")
    if any(len(steps) > 1 for steps in paths.values()):
        told.append("thin: quick evaluations on the way, on a sample")
    told.append("whiskers: 95 % over people")
    if any(one.x.spread is not None for one in found):
        told[-1] = "whiskers: 95 % over people; of folded seeds, ± their standard deviation"
    return Markup('<p class="lethe-foot lethe-plane-legend">{}</p>').format(parts.joined(told))


def points_table(found: Sequence[Point], x: Cell, y: Cell) -> Markup:
    """The same figures as a table, the front marked; the first 200."""
    if not found:
        return Markup("")
    rows = [
        (
            Markup('<a class="lethe-quiet-link" href="{}">{}</a>').format(
                address_of(one.entry), parts.identity(one.entry.role, one.entry.name)
            ),
            _figure(one.x),
            _figure(one.y),
            f"{one.x.n} / {one.y.n}",
            "on the front" if one.best else "",
        )
        for one in found[:200]
    ]
    headers = ["Model", f"x: {on_axis(x)}", f"y: {on_axis(y)}", "n", ""]
    return parts.table(headers, rows, numbers=[3], label="forget against retain")


def _figure(figure: Figure) -> Markup:
    flags = [parts.flag(flag) for flag in figure.flags]
    shown = Markup('<span class="lethe-rate">{} <small class="lethe-interval">{}</small></span>').format(
        plain(figure.value), bounds(figure)
    )
    return parts.joined([shown, *flags], " ")
