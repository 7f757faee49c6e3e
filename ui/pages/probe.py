"""The probe: one question, one picture, up to four models side by side.

Asking streams from the worker through `ui/exchange.py`; everything else on the page only reads. What stands
on the page comes from its address (`?probe=`, or `?item=`, `?benchmark=`, `?run=`) and goes back into it, so a
reload changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import gradio as gr
from markupsafe import Markup

from ui import asking, dial, parts, probe_tables, probe_view
from ui.askable import models_of
from ui.asking import View
from ui.changes import changed
from ui.context import Lab
from ui.probe_style import ADDRESS_JS, COPY_JS, KEYS_JS, THUMBS_JS
from ui.probe_style import CSS as STYLE
from ui.probe_view import Panel
from ui.pulse import QUIET, Page, pulse
from ui.subjects import question_called

__all__ = ["CSS", "PATH", "TITLE", "page"]

PATH = "/probe"
TITLE = "Probe"
CSS = STYLE + dial.CSS
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
        does = _Handlers(lab, form, out)
        blocks.load(does.arrive, None, [*form.values(), *out.values()], **UNHURRIED)
        _wire_form(does)
        _wire_asking(does)
        _watch(lab, form, out, cursor)
    return Page(blocks, cursor)


# -- what stands on the page -----------------------------------------------------------------------


def _form() -> dict[str, Any]:
    """The left column: whom, which models, what, how."""
    f: dict[str, Any] = {}
    _draw_person(f)
    f["models"] = gr.CheckboxGroup([], label="Models", elem_id="lethe-models", elem_classes="lethe-models")
    f["more"] = gr.Dropdown([], label="Add another model", visible=False)
    _draw_question(f)
    gr.HTML(KEYS, apply_default_css=False, js_on_load=KEYS_JS)
    _draw_decoding(f)
    return f


def _draw_person(f: dict[str, Any]) -> None:
    f["subject"] = gr.HTML(apply_default_css=False, elem_classes="lethe-subject-holder")
    f["benchmarks"] = gr.Dropdown([], label="Benchmark", elem_id="lethe-benchmark", visible=False)
    f["absent"] = gr.HTML(apply_default_css=False, elem_classes="lethe-maybe")
    # what is shown, and whether a person chose it: a page that outlives the server still knows
    f["benchmark"], f["held"] = gr.Textbox(visible=False), gr.Checkbox(visible=False)
    with gr.Row(elem_classes="lethe-tight lethe-choose"):
        f["thumbs"] = gr.HTML(apply_default_css=False, js_on_load=THUMBS_JS, chosen="", forgotten=[], min_width=120)
        f["upload"] = gr.UploadButton("Upload", file_types=["image"], elem_id="lethe-upload", min_width=76, scale=0)
    with gr.Row(elem_classes="lethe-tight"):
        f["person"] = gr.Dropdown([], label="Person", elem_id="lethe-person", min_width=130)
        f["picture"] = gr.Dropdown([], label="Picture", elem_id="lethe-picture", min_width=130)


def _draw_question(f: dict[str, Any]) -> None:
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


def _draw_decoding(f: dict[str, Any]) -> None:
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


def _results() -> dict[str, Any]:
    """The right column: what came of it."""
    out: dict[str, Any] = {}
    out["nothing_yet"] = gr.HTML(apply_default_css=False, elem_classes="lethe-maybe")
    out["cards"] = gr.HTML(apply_default_css=False, elem_classes="lethe-cards lethe-maybe")
    _draw_dial(out)
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


def _draw_dial(out: dict[str, Any]) -> None:
    with gr.Column(elem_classes="lethe-card lethe-attacks"):
        with gr.Row(elem_classes="lethe-tight lethe-attacks-head"):
            out["dial_head"] = gr.HTML(apply_default_css=False)
            out["whole_dial"] = gr.Button("Ask at all", size="sm", scale=0, min_width=110, elem_id="lethe-whole-dial")
        out["scale"] = gr.Slider(
            dial.SCALES[0],
            dial.SCALES[-1],
            1.0,
            step=0.25,
            label="Strength of the adapter",
            info="0 is off, 1 as it was trained. Letting go asks the question again.",
            elem_id="lethe-scale",
        )
        out["dial"] = gr.HTML(apply_default_css=False, elem_classes="lethe-maybe")
    out["points"] = gr.State({})


def _attack_choices() -> list[tuple[str, str]]:
    return probe_tables.attack_choices()


def _decoding_words(view: View) -> str:
    way = f"sampled at {view.temperature}" if view.sample else "greedy"
    return f"Decoding: {way} · seed {view.seed or 0:.0f} · {view.max_new_tokens or 0:.0f} tokens"


# -- how it hangs together -------------------------------------------------------------------------


SET = (
    "models", "person", "picture", "by_name", "question", "attack", "sample", "temperature", "seed", "tokens",
    "benchmark", "held",
)  # fmt: skip
"""The controls that make a `View`, in the order of its fields."""


class _Handlers:
    """What the page does: a handler reads its inputs, calls one function that knows no page, and returns updates."""

    def __init__(self, lab: Lab, form: dict[str, Any], out: dict[str, Any]) -> None:
        self.lab, self.form, self.out = lab, form, out
        self.inputs = [form[name] for name in SET]
        self.left = [*form.values(), out["address"], out["nothing_yet"], out["dial_head"]]
        self.right = [form["stop"], form["fault"], *out.values()]

    def named(self, updates: dict[str, Any]) -> dict[Any, Any]:
        """Updates by name as updates by component."""
        return {(self.form[name] if name in self.form else self.out[name]): value for name, value in updates.items()}

    def show(self, view: View, before: View, fault: str = "") -> dict[Any, Any]:
        """The left column for a view; the portraits only where they are of another benchmark than before."""
        panel = probe_view.panel(self.lab, view, models_of(self.lab))
        updates = _panel_updates(panel, before) | {"fault": parts.error(fault) if fault else ""}
        updates["dial_head"] = dial.head(self.lab, view)
        if view.benchmark != before.benchmark:
            updates["thumbs"] = _portraits(self.lab, panel)
        return self.named(updates)

    def arrive(self, request: gr.Request) -> dict[Any, Any]:
        view, sections = probe_view.arrival(self.lab, dict(request.query_params))
        panel = probe_view.panel(self.lab, view, models_of(self.lab))
        rest = {"notice": probe_view.notice(self.lab), "thumbs": _portraits(self.lab, panel)}
        rest["dial_head"] = dial.head(self.lab, view)
        return self.named(_panel_updates(panel, None) | _decoding_updates(view) | _section_updates(sections) | rest)

    # -- the form --

    def moved(self, *values: Any) -> dict[Any, Any]:
        return self.show(_view(values), _view(values))

    def typed(self, listed: str | None, *values: Any) -> Any:
        view = _view(values)
        known = question_called(asking.questions_of(self.lab, view), view.question)
        return gr.skip() if (known.text if known else None) == listed else self.show(view, view)

    def another_person(self, *values: Any) -> dict[Any, Any]:
        view = _view(values)
        return self.show(asking.of_person(self.lab, view, view.person), view)

    def thumb(self, event: gr.EventData, *values: Any) -> dict[Any, Any]:
        view = _view(values)
        return self.show(asking.of_person(self.lab, view, event.person), view)

    def another_way(self, *values: Any) -> dict[Any, Any]:
        view = _view(values)
        before = replace(view, by_name=not view.by_name)
        return self.show(asking.by_name_or_picture(self.lab, before, view.by_name), view)

    def question_chosen(self, text: str | None, *values: Any) -> dict[Any, Any]:
        return self.show(replace(_view(values), question=text or ""), _view(values))

    def uploaded(self, path: str, *values: Any) -> dict[Any, Any]:
        view, fault = probe_view.with_upload(self.lab, path, _view(values))
        return self.show(view, _view(values), fault)

    def models_changed(self, added: str | None, *values: Any) -> dict[Any, Any]:
        view, fault = probe_view.with_models(_view(values), added)
        return self.show(asking.follow(self.lab, view, models_of(self.lab)), _view(values), fault)

    def benchmark_chosen(self, name: str | None, *values: Any) -> dict[Any, Any]:
        view = _view(values)
        return self.show(asking.in_benchmark(self.lab, view, name or "", models_of(self.lab)), view)

    def decoding_changed(self, *values: Any) -> tuple[Any, Any]:
        updates = _decoding_updates(_view(values))
        return updates["decoding"], updates["temperature"]

    # -- asking --

    def ask(self, *values: Any) -> Iterator[dict[Any, Any]]:
        yield from (self.named(_section_updates(sections)) for sections in probe_view.ask(self.lab, _view(values)))

    def sweep(self, *values: Any) -> Iterator[dict[Any, Any]]:
        yield from (self.named(_section_updates(sections)) for sections in probe_view.sweep(self.lab, _view(values)))

    def turned(self, scale: float, points: dict[str, Any], *values: Any) -> Iterator[dict[Any, Any]]:
        steps = dial.asked(self.lab, _view(values), [scale], points)
        yield from (self.named(_section_updates(sections)) for sections in steps)

    def whole_dial(self, points: dict[str, Any], *values: Any) -> Iterator[dict[Any, Any]]:
        steps = dial.asked(self.lab, _view(values), dial.SCALES, points)
        yield from (self.named(_section_updates(sections)) for sections in steps)

    def stopped(self, standing: dict[str, Any]) -> dict[Any, Any]:
        return self.named(_section_updates(probe_view.stopped(self.lab, standing)))


def _wire_form(does: _Handlers) -> None:
    """A change on the left draws the left column again."""
    f, inputs, left = does.form, does.inputs, does.left
    f["thumbs"].click(does.thumb, inputs, left, **UNHURRIED)
    f["person"].input(does.another_person, inputs, left, **UNHURRIED)
    f["picture"].input(does.moved, inputs, left, **UNHURRIED)
    f["benchmarks"].input(does.benchmark_chosen, [f["benchmarks"], *inputs], left, **UNHURRIED)
    f["question"].blur(does.typed, [f["questions"], *inputs], left, **UNHURRIED)
    f["by_name"].input(does.another_way, inputs, left, **UNHURRIED)
    f["questions"].input(does.question_chosen, [f["questions"], *inputs], left, **UNHURRIED)
    f["upload"].upload(does.uploaded, [f["upload"], *inputs], left, **UNHURRIED)
    f["models"].input(does.models_changed, [gr.State(None), *inputs], left, **UNHURRIED)
    f["more"].input(does.models_changed, [f["more"], *inputs], left, **UNHURRIED)
    for name in ("sample", "temperature", "seed", "tokens"):
        f[name].input(does.decoding_changed, inputs, [f["decoding"], f["temperature"]], **UNHURRIED)


def _wire_asking(does: _Handlers) -> None:
    """What asks, and what stops it."""
    f, out = does.form, does.out
    asks = f["ask"].click(does.ask, does.inputs, does.right, **ASKING)
    sweeps = out["sweep"].click(does.sweep, does.inputs, does.right, **ASKING)
    dials = [
        out["scale"].release(
            does.turned, [out["scale"], out["points"], *does.inputs], does.right, trigger_mode="always_last", **ASKING
        ),
        out["whole_dial"].click(does.whole_dial, [out["points"], *does.inputs], does.right, **ASKING),
    ]
    f["stop"].click(does.stopped, [out["standing"]], does.right, cancels=[asks, sweeps, *dials], **UNHURRIED)
    f["copy"].click(None, None, None, js=COPY_JS, api_visibility="private")


def _watch(lab: Lab, f: dict[str, Any], out: dict[str, Any], cursor: gr.Textbox) -> None:
    """New models, new probes, and a worker that came or went."""

    def look(sent: dict[str, str], models: list[str], missing: str | None) -> Any:
        fresh, digests = changed(sent, probe_view.news(lab, tuple(models)))
        choices = gr.CheckboxGroup(fresh["models"]) if "models" in fresh else gr.skip()
        more = gr.Dropdown(fresh["more"], visible=bool(fresh["more"])) if "more" in fresh else gr.skip()
        now = probe_view.nothing_yet(lab, models_of(lab), models) if missing else missing
        told = gr.skip() if now == missing else now
        return digests, choices, more, fresh.get("notice", gr.skip()), fresh.get("history", gr.skip()), told

    outputs = [out["sent"], f["models"], f["more"], f["notice"], out["history"], out["nothing_yet"]]
    cursor.change(look, [out["sent"], f["models"], out["nothing_yet"]], outputs, **QUIET)


def _view(values: Sequence[Any]) -> View:
    """The inputs, in the order of `SET`."""
    models, person, picture, by_name, question, attack, *rest = values
    return View(tuple(models or ()), person, picture, bool(by_name), question or "", attack or None, *rest)


def _portraits(lab: Lab, panel: Panel) -> Any:
    view = panel.view
    return gr.HTML(probe_view.portraits(lab, view), chosen=view.person or "", forgotten=panel.forgotten)


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
        "benchmarks": gr.Dropdown(panel.benchmarks, value=view.benchmark or None, visible=len(panel.benchmarks) > 1),
        "benchmark": view.benchmark,
        "held": view.held,
        "absent": panel.absent,
        "nothing_yet": panel.nothing_yet,
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
