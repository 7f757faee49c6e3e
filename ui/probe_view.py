"""What the probe page shows, without knowing how a page is made: the left column, the answers, the table, the
history.

A `Panel` is the left column for one `View`. The generators give the right column as dictionaries, section by
section; a section that a dictionary lacks stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from markupsafe import Markup

from backend import probing
from backend.attack_prompts import ATTACKS
from backend.benchmarks.item import BadRequest
from storage import runs
from storage.tables import Probe
from ui import answers as shown
from ui import asking, exchange, parts, probe_tables, subjects
from ui.askable import Model, chosen_models, forgotten_by_any, made_on, model_choices, models_of
from ui.asking import CannotAsk, PictureRefused, View
from ui.context import Lab
from ui.data_request import listed
from ui.people import person_choices, subject, thumbnails

HISTORY_SHOWN = 12
MAKERS = ("finetune", "unlearn")
"""The kinds of run that end with a model."""
Section = dict[str, Any]
Choices = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Panel:
    """The left column. Choices are (words, value); `address` is what stands after `?`; `absent` says why nobody of the
    benchmark can be shown, and `nothing_yet` what is missing before anything can be asked.
    """

    view: View
    benchmarks: Choices
    absent: Markup
    nothing_yet: Markup
    subject: Markup
    people: Choices
    pictures: Choices
    models: Choices
    more: Choices
    questions: list[str]
    question: str | None
    forgotten: list[str]
    address: str


def panel(lab: Lab, view: View, models: Sequence[Model]) -> Panel:
    """Everything the left column shows for this view."""
    chosen = chosen_models(models, view.models)
    on_page, rest = model_choices(models, chosen)
    benchmark = asking.benchmark_of(lab, view)
    person, picture = subjects.person_of(benchmark, view.person), asking.picture_of(lab, view)
    pictures = [(name.replace(" view", ""), name) for name in asking.pictures_of(lab, view)]
    if view.picture and view.picture.startswith("upload:"):
        pictures.append(("your picture", view.picture))
    questions = [question.text for question in asking.questions_of(lab, view)]
    forgotten, held_out = forgotten_by_any(chosen, view.benchmark), subjects.held_out_of(benchmark)
    return Panel(
        view=view,
        benchmarks=benchmark_choices(lab, view, chosen),
        absent=absent(lab, view),
        nothing_yet=nothing_yet(lab, models, chosen),
        subject=subject(person, picture, view.picture, view.by_name, chosen, view.benchmark, view.person in held_out),
        people=person_choices(subjects.people_in_order(benchmark, forgotten), forgotten, held_out),
        pictures=pictures,
        models=[(_model_words(model), model.choice) for model in on_page],
        more=[(_model_words(model), model.choice) for model in rest],
        questions=questions,
        question=view.question if view.question in questions else None,
        forgotten=sorted(forgotten),
        address=asking.address(lab, view, models),
    )


def benchmark_choices(lab: Lab, view: View, chosen: Sequence[Model]) -> Choices:
    """Every benchmark of the lab, and what the page shows or its models need where that is gone; marked where it cannot
    be opened.
    """
    sets = listed(lab)
    titles = [one.title for one in sets]
    here = {one.name: one.title if titles.count(one.title) == 1 else f"{one.title} · {one.name}" for one in sets}
    closed = {one.name: f"✕ {here[one.name]}" for one in sets if one.fault}
    gone = {name: f"✕ {name}" for name in (view.benchmark, made_on(chosen)) if name and name not in here}
    return [(words, name) for name, words in {**here, **closed, **gone}.items()]


def absent(lab: Lab, view: View) -> Markup:
    """One sentence where the benchmark that the page is about is gone or cannot be opened; else nothing."""
    try:
        subjects.opened(lab, view.benchmark)
    except BadRequest as error:
        sentence = f"{str(error)[:1].upper()}{str(error)[1:]}."
        return parts.error(sentence, "Choose another benchmark, or upload a picture or ask by name.")
    return Markup("")


def nothing_yet(lab: Lab, models: Sequence[Model], chosen: Sequence[object]) -> Markup:
    """What is missing before anything can be asked: a choice, or a model, which may be in the making already."""
    if chosen:
        return Markup("")
    if any(model.condition == "ok" for model in models):
        return parts.card(parts.empty("No model is chosen; choose one under Models."))
    waiting = runs.listing(lab.engine, states=["running", "queued"], order="oldest")
    run = next((run for run in waiting if run.kind in MAKERS), None)
    if run is None:
        sentence = "Answers will stand here, side by side. There is no model to ask yet: make one first."
        return parts.card(parts.empty(sentence, "/launch", "Launch a run"))
    at = f"step {run.step} of {run.steps}" if run.step and run.steps else str(run.state)
    sentence = f"Answers will stand here, side by side. The first model is being made: {run.name}, {at}."
    return parts.card(parts.empty(sentence, f"/runs?run={run.id}", "Watch it"))


def portraits(lab: Lab, view: View) -> Markup:
    """The small pictures one picks a person from; those whom the chosen models forget come first."""
    forgotten = forgotten_by_any(chosen_models(models_of(lab), view.models), view.benchmark)
    return thumbnails(subjects.people_in_order(asking.benchmark_of(lab, view), forgotten), view.person)


def with_upload(lab: Lab, path: str | Path, view: View) -> tuple[View, str]:
    """The view with an uploaded picture in it, or the view as it was and one sentence."""
    try:
        kept = asking.accept_picture(path, lab.home)
    except PictureRefused as refusal:
        return view, str(refusal)
    alone = replace(view, person=None, by_name=False)
    return replace(alone, picture=asking.picture_name(lab, alone, kept)), ""


def with_models(view: View, added: str | None) -> tuple[View, str]:
    """The view with one more model, or with those that fit and one sentence where there are too many."""
    wanted = tuple(dict.fromkeys([*view.models, *([added] if added else [])]))
    if len(wanted) <= asking.MOST_MODELS:
        return replace(view, models=wanted), ""
    kept = replace(view, models=wanted[: asking.MOST_MODELS])
    return (
        kept,
        f"At most {asking.MOST_MODELS} models are asked at once; take one away before you add another.",
    )


def arrival(lab: Lab, query: Mapping[str, str]) -> tuple[View, Section]:
    """The page for an address: a kept probe with its answers and no new inference, or the usual beginning."""
    models = models_of(lab)
    wanted = query.get("probe")
    probe = exchange.reopened(lab, wanted) if wanted else None
    if probe is not None:
        return asking.view_of(lab, probe.request, models), {
            "fault": "",
            "address": f"probe={probe.id}",
            **of_probe(lab, probe, models),
        }
    view = asking.opening(
        lab, models, run=query.get("run"), item=query.get("item"), benchmark=query.get("benchmark", "")
    )
    return view, {"fault": _not_followed(lab, view, models, query), **_beginning(lab, view, models)}


def _not_followed(lab: Lab, view: View, models: Sequence[Model], query: Mapping[str, str]) -> Markup:
    """One sentence where part of an address could not be followed; else nothing."""
    probe, item, run = (query.get(name, "") for name in ("probe", "item", "run"))
    if probe:
        return parts.error(f"There is no kept probe {probe}.", "It may have been deleted; ask again.")
    benchmark = asking.benchmark_of(lab, view)
    if item and benchmark and subjects.item_called(benchmark, item) is None:
        return parts.error(f"{benchmark.title} has no question {item}.", "Choose another; the first one is shown.")
    if run and asking.maker(lab, models, run) not in {one.run for one in chosen_models(models, view.models)}:
        return parts.error("The model of that run cannot be asked: it is not made yet, or gone.", "Others are chosen.")
    return Markup("")


def of_probe(lab: Lab, probe: Probe, models: Sequence[Model]) -> Section:
    """A kept probe: its answers and stamps as they were, and what was kept of it under other attack
    prompts.
    """
    about = exchange.about(lab, probe.request, models)
    note = Markup("Kept {} · {}").format(parts.clock(probe.created_at), _asked_words(probe.request))
    return {
        "cards": shown.cards(shown.kept(probe, models), about, note=note),
        **_kept_sections(lab, probe.request, models, probe.id),
    }


def ask(lab: Lab, view: View) -> Iterator[Section]:
    """Asks what the view stands for; the first section comes at once, the last when the answers are kept."""
    models = models_of(lab)
    try:
        spec = asking.build_probe(lab, view, models)
    except CannotAsk as refusal:
        yield {"fault": parts.error(str(refusal))}
        return
    request = spec.model_dump(mode="json")
    about = exchange.about(lab, request, models)
    for step in exchange.exchange(lab, spec, models):
        section: Section = {
            "fault": "",
            "standing": {"request": request, "answers": step.answers},
            "busy": True,
        }
        if step.error:
            section |= {"fault": parts.error(step.error), "busy": False}
        if any(answer["text"] for answer in step.answers) or (step.answers and not step.error):
            kept = exchange.reopened(lab, step.probe) if step.probe else None
            note = _asked_words(kept.request if kept else request)
            section["cards"] = shown.cards(step.answers, about, note=note, stopped=bool(step.error))
        elif step.answers:
            section["cards"] = shown.blank(chosen_models(models, view.models), "Not answered.")
        if step.probe:
            section |= {
                "busy": False,
                "address": f"probe={step.probe}",
                **_kept_sections(lab, request, models, step.probe),
            }
        yield section


def sweep(lab: Lab, view: View) -> Iterator[Section]:
    """Asks the same under every attack prompt; the table fills row by row."""
    models = models_of(lab)
    try:
        spec = asking.build_probe(lab, view, models)
    except CannotAsk as refusal:
        yield {"fault": parts.error(str(refusal))}
        return
    request = spec.model_dump(mode="json")
    about = exchange.about(lab, request, models)
    for step in exchange.sweep(lab, spec, models):
        standing = {"request": request, "rows": list(step.rows.items())}
        section = {
            "fault": "",
            "standing": standing,
            "busy": True,
            **_attack_sections(step.rows, about, request, step),
        }
        if step.error:
            section["fault"] = parts.error(step.error)
        yield section
    yield {"busy": False, "history": history(lab, models)}


def stopped(lab: Lab, standing: Mapping[str, Any]) -> Section:
    """What stands after a person has stopped it: every word that came stays."""
    if not standing:
        return {"busy": False}
    request = standing["request"]
    about = exchange.about(lab, request)
    if "rows" in standing:
        rows = {name: answers for name, answers in standing["rows"] if all(answer["ended"] for answer in answers)}
        return {"busy": False, **_attack_sections(rows, about, request)}
    if not standing["answers"]:
        return {"busy": False}
    return {
        "busy": False,
        "cards": shown.cards(standing["answers"], about, note="Stopped; not kept.", stopped=True),
    }


def history(lab: Lab, models: Sequence[Model], opened: str | None = None) -> Markup:
    """The card of kept probes; one question under several attack prompts is one line."""
    groups = exchange.grouped(exchange.recent(lab))[:HISTORY_SHOWN]
    lines = [
        probe_tables.Asked(group[0], exchange.about(lab, group[0].request, models), tuple(group[1:]))
        for group in groups
    ]
    table = probe_tables.history(lines, opened)
    return parts.card(table, "History", "kept in the database, each with its own address", classes="lethe-history")


def can_answer(lab: Lab) -> bool:
    """Whether a worker is up that answers."""
    return probing.find_server(lab.engine) is not None


def news(lab: Lab, chosen: tuple[str, ...]) -> Section:
    """What may have changed while the page stood: which models there are, the kept probes, and the notice."""
    models = models_of(lab)
    on_page, rest = model_choices(models, chosen_models(models, chosen))
    return {
        "models": [(_model_words(model), model.choice) for model in on_page],
        "more": [(_model_words(model), model.choice) for model in rest],
        "history": history(lab, models),
        "notice": notice(lab),
    }


def notice(lab: Lab) -> Markup:
    """A line where nobody is there to answer; else nothing."""
    if can_answer(lab):
        return Markup("")
    return Markup('<p class="lethe-notice" role="status"><span aria-hidden="true">⚠</span> {}</p>').format(
        "No worker is up, so nothing can answer yet. It starts with python -m backend worker."
    )


def _beginning(lab: Lab, view: View, models: Sequence[Model]) -> Section:
    empty = _attack_sections({}, shown.About(), {})
    return {
        "cards": shown.blank(chosen_models(models, view.models)),
        "history": history(lab, models),
        **empty,
    }


def _kept_sections(lab: Lab, request: Mapping[str, Any], models: Sequence[Model], opened: str) -> Section:
    about = exchange.about(lab, dict(request), models)
    rows = exchange.kept_rows(exchange.recent(lab), dict(request))
    return {"history": history(lab, models, opened), **_attack_sections(rows, about, request)}


def _attack_sections(
    rows: exchange.Rows, about: shown.About, request: Mapping[str, Any], step: exchange.Sweep | None = None
) -> Section:
    """The table of attack prompts and its head; without rows what the table is for."""
    total = len(probe_tables.attack_names())
    found = probe_tables.attack_count(rows, about)
    asked = f"{len(rows)} of {total} prompts asked"
    head = asked if 0 < len(rows) < total else f"{total} prompts, same picture and question"
    title = Markup('<h2 class="lethe-card-title">Under every attack prompt <small class="lethe-muted">{}</small></h2>')
    sections: Section = {"attacks_head": title.format(" · ".join(part for part in (head, found) if part))}
    if not rows:
        asking = step is not None and step.running != ""
        return {
            **sections,
            "attacks": Markup('<p class="lethe-muted">asking…</p>') if asking else _NO_ATTACKS,
        }
    question = Markup('<p class="lethe-muted">{}</p>').format(_asked_words({**request, "attack": None}))
    running, refused = (step.running, step.refused) if step else ("", {})
    table = probe_tables.attack_table(rows, about, running=running, refused=refused)
    return {**sections, "attacks": question + table}


_NO_ATTACKS = Markup('<p class="lethe-muted">{}</p>').format(
    "Puts the same question under every attack prompt, one after the other. "
    "A forgotten fact that comes back is marked ▲ leak."
)


def _asked_words(request: Mapping[str, Any]) -> Markup:
    """`“Which city …?” · with the picture · Role override`: what the answers below are answers to."""
    prompt, words = request.get("attack"), request.get("asked")
    pieces = [
        Markup("<q>{}</q>").format(request.get("question", "")),
        "with the picture" if request.get("image") else "by name, as text",
        probe_tables.attack_title(prompt) if prompt in ATTACKS else "",
        Markup("put as <q>{}</q>").format(words) if words and words != request.get("question") else "",
    ]
    return parts.joined(pieces)


def _model_words(model: Model) -> str:
    """`■ Original · vanilla`; an identity that the run's name already says is not said twice. A broken one says so."""
    mark, name = parts.IDENTITIES[model.role]
    same = model.role == "unlearned" or model.name.lower().startswith(name.lower())
    words = f"{mark} {model.name if same else f'{name} · {model.name}'}"
    return words if model.condition == "ok" else f"{words} · ✕ {model.condition}"
