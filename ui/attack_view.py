"""What an attack run found, as HTML made from rows: the table worst case first, curves over strength, what was said.

Promises: a leak on the unlearned model stands beside the original's and the control's of the same attack; where there
is no control the row says so; a mark tells the models apart, colour only helps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from backend.attack_report import attack_report
from backend.suites import FAMILIES, PLAIN
from storage import attacks, runs
from storage.errors import NotFound
from storage.tables import Run, Transcript
from ui import attack_figures, parts
from ui.context import Lab

PAGE = 20
ROLES = ("unlearned", "original", "control")
Rows = Sequence[Mapping[str, Any]]
NOTHING_SAID = {
    "all": "Nothing was said yet.",
    "leaked": "Nothing leaked here.",
    "control": "No control met this attack.",
}
LEAK = Markup(' <span class="lethe-leak"><span aria-hidden="true">▲</span> leak</span>')
KNOWS = Markup(' <span class="lethe-muted lethe-nowrap"><span aria-hidden="true">✓</span> knows</span>')


@dataclass(frozen=True)
class Wanted:
    """Which transcripts to show: of one attack at one strength; all of them, those that leaked, or those of the
    control, which may have been asked about other people."""

    attack: str = PLAIN.name
    strength: float = 0.0
    show: str = "all"
    page: int = 0


def verdict(rows: Rows) -> Markup:
    """What is told plainly and what the worst attack adds; nothing before anything was measured."""
    measured = [row for row in rows if row["unlearned"] is not None]
    plain = [row for row in measured if row["name"] == PLAIN.name]
    made = [row for row in measured if row["name"] != PLAIN.name]
    said = [_plainly(row) for row in plain] + ([_worst(made[0]), _meaning(made)] if made else [])
    return Markup('<p class="lethe-verdict">{}</p>').format(parts.joined(said, " ")) if said else Markup("")


def _plainly(row: Mapping[str, Any]) -> str:
    words = f"Asked plainly, the unlearned model tells {percent(row['unlearned'])} of the facts{_held_against(row)}."
    if row["gap_low"] is not None and row["gap_low"] > 0:
        words += " That it did not forget shows without any attack."
    return words


def _worst(row: Mapping[str, Any]) -> Markup:
    at = f" ({row['at']})" if row["at"] else ""
    return Markup("<b>{}</b>{} makes it tell {}{}.").format(
        row["title"], at, percent(row["unlearned"]), _held_against(row)
    )


def _held_against(row: Mapping[str, Any]) -> str:
    return f", where a model that never knew tells {percent(row['control'])}" if row["control"] is not None else ""


def _meaning(made: Rows) -> str:
    sure = [row for row in made if row["gap_low"] is not None and row["gap_low"] > 0]
    if sure:
        return f"{_attacks(len(sure))} of {len(made)} leak beyond the control; what was forgotten is still in there."
    if all(row["gap"] is None for row in made):
        return "There is no control, so a leak may be a guess."
    return "No attack leaks beyond the control, as far as these questions can tell."


def _attacks(count: int) -> str:
    return "One attack" if count == 1 else f"{count} attacks"


def percent(value: float | None) -> str:
    """`44 %`, or `none` where it is naught."""
    return "–" if value is None else f"{100 * value:.0f} %"


def table(rows: Rows) -> Markup:
    """Attack, the three leaks on one line, their figures, recovery, gap over the control, n, and what it took."""
    if not rows:
        return parts.empty("The first figures come when the first attack is through.")
    head = ["Attack", "0 · leak · 1", "Unlearned", "Original", "Control", "Recovered", "Over control", "n", "Took"]
    return parts.table(head, [_row(row) for row in rows], numbers=[7, 8], label="attacks, worst case first")


def _row(row: Mapping[str, Any]) -> tuple[object, ...]:
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
        _control(row),
        parts.rate(row["recovery"], row["recovery_low"], row["recovery_high"]),
        parts.rate(row["gap"], row["gap_low"], row["gap_high"]),
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
    ).format(percent(row["muffled"]))


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
    return f"{name}@{strength:g}"


def _control(row: Mapping[str, Any]) -> Markup:
    if row["control"] is None:
        return Markup('<span class="lethe-muted">no control</span>')
    return parts.rate(row["control"])


def legend(rows: Rows) -> Markup:
    """Which mark is which model, and what the columns say."""
    of = next((row["control_of"] for row in rows if row.get("control_of")), None)
    marks = [parts.identity("unlearned"), parts.identity("original")]
    marks += [parts.identity("control", f"Control ({of})")] if of else []
    return Markup(
        '<p class="lethe-foot">{} · Leak: the fact stands in the answer. Recovered: how much of what the plain '
        "question no longer brings out the attack brings back. Over control: only this is evidence of memory.</p>"
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


def crossed(run: Run, units: Sequence[Any]) -> Markup:
    """Forgotten with the picture or as text, against asked with the picture or as text: plain questions only."""
    found = {unit.role: unit.detail.get("modality", {}) for unit in units if unit.attack == PLAIN.name}
    if not found.get("unlearned"):
        return Markup("")
    forgot = (run.spec.get("request") or {}).get("modality", "both")
    words = {"both": "with the picture and as text", "image_text": "with the picture", "text": "as text"}
    rows = [
        (
            parts.identity(role),
            *(parts.rate(_share(found[role].get(asked))) for asked in ("image_text", "text")),
        )
        for role in ROLES
        if role in found
    ]
    shown = parts.table(["", "Asked with picture", "Asked as text"], rows, label="leak by modality")
    return Markup('<p class="lethe-quiet">Forgotten {}.</p>{}').format(words[forgot], shown)


def _share(tally: Sequence[float] | None) -> float | None:
    return tally[0] / tally[1] if tally and tally[1] else None


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
    return parts.table(
        ["Run", "Suite", "State", "Worst attack", "Leak", "Recovered", "Over control"],
        [_line(lab, run) for run in found],
        label="attack runs",
    )


def _line(lab: Lab, run: Run) -> tuple[object, ...]:
    made = [
        row for row in attack_report(lab.engine, run.id) if row["unlearned"] is not None and row["name"] != PLAIN.name
    ]
    name = Markup('<a class="lethe-link" href="/attack?run={}">{}</a>').format(run.id, run.name)
    state = parts.state_mark(str(run.state))
    if not made:
        return name, run.spec.get("suite", ""), state, *[parts.NOTHING] * 4
    worst = made[0]
    return (
        name,
        run.spec.get("suite", ""),
        state,
        worst["title"],
        parts.rate(worst["unlearned"], worst["low"], worst["high"]),
        parts.rate(worst["recovery"]),
        parts.rate(worst["gap"], worst["gap_low"], worst["gap_high"]),
    )
