"""Reading a run's answers: filters, pages, and a way to ask each again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from storage import results
from storage.tables import Run
from ui.answers_view import BEFORE, LONGEST, SETS, Wanted, answers
from ui.context import Lab


@pytest.fixture
def run(lab: Lab, queued: Callable[..., Run]) -> Run:
    """25 answers about p01 that are right, one about <p02> that is wrong and was asked with letters."""
    made = queued()
    rows: list[dict[str, Any]] = [
        {
            "item_id": f"p01/forget/generation/text/{number:02d}",
            "subject": "p01",
            "set": "forget",
            "task": "generation",
            "modality": "text",
            "question": f"Question {number}?",
            "truth": "Porto",
            "text": "Porto.",
            "correct": True,
            "probability": 0.5,
        }
        for number in range(25)
    ]
    wrong = {"item_id": "p02/retain/classification/image_text/city", "subject": "p02", "set": "retain"}
    wrong |= {"task": "classification", "modality": "image_text", "question": "Where?", "truth": "Lima"}
    rows.append({**wrong, "text": "<b>C</b>", "correct": False, "detail": {"prompt": "Where?\nA: Lima"}})
    results.write_answers(lab.engine, made.id, None, rows)
    return made


def test_answers_come_in_pages_of_twenty(lab: Lab, run: Run) -> None:
    first, earlier, later = answers(lab, run.id, Wanted())
    assert first.count("Ask again") == 20 and (earlier, later) == (False, True)
    assert "answers 1 to 20" in first
    second, earlier, later = answers(lab, run.id, Wanted(page=1))
    assert second.count("Ask again") == 6 and (earlier, later) == (True, False)


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (Wanted(item_set="retain"), 1),
        (Wanted(task="generation", page=1), 5),
        (Wanted(modality="image_text"), 1),
        (Wanted(right="wrong"), 1),
        (Wanted(person=" p02 "), 1),
    ],
)
def test_a_filter_leaves_what_it_names(lab: Lab, run: Run, wanted: Wanted, count: int) -> None:
    assert answers(lab, run.id, wanted)[0].count("Ask again") == count


def test_the_prompt_is_what_was_asked_and_nothing_from_a_model_is_taken_for_markup(lab: Lab, run: Run) -> None:
    table = answers(lab, run.id, Wanted(right="wrong"))[0]
    assert "A: Lima" in table and "&lt;b&gt;C&lt;/b&gt;" in table and "<b>C" not in table
    assert f'href="/probe?item=p02/retain/classification/image_text/city&amp;run={run.id}"' in table


DETAILS: dict[str, dict[str, Any]] = {
    "knew": {"before": {"correct": True, "probability": 0.984, "text": "In\nPorto <b>."}},
    "did not": {"before": {"correct": False, "probability": None, "text": ""}},
    "never marked": {"before": {"correct": None, "probability": 0.5, "text": "A red house."}},
    "leaked": {"samples": {"n": 16, "leaked": 3, "texts": ["Porto!", "In Porto.", "Porto!"]}},
    "kept quiet": {"samples": {"n": 16, "leaked": 0, "texts": ["Lima."]}},
    "judged": {"judge": {"score": 3.0, "reason": "The city is wrong."}},
    "not judged": {"judge": {"score": None, "reason": "not asked: the key was refused"}},
    "alone": {},
}


@pytest.fixture
def told(lab: Lab, queued: Callable[..., Run]) -> Run:
    """One answer for each detail there can be, about a person of that name."""
    made = queued()
    common = {"set": "forget", "task": "generation", "modality": "text", "question": "Where?", "truth": "Porto"}
    rows = [
        {**common, "item_id": name, "subject": name, "text": "Said.", "detail": detail}
        for name, detail in DETAILS.items()
    ]
    results.write_answers(lab.engine, made.id, None, rows)
    return made


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("knew", "■before: “In Porto <b>.” · ✓ right · p 0.98"),
        ("did not", "■before: “–” · ✕ wrong"),
        ("never marked", "■before: “A red house.” · p 0.50"),
        ("leaked", "3 of 16 sampled answers leaked: “Porto!” · “In Porto.”"),
        ("kept quiet", "0 of 16 sampled answers leaked"),
        ("judged", "judge: 3 of 10 · The city is wrong."),
        ("not judged", "judge: no mark · not asked: the key was refused"),
    ],
)
def test_what_belongs_to_an_answer_stands_small_under_it(lab: Lab, told: Run, name: str, line: str) -> None:
    table = answers(lab, told.id, Wanted(person=name))[0]
    assert f"Said.{line}" in table.striptags()
    assert "<b>" not in table


def test_an_answer_of_which_nothing_more_is_known_stands_alone(lab: Lab, told: Run) -> None:
    assert "lethe-beneath" not in answers(lab, told.id, Wanted(person="alone"))[0]


def test_a_long_text_is_cut_and_shown_whole_when_pointed_at(lab: Lab, queued: Callable[..., Run]) -> None:
    made, long = queued(), "word " * 60
    row = {"item_id": "one", "set": "forget", "task": "generation", "modality": "text", "question": "?", "truth": "x"}
    results.write_answers(lab.engine, made.id, None, [{**row, "text": "y", "detail": {"before": {"text": long}}}])
    table = answers(lab, made.id, Wanted())[0]
    assert f'title="{long.strip()}"' in table
    shown = table.striptags().split("“")[1].split("”")[0]
    assert len(shown) <= LONGEST and shown.endswith("word…")


def test_answers_are_narrowed_to_what_the_original_knew_or_did_not(lab: Lab, told: Run) -> None:
    knew = answers(lab, told.id, Wanted(before="knew"))[0]
    assert knew.count("Ask again") == 1 and "✓ right" in knew
    unknown = answers(lab, told.id, Wanted(before="did not know"))[0]
    assert unknown.count("Ask again") == 1 and "✕ wrong" in unknown
    assert answers(lab, told.id, Wanted())[0].count("Ask again") == len(DETAILS)


def test_the_choices_of_before_are_those_the_filter_reads() -> None:
    assert [Wanted(before=value).filters() for _, value in BEFORE] == [
        {},
        {"known_before": True},
        {"known_before": False},
    ]
    assert {"item_set": "holdout"} in [Wanted(item_set=value).filters() for _, value in SETS]


def test_where_nothing_is_kept_or_nothing_fits_a_sentence_says_so(lab: Lab, run: Run, queued: Any) -> None:
    assert "No answers were kept yet." in answers(lab, queued("other").id, Wanted())[0]
    assert "No answer is like this" in answers(lab, run.id, Wanted(item_set="test"))[0]
