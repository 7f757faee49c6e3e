"""What a fictitious person looks like, in words.

Every feature is a named string or a bool, so that a question about a picture ("Is this person wearing
glasses?", "What colour is the shirt?") has one true answer that can be read off the `Look`.
Promises: the same seed gives the same people, and any two people of one `distinct_looks` call differ in at
least `LEAST_DIFFERENCE` of the features that can be seen in a small picture.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass

SKINS = ("porcelain", "fair", "peach", "golden", "tan", "bronze", "brown", "ebony")
FACE_SHAPES = ("round", "oval", "square", "heart", "long")
HAIR_STYLES = (
    "short",
    "side part",
    "bob",
    "long",
    "bun",
    "curly",
    "afro",
    "bald",
    "mohawk",
    "ponytail",
    "braids",
    "spiky",
)
HAIR_COLOURS = ("black", "brown", "blond", "ginger", "grey", "white", "blue", "pink", "purple", "green")
EYE_COLOURS = ("brown", "blue", "green", "amber", "grey")
EYE_STYLES = ("round", "almond", "lashes", "sleepy")
BROWS = ("straight", "arched", "thick", "thin")
NOSES = ("button", "straight", "broad", "pointed")
MOUTHS = ("smile", "grin", "soft", "smirk", "laugh")
BEARDS = ("none", "moustache", "full", "goatee")
GLASSES = ("none", "round", "square")
HATS = ("none", "beanie", "brimmed", "headscarf")
SHIRT_COLOURS = (
    "red",
    "orange",
    "yellow",
    "green",
    "teal",
    "blue",
    "purple",
    "pink",
    "brown",
    "white",
    "black",
    "grey",
)
SHIRT_STYLES = ("plain", "collar", "stripes", "v-neck", "turtleneck", "hoodie", "scarf")

LOUD_FEATURES = ("skin", "hair_style", "hair_colour", "glasses", "beard", "shirt_colour", "face_shape", "hat")
LEAST_DIFFERENCE = 3

# Natural hair is drawn more often than dyed hair; order as in HAIR_COLOURS.
_HAIR_COLOUR_WEIGHTS = (5, 5, 4, 4, 3, 2, 2, 2, 2, 2)
_BEARDED_STYLES = frozenset({"short", "side part", "long", "curly", "afro", "bald", "mohawk", "spiky"})
# Styles that stand up or stand out would have to be cut off by a hat.
_HAT_STYLES = frozenset({"short", "side part", "bob", "long", "curly", "bald", "ponytail", "braids"})
# Skin, and hair or cloth so near to it in colour that the edge would be lost in a small picture.
_TOO_ALIKE = frozenset(
    {
        ("golden", "blond"),
        ("tan", "blond"),
        ("bronze", "brown"),
        ("bronze", "ginger"),
        ("brown", "brown"),
        ("ebony", "brown"),
    }
)
_CANDIDATES = 12
_ATTEMPTS = 400


@dataclass(frozen=True)
class Look:
    """One person's looks. `accent_colour` is the colour of the hat and of the scarf, where there is one."""

    skin: str
    face_shape: str
    hair_style: str
    hair_colour: str
    eye_colour: str
    eye_style: str
    brows: str
    nose: str
    mouth: str
    beard: str
    glasses: str
    earrings: bool
    freckles: bool
    hat: str
    shirt_colour: str
    shirt_style: str
    accent_colour: str

    @property
    def hair_shows(self) -> bool:
        """Whether the hair can be seen, so that a question about its colour has an answer."""
        return self.hair_style != "bald" and self.hat != "headscarf"


def difference(one: Look, other: Look) -> int:
    """How many of `LOUD_FEATURES` tell two people apart; hair that is hidden in both tells nothing."""
    names: tuple[str, ...] = LOUD_FEATURES
    if not (one.hair_shows and other.hair_shows):
        names = tuple(name for name in names if name != "hair_colour")
    if one.hat == other.hat == "headscarf":
        names = tuple(name for name in names if name != "hair_style")
    return sum(getattr(one, name) != getattr(other, name) for name in names)


def random_look(rng: random.Random, taken: Collection[Look] = ()) -> Look:
    """A look that differs from all of `taken` by at least `LEAST_DIFFERENCE`, and by more where it can.

    Raises ValueError when so many looks are taken that no such look turns up.
    """
    best: Look | None = None
    best_distance = LEAST_DIFFERENCE - 1
    for attempt in range(_ATTEMPTS):
        if best is not None and attempt >= _CANDIDATES:
            break
        look = _any_look(rng)
        distance = min((difference(look, other) for other in taken), default=len(LOUD_FEATURES))
        if distance > best_distance:
            best, best_distance = look, distance
    if best is None:
        raise ValueError(f"No look is left that differs from all {len(taken)} people; ask for fewer people.")
    return best


def distinct_looks(n: int, seed: int) -> list[Look]:
    """`n` people, any two `LEAST_DIFFERENCE` or more loud features apart; the same seed, the same people."""
    rng = random.Random(f"looks of {seed}")
    looks: list[Look] = []
    for _ in range(n):
        looks.append(random_look(rng, looks))
    return looks


def _any_look(rng: random.Random) -> Look:
    hair_style = rng.choice(HAIR_STYLES)
    hat = "none"
    if hair_style in _HAT_STYLES and rng.random() < 0.25:
        hat = rng.choices(HATS[1:], (2, 2, 3))[0]
    beard = "none"
    if hat != "headscarf" and hair_style in _BEARDED_STYLES and rng.random() < 0.45:
        beard = rng.choice(BEARDS[1:])
    skin = rng.choice(SKINS)
    hair_colour = rng.choices(HAIR_COLOURS, _HAIR_COLOUR_WEIGHTS)[0]
    while (skin, hair_colour) in _TOO_ALIKE:
        hair_colour = rng.choices(HAIR_COLOURS, _HAIR_COLOUR_WEIGHTS)[0]
    shirt_colour = rng.choice([colour for colour in SHIRT_COLOURS if (skin, colour) not in _TOO_ALIKE])
    return Look(
        skin=skin,
        face_shape=rng.choice(FACE_SHAPES),
        hair_style=hair_style,
        hair_colour=hair_colour,
        eye_colour=rng.choice(EYE_COLOURS),
        eye_style=rng.choice([style for style in EYE_STYLES if beard == "none" or style != "lashes"]),
        brows=rng.choice(BROWS),
        nose=rng.choice(NOSES),
        mouth=rng.choice(MOUTHS),
        beard=beard,
        glasses=rng.choices(GLASSES, (6, 2, 2))[0],
        earrings=hat != "headscarf" and rng.random() < 0.3,
        freckles=rng.random() < 0.25,
        hat=hat,
        shirt_colour=shirt_colour,
        shirt_style=rng.choice([style for style in SHIRT_STYLES if hat != "headscarf" or style != "scarf"]),
        accent_colour=rng.choice([colour for colour in SHIRT_COLOURS if colour != shirt_colour]),
    )
