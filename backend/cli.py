"""The lab from a terminal: everything the pages can start and show, for scripts and for machines without a browser.

Every command that reads takes `--json`. A fault is one sentence on standard error and exit code 1; a run that fails
under `--wait` gives exit code 1 too.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from sqlalchemy import Engine

from backend import probing
from backend.attack_prompts import AttackNeeds
from backend.benchmarks import BadRequest, open_benchmark
from backend.doctor import examine
from backend.launcher import seed_demo, start_worker
from backend.presets import PRESETS, UnknownPreset, fill
from backend.queueing import CannotQueue, queue
from backend.reports import run_report, run_summary
from backend.spec import (
    MEMORISING,
    Decoding,
    EvaluateSpec,
    FinetuneSpec,
    ForgetRequest,
    ProbeSpec,
    RunSpec,
    UnlearnSpec,
    faults,
)
from storage import checkpoints, runs
from storage.database import connect, home, migrate
from storage.errors import StorageError
from storage.tables import ENDED, Run, RunState
from storage.workers import workers
from ui.pictures import PictureRefused, accept_picture

UNDERSTOOD = (
    StorageError,
    BadRequest,
    UnknownPreset,
    CannotQueue,
    AttackNeeds,
    probing.ProbeUnavailable,
    PictureRefused,
)
WAIT_S = 0.5

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Lethe from a terminal."
)
submit = typer.Typer(no_args_is_help=True, help="Queue a run.")
app.add_typer(submit, name="submit")
out = Console()

AsJson = Annotated[bool, typer.Option("--json", help="Plain JSON on standard output.")]
Wait = Annotated[bool, typer.Option("--wait", help="Stay until the run has ended, with a progress bar.")]
Name = Annotated[str | None, typer.Option(help="What the run is called.")]
Set = Annotated[list[str] | None, typer.Option("--set", help="A field of the spec, as in training.steps=100.")]
Forget = Annotated[int | None, typer.Option(help="Per cent of the private people to forget: 5, 10 or 15.")]
People = Annotated[str | None, typer.Option(help="Ids of people to forget, comma-separated; instead of a share.")]
Attributes = Annotated[str | None, typer.Option(help="What of them to forget, comma-separated; else everything.")]
Modality = Annotated[str, typer.Option(help="Forget data: both, image_text or text.")]
Model = Annotated[str, typer.Option(help="vanilla, run:ID, checkpoint:ID, a folder or a hub id.")]


def main() -> None:
    """Runs the command line; what is understood ends in one sentence, never in a traceback."""
    try:
        app()
    except UNDERSTOOD as error:
        _fail(str(error))
    except ValidationError as error:
        _fail("; ".join(f"{place} {fault}" for place, fault in faults(error).items()))


@submit.command("finetune")
def submit_finetune(
    model: Annotated[str, typer.Option(help="demo, a folder or a hub id.")] = "demo",
    who: Annotated[str, typer.Option(help="everyone (vanilla) or retain (gold).")] = "everyone",
    forget: Forget = None,
    people: People = None,
    attributes: Attributes = None,
    name: Name = None,
    set_: Set = None,
    wait: Wait = False,
    as_json: AsJson = False,
) -> None:
    """Make a model memorise people: everyone, or all but the forget set (the gold model)."""
    values = {
        "model": model,
        "who": who,
        "request": _request(forget, people, attributes),
        "training": MEMORISING.model_dump(),
    }
    spec = FinetuneSpec.model_validate(_with(values, set_))
    _queue(spec, name or ("vanilla" if who == "everyone" else f"gold · {spec.request.words()}"), wait, as_json)


@submit.command("unlearn")
def submit_unlearn(
    preset: Annotated[str, typer.Option(help="A method: see `presets`.")] = "npo",
    model: Model = "vanilla",
    forget: Forget = None,
    people: People = None,
    attributes: Attributes = None,
    modality: Modality = "both",
    name: Name = None,
    set_: Set = None,
    wait: Wait = False,
    as_json: AsJson = False,
) -> None:
    """Make a model forget people it has memorised."""
    filled = fill(preset, model=model, request=_request(forget, people, attributes, modality)).model_dump()
    spec = UnlearnSpec.model_validate(_with(filled, set_))
    _queue(spec, name or f"{PRESETS[preset].title} · {spec.request.words()}", wait, as_json)


@submit.command("evaluate")
def submit_evaluate(
    model: Model = "vanilla",
    forget: Forget = None,
    people: People = None,
    attributes: Attributes = None,
    name: Name = None,
    set_: Set = None,
    wait: Wait = False,
    as_json: AsJson = False,
) -> None:
    """Put the benchmark's questions to a model as it is."""
    spec = EvaluateSpec.model_validate(_with({"model": model, "request": _request(forget, people, attributes)}, set_))
    _queue(spec, name or f"evaluation · {spec.request.words()}", wait, as_json)


@app.command("runs")
def list_runs(
    kind: Annotated[str | None, typer.Option(help="finetune, unlearn or evaluate.")] = None,
    state: Annotated[str | None, typer.Option(help="queued, running, succeeded, …")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """The runs, newest first."""
    if state is not None and state not in set(RunState):
        _fail(f"there is no state called {state!r}; there are {', '.join(RunState)}")
    found = runs.listing(_engine(), kind=kind, states=[state] if state else None, limit=limit)
    if as_json:
        return _print_json([run_summary(run) for run in found])
    table = Table("id", "name", "kind", "state", "progress")
    for run in found:
        table.add_row(
            run.id[:8], escape(run.name), run.kind, str(run.state), f"{run.step} of {run.steps}" if run.steps else ""
        )
    out.print(table)


@app.command("show")
def show(run: str, as_json: AsJson = False) -> None:
    """One run with its scores. RUN is an id, the first letters of one, or a name."""
    engine = _engine()
    report = run_report(engine, runs.find(engine, run).id)
    if as_json:
        return _print_json(report)
    out.print(f"[bold]{escape(report['name'])}[/] · {report['kind']} · {report['state']}  ({report['id']})")
    if report["error"]:
        out.print(f"[red]{escape(report['error'])}[/]")
    table = Table("set", "task", "modality", "metric", "value", "95 % interval", "n")
    for score in report["scores"]:
        value = "" if score["value"] is None else f"{score['value']:.2f}"
        interval = "" if score["low"] is None else f"{score['low']:.2f}–{score['high']:.2f}"
        table.add_row(score["set"], score["task"], score["modality"], score["metric"], value, interval, str(score["n"]))
    out.print(table)


@app.command("stop")
def stop(
    run: str,
    cancel: Annotated[bool, typer.Option("--cancel", help="Do not save.")] = False,
    as_json: AsJson = False,
) -> None:
    """Stop a run and save it, or cancel it."""
    engine = _engine()
    _tell(runs.request_stop(engine, runs.find(engine, run).id, "cancel" if cancel else "save"), as_json)


@app.command("resume")
def resume(run: str, wait: Wait = False, as_json: AsJson = False) -> None:
    """Queue a stopped, cancelled or failed run again; it goes on from its newest checkpoint."""
    engine = _engine()
    resumed = runs.resume(engine, runs.find(engine, run).id)
    _finish(engine, resumed, wait, as_json)


@app.command("probe")
def probe(
    models: Annotated[str, typer.Option(help="Two to four runs or checkpoints, comma-separated.")],
    question: Annotated[str | None, typer.Option(help="What to ask; the item's own question when left out.")] = None,
    image: Annotated[Path | None, typer.Option(help="A picture.")] = None,
    item: Annotated[
        str | None, typer.Option(help="A benchmark item, for its picture, question and true answer.")
    ] = None,
    attack: Annotated[str | None, typer.Option(help="An attack prompt to wrap the question in.")] = None,
    sample: Annotated[bool, typer.Option("--sample", help="Sample instead of greedy.")] = False,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    as_json: AsJson = False,
) -> None:
    """Ask several models the same question about the same picture."""
    engine = _engine()
    known = open_benchmark("demo", home()).item(item) if item else None
    asked = question or (known.question if known else None)
    if asked is None:
        _fail("there is nothing to ask: give --question or --item")
    if image is not None and not image.is_file():
        _fail(f"there is no picture {image}")
    uploaded = accept_picture(image, home()) if image else None
    same = known is not None and asked == known.question
    picture = uploaded or (known.image if known else None)
    spec = ProbeSpec(
        models=tuple(_checkpoint(engine, text.strip()) for text in models.split(",")),
        question=asked,
        image=str(picture) if picture else None,
        item_id=item,
        truth=known.answer if known and same else None,
        key=known.key if known and same else None,
        attack=attack,
        decoding=Decoding(sample=sample, seed=seed),
    )
    answers = _ask(engine, spec)
    if as_json:
        return _print_json(answers)
    for answer in answers:
        likelihood = "" if answer["likelihood"] is None else f"  p(true) {answer['likelihood']:.2f}"
        stamp = answer["stamp"]
        mark = f"{stamp['sha256'][:4]}…{stamp['sha256'][-2:]}"
        out.print(f"[bold]{answer['role']}[/] {escape(answer['label'])}: {escape(answer['text'])}{likelihood}")
        out.print(
            f"  ckpt {mark} · adapter {stamp['adapter']} · {stamp['decoding']} · {stamp['device']}",
            style="dim",
        )


@app.command("worker")
def worker(parent: Annotated[int | None, typer.Option(hidden=True)] = None) -> None:
    """Claim runs and carry them out, until stopped."""
    from backend.worker import main as work

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    for chatty in ("httpx", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    work(_engine(), home(), parent)


@app.command("demo")
def demo(as_json: AsJson = False) -> None:
    """Build the demo world and train its first models: vanilla, gold, GradDiff and NPO. What is there is kept.

    What had failed or was cancelled is taken up again.
    """
    engine = _engine()
    seeded = seed_demo(engine, open_benchmark("demo", home()))
    for run in seeded:
        if run.state in (RunState.FAILED, RunState.CANCELLED):
            runs.resume(engine, run.id)
    for run in seeded:
        _wait(engine, run.id, quiet=as_json)
    ended = [runs.get(engine, run.id) for run in seeded]
    if as_json:
        _print_json([run_summary(run) for run in ended])
    failed = [run for run in ended if run.state != RunState.SUCCEEDED]
    if failed:
        _fail("; ".join(f"{run.name} {run.state}: {run.error or 'see its log'}" for run in failed))


@app.command("presets")
def presets(as_json: AsJson = False) -> None:
    """The methods there are, with their sources."""
    if as_json:
        return _print_json(
            {
                name: {
                    "title": one.title,
                    "formula": one.formula,
                    "source": one.source,
                    "differs": one.differs,
                    "objective": one.objective.model_dump(),
                    "training": one.training,
                }
                for name, one in PRESETS.items()
            }
        )
    table = Table("name", "method", "minimises", "source")
    for name, one in PRESETS.items():
        table.add_row(name, one.title, one.formula, one.source)
    out.print(table)


@app.command("doctor")
def doctor(as_json: AsJson = False) -> None:
    """Versions, device, disk, database, and what is missing. Exit code 1 when something is."""
    findings = examine()
    if as_json:
        _print_json([finding.__dict__ for finding in findings])
    else:
        for finding in findings:
            out.print(f"{'✓' if finding.good else '✕'} {finding.what}: {finding.said}")
    if not all(finding.good for finding in findings):
        raise typer.Exit(1)


# -- what the commands share --------------------------------------------------------------------------------------


def _engine() -> Engine:
    engine = connect()
    migrate(engine)
    return engine


def _request(forget: int | None, people: str | None, attributes: str | None, modality: str = "both") -> dict[str, Any]:
    chosen = _listed(people)
    ratio = forget if forget is not None else None if chosen else 10
    asked = {"ratio": ratio, "people": chosen, "attributes": _listed(attributes), "modality": modality}
    return ForgetRequest.model_validate(asked).model_dump()


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def _with(values: dict[str, Any], changes: list[str] | None) -> dict[str, Any]:
    """`values` with each `path=value` of `changes` put in its place; the spec checks what comes of it."""
    for change in changes or ():
        path, found, text = change.partition("=")
        if not found:
            _fail(f"--set {change} has no value; write it as training.steps=100")
        *above, last = path.strip().split(".")
        place = values
        for step in above:
            place = place.setdefault(step, {})
            if not isinstance(place, dict):
                _fail(f"--set {path}: {step} has no settings of its own")
        try:
            place[last] = json.loads(text)
        except json.JSONDecodeError:
            place[last] = text
    return values


def _queue(spec: RunSpec, name: str, wait: bool, as_json: bool) -> None:
    engine = _engine()
    open_benchmark(spec.benchmark, home()).split(spec.request)
    _finish(engine, queue(engine, spec, name), wait, as_json)


def _finish(engine: Engine, run: Run, wait: bool, as_json: bool) -> None:
    if not wait:
        return _tell(run, as_json)
    _wait(engine, run.id, quiet=as_json)
    ended = runs.get(engine, run.id)
    if as_json:
        _print_json(run_report(engine, run.id))
    else:
        out.print(f"{ended.name}: {ended.state} ({run.id})")
    if ended.state != RunState.SUCCEEDED:
        _fail(ended.error or f"the run {ended.name} is {ended.state}")


def _tell(run: Run, as_json: bool) -> None:
    if as_json:
        return _print_json(run_summary(run))
    out.print(f"{run.name}: {run.state} ({run.id})")


def _wait(engine: Engine, run_id: str, *, quiet: bool) -> None:
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


def _checkpoint(engine: Engine, text: str) -> str:
    """A checkpoint id from `vanilla`, a run's id or name, or a checkpoint's id."""
    try:
        run = runs.find(engine, text.removeprefix("run:"))
    except StorageError:
        return checkpoints.find(engine, text.removeprefix("checkpoint:")).id
    if run.output_checkpoint_id is None:
        _fail(f"the run {run.name} has no model yet ({run.state})")
    return run.output_checkpoint_id


def _ask(engine: Engine, spec: ProbeSpec) -> list[dict[str, Any]]:
    """The `end` events, from the worker's probe; a worker is started if none is up."""
    address = probing.find_server(engine)
    if address is None:
        start_worker(home())
        deadline = time.monotonic() + 120
        while address is None and time.monotonic() < deadline:
            time.sleep(WAIT_S)
            address = probing.find_server(engine)
    if address is None:
        _fail("no probe came up within two minutes; see logs/worker.log in the lab's folder")
    answers = []
    for event in probing.ask(address, spec):
        if event["event"] == "error":
            _fail(event["message"])
        if event["event"] == "end":
            answers.append({key: value for key, value in event.items() if key != "event"})
    return answers


def _print_json(data: Any) -> None:
    print(json.dumps(data, indent=2, ensure_ascii=False))


def _fail(sentence: str) -> NoReturn:
    print(sentence, file=sys.stderr)
    raise SystemExit(1)
