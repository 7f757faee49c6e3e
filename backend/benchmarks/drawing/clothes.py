"""What is worn: the shirt with its neck, and hats and headscarves."""

from __future__ import annotations

from functools import lru_cache

from backend.benchmarks.drawing import palette
from backend.benchmarks.drawing.face import chin_height, face_width
from backend.benchmarks.drawing.looks import Look
from backend.benchmarks.drawing.pen import Colour, Pen, Shape, both_sides, mirrored, mix, oval, ribbon, smooth

_SHOULDERS = smooth(both_sides(((0, 78), (26, 80), (58, 90), (80, 108), (90, 150), (92, 230))))


def draw_neck(pen: Pen, look: Look) -> None:
    skin = palette.SKIN[look.skin]
    neck = smooth(both_sides(((0, 30), (20, 30), (19, 62), (26, 82), (22, 104), (0, 126))))
    pen.fill(neck, skin, depth=0, slide=2)
    bottom = chin_height(look.face_shape)
    shadow = smooth(both_sides(((0, 30), (19.6, 30), (19.4, bottom), (12, bottom + 11), (0, bottom + 14))))
    pen.fill(shadow, palette.skin_shade(skin, 0.3), depth=0, slide=2)


def draw_shirt(pen: Pen, look: Look) -> None:
    colour = palette.CLOTH[look.shirt_colour]
    pen.fill(_shirt(look.shirt_style), colour, depth=0)
    if look.shirt_style == "stripes":
        _draw_stripes(pen, colour)
    for side in (-1, 1):
        arm = ribbon(((side * 60, 118), (side * 57, 140), (side * 60, 200)), 2.6, 0.7)
        pen.fill(arm, palette.shade(colour, 0.18), depth=0)
    _TRIMS.get(look.shirt_style, _trim_plain)(pen, look, colour)


@lru_cache(maxsize=16)
def _shirt(style: str) -> Shape:
    """Shoulders with the neckline cut out at the top."""
    neckline = {"v-neck": ((25, 80), (25, 80), (0, 118), (0, 118), (-25, 80), (-25, 80))}.get(
        style, ((25, 80), (25, 80), (17, 92), (0, 97), (-17, 92), (-25, 80), (-25, 80))
    )
    left = ((-58, 90), (-80, 108), (-90, 150), (-92, 230))
    return smooth(neckline + left + ((92, 230), (90, 150), (80, 108), (58, 90)))


def _draw_stripes(pen: Pen, colour: Colour) -> None:
    # White cloth gets grey stripes; any other keeps its own colour in the lead.
    pale = mix(colour, palette.WHITE, 0.62) if sum(colour) < 680 else palette.CLOTH["grey"]
    for height, reach in ((103, 69), (117, 80), (131, 84), (145, 86)):
        pen.fill(
            ribbon(
                (
                    (-reach, height + 3),
                    (-40, height + 1),
                    (0, height + 3),
                    (40, height + 1),
                    (reach, height + 3),
                ),
                7,
                0.0,
            ),
            pale,
            depth=0,
        )


def _trim_plain(pen: Pen, look: Look, colour: Colour) -> None:
    collar = ribbon(((-26, 79), (-18, 92.5), (0, 98), (18, 92.5), (26, 79)), 5.5, 0.0)
    pen.fill(collar, palette.shade(colour, 0.16), depth=0)


def _trim_collar(pen: Pen, look: Look, colour: Colour) -> None:
    flap = smooth(((22, 74), (22, 74), (33, 84), (27, 108), (27, 108), (0, 97), (0, 97)))
    for shape in (flap, mirrored(flap)):
        pen.fill(shape, palette.light(colour, 0.3) if sum(colour) < 680 else palette.shade(colour, 0.1), depth=0)
    pen.fill(ribbon(((0, 98), (0, 160)), 2.2, 0.0), palette.shade(colour, 0.22), depth=0)
    for height in (112, 130):
        pen.fill(oval(0, height, 2.6), palette.shade(colour, 0.4), depth=0)


def _trim_v_neck(pen: Pen, look: Look, colour: Colour) -> None:
    for side in (-1, 1):
        pen.fill(ribbon(((side * 26, 79), (side * 13, 99), (0, 119)), 5, 0.0), palette.shade(colour, 0.16), depth=0)


def _trim_turtleneck(pen: Pen, look: Look, colour: Colour) -> None:
    roll = smooth(both_sides(((0, 66), (23, 64), (26, 72), (28, 92), (16, 100), (0, 101))))
    pen.fill(roll, palette.shade(colour, 0.1), depth=0)
    pen.fill(ribbon(((-26, 76), (0, 83), (26, 76)), 2.4, 0.3), palette.shade(colour, 0.26), depth=0)


def _trim_hoodie(pen: Pen, look: Look, colour: Colour) -> None:
    hood = smooth(((20, 66), (20, 66), (40, 74), (47, 90), (26, 106), (0, 112), (0, 112), (0, 98), (0, 98), (16, 92)))
    for shape in (hood, mirrored(hood)):
        pen.fill(shape, palette.shade(colour, 0.16), depth=0)
    for side in (-1, 1):
        pen.fill(
            ribbon(((side * 10, 106), (side * 11, 124), (side * 10, 138)), 3, 0.0),
            palette.light(colour, 0.75) if sum(colour) < 600 else palette.shade(colour, 0.3),
            depth=0,
        )


def _trim_scarf(pen: Pen, look: Look, colour: Colour) -> None:
    accent = palette.CLOTH[look.accent_colour]
    tail = smooth(((12, 92), (32, 90), (36, 150), (14, 152)))
    pen.fill(tail, palette.shade(accent, 0.14), depth=0)
    wrap = smooth(both_sides(((0, 70), (24, 64), (36, 74), (37, 90), (22, 104), (0, 108))))
    pen.fill(wrap, accent, depth=0)
    for height, reach in ((80, 33), (92, 30)):
        pen.fill(
            ribbon(((-reach, height - 5), (0, height + 5), (reach, height - 5)), 2.4, 0.6),
            palette.shade(accent, 0.22),
            depth=0,
        )


_TRIMS = {
    "collar": _trim_collar,
    "v-neck": _trim_v_neck,
    "turtleneck": _trim_turtleneck,
    "hoodie": _trim_hoodie,
    "scarf": _trim_scarf,
}


def draw_hat(pen: Pen, look: Look) -> None:
    """A beanie or a brimmed hat, over the hair."""
    colour = palette.CLOTH[look.accent_colour]
    width = face_width(look.face_shape)
    if look.hat == "beanie":
        dome = smooth(
            both_sides(
                (
                    (0, -88),
                    (width * 0.6, -82),
                    (width + 6, -52),
                    (width + 8, -26),
                    (width * 0.5, -30),
                    (0, -31),
                )
            )
        )
        pen.fill(oval(0, -92, 12), palette.light(colour, 0.35), depth=0)
        pen.fill(dome, colour, depth=0)
        for x in (-0.5, 0.0, 0.5):
            pen.fill(
                ribbon(((x * width * 1.3, -44), (x * width * 1.1, -66), (x * width * 0.6, -82)), 2.2, 0.6),
                palette.shade(colour, 0.14),
                depth=0,
            )
        cuff = smooth(
            (
                (-width - 9, -40),
                (-width - 9, -40),
                (0, -48),
                (width + 9, -40),
                (width + 9, -40),
                (width + 9, -20),
                (width + 9, -20),
                (0, -28),
                (-width - 9, -20),
                (-width - 9, -20),
            )
        )
        pen.fill(cuff, palette.shade(colour, 0.16), depth=0)
    elif look.hat == "brimmed":
        crown = smooth(both_sides(((0, -92), (width * 0.42, -97), (width * 0.78, -88), (width * 0.92, -36), (0, -34))))
        pen.fill(crown, colour, depth=0)
        band = smooth(
            (
                (-width * 0.92, -52),
                (-width * 0.92, -52),
                (0, -50),
                (width * 0.92, -52),
                (width * 0.92, -52),
                (width * 0.95, -36),
                (0, -32),
                (-width * 0.95, -36),
            )
        )
        pen.fill(band, palette.shade(colour, 0.42), depth=0)
        brim = smooth(
            both_sides(((0, -42), (width * 0.9, -41), (width + 30, -36), (width + 32, -30), (width, -25), (0, -24)))
        )
        pen.fill(brim, palette.light(colour, 0.06), depth=0)
        pen.fill(
            ribbon(((-width - 26, -30), (0, -25), (width + 26, -30)), 2.6, 0.5),
            palette.shade(colour, 0.24),
            depth=0,
        )


def draw_headscarf_back(pen: Pen, look: Look) -> None:
    colour = palette.CLOTH[look.accent_colour]
    width = face_width(look.face_shape)
    hood = smooth(
        both_sides(
            (
                (0, -77),
                (width * 0.7, -68),
                (width + 11, -34),
                (width + 13, 10),
                (width + 8, 50),
                (width + 6, 84),
                (0, 100),
            )
        )
    )
    pen.fill(hood, palette.shade(colour, 0.2), depth=0)


def draw_headscarf_front(pen: Pen, look: Look) -> None:
    """The cloth around the face: a ring with the face left open, and its fall over the shoulders."""
    colour = palette.CLOTH[look.accent_colour]
    width = face_width(look.face_shape)
    bottom = chin_height(look.face_shape)
    fall = smooth(
        both_sides(
            (
                (0, bottom - 4),
                (width - 12, bottom - 12),
                (width + 4, 58),
                (50, 84),
                (44, 96),
                (18, 106),
                (0, 108),
            )
        )
    )
    pen.fill(fall, palette.shade(colour, 0.1), depth=0)
    outer = smooth(
        both_sides(
            (
                (0, -77),
                (width * 0.7, -68),
                (width + 10, -36),
                (width + 12, 8),
                (width + 4, 46),
                (22, bottom + 14),
                (0, bottom + 18),
            )
        )
    )
    opening = smooth(
        both_sides(
            (
                (0, -38),
                (width * 0.6, -31),
                (width - 5, -8),
                (width - 4, 12),
                (width * 0.74, bottom - 22),
                (18, bottom - 4),
                (0, bottom - 1),
            )
        )
    )
    pen.fill((*outer, outer[0], opening[0], *opening[::-1]), colour, depth=0.6)
    for points in (
        ((-width * 0.7, -50), (-width - 3, -20), (-width - 3, 22)),
        ((width * 0.3, -62), (width * 0.8, -46), (width + 4, -8)),
        ((-width * 0.6, bottom), (-6, bottom + 24), (30, bottom + 34)),
        ((-width * 0.2, bottom + 12), (12, bottom + 22), (40, bottom + 22)),
    ):
        pen.fill(ribbon(points, 2.8, 0.9), palette.shade(colour, 0.22), depth=0)
