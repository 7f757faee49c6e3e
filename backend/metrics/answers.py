"""Is the fact in the answer? Rules that read text alone."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter


def words(text: str) -> list[str]:
    """Lower-case words, accents and punctuation gone."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.findall(r"[a-z0-9]+", plain.lower())


def holds(answer: str, key: str) -> bool:
    """True when the words of `key` stand in `answer` one after the other, as whole words.

    MLLMU-Bench's cloze rule is a bare substring, by which `Art` would be found in `Martha`; whole words are asked here.
    """
    inside, wanted = words(answer), words(key)
    if not wanted:
        return False
    return any(inside[at : at + len(wanted)] == wanted for at in range(len(inside) - len(wanted) + 1))


def collapsed(answers: list[str]) -> bool:
    """True when the answers are no longer language: most are empty, repeat a word over and over, or are all the same.

    Same: at least 20 answers of which nine in ten are identical. Repeating: three in a row of one word, in half of
    them.
    """
    if not answers:
        return False
    empty = sum(not words(answer) for answer in answers)
    repeating = sum(_repeats(words(answer)) for answer in answers)
    commonest = Counter(answers).most_common(1)[0][1]
    identical = len(answers) >= 20 and commonest >= 0.9 * len(answers)
    return identical or empty + repeating >= 0.5 * len(answers)


def _repeats(text: list[str], times: int = 3) -> bool:
    return any(len(set(text[at : at + times])) == 1 for at in range(len(text) - times + 1))
