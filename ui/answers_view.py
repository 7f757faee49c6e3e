"""What a run's model said, item by item: a page of answers under filters, each with a way to ask it again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from storage import results
from storage.tables import Answer
from ui import parts
from ui.context import Lab

ALL = "all"
PAGE = 20
SETS = (ALL, "forget", "test", "retain", "celebrity", "general")
TASKS = (ALL, "generation", "cloze", "classification", "caption", "name")
ASKED = ((ALL, ALL), ("with the picture", "image_text"), ("as text", "text"))
RIGHT = ((ALL, ALL), ("right", "right"), ("wrong", "wrong"))


@dataclass(frozen=True)
class Wanted:
    """Which answers of a run to show; `person` is an id."""

    item_set: str = ALL
    task: str = ALL
    modality: str = ALL
    right: str = ALL
    person: str = ""
    page: int = 0

    def filters(self) -> dict[str, Any]:
        """As `storage.results.answers` takes them."""
        chosen = {"item_set": self.item_set, "task": self.task, "modality": self.modality}
        found: dict[str, Any] = {name: value for name, value in chosen.items() if value != ALL}
        if self.right != ALL:
            found["correct"] = self.right == "right"
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
    mark = parts.NOTHING
    if row.correct is not None:
        mark = Markup('<span class="lethe-nowrap">{} {}</span>').format(
            *(("✓", "right") if row.correct else ("✕", "wrong"))
        )
    return (
        Markup('{}<br><small class="lethe-muted">{} · {}</small>').format(row.item_set, row.task, asked),
        Markup('{}<br><small class="lethe-muted">{}</small>').format(_prompt(row), row.subject or ""),
        row.truth,
        row.text or parts.NOTHING,
        mark,
        parts.NOTHING if row.probability is None else f"{row.probability:.2f}",
        Markup('<a class="lethe-link" href="/probe?item={}&amp;run={}">Ask again</a>').format(
            quote(row.item_id, safe="/"), run_id
        ),
    )


def _prompt(row: Answer) -> str:
    """What was really asked: the rules may have put letters or an instruction to the question."""
    return str((row.detail or {}).get("prompt") or row.question)
