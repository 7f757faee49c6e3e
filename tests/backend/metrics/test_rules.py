"""What each paper asks and how it reads the answer; the right rule and the script's beside each other."""

from __future__ import annotations

from typing import Any

import pytest

from backend.benchmarks.item import Item
from backend.metrics.rules import RULES, rules_of

OPTIONS = ("Everton", "Liverpool", "Arsenal", "Chelsea")


def item(task: Any, question: str = "Which club?", **given: Any) -> Item:
    facts = {"answer": "Liverpool", "key": "Liverpool", "attribute": "club"} | given
    return Item("i", "p", "forget", task, "text", question, **facts)


def test_a_choice_is_asked_with_its_letters_and_read_back_from_one() -> None:
    choice = item("classification", options=OPTIONS)
    asked = rules_of("mllmu").prompt(choice)
    assert asked.startswith("Which club?\nA: Everton\nB: Liverpool\nC: Arsenal\nD: Chelsea\n")
    for answer, right, coded in (("B", 1.0, 1.0), ("A", 0.0, 0.0), ("The answer is B.", 1.0, 0.0)):
        found = rules_of("mllmu").judged(choice, answer)
        assert (found["accuracy"], found["accuracy_as_coded"], found["parsed"]) == (right, coded, 1.0), answer


def test_an_answer_without_a_letter_is_wrong_and_counted_as_not_parsed() -> None:
    found = rules_of("offside").judged(item("classification", options=OPTIONS), "I cannot say")
    assert (found["accuracy"], found["parsed"]) == (0.0, 0.0)


def test_offsides_script_reads_no_letter_out_of_a_letter_and_a_full_stop() -> None:
    found = rules_of("offside").judged(item("classification", options=OPTIONS), "B.")
    assert (found["accuracy"], found["accuracy_as_coded"]) == (1.0, 0.0)


def test_a_cloze_is_right_by_whole_words_and_by_the_scripts_substring() -> None:
    blank = item("cloze", "[Blank] is the craft.", answer="Art", key="Art")
    assert "[Blank]" in rules_of("mllmu").prompt(blank)
    found = rules_of("mllmu").judged(blank, "Martha")
    assert (found["accuracy"], found["accuracy_as_coded"]) == (0.0, 1.0)


def test_a_generated_sentence_has_rouge_and_bleu_and_its_fact_where_one_is_named() -> None:
    sentence = item("generation", answer="He plays for Liverpool.", key="Liverpool")
    found = rules_of("mllmu").judged(sentence, "He plays for Liverpool.")
    assert (found["accuracy"], found["rouge1"], found["rougeL"]) == (1.0, pytest.approx(1), pytest.approx(1))
    whole = item("generation", answer="He plays for Liverpool.", key="He plays for Liverpool.")
    assert "accuracy" not in rules_of("mllmu").judged(whole, "He plays for Liverpool.")


def test_a_truth_that_rouge_cannot_count_is_not_measured_and_not_scored_nought() -> None:
    found = rules_of("offside").judged(item("generation", answer="東京", key="東京"), "東京")
    assert found["rougeL"] is None and found["overall"] is None


def test_an_unknown_benchmark_has_no_rules() -> None:
    with pytest.raises(ValueError, match="there are no rules called 'imagenet'; there are demo, mllmu"):
        rules_of("imagenet")
    assert all(rules.longest(item("generation")) > 0 for rules in RULES.values())
