"""Marks between two answers: exact, reversible, and safe to put into a page."""

from __future__ import annotations

import pytest

from ui.wording import Mark, compare, marked, pieces, says


def test_a_changed_city_is_one_word_gone_and_one_added() -> None:
    assert compare("Ingrid Santoro was born in Bergen.", "Ingrid Santoro was born in Lima.") == [
        Mark("same", "Ingrid Santoro was born in"),
        Mark("gone", " Bergen"),
        Mark("added", " Lima"),
        Mark("same", "."),
    ]


def test_without_an_original_nothing_is_added_or_gone() -> None:
    assert compare(None, "She lives in Lima.") == [Mark("same", "She lives in Lima.")]


def test_an_equal_answer_has_no_marks() -> None:
    assert compare("Bergen.", "Bergen.") == [Mark("same", "Bergen.")]


def test_an_empty_answer_lost_every_word() -> None:
    assert compare("In Bergen", "") == [Mark("gone", "In Bergen")]


def test_the_fact_is_found_in_any_case_but_only_as_whole_words() -> None:
    assert says("born in BERGEN, I think", "Bergen")
    assert says("born in New\n York", "new york")
    assert not says("She is a Bergener.", "Bergen")
    assert not says("anything at all", "")
    assert not says("anything at all", None)


def test_the_fact_is_marked_where_it_is_said() -> None:
    assert compare(None, "It is New York.", fact="new york") == [
        Mark("same", "It is"),
        Mark("same", " New York", fact=True),
        Mark("same", "."),
    ]


@pytest.mark.parametrize(
    ("original", "answer"),
    [
        ("a b c", "a  b\nc d "),
        ("", "one"),
        ("x_y z", "x_y\tz!"),
        ("彼女はベルゲン出身です", "彼女はリマ出身です。"),
        ("naïve café — 3.5 kg", "naive café – 3.6 kg"),
        ("it's well-known", "its well known"),
    ],
)
def test_what_is_not_gone_joins_to_the_answer(original: str, answer: str) -> None:
    marks = compare(original, answer)
    assert "".join(mark.text for mark in marks if mark.kind != "gone") == answer
    assert "".join(pieces(answer)) == answer


def test_writing_without_spaces_is_compared_sign_by_sign() -> None:
    assert compare("東京です", "京都です") == [
        Mark("gone", "東"),
        Mark("same", "京"),
        Mark("added", "都"),
        Mark("same", "です"),
    ]


def test_another_line_break_is_no_difference() -> None:
    assert [mark.kind for mark in compare("one two", "one\ntwo")] == ["same"]


def test_answers_are_escaped_and_spaces_stay_outside_the_marks() -> None:
    assert marked(compare("is <b>", "is <script>")) == (
        'is &lt;<del class="lethe-gone">b</del> <ins class="lethe-added">script</ins>&gt;'
    )
    assert marked(compare("in Oslo", "in Lima", fact="Lima")) == (
        'in <del class="lethe-gone">Oslo</del> <ins class="lethe-added"><strong>Lima</strong></ins>'
    )


def test_words_never_run_together_because_one_is_gone() -> None:
    assert marked(compare("Yes it is", "No")) == (
        '<del class="lethe-gone">Yes it is</del> <ins class="lethe-added">No</ins>'
    )


def test_a_long_rambling_answer_is_compared_without_giving_up() -> None:
    loop = ("the city of the city of " * 200).strip()
    marks = compare(loop, loop + " Lima")
    assert marks[-1] == Mark("added", " Lima")
    assert [mark.kind for mark in marks] == ["same", "added"]
