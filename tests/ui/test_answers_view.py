"""Reading a run's answers: filters, pages, and a way to ask each again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from storage import results
from storage.tables import Run
from ui.answers_view import Wanted, answers
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


def test_where_nothing_is_kept_or_nothing_fits_a_sentence_says_so(lab: Lab, run: Run, queued: Any) -> None:
    assert "No answers were kept yet." in answers(lab, queued("other").id, Wanted())[0]
    assert "No answer is like this" in answers(lab, run.id, Wanted(item_set="test"))[0]
