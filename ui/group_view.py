"""A group of runs as HTML: its heading in the list of runs, and its table of combinations. No Gradio here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from markupsafe import Markup

from backend.groups import SETS, group_report
from backend.sweeps import short
from storage.errors import NotFound
from storage.tables import Run
from ui import parts
from ui.context import Lab
from ui.forms import plain


def address(group: str) -> str:
    """Where a group stands by itself."""
    return f"/runs?{urlencode({'group': group})}"


def together(found: Sequence[Run]) -> list[tuple[str, list[Run]]]:
    """The runs with those of a group brought to the place of its first; a run of no group stands alone under ""."""
    places: dict[str, list[Run]] = {}
    for run in found:
        places.setdefault(run.group_id or f"\0{run.id}", []).append(run)
    return [("" if key.startswith("\0") else key, members) for key, members in places.items()]


def heading(group: str, members: Sequence[Run]) -> Markup:
    """`NPO · forget 10 %  4 runs: 2 succeeded, 2 queued  Compare`."""
    return Markup(
        '<span class="lethe-group-name">{}</span> <small class="lethe-muted">{}</small> '
        '<a class="lethe-link" href="{}">Compare</a>'
    ).format(group, counted(members), address(group))


def counted(members: Sequence[Run]) -> str:
    """`4 runs: 2 succeeded, 2 queued`."""
    states = Counter(str(run.state) for run in members)
    number = "1 run" if len(members) == 1 else f"{len(members)} runs"
    return f"{number}: {', '.join(f'{count} {state}' for state, count in states.items())}"


def summary(lab: Lab, group: str) -> Markup:
    """The group's table, a row a combination, best first, with the rule of that order; nothing for no such group."""
    try:
        report = group_report(lab.engine, group)
    except NotFound:
        return Markup("")
    sets = [name for name in SETS if any(name in row["accuracies"] for row in report["rows"])] or ["forget", "retain"]
    headers = [*map(short, report["settings"]), "Seeds", *map(str.capitalize, sets), "Balance"]
    body = [_row(row, sets) for row in report["rows"]]
    numbers = [*range(len(report["settings"])), len(headers) - 1]
    table = parts.table(headers, body, numbers=numbers, label="combinations")
    foot = Markup('<p class="lethe-foot">{}</p>').format(_foot(report, sets))
    back = Markup('<a class="lethe-link" href="/runs">All runs</a>')
    return parts.card(Markup("{}{}").format(table, foot), group, back, classes="lethe-rows")


def _row(row: dict[str, Any], sets: Sequence[str]) -> tuple[object, ...]:
    seeds = ", ".join(map(str, row["seeds"]))
    left = len(row["runs"]) - row["measured"]
    words = Markup('{} <small class="lethe-muted">{}</small>').format(seeds, f"{left} without scores" if left else "")
    flags = parts.joined([_balance(row), *(parts.flag(flag) for flag in row["flags"])], " ")
    return (
        *(plain(value) for value in row["settings"].values()),
        words,
        *(_accuracy(row["accuracies"].get(name)) for name in sets),
        flags,
    )


def _accuracy(found: dict[str, Any] | None) -> Markup:
    if found is None:
        return parts.NOTHING
    spread = "" if found["spread"] is None else f"± {parts.figure(found['spread'])}"
    return Markup(
        '<span class="lethe-rate">{} <small class="lethe-interval">{}</small> '
        '<small class="lethe-muted">n {}</small></span>'
    ).format(parts.figure(found["mean"]), spread, found["n"])


def _balance(row: dict[str, Any]) -> Markup:
    return parts.NOTHING if row["balance"] is None else Markup("{}").format(parts.figure(row["balance"]))


def _foot(report: dict[str, Any], sets: Sequence[str]) -> str:
    one = next((found for row in report["rows"] for found in row["accuracies"].values()), None)
    if one is None:
        return "No run of this group has scores yet."
    return (
        f"Accuracy ({one['task']}, {WORDS.get(one['modality'], one['modality'])}): mean ± standard deviation over n "
        f"seeds. Best first by balance, {report['rule']}: an order, not a finding where spreads overlap."
    )


WORDS = {"image_text": "with picture", "text": "as text"}
