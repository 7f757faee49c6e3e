"""The first page: what this is, what is running, what came out last, and a way into each page."""

from __future__ import annotations

from typing import Any

import gradio as gr

from ui import home_view
from ui.changes import changed
from ui.context import Lab
from ui.pulse import QUIET, Page, pulse

PATH = "/"
TITLE = "Home"


def page(lab: Lab) -> Page:
    """The page, to be rendered under a route."""
    with gr.Blocks() as blocks:
        gr.HTML(home_view.intro(), apply_default_css=False)
        with gr.Row(elem_classes="lethe-grid-2"):
            running = gr.HTML(apply_default_css=False)
            newest = gr.HTML(apply_default_css=False)
        gr.HTML(home_view.ways(), apply_default_css=False)
        cursor, sent = pulse(lab), gr.State({})

        def look(before: dict[str, str]) -> Any:
            fresh, now = changed(before, {"running": home_view.running(lab), "newest": home_view.newest(lab)})
            return now, fresh.get("running", gr.skip()), fresh.get("newest", gr.skip())

        blocks.load(look, sent, [sent, running, newest], **QUIET)
        cursor.change(look, sent, [sent, running, newest], **QUIET)
    return Page(blocks, cursor)
