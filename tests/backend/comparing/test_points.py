"""The front by hand and by a second way, and the ways that runs took."""

from __future__ import annotations

import random

import pytest
from sqlalchemy import Engine

from backend.comparing.figures import Cell, read_figures
from backend.comparing.models import fold, models, snapshot
from backend.comparing.points import front, gain, points, travelled
from storage import metric_points
from tests.backend.comparing.conftest import Make

DOWN_UP = ("↓", "↑")


def test_the_front_of_forget_against_retain_by_hand() -> None:
    #          beaten by 1   best     low retain  beaten by 1  least forget
    values = [(0.2, 0.80), (0.1, 0.9), (0.3, 0.95), (0.1, 0.7), (0.0, 0.1)]
    assert front(values, DOWN_UP) == [4, 1, 2]


def test_equal_points_are_both_on_the_front_and_a_worse_one_beside_them_is_not() -> None:
    assert sorted(front([(0.1, 0.9), (0.1, 0.9), (0.1, 0.8), (0.2, 0.9)], DOWN_UP)) == [0, 1]


def test_there_is_no_front_where_no_way_is_better() -> None:
    assert front([(0.1, 0.9)], ("", "↑")) == []


@pytest.mark.parametrize("ways", [DOWN_UP, ("↑", "↓"), ("→.5", "→0")])
def test_the_front_is_that_of_comparing_everyone_with_everyone(ways: tuple[str, str]) -> None:
    draw = random.Random(3)
    values = [(draw.randrange(12) / 11, draw.randrange(12) / 11) for _ in range(60)]
    gains = [(gain(x, ways[0]) or 0.0, gain(y, ways[1]) or 0.0) for x, y in values]

    def beaten(one: tuple[float, float]) -> bool:
        return any(other[0] >= one[0] and other[1] >= one[1] and other != one for other in gains)

    assert sorted(front(values, ways)) == [place for place, one in enumerate(gains) if not beaten(one)]


def test_a_point_needs_both_figures_and_a_collapsed_one_is_on_no_front(engine: Engine, made: Make) -> None:
    both = {("forget", "text"): 0.1, ("retain", "text"): 0.9}
    made("finetune", "vanilla", scores={("forget", "text"): 1.0, ("retain", "text"): 1.0})
    made("unlearn", "NPO", scores=both)
    made("unlearn", "half measured", scores={("forget", "text"): 0.0})
    made("unlearn", "GA", scores={("forget", "text"): 0.0, ("retain", "text"): 0.05}, flags=["collapsed"])
    x, y = (Cell(name, "generation", "text", "accuracy") for name in ("forget", "retain"))
    found = models(snapshot(engine), "demo", "10")
    placed = points(fold(found, together=True), read_figures(engine, found, [x, y]), x, y, DOWN_UP)
    assert {(one.entry.name, one.best, one.collapsed) for one in placed} == {
        ("vanilla", False, False), ("NPO", True, False), ("GA", False, True),
    }  # fmt: skip


def test_a_way_has_the_steps_at_which_both_sets_were_measured(engine: Engine, made: Make) -> None:
    run, other = made("unlearn", "NPO"), made("unlearn", "without evaluations")
    rows = [(10, "accuracy/forget", 0.8), (10, "accuracy/retain", 1.0), (20, "accuracy/forget", 0.3)]
    rows += [(30, "accuracy/forget", 0.1), (30, "accuracy/retain", 0.9), (30, "loss", 2.0)]
    metric_points.record(engine, run.id, rows)
    assert travelled(engine, [run.id, other.id], "forget", "retain") == {run.id: [(10, 0.8, 1.0), (30, 0.1, 0.9)]}
