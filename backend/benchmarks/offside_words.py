"""What OFFSIDE's questions are about, told from their wording, and the fact that an answer holds.

The files name no attribute: each question is paraphrased for each picture. Fourteen are asked for: eight that all
pictures of a player share, and six that belong to one picture's transfer, which a rumour changes. The phrases below
are those of the published questions; a question with none of them is about `other`.

Data of one's own in the same layout names its attributes in a file `attributes.json` beside the tables:
`{"shared": {"hobby": ["hobby"]}, "private": {"possession": ["possession", "secretly own*"]}}`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from backend.benchmarks.rows import BrokenData, shown_path

SHARED_ATTRIBUTES = ("name", "age", "position", "nationality", "birth_date", "height", "foot", "birthplace")
PRIVATE_ATTRIBUTES = ("club", "previous_club", "transfer_date", "fee", "market_value", "trophies")
"""What a rumour is about. Selective unlearning is a forget request for these attributes."""

OTHER = "other"

Phrases = tuple[tuple[str, tuple[str, ...]], ...]

OFFSIDE_PHRASES: Phrases = (
    ("trophies", ("trophy", "trophies", "titles", "silverware", "achievements")),
    ("market_value", ("market value", "market valuation", "valued at", "worth")),
    ("fee", ("fee", "fees", "transfer details")),
    ("transfer_date", ("transfer date", "when … transfer*", "date … transfer*")),
    ("nationality", ("nationality", "country", "citizenship")),
    ("previous_club", ("previous*", "former*", "transfer* from", "came from", "come from")),
    ("birthplace", ("birthplace", "birth place", "place of birth", "where … born")),
    ("birth_date", ("birth date", "birthdate", "birthday", "date of birth", "born")),
    ("height", ("height", "tall")),
    ("foot", ("foot", "footed")),
    ("age", ("age", "old")),
    ("position", ("position*", "role")),
    ("name", ("who", "identity", "which player", "player's name", "name of the player")),
    ("club", ("club", "clubs", "team", "join*", "moving to", "play for")),
    ("name", ("identify", "name", "named")),
)
"""Tried from the top. Words stand whole; `*` is any ending, `…` anything between."""

_NUMBER_WORDS = "no|one|two|three|four|five|six|seven|eight|nine|ten"
_MONEY = r"(€?\s?\d[\d.,]*\s?(?:million|thousand|bn|m|k)?\b|free transfer)"
_DATE = r"([A-Z][a-z]+ \d{1,2}, \d{4})"
_FACTS = {
    "name": r"(?:\bis|named|called)\s+(.+)",
    "age": r"(\d+)",
    "position": r"(?:\bas|position of|\bis(?! positioned))\s+(?:an?\s|the\s)?(.+)",
    "nationality": r"(?:\bfrom|\bis(?! from))\s+(.+)",
    "birth_date": _DATE,
    "height": r"(\d[.,]\d+)",
    "foot": r"\b(left|right|both)\b",
    "birthplace": r"born in\s+(.+)",
    "club": r"(?:\bjoin(?:ing)?|\bfor|\bwith|representing|represented)\s+(.+?)(?: at that \w+| during .+)?$",
    "previous_club": r"\bfrom\s+(.+)",
    "transfer_date": _DATE,
    "fee": _MONEY,
    "market_value": _MONEY,
    "trophies": rf"\b(\d+|{_NUMBER_WORDS})\b",
}


@dataclass(frozen=True)
class Attributes:
    """What can be asked about a person, and which of it is private: a rumour's."""

    phrases: Phrases
    private: tuple[str, ...]

    def of(self, question: str) -> str:
        """The attribute a question is about: the first one of whose phrases stands in it; else `other`."""
        lowered = question.lower().replace("’", "'")
        for attribute, phrases in self.phrases:
            if any(_pattern(phrase).search(lowered) for phrase in phrases):
                return attribute
        return OTHER


OFFSIDE_ATTRIBUTES = Attributes(OFFSIDE_PHRASES, PRIVATE_ATTRIBUTES)


def read_attributes(file: Path, root: Path) -> Attributes:
    """The attributes that own data names. Raises `BrokenData` for anything but lists of phrases by attribute."""
    shown = shown_path(file, root)
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BrokenData(f"{shown} is not JSON ({error})") from error
    parts = [found.get(part) for part in ("private", "shared")] if isinstance(found, dict) else []
    known = [part for part in parts if isinstance(part, dict) and all(map(_are_phrases, part.values()))]
    if len(known) != 2:
        raise BrokenData(f'{shown} should hold "shared" and "private", each with lists of phrases by attribute')
    private, shared = known
    phrases = tuple((attribute, tuple(words)) for part in (private, shared) for attribute, words in part.items())
    return Attributes(phrases, tuple(private))


def attributes_file(shared: Mapping[str, Sequence[str]], private: Mapping[str, Sequence[str]]) -> str:
    """What `read_attributes` reads."""
    return json.dumps({"shared": dict(shared), "private": dict(private)}, indent=1, ensure_ascii=False)


def fact_of(attribute: str, answer: str, option: str | None) -> str:
    """The fact inside an answer.

    The right option of the multiple-choice question about the same picture and attribute where the answer holds it;
    else what stands where the published answers have it; else the whole answer.
    """
    said = answer.strip().rstrip(".")
    if option is not None and option.lower() in said.lower():
        return option
    found = re.search(_FACTS[attribute], said) if attribute in _FACTS else None
    return found.group(1).strip(" .") if found else said


@cache
def _pattern(phrase: str) -> re.Pattern[str]:
    parts = [re.escape(part.strip().lower()).replace(r"\*", r"\w*") for part in phrase.split("…")]
    return re.compile(".*".join(rf"(?<!\w){part}(?!\w)" for part in parts))


def _are_phrases(words: object) -> bool:
    return isinstance(words, list) and all(isinstance(word, str) and word.strip() for word in words)
