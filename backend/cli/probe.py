"""Questions from a terminal: several models, one question, one picture."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from sqlalchemy import Engine

from backend import probing
from backend.benchmarks import open_benchmark
from backend.cli.shared import WAIT_S, AsJson, Benchmark, engine_at_hand, fail, listed, out, print_json
from backend.launcher import start_worker
from backend.spec import Decoding, ProbeSpec
from storage import checkpoints, runs
from storage.database import home
from storage.errors import StorageError
from ui.pictures import accept_picture


def probe(
    models: Annotated[str, typer.Option(help="Two to four runs or checkpoints, comma-separated.")],
    question: Annotated[str | None, typer.Option(help="What to ask; the item's own question when left out.")] = None,
    image: Annotated[Path | None, typer.Option(help="A picture.")] = None,
    item: Annotated[
        str | None, typer.Option(help="A benchmark item, for its picture, question and true answer.")
    ] = None,
    benchmark: Benchmark = "demo",
    attack: Annotated[str | None, typer.Option(help="An attack prompt to wrap the question in.")] = None,
    sample: Annotated[bool, typer.Option("--sample", help="Sample instead of greedy.")] = False,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    as_json: AsJson = False,
) -> None:
    """Ask several models the same question about the same picture."""
    engine = engine_at_hand()
    known = open_benchmark(benchmark, home()).item(item) if item else None
    asked = question or (known.question if known else None)
    if asked is None:
        fail("there is nothing to ask: give --question or --item")
    if image is not None and not image.is_file():
        fail(f"there is no picture {image}")
    uploaded = accept_picture(image, home()) if image else None
    same = known is not None and asked == known.question
    picture = uploaded or (known.image if known else None)
    spec = ProbeSpec(
        models=tuple(_checkpoint(engine, text) for text in listed(models)),
        benchmark=benchmark,
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
        return print_json(answers)
    for answer in answers:
        likelihood = "" if answer["likelihood"] is None else f"  p(true) {answer['likelihood']:.2f}"
        stamp = answer["stamp"]
        mark = f"{stamp['sha256'][:4]}…{stamp['sha256'][-2:]}"
        out.print(f"[bold]{answer['role']}[/] {escape(answer['label'])}: {escape(answer['text'])}{likelihood}")
        out.print(
            f"  ckpt {mark} · adapter {stamp['adapter']} · {stamp['decoding']} · {stamp['device']}",
            style="dim",
        )


def _checkpoint(engine: Engine, text: str) -> str:
    """A checkpoint id from `vanilla`, a run's id or name, or a checkpoint's id."""
    try:
        run = runs.find(engine, text.removeprefix("run:"))
    except StorageError:
        return checkpoints.find(engine, text.removeprefix("checkpoint:")).id
    if run.output_checkpoint_id is None:
        fail(f"the run {run.name} has no model yet ({run.state})")
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
        fail("no probe came up within two minutes; see logs/worker.log in the lab's folder")
    answers = []
    for event in probing.ask(address, spec):
        if event["event"] == "error":
            fail(event["message"])
        if event["event"] == "end":
            answers.append({key: value for key, value in event.items() if key != "event"})
    return answers
