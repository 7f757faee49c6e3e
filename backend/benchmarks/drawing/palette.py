"""The colours behind the names: every name of a `Look`, and the tints that are mixed from them."""

from __future__ import annotations

from backend.benchmarks.drawing.pen import Colour, mix

SKIN: dict[str, Colour] = {
    "porcelain": (255, 228, 208),
    "fair": (250, 211, 180),
    "peach": (243, 190, 148),
    "golden": (229, 172, 110),
    "tan": (208, 146, 92),
    "bronze": (175, 112, 66),
    "brown": (134, 80, 46),
    "ebony": (92, 55, 36),
}
HAIR: dict[str, Colour] = {
    "black": (38, 33, 38),
    "brown": (104, 62, 36),
    "blond": (238, 199, 104),
    "ginger": (205, 92, 38),
    "grey": (148, 150, 156),
    "white": (242, 240, 234),
    "blue": (62, 112, 204),
    "pink": (240, 122, 168),
    "purple": (132, 82, 178),
    "green": (78, 158, 92),
}
EYES: dict[str, Colour] = {
    "brown": (92, 56, 30),
    "blue": (58, 124, 190),
    "green": (74, 140, 84),
    "amber": (182, 116, 34),
    "grey": (112, 124, 136),
}
CLOTH: dict[str, Colour] = {
    "red": (208, 58, 58),
    "orange": (238, 132, 48),
    "yellow": (244, 200, 62),
    "green": (78, 152, 76),
    "teal": (26, 150, 146),
    "blue": (52, 104, 196),
    "purple": (124, 78, 172),
    "pink": (242, 142, 178),
    "brown": (128, 84, 56),
    "white": (247, 245, 239),
    "black": (46, 45, 54),
    "grey": (146, 152, 162),
}
# Backgrounds are paler than anything worn, so that a person always stands out from them.
BACKGROUNDS: dict[str, Colour] = {
    "mint": (191, 216, 210),
    "butter": (240, 220, 170),
    "sky": (196, 218, 236),
    "rose": (233, 204, 206),
    "sage": (208, 220, 194),
    "lilac": (217, 206, 232),
    "periwinkle": (192, 200, 238),
    "mist": (212, 218, 226),
}

WHITE: Colour = (255, 255, 255)
INK: Colour = (34, 30, 36)
TEETH: Colour = (255, 252, 246)
MOUTH_INSIDE: Colour = (120, 40, 46)
TONGUE: Colour = (226, 108, 108)
GOLD: Colour = (244, 196, 72)

_BLUSH: Colour = (236, 92, 88)
_LIP: Colour = (186, 62, 66)
_DYED = frozenset({"blue", "pink", "purple", "green"})
_NATURAL: Colour = (52, 36, 34)
_ROSY_LIP: Colour = (222, 96, 100)
_DARK: Colour = (24, 20, 40)


def skin_shade(skin: Colour, share: float = 0.22) -> Colour:
    """Skin in soft shadow: darker and redder, never grey."""
    return mix(skin, (round(skin[0] * 0.52), round(skin[1] * 0.34), round(skin[2] * 0.32)), share)


def blush(skin: Colour) -> Colour:
    """A warm cheek; dark skin takes less of it, or it would look painted."""
    return mix(skin, _BLUSH, 0.09 + 0.15 * skin[0] / 255)


def lip(skin: Colour) -> Colour:
    """Lips: deeper than pale skin, rosier than dark skin, so that a mouth can be seen on either."""
    return mix(skin, _LIP, 0.62) if sum(skin) > 420 else mix(skin, _ROSY_LIP, 0.58)


def brow(hair: str) -> Colour:
    """Brows and beards: the hair's own colour, or a natural one under dyed hair."""
    colour = HAIR[hair]
    return mix(colour, _NATURAL, 0.88) if hair in _DYED else shade(colour, 0.22)


def shade(colour: Colour, share: float = 0.2) -> Colour:
    """Cloth or hair in shadow."""
    return mix(colour, _DARK, share)


def light(colour: Colour, share: float = 0.22) -> Colour:
    """Cloth or hair where the light falls."""
    return mix(colour, WHITE, share)
