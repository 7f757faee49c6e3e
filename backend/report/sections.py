"""One run in a report: what it comes to, scores beside original and gold, what was said, attacks, and what made it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from backend import attack_words
from backend.benchmarks.item import SETS
from backend.report import figures, pieces
from backend.report.attacking import attack_part
from backend.report.gathering import Cell, Gathered, Quoted, asked_of, method_of, minimised, source_of
from backend.report.limits import limits
from backend.report.spec_file import spec_text
from backend.suites import PLAIN
from storage.tables import ENDED

TASKS = ("generation", "classification", "cloze", "caption", "name")
APART = ("accuracy", "known_before", "accuracy_of_known")
"""Metrics that stand in tables of their own; the rest stand in one long table."""
YARDSTICKS = ("original", "gold")
LOSSES = {"forget_loss": "forget", "retain_loss": "retain", "loss": "total"}
ACCURACY = "accuracy/"
KNOWS = {True: Markup(' <small class="good">✓ right</small>'), False: Markup(' <small class="bad">✕ wrong</small>')}


def section(one: Gathered) -> Markup:
    """Everything about one run."""
    head = Markup('<h2 id="run-{}">{} <small>{}</small></h2>').format(one.run.id, one.run.name, one.run.state)
    return Markup("").join([head, _facts(one), verdict(one), _faults(one), *_parts(one)])


def _parts(one: Gathered) -> list[Markup]:
    return [
        scores(one),
        _known(one),
        _said(one),
        *_attacks(one),
        _curves(one),
        pieces.part("What this does not show", pieces.bullets(limits(one))),
        _rest(one),
        _asked_for(one),
        _made_with(one),
    ]


def _facts(one: Gathered) -> Markup:
    run = one.run
    took = pieces.duration(run.worked_s) if run.worked_s and run.finished_at else ""
    words = [run.kind, method_of(run.spec), str(run.spec.get("benchmark", "")), asked_of(run.spec)]
    when = [f"finished {pieces.moment(run.finished_at)}" if run.finished_at else "", f"took {took}" if took else ""]
    return pieces.note(" · ".join(word for word in [*words, *when] if word))


def _faults(one: Gathered) -> Markup:
    told = [text for text in (one.run.error, one.ending) if text]
    return Markup("").join(Markup('<p class="warn">⚠ {}</p>').format(text) for text in told)


# -- what it comes to -------------------------------------------------------------------------------------------------


def headline(one: Gathered, item_set: str) -> Cell | None:
    """The cell that stands for a set: its first open task, with the picture where there is the choice."""
    known = [cell for cell in one.accuracies() if cell[0] == item_set]
    return min(known, key=lambda cell: (_task(cell[1]), cell[2] != "image_text"), default=None)


def verdict(one: Gathered) -> Markup:
    """A sentence or two with the figures that matter most; nothing where nothing was scored."""
    told = [words for item_set in ("forget", "retain") if (words := _of_set(one, item_set))]
    told += [words] if (words := _attacked(one)) else []
    return Markup('<p class="verdict">{}</p>').format(" ".join(told)) if told else Markup("")


def _of_set(one: Gathered, item_set: str) -> str:
    cell = headline(one, item_set)
    if cell is None:
        return ""
    score = one.accuracies()[cell]
    own = pieces.in_words(score["value"], score["low"], score["high"])
    others = [
        f"{role} {pieces.figure(known[cell]['value'])}"
        for role in YARDSTICKS
        if cell in (known := one.accuracies_of(role))
    ]
    beside = f", {', '.join(others)}" if others else ""
    people = "person" if score["people"] == 1 else "people"
    asked = f"{cell[1]} {pieces.ASKED.get(cell[2], cell[2])}, n {score['n']}, {score['people']} {people}"
    return f"On the {item_set} set {own} is right ({asked}){beside}."


def _attacked(one: Gathered) -> str:
    """What its attack runs come to: of several, the one with the worst attack, and how many there were."""
    telling = [
        found
        for found in one.attacked
        if any(row["unlearned"] is not None and row["name"] != PLAIN.name for row in found.rows)
    ]
    if not telling:
        return ""
    worst = max(telling, key=lambda found: max(row["excess"] for row in found.rows if row["name"] != PLAIN.name))
    said = " ".join(
        f"{first}{rest}" for first, rest in attack_words.verdict(worst.rows, running=worst.run.state not in ENDED)
    )
    return f"{said} ({len(telling)} attack runs; this is {worst.run.name}.)" if len(telling) > 1 else said


# -- scores -----------------------------------------------------------------------------------------------------------


def scores(one: Gathered) -> Markup:
    """Accuracy by set, task and modality: a figure and the table."""
    known = one.accuracies()
    if not known:
        return Markup("")
    order = sorted(known, key=cell_order)
    roles = [role for role in YARDSTICKS if one.accuracies_of(role)]
    rows = [(cell_name(cell), _marks(one, cell, roles)) for cell in order]
    title = "Accuracy, 0 to 1. " + " · ".join(
        f"{pieces.IDENTITIES[role][0]} {name}"
        for role, name in ((one.role, "this model, with its interval"), *((role, role) for role in roles))
    )
    head = ["Set", "Task", "Asked", "Accuracy", *(role.capitalize() for role in roles), "n", "People", "Flags"]
    at = len(head)
    body = [_score_row(one, cell, roles) for cell in order]
    table = pieces.table(
        head, body, "Accuracy with its 95 % interval over people; original and gold asked the same.",
        numbers=range(at - 3, at - 1),
    )  # fmt: skip
    return pieces.part("Scores", figures.dots(rows, title), table)


def _marks(one: Gathered, cell: Cell, roles: Sequence[str]) -> dict[str, figures.Mark]:
    marks: dict[str, figures.Mark] = {}
    for role in roles:
        if cell in (known := one.accuracies_of(role)):
            marks[role] = (known[cell]["value"], None, None)
    own = one.accuracies()[cell]
    return {**marks, one.role: (own["value"], own["low"], own["high"])}


def _score_row(one: Gathered, cell: Cell, roles: Sequence[str]) -> list[object]:
    own = one.accuracies()[cell]
    others = [one.accuracies_of(role).get(cell) for role in roles]
    return [
        cell[0],
        cell[1],
        pieces.ASKED.get(cell[2], cell[2]),
        pieces.rate(own["value"], own["low"], own["high"]),
        *(pieces.rate(score["value"], score["low"], score["high"]) if score else pieces.NOTHING for score in others),
        own["n"],
        own["people"],
        flags(own),
    ]


def flags(score: Mapping[str, Any]) -> Markup:
    """The warnings about a figure."""
    return Markup(" ").join(Markup('<span class="warn">⚠ {}</span>').format(flag) for flag in score["flags"])


def _known(one: Gathered) -> Markup:
    """Of what the original knew: accuracy over that alone."""
    measured = [row for row in one.scores if row["metric"] == "accuracy_of_known" and row["value"] is not None]
    rows = [
        (row["set"], row["task"], pieces.ASKED.get(row["modality"], row["modality"]),
         pieces.rate(row["value"], row["low"], row["high"]), row["n"])
        for row in sorted(measured, key=lambda row: cell_order(cell_of(row)))
    ]  # fmt: skip
    if not rows:
        return Markup("")
    caption = "Accuracy over what the original answered rightly, where it stands at 1.00 itself; n is their number."
    table = pieces.table(["Set", "Task", "Asked", "Accuracy", "n"], rows, caption, numbers=[4])
    return pieces.part("Of what the original knew", _known_words(one), pieces.folded(f"{len(rows)} figures", table))


def _known_words(one: Gathered) -> Markup:
    """How many of the forget questions the original could answer."""
    known = [row for row in one.scores if row["metric"] == "known_before" and row["set"] == "forget" and row["n"]]
    right = sum(round(row["value"] * row["n"]) for row in known if row["value"] is not None)
    asked = sum(row["n"] for row in known if row["value"] is not None)
    words = f"Before it unlearned, the original answered {right} of {asked} questions of the forget set rightly."
    return Markup("<p>{}</p>").format(words) if asked else Markup("")


def _rest(one: Gathered) -> Markup:
    """Every other measure, in one long table."""
    measured = [row for row in one.scores if row["metric"] not in APART and row["value"] is not None]
    if not measured:
        return Markup("")
    rows = [
        (row["metric"], row["set"], row["task"], pieces.ASKED.get(row["modality"], row["modality"]),
         plain_figure(row), row["n"], flags(row))
        for row in sorted(measured, key=lambda row: (row["metric"], cell_order(cell_of(row))))
    ]  # fmt: skip
    head = ["Measure", "Set", "Task", "Asked", "Value", "n", "Flags"]
    table = pieces.table(head, rows, "What each measure says is in docs/metrics.md of Lethe.", numbers=[5])
    return pieces.part("Every other measure", pieces.folded(f"{len(rows)} figures", table))


def plain_figure(row: Mapping[str, Any]) -> Markup:
    """A value in plain decimals, which may be above 1 or below 0, with its interval."""
    between = "" if row["low"] is None else f" {row['low']:.2f} to {row['high']:.2f}"
    return Markup('<span class="rate">{}<small>{}</small></span>').format(f"{row['value']:.2f}", between)


def cell_of(score: Mapping[str, Any]) -> Cell:
    """(set, task, modality) of a score."""
    return score["set"], score["task"], score["modality"]


def cell_name(cell: Cell) -> str:
    """`forget · generation · with picture`."""
    return f"{cell[0]} · {cell[1]} · {pieces.ASKED.get(cell[2], cell[2])}"


def cell_order(cell: Cell) -> tuple[Any, ...]:
    """Sets as the lab lists them, open tasks first, pictures before text."""
    place = SETS.index(cell[0]) if cell[0] in SETS else len(SETS)
    return place, cell[0], _task(cell[1]), cell[1], cell[2] != "image_text"


def _task(task: str) -> int:
    return TASKS.index(task) if task in TASKS else len(TASKS)


# -- what was said ----------------------------------------------------------------------------------------------------


def _said(one: Gathered) -> Markup:
    if not one.quoted:
        return Markup("")
    roles = [role for role in YARDSTICKS if any(role in quote.said for quote in one.quoted)]
    own = "This model" if one.role != "unlearned" else "Unlearned"
    head = ["Set", "Asked", "True answer", own, *(role.capitalize() for role in roles)]
    caption = "Not chosen by what was said: person by person by id, each another kind of question."
    return pieces.part(
        "What it says, asked plainly", pieces.table(head, [_quote(q, roles) for q in one.quoted], caption)
    )


def _quote(quote: Quoted, roles: Sequence[str]) -> list[object]:
    asked = Markup("{} <small>{}, {}</small>").format(
        quote.question, quote.subject, pieces.ASKED.get(quote.modality, quote.modality)
    )
    said = [quote.said.get(role) for role in ("own", *roles)]
    return [quote.item_set, asked, quote.truth, *(_words(*one) if one else pieces.NOTHING for one in said)]


def _words(text: str, correct: bool | None) -> Markup:
    right = KNOWS[correct] if correct is not None else Markup("")
    return Markup('<span class="said">{}</span>{}').format(text or pieces.NOTHING, right)


# -- attacks ----------------------------------------------------------------------------------------------------------


def _attacks(one: Gathered) -> list[Markup]:
    return [attack_part(attacked) for attacked in one.attacked]


# -- curves, spec, versions -------------------------------------------------------------------------------------------


def _curves(one: Gathered) -> Markup:
    losses = {said: one.curves[name] for name, said in LOSSES.items() if one.curves.get(name)}
    if len(losses) > 1:
        losses.pop("total", None)
    measured = {name.removeprefix(ACCURACY): points for name, points in one.curves.items() if name.startswith(ACCURACY)}
    drawn = [figures.lines(losses, "Loss by step"), figures.lines(measured, "Accuracy by step", top=1.0)]
    ends = [
        (name, len(points), f"{points[0][1]:.3g}", f"{points[-1][1]:.3g}")
        for name, points in {**losses, **measured}.items()
        if points
    ]
    if not any(drawn):
        return Markup("")
    table = pieces.table(["Curve", "Points", "First", "Last"], ends, "The curves in figures.", numbers=[1, 2, 3])
    return pieces.part("While it was made", Markup('<div class="side">{}{}</div>').format(*drawn), table)


def _asked_for(one: Gathered) -> Markup:
    formula = minimised(one.run.spec)
    source = source_of(one.run.spec)
    words = pieces.facts([("method", method_of(one.run.spec)), ("source", source), ("minimises", formula)])
    note = pieces.note("As a file that `python -m backend submit file run.yaml` starts again:")
    text = Markup("<pre>{}</pre>").format(spec_text(one.run.name, one.run.spec))
    return pieces.part("Asked for", words, note, text)


def _made_with(one: Gathered) -> Markup:
    run = one.run
    known = {**(run.versions or {})}
    pairs = [("run", pieces.code(run.id)), ("device", run.device or known.pop("device", ""))]
    pairs += [(name, value) for name, value in known.items() if name != "device"]
    rows = [
        (pieces.code(saved.id), saved.kind, saved.step, pieces.size(saved.bytes), state, pieces.code(saved.sha256))
        for saved, state in one.weights
    ]
    head = ["Checkpoint", "Kind", "Step", "Size", "Files", "SHA-256 of its manifest"]
    caption = (
        f"What the model was made from, root first; below all of them lies {one.weights[0][0].base}." if rows else ""
    )
    weights = pieces.table(head, rows, caption, numbers=[2, 3]) if rows else Markup("")
    return pieces.part("Made with", pieces.facts(pairs), weights)
