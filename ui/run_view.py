"""A run's page as pieces of HTML, made from rows. Nothing here knows Gradio.

`sections` gives all of them; the page sends those that changed.
"""

from __future__ import annotations

from typing import Any

from markupsafe import Markup
from pydantic import BaseModel

from backend.benchmarks.item import SETS
from backend.reports import scores_of
from backend.spec import KINDS
from storage import checkpoints, results, runs
from storage.errors import NotFound
from storage.tables import ACTIVE, Checkpoint, Run
from ui import charts, parts
from ui.context import Lab, role_of
from ui.runs_view import took

LOG_BYTES = 20_000
ACCURACY_TITLE = "Accuracy at each evaluation"
SET_ROLES = {"forget": "unlearned", "test": "unlearned", "retain": "original", "celebrity": "gold"}
ROLE_CLASSES = {"unlearned": "lethe-unlearned", "original": "lethe-original", "gold": "lethe-gold"}

ACTIONS: dict[str, frozenset[str]] = {
    "save": frozenset({"running"}),
    "cancel": frozenset({"queued", "running", "stopping", "interrupted"}),
    "resume": frozenset({"interrupted", "failed", "cancelled"}),
    "retry": frozenset({"succeeded", "failed", "cancelled"}),
    "delete": frozenset({"queued", "interrupted", "succeeded", "failed", "cancelled"}),
}
"""Which states each button applies to."""


def applies(run: Run) -> dict[str, bool]:
    """Which buttons to show. A run asked to cancel cannot be asked twice."""
    shown = {action: str(run.state) in states for action, states in ACTIONS.items()}
    if run.requested_stop == "cancel":
        shown["save"] = shown["cancel"] = False
    return shown


def exists(lab: Lab, run_id: str) -> bool:
    """Whether there is a run of that id."""
    try:
        return bool(runs.get(lab.engine, run_id))
    except NotFound:
        return False


def sections(lab: Lab, run: Run) -> dict[str, Any]:
    """Everything on the page by name: HTML, rows of a chart, or the buttons that apply."""
    kept = checkpoints.listing(lab.engine, role=None, run_id=run.id)
    curves = results.curve(lab.engine, run.id, points=charts.POINTS)
    losses, accuracies = charts.loss_rows(curves), charts.accuracy_rows(curves)
    scores = scores_of(lab.engine, run)
    return {
        "title": heading(lab, run),
        "actions": applies(run),
        "fault": fault(run),
        "progress": progress(run),
        "loss": {"rows": losses if charts.drawable(losses) else [], "steps": run.steps},
        "loss_title": chart_title("Loss", losses, run),
        "loss_table": charts.curve_table(losses, "losses by step"),
        "accuracy": {"rows": accuracies if charts.drawable(accuracies) else [], "steps": run.steps},
        "accuracy_title": chart_title(ACCURACY_TITLE, accuracies, run),
        "accuracy_table": charts.curve_table(accuracies, "accuracies by step"),
        "measures": measures_table(scores),
        "measures_box": any(score["metric"] not in RULES for score in scores),
        "scores": scores_table(scores, "accuracy", str(run.state)) + rule(scores, "accuracy"),
        "likelihoods": scores_table(scores, "probability", str(run.state)) + rule(scores, "probability"),
        "likelihood_box": any(score["metric"] == "probability" for score in scores),
        "log": log(lab, run),
        "spec": parts.facts(spec_pairs(run.spec), wide=True),
        "checkpoints": checkpoint_table(lab, kept),
        "lineage": lineage(lab, run),
        "versions": versions(run),
    }


def heading(lab: Lab, run: Run) -> Markup:
    """The name, the state, and one line of facts."""
    title = parts.page_title(Markup("{} {}").format(run.name, parts.state_mark(str(run.state), pill=True)))
    return title + Markup('<p class="lethe-sub">{}</p>').format(parts.joined(_facts(lab, run)))


def _facts(lab: Lab, run: Run) -> list[object]:
    benchmark = str(run.spec.get("benchmark", ""))
    asked = lab.words_of_request(run.spec) if run.spec.get("who") != "everyone" else ""
    facts: list[object] = [run.kind]
    if run.parent_checkpoint_id:
        facts.append(Markup("from {}").format(made_by(lab, run.parent_checkpoint_id)))
    elif run.spec.get("model") not in (None, benchmark):
        facts.append(f"from {run.spec['model']}")
    facts += [benchmark, asked]
    if run.started_at:
        facts.append(Markup("started {}").format(parts.clock(run.started_at)))
    else:
        facts.append(Markup("asked for at {}").format(parts.clock(run.created_at)))
    if run.started_at and run.finished_at:
        facts.append(f"took {took(run)}")
    return facts


def made_by(lab: Lab, checkpoint_id: str) -> Markup:
    """A checkpoint by the run that made it, with its identity, as a link."""
    try:
        maker = runs.get(lab.engine, checkpoints.get(lab.engine, checkpoint_id).run_id)
    except NotFound:
        return Markup('<span class="lethe-muted">a checkpoint that is gone</span>')
    mark = parts.identity(role_of(maker.kind, maker.spec), maker.name)
    return Markup('<a class="lethe-quiet-link" href="/runs?run={}">{}</a>').format(maker.id, mark)


def fault(run: Run) -> Markup:
    """What went wrong and what to do, in one box; nothing for a run without an error."""
    if not run.error or str(run.state) not in ("failed", "interrupted"):
        return Markup("")
    return parts.error(run.error, what_to_do(run.error, str(run.state)))


def what_to_do(error: str, state: str = "failed") -> str:
    """The step that follows an error."""
    if "memory" in error.lower():
        return "Duplicate it with a smaller batch size, or turn on gradient checkpointing."
    if state == "interrupted":
        return "It goes on from its last checkpoint by itself while attempts are left, or at once with Resume."
    return (
        "The end of the log says more. Resume goes on from the last checkpoint; Retry starts a copy from the beginning."
    )


def progress(run: Run) -> Markup:
    """How far the run is and how long it has to go, as it measured it."""
    state = str(run.state)
    if state == "queued":
        return parts.card(
            Markup('<p class="lethe-quiet">Waits for its turn. The order can be changed on {}.</p>').format(
                Markup('<a class="lethe-link" href="/runs">Runs</a>')
            )
        )
    if state == "interrupted" and run.requested_stop == "save":
        words = "Stopped and saved. Resume goes on from here."
    else:
        words = run.message or ""
    eta = run.eta_s if run.state in ACTIVE else None
    if state == "succeeded" and run.started_at and run.finished_at and run.steps:
        words = f"done in {took(run)}"
    bar = parts.progress_bar(run.step, run.steps, eta, label=f"Progress of {run.name}", more=words)
    return parts.card(bar, classes="lethe-progress-card")


def chart_title(title: str, rows: charts.Rows, run: Run) -> Markup:
    """A chart's title with its legend and, while there is no line to draw, why."""
    head = Markup('<h2 class="lethe-card-title">{} <small>{}</small></h2>').format(title, charts.legend(rows))
    if charts.drawable(rows):
        return head
    return head + Markup('<p class="lethe-blank">{}</p>').format(_why_no_line(title, rows, run))


def _why_no_line(title: str, rows: charts.Rows, run: Run) -> str:
    if rows:
        return "One point so far; a line needs two."
    training = run.spec.get("training") or {}
    if run.kind == "evaluate":
        return "An evaluation trains nothing, so it has no curves."
    if title == ACCURACY_TITLE and not training.get("evaluate_every"):
        return "“Evaluate every” is 0 for this run; its scores are measured at the end."
    if str(run.state) in ("succeeded", "failed", "cancelled"):
        return "Nothing was measured."
    return "Appears while the run goes on."


RULES = {
    "accuracy": "Right: the fact stands in the answer. Classification: the true option is the likeliest of four, "
    "so 0.25 is chance and what a model that never knew would score. ⚠ collapsed: the answers are no longer language.",
    "probability": "The true answer's likelihood a token (geometric mean), averaged over items.",
}


def scores_table(scores: list[dict[str, Any]], metric: str, state: str = "succeeded") -> Markup:
    """Set, Task, With picture, As text, n: a row for each set and task of one metric."""
    chosen = [score for score in scores if score["metric"] == metric]
    if not chosen:
        ended = state in ("succeeded", "failed", "cancelled")
        return parts.empty(
            "No scores were measured in this run." if ended else "Scores are measured at the end of the run."
        )
    cells: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for score in chosen:
        cells.setdefault((score["set"], score["task"]), {})[score["modality"]] = score
    rows = [_score_row(item_set, task, cells[item_set, task]) for item_set, task in sorted(cells, key=_set_order)]
    return parts.table(["Set", "Task", "With picture", "As text", "n"], rows, numbers=[4], label=f"{metric} by set")


def rule(scores: list[dict[str, Any]], metric: str) -> Markup:
    """By which rule the figures above were measured; nothing where there are none."""
    measured = any(score["metric"] == metric for score in scores)
    return Markup('<p class="lethe-foot">{}</p>').format(RULES[metric]) if measured else Markup("")


def measures_table(scores: list[dict[str, Any]]) -> Markup:
    """Whatever else was measured, one row a figure: n and interval beside the value, or why there is none."""
    rest = [score for score in scores if score["metric"] not in RULES]
    if not rest:
        return parts.empty("Nothing else was measured.")
    modalities = {"image_text": "with picture", "text": "as text"}
    rows = [
        (
            _named_set(score["set"]),
            score["task"],
            modalities.get(score["modality"], ""),
            score["metric"],
            _figure(score),
            score["n"],
        )
        for score in sorted(
            rest, key=lambda one: (_set_order((one["set"], one["task"])), one["modality"], one["metric"])
        )
    ]
    head = ["Set", "Task", "Asked", "Measure", "Value", "n"]
    return parts.table(head, rows, numbers=[5], label="every other measure")


def _figure(score: dict[str, Any]) -> Markup:
    """A measure that is not a rate: its value in plain decimals with its interval."""
    if score["value"] is None:
        return _score(score)
    interval = "" if score["low"] is None else f"{score['low']:.2f}–{score['high']:.2f}"
    flags = [parts.flag(str(flag)) for flag in score["flags"] if score["task"] == "table"]
    value = Markup('{:.2f} <span class="lethe-interval">{}</span>').format(score["value"], interval)
    return parts.joined([value, *flags], " ")


def _named_set(item_set: str) -> Markup:
    colour = ROLE_CLASSES.get(SET_ROLES.get(item_set, ""), "")
    return Markup('<span class="{}">{}</span>').format(colour, item_set.capitalize())


def _set_order(cell: tuple[str, str]) -> tuple[int, str]:
    tasks = ("generation", "classification", "cloze", "caption", "name")
    place = tasks.index(cell[1]) if cell[1] in tasks else len(tasks)
    return (SETS.index(cell[0]) if cell[0] in SETS else len(SETS)) * 10 + place, cell[1]  # type: ignore[arg-type]


def _score_row(item_set: str, task: str, by_modality: dict[str, dict[str, Any]]) -> tuple[object, ...]:
    counts = dict.fromkeys(by_modality[column]["n"] for column in ("image_text", "text") if column in by_modality)
    return (
        _named_set(item_set),
        task,
        _score(by_modality.get("image_text")),
        _score(by_modality.get("text")),
        " / ".join(map(str, counts)),
    )


def _score(score: dict[str, Any] | None) -> Markup:
    if score is None:
        return parts.NOTHING
    flags = [str(flag) for flag in score["flags"]]
    if score["value"] is None:
        return Markup('<span class="lethe-muted">{}</span>').format(", ".join(flags) or "not measured")
    rate = parts.rate(score["value"], score["low"], score["high"])
    return parts.joined([rate, *(parts.flag(flag) for flag in flags)], " ")


def log(lab: Lab, run: Run) -> Markup:
    """The end of the run's log."""
    text = log_tail(lab, run.id)
    nothing = "No log was kept." if run.started_at else "The log begins when a worker takes the run."
    return parts.log_lines(text) if text else parts.empty(nothing)


def log_tail(lab: Lab, run_id: str) -> str:
    """The last 20 kB of the log, from the first whole line on; empty where there is none."""
    path = lab.home / "logs" / f"{run_id}.log"
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        length = file.seek(0, 2)
        file.seek(max(0, length - LOG_BYTES))
        tail = file.read().decode("utf-8", errors="replace")
    return tail.split("\n", 1)[-1] if length > LOG_BYTES else tail


def log_size(lab: Lab, run_id: str) -> int:
    """How long the log is, in bytes: with the revision, the page's cursor."""
    path = lab.home / "logs" / f"{run_id}.log"
    return path.stat().st_size if path.is_file() else 0


def spec_pairs(spec: dict[str, Any]) -> list[tuple[str, object]]:
    """The spec as titles and readable values, in the order of the form."""
    model = KINDS.get(str(spec.get("kind")))
    return _pairs(spec, model)


def _pairs(values: dict[str, Any], model: type[BaseModel] | None) -> list[tuple[str, object]]:
    pairs: list[tuple[str, object]] = []
    for key, value in values.items():
        field = model.model_fields.get(key) if model else None
        if isinstance(value, dict):
            inner = field.annotation if field and isinstance(field.annotation, type) else None
            pairs += _pairs(value, inner if inner and issubclass(inner, BaseModel) else None)
        elif key != "kind" and value not in (None, [], ()):
            pairs.append(((field.title if field else None) or key.replace("_", " "), _readable(value)))
    return pairs


def _readable(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def checkpoint_table(lab: Lab, kept: list[Checkpoint]) -> Markup:
    """A run's checkpoints: whether their files are as they were saved, how large, and their hash."""
    if not kept:
        return parts.empty("No checkpoint has been saved yet.")
    uses = {"final": "result", "resume": "to resume from"}
    rows = [
        (
            row.step,
            uses.get(row.role, row.role),
            _condition(lab, row),
            parts.size(row.bytes),
            parts.short_hash(row.sha256),
        )
        for row in kept
    ]
    return parts.table(["Step", "For", "Files", "Size", "Hash"], rows, numbers=[3], label="checkpoints")


def _condition(lab: Lab, checkpoint: Checkpoint) -> Markup:
    state = checkpoints.condition(lab.home, checkpoint)
    marks = {"ok": ("✓", "succeeded"), "missing": ("✕", "failed"), "altered": ("⚠", "failed")}
    mark, colour = marks[state]
    return Markup(
        '<span class="lethe-state lethe-state-{}"><span class="lethe-glyph" aria-hidden="true">{}</span>{}</span>'
    ).format(colour, mark, state)


def lineage(lab: Lab, run: Run) -> Markup:
    """What the model was made from, root first, and which runs were built on it."""
    steps = [Markup('<li class="lethe-muted">{}</li>').format(_root(lab, run))]
    made = run.output_checkpoint_id or run.parent_checkpoint_id
    if made:
        line = checkpoints.lineage(lab.engine, checkpoints.get(lab.engine, made))
        steps += [Markup("<li>{}</li>").format(made_by(lab, checkpoint.id)) for checkpoint in line]
    steps += [
        Markup('<li>{} <span class="lethe-muted">{}, built on it</span></li>').format(
            parts.run_link(child.id, child.name), child.kind
        )
        for child in runs.children(lab.engine, run.id)
    ]
    return Markup('<ol class="lethe-lineage">{}</ol>').format(Markup("").join(steps))


def _root(lab: Lab, run: Run) -> str:
    made = run.output_checkpoint_id or run.parent_checkpoint_id
    return checkpoints.get(lab.engine, made).base if made else str(run.spec.get("model", "unknown"))


def versions(run: Run) -> Markup:
    """What the run was made with, so that it can be made again."""
    pairs: list[tuple[str, object]] = [("run", Markup('<code class="lethe-mono">{}</code>').format(run.id))]
    pairs += [("device", run.device)] if run.device else []
    pairs += [("attempt", f"{run.attempt} of {run.max_attempts}")] if run.attempt else []
    if run.resumed_from:
        pairs.append(("went on from", f"step {run.resumed_at_step}"))
    pairs += [(str(name), _readable(value)) for name, value in (run.versions or {}).items()]
    return parts.facts(pairs, wide=True)
