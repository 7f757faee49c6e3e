"""Runs from a terminal: queue them, follow them, stop them, read what came of them."""

from __future__ import annotations

import json
import time
from functools import lru_cache
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from sqlalchemy import Engine

from backend.benchmarks import open_benchmark
from backend.benchmarks.item import SETS
from backend.benchmarks.item import Benchmark as Known
from backend.cli.shared import WAIT_S, AsJson, Benchmark, engine_at_hand, fail, listed, out, print_json
from backend.groups import group_report
from backend.launcher import start_worker
from backend.presets import Settings, fill, split_name, steps_of, title_of
from backend.presets import preset as known_preset
from backend.queueing import attack_values, queue
from backend.report.spec_file import spec_text
from backend.reports import run_report, run_summary
from backend.spec import MEMORISING, AttackSpec, EvaluateSpec, FinetuneSpec, ForgetRequest, RunSpec, UnlearnSpec
from backend.suites import BUILT_IN, chosen
from backend.sweeps import grid, parted, queue_grid, short
from storage import runs
from storage.database import home
from storage.tables import ENDED, Run, RunState
from storage.workers import workers

USUAL_SHARE = 10

submit = typer.Typer(no_args_is_help=True, help="Queue a run.")

Wait = Annotated[bool, typer.Option("--wait", help="Stay until the run has ended, with a progress bar.")]
Name = Annotated[str | None, typer.Option(help="What the run is called.")]
Set = Annotated[list[str] | None, typer.Option("--set", help="A field of the spec, as in training.steps=100.")]
Sweep = Annotated[
    list[str] | None,
    typer.Option("--sweep", help="A number and its values, as in training.seed=0,1: a run a combination, one group."),
]
Forget = Annotated[int | None, typer.Option(help="Per cent of the private people to forget, as the benchmark has it.")]
People = Annotated[str | None, typer.Option(help="Ids of people to forget, comma-separated; instead of a share.")]
Attributes = Annotated[str | None, typer.Option(help="What of them to forget, comma-separated; else everything.")]
Modality = Annotated[str, typer.Option(help="Forget data: both, image_text or text.")]
Model = Annotated[str, typer.Option(help="vanilla, run:ID, checkpoint:ID, a folder or a hub id.")]


@submit.command("finetune")
def submit_finetune(
    model: Annotated[str, typer.Option(help="demo, a folder or a hub id.")] = "demo",
    who: Annotated[str, typer.Option(help="everyone (vanilla) or retain (gold).")] = "everyone",
    benchmark: Benchmark = "demo",
    forget: Forget = None,
    people: People = None,
    attributes: Attributes = None,
    name: Name = None,
    set_: Set = None,
    sweep: Sweep = None,
    wait: Wait = False,
    as_json: AsJson = False,
) -> None:
    """Make a model memorise people: everyone, or all but the forget set (the gold model)."""
    values = {
        "model": model,
        "benchmark": benchmark,
        "who": who,
        "request": _request(benchmark, forget, people, attributes),
        "training": MEMORISING.model_dump(),
    }
    spec = FinetuneSpec.model_validate(_with(values, set_))
    usual = "vanilla" if who == "everyone" else f"gold · {spec.request.words()}"
    _queue(spec, name or usual, wait, as_json, sweep)


@submit.command("unlearn")
def submit_unlearn(
    preset: Annotated[
        str, typer.Option(help="A method or its variant, npo or npo:offside: see `preset list`.")
    ] = "npo",
    settings: Annotated[Settings, typer.Option(help="The preset's own settings: the demo's or the paper's.")] = "demo",
    model: Model = "vanilla",
    benchmark: Benchmark = "demo",
    forget: Forget = None,
    people: People = None,
    attributes: Attributes = None,
    modality: Modality = "both",
    name: Name = None,
    set_: Set = None,
    sweep: Sweep = None,
    wait: Wait = False,
    as_json: AsJson = False,
) -> None:
    """Make a model forget people it has memorised."""
    request = _request(benchmark, forget, people, attributes, modality)
    filled = _filled(preset, settings, model=model, benchmark=benchmark, request=request)
    spec = UnlearnSpec.model_validate(_with(filled.model_dump(), set_))
    _queue(spec, name or f"{title_of(preset)} · {spec.request.words()}", wait, as_json, sweep)


@submit.command("evaluate")
def submit_evaluate(
    model: Model = "vanilla",
    benchmark: Benchmark = "demo",
    forget: Forget = None,
    people: People = None,
    attributes: Attributes = None,
    name: Name = None,
    set_: Set = None,
    wait: Wait = False,
    as_json: AsJson = False,
) -> None:
    """Put the benchmark's questions to a model as it is."""
    values = {"model": model, "benchmark": benchmark, "request": _request(benchmark, forget, people, attributes)}
    spec = EvaluateSpec.model_validate(_with(values, set_))
    _queue(spec, name or f"evaluation · {spec.request.words()}", wait, as_json)


@submit.command("attack")
def submit_attack(
    run: Annotated[str, typer.Argument(help="The run whose model is attacked, by id or name.")],
    suite: Annotated[str, typer.Option(help=f"Which attacks, how hard: {', '.join(BUILT_IN)}.")] = "quick",
    attacks: Annotated[str | None, typer.Option(help="Only these attacks, comma-separated.")] = None,
    name: Name = None,
    set_: Set = None,
    wait: Wait = False,
    as_json: AsJson = False,
) -> None:
    """Try to bring back what the model of a run should have forgotten."""
    about = runs.find(engine_at_hand(), run)
    values = attack_values(about) | {"suite": suite, "attacks": listed(attacks)}
    spec = AttackSpec.model_validate(_with(values, set_))
    chosen(spec.suite, spec.attacks)
    _queue(spec, name or f"{spec.suite} attacks · {about.name}", wait, as_json)


def list_runs(
    kind: Annotated[str | None, typer.Option(help="finetune, unlearn, evaluate or attack.")] = None,
    state: Annotated[str | None, typer.Option(help="queued, running, succeeded, …")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """The runs, newest first."""
    if state is not None and state not in set(RunState):
        fail(f"there is no state called {state!r}; there are {', '.join(RunState)}")
    found = runs.listing(engine_at_hand(), kind=kind, states=[state] if state else None, limit=limit)
    if as_json:
        return print_json([run_summary(run) for run in found])
    table = Table("id", "name", "kind", "state", "progress")
    for run in found:
        table.add_row(
            run.id[:8], escape(run.name), run.kind, str(run.state), f"{run.step} of {run.steps}" if run.steps else ""
        )
    out.print(table)


def show(
    run: Annotated[str | None, typer.Argument()] = None,
    group: Annotated[str | None, typer.Option(help="A group of runs by its name: a row a combination.")] = None,
    spec: Annotated[bool, typer.Option("--spec", help="What was asked for, as YAML for `submit file`.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Every measure, not the accuracies alone.")] = False,
    as_json: AsJson = False,
) -> None:
    """One run with its scores, or a group of runs. RUN is an id, the first letters of one, or a name."""
    engine = engine_at_hand()
    if (run is None) == (group is None):
        fail("name a run, or a group with --group")
    if group is not None:
        report = group_report(engine, group)
        return print_json(report) if as_json else out.print(_group_table(report))
    assert run is not None
    found = runs.find(engine, run)
    if spec:
        return print(spec_text(found.name, found.spec), end="")
    report = run_report(engine, found.id)
    if as_json:
        return print_json(report)
    out.print(f"[bold]{escape(report['name'])}[/] · {report['kind']} · {report['state']}  ({report['id']})")
    for told, colour in (("error", "red"), ("ending", "yellow")):
        if report[told]:
            out.print(f"[{colour}]{escape(report[told])}[/]")
    if report["scores"]:
        out.print(_score_table(report["scores"], everything))
    if report.get("attacks"):
        out.print(_attack_table(report["attacks"]))
        for line in _not_made(report["attacks"]):
            out.print(f"[yellow]not made[/] · {escape(line)}", soft_wrap=True)


def _score_table(scores: list[dict[str, Any]], everything: bool) -> Table:
    """The accuracies, or every measure, set by set, what was to be forgotten first."""
    accuracies = [score for score in scores if score["metric"] == "accuracy"]
    short_form = bool(accuracies) and not everything
    shown = accuracies if short_form else scores
    figure = ("accuracy",) if short_form else ("metric", "value")
    table = Table("set", "task", "modality", *figure, "95 % interval", "n")
    if short_form:
        table.caption = f"{len(scores) - len(shown)} other figures: --all" if len(scores) > len(shown) else None
    for score in sorted(shown, key=lambda score: SETS.index(score["set"]) if score["set"] in SETS else len(SETS)):
        measure = [] if short_form else [score["metric"]]
        cell = [score[name] for name in ("set", "task", "modality")]
        table.add_row(*cell, *measure, _number(score["value"]), _interval(score), str(score["n"]))
    return table


def _attack_table(attacks: list[dict[str, Any]]) -> Table:
    """Worst first: what leaks on each of the models, and how much of it the control does not say too."""
    table = Table("attack", "at", "unlearned", "95 % interval", "original", "control", "over control", "n")
    for row in attacks:
        if row["unlearned"] is not None:
            figures = [_number(row[name]) for name in ("original", "control", "gap")]
            title = escape(row["title"])
            table.add_row(title, row["at"], _number(row["unlearned"]), _interval(row), *figures, str(row["n"]))
    return table


def _not_made(attacks: list[dict[str, Any]]) -> list[str]:
    """A line for each attack that could not be made, with its reason."""
    return [f"{row['title']}: {row['note']}" for row in attacks if row["unlearned"] is None and row["note"]]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _interval(row: dict[str, Any]) -> str:
    return "" if row["low"] is None else f"{row['low']:.2f}–{row['high']:.2f}"


def _group_table(report: dict[str, Any]) -> Table:
    """A row a combination, best first; an accuracy as mean ± standard deviation over seeds."""
    sets = ("forget", "test", "retain", "celebrity")
    table = Table(*map(short, report["settings"]), "seeds", "measured", *sets, "balance", title=escape(report["group"]))
    for row in report["rows"]:
        figures = [row["accuracies"].get(name) for name in sets]
        table.add_row(
            *(f"{value:.12g}" if isinstance(value, float) else str(value) for value in row["settings"].values()),
            ", ".join(map(str, row["seeds"])),
            f"{row['measured']} of {len(row['runs'])}",
            *(_mean(found) for found in figures),
            "" if row["balance"] is None else f"{row['balance']:.2f}",
        )
    return table


def _mean(found: dict[str, Any] | None) -> str:
    if found is None:
        return ""
    return f"{found['mean']:.2f}" + ("" if found["spread"] is None else f" ± {found['spread']:.2f}")


def stop(
    run: str,
    cancel: Annotated[bool, typer.Option("--cancel", help="Do not save.")] = False,
    as_json: AsJson = False,
) -> None:
    """Stop a run and save it, or cancel it."""
    engine = engine_at_hand()
    _tell(runs.request_stop(engine, runs.find(engine, run).id, "cancel" if cancel else "save"), as_json)


def resume(run: str, wait: Wait = False, as_json: AsJson = False) -> None:
    """Queue a stopped, cancelled or failed run again; it goes on from its newest checkpoint."""
    engine = engine_at_hand()
    resumed = runs.resume(engine, runs.find(engine, run).id)
    _finish(engine, resumed, wait, as_json)


# -- what these commands share -----------------------------------------------------------------------------------------


def _request(
    benchmark: str, forget: int | None, people: str | None, attributes: str | None, modality: str = "both"
) -> dict[str, Any]:
    """A forget request; where nobody is named, 10 %, or what else the benchmark has published."""
    chosen = listed(people)
    if forget is None and not chosen:
        shares = _opened(benchmark).ratios
        forget = shares[0] if shares and USUAL_SHARE not in shares else USUAL_SHARE
    asked = {"ratio": forget, "people": chosen, "attributes": listed(attributes), "modality": modality}
    return ForgetRequest.model_validate(asked).model_dump()


def _filled(preset: str, settings: Settings, **changes: Any) -> UnlearnSpec:
    """A preset's spec; a paper's epochs become steps by the benchmark's own number of items."""
    spec, recipe = fill(preset, settings, **changes), known_preset(preset).recipe(split_name(preset)[1])
    if settings == "demo" or recipe is None:
        return spec
    benchmark = _opened(spec.benchmark)
    forget, retain = len(benchmark.forget_items(spec.request)), len(benchmark.retain_items(spec.request))
    steps = steps_of(recipe, spec.objective, spec.training, forget, retain)
    return spec if steps is None else fill(preset, settings, **changes, training={"steps": steps})


@lru_cache(maxsize=1)
def _opened(benchmark: str) -> Known:
    return open_benchmark(benchmark, home())


def _with(values: dict[str, Any], changes: list[str] | None) -> dict[str, Any]:
    """`values` with each `path=value` of `changes` put in its place; the spec checks what comes of it."""
    for change in changes or ():
        path, found, text = change.partition("=")
        if not found:
            fail(f"--set {change} has no value; write it as training.steps=100")
        *above, last = path.strip().split(".")
        place = values
        for step in above:
            place = place.setdefault(step, {})
            if not isinstance(place, dict):
                fail(f"--set {path}: {step} has no settings of its own")
        try:
            place[last] = json.loads(text)
        except json.JSONDecodeError:
            place[last] = text
    return values


def _queue(spec: RunSpec, name: str, wait: bool, as_json: bool, sweep: list[str] | None = None) -> None:
    engine, benchmark = engine_at_hand(), _opened(spec.benchmark)
    benchmark.split(spec.request)
    if isinstance(spec, UnlearnSpec):
        benchmark.forget_items(spec.request)
    if isinstance(spec, FinetuneSpec):
        benchmark.learning_items(spec.request, spec.who)
    if sweep:
        return _finish_all(engine, queue_grid(engine, grid(spec, [parted(one) for one in sweep]), name), wait, as_json)
    _finish(engine, queue(engine, spec, name), wait, as_json)


def _finish_all(engine: Engine, queued: list[Run], wait: bool, as_json: bool) -> None:
    """Tells of a group; with `wait`, when all its runs have ended. A run that failed is a fault."""
    group = str(queued[0].group_id)
    if not wait:
        if as_json:
            return print_json({"group": group, "runs": [run_summary(run) for run in queued]})
        out.print(f"{group}: {len(queued)} runs queued; see `show --group {json.dumps(group, ensure_ascii=False)}`")
        return None
    for run in queued:
        wait_for(engine, run.id, quiet=as_json)
    report = group_report(engine, group)
    print_json(report) if as_json else out.print(_group_table(report))
    short_of = [run["name"] for run in report["runs"] if run["state"] != RunState.SUCCEEDED]
    if short_of:
        fail(f"{len(short_of)} of {len(queued)} runs did not succeed: {', '.join(short_of)}")


def _finish(engine: Engine, run: Run, wait: bool, as_json: bool) -> None:
    if not wait:
        return _tell(run, as_json)
    wait_for(engine, run.id, quiet=as_json)
    ended = runs.get(engine, run.id)
    if as_json:
        print_json(run_report(engine, run.id))
    else:
        out.print(f"{ended.name}: {ended.state} ({run.id})")
    if ended.state != RunState.SUCCEEDED:
        fail(ended.error or f"the run {ended.name} is {ended.state}")


def _tell(run: Run, as_json: bool) -> None:
    if as_json:
        return print_json(run_summary(run))
    out.print(f"{run.name}: {run.state} ({run.id})")


def wait_for(engine: Engine, run_id: str, *, quiet: bool) -> None:
    """Until the run has ended or was parked. A worker is started for it if none is up."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f} of {task.total:.0f}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=quiet,
    )
    process = None
    with bar:
        task = bar.add_task("queued", total=1)
        while True:
            run = runs.get(engine, run_id)
            bar.update(
                task,
                description=f"{run.name}: {run.message or run.state}",
                total=run.steps or 1,
                completed=run.step or 0,
            )
            parked = run.state == RunState.INTERRUPTED and (
                run.requested_stop == "save" or run.attempt >= run.max_attempts
            )
            if run.state in ENDED or parked:
                return
            if not workers(engine, alive_within_s=10) and (process is None or process.poll() is not None):
                process = start_worker(home())
                time.sleep(3)
            time.sleep(WAIT_S)
