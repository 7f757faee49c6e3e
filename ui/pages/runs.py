"""All runs, and one of them: `/runs` lists, `/runs?run=ID` shows.

One timer serves both; a tick that finds nothing new sends nothing.
"""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

import gradio as gr
from markupsafe import Markup

from storage import runs
from storage.errors import StorageError
from ui import group_view, parts, run_actions, run_style, run_view, runs_view
from ui.changes import changed
from ui.context import Lab
from ui.pages.run import EVENT, Detail, detail, or_error, or_warning
from ui.pulse import QUIET, Page, pulse
from ui.runs_view import ALL, KIND_CHOICES, ORDERS, STATES, Filter

PATH = "/runs"
TITLE = "Runs"
CSS = run_style.CSS
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
            filters, queue, group, table = _draw_list()
        with gr.Column(visible=False, elem_classes="lethe-detail") as shown:
            one = detail(lab, run_id, sent)
        address = gr.Textbox(visible=False)
        places = {"note": note, "listed": listed, "shown": shown, "queue": queue, "table": table, "address": address}
        places["group"] = group
        _wire(blocks, cursor, _Handlers(lab, one, run_id, sent, filters, places))
    return Page(blocks, cursor)


def _draw_list() -> tuple[list[Any], gr.HTML, gr.HTML, gr.HTML]:
    """The filters in the order of `Filter`'s fields, the queue, a group's table and the table."""
    gr.HTML(parts.page_title("Runs", "Every run, what it is doing and what it forgot."), apply_default_css=False)
    with gr.Row(elem_classes="lethe-filter"):
        text = gr.Textbox(label="Search", placeholder="name or id", scale=2, min_width=180)
        state = gr.Dropdown(list(STATES), value=ALL, label="State", min_width=120)
        kind = gr.Dropdown(list(KIND_CHOICES), value=ALL, label="Kind", min_width=120)
        orders = [(words, key) for key, words in ORDERS.items()]
        order = gr.Dropdown(orders, value="newest", label="Sort", min_width=120)
    queue = gr.HTML(apply_default_css=False, js_on_load=MOVE_BY_BUTTON, visible=False)
    group = gr.HTML(apply_default_css=False, visible=False)
    return [state, kind, text, order, gr.State("")], queue, group, gr.HTML(apply_default_css=False)


class _Handlers:
    """What the page does: the list or one run, filled in, narrowed, moved in the queue, deleted."""

    def __init__(
        self, lab: Lab, one: Detail, run_id: gr.State, sent: gr.State, filters: list[Any], places: dict[str, Any]
    ) -> None:
        self.lab, self.one, self.run_id, self.sent, self.filters, self.places = lab, one, run_id, sent, filters, places

    def filled(self, run: str, before: dict[str, str], chosen: Filter) -> dict[Any, Any]:
        """What has changed of the run that is shown, else of the list."""
        if run:
            return self.one.updates(run, before)
        content = {"table": runs_view.runs_table(self.lab, chosen), "queue": runs_view.queue(self.lab)}
        content["group"] = group_view.summary(self.lab, chosen.group) if chosen.group else Markup("")
        fresh, now = changed(before, content)
        return {self.sent: now} | {self.places[name]: _or_hidden(words) for name, words in fresh.items()}

    def opened(self, request: gr.Request) -> dict[Any, Any]:
        query = dict(request.query_params)
        chosen, asked = Filter.read(query), query.get("run", "")
        run = run_view.meant(self.lab, asked)
        found: dict[Any, Any] = dict(zip(self.filters, astuple(chosen), strict=True))
        found |= self.filled(run, {}, chosen) if run or not asked else {self.places["note"]: _unknown(asked)}
        return found | self._seen(listed=not asked, shown=bool(run)) | {self.run_id: run}

    def refreshed(self, run: str, before: dict[str, str], *values: str) -> dict[Any, Any]:
        try:
            return self.filled(run, before, Filter(*values))
        except StorageError:
            return {self.sent: before}

    def narrowed(self, run: str, before: dict[str, str], *values: str) -> dict[Any, Any]:
        if run:  # a run's page is opened with the filters of its address, which narrow nothing there
            return {self.sent: before}
        chosen = Filter(*values)
        return self.filled("", before, chosen) | {self.places["address"]: chosen.address()}

    def moved(self, event: gr.EventData, before: dict[str, str], *values: str) -> dict[Any, Any]:
        or_warning(lambda: runs.move(self.lab.engine, event.run, event.move), "It has left the queue")
        return self.filled("", before, Filter(*values))

    def deleted(self, run: str) -> dict[Any, Any]:
        words = or_error(lambda: run_actions.delete(self.lab, run))
        told = {self.places["note"]: _or_hidden(parts.notice(words)), self.places["address"]: PATH, self.run_id: ""}
        hidden = self._seen(listed=True, shown=False) | {self.one.asking: gr.update(visible=False)}
        return self.filled("", {}, Filter()) | hidden | told

    def _seen(self, *, listed: bool, shown: bool) -> dict[Any, Any]:
        return {self.places["listed"]: gr.update(visible=listed), self.places["shown"]: gr.update(visible=shown)}


def _wire(blocks: gr.Blocks, cursor: gr.Textbox, does: _Handlers) -> None:
    place, one, filters = does.places, does.one, does.filters
    contents = [place["table"], place["queue"], place["group"], *one.outputs]
    seen = [does.run_id, place["note"], place["listed"], place["shown"]]
    blocks.load(does.opened, None, [*seen, *filters, *contents], **QUIET)
    cursor.change(does.refreshed, [does.run_id, does.sent, *filters], contents, **QUIET)
    state, kind, text, order, _ = filters
    gr.on(
        # a textbox's `input` does not tell of letters that are deleted
        [text.change, state.input, kind.input, order.input],
        does.narrowed,
        [does.run_id, does.sent, *filters],
        [does.sent, place["table"], place["queue"], place["group"], place["address"]],
        trigger_mode="always_last",
        **QUIET,
    )
    listed = [does.sent, place["table"], place["queue"], place["group"]]
    place["queue"].click(does.moved, [does.sent, *filters], listed, **QUIET)
    one.sure.click(does.deleted, does.run_id, [*seen, one.asking, place["address"], *listed], **EVENT)
    place["address"].change(None, place["address"], None, js=REMEMBER, api_visibility="private")


def _or_hidden(content: str) -> Any:
    return gr.update(value=content, visible=bool(content))


def _unknown(run_id: str) -> Any:
    return _or_hidden(
        parts.card(
            parts.empty(f"There is no run {run_id[:40]} here; it may have been deleted.", "/runs", "Show all runs")
        )
    )
