"""The head: ears, face, eyes, nose, mouth, beard and glasses, drawn on the turning surface of the face."""

from __future__ import annotations

from functools import lru_cache

from backend.benchmarks.drawing import palette
from backend.benchmarks.drawing.looks import Look
from backend.benchmarks.drawing.pen import (
    Colour,
    Pen,
    Point,
    Shape,
    both_sides,
    mirrored,
    mix,
    oval,
    ribbon,
    smooth,
)

# Half widths at the temples, the jaw and the chin, and the height of the chin.
_BUILD: dict[str, tuple[float, float, float, float]] = {
    "round": (51, 45, 26, 55),
    "oval": (46, 37, 19, 61),
    "square": (48, 46, 31, 58),
    "heart": (50, 35, 13, 61),
    "long": (42, 36, 21, 68),
}
_EYE_SPAN, _EYE_HEIGHT = 19.5, 2.0


def face_width(shape: str) -> float:
    """Half the width of the head, in units."""
    return _BUILD[shape][0]


def chin_height(shape: str) -> float:
    return _BUILD[shape][3]


@lru_cache(maxsize=16)
def _jaw(shape: str, margin: float = 0.0) -> tuple[Point, ...]:
    """The right side of the face from the ear down to the middle of the chin."""
    temple, jaw, chin, bottom = _BUILD[shape]
    return (
        (temple + margin * 0.3, 6),
        (temple * 0.97 + margin * 0.6, 16),
        (jaw + margin, bottom - 23),
        (chin + margin, bottom - 5 + margin * 0.6),
        (0, bottom + margin),
    )


@lru_cache(maxsize=16)
def face_outline(shape: str) -> Shape:
    temple = _BUILD[shape][0]
    return smooth(both_sides(((0, -61), (temple * 0.6, -54), (temple * 0.94, -28), (temple + 0.5, -6), *_jaw(shape))))


def draw_ears(pen: Pen, look: Look) -> None:
    skin = palette.SKIN[look.skin]
    width = face_width(look.face_shape)
    for side in (-1, 1):
        x = _ear(pen, width, side)
        pen.fill(oval(x, 8, 9, 12), skin, depth=0)
        pen.fill(oval(x + side * 1.5, 8, 4.5, 7.5), palette.skin_shade(skin), depth=0)


def _ear(pen: Pen, width: float, side: int) -> float:
    # The ear on the far side of a turned head hides behind the cheek.
    return side * (width + 1 - max(0.0, side * pen.turn) * 9)


def draw_earrings(pen: Pen, look: Look) -> None:
    """Drawn after the hair, so that long hair does not hide them."""
    if not look.earrings:
        return
    for side in (-1, 1):
        x = _ear(pen, face_width(look.face_shape), side) + side * 3
        pen.fill(oval(x, 24, 5.2), palette.GOLD, depth=0)
        pen.fill(oval(x - 1.5, 22.5, 1.7), palette.WHITE, depth=0)


def draw_face(pen: Pen, look: Look) -> None:
    """Everything on the face below the hair."""
    skin = palette.SKIN[look.skin]
    outline = face_outline(look.face_shape)
    pen.fill(outline, palette.skin_shade(skin, 0.12), depth=0)
    pen.fill(_lit_side(look.face_shape), skin, depth=0)
    _draw_cheeks(pen, look, skin)
    if look.beard != "none":
        _draw_beard(pen, look)
    _draw_nose(pen, look, skin)
    _draw_mouth(pen, look, skin)
    for side in (-1, 1):
        _draw_eye(pen, look, skin, side)
        _draw_brow(pen, look, side)


@lru_cache(maxsize=16)
def _lit_side(shape: str) -> Shape:
    return tuple((x * 0.955 - 2.2, y * 0.985 - 1.2) for x, y in face_outline(shape))


def _draw_cheeks(pen: Pen, look: Look, skin: Colour) -> None:
    for side in (-1, 1):
        pen.fill(oval(side * 29, 22, 9.5, 6.5), palette.blush(skin))
    if look.freckles:
        for x, y in ((-31, 16), (-25, 19), (-20, 15), (-27, 24), (-35, 21), (-16, 20)):
            for spot_x in (x, -x):
                pen.fill(oval(spot_x, y, 1.5), palette.skin_shade(skin, 0.5))


def _draw_eye(pen: Pen, look: Look, skin: Colour, side: int) -> None:
    x, y = side * _EYE_SPAN, _EYE_HEIGHT
    tall = {"round": 10.2, "almond": 7.8, "lashes": 9.4, "sleepy": 8.8}[look.eye_style]
    iris = palette.EYES[look.eye_colour]
    gaze = x + pen.turn * 1.6
    pen.fill(oval(x, y, 10.2, tall), palette.WHITE)
    pen.fill(oval(gaze, y + 0.4, 6.8, min(6.8, tall - 0.8)), iris)
    pen.fill(oval(gaze, y + 0.4, 4), palette.INK)
    pen.fill(oval(gaze - 2.2, y - 2.2, 2.2), palette.WHITE)
    pen.fill(oval(gaze + 2.2, y + 2.8, 1.1), mix(iris, palette.WHITE, 0.6))
    if look.eye_style == "sleepy":
        lid = smooth(((x - 11, y), (x - 7, y - 8.6), (x, y - 10.6), (x + 7, y - 8.6), (x + 11, y), (x, y - 3.4)))
        pen.fill(lid, palette.skin_shade(skin, 0.2))
        pen.fill(ribbon(((x - 11, y), (x, y - 3.8), (x + 11, y)), 2.8, 0.5), palette.INK)
        return
    lid_line = (
        (x - 10.8, y - 1),
        (x - 6, y - tall + 0.9),
        (x, y - tall - 0.6),
        (x + 6, y - tall + 0.9),
        (x + 10.8, y - 1),
    )
    pen.fill(ribbon(lid_line, 2.8, 0.5), palette.INK)
    if look.eye_style == "lashes":
        for out, up in ((8.5, 6.5), (11.5, 2)):
            tip = (x + side * (out + 4.5), y - up - 4)
            pen.fill(ribbon(((x + side * (out - 2), y - up), tip), 2.8, 0.4), palette.INK)


_BROW_SHAPES: dict[str, tuple[tuple[Point, ...], float]] = {
    "straight": (((9, -15.5), (19, -18), (30, -16)), 4.6),
    "arched": (((9, -14.5), (20, -22), (31, -14.5)), 4.2),
    "thick": (((8, -15.5), (19, -20), (31, -15)), 7),
    "thin": (((10, -15.5), (20, -19.5), (30, -16)), 3),
}


def _draw_brow(pen: Pen, look: Look, side: int) -> None:
    points, width = _BROW_SHAPES[look.brows]
    stroke = ribbon(points, width, 0.55)
    pen.fill(stroke if side == 1 else mirrored(stroke), palette.brow(look.hair_colour))


def _draw_nose(pen: Pen, look: Look, skin: Colour) -> None:
    tone = palette.skin_shade(skin, 0.55)
    if look.nose == "button":
        pen.fill(oval(0, 18, 6, 4.6), palette.skin_shade(skin, 0.16), depth=1.25)
        pen.fill(ribbon(((-5.5, 19), (0, 22.6), (5.5, 19)), 2.6, 0.6), tone, depth=1.25)
    elif look.nose == "straight":
        pen.fill(ribbon(((3, 0), (5, 10), (7, 19), (0, 21.5)), 2.6, 0.6), tone, depth=1.25)
    elif look.nose == "broad":
        pen.fill(
            ribbon(((-11, 17), (-8.5, 21), (-3, 19.6), (0, 22), (3, 19.6), (8.5, 21), (11, 17)), 2.8, 0.5),
            tone,
            depth=1.25,
        )
    else:
        pen.fill(
            smooth(((-1, 2), (4, 12), (8.5, 21), (0, 23.5), (-4.5, 21))),
            palette.skin_shade(skin, 0.15),
            depth=1.3,
        )
        pen.fill(ribbon(((8.5, 20), (2, 24), (-5, 21)), 2.6, 0.6), tone, depth=1.3)


def _draw_mouth(pen: Pen, look: Look, skin: Colour) -> None:
    y = chin_height(look.face_shape) - (23 if look.beard == "none" else 20)
    lips = palette.lip(skin)
    if look.mouth == "smile":
        pen.fill(ribbon(((-15, y - 2), (-8, y + 4), (0, y + 6), (8, y + 4), (15, y - 2)), 4.4, 0.45), lips)
    elif look.mouth == "grin":
        pen.fill(
            smooth(
                (
                    (-16, y - 3),
                    (-16, y - 3),
                    (0, y - 0.5),
                    (16, y - 3),
                    (16, y - 3),
                    (9, y + 8),
                    (0, y + 10.5),
                    (-9, y + 8),
                )
            ),
            lips,
        )
        pen.fill(
            smooth(
                (
                    (-13, y - 0.6),
                    (-13, y - 0.6),
                    (0, y + 1.4),
                    (13, y - 0.6),
                    (13, y - 0.6),
                    (7, y + 6),
                    (0, y + 7.6),
                    (-7, y + 6),
                )
            ),
            palette.TEETH,
        )
    elif look.mouth == "soft":
        pen.fill(
            smooth(
                (
                    (-11, y + 1),
                    (-11, y + 1),
                    (-4, y - 2.4),
                    (0, y - 1),
                    (4, y - 2.4),
                    (11, y + 1),
                    (11, y + 1),
                    (5, y + 6),
                    (-5, y + 6),
                )
            ),
            lips,
        )
        pen.fill(ribbon(((-11, y + 1), (0, y + 2.2), (11, y + 1)), 1.6, 0.4), palette.skin_shade(lips, 0.5))
    elif look.mouth == "smirk":
        pen.fill(ribbon(((-12, y + 2), (-3, y + 4.6), (7, y + 2.5), (15, y - 4)), 4.4, 0.45), lips)
    else:
        pen.fill(
            smooth(
                (
                    (-15, y - 4),
                    (-15, y - 4),
                    (0, y - 2.4),
                    (15, y - 4),
                    (15, y - 4),
                    (11, y + 8),
                    (0, y + 13),
                    (-11, y + 8),
                )
            ),
            palette.MOUTH_INSIDE,
        )
        pen.fill(
            smooth(
                (
                    (-13, y - 3.2),
                    (-13, y - 3.2),
                    (0, y - 1.6),
                    (13, y - 3.2),
                    (13, y - 3.2),
                    (11, y + 1),
                    (0, y + 2),
                    (-11, y + 1),
                )
            ),
            palette.TEETH,
        )
        pen.fill(oval(0, y + 9, 7.4, 3.4), palette.TONGUE)


@lru_cache(maxsize=64)
def _beard_shapes(shape: str, beard: str) -> tuple[Shape, ...]:
    bottom = chin_height(shape)
    y = bottom - 22
    wing = (
        (0, y - 8),
        (6, y - 9.5),
        (14, y - 5.5),
        (20, y - 6),
        (24, y - 10),
        (24, y - 10),
        (21, y - 1),
        (12, y + 1),
        (5, y - 1),
        (0, y - 3),
    )
    moustache = smooth(both_sides(wing))
    if beard == "moustache":
        return (moustache,)
    if beard == "goatee":
        chin = smooth(
            both_sides(((0, bottom - 11), (10, bottom - 12), (15, bottom - 4), (9, bottom + 7), (0, bottom + 10)))
        )
        return (chin, moustache)
    outside = _jaw(shape, 5.0)
    width = face_width(shape)
    inside = ((0, y - 7.5), (9, y - 9), (20, y - 4), (width * 0.72, 19), (width - 3.5, 2))
    right = inside + outside
    left = tuple((-px, py) for px, py in reversed(right) if px != 0)
    return (smooth(right + left),)


def _draw_beard(pen: Pen, look: Look) -> None:
    colour = palette.shade(palette.brow(look.hair_colour), 0.1)
    for shape in _beard_shapes(look.face_shape, look.beard):
        pen.fill(shape, colour, depth=0.8)


def draw_glasses(pen: Pen, look: Look) -> None:
    """Rims, bridge and arms; the rims are rings, so that the eyes show through."""
    if look.glasses == "none":
        return
    width = face_width(look.face_shape)
    y = _EYE_HEIGHT + 1
    # Dark rims would be lost on dark skin.
    frame = palette.GOLD if look.skin in ("brown", "ebony") else palette.INK
    pen.fill(ribbon(((-6, y - 2), (0, y - 5), (6, y - 2)), 3.6, 0.1), frame, depth=1.1)
    for side in (-1, 1):
        pen.fill(ribbon(((side * 34, y - 3), (side * (width + 1), y - 4)), 3.4, 0.1), frame)
        pen.fill(_rim(side * _EYE_SPAN, y, look.glasses), frame, depth=1.1)


@lru_cache(maxsize=8)
def _rim(x: float, y: float, style: str) -> Shape:
    if style == "round":
        outer, inner = oval(x, y, 17), oval(x, y, 13.6)
    else:
        outer = _box(x, y, 17, 14.6)
        inner = _box(x, y, 13.6, 11.2)
    return (*outer, outer[0], inner[0], *inner[::-1])


def _box(x: float, y: float, half_width: float, half_height: float) -> Shape:
    corner = 4.0
    wide, tall = half_width - corner, half_height - corner
    points: list[Point] = []
    for sign_x, sign_y, order in ((1, -1, 1), (1, 1, -1), (-1, 1, 1), (-1, -1, -1)):
        bend = [(0.0, 1.0), (0.38, 0.92), (0.71, 0.71), (0.92, 0.38), (1.0, 0.0)][::order]
        points += [(x + sign_x * (wide + corner * a), y + sign_y * (tall + corner * b)) for a, b in bend]
    return tuple(points)
