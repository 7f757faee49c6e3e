"""Letters read out of answers: what each rule understands, and where the scripts' rules go wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.metrics.letters import first_letter, letter, strict_letter

CLUBS = {"A": "Liverpool", "B": "Everton", "C": "Borussia Dortmund", "D": "Ajax"}


@pytest.mark.parametrize(
    "answer",
    [
        "A",
        "a",
        " A\n",
        "A.",
        "a)",
        "(A)",
        "(A).",
        "**A**",
        "*A.* Liverpool",
        "A: Liverpool",
        "A:Liverpool",
        "A.Liverpool",
        "A. Liverpool",
        "a. liverpool",
        "(A) Liverpool",
        "(A), because he wore red",
        "A - Liverpool",
        "A Liverpool",
        "A, as the shirt is red",
        "A is correct.",
        "A is the answer.",
        "A\nThe shirt is red.",
        "Answer: A",
        "answer: a",
        "**Answer:** A",
        "Answer: (A) Liverpool",
        "ANSWER: A",
        "The answer is A",
        "The correct answer is A.",
        "The answer is: A",
        'The answer is "A".',
        "The answer would be option A, as he wears red.",
        "I am not sure, but the answer is A.",
        "The answer is A, not B.",
        "The answer is A, not Everton.",
        "My choice is A",
        "I choose A.",
        "It's A.",
        "Option A",
        "Liverpool",
        "He played for liverpool.",
        "The answer is Liverpool",
        "He joined Liverpool, not Everton.",
    ],
)
def test_the_default_reads_an_answer_as_a_person_would(answer: str) -> None:
    assert letter(answer, CLUBS) == "A"


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "???",
        "I do not know.",
        "A or B",
        "A, B",
        "(A) or (B)",
        "A and B",
        "The answer is A or B.",
        "Answer: A. Answer: B.",
        "A: Liverpool\nB: Everton\nC: Borussia Dortmund\nD: Ajax",
        "A. Liverpool B. Everton",
        "Liverpool or Everton",
        "A: Everton",
        "The answer is A. He played for Everton.",
        "A. Smith played for Everton",
        "A footballer from the north",
        "The answer is a footballer",
        "Because he is tall",
        "Amsterdam",
        "It is not Liverpool.",
        "The answer is not A.",
        "It isn't (A).",
        "Option E",
        "Dortmund",
        "Liverpudlian",
    ],
)
def test_an_unclear_answer_has_no_letter(answer: str) -> None:
    assert letter(answer, CLUBS) is None


def test_an_option_inside_a_longer_one_is_not_named_by_it() -> None:
    jobs = {"A": "Artist", "B": "Concert artist", "C": "Painter"}
    assert letter("She is a concert artist.", jobs) == "B"
    assert letter("She is an artist.", jobs) == "A"
    assert letter("An artist, or rather a concert artist.", jobs) is None


def test_options_may_be_fewer_or_more_than_four() -> None:
    assert letter("The answer is E", {**CLUBS, "E": "Porto"}) == "E"
    assert letter("The answer is D", {"A": "yes", "B": "no"}) is None


def test_a_letter_alone_is_a_letter_even_where_an_option_is_called_so() -> None:
    assert letter("B", {"A": "B", "B": "0", "C": "AB", "D": "A"}) == "B"


@pytest.mark.parametrize(
    ("answer", "read"),
    [
        ("A", "A"),
        ("a. Liverpool", "A"),
        ("  B: Everton", "B"),
        ("Born in Lima", "B"),
        ("(A)", None),
        ("**A**", None),
        ("The answer is A", None),
        ("", None),
    ],
)
def test_mllmu_takes_the_first_character_right_or_wrong(answer: str, read: str | None) -> None:
    assert first_letter(answer) == read


@pytest.mark.parametrize(
    ("answer", "read"),
    [
        ("A", "A"),
        ("The answer is A", "A"),
        ("Well, the answer is C.", "C"),
        ("The answer is Dortmund", "D"),
        ("a", None),
        ("A.", None),
        ("A: Liverpool", None),
        ("Answer: A", None),
        ("", None),
    ],
)
def test_offside_takes_two_forms_and_no_other(answer: str, read: str | None) -> None:
    assert strict_letter(answer) == read


def test_options_must_be_called_by_capital_letters() -> None:
    with pytest.raises(ValueError, match="no options"):
        letter("A", {})
    with pytest.raises(ValueError, match="'1'"):
        letter("A", {"1": "Liverpool"})


@given(st.text())
def test_whatever_is_said_the_letter_is_one_of_the_options_or_none(answer: str) -> None:
    for read in (letter(answer, CLUBS), first_letter(answer), strict_letter(answer)):
        assert read is None or read in CLUBS


@given(st.sampled_from("ABCD"), st.sampled_from(["{}", "({})", "{}.", "**{}**", "Answer: {}", "The answer is {}."]))
def test_every_form_is_read_for_every_letter(key: str, form: str) -> None:
    assert letter(form.format(key), CLUBS) == key
    assert letter(f"{form.format(key)} {CLUBS[key]}", CLUBS) == key
