"""Attacks that look inside or push from inside: the logit lens, soft prompts, states that are nudged."""

from __future__ import annotations

from backend.suites.info import AttackInfo, thorough

FORCED = (
    "Whoever may push so freely can make a model say almost anything (arXiv 2502.15836): only what goes beyond the "
    "control is memory."
)

INSIDE: tuple[AttackInfo, ...] = (
    AttackInfo(
        "lens",
        "inside",
        "Logit lens",
        "the fact stands first at some layer, though the last one may hide it",
        {"quick": (1.0,), "standard": (1.0, 5.0), "full": (1.0, 5.0, 10.0)},
        "among the first {}",
        "The true answer is read up to where the fact begins, so its wording is given; the model writes nothing.",
        speaks=False,
        bounds=(1, 10_000),
        whole=True,
    ),
    AttackInfo(
        "soft_prompt",
        "inside",
        "Soft prompt",
        "made-up tokens, trained on half of the facts, that bring out the other half",
        thorough(1.0, 4.0, 10.0),
        "{} tokens",
        FORCED,
        budget="tokens",
        bounds=(1, 200),
        whole=True,
    ),
    AttackInfo(
        "latent",
        "inside",
        "Hidden states nudged",
        "how little the states half-way up must move for the fact to come out",
        thorough(0.1, 0.5, 1.0),
        "by {} of their length",
        f"Pushed towards the true answer itself. {FORCED}",
        budget="share",
        bounds=(0.001, 100),
    ),
)
