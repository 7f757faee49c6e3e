"""What the launch page draws, as HTML: the line under a field, the formula, the card `This run`.

Everything is escaped. A fault stands in the field's own line, as an alert, and again in the card, so that
one in a closed group of settings is seen too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from markupsafe import Markup
from sqlalchemy import Engine

from backend import formula
from backend.benchmarks.item import Person
from backend.benchmarks.library import DEMO
from backend.presets import every_preset, fill, from_spec, preset, split_name, title_of, to_text
from backend.spec import EvaluateSpec, FinetuneSpec, Objective, Training, UnlearnSpec
from backend.spec_edit import WITHOUT_TRAINING, Edit, trains
from backend.spec_guards import Guards
from storage.tables import Run
from ui import forms, gallery, group_view, launching, origins, this_run
from ui.forms import Control
from ui.parts import identity, run_link, table

FIRST = (
    "objective.beta", "objective.forget_weight", "objective.retain_weight", "training.learning_rate",
    "training.steps", "training.batch_size", "training.adapter", "training.lora_rank",
)  # fmt: skip
"""The settings in sight; every other one lies under More settings."""
INSTRUCTION = "edit.instruction"
FOLLOWED = ("evaluate_every", "evaluate_by", "save_every")
"""How a training run is followed and kept, which moves no weight."""
EDITED = tuple(f"edit.{name}" for name in Edit.model_fields if f"edit.{name}" not in ("edit.method", INSTRUCTION))
"""The numbers of methods that do more, or less, than minimise; what they do goes by the method that is chosen."""

CONTROLS: dict[str, Control] = {
    control.path: control
    for control in (
        *forms.controls(Objective, "objective."),
        *forms.controls(Training, "training."),
        *forms.controls(Guards, "guards."),
        *forms.controls(Edit, "edit.", skip=("method",)),
        *forms.controls(EvaluateSpec, skip=("kind", "model", "benchmark")),
        *forms.controls(UnlearnSpec, skip=("kind", "model", "benchmark", "preset")),
    )
}
NOT_A_FIELD = {
    "request": "People",
    "objective": "Objective",
    "training": "Training",
    "guards": "Guards",
    "edit": "Method",
    "sweep": "Sweep",
    "model": "Model",
    "benchmark": "Benchmark",
}
"""What a fault may be about that is no control of the settings."""
PEOPLE_TITLES = {
    "unlearn": "2 · Whom to forget",
    "finetune": "2 · The forget set",
    "evaluate": "2 · The forget set",
}
METHOD_TITLES = {"unlearn": "3 · Method", "finetune": "3 · Training", "evaluate": "3 · Evaluation"}


def people_help(values: Mapping[str, Any]) -> str:
    """What the framed people mean for this kind of run."""
    if values["kind"] == "unlearn":
        return "Framed: who will be forgotten. Press a portrait to choose people yourself."
    if values["kind"] == "finetune" and values["who"] == "retain":
        return "Framed: who is left out of the training."
    return "Framed: whose answers are scored apart, as the forget set."


def share_choices(shares: Iterable[Any]) -> list[tuple[str, Any]]:
    """The pills of `Share of people`: the shares in per cent, and people of one's own choice."""
    numbers = [share for share in shares if isinstance(share, int)]
    return [*((f"{share} %", share) for share in numbers), ("chosen people", launching.CHOSEN)]


def is_crowd(people: Iterable[Person]) -> bool:
    """Whether there are more people than a gallery shows."""
    return sum(not person.public_figure for person in people) > gallery.MOST


def unshown_html(benchmark: str, people: Sequence[Person]) -> Markup:
    """How many people the gallery does not show, and where they are; nothing where it shows everyone."""
    if not is_crowd(people):
        return Markup("")
    private = sum(not person.public_figure for person in people)
    return Markup(
        '<p class="lethe-help">{} of {} people shown, those to be forgotten first. '
        '<a class="lethe-link" href="/data?{}">Find and choose the others on the Data page</a>.</p>'
    ).format(gallery.MOST, private, urlencode({"benchmark": benchmark}))


def heading(words: str) -> Markup:
    """A card's title."""
    return Markup('<h2 class="lethe-card-title">{}</h2>').format(words)


def note_html(
    path: str, fault: str | None, usual: Any = None, help: str | None = None, benchmark: str = DEMO
) -> Markup:
    """The line under a field: what is wrong with it, or else its help."""
    if fault == origins.NO_VANILLA:
        query = urlencode({"kind": "finetune"} | ({"benchmark": benchmark} if benchmark != DEMO else {}))
        link = Markup('<a class="lethe-link" href="/launch?{}">Set it up</a>').format(query)
        return Markup('<p class="lethe-fault" role="alert">{}. {}</p>').format(fault, link)
    if fault:
        return Markup('<p class="lethe-fault" role="alert">{}</p>').format(forms.fault_line(fault, usual))
    text = help or (CONTROLS[path].info if path in CONTROLS else "")
    return Markup('<p class="lethe-help">{}</p>').format(_spelled(text)) if text else Markup("")


def _spelled(text: str) -> Markup:
    """A line of help with what is to be typed as it stands, which is between backticks, set apart."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(Markup.escape(text))))


def model_note(engine: Engine, values: Mapping[str, Any]) -> Markup:
    """What the chosen model is, with its identity; or what may be typed where it is none of the lab's."""
    for choice in origins.model_choices(engine, values["benchmark"]):
        if choice.value == values["model"] and values["kind"] != "finetune":
            knows = origins.knowledge(engine, choice)
            return Markup('<p class="lethe-help">{} {}</p>').format(identity(choice.role), knows)
    return Markup('<p class="lethe-help">{}</p>').format("One of this list, or type a folder or a hub id.")


def formula_html(method: str, spec: Any) -> Markup:
    """What is minimised or done, where it comes from, and what differs from the code that was published with it."""
    known, (_, variant) = preset(method), split_name(method)
    if isinstance(spec, UnlearnSpec) and this_run.is_own(spec):
        about = f"own objective, begun from {title_of(method)}"
    else:
        named = known.variants.get(variant, known)
        about = " · ".join(part for part in (named.source, named.differs) if part)
    minimises = formula.minimises(known.edit)
    if not isinstance(spec, UnlearnSpec):
        return _formula(formula.symbolic(known.objective_of(variant), known.edit), "", about, minimises)
    told = (formula.where(spec.objective, spec.edit), formula.in_words(spec.objective, spec.edit))
    return _formula(this_run.formula(spec), "; ".join(part for part in told if part), about, minimises)


def _formula(text: str, further: str, about: str, minimises: bool) -> Markup:
    begin = Markup('<span class="lethe-minimise">minimise</span> ') if minimises else Markup("")
    where = Markup(' <span class="lethe-where">{}</span>').format(_mathematics(further)) if further else ""
    return Markup(
        '<div class="lethe-formula">{}<span class="lethe-maths">{}</span>{} <span class="lethe-muted">{}</span></div>'
    ).format(begin, _mathematics(text), where, about)


def method_choices() -> list[tuple[str, str]]:
    """The methods to choose from: those that were published, then one's own."""
    known, _ = every_preset()
    return [(one.title if one.paper else f"{one.title} (your own)", one.name) for one in known]


def variant_choices(method: str) -> list[tuple[str, str]]:
    """The pills of `As in`: the method's own paper, then the variants."""
    return [("its own paper", ""), *((one.title, name) for name, one in preset(method).variants.items())]


def settings_help(values: Mapping[str, Any], spec: Any) -> Markup:
    """What the settings chosen are; and what came of them on the demo, while they are the ones tried there."""
    known, (_, variant) = preset(values["preset"]), split_name(values["preset"])
    recipe = known.recipe(variant)
    if values["settings"] == "paper" and recipe:
        return Markup('<p class="lethe-help">{}</p>').format(recipe.said)
    same = not isinstance(spec, UnlearnSpec) or _as_tried(spec, fill(values["preset"]))
    tried = known.checked(variant) if same else ""
    return Markup('<p class="lethe-help">For the demo model. {}</p>').format(
        f"There: {tried}." if tried else "Not tried there; begin here and look."
    )


def _as_tried(spec: UnlearnSpec, tried: UnlearnSpec) -> bool:
    """Whether all is the same that decides what becomes of the weights, but chance."""
    if spec.edit != tried.edit:
        return False
    counts = WITHOUT_TRAINING.get(spec.edit.method, [name for name in Training.model_fields if name not in FOLLOWED])
    if any(getattr(spec.training, name) != getattr(tried.training, name) for name in counts if name != "seed"):
        return False
    return not trains(spec.edit.method) or (spec.objective, spec.guards) == (tried.objective, tried.guards)


def broken_html() -> Markup:
    """A sentence for each preset of one's own that cannot be read."""
    _, broken = every_preset()
    return Markup("").join(Markup('<p class="lethe-fault" role="status">{}</p>').format(one) for one in broken)


def preset_text(spec: Any) -> str:
    """The form's method as the text that would be kept; empty while a field is at fault."""
    return to_text(from_spec("my-method", spec)) if isinstance(spec, UnlearnSpec) else ""


def kept_html(name: str) -> Markup:
    """The line after a preset was kept."""
    return Markup('<p class="lethe-started" role="status"><span aria-hidden="true">✓</span> Kept as {}</p>').format(
        name
    )


def _mathematics(text: str) -> Markup:
    """`π_θ`, `I_forget` and `on forget` with their indices lowered."""
    lowered = re.sub(r"([πhzαθΔI])_(θ|ref|t|start|j|forget|retain)", r"\1<sub>\2</sub>", str(Markup.escape(text)))
    for which in ("forget", "retain"):
        lowered = lowered.replace(f" on {which}", f" <sub>{which}</sub>")
    return Markup(lowered)


def run_html(seen: this_run.Preview, address: str) -> Markup:
    """The card `This run`; it carries the form's address, which the page writes into the browser's."""
    head = Markup('<div data-address="{}">{}</div>').format(address, heading("This run"))
    if seen.spec is None:
        rows = Markup("").join(
            Markup("<li><strong>{}</strong>: {}</li>").format(_title(path), forms.fault_line(fault))
            for path, fault in seen.faults.items()
        )
        return head + Markup(
            '<p class="lethe-sentence">Not ready to start:</p><ul class="lethe-faults">{}</ul>'
        ).format(rows)
    before, people, after = seen.sentence
    role = "original" if isinstance(seen.spec, FinetuneSpec) and seen.spec.who == "everyone" else "unlearned"
    sentence = Markup('<p class="lethe-sentence">{}<strong class="lethe-{}">{}</strong>{}</p>').format(
        before, role, people, after
    )
    facts = [
        (Markup('<span class="lethe-muted">{}</span>').format(name), _with_small(value, small))
        for name, value, small in seen.facts
    ]
    terminal = Markup(
        '<p class="lethe-terminal-title" id="same-run">The same from a terminal</p>'
        '<pre class="lethe-terminal" tabindex="0" aria-labelledby="same-run"><code>{}</code></pre>'
    ).format(seen.command)
    tight = Markup('<p class="lethe-tight" role="status"><span aria-hidden="true">△</span> {}</p>')
    warning = tight.format(seen.room.warning) if seen.room and seen.room.warning else Markup("")
    return head + sentence + table(("", ""), facts, label="This run", head=False) + warning + terminal


def _with_small(value: str, small: str) -> Markup:
    return Markup("{} <small class='lethe-muted'>{}</small>").format(value, small)


def _title(path: str) -> str:
    return CONTROLS[path].title if path in CONTROLS else NOT_A_FIELD.get(path, path)


def started_html(queued: Sequence[Run], place: str) -> Markup:
    """The line after Start: the run, or the group of runs, with its place in the queue."""
    run = queued[0]
    if run.group_id:
        return Markup(
            '<p class="lethe-started" role="status"><span aria-hidden="true">✓</span> Queued: {} runs of '
            '<a class="lethe-link" href="{}">{}</a></p>'
        ).format(len(queued), group_view.address(run.group_id), run.group_id)
    return Markup(
        '<p class="lethe-started" role="status"><span aria-hidden="true">✓</span> Queued: {} ({})</p>'
    ).format(run_link(run.id, run.name), place)


def refused_html(sentence: str) -> Markup:
    """The line after a Start that queued nothing."""
    return Markup('<p class="lethe-fault" role="alert">{}</p>').format(sentence)
