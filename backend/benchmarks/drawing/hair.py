"""Hair styles: what lies behind the head, what lies on it, and what falls over the shoulders.

Each style is one function from half the face's width to a `Hair`; `STYLES` names them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from functools import lru_cache

from backend.benchmarks.drawing.hair_parts import Hair, arc_shine, cap, curls, fringe_line
from backend.benchmarks.drawing.pen import Point, both_sides, mirrored, oval, ribbon, smooth


def _short(width: float) -> Hair:
    hairline = (
        (width - 7, -14),
        (width * 0.74, -30),
        (width * 0.3, -36),
        (-width * 0.2, -33),
        (-width * 0.72, -27),
        (-width + 7, -12),
    )
    return Hair(front=(cap(width, hairline),), shine=(arc_shine(width),))


def _side_part(width: float) -> Hair:
    part = (width * 0.42, -48)
    hairline = (
        (width - 7, -14),
        (width * 0.8, -32),
        part,
        part,
        (width * 0.1, -32),
        (-width * 0.5, -24),
        (-width + 6, -6),
    )
    sweep = smooth(
        (
            part,
            part,
            (width * 0.5, -66),
            (width * 0.1, -82),
            (-width * 0.6, -74),
            (-width - 8, -42),
            (-width - 3, -16),
            (-width - 3, -16),
            (-width * 0.5, -26),
            (width * 0.08, -34),
        )
    )
    strands = (
        ribbon(((width * 0.36, -56), (-width * 0.1, -62), (-width * 0.62, -50), (-width * 0.86, -36)), 3.0, 0.9),
        ribbon(((width * 0.3, -66), (-width * 0.1, -71), (-width * 0.5, -65)), 2.4, 0.9),
    )
    return Hair(front=(cap(width, hairline), sweep), shine=strands)


def _bob(width: float) -> Hair:
    back = smooth(
        both_sides(
            (
                (0, -76),
                (width * 0.7, -66),
                (width + 12, -30),
                (width + 15, 12),
                (width + 11, 46),
                (width - 4, 52),
            )
        )
    )
    sides = smooth(
        (
            (width * 0.8, -34),
            (width + 10, -30),
            (width + 15, 12),
            (width + 11, 46),
            (width - 3, 53),
            (width - 3, 53),
            (width - 5, 26),
            (width - 9, 0),
        )
    )
    fringe = cap(width, fringe_line(width, -20), top=-76, out=9)
    strands = (arc_shine(width), ribbon(((width + 6, -8), (width + 8, 16), (width + 5, 38)), 2.6, 0.9))
    return Hair(back=(back,), front=(sides, mirrored(sides), fringe), shine=strands)


def _long(width: float) -> Hair:
    back = smooth(
        both_sides(
            (
                (0, -76),
                (width * 0.7, -67),
                (width + 11, -32),
                (width + 14, 20),
                (width + 20, 74),
                (width + 14, 120),
            )
        )
    )
    curtain = smooth(
        (
            (0, -74),
            (0, -74),
            (width * 0.6, -67),
            (width + 8, -36),
            (width + 10, 6),
            (width + 1, 26),
            (width + 1, 26),
            (width - 6, -6),
            (width * 0.6, -32),
            (0, -56),
            (0, -56),
        )
    )
    lock = smooth(
        (
            (width - 3, 2),
            (width + 11, -2),
            (width + 16, 40),
            (width + 18, 84),
            (width + 4, 124),
            (width - 12, 128),
            (width - 4, 90),
            (width + 2, 46),
        )
    )
    strand = ribbon(((width + 6, 30), (width + 9, 66), (width + 2, 104)), 2.8, 0.9)
    parting = ribbon(((width * 0.16, -62), (width * 0.6, -48), (width * 0.88, -20)), 3.0, 0.9)
    return Hair(
        back=(back,),
        front=(curtain, mirrored(curtain)),
        shine=(parting, mirrored(parting)),
        over=(lock, mirrored(lock), strand),
    )


def _bun(width: float) -> Hair:
    hairline = ((width - 8, -16), (width * 0.72, -36), (0, -44), (-width * 0.72, -36), (-width + 8, -16))
    swirl = (
        ribbon(((-9, -84), (-2, -95), (10, -91), (11, -81)), 2.6, 0.8),
        ribbon(((-width * 0.6, -40), (-width * 0.4, -56), (-6, -69)), 2.6, 0.9),
        ribbon(((width * 0.6, -40), (width * 0.4, -56), (8, -69)), 2.6, 0.9),
    )
    band = ribbon(((-13, -71), (0, -67), (13, -71)), 5, 0.2)
    return Hair(
        back=(oval(0, -84, 20, 18),),
        front=(oval(0, -84, 20, 18), cap(width, hairline)),
        shine=swirl,
        bands=(band,),
    )


def _curly(width: float) -> Hair:
    sides = tuple(
        (sign * (width + 7 + lean), height)
        for height, lean in ((-28, 0), (-6, 4), (16, 6), (38, 4))
        for sign in (-1, 1)
    )
    crown = tuple(
        (math.cos(math.radians(angle)) * (width - 1), -34 - math.sin(math.radians(angle)) * 31)
        for angle in range(0, 181, 26)
    )
    fringe = tuple((width * share, -38 - 6 * (1 - abs(share))) for share in (-0.74, -0.36, 0.04, 0.42, 0.78))
    shine = tuple(
        ribbon(((x - 6, y + 1), (x - 3, y - 5), (x + 4, y - 5)), 2.4, 0.8)
        for x, y in (crown[1], crown[3], crown[5], *sides[2:6], fringe[1])
    )
    return Hair(
        back=(smooth(both_sides(((0, -70), (width + 4, -34), (width + 8, 30), (width - 8, 50)))),),
        halo=curls(sides, 15) + curls(crown, 14),
        front=(
            cap(width, fringe_line(width, -34)),
            *curls(crown, 12),
            *curls(fringe, 9),
            *curls(sides[:4], 10),
        ),
        shine=shine,
    )


def _afro(width: float) -> Hair:
    cloud = tuple(
        (math.cos(math.radians(angle)) * (width + 14), -30 - math.sin(math.radians(angle)) * 44)
        for angle in range(-34, 215, 16)
    )
    back = (*curls(cloud, 14), oval(0, -30, width + 16, 50))
    hairline = fringe_line(width, -37, drop=-4)
    shine = tuple(
        ribbon(((x * 0.86 - 5, y + 9), (x * 0.86 - 2, y + 3), (x * 0.86 + 5, y + 3)), 2.6, 0.8)
        for x, y in cloud[4:13:2]
    )
    return Hair(halo=back, front=(cap(width, hairline, top=-84, ends=0, out=8),), shine=shine)


def _bald(width: float) -> Hair:
    return Hair()


def _mohawk(width: float) -> Hair:
    hairline = ((width - 8, -18), (width * 0.74, -34), (0, -42), (-width * 0.74, -34), (-width + 8, -18))
    skull = (
        (-width + 2, -2),
        (-width + 2, -2),
        (-width * 0.95, -28),
        (-width * 0.62, -56),
        (0, -64),
        (width * 0.62, -56),
        (width * 0.95, -28),
        (width - 2, -2),
        (width - 2, -2),
    )
    crest = smooth(
        (
            (-14, -36),
            (-21, -60),
            (-27, -84),
            (-27, -84),
            (-15, -88),
            (-13, -99),
            (-13, -99),
            (-1, -93),
            (5, -103),
            (5, -103),
            (12, -91),
            (23, -94),
            (23, -94),
            (21, -76),
            (29, -74),
            (29, -74),
            (20, -54),
            (14, -36),
            (6, -27),
            (0, -33),
            (-6, -27),
        )
    )
    shine = (
        ribbon(((-8, -42), (-12, -64), (-15, -84)), 3, 0.9),
        ribbon(((1, -40), (2, -66), (4, -88)), 3, 0.9),
        ribbon(((8, -44), (13, -64), (18, -80)), 2.6, 0.9),
    )
    return Hair(front=(crest,), shine=shine, stubble=(smooth(skull + hairline),))


def _ponytail(width: float) -> Hair:
    hairline = (
        (width - 8, -14),
        (width * 0.76, -32),
        (width * 0.2, -44),
        (-width * 0.5, -36),
        (-width + 7, -12),
    )
    tail = smooth(
        (
            (width - 8, -56),
            (width + 12, -70),
            (width + 34, -52),
            (width + 38, -8),
            (width + 28, 40),
            (width + 14, 62),
            (width + 14, 62),
            (width + 14, 30),
            (width + 10, -6),
            (width - 2, -36),
        )
    )
    strands = (
        ribbon(((width + 12, -58), (width + 26, -38), (width + 27, 0), (width + 20, 38)), 3.2, 0.9),
        ribbon(((-width * 0.66, -40), (-width * 0.3, -56), (width * 0.4, -62)), 3, 0.9),
        ribbon(((-width * 0.3, -46), (width * 0.2, -54), (width * 0.7, -52)), 2.4, 0.9),
    )
    band = ribbon(((width - 7, -66), (width + 3, -56), (width + 4, -42)), 7, 0.2)
    return Hair(back=(tail,), front=(tail, cap(width, hairline)), shine=strands, bands=(band,))


def _braids(width: float) -> Hair:
    curtain = smooth(
        (
            (0, -74),
            (0, -74),
            (width * 0.6, -67),
            (width + 7, -36),
            (width + 9, 4),
            (width + 2, 30),
            (width - 5, 2),
            (width * 0.66, -30),
            (0, -60),
            (0, -60),
        )
    )
    plait = tuple(
        oval(width + 8 + (3 if step % 2 else -3) * 0.6, 28 + step * 14, 11.5 - step * 0.7, 9.5) for step in range(6)
    )
    parting = ribbon(((width * 0.12, -62), (width * 0.5, -50), (width * 0.86, -22)), 3.0, 0.9)
    tip = smooth(((width + 2, 112), (width + 14, 112), (width + 13, 128), (width + 7, 134), (width + 2, 128)))
    band = ribbon(((width + 0, 110), (width + 8, 112), (width + 16, 110)), 6, 0.1)
    notches = tuple(
        ribbon(((width + 1, 33 + step * 14), (width + 8, 37 + step * 14), (width + 14, 32 + step * 14)), 2.2, 0.9)
        for step in range(5)
    )
    back = smooth(both_sides(((0, -75), (width * 0.7, -65), (width + 8, -30), (width + 8, 22), (width - 8, 34))))
    over = (*plait, tip)
    return Hair(
        back=(back,),
        front=(curtain, mirrored(curtain)),
        shine=(parting, mirrored(parting), *notches, *(mirrored(notch) for notch in notches)),
        over=over + tuple(mirrored(shape) for shape in over),
        bands=(band, mirrored(band)),
    )


def _spiky(width: float) -> Hair:
    tips = (
        (-width - 11, -40),
        (-width * 0.86, -74),
        (-width * 0.4, -90),
        (width * 0.08, -95),
        (width * 0.54, -88),
        (width * 0.94, -70),
        (width + 12, -38),
    )
    valleys = tuple(((a[0] + b[0]) / 2 * 0.93, (a[1] + b[1]) / 2 + 14) for a, b in itertools.pairwise(tips))
    crown: list[Point] = [(-width + 5, 2), (-width - 4, -6)]
    for index, tip in enumerate(tips):
        crown.append(tip)
        if index < len(valleys):
            crown.append(valleys[index])
    crown += [(width + 4, -6), (width - 5, 2)]
    hairline = (
        (width - 8, -20),
        (width * 0.7, -32),
        (width * 0.46, -24),
        (width * 0.22, -36),
        (-width * 0.04, -24),
        (-width * 0.3, -36),
        (-width * 0.52, -25),
        (-width * 0.74, -34),
        (-width + 8, -18),
    )
    strands = tuple(
        ribbon(((x * 0.7, y * 0.66), (x * 0.82, y * 0.8), (x * 0.92, y * 0.92)), 3, 0.9) for x, y in tips[1:6:2]
    )
    return Hair(front=(tuple(crown) + hairline,), shine=strands)


STYLES: dict[str, Callable[[float], Hair]] = {
    "short": _short,
    "side part": _side_part,
    "bob": _bob,
    "long": _long,
    "bun": _bun,
    "curly": _curly,
    "afro": _afro,
    "bald": _bald,
    "mohawk": _mohawk,
    "ponytail": _ponytail,
    "braids": _braids,
    "spiky": _spiky,
}


@lru_cache(maxsize=256)
def hair_shapes(style: str, width: float) -> Hair:
    """The layers of a hair style, for a face `width` units wide from its middle to its side."""
    return STYLES[style](width)
