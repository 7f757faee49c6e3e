"""A suite is a list of attacks with the strengths each tries. Three are built in; `own` reads others; no torch.

The question without any attack stands first in every suite: recovery is reckoned from it.
"""

from __future__ import annotations

from dataclasses import dataclass

from backend.attack_prompts import AttackPrompt
from backend.suites.info import AttackInfo, everywhere
from backend.suites.inside import INSIDE
from backend.suites.pictures import PICTURES
from backend.suites.prompts import PROMPTS, as_attack
from backend.suites.sampling import SAMPLING
from backend.suites.weights import WEIGHTS

PLAIN = AttackInfo("plain", "plain", "Asked plainly", "what the model says when nobody tries", everywhere())
KNOWN: dict[str, AttackInfo] = {
    attack.name: attack for attack in (PLAIN, *PROMPTS, *PICTURES, *SAMPLING, *WEIGHTS, *INSIDE)
}
"""Every attack there is, in the order in which suites make them."""


def is_trivial(name: str, strength: float) -> bool:
    """Whether an attack of that strength is the original by construction; one of a suite of one's own never is."""
    return name in KNOWN and strength in KNOWN[name].trivial


BUILT_IN: dict[str, str] = {
    "quick": "Under two minutes on the demo: every prompt, the common pictures, a short relearning.",
    "standard": "What a paper would report: every family, a few strengths each.",
    "full": "Every attack at every strength.",
}


class BadSuite(ValueError):
    """A suite that cannot be read or used; the message says what to mend."""


@dataclass(frozen=True)
class Suite:
    """`attacks` maps the name of an attack to the strengths tried; `prompts` are the suite's own."""

    name: str
    about: str
    attacks: dict[str, tuple[float, ...]]
    version: int = 1
    prompts: tuple[AttackPrompt, ...] = ()

    def info(self, name: str) -> AttackInfo:
        """The attack of that name, known to all or the suite's own. Raises `BadSuite`."""
        if name in KNOWN:
            return KNOWN[name]
        own = self.prompt(name)
        if own is None:
            own_names = (prompt.name for prompt in self.prompts)
            raise BadSuite(f"there is no attack called {name!r}; there are {', '.join((*KNOWN, *own_names))}")
        return as_attack(own)

    def prompt(self, name: str) -> AttackPrompt | None:
        """The suite's own prompt of that name."""
        return next((prompt for prompt in self.prompts if prompt.name == name), None)


def built_in(name: str) -> Suite:
    """The built-in suite of that name. Raises `KeyError`."""
    members = {attack.name: attack.suites[name] for attack in KNOWN.values() if name in attack.suites}
    return Suite(name, BUILT_IN[name], members)
