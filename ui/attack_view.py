"""What an attack run found, as HTML made from rows: the table worst case first, curves over strength, what was said.

Promises: a leak on the unlearned model stands beside the original's and the control's of the same attack; where there
is no control the row says so; a mark tells the models apart, colour only helps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from markupsafe import Markup
from sqlalchemy import Engine

from backend import attack_words
from backend.attack_report import attack_report
from backend.suites import FAMILIES, PLAIN
from backend.suites.info import number
from storage import attacks, runs
from storage.errors import NotFound
from storage.tables import Run, Transcript
from ui import attack_figures, parts
from ui.context import Lab

PAGE = 20
SHOWN_AT_ONCE = 12
"""Attacks that stand in the open; what brought out less is folded away below them."""
ROLES = ("unlearned", "original", "control")
Rows = Sequence[Mapping[str, Any]]
NOTHING_SAID = {
    "all": "Nothing was said yet.",
    "leaked": "Nothing leaked here.",
    "control": "No control met this attack.",
}
LEAK = Markup(' <span class="lethe-leak"><span aria-hidden="true">▲</span> leak</span>')
SURE = Markup(' <span class="lethe-leak" title="above the control with all attacks counted together">▲</span>')
KNOWS = Markup(' <span class="lethe-muted lethe-nowrap"><span aria-hidden="true">✓</span> knows</span>')


@dataclass(frozen=True)
class Wanted:
    """Which transcripts to show: of one attack at one strength; all of them, those that leaked, or those of the
    control, which may have been asked about other people."""

    attack: str = PLAIN.name
    strength: float = 0.0
    show: str = "all"
    page: int = 0


def verdict(rows: Rows, *, running: bool = False) -> Markup:
    """What is told plainly, what the worst attack adds and what it means; nothing before anything was measured."""
    said = [
        Markup("<b>{}</b>{}").format(first, rest) if first else rest
        for first, rest in attack_words.verdict(rows, running=running)
    ]
    return Markup('<p class="lethe-verdict">{}</p>').format(parts.joined(said, " ")) if said else Markup("")


def table(rows: Rows, *, running: bool = False) -> Markup:
    """Attack, the three leaks on one line, their figures, recovery, gap over the control, n, and what it took."""
    if not rows:
        return parts.empty("The first figures come when the first attack is through.")
    head = ["Attack", "0 · leak · 1", "Unlearned", "Original", "Control", "Recovered", "Over control", "n", "Took"]
    first: list[Mapping[str, Any]] = []
    rest: list[Mapping[str, Any]] = []
    for place, row in enumerate(rows):
        told = place < SHOWN_AT_ONCE or row["sure"] or row["name"] == PLAIN.name
        (first if told else rest).append(row)

    def lines(some: Rows, label: str) -> Markup:
        return parts.table(head, [_row(row, running) for row in some], numbers=[7, 8], label=label)

    shown = lines(first, "attacks, worst case first")
    if not rest:
        return shown
    more = Markup("<details><summary>{} more, in the same order</summary>{}</details>")
    return shown + more.format(len(rest), lines(rest, "further attacks"))


def _row(row: Mapping[str, Any], running: bool) -> tuple[object, ...]:
    what = Markup('{}{}<small class="lethe-note">{}{}</small>{}').format(
        _name(row),
        Markup(' <small class="lethe-muted">{}</small>').format(row["at"]) if row["at"] else "",
        FAMILIES.get(row["family"], row["family"]),
        f": {row['caution'] or row['tests']}" if row["caution"] or row["tests"] else "",
        _muffled(row),
    )
    if row["unlearned"] is None:
        why = Markup('<span class="lethe-muted">not made: {}</span>').format(row["note"] or "no answer could leak")
        return (what, why, *[parts.NOTHING] * 7)
    return (
        what,
        attack_figures.strip(row),
        parts.rate(row["unlearned"], row["low"], row["high"]),
        parts.rate(row["original"]),
        _control(row, running),
        parts.rate(row["recovery"], row["recovery_low"], row["recovery_high"]),
        parts.rate(row["gap"], row["gap_low"], row["gap_high"]) + (SURE if row["sure"] else ""),
        row["n"],
        Markup('<span class="lethe-nowrap" title="on all models, at this strength">{}</span>').format(
            parts.duration(row["seconds"])
        ),
    )


def _muffled(row: Mapping[str, Any]) -> Markup:
    """A word of warning where the attack asks too much of any model."""
    if row["muffled"] is None:
        return Markup("")
    return Markup(
        '<small class="lethe-note lethe-faint"><span aria-hidden="true">⚠</span> the original itself gives only {} of '
        "its plain answers this way, so little can be read from it</small>"
    ).format(attack_words.percent(row["muffled"]))


def _name(row: Mapping[str, Any]) -> Markup:
    """What is pressed to read what was said; a mere name where nothing was."""
    if row["unlearned"] is None:
        return Markup('<span class="lethe-attack-name">{}</span>').format(row["title"])
    return Markup(
        '<button type="button" class="lethe-attack-name lethe-press" data-attack="{}" title="Read what was said">{}'
        "</button>"
    ).format(called(row["name"], row["strength"]), row["title"])


def called(name: str, strength: float) -> str:
    """An attack at a strength, as the page's list and an address have it."""
    return f"{name}@{number(strength)}"


def _control(row: Mapping[str, Any], running: bool) -> Markup:
    if row["control"] is None:
        return Markup('<span class="lethe-muted">{}</span>').format("not yet" if running else "no control")
    return parts.rate(row["control"])


def legend(rows: Rows) -> Markup:
    """Which mark is which model, and what the columns say."""
    of = next((row["control_of"] for row in rows if row.get("control_of")), None)
    marks = [parts.identity("unlearned"), parts.identity("original")]
    marks += [parts.identity("control", f"Control ({of})")] if of else []
    return Markup(
        '<p class="lethe-foot">{} · Leak: the fact stands in the answer. Recovered: how much of what the plain '
        "question no longer brings out the attack brings back. Over control: only this is evidence of memory; ▲ above "
        "the control with all attacks counted together.</p>"
    ).format(parts.joined(marks, " "))


def taken_over(lab: Lab, rows: Rows) -> Markup:
    """Which earlier runs some of the figures are from; nothing where all are this one's own."""
    found = sorted({one for row in rows for one in row["taken_from"]})
    if not found:
        return Markup("")
    links = [_to(lab, one) for one in found]
    return Markup(
        '<p class="lethe-foot">The original and the control were asked the very same before: their answers are those '
        "of {}.</p>"
    ).format(parts.joined(links, ", "))


def _to(lab: Lab, run_id: str) -> Markup:
    try:
        return Markup('<a class="lethe-link" href="/attack?run={}">{}</a>').format(
            run_id, runs.get(lab.engine, run_id).name
        )
    except NotFound:
        return Markup("a run that was deleted ({})").format(run_id[:8])


# -- what was said ----------------------------------------------------------------------------------------------------


def transcripts(lab: Lab, run_id: str, wanted: Wanted) -> tuple[Markup, bool, bool]:
    """A page of what the three models said to the same questions, and whether there is one before and after it."""
    kind: dict[str, Any] = {"attack": wanted.attack, "strength": wanted.strength}
    main = "control" if wanted.show == "control" else "unlearned"
    narrowed = kind | {"role": main} | ({"leaked": True} if wanted.show == "leaked" else {})
    first = wanted.page * PAGE
    rows = attacks.transcripts(lab.engine, run_id, limit=PAGE + 1, offset=first, **narrowed)
    if not rows:
        return parts.empty(NOTHING_SAID[wanted.show]), wanted.page > 0, False
    shown = rows[:PAGE]
    beside = _beside(lab, run_id, kind, [row.item_id for row in shown])
    roles = [role for role in ROLES if role == main or any((role, row.item_id) in beside for row in shown)]
    head = ["Asked", "True answer", *(role.capitalize() for role in roles)]
    lines = [
        (
            _question(row),
            row.truth,
            *(_said(row if role == main else beside.get((role, row.item_id))) for role in roles),
        )
        for row in shown
    ]
    note = Markup('<p class="lethe-foot">answers {} to {}</p>').format(first + 1, first + len(shown))
    return parts.table(head, lines, label="what was said") + note, wanted.page > 0, len(rows) > PAGE


def _beside(lab: Lab, run_id: str, kind: Mapping[str, Any], items: Sequence[str]) -> dict[tuple[str, str], Transcript]:
    """What the other models said to these items, by role and item."""
    found = attacks.transcripts_of(lab.engine, run_id, items, **kind)
    return {(one.role, one.item_id): one for one in found}


def _question(row: Transcript) -> Markup:
    asked = "with picture" if row.modality == "image_text" else "as text"
    prefix = Markup(' <span class="lethe-prefix" title="put into the model’s mouth">{} …</span>').format(row.prefix)
    what = row.detail.get("picture") or row.detail.get("what")
    return Markup('<span class="lethe-asked">{}</span>{}<small class="lethe-note">{}</small>').format(
        row.asked, prefix if row.prefix else "", parts.joined([row.subject, asked, what])
    )


def _said(row: Transcript | None) -> Markup:
    if row is None:
        return parts.NOTHING
    words = KNOWS if row.role == "original" else LEAK
    lens = attack_figures.heatmap(row.detail)
    return Markup("{}{}{}").format(row.text or parts.NOTHING, words if row.leaked else "", lens)


# -- all of them ------------------------------------------------------------------------------------------------------


def listing(lab: Lab, limit: int = 50) -> Markup:
    """Every attack run, newest first, with its worst attack."""
    found = runs.listing(lab.engine, kind="attack", limit=limit)
    if not found:
        return parts.empty("No model was attacked yet. Choose one above and start with the quick suite.")
    sizes = attacks.sizes(lab.engine, [run.id for run in found])
    return parts.table(
        ["Run", "Suite", "State", "Worst attack", "Leak", "Recovered", "Over control"],
        [_line(run, _worst_of(lab.engine, run.id, sizes.get(run.id))) for run in found],
        label="attack runs",
    )


@lru_cache(maxsize=512)
def _worst_of(engine: Engine, run_id: str, size: tuple[int, float] | None) -> Mapping[str, Any] | None:
    """The worst attack of a run with so many units, which is reckoned when there are more: it takes a thousand draws
    for each of them, and the list is looked at every two seconds."""
    rows = attack_report(engine, run_id) if size else []
    return next((row for row in rows if row["unlearned"] is not None and row["name"] != PLAIN.name), None)


def _line(run: Run, worst: Mapping[str, Any] | None) -> tuple[object, ...]:
    name = Markup('<a class="lethe-link" href="/attack?run={}">{}</a>').format(run.id, run.name)
    state = parts.state_mark(str(run.state))
    if worst is None:
        return name, run.spec.get("suite", ""), state, *[parts.NOTHING] * 4
    return (
        name,
        run.spec.get("suite", ""),
        state,
        worst["title"],
        parts.rate(worst["unlearned"], worst["low"], worst["high"]),
        parts.rate(worst["recovery"]),
        parts.rate(worst["gap"], worst["gap_low"], worst["gap_high"]),
    )
