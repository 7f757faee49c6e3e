"""What changed between two answers, word by word.

A room of its own because it is used on every page that shows two answers side by side, and because it knows
nothing of pages: text goes in, marks come out. Joining the marks that are not `gone` gives the answer back
exactly.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from html import escape
from itertools import groupby
from typing import Literal

Kind = Literal["same", "added", "gone"]

# A script written without spaces (Han, kana, Thai) is compared sign by sign; everything else word by word.
_UNSPACED = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_PIECES = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+(?:['’\-.][^\W{_UNSPACED}]+)*|\s+|[^\w\s]|_", re.UNICODE)


@dataclass(frozen=True, slots=True)
class Mark:
    """A stretch of text: in both answers, only in this one (`added`), or only in the original (`gone`).

    `fact` says that the stretch states the fact that was asked for.
    """

    kind: Kind
    text: str
    fact: bool = False


def pieces(text: str) -> list[str]:
    """The text cut into words, signs of punctuation and spaces; joined, they are the text again."""
    return _PIECES.findall(text)


def compare(original: str | None, answer: str, fact: str | None = None) -> list[Mark]:
    """The marks that turn `original` into `answer`. Without an original nothing is added or gone.

    Words are compared without regard to spaces, so that a changed line break is no difference.
    """
    here = _words(answer)
    spoken = _where_said(here, fact)
    if original is None:
        return _joined([Mark("same", word, at in spoken) for at, word in enumerate(here)])
    before = _words(original)
    marks: list[Mark] = []
    matcher = SequenceMatcher(None, [_bare(w) for w in before], [_bare(w) for w in here], autojunk=False)
    for step, start, end, new_start, new_end in matcher.get_opcodes():
        if step in ("delete", "replace"):
            marks += [Mark("gone", word) for word in before[start:end]]
        if step != "delete":
            kind: Kind = "same" if step == "equal" else "added"
            marks += [Mark(kind, here[at], at in spoken) for at in range(new_start, new_end)]
    return _joined(marks)


def says(answer: str, fact: str | None) -> bool:
    """Whether the answer contains the fact as whole words, whatever the case and the spaces."""
    return bool(_where_said(_words(answer), fact))


def marked(marks: list[Mark]) -> str:
    """The marks as HTML: `<ins>` for what was added, `<del>` for what is gone, `<strong>` for the fact.

    Where two words would run together, because one of them is gone, a space is put between them.
    """
    html = ""
    for before, mark in zip([None, *marks], marks, strict=False):
        if before and "gone" in (before.kind, mark.kind) and _runs_together(before.text, mark.text):
            html += " "
        html += _tag(mark)
    return html


def _words(text: str) -> list[str]:
    """Pieces with the spaces before each word glued to it, so that spaces are kept but never compared."""
    words: list[str] = []
    space = ""
    for piece in pieces(text):
        if piece.isspace():
            space = piece
        else:
            words.append(space + piece)
            space = ""
    if space:
        words.append(space)
    return words


def _bare(word: str) -> str:
    return word.strip()


def _where_said(words: list[str], fact: str | None) -> set[int]:
    """The places of the words that state the fact."""
    wanted = [_bare(word).casefold() for word in _words(fact or "") if _bare(word)]
    if not wanted:
        return set()
    heard = [_bare(word).casefold() for word in words]
    found: set[int] = set()
    for start in range(len(heard) - len(wanted) + 1):
        if heard[start : start + len(wanted)] == wanted:
            found.update(range(start, start + len(wanted)))
    return found


def _joined(marks: list[Mark]) -> list[Mark]:
    groups = groupby(marks, key=lambda mark: (mark.kind, mark.fact))
    return [Mark(kind, "".join(mark.text for mark in run), fact) for (kind, fact), run in groups]


def _runs_together(left: str, right: str) -> bool:
    return left[-1:].isalnum() and right[:1].isalnum()


def _tag(mark: Mark) -> str:
    """The space before a marked stretch stays outside its tag: only words are highlighted or struck
    through.
    """
    words = mark.text.lstrip()
    space = mark.text[: len(mark.text) - len(words)]
    inner = escape(words)
    if not inner:
        return escape(space)
    if mark.fact:
        inner = f"<strong>{inner}</strong>"
    if mark.kind == "added":
        inner = f'<ins class="lethe-added">{inner}</ins>'
    elif mark.kind == "gone":
        inner = f'<del class="lethe-gone">{inner}</del>'
    return escape(space) + inner
