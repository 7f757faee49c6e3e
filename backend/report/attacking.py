"""An attack run in a report: what leaked, worst case first, over strength, and what was said under the worst."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from backend.report import figures, pieces
from backend.report.gathering import OF_EACH, Attacked
from backend.suites import FAMILIES
from storage.tables import Transcript

ROLES = ("unlearned", "original", "control")
LEAKED = Markup(' <small class="bad">▲ leak</small>')
SURE = Markup(' <small class="bad">▲</small>')
KNOWS = Markup(" <small>✓ knows</small>")
Rows = Sequence[Mapping[str, Any]]


def attack_part(attacked: Attacked) -> Markup:
    """One attack run; nothing where it has attacked nothing yet."""
    if not attacked.rows:
        return Markup("")
    control = next((row["control_of"] for row in attacked.rows if row.get("control_of")), None)
    legend = f"Leak, 0 to 1: ● unlearned with its interval · ■ original{f' · ○ control ({control})' if control else ''}"
    made = [row for row in attacked.rows if row["unlearned"] is not None]
    drawn = figures.dots([(_label(row), _marks(row)) for row in made], legend)
    return pieces.part(
        f"Attacks: {attacked.run.name}", _intro(attacked), drawn, _table(attacked.rows), _over_strength(made),
        *_transcripts(attacked),
    )  # fmt: skip


def _intro(attacked: Attacked) -> Markup:
    spec = attacked.run.spec
    words = [f"suite {spec.get('suite', '')}", f"at most {spec.get('items')} questions of each modality"]
    words += [f"seed {spec.get('seed', 0)}", f"run {attacked.run.id}", str(attacked.run.state)]
    before = sorted({one for row in attacked.rows for one in row["taken_from"]})
    words += [f"original and control as they answered the very same in run {one}" for one in before]
    return pieces.note(" · ".join(words))


def _label(row: Mapping[str, Any]) -> str:
    return f"{row['title']}{' · ' if row['at'] else ''}{row['at']}"


def _marks(row: Mapping[str, Any]) -> dict[str, figures.Mark]:
    marks: dict[str, figures.Mark] = {
        role: (row[role], None, None) for role in ("original", "control") if row[role] is not None
    }
    return {**marks, "unlearned": (row["unlearned"], row["low"], row["high"])}


def _table(rows: Rows) -> Markup:
    head = ["Attack", "Unlearned", "Original", "Control", "Recovered", "Over control", "n", "People"]
    caption = (
        "Worst case first. Leak: the fact stands in the answer. Recovered: (attacked − plain) / (original − plain). "
        "Over control: unlearned less control; only this is evidence of memory. ▲ above the control with all attacks "
        "counted together."
    )
    return pieces.table(head, map(_row, rows), caption, numbers=[6, 7])


def _row(row: Mapping[str, Any]) -> list[object]:
    what = Markup("{} <small>{}</small>").format(
        _label(row), ": ".join(text for text in (FAMILIES.get(row["family"], row["family"]), row["tests"]) if text)
    )
    if row["unlearned"] is None:
        why = f"not made: {row['note'] or 'no answer could leak'}"
        return [what, Markup('<span class="grey">{}</span>').format(why), *[pieces.NOTHING] * 6]
    no_control = Markup('<span class="grey">no control</span>')
    return [
        what,
        pieces.rate(row["unlearned"], row["low"], row["high"]),
        pieces.rate(row["original"]),
        pieces.rate(row["control"]) if row["control"] is not None else no_control,
        pieces.rate(row["recovery"], row["recovery_low"], row["recovery_high"]),
        pieces.rate(row["gap"], row["gap_low"], row["gap_high"]) + (SURE if row["sure"] else ""),
        row["n"],
        row["people"],
    ]


def _over_strength(rows: Rows) -> Markup:
    """A chart and a table for each attack that was made at several strengths."""
    several = [row for row in rows if len(row["curve"]) > 1]
    drawn = Markup("").join(map(_strengths, several))
    return Markup('<h4>How hard one has to try</h4><div class="side">{}</div>').format(drawn) if drawn else Markup("")


def _strengths(row: Mapping[str, Any]) -> Markup:
    series = {
        role: [(point["strength"], point[role]) for point in row["curve"] if point[role] is not None] for role in ROLES
    }
    body = [
        (point["at"] or f"{point['strength']:g}", *(pieces.rate(point[role]) for role in ROLES))
        for point in row["curve"]
    ]
    half = "" if row.get("half_at") is None else f"; half is back after {row['half_at']:.3g} {row['budget']}"
    drawn = figures.lines(series, f"{row['title']}: leak by strength{half}", top=1.0, across="")
    return Markup("<div>{}{}</div>").format(drawn, pieces.table(["Strength", *ROLES], body, row["title"]))


def _transcripts(attacked: Attacked) -> list[Markup]:
    titles = {row["name"]: _label(row) for row in attacked.rows}
    return [_quoted(titles[name], said) for name, said in attacked.transcripts.items() if said]


def _quoted(title: str, said: Sequence[Mapping[str, Transcript]]) -> Markup:
    roles = [role for role in ROLES if any(role in one for one in said)]
    head = ["Asked", "True answer", *(role.capitalize() for role in roles)]
    rows = [
        [_question(one["unlearned"]), one["unlearned"].truth, *(_said(one.get(role)) for role in roles)] for one in said
    ]
    caption = f"{title}: at most {OF_EACH} questions, those that leaked first."
    return Markup("<h4>Said under {}</h4>{}").format(title, pieces.table(head, rows, caption))


def _question(row: Transcript) -> Markup:
    prefix = Markup(" <em>{} …</em>").format(row.prefix) if row.prefix else ""
    what = row.detail.get("picture") or row.detail.get("what")
    told = ", ".join(str(word) for word in (row.subject, pieces.ASKED.get(row.modality, row.modality), what) if word)
    return Markup('<span class="said">{}</span>{} <small>{}</small>').format(row.asked, prefix, told)


def _said(row: Transcript | None) -> Markup:
    if row is None:
        return pieces.NOTHING
    words = (KNOWS if row.role == "original" else LEAKED) if row.leaked else Markup("")
    return Markup('<span class="said">{}</span>{}').format(row.text or pieces.NOTHING, words)
