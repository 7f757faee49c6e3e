"""Rows with their shades, their order, and what the original never knew, by hand."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from backend.comparing import table
from backend.comparing.figures import Cell, read_figures
from backend.comparing.matrix import Worst
from backend.comparing.models import fold, models, snapshot
from tests.backend.comparing.conftest import Make

FORGET = Cell("forget", "generation", "text", "accuracy")
RETAIN = Cell("retain", "generation", "text", "accuracy")
WAYS = {FORGET: "↓", RETAIN: "↑"}


def test_a_rate_is_as_good_as_it_is_and_another_figure_by_its_column() -> None:
    assert table.goodness([0.1, 1.0], "↑") == [pytest.approx(0.1), 1.0]
    assert table.goodness([0.1, 1.0], "↓") == [0.9, 0.0]
    assert table.goodness([0.5, 0.75, 1.0], "→.5") == [1.0, 0.5, 0.0]
    assert table.goodness([2.0, 6.0, 4.0], "↓") == [1.0, 0.0, 0.5]
    assert table.goodness([-50.0, 10.0], "→0") == [0.0, 1.0]
    assert table.goodness([3.0, 3.0], "↑") == [0.5, 0.5]
    assert table.goodness([0.4], "") == [None] and table.goodness([], "↑") == []


def rows(engine: Engine, made: Make) -> list[table.Row]:
    vanilla = made("finetune", "vanilla", scores={("forget", "text"): 1.0, ("retain", "text"): 1.0})
    made("unlearn", "NPO", vanilla, scores={("forget", "text"): 0.2, ("retain", "text"): 0.9})
    made("unlearn", "beta", vanilla, scores={("forget", "text"): 0.4, ("retain", "text"): 0.9})
    made("unlearn", "GA", vanilla, scores={("forget", "text"): 0.0, ("retain", "text"): 1.0}, flags=["collapsed"])
    made("unlearn", "Alone", vanilla, scores={("retain", "text"): 0.95})
    found = models(snapshot(engine), "demo", "10")
    figures = read_figures(engine, found, WAYS)
    npo = next(one.run for one in found if one.name == "NPO")
    worst = {npo: Worst("prefix", "Prefix", "", 0.6, 0.1, 0.5, 0.5, "attack")}
    return table.rows(fold(found, together=True), figures, list(WAYS), WAYS, worst)


def test_a_row_says_how_good_and_how_far_from_the_original_it_is(engine: Engine, made: Make) -> None:
    by_name = {row.entry.name: row for row in rows(engine, made)}
    npo = by_name["NPO"]
    assert npo.good == {FORGET: pytest.approx(0.8), RETAIN: pytest.approx(0.9)}
    assert npo.mean_good() == pytest.approx(0.85)
    assert npo.above["original"] == {FORGET: pytest.approx(-0.8), RETAIN: pytest.approx(-0.1)}
    assert npo.above["gold"] == {}
    assert npo.worst is not None and npo.worst.recovery == 0.5
    assert by_name["GA"].collapsed and by_name["GA"].flags == (table.GIBBERISH, "collapsed") and not npo.collapsed


def names(found: list[table.Row], sort: str) -> list[str]:
    return [row.entry.name for row in table.in_order(found, sort)]


def test_rows_stand_best_first_or_by_a_column(engine: Engine, made: Make) -> None:
    found = rows(engine, made)
    # means of goodness: Alone .95, NPO .85, beta .75; GA 1.0, but collapsed
    assert names(found, "") == ["vanilla", "Alone", "NPO", "beta", "GA"] == names(found, "nonsense")
    assert names(found, FORGET.address) == ["GA", "NPO", "beta", "vanilla", "Alone"]
    assert names(found, f"-{FORGET.address}") == ["vanilla", "beta", "NPO", "GA", "Alone"]
    assert names(found, "name") == ["Alone", "beta", "GA", "NPO", "vanilla"]
    assert names(found, "-attack")[0] == "NPO"


def test_what_the_original_hardly_knew_is_told(engine: Engine, made: Make) -> None:
    vanilla = made("finetune", "vanilla")
    scores = {("forget", "text"): 0.1, ("forget", "text", "known_before"): 0.5, ("retain", "text"): 0.9}
    made("unlearn", "NPO", vanilla, scores={**scores, ("retain", "text", "known_before"): 0.9})
    found = models(snapshot(engine), "demo", "10")
    figures = read_figures(engine, found, [*WAYS, *(cell._replace(metric="known_before") for cell in WAYS)])
    entry = next(entry for entry in fold(found, together=True) if entry.role == "unlearned")
    assert [(cell, share.value) for cell, share in table.little_known(figures, entry, WAYS)] == [(FORGET, 0.5)]
