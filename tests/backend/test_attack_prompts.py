"""Attack prompts wrap a question, and none but the one that says so gives the answer away."""

import pytest

from backend.attack_prompts import ATTACKS, AttackNeeds, wrap

KNOWN = {"key": "Bergen", "wrong": "Lima", "examples": [("Where was Ada born?", "Ada was born in Porto.")]}


def test_there_are_at_least_eight_and_each_says_what_it_tests() -> None:
    assert len(ATTACKS) >= 8
    assert all(attack.title and attack.tests for attack in ATTACKS.values())


@pytest.mark.parametrize("name", sorted(ATTACKS))
def test_the_question_is_in_every_wrapping_and_the_answer_in_none(name: str) -> None:
    wrapped = wrap(name, "Where was she born?", **KNOWN)  # type: ignore[arg-type]
    assert "Where was she born?" in wrapped.question
    assert "Bergen" not in wrapped.question + wrapped.prefix
    assert wrapped != wrap(None, "Where was she born?")


def test_what_a_prompt_needs_and_lacks_is_said() -> None:
    for name, word in (("first_letters", "known"), ("correction", "wrong answer"), ("few_shot", "retained")):
        with pytest.raises(AttackNeeds, match=word):
            wrap(name, "Where?")
    with pytest.raises(AttackNeeds, match="no attack prompt called 'magic'"):
        wrap("magic", "Where?")


def test_a_brace_in_a_question_is_just_a_brace() -> None:
    assert "{0} {x}" in wrap("role_override", "{0} {x}").question
