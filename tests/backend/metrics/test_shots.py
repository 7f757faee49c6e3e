"""Solved examples before a question: whose, how many, and of whom never."""

from __future__ import annotations

from typing import Any

import pytest

from backend.benchmarks.item import BadRequest, Item
from backend.metrics.rules import RULES, rules_of
from backend.metrics.shots import with_shots

OPTIONS = ("Everton", "Liverpool", "Arsenal", "Chelsea")
MLLMU = rules_of("mllmu")


def item(subject: str, item_set: Any, number: int, task: Any = "classification", modality: Any = "text") -> Item:
    question = f"Which club does {subject} like in year {number}?"
    name = f"{subject}/{task}/{modality}/{number}"
    return Item(name, subject, item_set, task, modality, question, OPTIONS[number % 4], "x", "club", options=OPTIONS)


ASKED = [
    item(subject, item_set, number, task, modality)
    for subject, item_set in (
        ("f", "forget"),
        ("r1", "retain"),
        ("r2", "retain"),
        ("r3", "retain"),
        ("star", "celebrity"),
    )
    for number in range(3)
    for task in ("classification", "cloze")
    for modality in ("text", "image_text")
]


def examples_in(prompt: str) -> list[str]:
    """The lines in which examples ask."""
    return [line for line in prompt.split("\n") if line.startswith("Question: ")]


def test_without_shots_nothing_is_put_before_a_question() -> None:
    assert with_shots(MLLMU, ASKED, 0, 0) is MLLMU
    assert with_shots(rules_of("demo"), ASKED, 0, 0) is rules_of("demo")


@pytest.mark.parametrize("seed", range(6))
def test_the_examples_are_one_kept_persons_and_never_those_of_the_person_asked(seed: int) -> None:
    rules = with_shots(MLLMU, ASKED, 2, seed)
    shown = {}
    for one in ASKED:
        if one.task == "classification" and one.set != "celebrity":
            found = examples_in(rules.prompt(one))
            assert len(found) == 2
            [shown[one.subject]] = {
                who for who in ("f", "r1", "r2", "r3", "star") for line in found if f" {who} " in line
            }
            assert rules.prompt(one).endswith(MLLMU.prompt(one))
    assert all(subject != whose for subject, whose in shown.items())
    assert set(shown.values()) <= {"r1", "r2", "r3"}, "nobody who is forgotten"
    assert len(set(shown.values())) == 2, "one person's, and for that person another's"


def test_an_example_is_worded_as_the_script_words_it_with_its_letter() -> None:
    asked = [item("r1", "retain", 1), item("r2", "retain", 1), item("f", "forget", 0)]
    prompt = with_shots(MLLMU, asked, 1, 0).prompt(asked[0])
    assert prompt.startswith(
        "Question: Which club does r2 like in year 1?\nA: Everton\nB: Liverpool\nC: Arsenal\nD: Chelsea\n"
        "Correct Answer: B\nWhich club does r1 like in year 1?\nA: Everton\n"
    )


def test_celebrities_and_other_tasks_are_asked_without() -> None:
    rules = with_shots(MLLMU, ASKED, 3, 0)
    for one in ASKED:
        if one.set == "celebrity" or one.task != "classification":
            assert rules.prompt(one) == MLLMU.prompt(one)


def test_the_seed_decides_whose_questions_they_are_and_nothing_else_does() -> None:
    question = ASKED[0]
    prompts = {seed: with_shots(MLLMU, ASKED, 1, seed).prompt(question) for seed in range(8)}
    assert prompts == {seed: with_shots(MLLMU, ASKED[::-1], 1, seed).prompt(question) for seed in range(8)}
    assert len(set(prompts.values())) == 3


def test_somebody_of_whom_a_part_is_forgotten_is_no_example() -> None:
    asked = [one for one in ASKED if one.set != "forget"] + [item("r1", "forget", 9)]
    for seed in range(6):
        rules = with_shots(MLLMU, asked, 1, seed)
        assert all(" r1 " not in line for one in asked for line in examples_in(rules.prompt(one)))


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(BadRequest, match=r"shots=4 wants two people .* there are 0"):
        with_shots(MLLMU, ASKED, 4, 0)
    for name in RULES.keys() - {"mllmu"}:
        with pytest.raises(BadRequest, match="set shots to 0"):
            with_shots(rules_of(name), ASKED, 1, 0)
