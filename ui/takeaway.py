"""What a page gives away as a file: a report, a table, a spec, a model. A button writes it, the browser keeps it.

A file is written into Gradio's own cache when it is asked for, under a fresh name, and swept from there after an hour.
Every button is one call to `offer`, so a page that shows runs has its downloads in a line.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder
from markupsafe import Markup, escape

from backend.report.card import Form
from backend.report.document import NoReport, file_name, report_html
from backend.report.files import WRITERS, table_bytes
from backend.report.rows import TABLES, NoTable, table_rows
from backend.report.spec_file import spec_text
from backend.report.taking import CannotTake, bytes_of, forms_of, take_zip
from storage import runs
from storage.errors import StorageError
from storage.tables import Run
from ui import parts
from ui.context import Lab

LARGEST_ZIP = 250_000_000
"""Bytes of a model that a page still writes into a zip; larger ones are taken from a terminal."""
ONLY_AN_ADAPTER = Markup(
    '<b class="lethe-state-collapsed">An adapter that is not merged can be taken off again, and the original is back, '
    "with all that it knew.</b> Give merged weights away:"
)
SAVE = """(file) => {
  if (!file) return;
  const link = document.createElement('a');
  link.href = file.url; link.download = file.orig_name || '';
  document.body.append(link); link.click(); link.remove();
}"""
EVENT: dict[str, Any] = {"show_progress": "minimal", "concurrency_limit": None, "api_visibility": "private"}
REFUSALS = (StorageError, NoReport, NoTable, CannotTake)
Names = Sequence[str]
Writer = Callable[[Lab, Names], tuple[str, bytes]]
"""From a lab and ids of runs to a file's name and what is in it."""


def report_file(lab: Lab, run_ids: Names) -> tuple[str, bytes]:
    """The report of these runs: its name and its bytes. Raises `NoReport`, `NotFound`."""
    html = report_html(lab.engine, lab.home, list(run_ids))
    return file_name([runs.get(lab.engine, one).name for one in dict.fromkeys(run_ids)]), html.encode()


def table_file(table: str, ending: str) -> Writer:
    """What writes a table of runs in one of the forms of `WRITERS`."""

    def write(lab: Lab, run_ids: Names) -> tuple[str, bytes]:
        rows = table_rows(lab.engine, table, list(run_ids))
        names = [runs.get(lab.engine, one).name for one in dict.fromkeys(run_ids)]
        return file_name(names, ending, table), table_bytes(table, rows, ending)

    return write


def spec_file(lab: Lab, run_ids: Names) -> tuple[str, bytes]:
    """The spec of the first run, as `submit file` takes it."""
    run = runs.get(lab.engine, run_ids[0])
    return file_name([run.name], "yaml"), spec_text(run.name, run.spec).encode()


def kept(name: str, content: bytes) -> str:
    """A file in the cache that a page may serve; its folder is fresh, so no name is ever taken."""
    path = _fresh(name)
    path.write_bytes(content)
    return str(path)


def _fresh(name: str) -> Path:
    path = Path(get_upload_folder()) / uuid.uuid4().hex / name
    path.parent.mkdir(parents=True)
    return path


def offer(lab: Lab, button: gr.Button, named: Any, write: Writer) -> None:
    """Makes a button download what `write` gives of the runs that `named` holds: a component, or several, each with an
    id or a list of ids."""
    carrier = gr.DownloadButton(visible=False)

    def give(*chosen: Any) -> str:
        run_ids = [one for held in chosen for one in ([held] if isinstance(held, str) else held or ()) if one]
        return _or_error(lambda: kept(*write(lab, run_ids)))

    asked = button.click(give, named, carrier, **EVENT)
    asked.success(None, carrier, None, js=SAVE, api_visibility="private")


def table_buttons(lab: Lab, table: str, named: Any) -> None:
    """A row of small buttons: the table as CSV, Parquet and JSON."""
    with gr.Row(elem_classes="lethe-actions lethe-files"):
        for ending in WRITERS:
            words = f"{table.capitalize()} as {ending.upper() if ending != 'parquet' else 'Parquet'}"
            offer(lab, gr.Button(words, size="sm"), named, table_file(table, ending))


def fold(lab: Lab, run_id: gr.State, tables: Sequence[str]) -> None:
    """The fold of a run's page: tables and spec as files, and its model with a card."""
    with (
        gr.Column(elem_classes="lethe-card"),
        gr.Accordion("Take it away: tables, spec, model", open=False, elem_classes="lethe-more") as box,
    ):
        for table in tables:
            gr.HTML(f'<p class="lethe-quiet">{TABLES[table].about.capitalize()}.</p>', apply_default_css=False)
            table_buttons(lab, table, run_id)
        gr.HTML('<p class="lethe-quiet">The spec, which `submit file` starts again.</p>', apply_default_css=False)
        with gr.Row(elem_classes="lethe-actions lethe-files"):
            offer(lab, gr.Button("Spec as YAML", size="sm"), run_id, spec_file)
        told = gr.HTML(apply_default_css=False)
        with gr.Row(elem_classes="lethe-actions lethe-files"):
            model = gr.Button("Model with its card, as a zip", size="sm", visible=False)
        box.expand(lambda run: _told(lab, run), run_id, [told, model], **EVENT)
        _offer_model(lab, model, run_id)


def _offer_model(lab: Lab, button: gr.Button, run_id: gr.State) -> None:
    carrier = gr.DownloadButton(visible=False)
    asked = button.click(lambda run: _or_error(lambda: model_zip(lab, run)), run_id, carrier, **EVENT)
    asked.success(None, carrier, None, js=SAVE, api_visibility="private")


def model_zip(lab: Lab, run_id: str) -> str:
    """The run's own files with a card, as a zip. Raises `CannotTake` where there are none, or too many bytes."""
    run = runs.get(lab.engine, run_id)
    form = as_it_is(lab, run)
    if form is None or bytes_of(lab.engine, run) > LARGEST_ZIP:
        raise CannotTake(f"the model of “{run.name}” cannot be had here; take it from a terminal")
    return str(take_zip(lab.engine, lab.home, run.id, form, _fresh(file_name([run.name], "zip", form))))


def as_it_is(lab: Lab, run: Run) -> Form | None:
    """The form of a model that needs nothing but copying; None where there is no model."""
    forms = forms_of(lab.engine, run)
    return None if not forms else "adapter" if "adapter" in forms else "merged"


def model_words(lab: Lab, run: Run) -> Markup:
    """What can be had of a run's model, what that is worth, and the command for the rest."""
    form = as_it_is(lab, run)
    if form is None:
        return Markup('<p class="lethe-quiet">This run made no weights that could be taken away.</p>')
    told = [Markup("{} with a model card, {}.").format(
        "The adapter" if form == "adapter" else "The weights", parts.size(bytes_of(lab.engine, run))
    )]  # fmt: skip
    if form == "adapter" and run.kind == "unlearn":
        told.append(ONLY_AN_ADAPTER)
    command = f"python -m backend export model {run.id[:8]} --as merged --out FOLDER"
    command = Markup('<code class="lethe-mono">{}</code>').format(command)
    return Markup('<p class="lethe-quiet">{}</p>{}').format(Markup(" ").join(told), command)


def _told(lab: Lab, run_id: str) -> tuple[Markup, Any]:
    run = runs.get(lab.engine, run_id)
    small = as_it_is(lab, run) is not None and bytes_of(lab.engine, run) <= LARGEST_ZIP
    return model_words(lab, run), gr.update(visible=small)


def _or_error(act: Callable[[], str]) -> str:
    try:
        return act()
    except REFUSALS as error:
        raise gr.Error(str(escape(str(error))), title="That cannot be had", print_exception=False) from error
