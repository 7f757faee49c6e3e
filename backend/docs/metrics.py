"""`docs/metrics.md`: what is measured, by which rule, and what guessing gives."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from backend.attack_prompts import ATTACKS, VERSION, AttackPrompt
from backend.benchmarks import demo_words
from backend.docs.measures import MEASURES, PAPER_RULES
from backend.docs.tables import HEAD, table
from backend.metrics.answers import collapsed, holds
from backend.metrics.interval import over_people
from backend.metrics.score import flag_collapse


def metrics_page() -> str:
    """What is measured, by which rule, and what guessing gives."""
    measures = [(f"`{one.name}`", one.where, one.measured, one.span, one.chance) for one in MEASURES]
    attributes = demo_words.ATTRIBUTES | {"rumour": demo_words.RUMOUR}
    lists = [(name, len(set(about.values))) for name, about in attributes.items()]
    parts = [
        "# What is measured\n",
        "Scores stand by set (forget, test, retain, celebrity, general, holdout), task and modality, each with its "
        "number of questions n and a 95 % interval over people. Low on forget and test and high on the rest "
        "is the aim; how low is low enough, only a retain-only (gold) model can tell. Held-out people were never "
        "taught to any model, so nobody can know them: they are what not knowing looks like.\n",
        table(("name", "where", "what is measured", "range", "chance"), measures),
        "## Guessing in the demo world\n",
        "Who has forgotten a person can still know which answers are usual. A guess from the list of an "
        "attribute's values is right this often. Names are on no list; the general questions on glasses and "
        "hats have two answers, so a guess is right about half the time.\n",
        table(
            ("attribute", "values", "chance"),
            [(name, str(count), f"{1 / count:.2f}") for name, count in lists],
        ),
        "## Rules\n",
        _rule("The fact is in the answer", holds),
        _rule("The 95 % interval", over_people),
        _rule("⚠ collapsed", collapsed),
        _rule("⚠ below the collapse line", flag_collapse),
        *(_rule(f"`{rule.__name__}`", rule) for rule in PAPER_RULES),
        f"## Attack prompts, version {VERSION}\n",
        "Each wraps the plain question; nothing of the true answer enters one except where it says so.\n",
        table(
            ("name", "title", "what a leak would show", "prompt"),
            [(f"`{one.name}`", one.title, one.tests, _prompt(one)) for one in ATTACKS.values()],
        ),
    ]
    return HEAD + "\n".join(parts)


def _rule(title: str, function: Callable[..., Any]) -> str:
    return f"### {title}\n\n{inspect.getdoc(function)}\n"


def _prompt(attack: AttackPrompt) -> str:
    return f"{attack.template} → {attack.prefix} …" if attack.prefix else attack.template
