"""The pages put together: one address each, one top bar, one look.

A page is a module with `PATH`, `TITLE` and `page(lab)`, and `CSS` where it needs rules of its own; `UNDER` is the
address of the page from which it is reached, where it has no place of its own in the bar. The style sheet travels in
the page's head: Gradio's `css` arrives late and rewrites selectors inside media queries.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from types import ModuleType
from typing import Any

import gradio as gr

from ui import api
from ui.bar import bar
from ui.context import Lab
from ui.theme import CSS, HEAD, THEME

PAGES = ("home", "data", "launch", "runs", "probe", "attack", "compare", "findings")
"""In the order of the top bar. The first is served at `/`."""


def page_modules() -> list[ModuleType]:
    """The page modules that are here; one that is not installed is just not in the bar."""
    names = [f"ui.pages.{name}" for name in PAGES]
    return [importlib.import_module(name) for name in names if importlib.util.find_spec(name)]


def build(lab: Lab) -> gr.Blocks:
    """Every page under its own address, with the public API beside them."""
    modules = page_modules()
    links = [(module.TITLE, module.PATH) for module in modules if not hasattr(module, "UNDER")]
    pages = [(module, module.page(lab)) for module in modules]
    demo = gr.Blocks(title="Lethe", analytics_enabled=False, delete_cache=(3600, 3600))
    for module, page in pages:
        if module.PATH != "/":
            demo.route(module.TITLE, module.PATH)
        with demo:
            bar(demo, lab, links, getattr(module, "UNDER", module.PATH), page)
            if module.PATH == "/":
                api.publish(lab)
    return demo


def page_css(path: str, rules: str) -> str:
    """A page's own rules. `page.js` takes away those of the other pages, so their class names never meet."""
    return f'<style data-page="{path.strip("/")}">{rules}</style>' if rules else ""


def mcp_wanted() -> bool:
    """Whether LETHE_MCP asks that the API be served as tools of the Model Context Protocol too.

    Leaves with a sentence where the package for it is not here: Gradio would open the lab without them, in silence.
    """
    wanted = os.environ.get("LETHE_MCP") == "1"
    if wanted and importlib.util.find_spec("mcp") is None:
        sys.exit('LETHE_MCP=1 needs the package mcp, which is not here: pip install "mcp>=1.21,<2"')
    return wanted


def launch_options(lab: Lab) -> dict[str, Any]:
    """What `launch()` is given: the look, the folders that may be served, and nothing that phones out."""
    own_css = "".join(page_css(module.PATH, getattr(module, "CSS", "")) for module in page_modules())
    return {
        "theme": THEME,
        "head": f"<style>{CSS}</style>{own_css}{HEAD}",
        "footer_links": [],
        "run_history": False,
        "ssr_mode": False,
        "show_error": True,
        "quiet": True,
        "mcp_server": mcp_wanted(),
        "max_file_size": "32mb",
        "allowed_paths": [str(lab.home / "worlds"), str(lab.home / "data" / "pictures")],
        "blocked_paths": [str(lab.home / "lethe.db"), str(lab.home / "checkpoints"), str(lab.home / "logs")],
    }
