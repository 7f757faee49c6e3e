"""Curves as rows: which are drawn, in which order, and the table beside them."""

from __future__ import annotations

from markupsafe import Markup

from ui import charts


def test_the_total_loss_is_left_out_where_its_terms_are_known() -> None:
    curves = {"loss": [(1, 0.5)], "forget_loss": [(1, 0.25)], "retain_loss": [(1, 0.75)]}
    assert charts.loss_rows(curves) == [(1, 0.25, "forget"), (1, 0.75, "retain")]


def test_the_total_loss_is_drawn_where_it_is_all_there_is() -> None:
    assert charts.loss_rows({"loss": [(1, 0.5), (2, 0.25)]}) == [(1, 0.5, "total"), (2, 0.25, "total")]


def test_accuracies_come_in_the_order_of_the_sets_and_unknown_sets_last() -> None:
    curves = {f"accuracy/{name}": [(30, 0.5)] for name in ("zebra", "retain", "forget")} | {"loss": [(1, 1.0)]}
    assert charts.series_of(charts.accuracy_rows(curves)) == ["forget", "retain", "zebra"]


def test_a_gap_is_not_drawn() -> None:
    assert charts.loss_rows({"loss": [(1, 0.5), (2, float("nan")), (3, 0.25)]}) == [
        (1, 0.5, "total"),
        (3, 0.25, "total"),
    ]


def test_forget_is_orange_and_retain_is_blue() -> None:
    assert (charts.COLOURS["forget"], charts.COLOURS["retain"]) == ("#D55E00", "#0072B2")
    legend = charts.legend([(1, 0.5, "forget"), (2, 0.25, "forget")])
    assert "#D55E00" in legend
    assert Markup(legend).striptags() == "forget .25"


def test_one_point_is_no_line() -> None:
    assert not charts.drawable([])
    assert not charts.drawable([(30, 0.5, "forget"), (30, 0.9, "retain")])
    assert charts.drawable([(30, 0.5, "forget"), (60, 0.4, "forget")])


def test_the_table_has_a_row_a_step_newest_first() -> None:
    rows = [(1, 0.5, "forget"), (2, 0.25, "forget"), (2, 0.125, "retain")]
    text = Markup(charts.curve_table(rows, "losses")).striptags()
    assert text == "stepforgetretain20.250.12510.5–"


def test_an_empty_frame_keeps_its_columns() -> None:
    frame = charts.frame([])
    assert list(frame.columns) == ["step", "value", "series"]
    assert len(frame) == 0
