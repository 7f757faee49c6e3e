"""The pen that portraits are drawn with: smooth shapes, a head that turns and tilts, and light on it.

Shapes are polygons in design units (256 to a picture's side, the middle of the face at 0, 0, y downwards),
made once and kept; a `Pen` only moves their points and fills them. That is what makes a portrait cheap: no
picture is ever rotated or recoloured. Turning moves what lies on the face sideways, most in the middle of
the face and not at all at its outline, as the surface of a ball does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache

from PIL import ImageDraw

Point = tuple[float, float]
Shape = tuple[Point, ...]
Colour = tuple[int, int, int]

FACE_REACH = 48.0  # half the width within which a turn moves the face's surface
TURN_SHIFT = 15.0  # how far the middle of the face moves at a turn of 1


@lru_cache(maxsize=4096)
def mix(one: Colour, other: Colour, share: float) -> Colour:
    """`one` with `share` (0 to 1) of `other` stirred in."""
    return (
        round(one[0] + (other[0] - one[0]) * share),
        round(one[1] + (other[1] - one[1]) * share),
        round(one[2] + (other[2] - one[2]) * share),
    )


@lru_cache(maxsize=2048)
def smooth(points: Shape, closed: bool = True, steps: int = 5) -> Shape:
    """A Catmull-Rom curve through `points`; a point given twice in a row stays a corner."""
    count = len(points)
    curve: list[Point] = []
    for index in range(count if closed else count - 1):
        if closed:
            a, b, c, d = (points[(index + offset) % count] for offset in (-1, 0, 1, 2))
        else:
            a, b = points[max(index - 1, 0)], points[index]
            c, d = points[index + 1], points[min(index + 2, count - 1)]
        if b == c:
            continue
        for step in range(steps):
            curve.append(_between(a, b, c, d, step / steps))
    if not closed:
        curve.append(points[-1])
    return tuple(curve)


def _between(a: Point, b: Point, c: Point, d: Point, t: float) -> Point:
    square, cube = t * t, t * t * t
    weights = (
        -0.5 * cube + square - 0.5 * t,
        1.5 * cube - 2.5 * square + 1,
        -1.5 * cube + 2 * square + 0.5 * t,
        0.5 * cube - 0.5 * square,
    )
    return (
        sum(weight * point[0] for weight, point in zip(weights, (a, b, c, d), strict=True)),
        sum(weight * point[1] for weight, point in zip(weights, (a, b, c, d), strict=True)),
    )


@lru_cache(maxsize=2048)
def ribbon(points: Shape, width: float, taper: float = 0.6) -> Shape:
    """A stroke along a smooth line, `width` units at its middle, its ends thinner by the share `taper`."""
    line = smooth(points, closed=False)
    left: list[Point] = []
    right: list[Point] = []
    last = len(line) - 1
    for index, (x, y) in enumerate(line):
        before, after = line[max(index - 1, 0)], line[min(index + 1, last)]
        dx, dy = after[0] - before[0], after[1] - before[1]
        length = math.hypot(dx, dy) or 1.0
        half = width / 2 * (1 - taper + taper * math.sin(math.pi * index / last))
        left.append((x - dy / length * half, y + dx / length * half))
        right.append((x + dy / length * half, y - dx / length * half))
    return tuple(left + right[::-1])


@lru_cache(maxsize=2048)
def oval(x: float, y: float, half_width: float, half_height: float | None = None) -> Shape:
    """An ellipse about (x, y)."""
    tall = half_width if half_height is None else half_height
    corners = 16 if half_width < 5 else 32
    angles = [2 * math.pi * corner / corners for corner in range(corners)]
    return tuple((x + half_width * math.cos(angle), y + tall * math.sin(angle)) for angle in angles)


@lru_cache(maxsize=2048)
def mirrored(points: Shape) -> Shape:
    """The same shape on the other side of the face."""
    return tuple((-x, y) for x, y in points)


def both_sides(half: Iterable[Point]) -> Shape:
    """A closed outline from its right half, given from the top of the midline to its bottom."""
    right = tuple(half)
    left = tuple((-x, y) for x, y in reversed(right) if x != 0)
    return right + left


class Pen:
    """Fills shapes on one picture, at one pose and in one light.

    `scale` is pixels a design unit, `origin` where (0, 0) falls in pixels, `turn` -1 to 1, `tilt` degrees,
    `pivot` the height (design units) about which the head tilts.
    """

    def __init__(
        self,
        canvas: ImageDraw.ImageDraw,
        scale: float,
        origin: Point,
        *,
        turn: float = 0.0,
        tilt: float = 0.0,
        pivot: float = 0.0,
        brightness: float = 1.0,
        warmth: float = 0.0,
    ) -> None:
        self.turn = turn
        self._canvas = canvas
        self._cos = math.cos(math.radians(tilt)) * scale
        self._sin = math.sin(math.radians(tilt)) * scale
        self._pivot = pivot
        # Half a pixel is added because Pillow cuts a polygon's coordinates down to whole pixels.
        self._left = origin[0] + 0.5
        self._top = origin[1] + pivot * scale + 0.5
        self._gain = (brightness * (1 + 0.06 * warmth), brightness, brightness * (1 - 0.11 * warmth))
        self._lit: dict[Colour, Colour] = {}

    def fill(self, shape: Shape, colour: Colour, depth: float = 1.0, slide: float = 0.0) -> None:
        """Fill `shape`.

        `depth` says how much it follows the turning face; `slide` moves it whole, in units at a turn of 1.
        """
        cos, sin, pivot, left, top = self._cos, self._sin, self._pivot, self._left, self._top
        reach = self.turn * TURN_SHIFT * depth
        push = self.turn * slide
        pixels = []
        for x, y in shape:
            if reach and -FACE_REACH < x < FACE_REACH and y > -72:
                x += reach * (1 - (x / FACE_REACH) ** 2) * min(1.0, (y + 72) / 36)
            x += push
            y -= pivot
            pixels.append((left + x * cos - y * sin, top + x * sin + y * cos))
        self._canvas.polygon(pixels, fill=self.lit(colour))

    def lit(self, colour: Colour) -> Colour:
        """The colour as the light of this picture shows it."""
        known = self._lit.get(colour)
        if known is None:
            red, green, blue = (min(255, round(part * gain)) for part, gain in zip(colour, self._gain, strict=True))
            known = self._lit[colour] = (red, green, blue)
        return known
