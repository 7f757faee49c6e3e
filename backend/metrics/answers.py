"""Is the fact in the answer? Rules that read text alone."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

_UNSPACED = (
    (0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3005, 0x3007), (0x3040, 0x30FF), (0x31F0, 0x31FF),
    (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xF900, 0xFAFF), (0x20000, 0x3FFFF),
)  # fmt: skip
"""Thai and Lao, Burmese, Khmer, kana, Han, and Hangul, where a word's endings are written on to it."""


def words(text: str) -> list[str]:
    """Lower-case words of any script, accents and punctuation gone.

    In a script that is written without spaces each character is a word, so that one after the other they are found
    inside a run of them. Vowel signs stay, as do the marks that make another letter of a kana or an Indic letter.
    """
    if text.isascii():
        return re.findall(r"[a-z0-9]+", text.lower())
    found: list[str] = []
    before = ""
    for char in _folded(text):
        kind = _kind(char)
        if before and (kind == "mark" or before == kind == "spaced"):
            found[-1] += char
        elif kind:
            found.append(char)
        before = before if before and kind == "mark" else kind.replace("mark", "spaced")
    return found


def _kind(char: str) -> str:
    """`spaced` or `unspaced` for a letter or number, by its script; `mark` for what belongs to the letter before it."""
    category = unicodedata.category(char)[0]
    if category == "M":
        return "mark"
    if category not in "LN":
        return ""
    return "unspaced" if any(first <= ord(char) <= last for first, last in _UNSPACED) else "spaced"


def _folded(text: str) -> str:
    kept = (char for char in unicodedata.normalize("NFKD", text).casefold() if not _accent(char))
    return unicodedata.normalize("NFC", "".join(kept))


def _accent(char: str) -> bool:
    """Accents, Hebrew points and Arabic vowels, by their class in the Unicode Standard (table 4-3)."""
    place = unicodedata.combining(char)
    return 10 <= place <= 36 or place >= 200


def holds(answer: str, key: str) -> bool:
    """True when the words of `key` stand in `answer` one after the other, as whole words.

    MLLMU-Bench's cloze rule is a bare substring, by which `Art` would be found in `Martha`; whole words are asked here.
    In a script without spaces between words (Han, kana, Hangul, Thai and the like) it is the characters that stand
    there one after the other, so that `東京` is found in `東京です`, but `京都` in `東京都` too.
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
