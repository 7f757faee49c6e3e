"""The list of runs, its filter and address, the queue, the first page, and the top bar."""

from __future__ import annotations

from collections.abc import Callable

import gradio as gr
import pytest
from markupsafe import Markup

from storage import results, runs
from storage.tables import Checkpoint, Run
from ui import home_view, runs_view
from ui.bar import bar_html
from ui.context import Lab, activity, method_of, role_of, words_of_request
from ui.pages.run import or_warning
from ui.runs_view import Filter

Make = Callable[..., Run]


def words(html: object) -> str:
    return Markup(str(html)).striptags()


def test_an_address_and_its_filter_are_one() -> None:
    chosen = Filter("failed", "unlearn", "NPO 10 %", "name")
    assert chosen.address() == "/runs?state=failed&kind=unlearn&q=NPO+10+%25&sort=name"
    assert Filter.read({"state": "failed", "kind": "unlearn", "q": "NPO 10 %", "sort": "name"}) == chosen
    assert Filter().address() == "/runs"


def test_an_address_that_nobody_made_is_read_as_no_filter() -> None:
    assert Filter.read({"state": "sleeping", "kind": "cook", "sort": "colour"}) == Filter()


def test_an_empty_lab_says_what_will_be_here(lab: Lab) -> None:
    assert 'href="/launch"' in runs_view.runs_table(lab, Filter())
    assert "No run fits this filter" in runs_view.runs_table(lab, Filter(text="NPO"))


def test_a_row_has_state_progress_and_what_was_forgotten(
    lab: Lab, running: Make, saved: Callable[..., Checkpoint]
) -> None:
    run = running("NPO · β 0.1")
    rows = [
        {"set": name, "task": "generation", "modality": "image_text", "metric": "accuracy", "value": value,
         "low": value - 0.05, "high": value + 0.05, "n": 60, "people": 5, "flags": flags}
        for name, value, flags in (("forget", 0.11, []), ("retain", 0.21, ["collapsed"]))
    ]  # fmt: skip
    results.write_scores(lab.engine, run.id, saved(run).id, rows)
    html = runs_view.runs_table(lab, Filter())
    assert f'href="/runs?run={run.id}"' in html
    text = words(html)
    assert "▶running●NPO · β 0.1unlearnNPO9 s left.11 .06–.16.21 .16–.26 ⚠collapsed" in text


def test_the_filter_narrows_the_list(lab: Lab, queued: Make) -> None:
    queued("first")
    gone = queued("second")
    runs.request_stop(lab.engine, gone.id, "cancel")
    assert [run.name for run in runs_view.found(lab, Filter(state="cancelled"))] == ["second"]
    assert [run.name for run in runs_view.found(lab, Filter(text="FIRST"))] == ["first"]
    assert [run.name for run in runs_view.found(lab, Filter(order="oldest"))] == ["first", "second"]


def test_the_queue_shows_the_order_and_disables_useless_moves(lab: Lab, queued: Make) -> None:
    first, _, last = queued("a"), queued("b"), queued("c")
    html = runs_view.queue(lab)
    assert html.index("a</a>") < html.index("c</a>")
    assert f'data-run="{first.id}" data-move="up" aria-label="Move a up" disabled' in html
    assert f'data-run="{last.id}" data-move="down" aria-label="Move c down" disabled' in html
    assert html.count("disabled") == 3
    runs.move(lab.engine, last.id, "first")
    assert [run.name for run in runs_view.waiting(lab)] == ["c", "a", "b"]


def test_a_warning_about_a_move_shows_the_name_as_text(
    lab: Lab, running: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(gr, "Warning", lambda message, **_: said.append(message))
    run = running("<b>NPO</b>")
    or_warning(lambda: runs.move(lab.engine, run.id, "up"), "It has left the queue")
    assert said == ["The run “&lt;b&gt;NPO&lt;/b&gt;” is running: only waiting runs can be moved."]


def test_one_waiting_run_needs_no_queue(lab: Lab, queued: Make) -> None:
    queued("a")
    assert runs_view.queue(lab) == ""


def test_the_bar_says_what_is_running_and_where() -> None:
    assert activity({"running": 1, "queued": 2}, ["CPU, 2 cores"]) == "1 running · 2 queued · CPU, 2 cores"
    assert activity({"stopping": 1}, ["A", "A"]) == "1 running · A"
    assert activity({}, []) == "nothing running · no worker is up"


def test_the_bar_marks_the_page_it_stands_on() -> None:
    html = bar_html([("Home", "/"), ("Runs", "/runs")], "/runs", "1 running")
    assert '<a href="/runs" aria-current="page">Runs</a>' in html
    assert '<a href="/">Home</a>' in html


def test_a_model_wears_the_identity_of_what_made_it() -> None:
    assert role_of("finetune", {"who": "everyone"}) == "original"
    assert role_of("finetune", {"who": "retain", "model": "org/base"}) == "gold"
    assert role_of("unlearn", {}) == "unlearned"
    assert role_of("evaluate", {}) == "control"


@pytest.mark.parametrize("model", ["vanilla", "run:1234", "checkpoint:1234"])
def test_a_retain_finetune_that_goes_on_from_a_model_of_the_lab_is_no_gold(model: str) -> None:
    spec = {"who": "retain", "model": model}
    assert (role_of("finetune", spec), method_of(spec)) == ("control", "retain fine-tuned")


def test_methods_and_requests_are_named_as_the_field_names_them() -> None:
    assert method_of({"preset": "graddiff"}) == "GradDiff"
    assert method_of({"preset": "somebody's own"}) == "somebody's own"
    assert method_of({"who": "retain", "model": "demo"}) == "retain only"
    assert words_of_request({"request": {"ratio": 10}}) == "forget 10 %"
    assert words_of_request({"request": {"ratio": None, "people": ["p1"]}}) == "forget 1 person"
    assert words_of_request({}) == ""


def test_the_first_page_of_an_empty_lab_offers_a_start(lab: Lab) -> None:
    assert 'href="/launch"' in home_view.running(lab)
    assert "will be here" in home_view.newest(lab)


def test_the_first_page_shows_runs_at_work_and_the_queue_behind_them(lab: Lab, running: Make, queued: Make) -> None:
    running("at work")
    queued("next")
    text = words(home_view.running(lab))
    assert "1 more queued" in text
    assert "at work ▶running" in text
    assert "step 75 of 120 · 9 s left" in text


def test_the_newest_three_results_come_newest_first(lab: Lab, running: Make, saved: Callable[..., Checkpoint]) -> None:
    for name, value in (("one", 0.1), ("two", 0.2), ("three", 0.3), ("four", 0.4)):
        run = running(name)
        kept = saved(run)
        cell = {"set": "forget", "task": "generation", "modality": "image_text", "metric": "accuracy"}
        results.write_scores(lab.engine, run.id, kept.id, [cell | {"value": value, "n": 60}])
        runs.finish(lab.engine, run.id, 1, "succeeded", output_checkpoint_id=kept.id)
    assert [run.name for run, _ in home_view.newest_results(lab)] == ["four", "three", "two"]
    assert "●four" in words(home_view.newest(lab))
