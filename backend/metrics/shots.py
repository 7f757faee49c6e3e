"""Solved examples before a multiple-choice question: MLLMU-Bench's few-shot, for those who want its numbers.

Source: MLLMU-Bench (arXiv 2410.22108), `eval.py`: the questions of one person, solved, stand before every other one's;
celebrities are asked without. Differs, each on purpose:

- the person is drawn with a seed from the retain set, where the script draws without one from the very set it scores,
  and takes that person out of it. Here everybody is scored: the one person's own questions are preceded by another's;
- examples are text. The script shows a picture with each and asks image questions after image questions; here they are
  the questions that name the person, before either, in the turn of the question and after its picture;
- blanks are asked without, where the script puts two persons' before one;
- only what is written is asked so. Likelihoods of answers and options are read without examples.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from backend.benchmarks.item import BadRequest, Item
from backend.metrics.rules import Rules, option_letters


def with_shots(rules: Rules, asked: Sequence[Item], shots: int, seed: int) -> Rules:
    """The rules with `shots` solved examples in the prompt of each classification item but a celebrity's; the same
    rules where that is 0.

    `asked` are all items of the evaluation, from whose retain set the two persons are drawn: the one whose questions
    are the examples, and the one whose are for the first. Nobody of whom anything is forgotten is drawn. Raises
    `BadRequest` for rules other than MLLMU-Bench's, and where no two persons have so many questions.
    """
    if not shots:
        return rules
    if rules.name != "mllmu":
        raise BadRequest(f"solved examples are MLLMU-Bench's; set shots to 0 to evaluate by the rules of {rules.title}")
    first, second = _two_persons(asked, shots, seed)
    examples = {subject: "".join(_solved(item) for item in items) for subject, items in (first, second)}

    def prompt(item: Item) -> str:
        if item.task != "classification" or item.set == "celebrity":
            return rules.prompt(item)
        shown = second if item.subject == first[0] else first
        return examples[shown[0]] + rules.prompt(item)

    return replace(rules, prompt=prompt)


def _two_persons(asked: Sequence[Item], shots: int, seed: int) -> list[tuple[str, list[Item]]]:
    forgotten = {item.subject for item in asked if item.set == "forget"}
    known: dict[str, list[Item]] = {}
    for item in asked:
        plain = item.set == "retain" and item.task == "classification" and item.modality == "text"
        if plain and item.subject not in forgotten:
            known.setdefault(item.subject, []).append(item)
    enough = sorted(subject for subject, items in known.items() if len(items) >= shots)
    if len(enough) < 2:
        raise BadRequest(
            f"shots={shots} wants two people of the retain set with as many multiple-choice questions as text, and "
            f"there are {len(enough)}; set shots lower, or to 0"
        )
    drawn = random.Random(seed).sample(enough, 2)
    return [(subject, sorted(known[subject], key=lambda item: item.id)[:shots]) for subject in drawn]


def _solved(item: Item) -> str:
    options = option_letters(item)
    listed = "".join(f"{letter}: {option}\n" for letter, option in options.items())
    true = next(letter for letter, option in options.items() if option == item.answer)
    return f"Question: {item.question}\n{listed}Correct Answer: {true}\n"
