"""What an attack cannot have, a picture, a library, a model: one sentence each, and the other attacks go on."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from backend import attacks as carried
from backend.attacks import Room, Target, Told
from backend.benchmarks.demo import DemoBenchmark
from backend.benchmarks.item import Item
from backend.queueing import CannotQueue, attack_values, queue
from backend.reports import run_report
from backend.spec import AttackSpec, FinetuneSpec, ForgetRequest
from storage import attacks, checkpoints
from storage.tables import Run
from tests.backend.runs.conftest import carried_out, short_finetune

pytestmark = pytest.mark.usefixtures("few_questions")


def submit(engine: Engine, about: Run, *names: str, **settings: Any) -> Run:
    values = attack_values(about) | {"attacks": names or ("roleplay",), "items": 2} | settings
    return queue(engine, AttackSpec.model_validate(values), "attacked")


def rows(engine: Engine, run: Run) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in run_report(engine, run.id)["attacks"]}


def without_files(engine: Engine, home: Path, made: Run) -> None:
    """Deletes the files of the run's model, as a person with a full disk does."""
    assert made.output_checkpoint_id
    shutil.rmtree(home / checkpoints.get(engine, made.output_checkpoint_id).path)


@pytest.fixture
def gold(engine: Engine, home: Path, unlearned: Run) -> Run:
    """A retain-only model of one step; it is the control."""
    spec = FinetuneSpec.model_validate(short_finetune(1).model_dump() | {"who": "retain"})
    queue(engine, spec, "gold")
    return carried_out(engine, home)


def test_an_attack_on_pictures_needs_questions_with_a_picture(
    engine: Engine, home: Path, unlearned: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = DemoBenchmark.scored_items

    def only_text(self: DemoBenchmark, request: ForgetRequest) -> list[Item]:
        return [item for item in every(self, request) if item.modality == "text"]

    monkeypatch.setattr(DemoBenchmark, "scored_items", only_text)
    run = submit(engine, unlearned, "flip", "pgd", "roleplay", control="none")
    assert carried_out(engine, home).state == "succeeded"
    table = rows(engine, run)
    for name in ("flip", "pgd"):
        assert table[name]["note"] == "it needs questions with a picture, and there are none"
        assert table[name]["unlearned"] is None and table[name]["n"] == 0
    assert table["roleplay"]["note"] is None and table["roleplay"]["n"] == 2


def test_a_library_that_is_not_installed_is_named(
    engine: Engine, home: Path, unlearned: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torchao", None)
    run = submit(engine, unlearned, "quantise_torchao", "quantise", control="none")
    assert carried_out(engine, home).state == "succeeded"
    table = rows(engine, run)
    assert table["quantise_torchao"]["note"].startswith("torchao is not installed; ")
    assert table["quantise_torchao"]["unlearned"] is None and table["quantise"]["n"] == 4


def test_a_model_whose_files_are_gone_is_not_queued(engine: Engine, home: Path, unlearned: Run) -> None:
    without_files(engine, home, unlearned)
    with pytest.raises(CannotQueue, match=r"the files of checkpoint .* are missing; choose another model"):
        submit(engine, unlearned)


def test_a_model_whose_files_went_while_the_run_waited_fails_it_in_a_sentence(
    engine: Engine, home: Path, unlearned: Run
) -> None:
    run = submit(engine, unlearned)
    without_files(engine, home, unlearned)
    ended = carried_out(engine, home)
    assert ended.state == "failed" and "is gone" in str(ended.error) and "\n" not in str(ended.error)
    assert attacks.units(engine, [run.id]) == []


def test_a_control_whose_files_go_meanwhile_leaves_a_sentence_and_the_others_their_figures(
    engine: Engine, home: Path, unlearned: Run, gold: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deleting(target: Target, room: Room, strength: float) -> Iterator[Told]:
        if target.role == "original":
            without_files(engine, home, gold)
        yield from (Told(item, item.question, "?", 0.0) for item in target.items)

    monkeypatch.setitem(carried.CARRIED_OUT, "roleplay", deleting)
    run = submit(engine, unlearned)
    assert carried_out(engine, home).state == "succeeded"
    row = rows(engine, run)["roleplay"]
    assert (row["unlearned"], row["original"], row["control"]) == (0.0, 0.0, None)
    assert row["note"].startswith("The checkpoint's folder ") and row["note"].endswith(" is gone.")


def test_an_adapter_whose_files_go_meanwhile_is_not_turned_and_the_rest_goes_on(
    engine: Engine, home: Path, unlearned: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    plainly = carried.CARRIED_OUT["plain"]

    def deleting(target: Target, room: Room, strength: float) -> Iterator[Told]:
        if target.role == "unlearned":
            without_files(engine, home, unlearned)
        yield from plainly(target, room, strength)

    monkeypatch.setitem(carried.CARRIED_OUT, "plain", deleting)
    run = submit(engine, unlearned, "scale_back", "roleplay", control="none")
    assert carried_out(engine, home).state == "succeeded"
    table = rows(engine, run)
    assert table["roleplay"]["n"] == 4 and table["roleplay"]["original"] is not None
    assert table["scale_back"]["unlearned"] is None and "is gone" in table["scale_back"]["note"]


def test_with_a_gold_model_it_is_asked_the_same(engine: Engine, home: Path, unlearned: Run, gold: Run) -> None:
    run = submit(engine, unlearned)
    assert carried_out(engine, home).state == "succeeded"
    assert rows(engine, run)["roleplay"]["control_of"] == "gold"
    said = {
        role: [one.item_id for one in attacks.transcripts(engine, run.id, attack="roleplay", role=role)]
        for role in ("unlearned", "control")
    }
    assert said["unlearned"] == said["control"] != []
