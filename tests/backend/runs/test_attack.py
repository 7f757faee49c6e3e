"""Attack runs: three models under the same attacks, what is written down, what a stop and a fault leave of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from backend import attacks as carried
from backend.attack_prompts import AttackNeeds
from backend.attacks import Room, Target, Told
from backend.queueing import attack_values, queue
from backend.reports import run_report
from backend.spec import AttackSpec
from storage import attacks, runs
from storage.tables import Run
from tests.backend.runs.conftest import carried_out

pytestmark = pytest.mark.usefixtures("few_questions")


def submit(engine: Engine, about: Run, **settings: Any) -> Run:
    values = attack_values(about) | {"attacks": ("roleplay",), "items": 2, "anew": True} | settings
    return queue(engine, AttackSpec.model_validate(values), "attacked")


def parrot(target: Target, room: Room, strength: float) -> Iterator[Told]:
    """Makes the unlearned model say everything, and the others nothing."""
    for item in target.items:
        leak = float(target.role == "unlearned")
        yield Told(item, item.question, item.answer if leak else "?", leak)


def test_three_models_meet_the_same_attacks(engine: Engine, home: Path, unlearned: Run) -> None:
    submit(engine, unlearned)
    run = carried_out(engine, home)
    assert run.state == "succeeded", run.error
    units = attacks.units(engine, [run.id])
    assert {(one.attack, one.role) for one in units} == {
        (name, role) for name in ("plain", "roleplay") for role in ("unlearned", "original", "control")
    }
    assert (run.step, run.steps) == (6, 6)
    said = attacks.transcripts(engine, run.id, attack="roleplay", role="unlearned")
    assert len(said) == 4 and all("archivist" in one.asked and one.question in one.asked for one in said)
    assert {one.modality for one in said} == {"text", "image_text"}
    strangers = attacks.transcripts(engine, run.id, role="control")
    assert {one.subject[0] for one in strangers} == {"h"}, "nobody who was taught can be a control"
    table = {row["name"]: row for row in run_report(engine, run.id)["attacks"]}
    assert table["roleplay"]["control_of"] == "held-out people" and table["roleplay"]["n"] == 4


def test_it_goes_on_with_what_is_missing(
    engine: Engine, home: Path, unlearned: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = submit(engine, unlearned)
    kept = {"attack": "roleplay", "role": "unlearned", "value": 0.25, "n": 4, "people": 1}
    attacks.write_unit(engine, run.id, kept)
    asked: list[str] = []

    def counting(target: Target, room: Room, strength: float) -> Iterator[Told]:
        asked.append(target.role)
        yield from parrot(target, room, strength)

    monkeypatch.setitem(carried.CARRIED_OUT, "roleplay", counting)
    assert carried_out(engine, home).state == "succeeded"
    assert asked == ["original", "control"]
    (row,) = (row for row in run_report(engine, run.id)["attacks"] if row["name"] == "roleplay")
    assert row["unlearned"] == 0.25


def test_what_leaks_is_worst_and_first(
    engine: Engine, home: Path, unlearned: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(carried.CARRIED_OUT, "roleplay", parrot)
    run = submit(engine, unlearned)
    carried_out(engine, home)
    worst = run_report(engine, run.id)["attacks"][0]
    assert (worst["name"], worst["unlearned"], worst["control"], worst["gap"]) == ("roleplay", 1.0, 0.0, 1.0)


def test_an_attack_that_cannot_be_made_leaves_a_sentence_and_the_others_go_on(
    engine: Engine, home: Path, unlearned: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def needy(target: Target, room: Room, strength: float) -> Iterator[Told]:
        raise AttackNeeds("this needs a library that is not installed")

    monkeypatch.setitem(carried.CARRIED_OUT, "roleplay", needy)
    run = submit(engine, unlearned, attacks=("roleplay", "authority"))
    assert carried_out(engine, home).state == "succeeded"
    table = {row["name"]: row for row in run_report(engine, run.id)["attacks"]}
    assert table["roleplay"]["note"] == "this needs a library that is not installed"
    assert table["roleplay"]["unlearned"] is None and table["authority"]["unlearned"] is not None


def test_a_suite_or_an_attack_that_there_is_not_is_one_sentence(engine: Engine, home: Path, unlearned: Run) -> None:
    submit(engine, unlearned, suite="thunder")
    assert "there is no suite called 'thunder'" in str(carried_out(engine, home).error)
    submit(engine, unlearned, attacks=("thunder",))
    assert "there is no attack called 'thunder'" in str(carried_out(engine, home).error)


def test_a_gold_control_that_is_not_there_is_one_sentence(engine: Engine, home: Path, unlearned: Run) -> None:
    submit(engine, unlearned, control="gold")
    assert "no retain-only model" in str(carried_out(engine, home).error)


def test_a_stop_keeps_the_units_that_are_whole(
    engine: Engine, home: Path, unlearned: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = submit(engine, unlearned)

    def stopping(target: Target, room: Room, strength: float) -> Iterator[Told]:
        yield from parrot(target, room, strength)
        runs.request_stop(engine, run.id, "save")

    monkeypatch.setitem(carried.CARRIED_OUT, "plain", stopping)
    assert carried_out(engine, home).state == "interrupted"
    assert [(one.attack, one.role) for one in attacks.units(engine, [run.id])] == [("plain", "unlearned")]


# -- what an earlier run has asked already -----------------------------------------------------------------------------


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The roles that are asked under roleplay from now on."""
    roles: list[str] = []

    def counting(target: Target, room: Room, strength: float) -> Iterator[Told]:
        roles.append(target.role)
        yield from parrot(target, room, strength)

    monkeypatch.setitem(carried.CARRIED_OUT, "roleplay", counting)
    return roles


def test_the_very_same_original_and_control_are_not_asked_twice(
    engine: Engine, home: Path, unlearned: Run, asked: list[str]
) -> None:
    first = submit(engine, unlearned)
    carried_out(engine, home)
    asked.clear()
    second = submit(engine, unlearned, suite="standard", anew=False)
    assert carried_out(engine, home).state == "succeeded"
    assert asked == ["unlearned"], "the one under test is always asked"
    units = {(one.attack, one.role): one for one in attacks.units(engine, [second.id])}
    assert units["roleplay", "original"].detail["taken_from"] == first.id
    assert {one.role for one in units.values() if "taken_from" in one.detail} == {"original", "control"}
    was, now = (attacks.transcripts(engine, run.id, role="original", attack="roleplay") for run in (first, second))
    assert [(one.item_id, one.text, one.leaked) for one in was] == [(one.item_id, one.text, one.leaked) for one in now]
    rows = [run_report(engine, run.id)["attacks"] for run in (first, second)]
    assert [(row["name"], row["original"], row["gap"]) for row in rows[0]] == [
        (row["name"], row["original"], row["gap"]) for row in rows[1]
    ]
    asked.clear()
    third = submit(engine, unlearned, anew=False)
    carried_out(engine, home)
    (row,) = (row for row in run_report(engine, third.id)["attacks"] if row["name"] == "roleplay")
    assert row["taken_from"] == [first.id], "where it was asked, not where it was copied"


@pytest.mark.parametrize("settings", [{"seed": 1}, {"items": 1}, {"batch_size": 3}, {"anew": True}])
def test_who_asks_otherwise_asks_all(
    engine: Engine, home: Path, unlearned: Run, asked: list[str], settings: dict[str, Any]
) -> None:
    submit(engine, unlearned)
    carried_out(engine, home)
    asked.clear()
    submit(engine, unlearned, **{"anew": False} | settings)
    assert carried_out(engine, home).state == "succeeded"
    assert asked == ["unlearned", "original", "control"]


def test_a_unit_that_could_not_be_made_is_tried_again(
    engine: Engine, home: Path, unlearned: Run, asked: list[str]
) -> None:
    first = submit(engine, unlearned)
    carried_out(engine, home)
    (unit,) = (one for one in attacks.units(engine, [first.id]) if (one.attack, one.role) == ("roleplay", "original"))
    place = {"attack": "roleplay", "role": "original", "value": None, "detail": unit.detail}
    attacks.write_unit(engine, first.id, place | {"note": "it was not there"})
    asked.clear()
    submit(engine, unlearned, anew=False)
    carried_out(engine, home)
    assert asked == ["unlearned", "original"]
