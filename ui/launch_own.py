"""The launch page's folds for a method of one's own: its terms, and presets to save, copy and load."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from ui import launch_views as views
from ui import launching
from ui.context import Lab
from ui.launch_board import Board, draw_field
from ui.launch_views import CONTROLS, FIRST

COPY_TEXT = "Copy this text"
COPY = """async (text) => {
  await (navigator.clipboard ? navigator.clipboard.writeText(text) : window.prompt('The text', text));
  return 'Copied';
}"""
COPIED = f"() => new Promise((done) => setTimeout(() => done('{COPY_TEXT}'), 1500))"

Updates = dict[Any, Any]
Handler = Callable[[Updates], Updates]


def draw_own(board: Board) -> None:
    """The terms and all that belongs to them, and the presets of one's own."""
    own = [control for path, control in CONTROLS.items() if path.startswith("objective.") and path not in FIRST]
    with (
        gr.Column(elem_classes="lethe-field") as board.places["own"],
        gr.Accordion("Own objective", open=False, elem_classes="lethe-more"),
        gr.Row(elem_classes="lethe-fields"),
    ):
        for control in own:
            draw_field(board, control)
    parts = board.parts
    with (
        gr.Column(elem_classes="lethe-field") as board.places["keep"],
        gr.Accordion("Save, copy or load a preset", open=False, elem_classes="lethe-more"),
    ):
        with gr.Row(elem_classes="lethe-fields lethe-fields-2"):
            with gr.Column(elem_classes="lethe-field", min_width=0):
                parts["keep_name"] = gr.Textbox(
                    label="Preset name", max_lines=1, max_length=40, placeholder="my-method"
                )
                parts["keep"] = gr.Button("Save as preset", elem_classes="lethe-start")
                parts["text"] = gr.Textbox(
                    label="This method as text",
                    lines=8,
                    max_lines=24,
                    interactive=False,
                    placeholder="Mend what is marked first.",
                )
                copy = gr.Button(COPY_TEXT, elem_classes="lethe-start")
            with gr.Column(elem_classes="lethe-field", min_width=0):
                parts["paste"] = gr.Textbox(
                    label="A preset as text", lines=8, max_lines=24, placeholder="name: …\nobjective:\n  forget: …"
                )
                parts["load"] = gr.Button("Load this text", elem_classes="lethe-start")
        parts["kept"] = gr.HTML(apply_default_css=False)
    # a button inside the box, as Gradio has it, would take the box's label for itself
    copied = copy.click(None, parts["text"], copy, js=COPY, api_visibility="private")
    copied.then(None, None, copy, js=COPIED, api_visibility="private")


def own_handlers(board: Board, lab: Lab, fill: Callable[[Updates, dict[str, Any]], Updates]) -> tuple[Handler, Handler]:
    """What happens at Save and at Load. `fill` gives the updates that put a form's values on the page."""
    fields, parts = board.fields, board.parts

    def on_keep(data: dict[Any, Any]) -> dict[Any, Any]:
        try:
            name = launching.keep(lab.engine, lab.benchmarks, board.values(data), data[parts["keep_name"]])
        except ValueError as fault:
            return {parts["kept"]: views.refused_html(str(fault))}
        methods = gr.update(choices=views.method_choices())
        return {parts["kept"]: views.kept_html(name), fields["preset"]: methods, parts["broken"]: views.broken_html()}

    def on_load(data: dict[Any, Any]) -> dict[Any, Any]:
        try:
            loaded = launching.load(board.values(data), data[parts["paste"]])
        except ValueError as fault:
            return {parts["kept"]: views.refused_html(str(fault))}
        values = launching.with_reference(loaded, lab.engine, data[parts["filled_for"]])
        return fill(data, values) | {parts["kept"]: views.kept_html(values["preset"]), parts["paste"]: ""}

    return on_keep, on_load
