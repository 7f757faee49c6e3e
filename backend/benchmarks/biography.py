"""A biography's facts, and which of them a question asks for (MLLMU-Bench tells neither).

A biography is a JSON object such as `{"Name": …, "Born": …, "Employment": …, "Parents": {…}, "Fun Facts": […]}`. An
item's attribute is the key whose value its answer holds; where the answer cannot tell, it is `other`. Nothing is
guessed: an item filed under the wrong attribute would be forgotten, or kept, against what was asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

OTHER = "other"
NAME = "Name"
_NO_ATTRIBUTE = ("Description", "appearance_detail")
_NOTHING = {"", "na", "n a", "none", "null", "unknown", "nil"}
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Biography:
    """`name` is empty where the biography has none. `facts` are its flat values; paragraphs and names are left out."""

    name: str
    facts: dict[str, str]
    _values: tuple[tuple[str, str], ...]

    def attribute_of(self, question: str, answer: str) -> str:
        """The key whose value stands in the answer, or which holds the whole answer, word for word.

        Of several keys it is the one that the question names, of none `other`. A name stands beside most answers, so it
        counts only where nothing else does.
        """
        said = _words(answer)
        found = {key for key, value in self._values if said and (_within(value, said) or _within(said, value))}
        if len(found) > 1:
            asked = _words(question).split()
            found = {key for key in found if any(_asks(word, asked) for word in _words(key).split())}
            return found.pop() if len(found) == 1 else OTHER
        if found:
            return found.pop()
        return NAME if self.name and _within(_words(self.name), said) else OTHER


def read_biography(known: Mapping[str, Any]) -> Biography:
    """The biography in a JSON object. Values such as `NA` and `None` are no facts."""
    name = known.get(NAME)
    facts = {
        key: str(value).strip()
        for key, value in known.items()
        if key not in (NAME, *_NO_ATTRIBUTE)
        and isinstance(value, (str, int, float))
        and _words(str(value)) not in _NOTHING
    }
    values = tuple(
        (key, words)
        for key, value in known.items()
        if key not in (NAME, *_NO_ATTRIBUTE)
        for leaf in _leaves(value)
        if (words := _words(leaf)) not in _NOTHING
    )
    return Biography(name.strip() if isinstance(name, str) else "", facts, values)


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    elif value is not None:
        yield str(value)


def _words(text: str) -> str:
    return " ".join(_WORD.findall(text.casefold()))


def _within(part: str, whole: str) -> bool:
    return f" {part} " in f" {whole} "


def _asks(word: str, asked: list[str]) -> bool:
    """`Heights` is asked for by `height`, `Educated` by `education`: the first five letters tell."""
    return len(word) > 3 and any(other[:5] == word[:5] for other in asked)
