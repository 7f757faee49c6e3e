"""What an attack is, before anybody carries it out: its name, what a leak under it would show, and how hard it tries.

No torch: pages and the command line read this. The code of an attack is in `backend/attacks`, under the same name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Family = Literal["plain", "prompt", "picture", "weight", "inside", "sampling"]
Role = Literal["unlearned", "original", "control"]

FAMILIES: dict[Family, str] = {
    "plain": "No attack",
    "prompt": "Prompts",
    "picture": "Pictures",
    "weight": "Weights",
    "inside": "Inside",
    "sampling": "Sampling",
}
ROLES: tuple[Role, ...] = ("unlearned", "original", "control")
NO_STRENGTH = (0.0,)


@dataclass(frozen=True)
class AttackInfo:
    """`tests` is what a leak would show; `caution` is what speaks against taking it for memory, where something does.

    `suites` maps the name of a built-in suite to the strengths it tries; an attack that has none to choose from tries
    `NO_STRENGTH`. `strength` says what a strength is, with `{}` for the number. `roles` are the models it makes sense
    for, `modalities` the questions. A strength lies within `bounds`, is `whole`, or is one of `allowed`, where it must.

    `budget` is what a strength spends, from nothing at 0 (steps, samples), where it spends something: the report then
    says after how much of it half is back. At a `trivial` strength the model is the original by construction, so that
    an attack never stands at it. One that does not have the model write an answer (`speaks`) finds a fact inside it.
    """

    name: str
    family: Family
    title: str
    tests: str
    suites: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    strength: str = ""
    caution: str = ""
    roles: tuple[Role, ...] = ROLES
    modalities: tuple[str, ...] = ("image_text", "text")
    budget: str = ""
    trivial: tuple[float, ...] = ()
    speaks: bool = True
    bounds: tuple[float, float] = (0.0, math.inf)
    whole: bool = False
    allowed: tuple[float, ...] = ()

    def at(self, strength: float) -> str:
        """The strength in words; nothing for an attack that has none."""
        return self.strength.format(number(strength)) if self.strength else ""

    def fault(self, strength: float) -> str:
        """Why it cannot be of that strength, to follow the attack's name; nothing where it can."""
        least, most = self.bounds
        if self.allowed and strength not in self.allowed:
            return f"must be {' or '.join(map(number, self.allowed))}, not {number(strength)}"
        if not least <= strength <= most:
            return f"must lie between {number(least)} and {number(most)}, not at {number(strength)}"
        if self.whole and strength != int(strength):
            return f"must be a whole number, not {number(strength)}"
        return ""


def number(value: float) -> str:
    """A strength as people write it, and exactly: `4`, `0.25`."""
    return str(int(value)) if value == int(value) else repr(float(value))


def everywhere(*strengths: float) -> dict[str, tuple[float, ...]]:
    """The same strengths, or none to choose from, in every built-in suite."""
    return dict.fromkeys(("quick", "standard", "full"), strengths or NO_STRENGTH)


def thorough(*strengths: float) -> dict[str, tuple[float, ...]]:
    """In the standard and the full suite only."""
    return dict.fromkeys(("standard", "full"), strengths or NO_STRENGTH)
