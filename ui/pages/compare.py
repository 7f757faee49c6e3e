"""Compare: models that were asked the same, as points, as a table, in pairs and under attack.

All that is chosen stands in the address, so it shows the same in another browser. One timer serves the page; a tick
sends the pieces that changed and nothing else. A person may choose something while a tick is on its way, so a tick
never writes the address: what it drew for an address that is no longer there is drawn anew.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gradio as gr

from backend.comparing.figures import Cell
from storage.errors import StorageError
from ui import compare_view, parts, takeaway
from ui.changes import changed
from ui.compare_state import ALL, SHOWN, State
from ui.compare_style import CSS, PRESS_JS, TIP_JS
from ui.context import Lab
from ui.pages.run import COPIED, COPY
from ui.pages.runs import REMEMBER
from ui.pulse import QUIET, Page, pulse

__all__ = ["CSS", "PATH", "TITLE", "page"]

PATH = "/compare"
TITLE = "Compare"
AXIS_WORDS = {"set": "Set", "task": "Task", "modality": "Asked", "metric": "Metric"}
ASKED = ((ALL, ALL), ("with the picture", "image_text"), ("as text", "text"))
CHOSEN = (
    "questions",
    "q",
    "fold",
    *(f"{axis}_{part}" for axis in "xy" for part in Cell._fields),
    "cols",
    "show",
    "a",
    "b",
)
NARROWED = ("set", "task", "asked")
HELD = ("sort", "kind", "page")
"""What has no control of its own: it is pressed in a table."""
BUTTONS = ("earlier", "later")


def page(lab: Lab) -> Page:
    """The page, to be rendered under a route."""
    with gr.Blocks() as blocks:
        cursor = pulse(lab)
        place = _head()
        place |= {name: gr.State(0 if name == "page" else "") for name in HELD} | {
            "sent": gr.State({}),
            "drawn_for": gr.State(""),
        }
        with gr.Column(visible=False) as place["body"]:
            _draw_choices(place)
            with gr.Row(elem_classes="lethe-grid-2 lethe-compare-top"):
                _draw_plane(place)
                _draw_scores(place)
            place["matrix"] = _html()
            with gr.Row(elem_classes="lethe-grid-2"):
                with gr.Column():
                    place["findings"] = _html()
                _draw_pair(place)
            _draw_items(place)
            with gr.Row(elem_classes="lethe-grid-2"):
                with gr.Column():
                    place["profile"] = _html()
                with gr.Column():
                    _draw_card(place, "curves", "Curves of A and B")
                    _draw_card(place, "spec", "Settings in which they differ")
        _wire(blocks, cursor, _Handlers(lab, place))
    return Page(blocks, cursor)


# -- what stands on the page ---


def _html(**given: Any) -> gr.HTML:
    return gr.HTML(apply_default_css=False, **given)


def _head() -> dict[str, Any]:
    """Title, what is compared, and at the right what can be done with it."""
    place: dict[str, Any] = {}
    with gr.Row(elem_classes="lethe-head"):
        with gr.Column(elem_classes="lethe-grow"):
            _html(value=parts.page_title(TITLE))
            place["head"] = _html()
        with gr.Row(elem_classes="lethe-actions"):
            place["report"] = gr.Button("Report on A and B", size="md")
            place["copy"] = gr.Button("Copy link", size="md")
    place["empty"], place["address"] = _html(visible=False), gr.Textbox(visible=False)
    return place


def _draw_choices(place: dict[str, Any]) -> None:
    with gr.Row(elem_classes="lethe-filter"):
        place["questions"] = gr.Dropdown([], label="Asked about", scale=2, min_width=200)
        place["q"] = gr.Textbox(label="Search models", placeholder="name, method or group", scale=2, min_width=180)
        place["show"] = gr.Dropdown([(words, key) for key, words in SHOWN.items()], label="Scores show", min_width=150)
        place["fold"] = gr.Checkbox(True, label="Fold seeds", container=False, elem_classes="lethe-fold-switch")
    with gr.Accordion("Axes and columns", open=False, elem_classes="lethe-more"):
        for axis, words in (("x", "Across"), ("y", "Up")):
            with gr.Row(elem_classes="lethe-filter"):
                for part in Cell._fields:
                    label = f"{words}: {AXIS_WORDS[part].lower()}"
                    place[f"{axis}_{part}"] = gr.Dropdown([], label=label, min_width=130)
        place["cols"] = gr.Dropdown([], label="Columns of the score table", multiselect=True)


def _draw_plane(place: dict[str, Any]) -> None:
    with gr.Column(elem_classes="lethe-card"):
        place["plot"] = _html(js_on_load=TIP_JS)
        with gr.Accordion("As a table", open=False, elem_classes="lethe-more"):
            place["points"] = _html(elem_classes="lethe-long")


def _draw_scores(place: dict[str, Any]) -> None:
    with gr.Column(elem_classes="lethe-card"):
        place["scores_title"] = _html()
        place["scores"] = _html(js_on_load=PRESS_JS, elem_classes="lethe-long lethe-tall")


def _draw_pair(place: dict[str, Any]) -> None:
    with gr.Column(elem_classes="lethe-card"):
        place["pair_head"] = _html()
        with gr.Row(elem_classes="lethe-filter"):
            for side in ("a", "b"):
                place[side] = gr.Dropdown([], label=side.upper(), min_width=220)
        with gr.Row(elem_classes="lethe-filter"):
            place["set"] = gr.Dropdown([ALL], label="Set", min_width=130)
            place["task"] = gr.Dropdown([ALL], label="Task", min_width=130)
            place["asked"] = gr.Dropdown(list(ASKED), value=ALL, label="Asked", min_width=130)
        place["changes"] = _html(js_on_load=PRESS_JS)


def _draw_items(place: dict[str, Any]) -> None:
    with gr.Column(elem_classes="lethe-card"):
        _html(value='<h2 class="lethe-card-title">Item by item</h2>')
        place["items"] = _html(elem_classes="lethe-items")
        with gr.Row(elem_classes="lethe-actions"):
            place["items_note"] = _html()
            place["earlier"] = gr.Button("Previous", size="md", interactive=False)
            place["later"] = gr.Button("Next", size="md", interactive=False)


def _draw_card(place: dict[str, Any], name: str, title: str) -> None:
    with gr.Column(elem_classes="lethe-card"):
        _html(value=f'<h2 class="lethe-card-title">{title}</h2>')
        place[name] = _html()


# -- what it does ---


class _Handlers:
    """Opened, refreshed, chosen, pressed, turned: each makes a state and shows it."""

    def __init__(self, lab: Lab, place: dict[str, Any]) -> None:
        self.lab, self.place = lab, place
        self.inputs = [place[name] for name in ("sent", "address", *HELD, *CHOSEN, *NARROWED)]
        silent = ("address", "copy", "report", "drawn_for")
        self.pieces = [one for name, one in place.items() if name not in (*silent, *HELD)]
        self.outputs = [place["address"], *(place[name] for name in HELD), *self.pieces]

    def opened(self, request: gr.Request) -> dict[Any, Any]:
        state = State.read(dict(request.query_params))
        return self.shown(state, None, {}) | self._typed(state)

    def refreshed(self, sent: dict[str, str], address: str) -> dict[Any, Any]:
        """What the address says, drawn anew: a control may still be on its way to the browser."""
        told = {self.place["drawn_for"]: address, self.place["sent"]: sent}
        if not address:
            return told
        try:
            return told | self._pieces(compare_view.look(self.lab, State.at(address), None), sent)
        except StorageError:
            return told

    def caught_up(self, sent: dict[str, str], address: str, drawn_for: str) -> dict[Any, Any]:
        """The pieces once more where something was chosen while they were being drawn."""
        return {self.place["sent"]: sent} if address == drawn_for else self.refreshed(sent, address)

    def chosen(self, sent: dict[str, str], address: str, *values: Any) -> dict[Any, Any]:
        return self.shown(replace(_state(values), page=0), State.at(address), sent)

    def searched(self, sent: dict[str, str], address: str, words: str) -> dict[Any, Any]:
        """The models narrowed to those words. A field tells of what the page itself put into it too."""
        now = State.at(address)
        if not address or words == now.q:
            return {self.place["sent"]: sent}
        return self.shown(replace(now, q=words, page=0), now, sent)

    def pressed(self, event: gr.EventData, sent: dict[str, str], address: str, *values: Any) -> dict[Any, Any]:
        state = replace(_state(values), page=0)
        if sort := getattr(event, "sort", ""):
            state = state.sorted_by(sort)
        if pick := getattr(event, "pick", ""):
            state = replace(state, **{pick: event.run})
        if kind := getattr(event, "kind", ""):
            state = replace(state, kind=ALL if state.kind == kind else kind)
        return self.shown(state, State.at(address), sent)

    def turned(self, by: int, sent: dict[str, str], address: str, *values: Any) -> dict[Any, Any]:
        state = _state(values)
        return self.shown(replace(state, page=max(0, state.page + by)), State.at(address), sent)

    def shown(self, state: State, before: State | None, sent: dict[str, str]) -> dict[Any, Any]:
        """What differs from what was sent, piece by piece, and the address of what is shown."""
        seen = compare_view.look(self.lab, state, before)
        held = {self.place[name]: getattr(seen.state, name) for name in HELD}
        return self._pieces(seen, sent) | held | {self.place["address"]: seen.state.address()}

    def _pieces(self, seen: compare_view.Seen, sent: dict[str, str]) -> dict[Any, Any]:
        fresh, now = changed(sent, compare_view.sections(self.lab, seen))
        return {self.place[name]: _update(name, content) for name, content in fresh.items()} | {self.place["sent"]: now}

    def _typed(self, state: State) -> dict[Any, Any]:
        """The controls that only a person changes, as the address has them."""
        return {self.place[name]: getattr(state, name) for name in ("q", "fold", "show", "asked")}


def _state(values: tuple[Any, ...]) -> State:
    """The state that the controls show, in the order of the inputs."""
    of = dict(zip((*HELD, *CHOSEN, *NARROWED), values, strict=True))
    benchmark, _, whom = (of["questions"] or "").partition("/")
    x, y = (Cell(*(of[f"{axis}_{part}"] or "" for part in Cell._fields)) for axis in "xy")
    columns = tuple(cell for one in of["cols"] or () if (cell := Cell.read(one)))
    plain: dict[str, Any] = {name: of[name] or "" for name in ("q", "show", "a", "b", "sort", "kind", *NARROWED)}
    return State(benchmark, whom, x=x, y=y, fold=bool(of["fold"]), cols=columns, page=int(of["page"] or 0), **plain)


def _update(name: str, content: Any) -> Any:
    if isinstance(content, dict):
        return gr.update(**content)
    if isinstance(content, bool):
        return gr.update(interactive=content) if name in BUTTONS else gr.update(visible=content)
    return gr.update(value=content, visible=bool(content))


def _wire(blocks: gr.Blocks, cursor: gr.Textbox, does: _Handlers) -> None:
    place = does.place
    blocks.load(does.opened, None, does.outputs, **QUIET)
    ticked = [place["drawn_for"], *does.pieces]
    cursor.change(does.refreshed, does.inputs[:2], ticked, **QUIET).then(
        does.caught_up, [*does.inputs[:2], place["drawn_for"]], ticked, **QUIET
    )
    place["q"].change(does.searched, [*does.inputs[:2], place["q"]], does.outputs, trigger_mode="always_last", **QUIET)
    choices = [place[name].input for name in (*CHOSEN, *NARROWED) if name != "q"]
    gr.on(choices, does.chosen, does.inputs, does.outputs, trigger_mode="always_last", **QUIET)
    for name in ("scores", "changes"):
        place[name].click(does.pressed, does.inputs, does.outputs, **QUIET)
    for name, by in (("earlier", -1), ("later", 1)):
        place[name].click(lambda *values, by=by: does.turned(by, *values), does.inputs, does.outputs, **QUIET)
    place["address"].change(None, place["address"], None, js=REMEMBER, api_visibility="private")
    takeaway.offer(does.lab, place["report"], [place["a"], place["b"]], takeaway.report_file)
    place["copy"].click(None, None, place["copy"], js=COPY, api_visibility="private").then(
        None, None, place["copy"], js=COPIED, api_visibility="private"
    )
