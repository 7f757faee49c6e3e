"""One run's page: its buttons, its figures, its log, and what deleting it frees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr
import pytest
from markupsafe import Markup
from sqlalchemy import update

from backend.reports import run_report
from storage import checkpoints, metric_points, results, runs
from storage.database import writing
from storage.errors import NotFound, RunBusy
from storage.tables import Checkpoint, Run
from ui import run_actions, run_view, runs_view
from ui.context import Lab
from ui.pages.run import or_error

Make = Callable[..., Run]
Save = Callable[..., Checkpoint]


def score(**given: Any) -> dict[str, Any]:
    usual = {
        "set": "forget",
        "task": "generation",
        "modality": "image_text",
        "metric": "accuracy",
        "value": 0.11,
    }
    return usual | {"n": 60, "people": 5, "low": 0.04, "high": 0.22, "flags": []} | given


def words(html: object) -> str:
    return Markup(str(html)).striptags()


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        ("queued", {"cancel", "delete"}),
        ("running", {"save", "cancel"}),
        ("stopping", {"cancel"}),
        ("interrupted", {"cancel", "resume", "delete"}),
        ("succeeded", {"retry", "delete"}),
        ("failed", {"resume", "retry", "delete"}),
        ("cancelled", {"resume", "retry", "delete"}),
    ],
)
def test_only_the_buttons_that_apply_are_shown(state: str, shown: set[str]) -> None:
    run = Run(state=state, requested_stop="none")
    assert {action for action, applies in run_view.applies(run).items() if applies} == shown


def test_a_run_that_was_told_to_cancel_is_not_told_twice() -> None:
    run = Run(state="stopping", requested_stop="cancel")
    assert not any(run_view.applies(run).values())


def test_the_heading_links_the_model_it_began_with(lab: Lab, queued: Make, saved: Save) -> None:
    vanilla = runs.submit(lab.engine, kind="finetune", name="vanilla", spec={"kind": "finetune", "who": "everyone"})
    child = queued("NPO", parent_checkpoint_id=saved(vanilla).id)
    heading = run_view.heading(lab, child)
    assert f'href="/runs?run={vanilla.id}"' in heading
    assert "lethe-original" in heading
    assert "unlearn · from ■vanilla · demo · forget 10 % · asked for at" in words(heading)


def test_progress_gives_the_time_left_as_it_was_measured(running: Make) -> None:
    assert "step 75 of 120 · 9 s left" in words(run_view.progress(running()))


def test_progress_invents_no_time_left(running: Make) -> None:
    assert "left" not in words(run_view.progress(running(eta_s=None)))


def test_a_run_in_two_attempts_took_the_time_of_both(lab: Lab, running: Make) -> None:
    run = running(step=120)
    runs.finish(lab.engine, run.id, 1, "interrupted")
    runs.claim(lab.engine, "worker", "host", "CPU, 2 cores")
    runs.finish(lab.engine, run.id, 2, "succeeded")
    with writing(lab.engine) as session:
        session.execute(update(Run).values(started_at=1000.0, attempt_started_at=5000.0, finished_at=5005.0))
        session.execute(update(Run).values(worked_s=125.0))
    ended = runs.get(lab.engine, run.id)
    assert "took 2 min 5 s, in 2 attempts" in words(run_view.heading(lab, ended))
    assert 'data-unix="1000"' in run_view.heading(lab, ended)
    assert "step 120 of 120 · done in 2 min 5 s, in 2 attempts" in words(run_view.progress(ended))
    assert words(runs_view.short_progress(ended)) == "120 steps · 2 min 5 s, in 2 attempts"


def test_a_run_in_one_attempt_says_only_how_long_it_took() -> None:
    assert runs_view.took(Run(attempt=1, worked_s=9.2)) == "9 s"


def test_a_name_in_a_message_is_text_and_never_html(lab: Lab, running: Make) -> None:
    run = running("<img src=x onerror=alert(1)>")
    with pytest.raises(gr.Error) as refused:
        or_error(lambda: run_actions.resume(lab, run.id))
    assert "<img" not in refused.value.message
    assert "“&lt;img src=x onerror=alert(1)&gt;” is still running" in refused.value.message


def test_an_error_comes_with_what_to_do() -> None:
    run = Run(state="failed", error="The device ran out of memory at step 12.")
    assert "ran out of memory" in run_view.fault(run)
    assert "smaller batch" in run_view.fault(run)
    assert run_view.fault(Run(state="succeeded", error=None)) == ""


def test_the_log_is_cut_at_a_whole_line_and_escaped(lab: Lab, queued: Make) -> None:
    run = queued()
    folder = lab.home / "logs"
    folder.mkdir()
    (folder / f"{run.id}.log").write_text("".join(f"line {number} <b>\n" for number in range(5000)))
    tail = run_view.log_tail(lab, run.id)
    assert len(tail) <= run_view.LOG_BYTES
    assert tail.startswith("line ")
    html = run_view.log(lab, run)
    assert "line 4999 &lt;b&gt;" in html
    assert html.count("line ") == 200


def test_the_spec_is_a_list_of_titles_and_values(queued: Make) -> None:
    pairs = dict(run_view.spec_pairs(queued().spec))
    assert pairs["Method"] == "npo"
    assert pairs["Share of people"] == "10"
    assert pairs["Learning rate"] == "0.003"
    assert pairs["Gradient checkpointing"] == "no"
    assert "Chosen people" not in pairs


def test_a_checkpoint_whose_file_was_changed_is_called_altered(lab: Lab, queued: Make, saved: Save) -> None:
    run = queued()
    whole, broken = saved(run), saved(run, role="resume")
    (checkpoints.path_of(lab.home, broken) / "adapter.safetensors").write_bytes(b"something else")
    table = words(run_view.checkpoint_table(lab, [whole, broken]))
    assert "50result✓ok1.0 kB" in table
    assert "50to resume from⚠altered1.0 kB" in table


def test_lineage_goes_from_the_base_to_what_was_built_on_it(lab: Lab, queued: Make, saved: Save) -> None:
    spec = {"kind": "finetune", "who": "everyone", "model": "demo"}
    vanilla = runs.submit(lab.engine, kind="finetune", name="vanilla", spec=spec)
    child = queued("child", parent_checkpoint_id=saved(vanilla).id)
    assert words(run_view.lineage(lab, child)) == "demo■vanilla"
    assert words(run_view.lineage(lab, vanilla)) == "demochild unlearn, built on it"


def test_the_device_is_named_once(queued: Make) -> None:
    run = queued()
    run.device, run.versions = "CPU, 2 cores", {"torch": "2.9.1", "device": "cpu", "seed": None}
    assert words(run_view.versions(run)).endswith("deviceCPU, 2 corestorch2.9.1")
    run.device = None
    assert words(run_view.versions(run)).endswith("devicecputorch2.9.1")


def test_a_page_without_scores_promises_them_and_nothing_else(lab: Lab, running: Make) -> None:
    made = run_view.score_sections(lab, running())
    assert "Scores are measured at the end of the run." in made.pop("scores")
    assert "Scores are measured at the end of the run." in made.pop("likelihoods")
    assert "Nothing else was measured." in made.pop("measures")
    assert not any(made.values()), made


def test_every_section_of_a_running_page_is_there(lab: Lab, running: Make) -> None:
    run = running()
    metric_points.record(lab.engine, run.id, [(1, "forget_loss", 0.5), (2, "forget_loss", 1.0)])
    made = run_view.sections(lab, runs.get(lab.engine, run.id))
    assert made["loss"] == {"rows": [(1, 0.5, "forget"), (2, 1.0, "forget")], "steps": 120}
    assert made["accuracy"]["rows"] == []
    assert made["actions"]["save"]


def test_a_chart_without_a_line_says_why(queued: Make) -> None:
    run = queued()
    title = run_view.ACCURACY_TITLE
    assert "“Evaluate every” is 0" in run_view.chart_title(title, [], run)
    assert "Appears while the run goes on" in run_view.chart_title("Loss", [], run)
    assert "a line needs two" in run_view.chart_title(title, [(30, 0.5, "forget")], run)
    assert "lethe-blank" not in run_view.chart_title("Loss", [(1, 0.5, "total"), (2, 0.4, "total")], run)


def test_deleting_a_run_frees_its_files(lab: Lab, queued: Make, saved: Save) -> None:
    run = queued("NPO")
    runs.request_stop(lab.engine, run.id, "cancel")
    folder = checkpoints.path_of(lab.home, saved(run, size=3000))
    assert "1 checkpoint (3.0 kB)?" in run_actions.ask_before_delete(lab, run.id)
    assert run_actions.delete(lab, run.id) == "“NPO” is deleted. 3.0 kB of disk freed."
    assert not folder.exists()
    with pytest.raises(NotFound):
        runs.get(lab.engine, run.id)


def test_a_run_that_others_build_on_keeps_its_files(lab: Lab, queued: Make, saved: Save) -> None:
    run = queued("first")
    runs.request_stop(lab.engine, run.id, "cancel")
    kept = saved(run)
    queued("second", parent_checkpoint_id=kept.id)
    with pytest.raises(RunBusy, match="second"):
        run_actions.delete(lab, run.id)
    assert checkpoints.condition(lab.home, kept) == "ok"


def test_stopping_says_what_will_happen(lab: Lab, queued: Make, running: Make) -> None:
    assert "saves a checkpoint" in run_actions.stop(lab, running().id, "save")
    assert run_actions.stop(lab, queued().id, "cancel") == "Cancelled."


def test_a_report_is_the_run_as_json(lab: Lab, running: Make, saved: Save) -> None:
    run = running()
    results.write_scores(lab.engine, run.id, saved(run).id, [score()])
    report = run_report(lab.engine, run.id)
    assert report["progress"] == {"step": 75, "steps": 120, "message": None, "eta_s": 9.0}
    assert (report["state"], report["method"], report["parent"], report["checkpoint"]) == (
        "running",
        "npo",
        None,
        None,
    )
    assert report["scores"] == [score()]
