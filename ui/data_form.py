"""The fold `Add a data set` of the Data page: its fields, the line beside each, and what a check says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from backend.benchmarks.custom import Columns
from backend.benchmarks.library import CUSTOM, FORMATS
from ui import data_adding
from ui.data_adding import Fault, Form
from ui.pulse import QUIET

WHERE = [("on this machine", "folder"), ("on the hub", "hub")]
SLOW: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": 2, "api_visibility": "private"}
"""Goes through the queue: reading a large set takes longer than a plain request may."""


@dataclass
class Adding:
    """The components of the fold."""

    format: gr.Radio
    where: gr.Radio
    source: gr.Textbox
    name: gr.Textbox
    check: gr.Button
    add: gr.Button
    fold: gr.Accordion
    result: gr.HTML
    notes: dict[str, gr.HTML] = field(default_factory=dict)
    columns: dict[str, gr.Textbox] = field(default_factory=dict)

    @property
    def inputs(self) -> list[Any]:
        """In the order that `form` reads them."""
        return [self.format, self.where, self.source, self.name, *self.columns.values()]

    @property
    def outputs(self) -> list[Any]:
        """What `told` speaks of."""
        return [self.result, *self.notes.values()]

    def form(self, values: Sequence[Any]) -> Form:
        """What was filled in."""
        format, where, source, name, *columns = values
        return Form(
            format, source or "", name or "", where == "hub", dict(zip(self.columns, map(str, columns), strict=True))
        )

    def told(self, result: str, fault: Fault | None = None) -> dict[Any, Any]:
        """The result, and the fault beside its field; every other line is emptied."""
        lines = {fault.at: str(fault)} if fault else {}
        notes = {note: data_adding.fault_html(lines.get(at, "")) for at, note in self.notes.items()}
        return {self.result: result, **notes}

    def on_check(self, *values: Any) -> Iterator[dict[Any, Any]]:
        """Says that it reads, then what lies there."""
        form = self.form(values)
        yield self.told(data_adding.working(form))
        try:
            yield self.told(data_adding.checked(form))
        except Fault as fault:
            yield self.told("", fault)


def draw() -> Adding:
    """Lays the fold into the Blocks at hand. Who adds says what comes after; checking is bound here."""
    notes: dict[str, gr.HTML] = {}
    with (
        gr.Column(elem_classes="lethe-card lethe-adding"),
        gr.Accordion("Add a data set", open=False, elem_classes="lethe-more") as fold,
    ):
        format = _choices("Format", [(title, name) for name, title in FORMATS.items()], "mllmu")
        with gr.Row(elem_classes="lethe-adding-fields"):
            with gr.Column(elem_classes="lethe-adding-field"):
                where = _choices("Where it is", WHERE, "folder")
                source = gr.Textbox(label="Folder or hub id", max_lines=1)
                notes["source"] = _line()
                help = _line(data_adding.source_help("mllmu", False))
            with gr.Column(elem_classes="lethe-adding-field"):
                example = data_adding.name_example("mllmu")
                name = gr.Textbox(label="Name in this lab", max_lines=1, placeholder=example, max_length=60)
                notes["name"] = _line()
                _line("Small letters, digits, - and _; runs and addresses speak of the set by it.")
        with gr.Column(visible=False, elem_classes="lethe-adding-field") as mapping:
            _line("Which column of the table is what. Leave a field empty where there is no such column.")
            with gr.Row(elem_classes="lethe-columns"):
                columns = {
                    what: gr.Textbox(
                        label=about.title,
                        value=about.default,
                        info=about.description,
                        max_lines=1,
                    )
                    for what, about in Columns.model_fields.items()
                }
            notes["columns"] = _line()
        with gr.Row(elem_classes="lethe-adding-actions"):
            check, add = gr.Button("Check", size="md"), gr.Button("Add", variant="primary", size="md")
        result = _line()
    made = Adding(format, where, source, name, check, add, fold, result, notes, columns)

    def on_kind(format: str, where: str) -> dict[Any, Any]:
        words = data_adding.hint_html(data_adding.source_help(format, where == "hub"))
        shown = {
            mapping: gr.update(visible=format == CUSTOM),
            name: gr.update(placeholder=data_adding.name_example(format)),
        }
        return {help: words, **shown, **made.told("")}

    gr.on([format.input, where.input], on_kind, [format, where], [help, mapping, name, *made.outputs], **QUIET)
    check.click(made.on_check, made.inputs, made.outputs, **SLOW)
    return made


def _choices(label: str, choices: list[tuple[str, str]], value: str) -> gr.Radio:
    return gr.Radio(choices, value=value, label=label, container=False, show_label=False, elem_classes="lethe-choices")


def _line(words: str = "") -> gr.HTML:
    return gr.HTML(data_adding.hint_html(words) if words else "", apply_default_css=False)
