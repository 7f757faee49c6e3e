"""Adding a data set from a form, and taking one away: what is asked, what is at fault, what is there. No Gradio.

Promises: nothing is kept unless everything could be read; a fault stands at the field it is about, in the words of
whoever found it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from markupsafe import Markup

from backend.benchmarks import library
from backend.benchmarks.item import BadRequest, Benchmark
from backend.benchmarks.library import FORMATS, Entry
from backend.benchmarks.survey import Survey
from backend.spec import BENCHMARK_NAME
from ui import parts
from ui.context import Lab
from ui.data_view import counted, number

MOST_FAULTS = 50


class Fault(ValueError):
    """What is wrong, and at which field of the form."""

    def __init__(self, at: str, sentence: str) -> None:
        super().__init__(sentence)
        self.at = at


@dataclass(frozen=True)
class Form:
    """What was filled in; `columns` count for own data alone."""

    format: str
    source: str
    name: str = ""
    on_hub: bool = False
    columns: Mapping[str, str] = field(default_factory=dict)

    def chosen_columns(self) -> dict[str, str]:
        """Which column is what, for own data; nothing for a published format. Raises `Fault`."""
        if self.format != library.CUSTOM:
            return {}
        given = {what: text.strip() for what, text in self.columns.items()}
        try:
            library.columns_of(given)
        except BadRequest as error:
            raise Fault("columns", _sentence(str(error))) from error
        return given

    def place(self) -> Path:
        """The files on this machine; those of the hub are fetched, which takes its time. Raises `Fault`."""
        source = self.source.strip()
        if not source:
            raise Fault("source", "Name a folder or file of this machine, or a data set of the hub.")
        try:
            return library.fetch(source) if self.on_hub else library.local(source)
        except BadRequest as error:
            raise Fault("source", _sentence(str(error))) from error


def working(form: Form) -> Markup:
    """What is being done, while it is done."""
    words = (
        "Fetching the files from the hub and reading them; a large set takes minutes."
        if form.on_hub
        else "Reading the files; a large set takes a while."
    )
    return Markup('<p class="lethe-working" role="status">{}</p>').format(words)


def checked(form: Form) -> Markup:
    """What lies there: tables with their rows, what is missing and why, and every fault found. Raises `Fault`."""
    columns, place = form.chosen_columns(), str(form.place())
    try:
        survey = library.survey(form.format, place, columns)
        broken = library.every_fault(form.format, place, columns) if survey.fault else []
    except BadRequest as error:
        raise Fault("source", _sentence(str(error))) from error
    return survey_html(survey, broken)


def survey_html(survey: Survey, broken: Sequence[str]) -> Markup:
    """A survey as tables, and a verdict in one line."""
    pieces = [parts.notice(survey.verdict)] if survey.sound else []
    if broken:
        rows = Markup("").join(Markup("<li>{}</li>").format(sentence) for sentence in broken[:MOST_FAULTS])
        more = f", the first {MOST_FAULTS} shown" if len(broken) > MOST_FAULTS else ""
        title = f"{len(broken)} {'fault' if len(broken) == 1 else 'faults'}{more}"
        pieces.append(
            Markup('<div class="lethe-error" role="alert"><p>✕ {}</p><ol class="lethe-broken">{}</ol></div>').format(
                title, rows
            )
        )
    if survey.missing:
        pieces.append(parts.table(["Missing", "Why it is needed"], survey.missing, label="what is missing"))
    if survey.absent:
        pieces.append(parts.table(["Not there", "What serves instead"], survey.absent, label="what is not there"))
    if survey.tables:
        rows_of = [(name, number(count)) for name, count in survey.tables]
        pieces.append(parts.table(["Table", "Rows"], rows_of, numbers=(1,), label="what is there"))
    elif not broken:
        pieces.append(Markup('<p class="lethe-fault" role="alert">No table of this format is there.</p>'))
    return Markup('<div class="lethe-survey">{}</div>').format(Markup("").join(pieces))


def add(lab: Lab, form: Form) -> Benchmark:
    """Reads the data set whole and keeps it under its name. Raises `Fault`; nothing is kept then."""
    columns, name, place = form.chosen_columns(), form.name.strip(), form.place()
    entry = Entry(name, form.format, str(place), hub=form.source.strip() if form.on_hub else "", columns=columns)
    try:
        return library.add(lab.home, entry)
    except BadRequest as error:
        named = re.fullmatch(BENCHMARK_NAME, name) is not None and name not in library.names(lab.home)
        raise Fault("source" if named else "name", _sentence(str(error))) from error


def added(benchmark: Benchmark) -> Markup:
    """One line on what was added."""
    seen = library.describe(benchmark)
    people = counted(seen["people"], "person", "people")
    famous = counted(seen["public_figures"], "public figure", "public figures")
    attributes = counted(len(seen["attributes"]), "attribute", "attributes")
    return parts.notice(f"Added {benchmark.name}: {people}, {famous} among them; {attributes}.")


def remove(lab: Lab, name: str) -> Markup:
    """Takes an added data set out of the lab; its own files stay. A refusal is one sentence as well."""
    try:
        library.remove(lab.home, name)
    except BadRequest as error:
        return parts.error(_sentence(str(error)))
    return parts.notice(f"{name} was removed from this lab; its own files are where they were.")


def question(name: str) -> Markup:
    """What is asked before a data set is removed."""
    return Markup(
        '<p class="lethe-question">Remove <b>{}</b> from this lab? Its own files stay; the pictures that were '
        "unpacked for it go, and runs made on it can no longer be evaluated.</p>"
    ).format(name)


def fault_html(sentence: str) -> Markup:
    """The line beside a field at fault."""
    return Markup('<p class="lethe-fault" role="alert">{}</p>').format(sentence) if sentence else Markup("")


def hint_html(words: str) -> Markup:
    """A line of help under a field."""
    return Markup('<p class="lethe-hint">{}</p>').format(words)


def source_help(format: str, on_hub: bool) -> str:
    """What is to be named, for the field's own line."""
    if on_hub:
        return "An id such as MLLMMU/MLLMU-Bench; HF_TOKEN is used where a set is gated."
    if format == library.CUSTOM:
        return "A CSV, JSONL or parquet table, or the folder that holds one, on the machine that runs the lab."
    return f"The folder of {FORMATS.get(format, format)} as its authors publish it, on the machine that runs the lab."


def name_example(format: str) -> str:
    """A name that a set of the format might be given, shown while the field is empty."""
    return "my-people" if format == library.CUSTOM else f"{format}-2"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")
