"""The Data page: who is in a benchmark, what is asked about them, and what a forget request takes.

Nothing is decided here: `ui/data_request.py` reads the address and counts, `ui/data_sections.py` draws,
`ui/data_adding.py` adds and removes. The address is the state; each event brings it and gets what has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl

import gradio as gr

from ui import data_adding, data_form, data_person, gallery
from ui.changes import changed
from ui.context import Lab
from ui.data_adding import Fault
from ui.data_request import PATH, View, settled
from ui.data_sections import sections
from ui.data_style import BACK, HERE, LARGE, MOVE, SCRIPT, SEARCH, SEARCH_BOX
from ui.data_style import CSS as OWN_CSS
from ui.parts import page_title
from ui.pictures import PictureRefused
from ui.pulse import QUIET, Page, pulse

__all__ = ["CSS", "PATH", "TITLE", "page"]

TITLE = "Data"
CSS = gallery.CSS + OWN_CSS
ABOUT = "Who is in a benchmark, what is asked about them, and what a forget request takes."
PRESSED = ("benchmarks", "portraits", "person", "items", "request")
"""The places that have controls of their own."""


def page(lab: Lab) -> Page:
    """The page, to be rendered under a route."""
    with gr.Blocks() as demo:
        cursor, sent = pulse(lab), gr.State({})
        gr.HTML(page_title("Data", ABOUT), apply_default_css=False)
        places: dict[str, Any] = {"note": _html(), "benchmarks": _html(js_on_load=SCRIPT + BACK)}
        removing = _Removing(places)
        with gr.Row(elem_classes="lethe-data", equal_height=False):
            with gr.Column(elem_classes="lethe-data-main"):
                search = _draw_people(places)
                for name in ("person", "items"):
                    places[name] = _html(
                        js_on_load=SCRIPT, html_template="${value}" + LARGE, server_functions=[_large(lab)],
                        elem_classes=f"lethe-{name}", visible=False,
                    )  # fmt: skip
            with gr.Column(elem_classes="lethe-data-side"):
                places["request"] = _html(js_on_load=SCRIPT, visible=False)
        adding, address, query = data_form.draw(), gr.Textbox(visible=False), gr.Textbox(visible=False)
        shown = [sent, *places.values()]

        def show(view: View, before: dict[str, str], note: str = "") -> dict[Any, Any]:
            fresh, seen = changed(before, sections(lab, view) | {"note": note})
            return {sent: seen} | _updates(places, fresh)

        def on_open(request: gr.Request) -> dict[Any, Any]:
            return show(View.read(dict(request.query_params)), {})

        def on_press(query: str, before: dict[str, str]) -> dict[Any, Any]:
            return show(_view(query), before) | {removing.asking: gr.update(visible=False)}

        def on_search(query: str, before: dict[str, str]) -> dict[Any, Any]:
            return show(_view(query), before)

        def on_sure(query: str, before: dict[str, str]) -> dict[Any, Any]:
            words = data_adding.remove(lab, settled(_view(query), lab).benchmark)
            return show(View(), before, words) | {removing.asking: gr.update(visible=False), address: PATH}

        def on_add(before: dict[str, str], *values: Any) -> Iterator[dict[Any, Any]]:
            form = adding.form(values)
            yield adding.told(data_adding.working(form))
            try:
                benchmark = data_adding.add(lab, form)
            except Fault as fault:
                yield adding.told("", fault)
                return
            view = View(benchmark=benchmark.name)
            there = {address: view.address(), adding.name: "", adding.fold: gr.update(open=False)}
            yield adding.told("") | show(view, before, data_adding.added(benchmark)) | there

        demo.load(on_open, None, shown, **QUIET)
        pressed = [places[name].click for name in PRESSED]
        latest: dict[str, Any] = QUIET | {"trigger_mode": "always_last"}
        gr.on(pressed, on_press, [query, sent], [*shown, removing.asking], js=HERE, **latest)
        search.input(on_search, [query, sent], shown, js=HERE, **latest)
        removing.bind(query, lambda words: settled(_view(words), lab).benchmark)
        removing.sure.click(on_sure, [query, sent], [*shown, removing.asking, address], js=HERE, **QUIET)
        told = [*adding.outputs, *shown, address, adding.name, adding.fold]
        adding.add.click(on_add, [sent, *adding.inputs], told, **data_form.SLOW)
        address.change(None, address, None, js=MOVE, api_visibility="private")
    return Page(demo, cursor)


def _html(**given: Any) -> gr.HTML:
    return gr.HTML(apply_default_css=False, **given)


def _view(query: str) -> View:
    return View.read(dict(parse_qsl(query)))


def _draw_people(places: dict[str, Any]) -> gr.HTML:
    with gr.Column(elem_classes="lethe-card", visible=False) as places["people"]:
        with gr.Row(elem_classes="lethe-people-head"):
            gr.HTML('<h2 class="lethe-card-title">People</h2>', apply_default_css=False)
            search = gr.HTML(SEARCH_BOX, js_on_load=SEARCH, apply_default_css=False)
        places["portraits"] = _html(js_on_load=SCRIPT, framed=[])
    return search


class _Removing:
    """The button that takes an added data set away, and the question before it."""

    def __init__(self, places: dict[str, Any]) -> None:
        with gr.Row(elem_classes="lethe-about-row", visible=False) as places["removable"]:
            places["about"] = _html()
            self.remove = gr.Button("Remove…", size="sm")
        with gr.Column(visible=False, elem_classes="lethe-ask") as self.asking:
            self.question = _html()
            with gr.Row(elem_classes="lethe-actions"):
                self.sure = gr.Button("Remove it", variant="stop", size="md")
                self.keep = gr.Button("Keep it", size="md")

    def bind(self, query: gr.Textbox, named: Callable[[str], str]) -> None:
        def ask(words: str) -> tuple[Any, Any]:
            return data_adding.question(named(words)), gr.update(visible=True)

        self.remove.click(ask, query, [self.question, self.asking], js=HERE, **QUIET)
        self.keep.click(lambda: gr.update(visible=False), None, self.asking, **QUIET)


def _updates(places: dict[str, Any], fresh: dict[str, Any]) -> dict[Any, Any]:
    """What is sent of the sections that have changed."""
    found: dict[Any, Any] = {}
    gallery_of: dict[str, Any] = {"framed": fresh.pop("framed")} if "framed" in fresh else {}
    if "portraits" in fresh:
        gallery_of["value"] = fresh.pop("portraits")
        found[places["people"]] = gr.update(visible=bool(gallery_of["value"]))
    if gallery_of:
        found[places["portraits"]] = gr.update(**gallery_of)
    for name, content in fresh.items():
        visible = content if isinstance(content, bool) else bool(content)
        found[places[name]] = gr.update(visible=visible, **({} if isinstance(content, bool) else {"value": content}))
    return found


def _large(lab: Lab) -> Callable[..., tuple[str, str]]:
    def large(asked: dict[str, Any]) -> tuple[str, str]:
        """A picture's address and caption; no address and one sentence where it cannot be shown."""
        benchmark = lab.benchmarks.get(str(asked.get("benchmark")))
        try:
            return data_person.large(benchmark, str(asked.get("person")), str(asked.get("kind")), asked.get("place"))
        except PictureRefused as refusal:
            return "", str(refusal)

    return large
