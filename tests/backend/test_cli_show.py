"""What `show` prints of a run: first what should be gone, no more than fits, and an attack's table worst first."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console
from rich.table import Table

from backend.cli.runs import _attack_table, _not_made, _score_table


def printed(table: Table, width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(table)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return [
        " ".join(line.replace("│", " ").split()) for line in text.splitlines() if "━" not in line and "─" not in line
    ]


def score(item_set: str, metric: str, value: float | None, **more: Any) -> dict[str, Any]:
    bounds = {"low": None, "high": None} if value is None else {"low": value - 0.05, "high": value + 0.05}
    cell = {"set": item_set, "task": "classification", "modality": "image_text", "metric": metric, "value": value}
    return {**cell, **bounds, "n": 24, **more}


SCORES = [score("celebrity", "accuracy", 0.9), score("forget", "accuracy", 0.1), score("forget", "zlib", 0.4)]


def test_the_accuracies_come_first_and_whole_words_fit_in_80_columns() -> None:
    head, *rows, foot = printed(_score_table(SCORES, everything=False))
    assert head.startswith("┃ set") and "metric" not in head
    assert rows == [
        "forget classification image_text 0.10 0.05–0.15 24",
        "celebrity classification image_text 0.90 0.85–0.95 24",
    ]
    assert foot == "1 other figures: --all"


def test_everything_is_shown_where_it_is_asked_for_or_there_is_no_accuracy() -> None:
    whole = printed(_score_table(SCORES, everything=True), width=110)
    assert len(whole) == 4 and any("zlib 0.40 0.35–0.45" in line for line in whole)
    only = printed(_score_table([score("forget", "model_utility", None, n=0)], everything=False), width=110)
    assert only[1:] == ["forget classification image_text model_utility 0"]


def test_an_attack_that_could_not_be_made_says_why_in_a_line_of_its_own() -> None:
    row = {"title": "Roleplay", "at": "", "unlearned": 0.5, "low": 0.4, "high": 0.6, "n": 8, "note": None}
    made = row | {"original": 1.0, "control": 0.1, "gap": 0.4}
    none = made | {"title": "Eight bits", "unlearned": None, "original": None, "gap": None, "note": "no torchao"}
    lines = printed(_attack_table([made, none]), width=110)
    assert lines[1:] == ["Roleplay 0.50 0.40–0.60 1.00 0.10 0.40 8"]
    assert _not_made([made, none]) == ["Eight bits: no torchao"]
