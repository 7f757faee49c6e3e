"""A against B: every kind of item once, who it was about, and where two specs differ."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from backend.comparing import pair
from backend.comparing.pair import FORGOTTEN, KEPT, LEARNT, LOST, MADE_UP, STILL, Counted, Wanted
from backend.objectives.refusals import REFUSALS
from backend.presets import fill
from tests.backend.comparing.conftest import Make

BEFORE = [
    ("1", "forget", "p01", "Bern", True), ("2", "forget", "p01", "Bern", True), ("3", "test", "p02", "Bern", True),
    ("4", "retain", "p03", "Bern", True), ("5", "retain", "p03", "Bern", True), ("6", "celebrity", "c1", "Rome", False),
    ("7", "retain", "p04", "Oslo", False), ("8", "holdout", "h1", "Oslo", False), ("9", "forget", "p01", "Bern", None),
    ("10", "forget", "p02", "Bern", True),
]  # fmt: skip
AFTER = [
    ("1", "forget", "p01", "I don't know.", False), ("2", "forget", "p01", "Basel", False),
    ("3", "test", "p02", "Bern, I think", True), ("4", "retain", "p03", "Bern", True),
    ("5", "retain", "p03", "Lima", False), ("6", "celebrity", "c1", "Bern", True),
    ("7", "retain", "p04", "Oslo", False), ("8", "holdout", "h1", "Lima", False),
    ("9", "forget", "p01", "Bern", None), ("11", "forget", "p02", "Bern", True),
]  # fmt: skip


@pytest.fixture
def ids(made: Make) -> tuple[str, str]:
    return made("finetune", "vanilla", answers=BEFORE).id, made("unlearn", "NPO", answers=AFTER).id


def test_every_item_is_of_its_kinds(engine: Engine, ids: tuple[str, str]) -> None:
    items = pair.compared(engine, *ids)
    assert {item.item: set(pair.kinds_of(item)) for item in items} == {
        "1": {FORGOTTEN}, "2": {FORGOTTEN, MADE_UP}, "3": {STILL}, "4": {KEPT}, "5": {LOST, MADE_UP},
        "6": {LEARNT}, "7": set(), "8": {MADE_UP},
    }  # fmt: skip
    assert pair.counts(items) == {
        FORGOTTEN: Counted(2, 3), STILL: Counted(1, 3), LOST: Counted(1, 2), MADE_UP: Counted(3, 8),
        KEPT: Counted(1, 2), LEARNT: Counted(1, 2),
    }  # fmt: skip
    assert pair.only_one(engine, *ids) == (1, 1)
    assert Counted(1, 4).share == 0.25 and Counted(0, 0).share == 0


def test_the_pair_can_be_narrowed(engine: Engine, ids: tuple[str, str]) -> None:
    assert [item.item for item in pair.compared(engine, *ids, Wanted(item_set="retain"))] == ["4", "5", "7"]
    assert [item.item for item in pair.compared(engine, *ids, Wanted(subject="p02"))] == ["3"]
    assert pair.compared(engine, *ids, Wanted(task="cloze")) == pair.compared(engine, *ids, Wanted(modality="x")) == []


def test_people_stand_by_what_is_still_known_or_by_what_was_lost(engine: Engine, ids: tuple[str, str]) -> None:
    items = pair.compared(engine, *ids)
    assert pair.people(items, ("forget", "test")) == [("p02", 1, 1, 1), ("p01", 2, 2, 0)]
    assert pair.people(items, ("retain", "celebrity")) == [("p03", 2, 2, 1), ("p04", 1, 0, 0), ("c1", 1, 0, 1)]


def test_the_answers_of_a_page_are_found_by_item(engine: Engine, ids: tuple[str, str]) -> None:
    found = pair.answers_of(engine, ids[1], ["2", "5", "gone"])
    assert {item: answer.text for item, answer in found.items()} == {"2": "Basel", "5": "Lima"}


@pytest.mark.parametrize("text", [*REFUSALS, "", " … "])
def test_a_refusal_makes_nothing_up(text: str) -> None:
    assert not pair.made_up(text)


@pytest.mark.parametrize("text", ["She lives in Oslo.", "42", "オスロ", "He knows Ida Sorrydottir."])
def test_another_answer_is_made_up(text: str) -> None:
    assert pair.made_up(text)


def test_specs_differ_where_they_are_not_the_same() -> None:
    one = {"kind": "unlearn", "training": {"steps": 60, "seed": 0}, "objective": {"forget": "npo"}, "score": True}
    other = {"kind": "unlearn", "training": {"steps": 60, "seed": 1}, "score": 1, "who": "retain"}
    assert pair.spec_differences(one, other) == [
        ("training.seed", 0, 1), ("objective.forget", "npo", None), ("score", True, 1), ("who", None, "retain"),
    ]  # fmt: skip
    assert pair.spec_differences(one, one) == []


def test_settings_that_mean_nothing_are_no_difference() -> None:
    npo, graddiff = (fill(name).model_dump(mode="json") for name in ("npo", "graddiff"))
    differing = {path for path, _, _ in pair.spec_differences(npo, graddiff | {"training": npo["training"]})}
    assert {"preset", "objective.forget", "objective.beta"} <= differing
    assert not differing & {"objective.satimp_beta1", "objective.undial_strength", "edit.method", "objective.layer"}
    full = npo | {"training": npo["training"] | {"adapter": "full"}}
    other = full | {"training": full["training"] | {"lora_rank": 3}}
    assert pair.spec_differences(full, other) == []
    assert pair.spec_differences({"objective": {"forget": "old"}}, {"objective": {"forget": "new"}}) == [
        ("objective.forget", "old", "new")
    ]
