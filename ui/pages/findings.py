"""What the papers claim, put to this lab's own runs. Reached from Compare; `/findings` is its address."""

from __future__ import annotations

import gradio as gr

from ui import findings_view, parts
from ui.context import Lab
from ui.pulse import QUIET, Page, pulse

PATH = "/findings"
TITLE = "Findings"
UNDER = "/compare"
SUB = "What four papers claim, put to your own runs. A claim without runs that could decide it says what to run."
CSS = """
.gradio-container {
.lethe-findings { margin-bottom: 14px; } .lethe-findings p { margin: 0 0 6px; }
.lethe-nowrap { white-space: nowrap; } .lethe-findings td:nth-child(2) { min-width: 120px; }
.lethe-findings td:first-child { width: 120px; } .lethe-findings td:nth-child(2) { width: 26%; }
}
"""


def page(lab: Lab) -> Page:
    """The page, to be rendered under a route."""
    with gr.Blocks() as blocks:
        gr.HTML(parts.page_title("Findings", SUB), apply_default_css=False)
        shown, seen = gr.HTML(apply_default_css=False), gr.State("")
        cursor = pulse(lab)

        def look(before: str) -> tuple[object, object]:
            now = findings_view.evidence(lab)
            return (gr.skip(), gr.skip()) if now == before else (now, str(now))

        blocks.load(look, seen, [shown, seen], **QUIET)
        cursor.change(look, seen, [shown, seen], **QUIET)
    return Page(blocks, cursor)
