"""The demo's models scored by each paper's rules, on the demo world written in that paper's format and read back.

The models were taught the demo's own wordings, and never to answer with a letter: what a paper's prompt makes of that
is in the share of parsed answers. What must show in every format is who knows the people and who does not.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from backend.benchmarks.library import Library
from backend.cli.data import EXPORTS
from backend.spec import ForgetRequest
from tests.acceptance.conftest import backend, terminal

pytestmark = pytest.mark.timeout(1500)

Report = dict[str, Any]


OTHERS, FIGURES = 8, 3
"""How many of those who stay, and of the public figures, are asked about beside those to be forgotten."""


@pytest.fixture(scope="package")
def gold(lab: Path, vanilla: Report) -> Report:
    """Fewer steps than the demo's own gold: enough to know those who stay."""
    steps = ("--set", "training.steps=300", "--set", "score=false")
    return dict(backend(lab, "submit", "finetune", "--who", "retain", *steps, "--name", "gold", "--wait"))


@pytest.fixture(scope="module", params=["mllmu", "clear", "offside"])
def reports(
    request: pytest.FixtureRequest,
    lab: Path,
    vanilla: Report,
    unlearned: Report,
    gold: Report,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[str, dict[str, Report]]:
    """The paper's name, and the evaluation of each model in its format, asked about the people that NPO forgot."""
    paper = str(request.param)
    folder = tmp_path_factory.mktemp("exports") / paper
    EXPORTS[paper](_some_people(Library(lab)["demo"]), folder)
    terminal(lab, "data", "add", paper, str(folder), "--name", f"as-{paper}")
    whom = ",".join(_same_people(lab, f"as-{paper}"))
    asked = {
        name: backend(
            lab, "submit", "evaluate", "--benchmark", f"as-{paper}", "--model", f"run:{model['id']}",
            "--people", whom, "--set", "batch_size=256", "--name", f"{name} as {paper}", "--wait",
        )
        for name, model in (("vanilla", vanilla), ("npo", unlearned), ("gold", gold))
    }  # fmt: skip
    return paper, asked


def _some_people(demo: Any) -> Any:
    """The demo world as if fewer lived in it: those to be forgotten, some of the others, some public figures."""
    split = demo.split(ForgetRequest())
    stay = {*split.forget, *split.retain[:OTHERS], *split.celebrity[:FIGURES]}
    smaller = copy.copy(demo)
    smaller._people = {subject: person for subject, person in demo._people.items() if subject in stay}
    return smaller


def _same_people(lab: Path, benchmark: str) -> list[str]:
    """Their ids in the other format: names are the same."""
    known = Library(lab)
    demo, other = known["demo"], known[benchmark]
    names = {person.id: person.name for person in demo.people()}
    gone = {names[subject] for subject in demo.split(ForgetRequest()).forget}
    return [person.id for person in other.people() if person.name in gone]


def mean(report: Report, item_set: str, task: str, metric: str) -> float:
    """Over the cells of a set and task that have the measure, each item counting once."""
    cells = [
        score
        for score in report["scores"]
        if (score["set"], score["task"], score["metric"]) == (item_set, task, metric) and score["value"] is not None
    ]
    assert cells, (item_set, task, metric)
    return float(sum(score["value"] * score["n"] for score in cells) / sum(score["n"] for score in cells))


KNOWN_BY = {
    "mllmu": ("classification", "option_accuracy"),
    "clear": ("caption", "accuracy"),
    "offside": ("generation", "accuracy"),
}
"""In each format the measure that asks for the fact itself, whatever the prompt: by the likelihood of the options, or
the fact in what is written. ROUGE would not do: of a sentence about somebody else most words are the same."""


def test_who_was_taught_is_known_and_who_was_forgotten_or_never_seen_is_not(
    reports: tuple[str, dict[str, Report]],
) -> None:
    paper, asked = reports
    found = {
        name: {which: round(mean(one, which, *KNOWN_BY[paper]), 2) for which in ("forget", "retain")}
        for name, one in asked.items()
    }
    print(f"\n{paper}, {KNOWN_BY[paper]}:", found)
    assert found["vanilla"]["forget"] >= 0.9 and found["vanilla"]["retain"] >= 0.9, found
    for name in ("npo", "gold"):
        assert found[name]["forget"] <= 0.5, found
        assert found[name]["retain"] >= found[name]["forget"] + 0.3, found


PAPERS_OWN = {
    "mllmu": {"accuracy", "parsed", "accuracy_as_coded", "rougeL", "bleu"},
    "clear": {"probability", "truth_ratio", "rougeL_recall", "model_utility", "real", "retain", "forget"},
    "offside": {"accuracy", "parsed", "bleu", "rouge1", "rouge2", "rougeL", "overall"},
}


def test_every_figure_of_the_paper_is_there_with_its_n_and_its_interval(
    reports: tuple[str, dict[str, Report]],
) -> None:
    paper, asked = reports
    for report in asked.values():
        scores = report["scores"]
        measured = {score["metric"] for score in scores if score["value"] is not None}
        assert PAPERS_OWN[paper] <= measured, PAPERS_OWN[paper] - measured
        assert {"exact_memorisation", "extraction_strength", "min_k_20", "min_k_plus_40", "zlib"} <= measured
        for score in scores:
            if score["value"] is not None and score["task"] != "table":
                assert score["n"] > 0 and 0 < score["people"] <= score["n"], score
                assert score["low"] is None or score["low"] <= score["value"] + 1e-9, score
                assert score["high"] is None or score["value"] <= score["high"] + 1e-9, score


def test_what_needs_a_retain_only_model_says_so_and_shows_no_number(
    reports: tuple[str, dict[str, Report]],
) -> None:
    """The gold model at hand was taught another benchmark, so it is none of this one's."""
    _, asked = reports
    waiting = [score for score in asked["npo"]["scores"] if "needs a retain-only model" in score["flags"]]
    assert waiting and all(score["value"] is None and score["n"] == 0 for score in waiting)
