"""Which option did the model choose? Three ways to read a letter out of a free answer.

`letter` is the default. `first_letter` and `strict_letter` are the rules of MLLMU-Bench's and OFFSIDE's scripts as
coded. None means that no letter could be read: count it as wrong, and show the share beside the accuracy.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from backend.metrics.answers import words

_STRICT = (re.compile(r"[Tt]he answer is ([A-D])"), re.compile(r"^([A-D])$"))
_DENIALS = frozenset({"not", "never", "neither", "nor", "isn", "wasn", "cannot"})


def first_letter(answer: str, letters: Iterable[str] = "ABCD") -> str | None:
    """The answer's first character in upper case, when it is one of `letters`; else None.

    Source: MLLMU-Bench (arXiv 2410.22108), `eval.py`, as coded.
    Differs: `(A)`, `**A**` and `The answer is A` are None here, and `Born in Lima` is B; `letter` reads them rightly.
    """
    letters = _checked(letters)
    first = answer.strip()[:1].upper()
    return first if first and first in letters else None


def strict_letter(answer: str) -> str | None:
    """The letter in `The answer is A`, or an answer that is A, B, C or D and nothing else; else None.

    Source: OFFSIDE, `eval_classi.py`, as coded (two regular expressions).
    Differs: `A.`, `A: Liverpool` and `Answer: A` are None here, `The answer is Dortmund` is D, and the script also
    drops empty answers from the denominator; `letter` reads the first three and asks for a letter that stands alone.
    """
    for pattern in _STRICT:
        if match := pattern.search(answer):
            return match.group(1)
    return None


def letter(answer: str, options: Mapping[str, str]) -> str | None:
    """The one option that the answer chooses, by its letter or by its text; None when that is unclear.

    `options`: letter -> text. Reads `A`, `a`, `A.`, `(A)`, `A: Liverpool`, `**A**`, `Answer: A`, `The answer is A`,
    `A is correct`, and the text of exactly one option as whole words. Unclear: two letters (`A or B`), two options
    named and no letter, an option that is denied (`not Liverpool`), a letter with another option's text.
    Differs: MLLMU-Bench's script takes the first character (`first_letter`), OFFSIDE's two fixed forms
    (`strict_letter`). Raises `ValueError` when there are no options or a key is not one capital letter.
    """
    letters = _checked(options)
    plain = re.sub(r"[*_`\"“”]", "", answer).strip()
    alone, stated_forms, another = _patterns(letters)
    if match := alone.fullmatch(plain):
        return str(match.group(1)).upper()
    matches = [match for form in stated_forms for match in form.finditer(plain) if not _denied(plain, match.start())]
    stated = {match.group(1).upper() for match in matches}
    if len(stated) > 1 or any(another.match(plain, match.end(1)) for match in matches):
        return None
    named = _named(plain, options)
    if stated:
        chosen = stated.pop()
        return chosen if not named or chosen in named else None
    return named.pop() if len(named) == 1 else None


def _checked(letters: Iterable[str]) -> str:
    found = list(letters)
    if not found:
        raise ValueError("there are no options to choose from")
    for key in found:
        if not re.fullmatch("[A-Z]", key):
            raise ValueError(f"an option is called by one capital letter, not {key!r}")
    return "".join(found)


@lru_cache(maxsize=32)
def _patterns(letters: str) -> tuple[re.Pattern[str], tuple[re.Pattern[str], ...], re.Pattern[str]]:
    """A letter and nothing else; the forms in which a letter is stated; a second letter straight after the first.

    In a sentence only a capital counts, or the article in `the answer is a footballer` would be read as A.
    """
    either = f"[{letters}{letters.lower()}]"
    label = r"(?:\)|\s*[:)]|\s*\.(?!\w\b))"  # not the full stop of initials, as in A.B. Lind
    capital = rf"\(?([{letters}])\)?(?![\w'’])"
    alone = re.compile(rf"(?:[Aa]nswer\s*[:\-]\s*)?\(?({either})\)?\s*[.:,!]?")
    stated = (
        re.compile(rf"^\(?({either}){label}"),
        re.compile(rf"(?<=\s)\(?([{letters}]){label}"),
        re.compile(rf"^{capital}(?=\s*[,\-–\n]|\s+is\s+(?:the\s+)?(?:correct|right|answer))"),
        re.compile(
            r"\b(?:[Aa]nswer|ANSWER|[Oo]ption|[Cc]hoice)(?:\s+(?:is|would be|should be|must be))?\s*[:\-]?\s*"
            rf"(?:[Oo]ption\s+|[Cc]hoice\s+)?{capital}"
        ),
        re.compile(rf"\b(?:[Ii]t is|[Ii]t[’']s|[Cc]hoose|[Pp]ick|[Ss]elect)\s+{capital}"),
    )
    another = re.compile(rf"\)?\s*(?:,|/|&|\bor\b|\band\b)\s*\(?[{letters}](?![\w'’])")
    return alone, stated, another


def _denied(answer: str, at: int) -> bool:
    clause = re.split(r"[,.;:\n]", answer[:at])[-1]
    return not _DENIALS.isdisjoint(words(clause)[-3:])


def _named(answer: str, options: Mapping[str, str]) -> set[str]:
    """Letters whose text stands in the answer undenied, each place counted for the longest option found there."""
    said = words(answer)
    spans: list[tuple[int, int, str]] = []
    for key, text in options.items():
        wanted = words(text)
        starts = range(len(said) - len(wanted) + 1) if wanted else ()
        spans += [(at, at + len(wanted), key) for at in starts if said[at : at + len(wanted)] == wanted]
    return {
        key
        for start, end, key in spans
        if not any(s <= start and end <= e and e - s > end - start for s, e, _ in spans)
        and _DENIALS.isdisjoint(said[max(0, start - 3) : start])
    }
