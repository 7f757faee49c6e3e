"""A run's page as pieces of HTML, made from rows. Nothing here knows Gradio.

`sections` gives all of them; the page sends those that changed.
"""

from __future__ import annotations

from typing import Any

from markupsafe import Markup
from pydantic import BaseModel

from backend.reports import ending_of, scores_of, yardsticks
from backend.spec import KINDS
from backend.spec_use import meaningful
from storage import checkpoints, metric_points, runs
from storage.errors import NotFound
from storage.tables import ACTIVE, Checkpoint, Run
from ui import charts, findings_view, parts, retain_only
from ui.context import Lab, role_of
from ui.measures_view import measures_table, rest
from ui.runs_view import took
from ui.score_view import Scores, checked, known_line, legend, rule, scores_table

LOG_BYTES = 20_000
ACCURACY_TITLE = "Accuracy at each evaluation"
ASKED_OF = {"attack": "an attack on it", "evaluate": "an evaluation of it"}
"""Runs that made nothing of a model."""

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


def meant(lab: Lab, text: str) -> str:
    """The id of the run that an address means, by its id, first digits or name; empty for none."""
    try:
        return runs.find(lab.engine, text).id if text else ""
    except NotFound:
        return ""


def sections(lab: Lab, run: Run) -> dict[str, Any]:
    """Everything on the page by name: HTML, rows of a chart, or the buttons that apply."""
    kept = checkpoints.listing(lab.engine, role=None, run_id=run.id)
    curves = metric_points.curve(lab.engine, run.id, points=charts.POINTS)
    losses, accuracies = charts.loss_rows(curves), charts.accuracy_rows(curves)
    return {
        "title": heading(lab, run),
        "actions": applies(run),
        "fault": fault(run),
        "ending": ending(lab, run),
        "progress": progress(run),
        "loss": {"rows": losses if charts.drawable(losses) else [], "steps": run.steps},
        "loss_title": chart_title("Loss", losses, run),
        "loss_table": charts.curve_table(losses, "losses by step"),
        "accuracy": {"rows": accuracies if charts.drawable(accuracies) else [], "steps": run.steps},
        "accuracy_title": chart_title(ACCURACY_TITLE, accuracies, run),
        "accuracy_table": charts.curve_table(accuracies, "accuracies by step"),
        **score_sections(lab, run),
        "findings": _bears_out(lab, run),
        "log": log(lab, run),
        "spec": parts.facts(spec_pairs(run.spec), wide=True),
        "checkpoints": checkpoint_table(lab, kept),
        "lineage": lineage(lab, run),
        "versions": versions(run),
    }


def score_sections(lab: Lab, run: Run) -> dict[str, Any]:
    """What was measured: the accuracies with their yardsticks, the check of what the original knew, and the rest."""
    scores, state = scores_of(lab.engine, run), str(run.state)
    held_against = yardsticks(lab.engine, run) if scores else {}
    return {
        "yardsticks": legend(scores, held_against),
        "known": known_line(scores, bool(held_against)),
        "known_switch": checked(scores),
        "scores": scores_table(scores, "accuracy", state, held_against) + rule(scores, "accuracy"),
        "known_scores": _known_scores(scores),
        "needs": retain_only.needs(lab.engine, run, scores, held_against),
        "likelihoods": scores_table(scores, "probability", state, held_against) + rule(scores, "probability"),
        "likelihood_box": any(score["metric"] == "probability" for score in scores),
        "measures": measures_table(scores),
        "measures_box": bool(rest(scores)),
    }


def _known_scores(scores: Scores) -> Markup:
    metric = "accuracy_of_known"
    return scores_table(scores, metric) + rule(scores, metric) if checked(scores) else Markup("")


def heading(lab: Lab, run: Run) -> Markup:
    """The name, the state, and one line of facts."""
    title = parts.page_title(Markup("{} {}").format(run.name, parts.state_mark(str(run.state), pill=True)))
    return title + Markup('<p class="lethe-sub">{}</p>').format(parts.joined(_facts(lab, run)))


def _bears_out(lab: Lab, run: Run) -> Markup:
    """What the run says on the papers' claims; nothing where it speaks to none."""
    said = findings_view.of_run(lab, run.id) if run.kind == "unlearn" else Markup("")
    link = Markup('<a class="lethe-link" href="/findings">all runs</a>')
    return parts.card(said, "What this run bears out", link) if said else said


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
    if run.kind == "attack":
        facts.append(Markup('<a class="lethe-link" href="/attack?run={}">what the attacks found</a>').format(run.id))
    elif run.output_checkpoint_id and run.kind == "unlearn":
        facts.append(Markup('<a class="lethe-link" href="/attack?model={}">attack it</a>').format(run.id))
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


def ending(lab: Lab, run: Run) -> Markup:
    """What a guard decided: why the run ended where it did, and which model is kept."""
    words = ending_of(lab.engine, run)
    return parts.notice(words) if words else Markup("")


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
    if run.kind in ("evaluate", "attack"):
        return f"{'An evaluation' if run.kind == 'evaluate' else 'An attack'} trains nothing, so it has no curves."
    if title == ACCURACY_TITLE and not training.get("evaluate_every"):
        return "“Evaluate every” is 0 for this run; its scores are measured at the end."
    if str(run.state) in ("succeeded", "failed", "cancelled"):
        return "Nothing was measured."
    return "Appears while the run goes on."


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
    """The spec as titles and readable values, in the order of the form; without settings that mean nothing in it."""
    model = KINDS.get(str(spec.get("kind")))
    return _pairs(meaningful(spec), model)


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
    uses = {"final": "result", "resume": "to resume from", "best": "the best so far"}
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
        Markup('<li>{} <span class="lethe-muted">{}</span></li>').format(
            parts.run_link(child.id, child.name), ASKED_OF.get(child.kind, f"{child.kind}, built on it")
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
    code = {str(name): value for name, value in (run.versions or {}).items()}
    pairs += [("device", run.device or code.pop("device", ""))] if run.device or "device" in code else []
    pairs += [("attempt", f"{run.attempt} of {run.max_attempts}")] if run.attempt else []
    if run.resumed_from:
        pairs.append(("went on from", f"step {run.resumed_at_step}"))
    pairs += [(name, _readable(value)) for name, value in code.items() if name != "device" and value is not None]
    return parts.facts(pairs, wide=True)
