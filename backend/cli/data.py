"""Data sets from a terminal: what there is, whether files are as they should be, adding, removing, writing out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from backend.benchmarks import library
from backend.benchmarks.export_clear import export_clear
from backend.benchmarks.export_mllmu import export_mllmu
from backend.benchmarks.export_offside import export_offside
from backend.benchmarks.item import Benchmark
from backend.benchmarks.library import FORMATS, Entry, Library
from backend.cli.shared import AsJson, engine_at_hand, fail, out, print_json
from backend.spec import ForgetRequest
from storage import runs
from storage.database import home
from storage.tables import ENDED

EXPORTS = {"mllmu": export_mllmu, "clear": export_clear, "offside": export_offside}

data = typer.Typer(no_args_is_help=True, help="Benchmarks: what there is, and what is added.")

Format = Annotated[str, typer.Argument(help="mllmu, clear, offside or custom (own data).")]
Hub = Annotated[bool, typer.Option("--hub", help="It is a hub id: fetch it first.")]
Column = Annotated[
    list[str] | None,
    typer.Option("--column", help="Own data: which column is what, as in subject=who."),
]


@data.command("list")
def list_data(as_json: AsJson = False) -> None:
    """The benchmarks of this lab: the demo, what was added, and what of it cannot be opened."""
    known = Library(home())
    added = {entry.name: entry for entry in library.entries(home())}
    found = [library.describe(benchmark) | _origin(added.get(name)) for name, benchmark in known.items()]
    if as_json:
        return print_json({"benchmarks": found, "faults": known.faults})
    table = Table("name", "benchmark", "people", "forget sets", "where its files lie")
    for one in found:
        table.add_row(
            one["name"], escape(one["title"]), str(one["people"]), _shares(one["shares"]), escape(one.get("source", ""))
        )
    out.print(table)
    for name, sentence in known.faults.items():
        out.print(f"[red]✕ {name}[/]: {escape(sentence)}", soft_wrap=True)


@data.command("check")
def check(format: Format, path: str, hub: Hub = False, column: Column = None, as_json: AsJson = False) -> None:
    """What a folder holds of a benchmark: tables with their rows, what is missing and why, the first broken row.

    Told as well is what else is published and not there, with what serves instead. Of own data every fault is listed.
    Exit code 1 when something that is needed is missing, or something is broken.
    """
    source, columns = _source(path, hub), _columns(column)
    survey = library.survey(format, source, columns)
    faults = [] if survey.fault is None else library.every_fault(format, source, columns) or [survey.fault]
    if as_json:
        print_json(
            {
                "sound": survey.sound,
                "tables": dict(survey.tables),
                "missing": [{"table": table, "why": why} for table, why in survey.missing],
                "absent": [{"table": table, "why": why} for table, why in survey.absent],
                "faults": faults,
            }
        )
    else:
        if survey.tables:
            table = Table("table", "rows")
            for name, rows in survey.tables:
                table.add_row(escape(name), f"{rows:,}")
            out.print(table)
        for name, why in survey.missing:
            out.print(f"[red]✕ {escape(name)} is missing[/]: {escape(why)}", soft_wrap=True)
        for name, why in survey.absent:
            out.print(f"not there: {escape(name)}; {escape(why)}", soft_wrap=True)
        for fault in faults:
            out.print(f"[red]✕[/] {escape(fault)}", soft_wrap=True)
        if survey.sound:
            out.print(f"✓ {survey.verdict}", soft_wrap=True)
    if not survey.sound:
        raise typer.Exit(1)


@data.command("add")
def add(
    format: Format,
    source: Annotated[str, typer.Argument(help="A folder, a file, or with --hub a hub id.")],
    name: Annotated[str | None, typer.Option(help="Under which name runs ask for it; else the format's.")] = None,
    title: Annotated[str | None, typer.Option(help="What pages call it; else the format's title.")] = None,
    hub: Hub = False,
    column: Column = None,
    as_json: AsJson = False,
) -> None:
    """Add a data set to this lab. It is read whole; its files stay where they are."""
    columns, place = _columns(column), _source(source, hub)
    entry = Entry(name or format, format, place, title or "", source if hub else "", columns)
    _tell(library.add(home(), entry), as_json)


@data.command("remove")
def remove(name: str) -> None:
    """Take a data set out of this lab, with the pictures that were written for it; its own files stay."""
    busy = [run for run in runs.listing(engine_at_hand(), limit=5000) if run.state not in ENDED]
    using = [run.name for run in busy if run.spec.get("benchmark") == name]
    if using:
        fail(f"the run {using[0]} still needs {name}; let it end, or cancel it")
    library.remove(home(), name)
    out.print(f"{name} is removed")


@data.command("show")
def show(name: str, as_json: AsJson = False) -> None:
    """One benchmark: its people, forget sets and attributes, and how many questions a run asks."""
    _tell(library.open_benchmark(name, home()), as_json)


@data.command("export")
def export(
    benchmark: Annotated[str, typer.Argument(help="A benchmark of this lab, as in demo.")],
    path: Annotated[Path, typer.Argument(help="A folder that is new or empty.")],
    as_: Annotated[str, typer.Option("--as", help="The format: mllmu, clear or offside.")],
) -> None:
    """Write a benchmark's people and questions in the format of another, to be read back by its rules."""
    if as_ not in EXPORTS:
        fail(f"nothing can be written as {as_!r}; there are {', '.join(EXPORTS)}")
    try:
        EXPORTS[as_](library.open_benchmark(benchmark, home()), path)
    except OSError as error:
        fail(f"{path} could not be written: {error.strerror or error}")
    out.print(f"{benchmark} is written to {escape(str(path))} in the format of {FORMATS[as_]}", soft_wrap=True)


# -- what these commands share -----------------------------------------------------------------------------------------


def _source(text: str, hub: bool) -> str:
    return str(library.fetch(text)) if hub else text


def _columns(given: Sequence[str] | None) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in given or ():
        what, equals, column = text.partition("=")
        if not equals or not column:
            fail(f"--column {text} names no column; write it as subject=who")
        if what in found:
            fail(f"--column {what} is given twice")
        found[what] = column
    return found


def _origin(entry: Entry | None) -> dict[str, Any]:
    if entry is None:
        return {}
    return {
        key: value for key, value in asdict(entry).items() if key in ("format", "source", "hub", "columns") and value
    }


def _tell(benchmark: Benchmark, as_json: bool) -> None:
    entry = next((one for one in library.entries(home()) if one.name == benchmark.name), None)
    told = library.describe(benchmark) | _origin(entry)
    request = _usual_request(benchmark)
    told["asked"] = {"request": request.words(), "questions": library.asked_of(benchmark, request)}
    if as_json:
        return print_json(told)
    figures = f", {told['public_figures']} of them public figures" if told["public_figures"] else ""
    out.print(f"[bold]{escape(told['title'])}[/] · {told['name']} · {told['people']} people{figures}", soft_wrap=True)
    out.print(f"forget sets: {_shares(told['shares'])}", soft_wrap=True)
    out.print(f"attributes: {escape(', '.join(told['attributes']) or 'none')}", soft_wrap=True)
    table = Table("set and task", f"questions ({told['asked']['request']})")
    for name, count in told["asked"]["questions"].items():
        table.add_row(name, f"{count:,}")
    out.print(table)


def _usual_request(benchmark: Benchmark) -> ForgetRequest:
    """The smallest published share, or the first private person where there is none."""
    if benchmark.ratios:
        return ForgetRequest.model_validate({"ratio": benchmark.ratios[0]})
    first = next(person.id for person in benchmark.people() if not person.public_figure)
    return ForgetRequest(ratio=None, people=(first,))


def _shares(shares: Sequence[int]) -> str:
    return ", ".join(f"{share} %" for share in shares) or "chosen people only"
