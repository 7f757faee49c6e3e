"""The Compare page as pieces of HTML and the choices of its controls, made from rows. Nothing here knows Gradio.

`look` sets what an address asks for against what is in the lab; every piece is made from what it saw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from markupsafe import Markup

from backend.benchmarks.item import SETS
from backend.comparing import figures, models, pair, points, table
from backend.comparing import matrix as attacks
from backend.comparing.figures import Cell
from backend.comparing.models import Asked, Entry, Model, Snapshot
from storage import metric_points, results
from ui import compare_pair, compare_plot, compare_shapes, compare_table, findings_view, parts
from ui.compare_state import ALL, MOST_COLUMNS, USUAL_COLUMNS, State
from ui.compare_words import ASKED, in_list, in_pill, order, run_address, way_of
from ui.context import Lab, method_of
from ui.subjects import person_of

MOST_PATHS = 24
"""With more models than this, only the ways that A and B took are drawn."""
CURVE_POINTS = 200
NO_ITEMS = ("all", "table")
"""Set and task of figures of a whole evaluation: no item is of them."""
NOTHING_YET = (
    "Models will stand here side by side: how much each forgot against what else it lost, held against the original "
    "and a gold model. A run that is scored at its end stands here by itself."
)


@dataclass(frozen=True)
class Seen:
    """What stands on the page: the state with every choice made, and what it was made from."""

    state: State
    asked: tuple[Asked, ...]
    snapshot: Snapshot
    found: tuple[Model, ...]
    entries: tuple[Entry, ...]
    cells: tuple[Cell, ...]
    a: Model | None
    b: Model | None


def look(lab: Lab, state: State, before: State | None = None) -> Seen:
    """The state set against the lab. What was changed since `before` counts most where an axis must give way."""
    snapshot = models.snapshot(lab.engine)
    asked = models.questions(snapshot)
    chosen = _questions(asked, state)
    if chosen is None:
        return Seen(state, (), snapshot, (), (), (), None, None)
    found = models.models(snapshot, chosen.benchmark, chosen.whom)
    cells = sorted(figures.cells_of(lab.engine, found), key=order)
    settled = _settled(replace(state, benchmark=chosen.benchmark, whom=chosen.whom), cells, before or state)
    a, b = _pair(found, settled)
    settled = replace(settled, a=a.run if a else "", b=b.run if b else "")
    shown = [model for model in found if _fits(model, state.q)]
    entries = models.fold(shown, together=state.fold)
    return Seen(settled, tuple(asked), snapshot, tuple(found), tuple(entries), tuple(cells), a, b)


def _questions(asked: Sequence[Asked], state: State) -> Asked | None:
    same = [one for one in asked if one.benchmark == state.benchmark]
    exact = [one for one in same if one.whom == state.whom]
    return next(iter([*exact, *same, *asked]), None)


def _settled(state: State, cells: Sequence[Cell], before: State) -> State:
    x = figures.nearest(cells, state.x, state.changed_axis(before, "x")) or state.x
    y = figures.nearest(cells, state.y, state.changed_axis(before, "y")) or state.y
    columns = tuple(cell for cell in state.cols if cell in cells) or usual_columns(cells)
    sets, tasks = {cell.set for cell in cells}, {cell.task for cell in cells}
    return replace(
        state,
        x=x,
        y=y,
        cols=columns[:MOST_COLUMNS],
        set=state.set if state.set in sets else ALL,
        task=state.task if state.task in (*tasks, ALL) else x.task,
    )


def usual_columns(cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """The columns of a table that nobody chose: accuracy of what should go and of what should stay."""
    near = [figures.nearest([one for one in cells if one.set == cell.set], cell) for cell in USUAL_COLUMNS]
    return tuple(dict.fromkeys(cell for cell in near if cell is not None))


def _pair(found: Sequence[Model], state: State) -> tuple[Model | None, Model | None]:
    """A and B as asked for, else the newest unlearned model and what it was before."""
    named = {model.maker: model for model in reversed(found) if model.maker} | {model.run: model for model in found}
    b = named.get(state.b) or next((one for one in found if one.role == "unlearned"), None)
    b = b or next((one for one in found[1:]), None)
    a = named.get(state.a) or named.get((b.original or "") if b else "")
    return a or next((one for one in found if one is not b), None), b


def _fits(model: Model, words: str) -> bool:
    said = f"{model.name} {model.group or ''} {model.role} {method_of(dict(model.spec))}".casefold()
    return all(word in said for word in words.casefold().split())


# -- everything by name ---


def sections(lab: Lab, seen: Seen) -> dict[str, Any]:
    """All of the page by name: HTML, the choices of a control, or whether something is seen."""
    if not seen.found:
        empty = parts.card(parts.empty(NOTHING_YET, "/launch", "Launch a run"))
        return {"body": False, "empty": empty, "head": Markup("")}
    plot, figures_table = plane(lab, seen)
    return {
        "body": True,
        "empty": Markup(""),
        "head": head(lab, seen),
        "plot": plot,
        "points": figures_table,
        "scores_title": compare_table.scores_title(seen.state.cols),
        "scores": score_table(lab, seen),
        "matrix": matrix(lab, seen),
        "findings": findings_view.block(lab, [model.maker for model in seen.found if model.maker]),
        **controls(lab, seen),
        **pair_sections(lab, seen),
    }


def head(lab: Lab, seen: Seen) -> Markup:
    """`demo · forget 10 % · 8 models, original and gold as landmarks`, and what the axes are."""
    state = seen.state
    roles = {model.role for model in seen.found}
    landmarks = " and ".join(role for role in ("original", "gold") if role in roles)
    others = sum(model.role in ("unlearned", "control") for model in seen.found)
    count = f"{others} model{'' if others == 1 else 's'}{f', {landmarks} as landmarks' if landmarks else ''}"
    asked = next(one for one in seen.asked if (one.benchmark, one.whom) == (state.benchmark, state.whom))
    pills = [f"x: {in_pill(state.x)}", f"y: {in_pill(state.y)}", *(["seeds folded"] if state.fold else [])]
    return Markup('<p class="lethe-sub lethe-compare-sub">{} <span class="lethe-pills">{}</span></p>').format(
        parts.joined([*_words_of(lab, asked), count]), Markup(" ").join(map(parts.pill, pills))
    )


def _words_of(lab: Lab, asked: Asked) -> list[str]:
    request = asked.spec.get("request") or {}
    shots = asked.spec.get("shots") or 0
    words = [asked.benchmark, lab.words_of_request(dict(asked.spec))]
    words += [", ".join(request.get("attributes") or ())]
    return [*filter(None, words), *([f"{shots} solved examples"] if shots else [])]


def controls(lab: Lab, seen: Seen) -> dict[str, Any]:
    """The choices and values of the controls that depend on what is in the lab."""
    state, cells = seen.state, seen.cells
    asked = [(f"{' · '.join(_words_of(lab, one))} ({one.models})", f"{one.benchmark}/{one.whom}") for one in seen.asked]
    columns = [(in_list(cell), cell.address) for cell in cells]
    found: dict[str, Any] = {
        "questions": {"choices": asked, "value": f"{state.benchmark}/{state.whom}"},
        "cols": {"choices": columns, "value": [cell.address for cell in state.cols]},
    }
    for axis in ("x", "y"):
        for part in Cell._fields:
            values = list(dict.fromkeys(getattr(cell, part) for cell in cells))
            spoken = [(ASKED.get(value, value) or "both", value) for value in values]
            found[f"{axis}_{part}"] = {"choices": spoken, "value": getattr(getattr(state, axis), part)}
    everybody = [(f"{parts.IDENTITIES[one.role][0]} {one.name}", one.run) for one in seen.found]
    found |= {side: {"choices": everybody, "value": getattr(state, side)} for side in ("a", "b")}
    for name in ("set", "task"):
        known = dict.fromkeys(getattr(cell, name) for cell in cells)
        found[name] = {
            "choices": [ALL, *(value for value in known if value not in NO_ITEMS)],
            "value": getattr(state, name),
        }
    return found


# -- views ---


def plane(lab: Lab, seen: Seen) -> tuple[Markup, Markup]:
    """Forget against retain as a drawing, and the same figures as a table."""
    x, y = seen.state.x, seen.state.y
    read = figures.read_figures(lab.engine, _members(seen.entries), [x, y])
    found = points.points(seen.entries, read, x, y, (way_of(x), way_of(y)))
    chosen = {"A": seen.state.a, "B": seen.state.b}
    drawing = compare_plot.scatter(found, x, y, _paths(lab, seen), chosen)
    return drawing, compare_plot.points_table(found, x, y)


def _paths(lab: Lab, seen: Seen) -> dict[str, list[tuple[int, float, float]]]:
    """The ways of few models, else those of A and B; quick evaluations measure accuracy, of generation, alone."""
    if any((axis.metric, axis.task) != ("accuracy", "generation") for axis in (seen.state.x, seen.state.y)):
        return {}
    shown = _members(seen.entries)
    few = shown if len(shown) <= MOST_PATHS else [one for one in (seen.a, seen.b) if one]
    makers = [one.maker for one in few if one.maker and one.role == "unlearned"]
    return points.travelled(lab.engine, makers, seen.state.x.set, seen.state.y.set)


def score_table(lab: Lab, seen: Seen) -> Markup:
    """Models by cells."""
    columns = seen.state.cols
    knew = [cell._replace(metric=figures.KNEW) for cell in columns if cell.metric == "accuracy"]
    wanted = [*_members(seen.entries), *(one for one in seen.found if one.role in ("original", "gold"))]
    read = figures.read_figures(lab.engine, {one.run: one for one in wanted}.values(), [*columns, *knew])
    attacked = attacks.attacked(lab.engine, seen.snapshot, seen.found, seen.state.benchmark, seen.state.whom)
    worst = {one.model.run: one.worst for one in attacked}
    rows = table.rows(seen.entries, read, columns, {cell: way_of(cell) for cell in columns}, worst)
    known = {entry.key: table.little_known(read, entry, columns) for entry in seen.entries if entry.role == "unlearned"}
    return compare_table.scores(table.in_order(rows, seen.state.sort), columns, seen.state, known)


def matrix(lab: Lab, seen: Seen) -> Markup:
    """Models by attacks."""
    shown = _members(seen.entries)
    found = attacks.attacked(lab.engine, seen.snapshot, shown, seen.state.benchmark, seen.state.whom)
    return compare_table.matrix(found)


def _members(entries: Sequence[Entry]) -> list[Model]:
    return [model for entry in entries for model in entry.members]


# -- the pair ---


def pair_sections(lab: Lab, seen: Seen) -> dict[str, Any]:
    """What changed from A to B: counts, items, people, a radar, curves and settings."""
    a, b = seen.a, seen.b
    if a is None or b is None:
        alone = parts.empty("Two models are needed; one more that is scored will do.", "/launch", "Launch a run")
        return _blank_pair(compare_pair.heading(a, b), alone)
    state = seen.state
    wanted = pair.Wanted(*("" if one == ALL else one for one in (state.set, state.task, state.asked)))
    items = pair.compared(lab.engine, a.run, b.run, wanted)
    found: dict[str, Any] = {
        "pair_head": compare_pair.heading(a, b),
        "profile": _profile(lab, seen, a, b, items),
        "curves": _curves(lab, a, b),
        "spec": compare_pair.spec_table(a, b, pair.spec_differences(a.spec, b.spec)),
    }
    if not items:
        return _blank_pair(found["pair_head"], _why_empty(lab, a, b)) | found
    changes = compare_pair.changes(pair.counts(items), state.kind, pair.only_one(lab.engine, a.run, b.run))
    return found | {"changes": changes} | _items(lab, seen, a, b, items)


def _blank_pair(heading: Markup, words: Markup) -> dict[str, Any]:
    blank = dict.fromkeys(("profile", "curves", "spec", "items", "items_note"), Markup(""))
    return {"pair_head": heading, "changes": words, "earlier": False, "later": False, **blank}


def _why_empty(lab: Lab, a: Model, b: Model) -> Markup:
    for model in (a, b):
        if not results.answers(lab.engine, run_id=model.run, limit=1):
            return parts.empty(compare_pair.unanswered(model), run_address(model), "Open its run")
    return parts.empty("No question of this set and task was put to both; choose otherwise.")


def _items(lab: Lab, seen: Seen, a: Model, b: Model, items: Sequence[pair.Both]) -> dict[str, Any]:
    kind, size = seen.state.kind, compare_pair.PAGE
    fitting = [one for one in items if kind == ALL or kind in pair.kinds_of(one)]
    fitting.sort(key=lambda one: (SETS.index(one.item_set) if one.item_set in SETS else len(SETS), one.item))  # type: ignore[arg-type]
    page = min(seen.state.page, max(0, (len(fitting) - 1) // size))
    shown = fitting[page * size : (page + 1) * size]
    ids = [one.item for one in shown]
    said = (pair.answers_of(lab.engine, a.run, ids), pair.answers_of(lab.engine, b.run, ids))
    benchmark = lab.benchmarks.get(seen.state.benchmark)
    listed = compare_pair.items_table(shown, said, (a, b), benchmark)
    count = f"items {page * size + 1} to {page * size + len(shown)} of {len(fitting)}" if shown else ""
    return {
        "items": listed if shown else parts.empty("No item is like this; choose otherwise."),
        "items_note": Markup('<p class="lethe-foot">{}</p>').format(count),
        "earlier": page > 0,
        "later": (page + 1) * size < len(fitting),
    }


def _profile(lab: Lab, seen: Seen, a: Model, b: Model, items: Sequence[pair.Both]) -> Markup:
    columns = seen.state.cols
    read = figures.read_figures(lab.engine, (a, b), columns)
    own = [(one, {cell: read[one.run, cell] for cell in columns if (one.run, cell) in read}) for one in (a, b)]
    benchmark = lab.benchmarks.get(seen.state.benchmark)
    gone, lost = pair.people(items, pair.GONE), pair.people(items, pair.STAYS)
    lost = [one for one in lost if one.a > one.b]
    listed = [*gone[: compare_shapes.MOST_PEOPLE], *lost[: compare_shapes.MOST_PEOPLE]]
    people = [person_of(benchmark, one.subject) for one in listed]
    names = {person.id: person.name for person in people if person}
    drawn = [
        compare_shapes.radar(own, columns),
        compare_shapes.key(a, b),
        compare_shapes.people_bars("To be forgotten: right answers, the best known first", gone, names, (a, b)),
        compare_shapes.people_bars("To be kept: right answers, the most lost first", lost, names, (a, b)),
    ]
    return parts.card(Markup("").join(drawn), "By column and by person", "outwards is better")


def _curves(lab: Lab, a: Model, b: Model) -> Markup:
    both = [(one, metric_points.curve(lab.engine, one.maker or one.run, points=CURVE_POINTS)) for one in (a, b)]
    return compare_shapes.curves(both[0], both[1])
