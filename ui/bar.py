"""The top bar: the lab's name, its pages, and what is running."""

from __future__ import annotations

import gradio as gr
from markupsafe import Markup

from ui.context import Lab, now_running
from ui.pulse import QUIET, Page


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


def bar(demo: gr.Blocks, lab: Lab, links: list[tuple[str, str]], here: str, page: Page) -> None:
    """Draws the bar and below it the page on the address of `demo` at hand, and keeps the bar's words true."""
    gr.Navbar(visible=False)
    shown = gr.State("")
    holder = gr.HTML(bar_html(links, here, ""), elem_classes="lethe-bar-holder", apply_default_css=False)
    page.blocks.render()

    def look(before: str) -> tuple[object, object]:
        words = now_running(lab)
        return (gr.skip(), gr.skip()) if words == before else (bar_html(links, here, words), words)

    demo.load(look, [shown], [holder, shown], **QUIET)
    page.cursor.change(look, [shown], [holder, shown], **QUIET)
