"""The top bar: the lab's name, its pages, and what is running."""

from __future__ import annotations

from typing import Any

import gradio as gr
from markupsafe import Markup

from ui.context import Lab, now_running

BEAT_S = 3.0
"""Seconds between two looks at the database."""


def bar_html(links: list[tuple[str, str]], here: str, words: str) -> Markup:
    """The bar as HTML; `links` are (title, address), `here` is the address of the page it stands on."""
    pages = Markup("").join(
        Markup('<a href="{}"{}>{}</a>').format(path, Markup(' aria-current="page"') if path == here else "", title)
        for title, path in links
    )
    return Markup(
        '<header class="lethe-bar"><a class="lethe-name" href="/">Lethe</a><nav aria-label="Pages">{}</nav>'
        '<span class="lethe-activity" role="status">{}</span></header>'
    ).format(pages, words)


def bar(demo: gr.Blocks, lab: Lab, links: list[tuple[str, str]], here: str) -> None:
    """Draws the bar on the page of `demo` at hand and keeps its words true."""
    gr.Navbar(visible=False)
    shown = gr.State("")
    holder = gr.HTML(bar_html(links, here, ""), elem_classes="lethe-bar-holder", apply_default_css=False)

    def look(before: str) -> tuple[object, object]:
        words = now_running(lab)
        return (gr.skip(), gr.skip()) if words == before else (bar_html(links, here, words), words)

    quiet: dict[str, Any] = {"show_progress": "hidden", "queue": False, "api_visibility": "private"}
    demo.load(look, [shown], [holder, shown], **quiet)
    gr.Timer(BEAT_S).tick(look, [shown], [holder, shown], **quiet)
