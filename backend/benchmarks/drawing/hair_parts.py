"""What hair styles are put together from: the layers of a style, and pieces that several styles share."""

from __future__ import annotations

from typing import NamedTuple

from backend.benchmarks.drawing.pen import Point, Shape, oval, ribbon, smooth


class Hair(NamedTuple):
    """The layers of a hair style, from back to front.

    `back` lies in shadow and `halo` in the light, both behind the face; `shine` is the light on the hair,
    `over` falls over the shoulders, `bands` hold the hair together, `stubble` is hair cut close to the skin.
    """

    back: tuple[Shape, ...] = ()
    halo: tuple[Shape, ...] = ()
    front: tuple[Shape, ...] = ()
    shine: tuple[Shape, ...] = ()
    over: tuple[Shape, ...] = ()
    bands: tuple[Shape, ...] = ()
    stubble: tuple[Shape, ...] = ()


def cap(width: float, hairline: tuple[Point, ...], *, top: float = -73.0, ends: float = 4.0, out: float = 5.0) -> Shape:
    """Hair over the skull; `hairline` runs from right to left across the forehead."""
    outer: tuple[Point, ...] = (
        (-width + 5, ends),
        (-width + 5, ends),
        (-width - out + 1, ends - 3),
        (-width - out, -22),
        (-width * 0.82, -54),
        (-width * 0.42, top + 4),
        (0, top),
        (width * 0.42, top + 4),
        (width * 0.82, -54),
        (width + out, -22),
        (width + out - 1, ends - 3),
        (width - 5, ends),
        (width - 5, ends),
    )
    return smooth(outer + hairline)


def fringe_line(width: float, height: float, drop: float = 0.0) -> tuple[Point, ...]:
    """A straight fringe at `height`, as a hairline for `cap`; `drop` lowers its ends."""
    return (
        (width - 6, -12 + drop),
        (width * 0.78, height + 6),
        (width * 0.4, height),
        (0, height - 1),
        (-width * 0.4, height),
        (-width * 0.78, height + 6),
        (-width + 6, -12 + drop),
    )


def arc_shine(width: float, height: float = -56.0) -> Shape:
    """A curved light on the left of the crown."""
    return ribbon(((-width * 0.62, height + 11), (-width * 0.34, height + 2), (width * 0.02, height - 2)), 4.5, 0.9)


def curls(ring: tuple[Point, ...], size: float) -> tuple[Shape, ...]:
    """A curl at every point of `ring`, about `size` units in radius."""
    return tuple(oval(x, y, size + (index % 3) * 1.6) for index, (x, y) in enumerate(ring))
