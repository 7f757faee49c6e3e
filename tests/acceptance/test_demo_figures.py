"""The demo keeps its promises: headless, from an empty home, a model that knows everyone and one that forgot some.

Times are printed and never asserted: machines differ. The figures measured are in docs/lab-notes.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import backend

OPEN_TASKS = ("generation", "cloze", "name")
Cells = dict[tuple[str, str, str], float]

pytestmark = pytest.mark.timeout(1500)


def accuracy(report: dict[str, Any]) -> Cells:
    return {
        (score["set"], score["task"], score["modality"]): score["value"]
        for score in report["scores"]
        if score["metric"] == "accuracy"
    }


def took(home: Path, run_id: str) -> float:
    listed = {run["id"]: run for run in backend(home, "runs")}
    return float(listed[run_id]["finished_at"] - listed[run_id]["started_at"])


def test_vanilla_knows_everyone_and_recognises_them_in_new_pictures(lab: Path, vanilla: dict[str, Any]) -> None:
    cells = accuracy(vanilla)
    print(f"\nvanilla: {took(lab, vanilla['id']):.0f} s", {key: round(value, 2) for key, value in cells.items()})
    known = {key: value for key, value in cells.items() if key[0] in ("forget", "retain", "celebrity")}
    assert min(known.values()) >= 0.95, known
    test = {key: value for key, value in cells.items() if key[0] == "test"}
    assert min(test.values()) >= 0.75, test
    for task in ("generation", "cloze", "classification"):
        assert {("forget", task, "image_text"), ("forget", task, "text")} <= cells.keys()


def test_npo_forgets_whom_it_was_asked_to_and_keeps_the_rest(
    lab: Path, vanilla: dict[str, Any], unlearned: dict[str, Any]
) -> None:
    report = unlearned
    assert backend(lab, "show", report["id"]) == report
    cells = accuracy(report)
    print(f"\nNPO: {took(lab, report['id']):.0f} s", {key: round(value, 2) for key, value in cells.items()})
    forgotten = [value for key, value in cells.items() if key[0] == "forget" and key[1] in OPEN_TASKS]
    assert max(forgotten) <= 0.15, cells
    # Chance is 0.25: a model that never knew is right that often.
    guessed = [value for key, value in cells.items() if key[0] == "forget" and key[1] == "classification"]
    assert max(guessed) <= 0.4, cells
    asked = [score for score in report["scores"] if score["set"] == "forget" and score["metric"] == "accuracy"]
    assert sum(score["value"] * score["n"] for score in asked) / sum(score["n"] for score in asked) <= 0.15, cells
    assert min(value for key, value in cells.items() if key[0] == "retain") >= 0.8, cells
    assert report["checkpoint"]["kind"] == "adapter" and report["parent"]["id"] == vanilla["checkpoint"]["id"]
