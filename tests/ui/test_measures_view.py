"""Every measure has a meaning, stands under it, and points the right way."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from markupsafe import Markup

from backend.docs import MEASURES
from backend.metrics.clear import GROUPS
from backend.metrics.four_way import AVERAGED
from backend.metrics.memorisation import Panel
from ui.measure_words import direction, meaning
from ui.measures_view import NEEDS, measures_table, rest, wanting

ROOT = Path(__file__).parents[2]


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


def as_coded() -> set[str]:
    """Every name with `_as_coded` at its end that stands in quotes where measures are made."""
    folders = [Path("backend/metrics"), Path("backend/runs"), Path("backend/inference")]
    sources = [path.read_text(encoding="utf-8") for folder in folders for path in (ROOT / folder).glob("*.py")]
    named = {name for source in sources for name in re.findall(r'"(\w+_as_coded)"', source)}
    means = {f"mean_of_sets_{name}" for _, metrics in AVERAGED for name in metrics if name.endswith("_as_coded")}
    panel = {one.name for one in fields(Panel) if one.name.endswith("_as_coded")}
    return {*named, *means, *panel, *(f"{column}_as_coded" for column in GROUPS)}


def test_every_measure_as_coded_says_in_one_line_what_differs() -> None:
    assert {"accuracy_as_coded", "truth_ratio_as_coded", "factuality_as_coded", "retain_as_coded"} <= as_coded()
    for metric in as_coded():
        found, twin = meaning(metric), meaning(metric.removesuffix("_as_coded"))
        assert found is not None and twin is not None, metric
        assert found.words == f"{twin.words}; as coded: {twin.coded}" and twin.coded, metric
        assert "\n" not in twin.coded and not twin.coded.endswith(".")


def test_what_differs_as_coded_stands_on_the_page() -> None:
    text = words(measures_table([score("factuality_as_coded", value=4.0, low=3.0, high=5.0)]))
    assert "as coded: an answer that got no mark counts as 0." in text


def test_a_measure_without_a_twin_has_no_meaning_as_coded() -> None:
    assert meaning("loss_as_coded") is None and direction("loss_as_coded", "forget") == ""
