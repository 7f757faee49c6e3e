"""A run's scores as HTML: the table, its yardsticks, the memorisation check, and what is still needed. No Gradio here.

Promises: an accuracy of an unlearned model stands beside the original's and the retain-only model's of the very same
questions, or beside nothing; what was not measured is said in words, once, with the step that would allow it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from backend.benchmarks.item import SETS
from backend.reports import Yardstick
from ui import parts
from ui.measure_words import SPOKEN, direction

Scores = list[dict[str, Any]]
Yardsticks = Mapping[str, Yardstick]

SET_ROLES = {"forget": "unlearned", "test": "unlearned", "retain": "original", "celebrity": "gold"}
SET_NAMES = {"holdout": "Held-out people"}
SET_NOTES = {"holdout": "never taught to any model"}
TASKS = ("generation", "classification", "cloze", "caption", "name")
RULES = {
    "accuracy": "Right: the fact stands in the answer. Classification: the true option is the likeliest of four, "
    "so 0.25 is chance and what a model that never knew would score.",
    "probability": "The true answer's likelihood a token (geometric mean), averaged over items.",
    "accuracy_of_known": "Accuracy over the items that the original answered rightly, where it stands at 1.00 itself; "
    "n is their number.",
}
LETTERED = (
    "Right: the fact stands in the answer. Classification: the letter that the answer gives is the true option's; an "
    "answer without one is wrong, so a guess scores 0.25 and a model that answers with no letter 0."
)
"""What stands in place of the rule of accuracy where letters were read from the answers."""
FLAGS = {
    "collapsed": "the answers are no longer language",
    "below the collapse line": "accuracy on the retain set is under 0.4 on average, multiple choice counted by the "
    "likeliest option",
}
CHECK = ("known_before", "accuracy_of_known")
"""The measures of the memorisation check: they have a place of their own."""


def scores_table(scores: Scores, metric: str, state: str = "succeeded", yardsticks: Yardsticks | None = None) -> Markup:
    """Set, Task, With picture, As text, n: a row for each set and task of one metric."""
    chosen = [score for score in scores if score["metric"] == metric]
    if not chosen:
        ended = state in ("succeeded", "failed", "cancelled")
        return parts.empty(
            "No scores were measured in this run." if ended else "Scores are measured at the end of the run."
        )
    beside = _beside(metric, yardsticks or {})
    return pivot(chosen, f"{metric} by set", beside)


def pivot(chosen: Scores, label: str, beside: Mapping[tuple[str, str, str], Markup] | None = None) -> Markup:
    """One metric's scores as a table: a row a set and task, a column a modality. `beside` stands under a value."""
    cells: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for score in chosen:
        cells.setdefault((score["set"], score["task"]), {})[score["modality"]] = score
    order = sorted(cells, key=lambda cell: set_order(next(iter(cells[cell].values()))))
    told = {item_set: task for item_set, task in reversed(order)}
    rows = [_row(cells[cell], beside or {}, note=told[cell[0]] == cell[1]) for cell in order]
    return parts.table(["Set", "Task", "With picture", "As text", "n"], rows, numbers=[4], label=label)


def rule(scores: Scores, metric: str) -> Markup:
    """By which rule the figures above were measured, and what their flags say; nothing where there are none."""
    chosen = [score for score in scores if score["metric"] == metric]
    if not chosen:
        return Markup("")
    worn = {str(flag) for score in chosen for flag in score["flags"]}
    by_letter = metric == "accuracy" and any(score["metric"] == "parsed" for score in scores)
    told = [
        LETTERED if by_letter else RULES[metric],
        *(f"⚠ {flag}: {words}." for flag, words in FLAGS.items() if flag in worn),
    ]
    return Markup('<p class="lethe-foot">{}</p>').format(" ".join(told))


def set_order(score: dict[str, Any]) -> tuple[int, int, str]:
    """Where a score's set and task stand in a table."""
    item_set, task = score["set"], score["task"]
    place = TASKS.index(task) if task in TASKS else len(TASKS)
    return (SETS.index(item_set) if item_set in SETS else len(SETS)), place, task


def named_set(item_set: str, metric: str = "", *, note: bool = False) -> Markup:
    """A set in its colour, with the way that is better there, and with a `note` what it is where that is not plain."""
    role = SET_ROLES.get(item_set, "")
    name = Markup('<span class="{}">{}</span>').format(
        f"lethe-{role}" if role else "", SET_NAMES.get(item_set, item_set.capitalize())
    )
    words = SET_NOTES.get(item_set, "") if note else ""
    below = Markup('<small class="lethe-note">{}</small>').format(words) if words else ""
    return Markup("{}{}{}").format(name, better(direction(metric, item_set)), below)


def better(way: str) -> Markup:
    """`↓` with its words for those who cannot see it, or nothing."""
    if not way:
        return Markup("")
    return Markup(
        ' <small class="lethe-better" title="{0}"><span aria-hidden="true">{1}</span>'
        '<span class="lethe-unseen">{0}</span></small>'
    ).format(SPOKEN[way], way)


def figure(score: dict[str, Any] | None) -> Markup:
    """A score with its interval and its flags, or why there is none."""
    if score is None:
        return parts.NOTHING
    flags = [str(flag) for flag in score["flags"]]
    if score["value"] is None:
        return Markup('<span class="lethe-muted">{}</span>').format(", ".join(flags) or "not measured")
    return parts.joined([_value(score), *(parts.flag(flag) for flag in flags)], " ")


def _value(score: dict[str, Any]) -> Markup:
    """A rate as `.11`; what is below 0 or above 1 in plain decimals."""
    shown = [score[key] for key in ("value", "low", "high") if score[key] is not None]
    if all(0 <= value <= 1 for value in shown):
        return parts.rate(score["value"], score["low"], score["high"])
    interval = "" if score["low"] is None else f"{_plain(score['low'])} to {_plain(score['high'])}"
    return Markup('<span class="lethe-rate">{} <small class="lethe-interval">{}</small></span>').format(
        _plain(score["value"]), interval
    )


def _plain(value: float) -> str:
    return f"{value:.2f}".replace("-", "\N{MINUS SIGN}")


def _row(
    by_modality: dict[str, dict[str, Any]], beside: Mapping[tuple[str, str, str], Markup], *, note: bool
) -> tuple[object, ...]:
    asked = [by_modality[column] for column in ("image_text", "text") if column in by_modality]
    one = next(iter(by_modality.values()))
    return (
        named_set(one["set"], one["metric"], note=note),
        one["task"],
        *(_cell(by_modality.get(column), beside) for column in ("image_text", "text")),
        " / ".join(map(str, dict.fromkeys(score["n"] for score in asked))),
    )


def _cell(score: dict[str, Any] | None, beside: Mapping[tuple[str, str, str], Markup]) -> Markup:
    if score is None:
        return parts.NOTHING
    if _place(score) not in beside:
        return figure(score)
    return parts.identity("unlearned", "") + figure(score) + beside[_place(score)]


def _place(score: dict[str, Any]) -> tuple[str, str, str]:
    return score["set"], score["task"], score["modality"]


# -- yardsticks ---


def _beside(metric: str, yardsticks: Yardsticks) -> dict[tuple[str, str, str], Markup]:
    """What the original and the retain-only model scored, for each cell of a metric in which either did."""
    found: dict[tuple[str, str, str], list[Markup]] = {}
    for role, cells in against(metric, yardsticks).items():
        for place, score in cells.items():
            found.setdefault(place, []).append(_mark(role, score))
    return {
        place: Markup('<span class="lethe-beside">{}</span>').format(Markup(" ").join(marks))
        for place, marks in found.items()
    }


def against(metric: str, yardsticks: Yardsticks) -> dict[str, dict[tuple[str, str, str], Any]]:
    """By role and cell, the scores of a metric to hold a run's own against."""
    found: dict[str, dict[tuple[str, str, str], Any]] = {}
    for role in ("original", "gold"):
        rows = yardsticks[role].scores if role in yardsticks else ()
        found[role] = {_place(one): one for one in rows if one["metric"] == metric and one["value"] is not None}
    return {role: cells for role, cells in found.items() if cells}


def _mark(role: str, score: dict[str, Any]) -> Markup:
    mark, name = parts.IDENTITIES[role]
    between = "" if score["low"] is None else f", {parts.figure(score['low'])} to {parts.figure(score['high'])}"
    return Markup(
        '<span class="lethe-{} lethe-rate" title="{}: {}{}"><span class="lethe-mark" aria-hidden="true">{}</span>'
        '<span class="lethe-unseen">{} </span>{}</span>'
    ).format(role, name, parts.figure(score["value"]), between, mark, name.lower(), parts.figure(score["value"]))


def legend(scores: Scores, yardsticks: Yardsticks) -> Markup:
    """Whose figures stand under the run's own; nothing where none do."""
    names = [_named(role, yardsticks[role]) for role in against("accuracy", yardsticks)]
    if not names or not any(score["metric"] == "accuracy" for score in scores):
        return Markup("")
    own = parts.identity("unlearned", "this run, with its interval")
    return Markup('<p class="lethe-yardsticks">{}<span class="lethe-muted">, asked the same</span></p>').format(
        parts.joined([own, *names])
    )


def _named(role: str, yardstick: Yardstick) -> Markup:
    if yardstick.run is None:
        return parts.identity(role, "the original")
    return Markup('<a class="lethe-quiet-link" href="/runs?run={}">{}</a>').format(
        yardstick.run.id, parts.identity(role, yardstick.run.name)
    )


# -- the memorisation check ---


def known_line(scores: Scores, unlearned: bool) -> Markup:
    """How much of the forget set the original knew; that it was not asked, where an unlearned model has scores."""
    rows = [score for score in scores if score["metric"] == "known_before" and score["value"] is not None]
    if not rows:
        asked = unlearned and any(score["metric"] == "accuracy" for score in scores)
        return Markup('<p class="lethe-known">not checked: the original was not asked</p>') if asked else Markup("")
    forget = [score for score in rows if score["set"] == "forget"] or rows
    which = "forget items" if forget[0]["set"] == "forget" else "items"
    return Markup('<p class="lethe-known">{}</p>').format(
        _knew(sum(round(one["value"] * one["n"]) for one in forget), sum(one["n"] for one in forget), which)
    )


def _knew(known: int, asked: int, which: str) -> str:
    left = asked - known
    if not left:
        return f"The original knew all {asked} {which}."
    verb = "is" if left == 1 else "are"
    return f"The original knew {known} of {asked} {which}; {left} it never knew {verb} counted apart."


def checked(scores: Scores) -> bool:
    """Whether something is known of what the original knew, so that the rest can be left out."""
    return any(score["metric"] == "accuracy_of_known" for score in scores)
