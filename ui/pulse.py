"""The one timer of a page. Every two seconds it asks for a cursor; everything else hangs on the cursor's change.

An idle tick brings back nothing. The cursor moves when anything was written, when a worker comes or goes, or when what
the page itself watches has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import gradio as gr

from storage import runs
from ui.context import Lab, now_running

BEAT_S = 2.0
QUIET: dict[str, Any] = {"show_progress": "hidden", "queue": False, "api_visibility": "private"}


class Page(NamedTuple):
    """A page as Blocks of its own, and its cursor: a hidden component whose `change` says that there is news."""

    blocks: gr.Blocks
    cursor: gr.Textbox


def standing(lab: Lab, watched: object = "") -> str:
    """The cursor's value at this moment."""
    return f"{runs.latest_rev(lab.engine)} · {now_running(lab)} · {watched}"


def pulse(lab: Lab, inputs: Sequence[Any] = (), watched: Callable[..., object] | None = None) -> gr.Textbox:
    """Lays timer and cursor into the Blocks at hand. `watched(*inputs)` is what else moves the cursor."""
    cursor = gr.Textbox(visible=False)

    def look(seen: str, *values: Any) -> Any:
        now = standing(lab, watched(*values) if watched else "")
        return gr.skip() if now == seen else now

    gr.Timer(BEAT_S).tick(look, [cursor, *inputs], cursor, **QUIET)
    return cursor
