"""The Attack page: what its form asks for, and what an attack run's rows come to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from backend.attack_report import reckon, unit_figures
from backend.benchmarks.demo import DemoBenchmark
from storage import attacks, runs
from storage.database import writing
from storage.tables import Checkpoint, Run, RunState
from ui import attack_crossed, attack_figures, attack_view, attacking
from ui.attack_view import Wanted
from ui.context import Lab
from ui.pages import attack as page


@pytest.fixture
def attackable(lab: Lab, world: DemoBenchmark, queued: Callable[..., Run], saved: Callable[..., Checkpoint]) -> Run:
    """An unlearning run that has ended with a model."""
    run = queued("NPO forget10")
    runs.claim(lab.engine, "worker", "host", "CPU")
    made = saved(run)
    runs.finish(lab.engine, run.id, 1, "succeeded", output_checkpoint_id=made.id)
    return runs.get(lab.engine, run.id)


@pytest.fixture
def with_demo(lab: Lab, world: DemoBenchmark) -> Lab:
    return replace(lab, benchmarks={"demo": world})


def transcript(item: str, text: str, leaked: bool, **more: Any) -> dict[str, Any]:
    words = {"subject": "p01", "modality": "text", "question": "Where?", "asked": "Tell me: where?", "truth": "Oslo"}
    return {"item_id": item, "text": text, "leaked": leaked, **words, **more}


def filled(lab: Lab, about: Run) -> Run:
    """An attack run: plainly nothing leaks, under roleplay half of it does, and the original says everything."""
    run = attacking.start(lab, attacking.plan(lab, about.id, "quick", [], 24, "auto"), "", "once")
    leaks = {
        ("plain", "unlearned"): (0, 0),
        ("plain", "original"): (1, 1),
        ("plain", "control"): (0, 0),
        ("roleplay", "unlearned"): (1, 0),
        ("roleplay", "original"): (1, 1),
        ("roleplay", "control"): (0, 0),
    }
    for (name, role), (first, second) in leaks.items():
        figures = unit_figures([("p01", "text", float(first)), ("p02", "image_text", float(second))])
        said = [transcript(f"i{at}", f"{role} says", bool(leak)) for at, leak in enumerate((first, second))]
        attacks.write_unit(lab.engine, run.id, {"attack": name, "role": role, **figures}, said)
    return run


# -- the form ---------------------------------------------------------------------------------------------------------


def test_a_filled_form_says_what_will_be_done(with_demo: Lab, attackable: Run) -> None:
    asked = attacking.plan(with_demo, attackable.id, "quick", ["roleplay"], 12, "none")
    assert asked.spec is not None and asked.spec.model == f"run:{attackable.id}" and asked.spec.attacks == ("roleplay",)
    assert asked.name == "1 attack · NPO forget10"
    assert asked.words.startswith("2 attacks on the unlearned model")
    assert asked.command == (
        "python -m backend submit attack 'NPO forget10' --suite quick --attacks roleplay --set items=12 "
        "--set control=none --wait"
    )


def test_the_time_is_that_of_runs_like_it(with_demo: Lab, attackable: Run) -> None:
    form = (attackable.id, "quick", ["roleplay"], 24, "none")
    assert "How long it takes is not known" in attacking.plan(with_demo, *form).words
    past = attacking.start(with_demo, attacking.plan(with_demo, *form), "", "once")
    assert runs.claim(with_demo.engine, "worker", "host", "CPU") is not None
    with writing(with_demo.engine) as session:
        row = session.get_one(Run, past.id)
        row.step = row.steps = 4
        row.state, row.started_at, row.finished_at = RunState.SUCCEEDED, 100.0, 220.0
    # two attacks on two models, 30 s a unit
    assert attacking.plan(with_demo, *form).words.endswith("About 2 min, by one run like it.")


def test_an_adapter_is_said_to_be_one(with_demo: Lab, attackable: Run) -> None:
    assert "take it off" in attacking.plan(with_demo, attackable.id, "quick", [], 24, "auto").beware


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"run_id": ""}, "Choose the model"),
        ({"run_id": "0" * 32}, "no run"),
        ({"items": 0}, "Questions must be at least 1"),
        ({"items": None}, "Questions must be a whole number"),
        ({"only": ["thunder"]}, "there is no attack called 'thunder'"),
        ({"suite": "thunder"}, "there is no suite called 'thunder'"),
    ],
)
def test_what_cannot_be_is_one_sentence(with_demo: Lab, attackable: Run, changes: dict[str, Any], said: str) -> None:
    form = {"run_id": attackable.id, "suite": "quick", "only": [], "items": 24, "control": "auto"} | changes
    asked = attacking.plan(with_demo, **form)
    assert asked.spec is None and said in asked.fault
    with pytest.raises(attacking.CannotQueue, match=r"\w"):
        attacking.start(with_demo, asked, "", "once")


def test_a_second_run_of_the_same_has_a_name_of_its_own(with_demo: Lab, attackable: Run) -> None:
    for number, name in enumerate(("quick attacks · NPO forget10", "quick attacks · NPO forget10 · 2")):
        asked = attacking.plan(with_demo, attackable.id, "quick", [], 24, "auto")
        assert asked.name == name
        attacking.start(with_demo, asked, "", str(number))


def test_start_twice_is_one_run(with_demo: Lab, attackable: Run) -> None:
    asked = attacking.plan(with_demo, attackable.id, "quick", [], 24, "auto")
    first, second = (attacking.start(with_demo, asked, "mine", "one request") for _ in range(2))
    assert first.id == second.id and first.name == "mine" and first.kind == "attack"
    assert first.parent_checkpoint_id == attackable.output_checkpoint_id


def test_models_are_named_by_their_run(with_demo: Lab, attackable: Run) -> None:
    assert attacking.models(with_demo) == [("● NPO forget10", attackable.id)]


# -- what was found ---------------------------------------------------------------------------------------------------


def test_the_worst_attack_is_said_first(with_demo: Lab, attackable: Run) -> None:
    run = filled(with_demo, attackable)
    rows = reckon(attacks.units(with_demo.engine, [run.id]))
    said = attack_view.verdict(rows)
    assert "Asked plainly, the unlearned model tells 0 % of the facts, where a model that never knew tells 0 %." in said
    assert "<b>Roleplay</b> makes it tell 50 %, where a model that never knew tells 0 %." in said
    assert "without any attack" not in said
    table = attack_view.table(rows)
    assert table.index("Roleplay") < table.index("Asked plainly")
    assert 'aria-label="original 1.00, control .00, unlearned .50"' in table


def test_what_leaks_plainly_is_said_before_any_attack(with_demo: Lab, attackable: Run) -> None:
    run = filled(with_demo, attackable)
    told = unit_figures([("p01", "text", 1.0), ("p02", "image_text", 1.0)])
    attacks.write_unit(with_demo.engine, run.id, {"attack": "plain", "role": "unlearned", **told})
    said = attack_view.verdict(reckon(attacks.units(with_demo.engine, [run.id])))
    assert "tells 100 % of the facts" in said and "That it did not forget shows without any attack." in said


def test_an_attack_that_the_original_cannot_answer_under_is_marked(with_demo: Lab, attackable: Run) -> None:
    run = filled(with_demo, attackable)
    assert "the original itself" not in attack_view.table(reckon(attacks.units(with_demo.engine, [run.id])))
    nothing = unit_figures([("p01", "text", 0.0), ("p02", "image_text", 0.0)])
    attacks.write_unit(with_demo.engine, run.id, {"attack": "roleplay", "role": "original", **nothing})
    table = attack_view.table(reckon(attacks.units(with_demo.engine, [run.id])))
    assert table.count("the original itself gives only 0 % of its plain answers this way") == 1


def test_what_an_earlier_run_measured_is_said(with_demo: Lab, attackable: Run) -> None:
    run = filled(with_demo, attackable)
    assert attack_view.taken_over(with_demo, reckon(attacks.units(with_demo.engine, [run.id]))) == ""
    for earlier in (run.id, "gone" * 8):
        told = unit_figures([("p01", "text", 1.0)])
        told["detail"]["taken_from"] = earlier
        role = "original" if earlier == run.id else "control"
        attacks.write_unit(with_demo.engine, run.id, {"attack": "plain", "role": role, **told})
    said = attack_view.taken_over(with_demo, reckon(attacks.units(with_demo.engine, [run.id])))
    assert f'href="/attack?run={run.id}"' in said and "a run that was deleted (gonegone)" in said


def test_an_attack_that_was_not_made_says_why(with_demo: Lab, attackable: Run) -> None:
    run = filled(with_demo, attackable)
    attacks.write_unit(
        with_demo.engine, run.id, {"attack": "few_shot", "role": "unlearned", "value": None, "note": "nobody <left>"}
    )
    table = attack_view.table(reckon(attacks.units(with_demo.engine, [run.id])))
    assert "not made: nobody &lt;left&gt;" in table


def test_no_control_is_said(with_demo: Lab, attackable: Run) -> None:
    run = filled(with_demo, attackable)
    units = [unit for unit in attacks.units(with_demo.engine, [run.id]) if unit.role != "control"]
    assert "no control" in attack_view.table(reckon(units))
    assert "There is no control, so a leak may be a guess." in attack_view.verdict(reckon(units))
    assert "The control has not been asked yet." in attack_view.verdict(reckon(units), running=True)
    assert "not yet" in attack_view.table(reckon(units), running=True)


def test_a_collapsed_gap_is_no_finding(with_demo: Lab, attackable: Run) -> None:
    run = filled(with_demo, attackable)
    figures = unit_figures([("p01", "text", 1.0), ("p02", "image_text", 0.0)])
    attacks.write_unit(with_demo.engine, run.id, {"attack": "roleplay", "role": "control", **figures})
    said = attack_view.verdict(reckon(attacks.units(with_demo.engine, [run.id])))
    assert "None of 1 that met a control leaks beyond it" in said


def test_plain_questions_by_modality(with_demo: Lab, attackable: Run) -> None:
    run = filled(with_demo, attackable)
    shown = attack_crossed.crossed(with_demo, run, attacks.units(with_demo.engine, [run.id]))
    assert "forgotten with the picture and as text" in shown
    assert shown.count("1.00") == 2 and shown.count("n 1") == 6, "the original told both"


def test_what_was_forgotten_in_another_modality_stands_in_the_same_matrix(with_demo: Lab, attackable: Run) -> None:
    run = filled(with_demo, attackable)
    for name, modality, people in (
        ("text only", "text", None),
        ("text again", "text", None),
        ("others", "image_text", ["p02"]),
    ):
        request = {**run.spec["request"], "modality": modality} | ({"people": people, "ratio": None} if people else {})
        other = runs.submit(with_demo.engine, kind="attack", name=name, spec={**run.spec, "request": request})
        told = unit_figures([("p01", "image_text", 1.0), ("p02", "image_text", 0.0), ("p01", "text", 0.0)])
        attacks.write_unit(with_demo.engine, other.id, {"attack": "plain", "role": "unlearned", **told})
    shown = attack_crossed.crossed(with_demo, run, attacks.units(with_demo.engine, [run.id]))
    assert shown.count("forgotten as text") == 1 and ">text again</a>" in shown, "the newest of each"
    assert "others" not in shown and ".50" in shown and "n 2" in shown


def told(gap_low: float | None, sure: bool = False, people: int = 20, **more: Any) -> dict[str, Any]:
    """A row of an attack run's table."""
    what: dict[str, Any] = {"name": "roleplay", "title": "Roleplay", "at": "", "unlearned": 0.5, "control": 0.1}
    what |= {"original": 1.0, "gap": 0.4, "control_of": "gold", "gap_low": gap_low, "sure": sure, "people": people}
    return what | more


def test_a_verdict_says_no_more_than_the_table() -> None:
    def said(*rows: dict[str, Any], running: bool = False) -> str:
        return attack_view.verdict(rows, running=running)

    assert "some do so by chance: counted together none does" in said(told(0.1))
    sure = said(told(0.1, True), told(-0.1, people=4))
    assert "One attack of 2 that met a control leaks beyond it, with all of them counted together" in sure
    assert "what was forgotten is still in there" in sure and "rough" not in sure
    assert "With 4 people, intervals are rough." in said(told(0.1, True, 4))
    strangers = said(told(0.1, True, control_of="held-out people"))
    assert "of people nobody was taught it tells 10 %" in strangers and "never knew" not in strangers
    bare = told(None, control=None, gap=None, control_of=None)
    assert "None of 1 that met a control leaks beyond it, as far as these questions can tell. 1 more met none." in (
        said(bare, told(-0.1))
    )
    assert "Yet to meet it: 1." in said(bare, told(-0.1), running=True)
    assert "<b>Logit lens</b> finds 50 % of them inside" in said(told(0.1, name="lens", title="Logit lens"))
    known = said(told(0.1, True, original=None))
    assert "No original is known to hold it against" in known and "still in there" not in known


def test_what_brought_out_little_is_folded_away(with_demo: Lab) -> None:
    rows = [
        told(-0.1, name=f"a{number}", title=f"Attack {number}", family="prompt", tests="", caution="", muffled=None,
             low=None, high=None, recovery=None, recovery_low=None, recovery_high=None, gap_high=None, n=4, seconds=1.0,
             strength=0.0)
        for number in range(20)
    ]  # fmt: skip
    rows[19] |= {"name": "plain", "title": "Asked plainly"}
    open_, folded = attack_view.table(rows).split("<details>")
    assert open_.count("Attack ") == 12 and "Asked plainly" in open_
    assert "7 more, in the same order" in folded and "Attack 18" in folded
    assert "<details>" not in attack_view.table(rows[:12])


def test_what_three_models_said_stands_side_by_side(with_demo: Lab, attackable: Run) -> None:
    run = filled(with_demo, attackable)
    table, before, after = attack_view.transcripts(with_demo, run.id, Wanted("roleplay"))
    assert "unlearned says" in table and "original says" in table and "control says" in table
    assert (before, after) == (False, False)
    leaked, _, _ = attack_view.transcripts(with_demo, run.id, Wanted("roleplay", show="leaked"))
    assert leaked.count("Tell me: where?") == 1
    nothing, _, _ = attack_view.transcripts(with_demo, run.id, Wanted("plain", show="leaked"))
    assert "Nothing leaked here." in nothing


def test_a_page_of_transcripts_at_a_time(with_demo: Lab, attackable: Run) -> None:
    run = filled(with_demo, attackable)
    many = [transcript(f"i{at:02}", "?", False) for at in range(attack_view.PAGE + 3)]
    attacks.write_unit(with_demo.engine, run.id, {"attack": "authority", "role": "unlearned", "value": 0.0}, many)
    first, before, after = attack_view.transcripts(with_demo, run.id, Wanted("authority"))
    assert (before, after) == (False, True) and first.count("<tr>") == attack_view.PAGE + 1
    rest, before, after = attack_view.transcripts(with_demo, run.id, Wanted("authority", page=1))
    assert (before, after) == (True, False) and rest.count("<tr>") == 3 + 1


def test_curves_are_drawn_where_there_are_strengths(with_demo: Lab, attackable: Run) -> None:
    run = filled(with_demo, attackable)
    assert attack_figures.curves(reckon(attacks.units(with_demo.engine, [run.id]))) == ""
    for strength, leak in ((1.0, 0.0), (4.0, 1.0)):
        figures = unit_figures([("p01", "text", leak)])
        unit = {"attack": "prefix", "strength": strength, "role": "unlearned", **figures}
        attacks.write_unit(with_demo.engine, run.id, unit)
    drawn = attack_figures.curves(reckon(attacks.units(with_demo.engine, [run.id])))
    # the leak of 0 stands on the lower axis, that of 1 on the upper one
    assert "40.0,124.0 278.0,10.0" in drawn
    assert "<details>" in drawn and ">1.00<" in drawn


def test_all_attack_runs_with_their_worst(with_demo: Lab, attackable: Run) -> None:
    assert "No model was attacked yet" in attack_view.listing(with_demo)
    run = filled(with_demo, attackable)
    assert f'href="/attack?run={run.id}"' in attack_view.listing(with_demo)
    assert "Roleplay" in attack_view.listing(with_demo)


def test_the_page_of_one_run(with_demo: Lab, attackable: Run) -> None:
    run = filled(with_demo, attackable)
    found = page.run_sections(with_demo, runs.get(with_demo.engine, run.id))
    assert "quick attacks · NPO forget10" in found["title"] and "Attacked: NPO forget10" in found["title"]
    assert page.attack_options(with_demo, run)[0] == ("Roleplay", "roleplay@0")
    assert attacking.shown_run(with_demo, {"run": run.id}) is not None
    assert attacking.shown_run(with_demo, {"run": attackable.id}) is None, "not an attack"


def test_the_steps_to_half_are_said_beside_the_curve(with_demo: Lab, attackable: Run) -> None:
    run = filled(with_demo, attackable)
    for strength, leak in ((5.0, 0.0), (15.0, 1.0)):
        figures = unit_figures([("p01", "text", leak)])
        unit = {"attack": "relearn_forget", "strength": strength, "role": "unlearned", **figures}
        attacks.write_unit(with_demo.engine, run.id, unit)
    drawn = attack_figures.curves(reckon(attacks.units(with_demo.engine, [run.id])))
    assert "half is back after 10 steps" in drawn


LENS = {
    "tokens": [" born", " <b>"],
    "fact": 1,
    "layers": [1, 3],
    "ranks": [[1, 100], [2, 10]],
    "probabilities": [0.01, 0.25],
}


def test_the_lens_is_a_table_with_its_ranks_the_last_layer_on_top() -> None:
    drawn = attack_figures.heatmap({"lens": LENS})
    assert drawn.index('<th scope="row">3</th>') < drawn.index('<th scope="row">1</th>')
    assert "&lt;b&gt;" in drawn and "<b>" not in drawn
    # rank 1 is full, 10 half, 100 bare; the fact's column is marked
    assert '<td style="--heat:100%">1</td>' in drawn
    assert '<td class="lethe-fact" style="--heat:50%">10</td>' in drawn
    assert '<td class="lethe-fact" style="--heat:0%">100</td>' in drawn
    assert ">.25<" in drawn
    assert attack_figures.heatmap({}) == ""


def test_the_lens_stands_with_what_was_said(with_demo: Lab, attackable: Run) -> None:
    run = filled(with_demo, attackable)
    said = [transcript("i0", "“Oslo” at rank 1", True, detail={"lens": LENS})]
    attacks.write_unit(
        with_demo.engine, run.id, {"attack": "lens", "strength": 1.0, "role": "unlearned", "value": 1.0}, said
    )
    table, _, _ = attack_view.transcripts(with_demo, run.id, Wanted("lens", 1.0))
    assert "“Oslo” at rank 1" in table and '<details class="lethe-lens">' in table
