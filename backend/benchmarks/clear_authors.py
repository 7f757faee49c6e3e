"""Whom a row of CLEAR is about, where no column says so.

Rows of `+tofu` tables carry no name. A caption is looked up among the rows that do, and otherwise searched for a known
name. A question and its answer are searched for names; a row that names nobody, or several, is taken to be about the
author of its block of twenty, because TOFU lists twenty questions an author, and only where most of the block names one
author. Whoever cannot be told so is not guessed.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

QUESTIONS_PER_AUTHOR = 20


class Authors:
    """`names` in order of appearance; two spellings that differ in accents or case only are one author."""

    def __init__(self, names: Iterable[str], captions: Iterable[tuple[str, str]] = ()) -> None:
        """`captions` are pairs of a caption and the name beside it; one that stands beside two names tells nothing."""
        self._spelling: dict[str, str] = {}
        for name in names:
            self._spelling.setdefault(folded(name), name)
        self._captions = self._sure(captions)
        longest_first = sorted(self._spelling, key=len, reverse=True)
        anyone = "|".join(map(re.escape, longest_first))
        self._pattern = re.compile(rf"(?<!\w)(?:{anyone})(?!\w)") if anyone else None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._spelling.values())

    def known(self, name: str) -> str:
        """The name as it was first spelt."""
        return self._spelling.get(folded(name), name)

    def of_caption(self, caption: str) -> str | None:
        if caption in self._captions:
            return self._captions[caption]
        return self._only_one(caption)

    def of_questions(self, pairs: Sequence[tuple[str, str]]) -> list[str | None]:
        """The author of each question and answer of a table, in its order; None where it cannot be told."""
        told = [self._only_one(question) or self._only_one(f"{question} | {answer}") for question, answer in pairs]
        if len(told) % QUESTIONS_PER_AUTHOR:
            return told
        for start in range(0, len(told), QUESTIONS_PER_AUTHOR):
            block = range(start, start + QUESTIONS_PER_AUTHOR)
            votes = Counter(told[place] for place in block if told[place])
            author, count = votes.most_common(1)[0] if votes else (None, 0)
            if count * 2 > QUESTIONS_PER_AUTHOR:
                for place in block:
                    told[place] = told[place] or author
        return told

    def _sure(self, captions: Iterable[tuple[str, str]]) -> Mapping[str, str]:
        found: dict[str, set[str]] = {}
        for caption, name in captions:
            found.setdefault(caption, set()).add(self.known(name))
        return {caption: next(iter(names)) for caption, names in found.items() if len(names) == 1}

    def _only_one(self, text: str) -> str | None:
        found = set(self._pattern.findall(folded(text))) if self._pattern else set()
        return self._spelling[found.pop()] if len(found) == 1 else None


def folded(text: str) -> str:
    """Without accents, capitals, curly apostrophes and doubled spaces, so that spellings of a name meet."""
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    return " ".join(plain.replace("’", "'").casefold().split())


def ids_of(names: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """An id for each name: `jaime-vasquez`, and `jaime-vasquez-2` where that is taken."""
    used, ids = set(taken), {}
    for name in names:
        slug = re.sub(r"[^a-z0-9]+", "-", folded(name)).strip("-") or "person"
        candidate, number = slug, 1
        while candidate in used:
            number += 1
            candidate = f"{slug}-{number}"
        used.add(candidate)
        ids[name] = candidate
    return ids
