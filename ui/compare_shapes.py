"""Drawings of a pair: a radar over the table's columns, bars by person, curves laid over one another.

A is dashed and hollow, B solid and filled, whatever they are, so that the two are told apart without colour.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from backend.comparing.figures import Cell, Figure
from backend.comparing.models import Model
from backend.comparing.pair import Person
from ui import parts
from ui.charts import Curves
from ui.compare_words import in_heading, on_axis, plain, way_of

MOST_PEOPLE = 12
RADIUS, CENTRE, ROOM = 92.0, 130.0, 20.0
LEFT_OUT = ("learning_rate",)
SIDES = ("a", "b")


def radar(figures: Sequence[tuple[Model, Mapping[Cell, Figure]]], columns: Sequence[Cell]) -> Markup:
    """The columns as spokes, outwards always the better; nothing with fewer than three rates that have a direction.

    `figures` are A's and B's.
    """
    spokes = [
        cell for cell in columns if way_of(cell) in ("↑", "↓") and all(_is_rate(own.get(cell)) for _, own in figures)
    ]
    if len(spokes) < 3 or len(figures) < 2:
        return Markup("")
    names = [_spoke_name(cell, columns, place, len(spokes)) for place, cell in enumerate(spokes)]
    rings = [_ring([share] * len(spokes), "lethe-ring") for share in (0.25, 0.5, 0.75, 1.0)]
    shapes = [
        _ring([_outwards(cell, own[cell].value) for cell in spokes], f"lethe-web lethe-web-{side} {_stroke(model)}")
        for side, (model, own) in zip(SIDES, figures, strict=True)
    ]
    told = "; ".join(
        f"{on_axis(cell)}: {', '.join(f'{model.name} {plain(own[cell].value)}' for model, own in figures)}"
        for cell in spokes
    )
    return Markup('<svg class="lethe-radar" viewBox="-90 0 440 260" role="img" aria-label="{}">{}</svg>').format(
        told, Markup("").join([*rings, *shapes, *names])
    )


def _stroke(model: Model) -> str:
    return f"lethe-stroke-{model.role}"


def _is_rate(figure: Figure | None) -> bool:
    return figure is not None and 0 <= figure.value <= 1


def _outwards(cell: Cell, value: float) -> float:
    return 1 - value if way_of(cell) == "↓" else value


def _at(share: float, place: int, spokes: int) -> tuple[float, float]:
    angle = 2 * math.pi * place / spokes
    return CENTRE + RADIUS * share * math.sin(angle), CENTRE - RADIUS * share * math.cos(angle)


def _ring(shares: Sequence[float], kind: str) -> Markup:
    corners = (_at(share, place, len(shares)) for place, share in enumerate(shares))
    return Markup('<polygon class="{}" points="{}"/>').format(kind, " ".join(f"{x:.1f},{y:.1f}" for x, y in corners))


def _spoke_name(cell: Cell, columns: Sequence[Cell], place: int, spokes: int) -> Markup:
    x, y = _at((RADIUS + ROOM) / RADIUS, place, spokes)
    side = "middle" if abs(x - CENTRE) < 20 else "start" if x > CENTRE else "end"
    words = in_heading(cell, columns)[0]
    return Markup('<text class="lethe-tick" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(
        x, y + 4, side, f"1 − {words.lower()}" if way_of(cell) == "↓" else words.lower()
    )


def key(a: Model, b: Model) -> Markup:
    """Which line is whose."""
    return Markup('<p class="lethe-foot lethe-key">{}</p>').format(
        Markup(" ").join(
            Markup('<span class="lethe-{}"><i class="lethe-line-{}" aria-hidden="true"></i>{} {}</span>').format(
                model.role, side, f"{side.upper()}:", model.name
            )
            for side, model in zip(SIDES, (a, b), strict=True)
        )
    )


def people_bars(title: str, found: Sequence[Person], names: Mapping[str, str], models: tuple[Model, Model]) -> Markup:
    """Somebody a row: the share that A and B answered rightly, one bar under the other, with the counts."""
    if not found:
        return Markup("")
    rows = Markup("").join(_person(one, names.get(one.subject, one.subject), models) for one in found[:MOST_PEOPLE])
    heading = Markup('<h3 class="lethe-small-title">{}</h3>').format(title)
    more = f"{MOST_PEOPLE} of {len(found)} people." if len(found) > MOST_PEOPLE else ""
    return heading + Markup('<ul class="lethe-people-bars">{}</ul>{}').format(
        rows, Markup('<p class="lethe-foot">{}</p>').format(more) if more else ""
    )


def _person(one: Person, name: str, models: tuple[Model, Model]) -> Markup:
    bar = Markup(
        '<span class="lethe-track"><span class="lethe-fill lethe-fill-{} lethe-fill-{}" style="width:{:.1f}%">'
        "</span></span>"
    )
    bars = Markup("").join(
        bar.format(model.role, side, 100 * count / one.n)
        for side, model, count in zip(SIDES, models, (one.a, one.b), strict=True)
    )
    return Markup(
        '<li><span>{}</span><span class="lethe-two-bars" aria-hidden="true">{}</span>'
        '<span class="lethe-rate">{}</span></li>'
    ).format(name, bars, f"{one.a} → {one.b} of {one.n}")


# -- curves ---


def curves(a: tuple[Model, Curves], b: tuple[Model, Curves]) -> Markup:
    """A small drawing for each curve that either run has, both laid over one another."""
    names = [name for name in dict.fromkeys((*a[1], *b[1])) if name not in LEFT_OUT]
    drawn = [_curve(name, [(one[0], one[1].get(name, ())) for one in (a, b)]) for name in sorted(names)]
    if not any(drawn):
        return parts.empty("Neither run has curves: evaluations train nothing.")
    return Markup('<div class="lethe-curves">{}</div>{}').format(Markup("").join(drawn), key(a[0], b[0]))


def _curve(name: str, both: Sequence[tuple[Model, Sequence[tuple[int, float]]]]) -> Markup:
    finite = [[(step, value) for step, value in points if math.isfinite(value)] for _, points in both]
    every = [point for points in finite for point in points]
    if not any(len(points) > 1 for points in finite):
        return Markup("")
    steps, values = [step for step, _ in every], [value for _, value in every]
    left, wide = min(steps), max(steps) - min(steps) or 1
    low, tall = min(values), max(values) - min(values) or 1.0

    def at(step: int, value: float) -> str:
        return f"{100 * (step - left) / wide:.2f},{60 - 56 * (value - low) / tall:.2f}"

    lines = [
        Markup('<polyline class="lethe-web-{} {}" points="{}"/>').format(
            side, _stroke(model), " ".join(at(*point) for point in points)
        )
        for side, (model, _), points in zip(SIDES, both, finite, strict=True)
    ]
    last = " → ".join(plain(points[-1][1]) if points else "–" for points in finite)
    return Markup(
        '<figure class="lethe-curve"><figcaption>{} <small class="lethe-muted">last: A → B {}</small></figcaption>'
        '<svg viewBox="0 0 100 62" preserveAspectRatio="none" width="100%" height="110" role="img" '
        'aria-label="{} of A and B by step">{}</svg><p class="lethe-ends"><span>step {}</span><span>{} to {}</span>'
        "<span>step {}</span></p></figure>"
    ).format(name, last, name, Markup("").join(lines), left, plain(low), plain(low + tall), left + wide)
