"""The first page: what this is, what is running, what came out last, and a way into each page."""

from __future__ import annotations

from typing import Any

import gradio as gr

from storage import runs
from ui import home_view
from ui.changes import changed
from ui.context import Lab

PATH = "/"
TITLE = "Home"
QUIET: dict[str, Any] = {"show_progress": "hidden", "queue": False, "api_visibility": "private"}


def page(lab: Lab) -> gr.Blocks:
    """The page as a Blocks of its own."""
    with gr.Blocks() as blocks:
        gr.HTML(home_view.intro(), apply_default_css=False)
        with gr.Row(elem_classes="lethe-grid-2"):
            running = gr.HTML(apply_default_css=False)
            newest = gr.HTML(apply_default_css=False)
        gr.HTML(home_view.ways(), apply_default_css=False)
        cursor, sent = gr.State(-1), gr.State({})

        def look(seen: int, before: dict[str, str]) -> Any:
            rev = runs.latest_rev(lab.engine)
            if rev == seen:
                return gr.skip()
            fresh, now = changed(before, {"running": home_view.running(lab), "newest": home_view.newest(lab)})
            return rev, now, fresh.get("running", gr.skip()), fresh.get("newest", gr.skip())

        watched = ([cursor, sent], [cursor, sent, running, newest])
        blocks.load(look, *watched, **QUIET)
        gr.Timer(2.0).tick(look, *watched, **QUIET)
    return blocks
