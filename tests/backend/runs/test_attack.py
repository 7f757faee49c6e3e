"""Attack runs: three models under the same attacks, what is written down, what a stop and a fault leave of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from sqlalchemy import Engine

from backend import attacks as carried
from backend.attack_prompts import AttackNeeds
from backend.attacks import Room, Target, Told
from backend.benchmarks.demo import DemoBenchmark
from backend.queueing import attack_values, queue
from backend.reports import run_report
from backend.runs import earlier
from backend.runs.earlier import made_by, take_over
from backend.runs.job import Job
from backend.spec import AttackSpec, ForgetRequest
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


TAKEN = "the very same"


@pytest.mark.parametrize(
    ("made_otherwise", "found"),
    [
        (lambda unit, spec: (unit, spec), TAKEN),
        (lambda unit, spec: (unit | {"checkpoint": "another"}, spec), "another checkpoint"),
        (lambda unit, spec: (unit | {"control_of": "gold"}, spec), "another control"),
        (lambda unit, spec: (unit | {"prompt": {"template": "Well, {question}"}}, spec), "another prompt"),
        (lambda unit, spec: (unit | {"made_by": "another digest"}, spec), "other code, libraries, data or questions"),
        (lambda unit, spec: (unit, spec | {"anew": True}), "all are asked anew"),
        (lambda unit, spec: (unit, spec | {"benchmark": "other"}), "another benchmark"),
    ],
)
def test_a_unit_is_taken_only_where_all_it_says_of_itself_is_the_same(
    engine: Engine, tmp_path: Path, made_otherwise: Any, found: str
) -> None:
    first, second = (runs.submit(engine, kind="attack", name=name, spec={"benchmark": "demo"}) for name in "ab")
    own = {"checkpoint": "c", "control_of": "held-out people", "made_by": "digest"}
    kept, asked = made_otherwise(dict(own), {"benchmark": "demo", "model": "run:x"})
    place = {"attack": "roleplay", "role": "control", "strength": 0.0}
    attacks.write_unit(engine, first.id, {**place, "value": 0.5, "n": 4, "detail": kept})
    claimed = next(run for run in (runs.claim(engine, "w", "here", "cpu") for _ in "ab") if run and run.id == second.id)
    spec = AttackSpec.model_validate(asked)
    taken = take_over(Job(engine, tmp_path, claimed), spec, {("control", "roleplay", 0.0): own})
    assert taken == ({("control", "roleplay", 0.0)} if found == TAKEN else set()), found
    assert len(attacks.units(engine, [second.id])) == len(taken)


def test_what_decides_about_a_unit_is_in_its_name(
    engine: Engine, tmp_path: Path, world: DemoBenchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    def named(spec: dict[str, Any] | None = None, data: str = "d", items: int = 3, device: str = "cpu") -> str:
        runs.note(engine, run.id, 1, versions={"data": data})
        asked = AttackSpec.model_validate({"model": "run:x", **(spec or {})})
        return made_by(job, asked, world.scored_items(ForgetRequest())[:items], torch.device(device))

    run = runs.submit(engine, kind="attack", name="a", spec={})
    claimed = runs.claim(engine, "w", "here", "cpu")
    assert claimed is not None
    job = Job(engine, tmp_path, claimed)
    usual = named()
    assert named({"suite": "full", "control": "none", "model": "run:y"}) == usual == named()
    changed = [
        named({"seed": 1}), named({"batch_size": 3}), named({"precision": "bf16"}), named({"request": {"ratio": 5}}),
        named(data="e"), named(items=2), named(device="meta"),
    ]  # fmt: skip
    monkeypatch.setattr(earlier, "versions", lambda: {"torch": "another"})
    changed.append(named())
    monkeypatch.undo()
    monkeypatch.setattr(earlier, "code_digest", lambda: "another")
    changed.append(named())
    assert len({usual, *changed}) == 1 + len(changed)


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


# -- what a model tells plainly, and what a device has no memory for ---------------------------------------------------


def test_a_unit_knows_what_the_same_questions_tell_plainly(
    engine: Engine, home: Path, unlearned: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plainly the first question of each modality is told; the attack asks the others only, and changes nothing."""

    def first_of(target: Target) -> set[str]:
        return {next(item.id for item in target.items if item.modality == kind) for kind in ("text", "image_text")}

    def plain(target: Target, room: Room, strength: float) -> Iterator[Told]:
        for item in target.items:
            yield Told(item, item.question, "", float(item.id in first_of(target) or target.role == "original"))

    def same(target: Target, room: Room, strength: float) -> Iterator[Told]:
        yield from (one for one in plain(target, room, strength) if one.item.id not in first_of(target))

    monkeypatch.setitem(carried.CARRIED_OUT, "plain", plain)
    monkeypatch.setitem(carried.CARRIED_OUT, "roleplay", same)
    run = submit(engine, unlearned)
    carried_out(engine, home)
    units = {(one.attack, one.role): one for one in attacks.units(engine, [run.id])}
    assert units["plain", "unlearned"].plainly == units["plain", "unlearned"].value == 0.5
    assert (units["roleplay", "unlearned"].plainly, units["roleplay", "original"].plainly) == (0.0, 1.0)
    (row,) = (row for row in run_report(engine, run.id)["attacks"] if row["name"] == "roleplay")
    assert (row["before"], row["recovery"]) == (0.0, 0.0)


def test_a_device_that_is_full_is_asked_in_smaller_batches_and_then_left(
    engine: Engine, home: Path, unlearned: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[tuple[str, int]] = []

    def needing(most: int, name: str) -> Any:
        def attack(target: Target, room: Room, strength: float) -> Iterator[Told]:
            tried.append((name, room.batch_size))
            if room.batch_size > most:
                raise torch.OutOfMemoryError
            yield from parrot(target, room, strength)

        return attack

    monkeypatch.setitem(carried.CARRIED_OUT, "roleplay", needing(2, "roleplay"))
    monkeypatch.setitem(carried.CARRIED_OUT, "authority", needing(0, "authority"))
    run = submit(engine, unlearned, attacks=("roleplay", "authority"), batch_size=8, control="none")
    assert carried_out(engine, home).state == "succeeded"
    assert tried[:7] == [("roleplay", size) for size in (8, 4, 2)] + [("authority", size) for size in (8, 4, 2, 1)]
    table = {row["name"]: row for row in run_report(engine, run.id)["attacks"]}
    assert table["roleplay"]["unlearned"] == 1.0
    assert table["authority"]["note"] == "the device has not the memory for it, not even question by question"


def test_what_could_not_be_made_is_tried_again_when_a_run_is_taken_up(
    engine: Engine, home: Path, unlearned: Run, asked: list[str]
) -> None:
    run = submit(engine, unlearned)
    attacks.write_unit(
        engine, run.id, {"attack": "roleplay", "role": "unlearned", "value": None, "note": "the disk was away"}
    )
    assert carried_out(engine, home).state == "succeeded"
    assert "unlearned" in asked
