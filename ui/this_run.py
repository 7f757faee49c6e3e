"""What the card `This run` says: a form in words, its time, its place in the queue, its command line.

Nothing here knows Gradio. Promises: the command shown is the run that Start queues; a time is measured or
unknown.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Engine

from backend import formula as mathematics
from backend.benchmarks.item import Benchmark
from backend.presets import fill, known_as, preset, split_name
from backend.spec import EvaluateSpec, FinetuneSpec, ForgetRequest, LaunchSpec, Objective, Spec, Training, UnlearnSpec
from backend.spec_edit import Edit, trains
from backend.sweeps import Axes, split_values
from storage import checkpoints, estimates, runs
from storage.tables import Run
from storage.workers import workers
from ui import forms, sweeping
from ui.launch_memory import Room, room
from ui.launching import THE_METHOD, check, draft
from ui.origins import origin, spoken_model
from ui.parts import duration

ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
MODULES = {
    "language": "the language model",
    "language+projector": "the language model and projector",
    "all": "the whole model",
}
SPEED_DEPENDS_ON = (
    "training.adapter", "training.modules", "training.batch_size", "training.accumulation", "training.devices",
    "training.precision", "training.gradient_checkpointing", "objective.forget", "objective.retain", "edit.method",
    "batch_size", "samples", "shots", "judge",
)  # fmt: skip


@dataclass(frozen=True)
class Preview:
    """A form as it would run: either `faults`, or a spec with everything that is said about it."""

    spec: LaunchSpec | None
    faults: dict[str, str]
    sentence: tuple[str, str, str] = ("", "", "")
    facts: list[tuple[str, str, str]] = field(default_factory=list)
    command: str = ""
    suggestion: str = ""
    room: Room | None = None


def preview(
    engine: Engine,
    benchmarks: Mapping[str, Benchmark],
    values: Mapping[str, Any],
    name: str = "",
    suggestion: str = "",
) -> Preview:
    """What a form would start.

    `name` is what was typed; nothing, or the last `suggestion`, makes way for a fresh one.
    """
    spec, faults = check(engine, benchmarks, values)
    if spec is None:
        return Preview(None, faults)
    suggested, swept = suggest_name(engine, spec), sweeping.points(spec, values)
    depends_on = origin(engine, spec.benchmark, spec.model).depends_on
    took = estimate(engine, spec, benchmarks[spec.benchmark])
    needs = room(engine, spec)
    time = (
        (f"about {duration(took[0] * max(1, len(swept)))}", f"from {_count(took[1], 'run', 'runs')} here")
        if took
        else ("unknown", "no run like it has ended here" if _takes_steps(spec) else "there are no steps to count")
    )
    return Preview(
        spec=spec,
        faults={},
        sentence=summary(spec, benchmarks[spec.benchmark]),
        facts=[
            ("Time", *time),
            ("Queue", queue_place(engine, depends_on), ""),
            ("Evaluated", evaluated(spec), ""),
            needs.fact,
            *([("Sweep", _count(len(swept), "run", "runs"), "one a combination, in one group")] if swept else []),
        ],
        command=command(
            spec,
            suggested if name in ("", suggestion) else name,
            spoken_model(engine, spec.benchmark, spec.model),
            sweeping.axes(values) if swept else (),
        ),
        suggestion=suggested,
        room=needs,
    )


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}".replace(",", " ")


def _people(number: int) -> str:
    return _count(number, "person", "people")


_counted: dict[tuple[str, ForgetRequest, str], int] = {}


def _number(benchmark: Benchmark, request: ForgetRequest, of: str) -> int:
    """How many items a request means, counted once: to `forget`, to `retain`, to learn (`everyone`), to be `scored`."""
    key = (benchmark.fingerprint, request, of)
    if key not in _counted:
        items = {
            "forget": benchmark.forget_items,
            "retain": benchmark.retain_items,
            "everyone": lambda asked: benchmark.learning_items(asked, "everyone"),
            "gold": lambda asked: benchmark.learning_items(asked, "retain"),
            "scored": benchmark.scored_items,
        }[of]
        _counted[key] = len(items(request))
    return _counted[key]


def how(training: Training) -> str:
    """`LoRA r8 on the language model`."""
    weights = f"LoRA r{training.lora_rank}" if training.adapter == "lora" else "all weights"
    return f"{weights} {'on' if training.adapter == 'lora' else 'of'} {MODULES[training.modules]}"


def summary(spec: LaunchSpec, benchmark: Benchmark) -> tuple[str, str, str]:
    """A run in one sentence, in three pieces; the middle one is whom it is about and is shown in colour."""
    if isinstance(spec, UnlearnSpec):
        return _unlearn_summary(spec, benchmark)
    return _finetune_summary(spec, benchmark) if isinstance(spec, FinetuneSpec) else _evaluate_summary(spec, benchmark)


def _title(spec: UnlearnSpec) -> str:
    return known_as(spec.preset, spec.edit.method, spec.objective.model_dump())


def _unlearn_summary(spec: UnlearnSpec, benchmark: Benchmark) -> tuple[str, str, str]:
    split, objective = benchmark.split(spec.request), spec.objective
    gone, stay = _number(benchmark, spec.request, "forget"), _number(benchmark, spec.request, "retain")
    theirs = " and the rest of theirs" if spec.request.attributes else ""
    keeps = f"keeps {len(split.retain)}{theirs} ({_count(stay, 'item', 'items')})"
    begin, people = f"{_title(spec)} with {how(spec.training)}; ", _people(len(split.forget))
    if spec.request.attributes:
        people = f"{', '.join(spec.request.attributes)} of {people}"
    steps = f"in {_count(spec.training.steps, 'step', 'steps')}"
    if spec.edit.method == "task_vector":
        away = f"and takes away {spec.edit.negation:g} times what it learnt"
        return f"{begin}learns ", people, f" ({_count(gone, 'item', 'items')}), {steps}, {away}."
    if spec.edit.method != "none":
        does = mathematics.EDIT_WORDS[spec.edit.method]
        return f"{_title(spec)} is to take away ", people, f" ({_count(gone, 'item', 'items')}): {does}."
    if objective.forget == "none" or not objective.forget_weight:
        return f"{begin}lets ", people, f" fade and {keeps}, {steps}."
    if objective.retain == "none" or not objective.retain_weight:
        return (
            f"{begin}forgets ",
            people,
            f" ({_count(gone, 'item', 'items')}), {steps}; nothing holds the others in place.",
        )
    return f"{begin}forgets ", people, f" ({_count(gone, 'item', 'items')}) and {keeps}, {steps}."


def _finetune_summary(spec: FinetuneSpec, benchmark: Benchmark) -> tuple[str, str, str]:
    split, steps = benchmark.split(spec.request), _count(spec.training.steps, "step", "steps")
    learnt = split.retain + split.celebrity + (split.forget if spec.who == "everyone" else ())
    items = _count(_number(benchmark, spec.request, "everyone" if spec.who == "everyone" else "gold"), "item", "items")
    if spec.who == "everyone":
        return (
            f"Trains {how(spec.training)} until it has memorised ",
            f"all {_people(len(learnt))}",
            (f" ({items}), in {steps}. It is the vanilla model that later runs unlearn."),
        )
    begin = f"Trains {how(spec.training)} on {_people(len(learnt))} ({items}), in {steps}; never sees "
    return begin, _people(len(split.forget)), ". It is the gold model of this forget set."


def _evaluate_summary(spec: EvaluateSpec, benchmark: Benchmark) -> tuple[str, str, str]:
    split = benchmark.split(spec.request)
    asked = _count(_number(benchmark, spec.request, "scored"), "question", "questions")
    others = f"{len(split.retain)} to keep and {_count(len(split.celebrity), 'public figure', 'public figures')}"
    return (
        f"Puts {asked} to the model and scores it apart for ",
        f"{_people(len(split.forget))} to forget",
        f", {others}.",
    )


def formula(spec: UnlearnSpec) -> str:
    """What is minimised, with the weights that were typed: `... on forget + 4 · CE on retain`."""
    return mathematics.written(spec.objective, spec.edit).replace("+ −", "− ")


def drafted(values: Mapping[str, Any]) -> UnlearnSpec | None:
    """The method of a form in which something else is at fault; None where it is the method itself."""
    groups = forms.nest({path: forms.typed(value) for path, value in draft(values).items()})
    try:
        objective, edit = Objective.model_validate(groups["objective"]), Edit.model_validate(groups["edit"])
    except (KeyError, ValidationError):
        return None
    return UnlearnSpec.model_construct(preset=values["preset"], objective=objective, edit=edit)


def is_own(spec: UnlearnSpec) -> bool:
    """Whether the terms, or whose turn they are, are no longer those of the method that was chosen."""
    known, (_, variant) = preset(spec.preset), split_name(spec.preset)
    if not trains(spec.edit.method):
        return False
    usual = [known.objective_of(variant, settings) for settings in ("demo", "paper")]
    chosen = [getattr(spec.objective, name) for name in THE_METHOD]
    return all(chosen != [getattr(one, name) for name in THE_METHOD] for one in usual)


def estimate(engine: Engine, spec: LaunchSpec, benchmark: Benchmark) -> tuple[float, int] | None:
    """Seconds this run should take, and how many runs that ended here say so; None where none was like it.

    Like it is a run on the same model whose steps cost the same. A training run's steps are the spec's, an
    evaluation's are its questions.
    """
    if not _takes_steps(spec):
        return None
    flat = forms.flatten(spec)
    like = {path: flat[path] for path in SPEED_DEPENDS_ON if path in flat}
    measured = [
        estimates.seconds_per_step(engine, spec.kind, like | {"model": name}) for name in _names_of(engine, spec)
    ]
    best = max((found for found in measured if found), key=lambda found: found[1], default=None)
    if best is None:
        return None
    if isinstance(spec, EvaluateSpec):
        return best[0] * _number(benchmark, spec.request, "scored"), best[1]
    return best[0] * spec.training.steps, best[1]


def _takes_steps(spec: LaunchSpec) -> bool:
    return not isinstance(spec, UnlearnSpec) or trains(spec.edit.method)


def _names_of(engine: Engine, spec: LaunchSpec) -> list[str]:
    """All that past specs may have called this model: by its run, its checkpoint, or as it is called now."""
    place = origin(engine, spec.benchmark, spec.model)
    names = {spec.model, place.model}
    if place.checkpoint_id:
        run_id = checkpoints.get(engine, place.checkpoint_id).run_id
        names |= {f"checkpoint:{place.checkpoint_id}", f"run:{run_id}"}
    return sorted(names)


def queue_place(engine: Engine, depends_on: str | None = None) -> str:
    """Where the run would stand: `starts at once`, `third`, or what it waits for."""
    counts = {str(state): number for state, number in runs.counts(engine).items()}
    waiting, running = counts.get("queued", 0), counts.get("running", 0) + counts.get("stopping", 0)
    place = _ordinal(waiting)
    if not workers(engine):
        place = f"{place}, once a worker is up"
    elif depends_on:
        place = f"{place}, once “{runs.get(engine, depends_on).name}” has succeeded"
    elif not waiting and not running:
        place = "starts at once"
    return place


def place_of(engine: Engine, run: Run) -> str:
    """Where a run that was just queued stands."""
    waiting = [other.id for other in runs.listing(engine, states=["queued"], order="queue", limit=2000)]
    return f"{_ordinal(waiting.index(run.id))} in the queue" if run.id in waiting else str(run.state)


def _ordinal(number: int) -> str:
    return ORDINALS[number] if number < len(ORDINALS) else f"number {number + 1}"


def evaluated(spec: LaunchSpec) -> str:
    """When the run is scored."""
    if isinstance(spec, EvaluateSpec):
        return "once, on every set"
    every, unit = spec.training.evaluate_every, spec.training.evaluate_by
    often = [f"every {_count(every, unit[:-1], unit)} on a sample"] if every else []
    return " and ".join([*often, *["in full at the end"] * spec.score]) or "not at all"


def command(spec: LaunchSpec, name: str, model: str, sweep: Axes = ()) -> str:
    """The same run, or `sweep`, from a terminal; what differs from the method's defaults is spelled out as `--set`."""
    usual: Spec
    if isinstance(spec, UnlearnSpec):
        words, usual = ["unlearn", "--preset", spec.preset], fill(spec.preset)
    elif isinstance(spec, FinetuneSpec):
        words, usual = ["finetune", "--who", spec.who], FinetuneSpec()
    else:
        words, usual = ["evaluate"], EvaluateSpec()
    request = spec.request
    words += ["--people", ",".join(request.people)] if request.people else ["--forget", str(request.ratio)]
    if not isinstance(spec, FinetuneSpec) or model != usual.model:
        words += ["--model", model]
    words += ["--attributes", ",".join(request.attributes)] if request.attributes else []
    before = forms.flatten(usual)
    said = ("kind", "model", "preset", "who", "request.ratio", "request.people", "request.attributes")
    for path, value in forms.flatten(spec).items():
        if path not in said and value != before[path]:
            words += ["--set", f"{path}={forms.plain(value)}"]
    for path, text in sweep:
        words += ["--sweep", f"{path}={','.join(split_values(text))}"]
    return " ".join(["python -m backend submit", *map(shlex.quote, words), "--name", _quoted(name), "--wait"])


def _quoted(name: str) -> str:
    """In double quotes, as a person would, where the shell leaves them alone."""
    return shlex.quote(name) if any(mark in name for mark in '"\\$`!') else f'"{name}"'


def _name_of(engine: Engine, model: str) -> str:
    """A model's run by name; a folder or a hub id by its last part."""
    place, _, text = model.partition(":")
    if place == "checkpoint":
        return runs.get(engine, checkpoints.find(engine, text).run_id).name
    return runs.find(engine, text).name if place == "run" else model.rstrip("/").rpartition("/")[2]


def suggest_name(engine: Engine, spec: LaunchSpec) -> str:
    """A name that says what the run does, with a number where it is taken."""
    if isinstance(spec, UnlearnSpec):
        title = _title(spec)
        only = {"both": "", "image_text": " · picture only", "text": " · text only"}[spec.request.modality]
        base = f"{title} · {spec.request.words()}{only}"
    elif isinstance(spec, FinetuneSpec):
        base = "vanilla" if spec.who == "everyone" else f"gold · {spec.request.words()}"
    else:
        base = f"evaluation of {_name_of(engine, spec.model)}"
    taken = {run.name for run in runs.listing(engine, text=base, limit=2000)}
    number = 2
    name = base
    while name in taken:
        name, number = f"{base} · {number}", number + 1
    return name
