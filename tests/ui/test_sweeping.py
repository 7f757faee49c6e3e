"""A sweep on the launch form and a group on Runs: what is said, what is queued, what stands together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from markupsafe import Markup
from sqlalchemy import Engine

from backend.presets import fill
from storage import checkpoints, results, runs
from storage.tables import Checkpoint, Run
from tests.ui.test_launching import WORLDS, engine, form, vanilla  # noqa: F401
from ui import group_view, launch_views, launching, run_view, runs_view, this_run
from ui.context import Lab
from ui.origins import CannotQueue
from ui.runs_view import Filter

Make = Callable[..., Run]


def words(html: object) -> str:
    return Markup(str(html)).striptags()


def swept(*axes: tuple[str, str], **typed: Any) -> dict[str, Any]:
    values = form(**typed)
    for number, (path, text) in enumerate(axes, start=1):
        values |= {f"sweep.{number}.field": path, f"sweep.{number}.values": text}
    return values


TWO_BY_TWO = swept(("training.learning_rate", "1e-3, 3e-3"), ("training.seed", "0, 1"))


def test_the_card_says_how_many_runs_and_the_command_is_the_same_sweep(engine: Engine, vanilla: Run) -> None:  # noqa: F811
    seen = this_run.preview(engine, WORLDS, TWO_BY_TWO)
    assert ("Sweep", "4 runs", "one a combination, in one group") in seen.facts
    assert "--sweep training.learning_rate=1e-3,3e-3 --sweep training.seed=0,1" in seen.command
    assert "Sweep" not in [name for name, _, _ in this_run.preview(engine, WORLDS, form()).facts]


def test_start_queues_them_all_once(engine: Engine, vanilla: Run) -> None:  # noqa: F811
    first = launching.start_all(engine, WORLDS, TWO_BY_TWO, "NPO forget10", "request")
    again = launching.start_all(engine, WORLDS, TWO_BY_TWO, "NPO forget10", "request")
    assert [run.id for run in again] == [run.id for run in first]
    queued = runs.listing(engine, kind="unlearn")
    assert len(queued) == 4 and {run.group_id for run in queued} == {"NPO forget10"}
    assert first[0].name == "NPO forget10 · lr 0.001 · seed 0"
    assert {run.parent_checkpoint_id for run in queued} == {vanilla.output_checkpoint_id}
    line = launch_views.started_html(first, "second")
    assert "Queued: 4 runs of NPO forget10" in words(line) and 'href="/runs?group=NPO+forget10"' in line


@pytest.mark.parametrize(
    ("axes", "sentence"),
    [
        ([("training.learning_rate", "1e-3,0")], "training.learning_rate must be above 0 (it was 0)"),
        ([("", "1,2")], "choose which setting takes the values 1,2"),
        ([("training.seed", "")], "training.seed has no values to sweep"),
    ],
)
def test_a_sweep_at_fault_is_one_sentence_and_queues_nothing(
    engine: Engine,  # noqa: F811
    vanilla: Run,  # noqa: F811
    axes: list[tuple[str, str]],
    sentence: str,
) -> None:
    values = swept(*axes)
    spec, faults = launching.check(engine, WORLDS, values)
    assert spec is None and faults["sweep"].startswith(sentence)
    with pytest.raises(CannotQueue):
        launching.start_all(engine, WORLDS, values, "NPO", "request")
    assert runs.listing(engine, kind="unlearn") == []


def test_the_address_of_a_sweep_brings_it_back(engine: Engine, vanilla: Run) -> None:  # noqa: F811
    query = dict(parse_qsl(urlsplit(launching.address(engine, TWO_BY_TWO)).query))
    opened = launching.opening(engine, query).values
    assert {path: opened[path] for path in opened if path.startswith("sweep.")} == {
        path: TWO_BY_TWO[path] for path in TWO_BY_TWO if path.startswith("sweep.")
    }


def test_another_method_keeps_the_sweep_and_an_evaluation_has_none(engine: Engine, vanilla: Run) -> None:  # noqa: F811
    switched = launching.switch(TWO_BY_TWO | {"preset": "ga"}, {"kind": "unlearn", "preset": "npo"}, engine)
    assert switched["sweep.2.values"] == "0, 1"
    assert launching.applies("sweep", form()) and not launching.applies("sweep", form("evaluate"))


def test_guards_are_fields_of_an_unlearning_run_alone(engine: Engine, vanilla: Run) -> None:  # noqa: F811
    assert launching.applies("guards.keep", form()) and not launching.applies("guards.keep", form("finetune"))
    _, faults = launching.check(engine, WORLDS, form(guards__keep="best", training__evaluate_every=0))
    assert "need quick evaluations" in faults["guards"]
    spec, _ = launching.check(engine, WORLDS, form(guards__keep="best", training__evaluate_every=5))
    assert spec is not None
    values = form(guards__retain_below=0.4, training__evaluate_every=5, training__evaluate_by="epochs")
    seen = this_run.preview(engine, WORLDS, values)
    assert "--set guards.retain_below=0.4" in seen.command
    assert ("Evaluated", "every 5 epochs on a sample and in full at the end", "") in seen.facts


# -- runs ---


def accuracy(item_set: str, value: float) -> dict[str, Any]:
    return {"set": item_set, "task": "generation", "modality": "image_text", "metric": "accuracy", "value": value}


def test_runs_of_a_group_stand_together_under_its_name(lab: Lab, queued: Make) -> None:
    queued("a1", group_id="<sweep>")
    queued("alone")
    queued("a2", group_id="<sweep>")
    html = str(runs_view.runs_table(lab, Filter()))
    text = words(html)
    assert text.index("<sweep>") < text.index("a2") < text.index("a1") < text.index("alone")
    assert text.count("2 runs: 2 queued") == 1 and "<sweep>" not in html
    assert 'href="/runs?group=%3Csweep%3E"' in html


def test_an_address_narrows_the_list_to_a_group(lab: Lab, queued: Make) -> None:
    queued("a1", group_id="NPO")
    queued("alone")
    chosen = Filter.read({"group": "NPO"})
    assert [run.name for run in runs_view.found(lab, chosen)] == ["a1"]
    assert chosen.address() == "/runs?group=NPO" and Filter.read({"group": "NPO"}).narrows


def test_a_groups_table_shows_mean_spread_and_n(lab: Lab) -> None:
    for seed, forget in ((0, 0.1), (1, 0.3)):
        spec = fill("npo", training={"seed": seed}).model_dump(mode="json")
        run = runs.submit(lab.engine, kind="unlearn", name=f"seed {seed}", spec=spec, group_id="NPO")
        runs.claim(lab.engine, "worker", "host", "CPU")
        if not seed:
            assert "No run of this group has scores yet." in words(group_view.summary(lab, "NPO"))
        results.write_scores(lab.engine, run.id, None, [accuracy("forget", forget), accuracy("retain", 0.8)])
        runs.finish(lab.engine, run.id, 1, "succeeded")
    text = words(group_view.summary(lab, "NPO"))
    assert ".20 ± .14 n 2" in text and ".80 ± .00 n 2" in text
    assert "harmonic mean of 1 − forget accuracy and retain accuracy" in text and "with picture" in text
    assert group_view.summary(lab, "nobody") == ""


def test_the_reason_of_a_guard_stands_on_the_runs_page(
    lab: Lab, running: Make, saved: Callable[..., Checkpoint]
) -> None:
    run = running()
    kept = saved(run)
    reason = "Stopped at step 40 of 200: retain accuracy .38 fell below the line of .40."
    final = checkpoints.save(
        lab.engine, lab.home, run_id=run.id, step=40, kind="adapter", role="final", base="demo",
        write=lambda folder: (folder / "a.safetensors").write_bytes(b"0") and None, meta={"ending": reason},
    )  # fmt: skip
    runs.finish(lab.engine, run.id, 1, "succeeded", output_checkpoint_id=final.id, message=reason)
    assert reason in words(run_view.sections(lab, runs.get(lab.engine, run.id))["ending"])
    assert kept.id != final.id
