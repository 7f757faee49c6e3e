"""The score table, its yardsticks, and the check of what the original knew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from markupsafe import Markup

from backend.reports import Yardstick
from backend.spec import FinetuneSpec
from storage import results, runs
from storage.tables import Checkpoint, Run
from ui import run_view, score_view
from ui.context import Lab

Make = Callable[..., Run]
Save = Callable[..., Checkpoint]


def score(**given: Any) -> dict[str, Any]:
    usual = {"set": "forget", "task": "generation", "modality": "image_text", "metric": "accuracy", "value": 0.11}
    return usual | {"n": 60, "people": 5, "low": 0.04, "high": 0.22, "flags": []} | given


def before(known: int, of: int, **given: Any) -> dict[str, Any]:
    return score(metric="known_before", value=known / of, n=of, **given)


def words(html: object) -> str:
    return Markup(str(html)).striptags()


def test_scores_stand_by_set_with_picture_and_as_text_with_the_way_that_is_better() -> None:
    rows = [
        score(set="retain", value=0.9, low=0.86, high=0.93, n=420),
        score(),
        score(modality="text", value=0.2, low=0.09, high=0.33),
        score(metric="probability", value=0.5),
    ]
    assert words(score_view.scores_table(rows, "accuracy")) == (
        "SetTaskWith pictureAs textn"
        "Forget ↓lower is bettergeneration.11 .04–.22.20 .09–.3360"
        "Retain ↑higher is bettergeneration.90 .86–.93–420"
    )


def test_the_two_counts_stand_in_the_order_of_the_columns() -> None:
    rows = [score(n=60), score(modality="text", n=48)]
    assert words(score_view.scores_table(rows, "accuracy")).endswith("60 / 48")


def test_a_score_that_cannot_be_known_says_why() -> None:
    table = score_view.scores_table([score(value=None, flags=["needs a gold model"])], "accuracy")
    assert "needs a gold model" in table
    assert "⚠" not in table


def test_a_flag_stands_at_its_figure_and_is_explained_once_below() -> None:
    rows = [score(flags=["collapsed"]), score(set="retain", flags=["below the collapse line"])]
    table = score_view.scores_table(rows, "accuracy")
    assert "⚠</span>collapsed" in table and "⚠</span>below the collapse line" in table
    rule = words(score_view.rule(rows, "accuracy"))
    assert rule.endswith(
        "⚠ collapsed: the answers are no longer language. "
        "⚠ below the collapse line: accuracy on the retain set is under 0.4 on average, multiple choice counted by the "
        "likeliest option."
    )
    assert "⚠" not in score_view.rule([score()], "accuracy")
    assert score_view.rule([score()], "probability") == ""


def test_the_rule_of_accuracy_is_the_one_by_which_it_was_measured() -> None:
    ranked = words(score_view.rule([score()], "accuracy"))
    assert "the true option is the likeliest of four" in ranked
    rows = [score(), score(metric="parsed", task="classification"), score(metric="accuracy_of_known")]
    lettered = words(score_view.rule(rows, "accuracy"))
    assert "likeliest" not in lettered and "the letter that the answer gives" in lettered
    assert "an answer without one is wrong" in lettered
    assert "n is their number" in score_view.rule(rows, "accuracy_of_known")


def test_scores_that_are_not_there_yet_are_promised_only_while_the_run_goes_on() -> None:
    assert "at the end of the run" in score_view.scores_table([], "accuracy", "running")
    assert "No scores were measured" in score_view.scores_table([], "accuracy", "failed")


def test_held_out_people_come_last_are_explained_once_and_have_no_better_way() -> None:
    rows = [score(set="holdout", task=task) for task in ("classification", "generation")]
    text = words(score_view.scores_table([*rows, score(set="celebrity")], "accuracy"))
    assert text.index("Celebrity") < text.index("Held-out peoplenever taught to any modelgeneration")
    assert text.count("never taught to any model") == 1
    assert "Held-out peopleclassification" in text


def test_figures_outside_0_and_1_are_written_out() -> None:
    assert words(score_view.figure(score(value=-62.5, low=-70.0, high=-3.25))) == "−62.50 −70.00 to −3.25"
    assert words(score_view.figure(score(value=2.5, low=None, high=None))) == "2.50"
    assert words(score_view.figure(score(value=1.0, low=None, high=None))) == "1.00"


# -- yardsticks ---


def test_the_original_and_gold_stand_under_a_value_in_their_marks() -> None:
    named = Run(id="1" * 32, name="vanilla <1>")
    yardsticks = {
        "original": Yardstick(named, (score(value=0.97, low=0.9, high=1.0), score(metric="probability", value=0.8))),
        "gold": Yardstick(Run(id="2" * 32, name="gold"), (score(value=0.07, low=None, high=None),)),
    }
    rows = [score(), score(modality="text")]
    table = score_view.scores_table(rows, "accuracy", yardsticks=yardsticks)
    assert words(table).endswith("generation●.11 .04–.22■original .97 ◆gold .07.11 .04–.2260")
    assert 'title="Original: .97, .90 to 1.00"' in table and 'title="Gold: .07"' in table
    assert "■original .80" in words(
        score_view.scores_table([score(metric="probability")], "probability", "", yardsticks)
    )
    legend = score_view.legend(rows, yardsticks)
    assert words(legend) == "●this run, with its interval · ■vanilla <1> · ◆gold, asked the same"
    assert "vanilla &lt;1&gt;" in legend
    assert f'href="/runs?run={"2" * 32}"' in legend


def test_there_is_no_yardstick_where_nobody_was_asked_the_same() -> None:
    yardsticks = {"original": Yardstick(Run(id="1", name="vanilla"), (score(set="retain"), score(value=None)))}
    assert "■" not in score_view.scores_table([score()], "accuracy", yardsticks=yardsticks)
    assert score_view.legend([score()], {"original": Yardstick(None)}) == ""
    assert score_view.legend([score(metric="probability")], yardsticks) == ""


def test_the_page_of_an_unlearned_model_holds_it_against_its_original(lab: Lab, queued: Make, saved: Save) -> None:
    spec = FinetuneSpec().model_dump(mode="json")
    vanilla = runs.submit(lab.engine, kind="finetune", name="vanilla", spec=spec)
    runs.claim(lab.engine, "worker", "host", "CPU")
    parent = saved(vanilla)
    runs.finish(lab.engine, vanilla.id, 1, "succeeded", output_checkpoint_id=parent.id)
    results.write_scores(lab.engine, vanilla.id, parent.id, [score(value=0.97)])
    child = queued("NPO", parent_checkpoint_id=parent.id)
    results.write_scores(lab.engine, child.id, saved(child, parent_id=parent.id).id, [score()])
    made = run_view.score_sections(lab, runs.get(lab.engine, child.id))
    assert "■original .97" in words(made["scores"])
    assert "■vanilla" in words(made["yardsticks"])
    assert words(made["known"]) == "not checked: the original was not asked"
    assert (made["known_switch"], made["known_scores"]) == (False, "")
    assert "Make one" in made["needs"]


# -- what the original knew ---


def test_how_much_of_the_forget_set_the_original_knew_is_summed_over_its_cells() -> None:
    rows = [before(28, 30), before(30, 30, modality="text"), before(10, 50, set="retain")]
    line = words(score_view.known_line(rows, unlearned=True))
    assert line == "The original knew 58 of 60 forget items; 2 it never knew are counted apart."
    assert "59 of 60 forget items; 1 it never knew is counted apart." in score_view.known_line([before(59, 60)], True)
    assert words(score_view.known_line([before(60, 60)], True)) == "The original knew all 60 forget items."
    assert words(score_view.known_line([before(10, 50, set="retain")], True)).startswith(
        "The original knew 10 of 50 items"
    )


def test_an_original_that_was_not_asked_is_said_of_unlearned_models_alone() -> None:
    assert words(score_view.known_line([score()], unlearned=True)) == "not checked: the original was not asked"
    assert score_view.known_line([score()], unlearned=False) == ""
    assert score_view.known_line([], unlearned=True) == ""


def test_the_table_of_what_was_known_has_its_own_n_and_says_where_that_is_nothing(
    lab: Lab, queued: Make, saved: Save
) -> None:
    run = queued()
    known = {"metric": "accuracy_of_known"}
    rows = [
        score(),
        before(58, 60),
        score(**known, value=0.09, n=58),
        score(**known, set="test", value=None, n=0, low=None, high=None, flags=["the original knew none of these"]),
    ]
    results.write_scores(lab.engine, run.id, saved(run).id, rows)
    made = run_view.score_sections(lab, run)
    assert made["known_switch"] is True
    text = words(made["known_scores"])
    assert "generation.09 .04–.22–58" in text
    assert "generationthe original knew none of these–0" in text
    assert "n is their number" in text
    assert "known_before" not in made["measures"] and "accuracy_of_known" not in made["measures"]
