"""How each paper asks an item and what it makes of the answer: the rules a benchmark names, on text alone.

The right rule is the default. Where a published script does otherwise its rule stands beside under `…_as_coded`, so
that a number can be put next to the paper's. Measures are numbers of one answer; None is "not measurable here", and
never 0.

Prompts are the papers' own instructions (MLLMU-Bench `eval.py`, OFFSIDE `eval/`). No examples are put before a
question unless they are asked for (`shots.py`): MLLMU-Bench's few-shot draws them without a seed from the very set it
scores, and its users report that they break the vanilla model (their issues 2 and 11).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from backend.benchmarks.item import Item
from backend.metrics import letters, text
from backend.metrics.answers import holds

Measures = dict[str, float | None]
LETTERS = "ABCDEFGHIJ"


@dataclass(frozen=True)
class Rules:
    """`prompt(item)` is what is asked, `longest(item)` the tokens the answer may have, `written(item)` whether there is
    an answer to be written at all (else the options are only ranked), `judged(item, answer)` its measures."""

    name: str
    title: str
    prompt: Callable[[Item], str]
    longest: Callable[[Item], int]
    written: Callable[[Item], bool]
    judged: Callable[[Item, str], Measures]
    perturbed: bool = False
    """Whether wrong and paraphrased answers are held against the true one (CLEAR's truth ratio)."""


def rules_of(name: str) -> Rules:
    """The rules of that name. Raises `ValueError`."""
    if name not in RULES:
        raise ValueError(f"there are no rules called {name!r}; there are {', '.join(RULES)}")
    return RULES[name]


def option_letters(item: Item) -> dict[str, str]:
    """The item's options by letter, in their order."""
    return dict(zip(LETTERS, item.options, strict=False))


def _accuracy(item: Item, answer: str) -> Measures:
    return {"accuracy": float(holds(answer, item.key))}


def _lettered(item: Item) -> str:
    listed = "".join(f"\n{letter}: {option}" for letter, option in option_letters(item).items())
    return f"{item.question}{listed}"


def _by_letter(item: Item, answer: str, as_coded: Callable[[str], str | None]) -> Measures:
    options = option_letters(item)
    true = next(letter for letter, option in options.items() if option == item.answer)
    read = letters.letter(answer, options)
    return {
        "accuracy": float(read == true),
        "parsed": float(read is not None),
        "accuracy_as_coded": float(as_coded(answer) == true),
    }


def _texts(item: Item, answer: str) -> Measures:
    """ROUGE and BLEU against the true answer; None where the truth has no word they could count."""
    try:
        found: Measures = {**text.rouge(answer, item.answer)}
    except ValueError:
        found = {"rouge1": None, "rouge2": None, "rougeL": None, "rougeL_recall": None}
    try:
        found["bleu"] = text.bleu(answer, item.answer)
    except ValueError:
        found["bleu"] = None
    return found


def _fact_too(item: Item, answer: str) -> Measures:
    """Whether the fact stands in the answer, where the item names a fact shorter than its whole answer."""
    return _accuracy(item, answer) if item.key and item.key != item.answer else {}


# -- MLLMU-Bench (arXiv 2410.22108, section 4) --------------------------------------------------------------------


def _mllmu_prompt(item: Item) -> str:
    if item.task == "classification":
        return f"{_lettered(item)}\nJust give ONE letter representing the answer directly."
    if item.task == "cloze":
        return f"{item.question}\nPlease **ONLY** provide the correct answer that should replace the [Blank]."
    if item.task == "generation":
        return f"{item.question}\nAnswer the question based on your trained knowledge in one sentence in ENGLISH."
    return item.question


def _mllmu_judged(item: Item, answer: str) -> Measures:
    if item.task == "classification":
        return _by_letter(item, answer, lambda said: letters.first_letter(said, LETTERS[: len(item.options)]))
    if item.task == "generation":
        return {**_fact_too(item, answer), **_texts(item, answer)}
    return {**_accuracy(item, answer), "accuracy_as_coded": float(text.cloze_as_coded(answer, item.answer))}


# -- OFFSIDE (arXiv 2510.22535, section 4) ------------------------------------------------------------------------


def _offside_prompt(item: Item) -> str:
    if item.task == "classification":
        return f"{_lettered(item)}\nAnswer by selecting the correct option, as in: The answer is A"
    return item.question


def _offside_judged(item: Item, answer: str) -> Measures:
    if item.task == "classification":
        return _by_letter(item, answer, letters.strict_letter)
    found = {**_fact_too(item, answer), **_texts(item, answer)}
    try:
        found["overall"] = text.offside_overall(answer, item.answer)
    except ValueError:
        found["overall"] = None
    return found


# -- CLEAR (arXiv 2410.18057, section 4) --------------------------------------------------------------------------


def _clear_judged(item: Item, answer: str) -> Measures:
    if item.task == "name":
        return {**_accuracy(item, answer), **_texts(item, answer)}
    return {**_fact_too(item, answer), **_texts(item, answer)}


def _question(item: Item) -> str:
    return item.question


def _always(item: Item) -> bool:
    return True


def _not_a_choice(item: Item) -> bool:
    return item.task != "classification"


RULES: dict[str, Rules] = {
    rules.name: rules
    for rules in (
        Rules("demo", "Demo world", _question, lambda item: 16, _not_a_choice, _accuracy),
        Rules("mllmu", "MLLMU-Bench", _mllmu_prompt, lambda item: 50, _always, _mllmu_judged),
        Rules(
            "clear",
            "CLEAR",
            _question,
            lambda item: 64 if item.task == "caption" else 32,
            _always,
            _clear_judged,
            perturbed=True,
        ),
        Rules("offside", "OFFSIDE", _offside_prompt, lambda item: 64, _always, _offside_judged),
        Rules("custom", "Own data", _question, lambda item: 48, _not_a_choice, _offside_judged),
    )
}
