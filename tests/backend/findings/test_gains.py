"""Whether attacks that change nothing pass for attacks that work: by hand, and over simulated runs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from backend.attack_report import unit_figures
from backend.findings import CLAIMS, Case
from backend.findings.evidence import with_chances
from backend.findings.gains import chances
from backend.suites import KNOWN
from storage.tables import AttackUnit

PROMPTS = tuple(name for name, info in KNOWN.items() if info.family == "prompt")
PLACES = {
    "prompts": tuple((name, 0.0) for name in PROMPTS),
    "visual_rumours": (("print_rumour", 0.0),),
    "relearning": tuple(("relearn_forget", float(steps)) for steps in (5, 10, 20, 40)),
}
RUNS = 30
BY_KEY = {claim.key: claim for claim in CLAIMS}


def unit(
    attack: str, role: str, told: Mapping[str, list[int]], strength: float = 0.0, modality: str = "text"
) -> AttackUnit:
    figures = unit_figures([(person, modality, float(leak)) for person, leaks in told.items() for leak in leaks])
    return AttackUnit(
        run_id="r", attack=attack, strength=strength, role=role, seconds=0.0, note=None, **figures
    )  # fmt: skip


def told(people: Mapping[str, int]) -> dict[str, list[int]]:
    """Of four questions each person was asked, so many leaked."""
    return {person: [1] * leaked + [0] * (4 - leaked) for person, leaked in people.items()}


PLAINLY = told({"a": 1, "b": 1, "c": 2})
MORE = told({"a": 3, "b": 2, "c": 3})
"""Gains of .5, .25 and .25 over `PLAINLY`: of the eight ways to flip them only the one as they are sums to 1."""


def test_the_chance_of_one_attack_is_counted_over_every_flip() -> None:
    units = [unit("plain", "unlearned", PLAINLY), unit("chain", "unlearned", MORE)]
    assert chances(units) == {("chain", 0.0): 1 / 8}


def test_the_best_of_several_is_held_against_the_best_of_all_under_each_flip() -> None:
    """Gains of `other`: −.25, .5, .25. The larger of the two sums under +++, −++, +−+, ++−, −−+, −+−, +−−, −−−: 1, 1,
    .5, .5, 0, .5, 0, −.5."""
    other = told({"a": 0, "b": 3, "c": 3})
    units = [
        unit("plain", "unlearned", PLAINLY),
        unit("chain", "unlearned", MORE),
        unit("roleplay", "unlearned", other),
    ]
    found = chances(units)
    assert found == {("chain", 0.0): 2 / 8, ("roleplay", 0.0): 5 / 8}


def test_an_attack_that_wrecks_the_model_hides_no_other() -> None:
    silence = told({"a": 0, "b": 0, "c": 0})
    units = [unit("plain", "unlearned", MORE), unit("chain", "unlearned", told({"a": 4, "b": 4, "c": 4}))]
    alone = chances(units)["chain", 0.0]
    assert chances([*units, unit("roleplay", "unlearned", silence)])["chain", 0.0] == alone == 1 / 8


def test_what_the_control_gains_as_well_is_no_gain() -> None:
    units = [unit("plain", "unlearned", PLAINLY), unit("chain", "unlearned", MORE)]
    same = [unit("plain", "control", PLAINLY), unit("chain", "control", MORE)]
    assert chances([*units, *same])["chain", 0.0] == 1.0
    strangers = [unit("plain", "control", told({"x": 0, "y": 0})), unit("chain", "control", told({"x": 2, "y": 1}))]
    assert chances([*units, *strangers])["chain", 0.0] == pytest.approx(5 / 8), "gains of .125, −.125, −.125"


def test_a_control_that_falls_silent_makes_no_gain() -> None:
    units = [unit("plain", "unlearned", PLAINLY), unit("chain", "unlearned", PLAINLY)]
    control = [unit("plain", "control", MORE), unit("chain", "control", PLAINLY)]
    assert chances([*units, *control])["chain", 0.0] == 1.0


def test_another_modality_is_no_plain_question() -> None:
    units = [unit("plain", "unlearned", PLAINLY, modality="image_text"), unit("chain", "unlearned", MORE)]
    assert chances(units) == {}


def verdict(key: str, seed: int, after: float | None, control_after: float = 0.1, people: int = 12) -> str:
    """Of a model that tells .4 plainly, its original .95 and its control .1, six questions a person; `after` is what
    it tells under the last attack tried, None as much as plainly."""
    rng = np.random.default_rng(seed)

    def said(rate: float) -> dict[str, list[int]]:
        return {f"p{at}": list(rng.binomial(1, rate, size=6)) for at in range(people)}

    modality = "image_text" if key == "visual_rumours" else "text"
    rates = {"unlearned": 0.4, "original": 0.95, "control": 0.1}
    units = [unit("plain", role, said(rate), modality=modality) for role, rate in rates.items()]
    for name, strength in PLACES[key]:
        works = after is not None and (name, strength) == PLACES[key][-1]
        now = rates | ({"unlearned": after, "control": control_after} if works else {})
        units += [unit(name, role, said(rate), strength, modality) for role, rate in now.items() if rate is not None]
    case = Case("r", "r", {}, {}, {}, {"attack": with_chances(units)})
    return BY_KEY[key].put_to([case]).verdict


@pytest.mark.parametrize("key", sorted(PLACES))
@pytest.mark.parametrize("people", [5, 12])
def test_attacks_that_change_nothing_are_no_finding(key: str, people: int) -> None:
    supported = sum(verdict(key, seed, None, people=people) == "supported" for seed in range(RUNS))
    assert supported <= 2, f"{supported} of {RUNS}"


@pytest.mark.parametrize("key", sorted(PLACES))
def test_an_attack_that_works_is_found(key: str) -> None:
    supported = sum(verdict(key, seed, 0.85) == "supported" for seed in range(RUNS))
    assert supported >= 25, f"{supported} of {RUNS}"


def test_a_prompt_that_makes_any_model_talk_is_no_finding() -> None:
    supported = sum(verdict("prompts", seed, 0.7, control_after=0.4) == "supported" for seed in range(RUNS))
    assert supported <= 2, f"{supported} of {RUNS}"
