"""All runs, and one of them: `/runs` lists, `/runs?run=ID` shows.

One timer serves both; a tick that finds nothing new sends nothing.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from storage import runs
from storage.errors import StorageError
from ui import parts, run_actions, run_view, runs_view
from ui.changes import changed
from ui.context import Lab
from ui.pages.run import EVENT, detail, or_error, or_warning
from ui.pulse import QUIET, Page, pulse
from ui.runs_view import ALL, KIND_CHOICES, ORDERS, STATES, Filter

PATH = "/runs"
TITLE = "Runs"
MOVE_BY_BUTTON = """
let last = null;
element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-move]');
  if (!button || button.disabled) return;
  last = {run: button.dataset.run, move: button.dataset.move};
  trigger('click', last);
});
watch('value', () => {
  if (!last) return;
  const usable = [...element.querySelectorAll(`button[data-run="${last.run}"]:not(:disabled)`)];
  (usable.find((button) => button.dataset.move === last.move) || usable[0])?.focus();
});
"""
REMEMBER = "(address) => { if (address) window.history.replaceState(window.history.state, '', address); }"


def page(lab: Lab) -> Page:
    """The page, to be rendered under a route."""
    with gr.Blocks() as blocks:
        run_id, sent = gr.State(""), gr.State({})
        cursor = pulse(lab, [run_id], lambda run: run_view.log_size(lab, run) if run else 0)
        note = gr.HTML(apply_default_css=False, visible=False)
        with gr.Column(visible=False) as listed:
            gr.HTML(
                parts.page_title("Runs", "Every run, what it is doing and what it forgot."),
                apply_default_css=False,
            )
            with gr.Row(elem_classes="lethe-filter"):
                text = gr.Textbox(label="Search", placeholder="name or id", scale=2, min_width=180)
                state = gr.Dropdown(list(STATES), value=ALL, label="State", min_width=120)
                kind = gr.Dropdown(list(KIND_CHOICES), value=ALL, label="Kind", min_width=120)
                order = gr.Dropdown(
                    [(words, key) for key, words in ORDERS.items()],
                    value="newest",
                    label="Sort",
                    min_width=120,
                )
            queue = gr.HTML(apply_default_css=False, js_on_load=MOVE_BY_BUTTON, visible=False)
            table = gr.HTML(apply_default_css=False)
        with gr.Column(visible=False, elem_classes="lethe-detail") as shown:
            one = detail(lab, run_id, sent)
        address = gr.Textbox(visible=False)
        filters = [state, kind, text, order]
        contents = [table, queue, *one.outputs]

        def filled(run: str, before: dict[str, str], chosen: Filter) -> dict[Any, Any]:
            return (
                one.updates(run, before)
                if run
                else _listed(lab, chosen, before, sent, {"table": table, "queue": queue})
            )

        def opened(request: gr.Request) -> dict[Any, Any]:
            query = dict(request.query_params)
            chosen, asked = Filter.read(query), query.get("run", "")
            run = asked if asked and run_view.exists(lab, asked) else ""
            values = (chosen.state, chosen.kind, chosen.text, chosen.order)
            found: dict[Any, Any] = dict(zip(filters, values, strict=True))
            found |= filled(run, {}, chosen) if run or not asked else {note: _unknown(asked)}
            visible = {listed: gr.update(visible=not asked), shown: gr.update(visible=bool(run))}
            return found | visible | {run_id: run}

        def refreshed(run: str, before: dict[str, str], *values: str) -> dict[Any, Any]:
            try:
                return filled(run, before, Filter(*values))
            except StorageError:
                return {sent: before}

        def narrowed(before: dict[str, str], *values: str) -> dict[Any, Any]:
            return filled("", before, Filter(*values)) | {address: Filter(*values).address()}

        def moved(event: gr.EventData, before: dict[str, str], *values: str) -> dict[Any, Any]:
            or_warning(lambda: runs.move(lab.engine, event.run, event.move), "It has left the queue")
            return filled("", before, Filter(*values))

        def deleted(run: str) -> dict[Any, Any]:
            words = or_error(lambda: run_actions.delete(lab, run))
            hidden = {
                shown: gr.update(visible=False),
                one.asking: gr.update(visible=False),
                listed: gr.update(visible=True),
            }
            return (
                filled("", {}, Filter()) | hidden | {note: _or_hidden(parts.notice(words)), run_id: "", address: PATH}
            )

        blocks.load(opened, None, [run_id, note, listed, shown, *filters, *contents], **QUIET)
        cursor.change(refreshed, [run_id, sent, *filters], contents, **QUIET)
        inputs = [text.input, state.input, kind.input, order.input]
        gr.on(
            inputs,
            narrowed,
            [sent, *filters],
            [sent, table, queue, address],
            trigger_mode="always_last",
            **QUIET,
        )
        queue.click(moved, [sent, *filters], [sent, table, queue], **QUIET)
        one.sure.click(deleted, run_id, [run_id, note, listed, shown, one.asking, address, sent, table, queue], **EVENT)
        address.change(None, address, None, js=REMEMBER, api_visibility="private")
    return Page(blocks, cursor)


def _listed(
    lab: Lab, chosen: Filter, before: dict[str, str], sent: gr.State, places: dict[str, gr.HTML]
) -> dict[Any, Any]:
    fresh, now = changed(before, {"table": runs_view.runs_table(lab, chosen), "queue": runs_view.queue(lab)})
    return {sent: now} | {places[name]: _or_hidden(content) for name, content in fresh.items()}


def _or_hidden(content: str) -> Any:
    return gr.update(value=content, visible=bool(content))


def _unknown(run_id: str) -> Any:
    return _or_hidden(
        parts.card(
            parts.empty(f"There is no run {run_id[:40]} here; it may have been deleted.", "/runs", "Show all runs")
        )
    )
