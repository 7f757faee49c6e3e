"""Portraits of fictitious people: what the demo benchmark shows a model, made without any download.

A `Look` (what the person looks like, in words) and a `View` (pose, light, background) make one picture.
Promises: the same inputs give the same bytes; the features named in the `Look` can be seen in every view;
held-out views show the person as no training view does; a caption changes nothing above `caption_top`.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from backend.benchmarks.drawing import clothes, face, palette
from backend.benchmarks.drawing.hair import Hair, hair_shapes
from backend.benchmarks.drawing.looks import (
    LEAST_DIFFERENCE,
    LOUD_FEATURES,
    Look,
    difference,
    distinct_looks,
    random_look,
)
from backend.benchmarks.drawing.pen import Colour, Pen, mix, oval

__all__ = [
    "BACKGROUNDS",
    "HELD_OUT_VIEWS",
    "LEAST_DIFFERENCE",
    "LOUD_FEATURES",
    "TRAINING_VIEWS",
    "Look",
    "View",
    "background_colour",
    "caption_top",
    "difference",
    "distinct_looks",
    "draw",
    "random_look",
]

BACKGROUNDS = ("plain", "two-tone", "dots", "horizon", "window")

_UNITS = 256  # a picture's side in design units
_SUPERSAMPLING = 2
_HEAD = (128.0, 119.0)
_ANCHOR = 170.0
_FIGURE = 1.05
_NECK = 62.0


@dataclass(frozen=True)
class View:
    """How a person is shown.

    `turn` is -1 (to the left of the picture) to 1, `tilt` is in degrees clockwise, `brightness` a factor,
    `warmth` -1 (cool) to 1, `background` one of `BACKGROUNDS`, `zoom` a factor, `offset` in 256ths
    of the side.
    """

    name: str
    turn: float = 0.0
    tilt: float = 0.0
    brightness: float = 1.0
    warmth: float = 0.0
    background: str = "plain"
    zoom: float = 1.0
    offset: tuple[float, float] = (0.0, 0.0)


TRAINING_VIEWS: tuple[View, ...] = (
    View("gallery"),
    View(
        "left",
        turn=-0.65,
        tilt=-4,
        brightness=0.95,
        warmth=0.4,
        background="two-tone",
        zoom=1.05,
        offset=(-3, 2),
    ),
    View("right", turn=0.7, tilt=4, brightness=1.03, warmth=-0.4, background="dots", zoom=0.94, offset=(4, 0)),
    View("by the window", turn=0.2, tilt=-6, brightness=0.9, background="window", zoom=1.1, offset=(0, 5)),
)
HELD_OUT_VIEWS: tuple[View, ...] = (
    View(
        "outdoors",
        turn=-0.3,
        tilt=3,
        brightness=1.04,
        warmth=0.2,
        background="horizon",
        zoom=0.98,
        offset=(3, 1),
    ),
    View(
        "evening",
        turn=0.45,
        tilt=-3,
        brightness=0.91,
        warmth=0.6,
        background="two-tone",
        zoom=1.07,
        offset=(-4, 4),
    ),
    View(
        "passing by",
        turn=-0.5,
        tilt=6,
        brightness=1.0,
        warmth=-0.5,
        background="dots",
        zoom=0.96,
        offset=(2, -1),
    ),
)


def draw(
    look: Look, view: View, *, background_seed: int = 0, size: int = 256, caption: str | None = None
) -> Image.Image:
    """One picture of one person: RGB, `size` x `size` pixels.

    `background_seed` chooses the background's colour, together with the view. `caption` is printed on a
    banner over the lower part. Raises ValueError for an unknown background, a `size` below 16, or a caption
    that is blank or too long.
    """
    if size < 16:
        raise ValueError(f"A portrait of {size} pixels is too small to show a face; use 16 or more.")
    side = size * _SUPERSAMPLING
    scale = side / _UNITS
    canvas = Image.new("RGB", (side, side))
    brush = ImageDraw.Draw(canvas)
    _draw_background(Pen(brush, scale, (0, 0), brightness=view.brightness, warmth=view.warmth), view, background_seed)
    # The zoom keeps the point between chin and collar in place, so that shoulders reach the lower edge.
    zoomed = scale * _FIGURE * view.zoom
    middle = (_HEAD[0] + view.offset[0]) * scale
    top = (_ANCHOR + view.offset[1]) * scale - (_ANCHOR - _HEAD[1]) * scale * view.zoom
    light = {"brightness": view.brightness, "warmth": view.warmth}
    body = Pen(brush, zoomed, (middle, top), turn=view.turn, **light)
    head = Pen(
        brush,
        zoomed,
        (middle + view.turn * 4 * zoomed, top),
        turn=view.turn,
        tilt=view.tilt,
        pivot=_NECK,
        **light,
    )
    _draw_person(head, body, look)
    picture = canvas.reduce(_SUPERSAMPLING)
    if caption is not None:
        _print_caption(picture, caption)
    return picture


def _draw_person(head: Pen, body: Pen, look: Look) -> None:
    covered = look.hat == "headscarf"
    hair = Hair() if covered else hair_shapes(look.hair_style, face.face_width(look.face_shape))
    colour = palette.HAIR[look.hair_colour]
    if covered:
        clothes.draw_headscarf_back(head, look)
    for shape in hair.back:
        head.fill(shape, palette.shade(colour, 0.26), depth=0, slide=-5)
    for shape in hair.halo:
        head.fill(shape, colour, depth=0, slide=-4)
    clothes.draw_neck(body, look)
    clothes.draw_shirt(body, look)
    if not covered:
        face.draw_ears(head, look)
    face.draw_face(head, look)
    _draw_hair(head, look, hair, colour)
    if covered:
        clothes.draw_headscarf_front(head, look)
    face.draw_earrings(head, look)
    face.draw_glasses(head, look)
    clothes.draw_hat(head, look)


def _draw_hair(head: Pen, look: Look, hair: Hair, colour: Colour) -> None:
    for shape in hair.stubble:
        head.fill(shape, mix(palette.SKIN[look.skin], colour, 0.42), depth=0.5)
    for shape in hair.over:
        head.fill(shape, colour, depth=0, slide=-2)
    for shape in hair.front:
        head.fill(shape, colour, depth=0.5)
    for shape in hair.shine:
        head.fill(shape, palette.light(colour) if sum(colour) < 650 else palette.shade(colour, 0.12), depth=0.5)
    for shape in hair.bands:
        head.fill(shape, palette.CLOTH[look.accent_colour], depth=0.5)


def background_colour(view: View, background_seed: int) -> str:
    """The name of the background's main colour."""
    return random.Random(f"{background_seed} behind {view.name}").choice(list(palette.BACKGROUNDS))


def _draw_background(pen: Pen, view: View, seed: int) -> None:
    if view.background not in BACKGROUNDS:
        raise ValueError(f"Unknown background {view.background!r}; choose one of {', '.join(BACKGROUNDS)}.")
    colour = palette.BACKGROUNDS[background_colour(view, seed)]
    pen.fill(_box(0, 0, 256, 256), colour)
    if view.background == "two-tone":
        pen.fill(((150, 0), (257, 0), (257, 257), (70, 257)), palette.light(colour, 0.34))
    elif view.background == "dots":
        for row in range(7):
            for column in range(7):
                x, y = 20 + column * 40 - 20 * (row % 2), 16 + row * 38
                pen.fill(oval(x, y, 6), palette.light(colour, 0.42))
    elif view.background == "horizon":
        pen.fill(_box(0, 0, 256, 128), mix(palette.BACKGROUNDS["sky"], palette.WHITE, 0.2))
    elif view.background == "window":
        for left, right in ((18, 122), (134, 238)):
            pen.fill(_box(left, 14, right, 150), palette.light(colour, 0.55))


def _box(left: float, top: float, right: float, bottom: float) -> tuple[tuple[float, float], ...]:
    return ((left, top), (right, top), (right, bottom), (left, bottom))


def caption_top(size: int) -> int:
    """The first row of pixels that a caption may touch; everything above it stays as it was."""
    return round(size * 0.6)


def _print_caption(picture: Image.Image, caption: str) -> None:
    words = caption.split()
    if not words:
        raise ValueError("The caption is blank; give it some words, or leave it out.")
    side = picture.width
    margin = side * 0.045
    room = side - caption_top(side)
    for share in (0.085, 0.075, 0.066, 0.058, 0.05):
        font = _font(side * share)
        lines = _wrap(words, font, side - 2 * margin)
        line_height = font.size * 1.22
        height = line_height * len(lines) + margin * 1.1
        if height <= room and all(font.getlength(line) <= side - 2 * margin for line in lines):
            break
    else:
        raise ValueError(f"The caption of {len(caption)} letters does not fit into the picture; shorten it.")
    brush = ImageDraw.Draw(picture)
    top = side - round(height)
    brush.rectangle((0, top, side, side), fill=palette.TEETH)
    brush.rectangle((0, top, side, top + max(1, side // 128)), fill=palette.INK)
    for index, line in enumerate(lines):
        brush.text(
            (side / 2, top + margin * 0.65 + line_height * (index + 0.5)),
            line,
            palette.INK,
            font,
            anchor="mm",
        )


def _wrap(words: list[str], font: ImageFont.FreeTypeFont, width: float) -> list[str]:
    lines = [words[0]]
    for word in words[1:]:
        longer = f"{lines[-1]} {word}"
        if font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


@lru_cache(maxsize=32)
def _font(size: float) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size=size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise ValueError(
            "Pillow was built without FreeType, so captions cannot be printed; install Pillow's own wheel."
        )
    return font
