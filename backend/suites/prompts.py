"""The attack prompts as attacks of a suite. What each one says is in `backend/attack_prompts`."""

from __future__ import annotations

from backend.attack_prompts import ATTACKS, AttackPrompt
from backend.suites.info import AttackInfo, everywhere


def as_attack(prompt: AttackPrompt) -> AttackInfo:
    """The prompt as a member of every suite."""
    return AttackInfo(prompt.name, "prompt", prompt.title, prompt.tests, everywhere(), caution=prompt.caution)


FIRST_TOKENS = AttackInfo(
    "first_tokens",
    "prompt",
    "First tokens of the answer",
    "the beginning of the true answer, never a part of the fact: does the rest follow?",
    {"quick": (2,), "standard": (1, 2, 4), "full": (1, 2, 4)},
    "{} tokens",
    caution="The beginning may name the person.",
    bounds=(1, 1000),
    whole=True,
)
PROMPTS = (*(as_attack(prompt) for prompt in ATTACKS.values()), FIRST_TOKENS)
