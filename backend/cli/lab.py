"""The lab itself from a terminal: its worker, its demo, its methods, and whether all that it needs is here."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from backend.benchmarks import open_benchmark
from backend.cli.runs import wait_for
from backend.cli.shared import AsJson, engine_at_hand, fail, out, print_json
from backend.doctor import examine
from backend.launcher import seed_demo
from backend.reports import run_summary
from storage import runs
from storage.database import home
from storage.tables import RunState


def worker(parent: Annotated[int | None, typer.Option(hidden=True)] = None) -> None:
    """Claim runs and carry them out, until stopped."""
    from backend.worker import main as work

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    for chatty in ("httpx", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    work(engine_at_hand(), home(), parent)


def demo(as_json: AsJson = False) -> None:
    """Build the demo world and train its first models: vanilla, gold, GradDiff and NPO. What is there is kept.

    What had failed or was cancelled is taken up again.
    """
    engine = engine_at_hand()
    seeded = seed_demo(engine, open_benchmark("demo", home()))
    for run in seeded:
        if run.state in (RunState.FAILED, RunState.CANCELLED):
            runs.resume(engine, run.id)
    for run in seeded:
        wait_for(engine, run.id, quiet=as_json)
    ended = [runs.get(engine, run.id) for run in seeded]
    if as_json:
        print_json([run_summary(run) for run in ended])
    failed = [run for run in ended if run.state != RunState.SUCCEEDED]
    if failed:
        fail("; ".join(f"{run.name} {run.state}: {run.error or 'see its log'}" for run in failed))


def doctor(as_json: AsJson = False) -> None:
    """Versions, device, disk, database, and what is missing. Exit code 1 when something is."""
    findings = examine()
    if as_json:
        print_json([finding.__dict__ for finding in findings])
    else:
        for finding in findings:
            out.print(f"{'✓' if finding.good else '✕'} {finding.what}: {finding.said}")
    if not all(finding.good for finding in findings):
        raise typer.Exit(1)
