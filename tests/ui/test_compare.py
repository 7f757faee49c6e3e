"""Compare without a browser: its address, what it makes of a lab, and every piece with its figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from markupsafe import Markup

from backend.comparing.figures import Cell, Figure
from backend.comparing.pair import FORGOTTEN, KINDS
from storage import attacks, metric_points, results, runs
from storage.database import writing
from storage.tables import Checkpoint, Run, new_id
from ui import compare_view
from ui.compare_pair import title_of
from ui.compare_plot import Axis
from ui.compare_state import ALL, USUAL_X, USUAL_Y, State
from ui.compare_words import in_heading, on_axis, plain, signed
from ui.context import Lab
from ui.pages import compare as compare_page

Make = Callable[..., Run]
TEXT = USUAL_X._replace(modality="text")


def words(html: object) -> str:
    return " ".join(Markup(str(html).replace("<", " <")).striptags().split())


@pytest.fixture
def scored(lab: Lab) -> Make:
    """A run that has ended with a checkpoint, accuracies of forget and retain with the picture, and answers."""

    def make(
        kind: str,
        name: str,
        forget: float,
        retain: float,
        parent: Run | None = None,
        answers: Sequence[tuple[str, str, str, bool]] = (),
        flags: Sequence[str] = (),
        group: str | None = None,
        **spec: Any,
    ) -> Run:
        above = parent.output_checkpoint_id if parent else None
        fields = {"kind": kind, "benchmark": "demo", "request": {"ratio": 10}, "model": "demo", **spec}
        run = runs.submit(lab.engine, kind=kind, name=name, spec=fields, parent_checkpoint_id=above, group_id=group)
        made = new_id()
        with writing(lab.engine) as session:
            session.add(
                Checkpoint(
                    id=made, run_id=run.id, step=9, kind="full", role="final", path="p", sha256="", files={}, bytes=1,
                    parent_id=above, base="demo", meta={},
                )
            )  # fmt: skip
            session.flush()
            session.get_one(Run, run.id).output_checkpoint_id = made
        rows = [
            {"set": name, "task": "generation", "modality": "image_text", "metric": "accuracy", "value": value,
             "low": max(0.0, value - 0.05), "high": min(1.0, value + 0.05), "n": 24, "people": 4, "flags": flags}
            for name, value in (("forget", forget), ("retain", retain))
        ]  # fmt: skip
        results.write_scores(lab.engine, run.id, made, rows)
        said = [
            {"item_id": item, "set": item_set, "task": "generation", "modality": "image_text", "subject": "p01",
             "question": "Where?", "truth": "In Bern.", "text": text, "correct": right, "probability": 0.5}
            for item, item_set, text, right in answers
        ]  # fmt: skip
        results.write_answers(lab.engine, run.id, made, said)
        return runs.get(lab.engine, run.id)

    return make


@pytest.fixture
def filled(lab: Lab, scored: Make) -> dict[str, Run]:
    """An original, a gold model, two seeds of NPO and a collapsed GA."""
    knew = [("1", "forget", "In Bern.", True), ("2", "retain", "In Rome.", True), ("3", "retain", "In Oslo.", True)]
    now = [("1", "forget", "In <Basel>.", False), ("2", "retain", "In Rome.", True), ("3", "retain", "No idea.", False)]
    made = {"vanilla": scored("finetune", "vanilla", 1.0, 0.98, who="everyone", answers=knew)}
    made["gold"] = scored("finetune", "gold", 0.08, 0.97, who="retain")
    for seed, forget in ((0, 0.1), (1, 0.3)):
        made[f"npo{seed}"] = scored(
            "unlearn", f"NPO · seed {seed}", forget, 0.9, made["vanilla"], answers=now, group="sweep",
            preset="npo", training={"seed": seed, "steps": 60},
        )  # fmt: skip
    made["ga"] = scored("unlearn", "GA <b>", 0.02, 0.08, made["vanilla"], flags=["collapsed"], preset="ga")
    return made


def test_an_address_and_its_state_are_one() -> None:
    state = State("demo", "10", "npo 2", False, TEXT, USUAL_Y, (TEXT, USUAL_Y), "gold", "-name", "aa", "bb", FORGOTTEN)
    state = replace(state, set="forget", task="cloze", asked="text", page=3)
    assert State.at(state.address()) == state
    assert "cols=forget.generation.text.accuracy,retain.generation.image_text.accuracy" in state.address()
    assert State().address() == "/compare" and State.at("/compare") == State()


def test_an_address_that_nobody_made_is_read_as_the_usual_one() -> None:
    given = {"x": "nonsense", "cols": "a,b.c", "show": "colour", "kind": "?", "asked": "loudly", "page": "-2"}
    assert State.read(given) == State()


def test_pressing_a_column_twice_turns_it_round() -> None:
    once = State().sorted_by("name")
    assert (once.sort, once.sorted_by("name").sort, once.sorted_by("attack").sort) == ("name", "-name", "attack")


def test_an_empty_lab_says_what_will_be_here_and_the_step_that_fills_it(lab: Lab) -> None:
    shown = compare_view.sections(lab, compare_view.look(lab, State()))
    assert shown["body"] is False and 'href="/launch"' in shown["empty"]
    assert "held against the original" in words(shown["empty"])


def test_what_is_not_in_the_lab_gives_way(lab: Lab, filled: dict[str, Run]) -> None:
    asked = State("elsewhere", "5", x=TEXT, y=USUAL_Y._replace(metric="loss"), task="caption", set="test", a="gone")
    seen = compare_view.look(lab, asked)
    state = seen.state
    assert (state.benchmark, state.whom, state.x, state.y) == ("demo", "10", USUAL_X, USUAL_Y)
    assert (state.task, state.set, state.cols) == ("generation", ALL, (USUAL_X, USUAL_Y))
    assert (state.a, state.b) == (filled["vanilla"].id, filled["ga"].id)
    assert compare_view.look(lab, replace(state, b=filled["npo0"].id)).state.b == filled["npo0"].id


def test_the_part_of_an_axis_that_was_changed_stays(lab: Lab, filled: dict[str, Run]) -> None:
    before = compare_view.look(lab, State()).state
    chosen = replace(before, x=before.x._replace(set="retain", modality="text"))
    assert compare_view.look(lab, chosen, before).state.x == USUAL_Y


def test_the_head_says_what_is_compared(lab: Lab, filled: dict[str, Run]) -> None:
    said = words(compare_view.head(lab, compare_view.look(lab, State())))
    assert said == (
        "demo · forget 10 % · 3 models, original and gold as landmarks "
        "x: forget, picture y: retain, picture seeds folded"
    )


def test_the_plane_has_a_link_and_words_for_every_model(lab: Lab, filled: dict[str, Run]) -> None:
    drawing, figures = compare_view.plane(lab, compare_view.look(lab, State()))
    for name in ("vanilla", "gold", "ga"):
        assert f'href="/runs?run={filled[name].id}"' in drawing
    assert 'href="/runs?group=sweep"' in drawing and "<b>" not in drawing.replace("&lt;b&gt;", "")
    # .1 and .3: mean .2, deviation .1 either way
    assert "forget accuracy with picture, generation: .20 ± .14, 2 seeds" in drawing
    assert drawing.count("lethe-hollow") == 1
    rows = words(figures)
    assert "◆ gold .08 .03–.13 .97 .92–1.00 24 / 24" in rows
    assert "● NPO .20 ± .14, 2 seeds .90 ± .00, 2 seeds 24 / 24 on the front" in rows


def test_the_better_end_of_an_axis_is_at_the_top_right() -> None:
    forget, retain = Axis(0.0, 1.0, backwards=True), Axis(0.0, 1.0, backwards=False)
    assert (forget.at(0.25), retain.at(0.25)) == (75.0, 25.0)
    alone = Axis.over([Figure(0.02)], "↓")
    assert alone.low == -0.02 and 0.12 < alone.high < 0.2, "one rate is not drawn between -.01 and .05"
    assert Axis(0.0, 1.0, False).ticks() == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert Axis(-14.0, 3.0, False).ticks() == [-12.5, -10.0, -7.5, -5.0, -2.5, 0.0, 2.5]


def test_few_runs_show_the_way_they_took(lab: Lab, filled: dict[str, Run]) -> None:
    rows = [(step, f"accuracy/{name}", value) for step, name, value in
            ((5, "forget", 0.9), (5, "retain", 0.95), (10, "forget", 0.5), (10, "retain", 0.9))]  # fmt: skip
    metric_points.record(lab.engine, filled["npo0"].id, rows)
    drawing, _ = compare_view.plane(lab, compare_view.look(lab, State()))
    assert drawing.count('class="lethe-way"') == 1 and drawing.count('class="lethe-way-dot"') == 2
    other = compare_view.look(lab, State(x=USUAL_X._replace(set="retain"), y=USUAL_X))
    assert compare_view.plane(lab, other)[0].count('class="lethe-way-dot"') == 2


def test_the_table_is_shaded_flagged_and_held_against_original_and_gold(lab: Lab, filled: dict[str, Run]) -> None:
    table = compare_view.score_table(lab, compare_view.look(lab, State()))
    rows = [words(row) for row in table.split("<tr>")[2:]]
    assert [row.split(" A B")[0] for row in rows] == ["■ vanilla", "◆ gold", "● NPO", "● GA <b>"]
    assert rows[2].startswith("● NPO A B 2 seeds .20 ± .14, 2 seeds .90")
    assert "⚠ collapsed" in rows[3] and rows[3].count(".08") == 1
    # 1 − .08 = .92 of the best: (.92 − .5) · 2 · 30 % = 25 %
    assert "lethe-towards" in table and "--tint:25%" in table and "lethe-away" in table
    less = compare_view.score_table(lab, compare_view.look(lab, State(show="original")))
    # .2 − 1.0 and .9 − .98
    assert "\N{MINUS SIGN}.80 .20" in words(less) and "\N{MINUS SIGN}.08 .90" in words(less)
    gold = compare_view.score_table(lab, compare_view.look(lab, State(show="gold", fold=False)))
    assert "+.02 .10" in words(gold) and "+.22 .30" in words(gold)


def test_the_table_follows_search_and_sort(lab: Lab, filled: dict[str, Run]) -> None:
    found = words(compare_view.score_table(lab, compare_view.look(lab, State(q="npo SEED", fold=False))))
    assert "NPO · seed 0" in found and "vanilla" not in found
    assert "No model fits" in words(compare_view.score_table(lab, compare_view.look(lab, State(q="nothing"))))
    table = compare_view.score_table(lab, compare_view.look(lab, State(sort=USUAL_X.address)))
    assert 'aria-sort="ascending"' in table
    assert words(table).index("GA") < words(table).index("gold") < words(table).index("NPO")


def test_the_worst_attack_stands_in_the_table_and_in_the_matrix(lab: Lab, filled: dict[str, Run]) -> None:
    spec = {"kind": "attack", "benchmark": "demo", "request": {"ratio": 10}}
    checkpoint = filled["npo0"].output_checkpoint_id
    run = runs.submit(lab.engine, kind="attack", name="attack", spec=spec, parent_checkpoint_id=checkpoint)
    leaks = {("plain", "unlearned"): 0.1, ("plain", "original"): 0.9, ("prefix", "unlearned"): 0.5}
    leaks |= {("prefix", "control"): 0.1, ("roleplay", "unlearned"): 0.2}
    for (attack, role), value in leaks.items():
        attacks.write_unit(lab.engine, run.id, {"attack": attack, "role": role, "value": value, "n": 24})
    seen = compare_view.look(lab, State())
    # (.5 − .1) / (.9 − .1)
    assert ".50" in compare_view.score_table(lab, seen).split("lethe-worst")[-3 + 1] or ".50" in words(
        compare_view.score_table(lab, seen)
    )
    matrix = words(compare_view.matrix(lab, seen))
    assert "● NPO · seed 0 .50 .50 · ○ .10" in matrix and "no control" in matrix
    assert 'href="/launch"' in compare_view.matrix(lab, compare_view.look(lab, State(q="gold")))


def test_a_pair_is_counted_listed_and_escaped(lab: Lab, filled: dict[str, Run]) -> None:
    state = State(a=filled["vanilla"].id, b=filled["npo0"].id)
    shown = compare_view.pair_sections(lab, compare_view.look(lab, state))
    assert "■ vanilla → ● NPO · seed 0" in words(shown["pair_head"])
    counts = words(shown["changes"])
    assert "forgotten, as asked 1 of 1" in counts and "overly forgotten (retain) 1 of 2" in counts
    assert "still known 0 of 1" in counts and "new answer, wrong 1 of 3" in counts and "kept 1 of 2" in counts
    items = shown["items"]
    assert "&lt;Basel&gt;" in items and "<Basel>" not in items and "<ins" in items
    assert "items 1 to 3 of 3" in shown["items_note"] and (shown["earlier"], shown["later"]) == (False, False)
    lost = compare_view.pair_sections(lab, compare_view.look(lab, replace(state, kind="overly forgotten", page=9)))
    assert "No idea ." in words(lost["items"]) and "Basel" not in lost["items"]
    assert "items 1 to 1 of 1" in lost["items_note"]
    assert "Steps" not in words(shown["spec"]) or "60" in words(shown["spec"])


def test_a_pair_without_answers_says_what_would_give_them(lab: Lab, filled: dict[str, Run]) -> None:
    seen = compare_view.look(lab, State(a=filled["vanilla"].id, b=filled["ga"].id))
    shown = compare_view.pair_sections(lab, seen)
    assert "No answers of GA" in words(shown["changes"]) and filled["ga"].id in shown["changes"]
    assert shown["items"] == ""


def test_only_settings_that_differ_are_listed_under_their_titles(lab: Lab, filled: dict[str, Run]) -> None:
    state = State(a=filled["npo0"].id, b=filled["npo1"].id)
    shown = compare_view.pair_sections(lab, compare_view.look(lab, state))
    assert words(shown["spec"]) == "Setting A: NPO · seed 0 B: NPO · seed 1 Seed 0 1"
    assert title_of("training.nothing", None) is None


def test_people_and_curves_of_a_pair(lab: Lab, filled: dict[str, Run]) -> None:
    metric_points.record(lab.engine, filled["npo0"].id, [(1, "forget_loss", 2.0), (2, "forget_loss", 3.5)])
    state = State(a=filled["vanilla"].id, b=filled["npo0"].id)
    shown = compare_view.pair_sections(lab, compare_view.look(lab, state))
    profile = words(shown["profile"])
    assert "p01 1 → 0 of 1" in profile and "p01 2 → 1 of 2" in profile
    assert "forget_loss last: A → B – → 3.50" in words(shown["curves"])


def test_controls_offer_what_was_measured(lab: Lab, filled: dict[str, Run]) -> None:
    found = compare_view.controls(lab, compare_view.look(lab, State()))
    assert found["questions"] == {"choices": [("demo · forget 10 % (5)", "demo/10")], "value": "demo/10"}
    assert found["x_set"] == {"choices": [("forget", "forget"), ("retain", "retain")], "value": "forget"}
    assert found["set"]["choices"] == [ALL, "forget", "retain"]
    assert [label for label, _ in found["a"]["choices"]][:2] == ["■ vanilla", "◆ gold"]


def test_words_of_cells_and_figures() -> None:
    loss = Cell("retain", "cloze", "text", "loss")
    assert on_axis(loss) == "retain loss as text, cloze"
    assert in_heading(USUAL_X, [USUAL_X, TEXT]) == ("Forget picture", "")
    assert in_heading(loss, [USUAL_X, loss]) == ("Retain text", "cloze · loss")
    assert (
        in_heading(USUAL_X._replace(set="celebrity"), [USUAL_X, TEXT, USUAL_X._replace(set="celebrity")])[0]
        == "Celebrity"
    )
    assert (plain(0.114), plain(-3.2), plain(2.0)) == (".11", "\N{MINUS SIGN}3.20", "2.00")
    assert (signed(0.021), signed(-0.93), signed(0)) == ("+.02", "\N{MINUS SIGN}.93", "+.00")
    assert len(set(KINDS)) == 6


# -- ticks and people -------------------------------------------------------------------------------------------------


class Names(dict[str, Any]):
    """Every place on the page by its own name, without a page."""

    def __missing__(self, name: str) -> str:
        return name


def test_what_is_pressed_while_a_tick_is_under_way_stands(lab: Lab, scored: Make) -> None:
    first = scored(
        "unlearn", "first", 0.1, 0.9, answers=[("i1", "forget", "Bern", True), ("i2", "forget", "no", False)]
    )
    other = scored("unlearn", "other", 0.1, 0.9, answers=[("i1", "forget", "no", False), ("i2", "forget", "no", False)])
    does = compare_page._Handlers(lab, Names())
    pair = State(benchmark="demo", whom="10", a=first.id, b=other.id)
    before = does.shown(pair, None, {})
    pressed = replace(State.at(before["address"]), kind=FORGOTTEN)
    after = does.shown(pressed, None, before["sent"])
    late = does.refreshed(before["sent"], before["address"])  # it was asked before the press, and comes after it
    assert "address" not in late and "kind" not in late
    page = {**before, **after, **late}
    assert State.at(page["address"]).kind == FORGOTTEN
    caught_up = does.caught_up(page["sent"], page["address"], page["drawn_for"])
    assert {**page, **caught_up}["changes"] == after["changes"]
    settled = does.caught_up(caught_up["sent"], page["address"], caught_up["drawn_for"])
    assert settled == {"sent": caught_up["sent"]}, "what stands is not drawn twice"
