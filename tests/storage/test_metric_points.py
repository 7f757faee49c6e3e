"""Curves: a point is written once, a curve keeps its points as it grows."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlalchemy.dialects import postgresql

from storage import metric_points, runs
from storage.errors import NotFound
from storage.tables import Run


@pytest.fixture
def run(engine: Engine) -> Run:
    return runs.submit(engine, kind="evaluate", name="scored", spec={})


def test_a_point_that_is_sent_again_stays_as_it_was(engine: Engine, run: Run) -> None:
    metric_points.record(engine, run.id, [(1, "loss", 2.0), (2, "loss", 1.0), (1, "lr", 0.1)])
    metric_points.record(engine, run.id, [(2, "loss", 99.0), (3, "loss", 0.5), (3, "loss", 0.6)])
    assert metric_points.curve(engine, run.id) == {"loss": [(1, 2.0), (2, 1.0), (3, 0.5)], "lr": [(1, 0.1)]}
    assert metric_points.curve(engine, run.id, only=["lr"]) == {"lr": [(1, 0.1)]}
    assert metric_points.names(engine, run.id) == ["loss", "lr"]


def test_points_touch_their_run_and_no_points_touch_nothing(engine: Engine, run: Run) -> None:
    metric_points.record(engine, run.id, [])
    assert runs.latest_rev(engine) == run.rev
    metric_points.record(engine, run.id, [(1, "loss", 2.0)])
    assert runs.get(engine, run.id).rev == runs.latest_rev(engine) == run.rev + 1


def test_an_attempt_that_begins_again_gets_a_curve_of_its_own(engine: Engine, run: Run) -> None:
    other = runs.submit(engine, kind="evaluate", name="other", spec={})
    assert runs.claim(engine, "w", "here", "CPU") is not None
    metric_points.record(engine, run.id, [(1, "loss", 9.0), (2, "loss", 8.0), (3, "loss", 7.0), (3, "lr", 0.1)])
    metric_points.record(engine, other.id, [(3, "loss", 5.0)])
    metric_points.forget_after(engine, run.id, 2, attempt=1)
    assert metric_points.curve(engine, run.id) == {"loss": [(1, 9.0), (2, 8.0)]}
    metric_points.forget_after(engine, run.id, 0, attempt=1)
    metric_points.record(engine, run.id, [(1, "loss", 2.0)], attempt=1)
    assert metric_points.curve(engine, run.id) == {"loss": [(1, 2.0)]}
    assert metric_points.curve(engine, other.id) == {"loss": [(3, 5.0)]}, "another run's points stay"
    assert runs.get(engine, run.id).rev == runs.latest_rev(engine), "its page looks again"


def test_a_loss_that_is_not_a_number_is_a_gap_in_the_curve(engine: Engine, run: Run) -> None:
    metric_points.record(engine, run.id, [(1, "loss", 2.0), (2, "loss", math.nan), (3, "loss", math.inf)])
    (first, second, third) = metric_points.curve(engine, run.id)["loss"]
    assert first == (1, 2.0)
    assert math.isnan(second[1]) and math.isnan(third[1])


def test_ten_points_thinned_to_four_are_every_fourth_and_the_last(engine: Engine, run: Run) -> None:
    metric_points.record(engine, run.id, [(step, "loss", float(step)) for step in range(0, 100, 10)])
    # strides 1 and 2 keep 10 and 6 points; stride 4 keeps places 0, 4, 8 and the last, 9
    assert metric_points.curve(engine, run.id, points=4)["loss"] == [(0, 0.0), (40, 40.0), (80, 80.0), (90, 90.0)]


def test_each_curve_of_a_run_is_thinned_by_its_own_length(engine: Engine, run: Run) -> None:
    long = [(step, "loss", 1.0) for step in range(1000)]
    metric_points.record(engine, run.id, [*long, (0, "eval", 1.0), (999, "eval", 0.0)])
    curves = metric_points.curve(engine, run.id, points=50)
    # 1000 / 32 rounds up to 32, with the last on top 33; stride 16 would keep 63 and 1
    assert [step for step, _ in curves["loss"]] == [*range(0, 1000, 32), 999]
    assert curves["eval"] == [(0, 1.0), (999, 0.0)]


def test_points_that_were_kept_stay_or_go_but_never_move_as_a_curve_grows(engine: Engine, run: Run) -> None:
    limit, kept_before, size = 16, set[int](), 0
    for more in (1, 1, 5, 9, 1, 1, 30, 100, 1, 400):
        metric_points.record(engine, run.id, [(7 * step, "loss", 1.0) for step in range(size, size + more)])
        size += more
        kept = [step for step, _ in metric_points.curve(engine, run.id, points=limit)["loss"]]
        assert len(kept) <= limit and kept[0] == 0 and kept[-1] == 7 * (size - 1)
        lasting = set(kept[:-1])  # the last point is shown wherever it is, until it is not the last
        strays = {step for step in lasting if step not in kept_before and step < max(kept_before, default=0)}
        assert strays == set(), "a point appeared between points that were kept before"
        kept_before = lasting


@given(size=st.integers(1, 5000), points=st.integers(2, 600))
def test_the_stride_is_the_smallest_power_of_two_that_fits(size: int, points: int) -> None:
    def kept(stride: int) -> int:
        return len({*range(0, size, stride), size - 1})

    stride = metric_points._stride(size, points)
    assert stride & (stride - 1) == 0
    assert kept(stride) <= points
    assert stride == 1 or kept(stride // 2) > points


def test_a_curve_needs_room_for_two_points(engine: Engine, run: Run) -> None:
    with pytest.raises(ValueError, match="2 or more"):
        metric_points.curve(engine, run.id, points=1)


def test_points_of_an_unknown_run_are_refused(engine: Engine) -> None:
    with pytest.raises(NotFound, match="no run nobody"):
        metric_points.record(engine, "nobody", [(1, "loss", 1.0)])


def test_the_thinned_query_compiles_for_postgresql() -> None:
    compiled = str(metric_points._thinned("r", ["loss"], 4).compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]
    assert "row_number() OVER (PARTITION BY metric_points.name ORDER BY metric_points.step)" in compiled
