"""Every measure has a meaning, stands under it, and points the right way."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from markupsafe import Markup

from backend.docs import MEASURES
from backend.metrics.memorisation import Panel
from ui.measure_words import direction, meaning
from ui.measures_view import NEEDS, measures_table, rest, wanting


def score(metric: str, **given: Any) -> dict[str, Any]:
    usual = {"set": "forget", "task": "generation", "modality": "image_text", "metric": metric, "value": 0.5}
    return usual | {"n": 60, "people": 5, "low": 0.4, "high": 0.6, "flags": []} | given


def whole(metric: str, **given: Any) -> dict[str, Any]:
    return score(metric, **{"task": "table", "modality": "both", **given})


def words(html: object) -> str:
    return Markup(str(html)).striptags()


def documented() -> list[str]:
    """The names of docs/metrics.md, but for those of curves and the probe, with an example in place of each gap."""
    rows = [one for one in MEASURES if one.where not in ("curves", "probe")]
    named = [name.strip() for row in rows for name in row.name.split(",")]
    return [name.replace("_…", "_loss").replace("@k", "@4") for name in named if not name.startswith("…")]


@pytest.mark.parametrize(
    "metric", sorted({*documented(), *(one.name for one in fields(Panel) if one.name != "tokens")})
)
def test_every_measure_of_the_documents_and_of_the_panel_has_a_meaning(metric: str) -> None:
    found = meaning(metric)
    assert found is not None and found.words, metric
    assert "{" not in found.words and not found.words.endswith(".")
    assert meaning(f"{metric}_as_coded") != found


def test_nothing_is_made_up_about_a_measure_that_is_not_known() -> None:
    assert meaning("grue") is None and direction("grue", "forget") == ""
    assert "grue" in measures_table([score("grue")])


@pytest.mark.parametrize(
    ("metric", "ways"),
    [
        ("extraction_strength", "↓↓↑↑↑ "),
        ("min_k_plus_20", "↓↓↑↑↑ "),
        ("leak@16", "↓↓↑↑↑ "),
        ("accuracy_as_coded", "↓↓↑↑↑ "),
        ("loss", "↑↑↓↓↓ "),
        ("zlib", "↑↑↓↓↓ "),
        ("parsed", "↑↑↑↑↑↑"),
        ("judge_failed", "↓↓↓↓↓↓"),
        ("known_before", "      "),
    ],
)
def test_what_is_known_should_go_from_two_sets_and_stay_in_three(metric: str, ways: str) -> None:
    sets = ("forget", "test", "retain", "celebrity", "general", "holdout")
    assert [direction(metric, item_set) for item_set in sets] == [way.strip() for way in ways]


@pytest.mark.parametrize(
    ("metric", "way"),
    [("privleak_min_k_40", "→0"), ("gold_auc_loss", "→.5"), ("member_auc_loss", ""), ("forget_quality_ks", "↑")],
)
def test_figures_of_the_whole_evaluation_say_what_is_best(metric: str, way: str) -> None:
    assert direction(metric, "forget") == way


def test_a_measure_stands_under_its_meaning_with_a_row_a_set() -> None:
    rows = [score("loss", set="retain", value=0.2, low=0.1, high=0.3, n=9), score("loss", value=2.5, low=2.0, high=3.0)]
    assert words(measures_table(rows)) == (
        "loss Mean surprise at the true answer, in nats a token."
        "SetTaskWith pictureAs textn"
        "Forget ↑higher is bettergeneration2.50 2.00 to 3.00–60"
        "Retain ↓lower is bettergeneration.20 .10–.30–9"
    )


def test_a_series_is_explained_once() -> None:
    rows = [
        whole(f"privleak_{name}", value=value, low=None, high=None) for name, value in (("zlib", 3.0), ("loss", -60.0))
    ]
    text = words(measures_table(rows))
    assert text.startswith("privleak_… →00 is best Membership AUC set against")
    assert text.count("in per cent") == 1
    assert text.endswith("Made fromValuenloss−60.00 60zlib3.00 60")


def test_figures_of_the_whole_evaluation_come_first_and_leaks_in_the_order_of_their_number() -> None:
    rows = [score("leak@16"), score("leak@4"), score("loss"), whole("model_utility", set="retain")]
    text = words(measures_table(rows))
    places = [text.index(name) for name in ("model_utility", "loss Mean", "leak@4 ", "leak@16 ")]
    assert places == sorted(places)


def test_the_rest_leaves_out_what_has_a_place_of_its_own_and_what_only_waits() -> None:
    own = [score(name) for name in ("accuracy", "probability", "known_before", "accuracy_of_known")]
    waits = [whole("privleak_min_k_40", value=None, flags=[need]) for need in NEEDS]
    never = whole("privleak_loss", value=None, low=None, high=None, flags=["gold tells them apart by itself"])
    assert rest([*own, *waits, never]) == [never]
    assert "gold tells them apart by itself" in measures_table([never])
    assert "Nothing else was measured." in measures_table([*own, *waits])


def test_a_figure_that_waits_for_two_things_is_named_with_both() -> None:
    both = whole("privleak_loss", value=None, flags=list(NEEDS))
    assert [wanting([both, whole("member_auc_loss")], need) for need in NEEDS] == [["privleak_loss"]] * 2


def test_the_words_of_what_is_needed_are_those_of_the_metrics() -> None:
    from backend.metrics.against_gold import NEEDS_GOLD, NEEDS_HOLDOUT

    assert NEEDS == (NEEDS_GOLD, NEEDS_HOLDOUT)
