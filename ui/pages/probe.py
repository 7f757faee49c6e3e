"""The probe: one question, one picture, up to four models side by side.

Asking streams from the worker through `ui/exchange.py`; everything else on the page only reads. What stands
on the page comes from its address (`?probe=`, `?item=`, `?run=`) and goes back into it, so a reload changes
nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import gradio as gr
from markupsafe import Markup

from ui import asking, parts, probe_tables, probe_view
from ui.askable import models_of
from ui.asking import View
from ui.changes import changed
from ui.context import Lab
from ui.probe_style import ADDRESS_JS, COPY_JS, CSS, KEYS_JS, THUMBS_JS
from ui.probe_view import Panel
from ui.pulse import QUIET, Page, pulse

__all__ = ["CSS", "PATH", "TITLE", "page"]

PATH = "/probe"
TITLE = "Probe"
KEYS = '<p class="lethe-keys lethe-muted"><kbd>Ctrl</kbd>+<kbd>Enter</kbd> asks · <kbd>Esc</kbd> stops</p>'
UNHURRIED: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": None}
ASKING: dict[str, Any] = {
    "show_progress": "hidden",
    "api_visibility": "private",
    "concurrency_id": "probe",
    "concurrency_limit": 4,
}


def page(lab: Lab) -> Page:
    """The page, to be rendered under a route."""
    with gr.Blocks() as blocks:
        gr.HTML(
            parts.page_title(TITLE, "Ask the same question of up to four models, with the same picture."),
            apply_default_css=False,
        )
        with gr.Row(elem_classes="lethe-probe"):
            with gr.Column(elem_classes="lethe-card lethe-probe-form"):
                form = _form()
            with gr.Column(elem_classes="lethe-replies"):
                out = _results()
        cursor = pulse(lab, watched=lambda: probe_view.can_answer(lab))
        _wire(lab, blocks, form, out)
        _watch(lab, form, out, cursor)
    return Page(blocks, cursor)


# -- what stands on the page -----------------------------------------------------------------------


def _form() -> dict[str, Any]:
    """The left column: whom, which models, what, how."""
    f: dict[str, Any] = {}
    f["subject"] = gr.HTML(apply_default_css=False, elem_classes="lethe-subject-holder")
    with gr.Row(elem_classes="lethe-tight lethe-choose"):
        f["thumbs"] = gr.HTML(apply_default_css=False, js_on_load=THUMBS_JS, chosen="", forgotten=[], min_width=120)
        f["upload"] = gr.UploadButton("Upload", file_types=["image"], elem_id="lethe-upload", min_width=76, scale=0)
    with gr.Row(elem_classes="lethe-tight"):
        f["person"] = gr.Dropdown([], label="Person", elem_id="lethe-person", min_width=130)
        f["picture"] = gr.Dropdown([], label="Picture", elem_id="lethe-picture", min_width=130)
    f["models"] = gr.CheckboxGroup([], label="Models", elem_id="lethe-models", elem_classes="lethe-models")
    f["more"] = gr.Dropdown([], label="Add another model", visible=False)
    ways = [("with the picture", False), ("by name, as text", True)]
    f["by_name"] = gr.Radio(ways, value=False, label="How to ask", elem_id="lethe-way", elem_classes="lethe-way")
    f["questions"] = gr.Dropdown([], label="Question: one of the benchmark's, or your own", elem_id="lethe-questions")
    f["question"] = gr.Textbox(
        label="Question",
        show_label=False,
        lines=2,
        max_lines=6,
        elem_id="lethe-question",
        placeholder="Type a question",
    )
    f["attack"] = gr.Dropdown(_attack_choices(), value="", label="Attack prompt", elem_id="lethe-attack")
    f["notice"] = gr.HTML(apply_default_css=False, elem_classes="lethe-maybe")
    with gr.Column(elem_classes="lethe-probe-foot"):
        f["fault"] = gr.HTML(apply_default_css=False, elem_classes="lethe-maybe")
        with gr.Row(elem_classes="lethe-tight lethe-probe-actions"):
            f["ask"] = gr.Button("Ask", variant="primary", elem_id="lethe-ask", min_width=70, scale=0, size="md")
            f["stop"] = gr.Button("Stop", elem_id="lethe-stop", min_width=70, scale=0, size="md", interactive=False)
            f["copy"] = gr.Button("Copy link", elem_id="lethe-copy", min_width=90, scale=0, size="md")
    gr.HTML(KEYS, apply_default_css=False, js_on_load=KEYS_JS)
    with gr.Accordion(_decoding_words(View()), open=False, elem_classes="lethe-decoding") as f["decoding"]:
        f["sample"] = gr.Radio(
            [("greedy", False), ("sampled", True)],
            value=False,
            label="Decoding",
            info="Greedy takes the likeliest token each time.",
        )
        f["temperature"] = gr.Slider(
            0.1,
            2.0,
            1.0,
            step=0.1,
            label="Temperature",
            info="Only when sampled. Usual: 0.7 to 1.",
            interactive=False,
        )
        with gr.Row(elem_classes="lethe-tight"):
            f["seed"] = gr.Number(0, label="Seed", precision=None, min_width=110)
            f["tokens"] = gr.Number(32, label="Longest answer (tokens)", min_width=110)
    return f


def _results() -> dict[str, Any]:
    """The right column: what came of it."""
    out: dict[str, Any] = {}
    out["cards"] = gr.HTML(apply_default_css=False, elem_classes="lethe-cards")
    with gr.Column(elem_classes="lethe-card lethe-attacks"):
        with gr.Row(elem_classes="lethe-tight lethe-attacks-head"):
            out["attacks_head"] = gr.HTML(apply_default_css=False)
            out["sweep"] = gr.Button(
                f"Ask all {len(probe_tables.attack_names())}",
                size="sm",
                scale=0,
                min_width=110,
                elem_id="lethe-sweep",
            )
        out["attacks"] = gr.HTML(apply_default_css=False)
    out["history"] = gr.HTML(apply_default_css=False)
    out["address"] = gr.HTML("", apply_default_css=False, js_on_load=ADDRESS_JS, elem_classes="lethe-address")
    out["standing"], out["sent"] = gr.State({}), gr.State({})
    return out


def _attack_choices() -> list[tuple[str, str]]:
    named = [(f"{attack.title} — {attack.tests}", name) for name, attack in probe_tables.ATTACKS.items()]
    return [("none — the question as it stands", ""), *named]


def _decoding_words(view: View) -> str:
    way = f"sampled at {view.temperature}" if view.sample else "greedy"
    return f"Decoding: {way} · seed {view.seed or 0:.0f} · {view.max_new_tokens or 0:.0f} tokens"


# -- how it hangs together -------------------------------------------------------------------------


def _wire(lab: Lab, blocks: gr.Blocks, f: dict[str, Any], out: dict[str, Any]) -> None:
    """Every event of the page.

    A handler reads its inputs, calls one function of `probe_view` and returns updates.
    """
    names = (
        "models",
        "person",
        "picture",
        "by_name",
        "question",
        "attack",
        "sample",
        "temperature",
        "seed",
        "tokens",
    )
    inputs = [f[name] for name in names]
    left = [*f.values(), out["address"]]
    right = [f["stop"], f["fault"], *out.values()]
    both = [*f.values(), *out.values()]

    def named(updates: dict[str, Any]) -> dict[Any, Any]:
        return {(f[name] if name in f else out[name]): value for name, value in updates.items()}

    def show(view: View, before: View | None = None, fault: str = "") -> dict[Any, Any]:
        panel = probe_view.panel(lab, view, models_of(lab))
        return named(_panel_updates(panel, before) | {"fault": parts.error(fault) if fault else ""})

    def arrive(request: gr.Request) -> dict[Any, Any]:
        view, sections = probe_view.arrival(lab, dict(request.query_params))
        panel = probe_view.panel(lab, view, models_of(lab))
        portraits = gr.HTML(probe_view.portraits(lab, view), chosen=view.person or "", forgotten=panel.forgotten)
        rest = {"notice": probe_view.notice(lab), "thumbs": portraits}
        return named(_panel_updates(panel, None) | _decoding_updates(view) | _section_updates(sections) | rest)

    def moved(*values: Any) -> dict[Any, Any]:
        return show(_view(values), _view(values))

    def typed(listed: str | None, *values: Any) -> Any:
        view = _view(values)
        known = asking.question_called(asking.questions_of(lab, view.person, view.by_name), view.question)
        return gr.skip() if (known.text if known else None) == listed else show(view, view)

    def another_person(*values: Any) -> dict[Any, Any]:
        view = _view(values)
        return show(asking.of_person(lab, view, view.person), view)

    def thumb(event: gr.EventData, *values: Any) -> dict[Any, Any]:
        view = _view(values)
        return show(asking.of_person(lab, view, event.person), view)

    def another_way(*values: Any) -> dict[Any, Any]:
        view = _view(values)
        return show(asking.by_name_or_picture(lab, replace(view, by_name=not view.by_name), view.by_name), view)

    def question_chosen(text: str | None, *values: Any) -> dict[Any, Any]:
        return show(replace(_view(values), question=text or ""), _view(values))

    def uploaded(path: str, *values: Any) -> dict[Any, Any]:
        view, fault = probe_view.with_upload(lab, path, _view(values))
        return show(view, _view(values), fault)

    def models_changed(added: str | None, *values: Any) -> dict[Any, Any]:
        view, fault = probe_view.with_models(_view(values), added)
        return show(view, _view(values), fault)

    def decoding_changed(*values: Any) -> tuple[Any, Any]:
        updates = _decoding_updates(_view(values))
        return updates["decoding"], updates["temperature"]

    def ask(*values: Any) -> Iterator[dict[Any, Any]]:
        yield from (named(_section_updates(sections)) for sections in probe_view.ask(lab, _view(values)))

    def sweep(*values: Any) -> Iterator[dict[Any, Any]]:
        yield from (named(_section_updates(sections)) for sections in probe_view.sweep(lab, _view(values)))

    def stopped(standing: dict[str, Any]) -> dict[Any, Any]:
        return named(_section_updates(probe_view.stopped(lab, standing)))

    blocks.load(arrive, None, both, **UNHURRIED)
    f["thumbs"].click(thumb, inputs, left, **UNHURRIED)
    f["person"].input(another_person, inputs, left, **UNHURRIED)
    f["picture"].input(moved, inputs, left, **UNHURRIED)
    f["question"].blur(typed, [f["questions"], *inputs], left, **UNHURRIED)
    f["by_name"].input(another_way, inputs, left, **UNHURRIED)
    f["questions"].input(question_chosen, [f["questions"], *inputs], left, **UNHURRIED)
    f["upload"].upload(uploaded, [f["upload"], *inputs], left, **UNHURRIED)
    f["models"].input(models_changed, [gr.State(None), *inputs], left, **UNHURRIED)
    f["more"].input(models_changed, [f["more"], *inputs], left, **UNHURRIED)
    for name in ("sample", "temperature", "seed", "tokens"):
        f[name].input(decoding_changed, inputs, [f["decoding"], f["temperature"]], **UNHURRIED)
    asks = f["ask"].click(ask, inputs, right, **ASKING)
    sweeps = out["sweep"].click(sweep, inputs, right, **ASKING)
    f["stop"].click(stopped, [out["standing"]], right, cancels=[asks, sweeps], **UNHURRIED)
    f["copy"].click(None, None, None, js=COPY_JS, api_visibility="private")


def _watch(lab: Lab, f: dict[str, Any], out: dict[str, Any], cursor: gr.Textbox) -> None:
    """New models, new probes, and a worker that came or went."""

    def look(sent: dict[str, str], models: list[str]) -> Any:
        fresh, digests = changed(sent, probe_view.news(lab, tuple(models)))
        choices = gr.CheckboxGroup(fresh["models"]) if "models" in fresh else gr.skip()
        more = gr.Dropdown(fresh["more"], visible=bool(fresh["more"])) if "more" in fresh else gr.skip()
        return digests, choices, more, fresh.get("notice", gr.skip()), fresh.get("history", gr.skip())

    outputs = [out["sent"], f["models"], f["more"], f["notice"], out["history"]]
    cursor.change(look, [out["sent"], f["models"]], outputs, **QUIET)


def _view(values: Sequence[Any]) -> View:
    """The inputs, in the order in which `_wire` names them."""
    models, person, picture, by_name, question, attack, *decoding = values
    return View(tuple(models or ()), person, picture, bool(by_name), question or "", attack or None, *decoding)


def _panel_updates(panel: Panel, before: View | None) -> dict[str, Any]:
    """The left column. A value is only sent where it is another than the page has, so that typing is never
    undone.
    """
    view = panel.view

    def value(name: str) -> dict[str, Any]:
        now = getattr(view, name)
        same = before is not None and getattr(before, name) == now
        return {} if same else {"value": list(now) if isinstance(now, tuple) else now}

    return {
        "subject": panel.subject,
        "thumbs": gr.HTML(chosen=view.person or "", forgotten=panel.forgotten),
        "person": gr.Dropdown(panel.people, **value("person")),
        "picture": gr.Dropdown(panel.pictures, interactive=not view.by_name, **value("picture")),
        "models": gr.CheckboxGroup(panel.models, value=list(view.models)),
        "more": gr.Dropdown(panel.more, value=None, visible=bool(panel.more)),
        "by_name": gr.Radio(**value("by_name")),
        "questions": gr.Dropdown(panel.questions, value=panel.question, visible=bool(panel.questions)),
        "question": gr.Textbox(show_label=not panel.questions, **value("question")),
        "address": Markup('<span data-query="{}"></span>').format(panel.address),
    }


def _decoding_updates(view: View) -> dict[str, Any]:
    """Attack prompt and decoding; the words on the closed fold say what is set inside."""
    return {
        "attack": gr.Dropdown(value=view.attack or ""),
        "sample": gr.Radio(value=view.sample),
        "temperature": gr.Slider(value=view.temperature, interactive=view.sample),
        "seed": gr.Number(value=view.seed),
        "tokens": gr.Number(value=view.max_new_tokens),
        "decoding": gr.Accordion(label=_decoding_words(view)),
    }


def _section_updates(sections: dict[str, Any]) -> dict[str, Any]:
    """The right column, and whether there is anything to stop."""
    updates = dict(sections)
    if "busy" in updates:
        updates["stop"] = gr.Button(interactive=updates.pop("busy"))
    if "address" in updates:
        updates["address"] = Markup('<span data-query="{}"></span>').format(updates["address"])
    return updates
