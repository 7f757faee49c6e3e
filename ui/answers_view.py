"""What a run's model said, item by item: a page of answers under filters, each with a way to ask it again.

Under an answer stands what belongs to it: what the original said to the same item, what leaked when answers were
sampled, and the judge's mark.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from storage import results
from storage.tables import Answer
from ui import parts
from ui.context import Lab

ALL = "all"
PAGE = 20
SETS = (
    *((name, name) for name in (ALL, "forget", "test", "retain", "celebrity", "general")),
    ("held-out people", "holdout"),
)
TASKS = (ALL, "generation", "cloze", "classification", "caption", "name")
ASKED = ((ALL, ALL), ("with the picture", "image_text"), ("as text", "text"))
RIGHT = ((ALL, ALL), ("right", "right"), ("wrong", "wrong"))
BEFORE = ((ALL, ALL), ("the original knew", "knew"), ("did not know", "did not know"))
LONGEST = 160
"""Letters of a text that stands small under an answer; the whole of it is shown when it is pointed at."""


@dataclass(frozen=True)
class Wanted:
    """Which answers of a run to show; `person` is an id."""

    item_set: str = ALL
    task: str = ALL
    modality: str = ALL
    right: str = ALL
    before: str = ALL
    person: str = ""
    page: int = field(default=0, kw_only=True)

    def filters(self) -> dict[str, Any]:
        """As `storage.results.answers` takes them."""
        chosen = {"item_set": self.item_set, "task": self.task, "modality": self.modality}
        found: dict[str, Any] = {name: value for name, value in chosen.items() if value != ALL}
        if self.right != ALL:
            found["correct"] = self.right == "right"
        if self.before != ALL:
            found["known_before"] = self.before == "knew"
        if self.person.strip():
            found["subject"] = self.person.strip()
        return found


def answers(lab: Lab, run_id: str, wanted: Wanted) -> tuple[Markup, bool, bool]:
    """The table, and whether there is a page before and one after it."""
    rows = results.answers(lab.engine, run_id=run_id, limit=PAGE + 1, offset=wanted.page * PAGE, **wanted.filters())
    if not rows:
        asked = "No answer is like this; choose otherwise." if wanted != Wanted() else "No answers were kept yet."
        return parts.empty(asked), wanted.page > 0, False
    shown = rows[:PAGE]
    first = wanted.page * PAGE + 1
    note = Markup('<p class="lethe-foot">{}</p>').format(f"answers {first} to {first + len(shown) - 1}")
    head = ["Set", "Question", "True answer", "Answer", "", "p(true)", ""]
    table = parts.table(head, [_row(run_id, row) for row in shown], numbers=[5], label="answers")
    return table + note, wanted.page > 0, len(rows) > PAGE


def _row(run_id: str, row: Answer) -> tuple[object, ...]:
    asked = "with picture" if row.modality == "image_text" else "as text"
    return (
        Markup('{}<br><small class="lethe-muted">{} · {}</small>').format(row.item_set, row.task, asked),
        Markup('{}<br><small class="lethe-muted">{}</small>').format(_prompt(row), row.subject or ""),
        row.truth,
        Markup("{}{}").format(row.text or parts.NOTHING, _beneath(row.detail or {})),
        _verdict(row.correct) or parts.NOTHING,
        parts.NOTHING if row.probability is None else f"{row.probability:.2f}",
        Markup('<a class="lethe-link lethe-nowrap" href="/probe?item={}&amp;run={}">Ask again</a>').format(
            quote(row.item_id, safe="/"), run_id
        ),
    )


def _verdict(correct: bool | None) -> Markup:
    if correct is None:
        return Markup("")
    return Markup('<span class="lethe-nowrap">{} {}</span>').format(*(("✓", "right") if correct else ("✕", "wrong")))


def _beneath(detail: dict[str, Any]) -> Markup:
    """The small lines under an answer, those for which there is something to say."""
    said = (
        _before(detail.get("before") or {}),
        _leaked(detail.get("samples") or {}),
        _judged(detail.get("judge") or {}),
    )
    return Markup("").join(Markup('<small class="lethe-beneath">{}</small>').format(line) for line in said if line)


def _before(before: dict[str, Any]) -> Markup:
    if not before:
        return Markup("")
    likely = before.get("probability")
    words = (
        _short(before.get("text") or "–"),
        _verdict(before.get("correct")),
        likely is not None and Markup('<span class="lethe-nowrap">p {:.2f}</span>').format(likely),
    )
    return Markup("{} {}").format(parts.identity("original", "before:"), parts.joined(words))


def _leaked(samples: dict[str, Any]) -> Markup:
    if not samples:
        return Markup("")
    count = f"{samples['leaked']} of {samples['n']} sampled answers leaked"
    if not samples["leaked"]:
        return Markup(count)
    return Markup("{}: {}").format(count, parts.joined(map(_short, dict.fromkeys(samples["texts"]))))


def _judged(judge: dict[str, Any]) -> Markup:
    if not judge:
        return Markup("")
    mark = "no mark" if judge["score"] is None else f"{judge['score']:g} of 10"
    return Markup("judge: {}").format(parts.joined([mark, judge.get("reason")]))


def _short(text: str) -> Markup:
    """A text in quotes on one line, cut where it is long."""
    line = " ".join(text.split())
    cut = line if len(line) <= LONGEST else line[: LONGEST - 1].rstrip() + "…"
    return Markup('<span title="{}">“{}”</span>').format(line, cut)


def _prompt(row: Answer) -> str:
    """What was really asked: the rules may have put letters or an instruction to the question."""
    return str((row.detail or {}).get("prompt") or row.question)
