"""Units of an attack run: whole or not there, written once, gone with the run."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine

from storage import attacks, runs
from storage.errors import ClaimLost, NotFound
from storage.tables import Run


@pytest.fixture
def run(engine: Engine) -> Run:
    return runs.submit(engine, kind="attack", name="attack", spec={})


def said(item: str, leaked: bool | None = False) -> dict[str, Any]:
    words = {"subject": "p1", "modality": "text", "question": "?", "asked": "now ?", "truth": "t", "text": "said"}
    return {"item_id": item, "leaked": leaked, **words}


def unit(**changes: Any) -> dict[str, Any]:
    return {"attack": "plain", "role": "unlearned", "value": 0.5, "n": 2, "people": 1} | changes


def test_some_units_are_left_out_and_runs_say_how_many_they_have(engine: Engine, run: Run) -> None:
    for name, seconds in (("plain", 1.5), ("pgd", 2.0)):
        attacks.write_unit(engine, run.id, unit(attack=name, seconds=seconds))
    assert [one.attack for one in attacks.units(engine, [run.id], without=["pgd"])] == ["plain"]
    assert attacks.sizes(engine, [run.id, "other"]) == {run.id: (2, 3.5)}


def test_a_unit_comes_back_with_what_was_said(engine: Engine, run: Run) -> None:
    attacks.write_unit(engine, run.id, unit(seconds=2.5), [said("a"), said("b", True), said("c", None)])
    (kept,) = attacks.units(engine, [run.id])
    assert (kept.attack, kept.strength, kept.role, kept.value, kept.n, kept.seconds) == (
        "plain",
        0,
        "unlearned",
        0.5,
        2,
        2.5,
    )
    assert [one.item_id for one in attacks.transcripts(engine, run.id)] == ["b", "a", "c"]
    assert attacks.count_transcripts(engine, run.id, leaked=True) == 1
    assert attacks.count_transcripts(engine, run.id, role="control") == 0


def test_written_again_it_stands_once(engine: Engine, run: Run) -> None:
    attacks.write_unit(engine, run.id, unit(), [said("a"), said("b")])
    attacks.write_unit(engine, run.id, unit(value=1.0), [said("a", True)])
    assert [one.value for one in attacks.units(engine, [run.id])] == [1.0]
    assert [(one.item_id, one.leaked) for one in attacks.transcripts(engine, run.id)] == [("a", True)]


def test_strengths_and_roles_stand_apart(engine: Engine, run: Run) -> None:
    for strength in (4.0, 8.0):
        for role in ("unlearned", "control"):
            attacks.write_unit(engine, run.id, unit(attack="pgd", strength=strength, role=role), [said("a")])
    assert len(attacks.units(engine, [run.id])) == 4
    assert attacks.count_transcripts(engine, run.id, strength=8.0) == 2


def test_a_figure_that_is_not_finite_is_none(engine: Engine, run: Run) -> None:
    attacks.write_unit(engine, run.id, unit(value=float("nan"), note="gave no number"))
    (kept,) = attacks.units(engine, [run.id])
    assert kept.value is None and kept.note == "gave no number"


def test_a_process_that_lost_the_run_writes_nothing(engine: Engine, run: Run) -> None:
    with pytest.raises(ClaimLost):
        attacks.write_unit(engine, run.id, unit(), [said("a")], attempt=7)
    with pytest.raises(NotFound):
        attacks.write_unit(engine, "0" * 32, unit())
    assert attacks.units(engine, [run.id]) == [] and attacks.transcripts(engine, run.id) == []


def test_they_go_with_the_run(engine: Engine, run: Run) -> None:
    attacks.write_unit(engine, run.id, unit(), [said("a")])
    runs.delete(engine, run.id)
    assert attacks.units(engine, [run.id]) == [] and attacks.transcripts(engine, run.id) == []
