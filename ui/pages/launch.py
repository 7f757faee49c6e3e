"""The launch page: what to forget, by which method, from which model; and at its right what will happen.

Nothing is decided here: `ui/launching.py` says what a form asks for, `ui/this_run.py` what the run will do.
The page draws both again at every change, keeps the form in the address, and queues nothing while a field
is at fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import gradio as gr

from backend.benchmarks import library
from backend.presets import split_name
from backend.spec import ForgetRequest
from ui import gallery, launching, origins, sweeping, this_run
from ui import launch_views as views
from ui.context import Lab
from ui.launch_board import Board, draw_field, heading, note, pills
from ui.launch_own import draw_own, own_handlers
from ui.launch_style import CSS as OWN_CSS
from ui.launch_views import CONTROLS, EDITED, FIRST, INSTRUCTION
from ui.parts import error, page_title
from ui.pulse import QUIET, Page, pulse

PATH = "/launch"
TITLE = "Launch"
CSS = gallery.CSS + OWN_CSS

KINDS = [("unlearn", "unlearn"), ("make a model memorise", "finetune"), ("evaluate", "evaluate")]
WHO = [("everyone (vanilla)", "everyone"), ("all but the forget set (gold)", "retain")]
SHARES = views.share_choices(get_args(get_args(ForgetRequest.model_fields["ratio"].annotation)[0]))
"""Every share that any benchmark has; a benchmark's own take their place when the page is opened."""
SETTINGS = [("the demo's settings", "demo"), ("the paper's settings", "paper")]
MODALITIES = [("picture + text", "both"), ("picture only", "image_text"), ("text only", "text")]

RUN_SCRIPT = """
document.querySelectorAll('fieldset.lethe-pills').forEach((set) =>
  set.setAttribute('aria-label', set.querySelector('[data-testid=block-info]')?.textContent.trim() || ''));
watch('value', () => {
  const address = element.querySelector('[data-address]')?.dataset.address;
  if (!address) return;
  document.body.dataset.launch = 'open';  // the form stands as the server filled it in: see launch_style
  const query = new URLSearchParams(address.split('?')[1] || ''), now = new URLSearchParams(location.search);
  if (now.has('__theme')) query.set('__theme', now.get('__theme'));
  const text = query.toString().replace(/%2C/g, ',').replace(/%3A/g, ':').replace(/%2F/g, '/');
  history.replaceState(history.state, '', location.pathname + (text ? '?' + text : ''));
});
"""
PAUSE_SCRIPT = "() => new Promise((done) => setTimeout(done, 1200))"
"""Long enough for the second half of a double click to fall on a button that is off."""


def page(lab: Lab) -> Page:
    """The page, to be rendered under a route."""
    board = Board()
    with gr.Blocks() as demo:
        gr.HTML(page_title("Launch", "What should be forgotten, by which method, from which model."))
        board.parts["notice"] = gr.HTML(visible=False)
        with gr.Row(elem_classes="lethe-launch", equal_height=False):
            with gr.Column(elem_classes="lethe-launch-form"):
                _draw_model(board, lab)
                _draw_people(board)
                _draw_method(board)
            with gr.Column(elem_classes="lethe-launch-run"):
                _draw_run(board)
        cursor = pulse(lab)
        _wire(demo, board, lab, cursor)
    return Page(demo, cursor)


# -- drawing ---


def _draw_model(board: Board, lab: Lab) -> None:
    with gr.Column(elem_classes="lethe-card lethe-form-card"):
        heading("1 · Model and data")
        board.fields["kind"] = pills("Kind of run", KINDS, "unlearn")
        with gr.Row(elem_classes="lethe-fields lethe-fields-2"):
            with gr.Column(elem_classes="lethe-field"):
                board.fields["model"] = gr.Dropdown(
                    [], value="vanilla", label="Model", allow_custom_value=True, elem_id="launch-model"
                )
                note(board, "model")
            with gr.Column(elem_classes="lethe-field"):
                names = library.names(lab.home)
                board.fields["benchmark"] = gr.Dropdown(names, value=names[0], label="Benchmark")
                note(board, "benchmark")
        with gr.Column(visible=False, elem_classes="lethe-field") as board.places["who"]:
            board.fields["who"] = pills("Whom to learn", WHO, "everyone")


def _draw_people(board: Board) -> None:
    with gr.Column(elem_classes="lethe-card lethe-form-card"):
        board.parts["people_title"] = heading(views.PEOPLE_TITLES["unlearn"])
        with gr.Row(elem_classes="lethe-pill-row"):
            board.fields["request.ratio"] = pills("Share of people", SHARES, 10)
            with gr.Column(elem_classes="lethe-field", min_width=0) as board.places["modality"]:
                board.fields["request.modality"] = pills("Forget data", MODALITIES, "both")
        with gr.Column(elem_classes="lethe-field", min_width=0) as board.places["attributes"]:
            board.fields["request.attributes"] = gr.Dropdown(
                [],
                value=[],
                multiselect=True,
                label="What of them",
                info="Nothing chosen is everything. Choose, and the rest of what is known of them stays.",
            )
        board.fields["request.people"] = gr.HTML(
            [],
            html_template=gallery.TEMPLATE,
            js_on_load=gallery.SCRIPT,
            portraits="",
            apply_default_css=False,
            elem_id="launch-people",
        )
        board.parts["unshown"] = gr.HTML(apply_default_css=False)
        note(board, "request")


def _draw_method(board: Board) -> None:
    with gr.Column(elem_classes="lethe-card lethe-form-card"):
        board.parts["method_title"] = heading(views.METHOD_TITLES["unlearn"])
        with gr.Column(elem_classes="lethe-field") as board.places["preset"]:
            board.fields["preset"] = gr.Dropdown(
                views.method_choices(), value=launching.DEFAULT_PRESET, label="Method", elem_id="launch-method"
            )
            board.parts["broken"] = gr.HTML(apply_default_css=False)
            with gr.Column(elem_classes="lethe-field", min_width=0) as board.places["variant"]:
                variants = views.variant_choices(launching.DEFAULT_PRESET)
                board.fields["variant"] = pills("As in", variants, "")
            board.parts["formula"] = gr.HTML(apply_default_css=False)
            note(board, "objective")
            note(board, "edit")
        with gr.Column(elem_classes="lethe-field") as board.places["reference"]:
            board.fields["reference"] = gr.Dropdown(
                [], value="", label=CONTROLS["reference"].title, allow_custom_value=True
            )
            note(board, "reference")
        with gr.Column(elem_classes="lethe-field") as board.places["settings"]:
            board.fields["settings"] = pills("Settings", SETTINGS, "demo")
            board.parts["settings_help"] = gr.HTML(apply_default_css=False)
        with gr.Row(elem_classes="lethe-fields lethe-fields-4"):
            for path in (*FIRST, *EDITED, *launching.EVALUATION):
                draw_field(board, CONTROLS[path])
        draw_field(board, CONTROLS[INSTRUCTION])
        draw_own(board)
        with (
            gr.Column(elem_classes="lethe-field") as board.places["more"],
            gr.Accordion("More settings", open=False, elem_classes="lethe-more"),
            gr.Row(elem_classes="lethe-fields lethe-fields-3"),
        ):
            for path, control in CONTROLS.items():
                if path not in board.fields and not path.startswith("guards."):
                    draw_field(board, control)
        _draw_fold(board, "guards", "Guards")
        _draw_sweep(board)


def _draw_fold(board: Board, group: str, title: str) -> None:
    """The settings of one group of the spec, under a fold of their own."""
    with (
        gr.Column(elem_classes="lethe-field") as board.places[group],
        gr.Accordion(title, open=False, elem_classes="lethe-more"),
    ):
        with gr.Row(elem_classes="lethe-fields lethe-fields-3"):
            for path, control in CONTROLS.items():
                if path.startswith(f"{group}."):
                    draw_field(board, control)
        note(board, group)


def _draw_sweep(board: Board) -> None:
    choices = [("nothing", ""), *((f"{CONTROLS[path].title} · {path}", path) for path in sweeping.SWEPT)]
    with (
        gr.Column(elem_classes="lethe-field") as board.places["sweep"],
        gr.Accordion("Sweep: a run for each combination", open=False, elem_classes="lethe-more"),
    ):
        for number in sweeping.NUMBERS:
            with gr.Row(elem_classes="lethe-fields lethe-fields-2"):
                field, values = f"sweep.{number}.field", f"sweep.{number}.values"
                with gr.Column(elem_classes="lethe-field", min_width=0):
                    board.fields[field] = gr.Dropdown(choices, value="", label=f"Setting {number}")
                with gr.Column(elem_classes="lethe-field", min_width=0):
                    board.fields[values] = gr.Textbox(label=f"Values {number}", placeholder="0.001, 0.003", max_lines=1)
        note(board, "sweep")


def _draw_run(board: Board) -> None:
    parts = board.parts
    with gr.Column(elem_classes="lethe-card lethe-form-card"):
        parts["run"] = gr.HTML(views.heading("This run"), apply_default_css=False, js_on_load=RUN_SCRIPT)
        parts["name"] = gr.Textbox(label="Name", max_lines=1, max_length=200)
        parts["start"] = gr.Button("Start", variant="primary", elem_classes="lethe-start")
        parts["started"] = gr.HTML(apply_default_css=False)
    parts["request_id"] = gr.Textbox(visible="hidden")
    parts["suggestion"] = gr.Textbox(visible="hidden")
    parts["filled_for"] = gr.State(launching.filled_for(launching.defaults("unlearn")))


# -- what is shown ---


def _shown(board: Board, lab: Lab, values: dict[str, Any], name: str, suggestion: str) -> dict[Any, Any]:
    """Every component that tells of the form; none that is typed into, save a name that nobody touched."""
    parts = board.parts
    seen = this_run.preview(lab.engine, lab.benchmarks, values, name, suggestion)
    usual = launching.defaults(values["kind"], values["preset"], values["settings"])
    updates: dict[Any, Any] = {
        note: views.note_html(path, seen.faults.get(path), usual.get(path) if path in CONTROLS else None)
        for path, note in board.notes.items()
    }
    updates[board.notes["request"]] = views.note_html(
        "request", seen.faults.get("request"), help=views.people_help(values)
    )
    if seen.faults.get("model"):
        fault = views.note_html("model", seen.faults["model"], benchmark=values["benchmark"])
        updates[board.notes["model"]] = fault
    else:
        updates[board.notes["model"]] = views.model_note(lab.engine, values)
    updates |= {place: gr.update(visible=launching.applies(path, values)) for path, place in board.places.items()}
    updates |= {
        parts["people_title"]: views.heading(views.PEOPLE_TITLES[values["kind"]]),
        parts["method_title"]: views.heading(views.METHOD_TITLES[values["kind"]]),
        parts["formula"]: views.formula_html(values["preset"], seen.spec or this_run.drafted(values)),
        parts["settings_help"]: views.settings_help(values, seen.spec),
        parts["text"]: views.preset_text(seen.spec),
        parts["run"]: views.run_html(seen, launching.address(lab.engine, values)),
        parts["started"]: "",
        parts["kept"]: "",
    }
    if values["request.ratio"] != launching.CHOSEN:
        # chosen people are the browser's own: an answer to an older click would undo a newer one
        updates[board.fields["request.people"]] = _framed(lab, values)
    if seen.suggestion and seen.suggestion != suggestion:
        updates[parts["suggestion"]] = seen.suggestion
        updates |= {parts["name"]: seen.suggestion} if name == suggestion else {}
    return updates


def _filled(board: Board, lab: Lab, values: dict[str, Any]) -> dict[Any, Any]:
    """Every field set to the form's value, with the list of models that fits its kind."""
    updates: dict[Any, Any] = {
        component: values[path]
        for path, component in board.fields.items()
        if path not in ("model", "reference", "request.people", "preset", "variant")
    }
    method, variant = split_name(values["preset"])
    updates[board.fields["preset"]] = gr.update(choices=views.method_choices(), value=method)
    updates[board.fields["variant"]] = gr.update(choices=views.variant_choices(method), value=variant)
    updates[board.parts["broken"]] = views.broken_html()
    updates[board.fields["request.attributes"]] = list(values["request.attributes"])
    models = gr.update(value=values["model"], choices=_models(lab, values))
    updates[board.fields["reference"]] = gr.update(value=values["reference"], choices=_references(lab, values))
    return updates | {board.fields["model"]: models, board.parts["filled_for"]: launching.filled_for(values)}


def _world(board: Board, lab: Lab, values: Mapping[str, Any]) -> dict[Any, Any]:
    """What the form offers of its benchmark: the benchmarks there are, its shares, its attributes and its people."""
    fields, benchmark = board.fields, lab.benchmarks.get(values["benchmark"])
    names = [(bench.title, name) for name, bench in lab.benchmarks.items()]
    shares = benchmark.ratios if benchmark else ()
    attributes = list(benchmark.attributes()) if benchmark else []
    return {
        fields["benchmark"]: gr.update(choices=names, value=values["benchmark"]),
        fields["request.ratio"]: gr.update(choices=views.share_choices(shares), value=values["request.ratio"]),
        fields["request.attributes"]: gr.update(choices=attributes, value=list(values["request.attributes"])),
    } | _gallery(board, lab, values)


def _gallery(board: Board, lab: Lab, values: Mapping[str, Any]) -> dict[Any, Any]:
    """The portraits of the form's benchmark, those to be forgotten framed, and how many people have no portrait."""
    benchmark, framed = lab.benchmarks.get(values["benchmark"]), _framed(lab, values)
    people = benchmark.people() if benchmark else []
    drawn = gr.update(portraits=gallery.portraits(people, framed), value=framed)
    return {
        board.fields["request.people"]: drawn,
        board.parts["unshown"]: views.unshown_html(values["benchmark"], people),
    }


def _framed(lab: Lab, values: Mapping[str, Any]) -> list[str]:
    return list(launching.people_of(lab.benchmarks.get(values["benchmark"]), values))


def _models(lab: Lab, values: Mapping[str, Any]) -> list[tuple[str, str]]:
    if values["kind"] == "finetune":
        return [("demo · the small model, untrained", launching.UNTRAINED)]
    return [(choice.label, choice.value) for choice in origins.model_choices(lab.engine, values["benchmark"])]


def _references(lab: Lab, values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The models that were tuned on a retain set: gold, and those that went on from a model of the lab."""
    known = origins.model_choices(lab.engine, values["benchmark"])
    return [(choice.label, choice.value) for choice in known if choice.role in ("gold", "control")]


# -- events ---


def _wire(demo: gr.Blocks, board: Board, lab: Lab, cursor: gr.Textbox) -> None:
    fields, parts = board.fields, board.parts
    start = parts["start"]
    form = {*fields.values(), parts["name"], parts["suggestion"], parts["filled_for"], parts["request_id"]}
    told = [*board.notes.values(), *board.places.values(), fields["request.people"], *parts.values()]
    told = [part for part in told if part not in (start, parts["keep"], parts["load"])]
    typed_into = [part for part in fields.values() if part is not fields["request.people"]]
    eager: dict[str, Any] = QUIET | {"trigger_mode": "always_last"}

    def draw(data: Mapping[Any, Any], **changes: Any) -> dict[Any, Any]:
        values = board.values(data) | changes
        return _shown(board, lab, values, data[parts["name"]], data[parts["suggestion"]])

    def refer(data: Mapping[Any, Any], **changes: Any) -> dict[Any, Any]:
        """Drawn with the reference that belongs to the people; what else was typed stays as it is."""
        before = data[parts["filled_for"]]
        values = launching.with_reference(board.values(data) | changes, lab.engine, before)
        told = {fields["reference"]: values["reference"], parts["filled_for"]: {**before, "gold": values["gold"]}}
        return draw(data, **values) | told

    def on_change(data: dict[Any, Any]) -> dict[Any, Any]:
        return draw(data)

    def on_share(data: dict[Any, Any]) -> dict[Any, Any]:
        """A share frames its people; choosing them oneself begins with nobody."""
        if data[fields["request.ratio"]] == launching.CHOSEN:
            return refer(data, **{"request.people": ()}) | {fields["request.people"]: []}
        crowd = views.is_crowd(lab.people(data[fields["benchmark"]]).values())
        return on_switch(data) | (_gallery(board, lab, board.values(data)) if crowd else {})

    def on_pick(data: dict[Any, Any]) -> dict[Any, Any]:
        return refer(data, **{"request.ratio": launching.CHOSEN}) | {fields["request.ratio"]: launching.CHOSEN}

    def on_attributes(data: dict[Any, Any]) -> dict[Any, Any]:
        return refer(data)

    def on_switch(data: dict[Any, Any]) -> dict[Any, Any]:
        benchmark = lab.benchmarks.get(data[fields["benchmark"]])
        values = launching.switch(board.values(data), data[parts["filled_for"]], lab.engine, benchmark)
        return _filled(board, lab, values) | draw(data, **values)

    def on_benchmark(data: dict[Any, Any]) -> dict[Any, Any]:
        """Its models, shares, attributes and people take the place of the other's."""
        fitted = launching.fitted(board.values(data), lab.benchmarks.get(data[fields["benchmark"]]), lab.engine)
        values = launching.with_reference(fitted, lab.engine, data[parts["filled_for"]])
        return _filled(board, lab, values) | draw(data, **values) | _world(board, lab, values)

    def on_open(request: gr.Request) -> dict[Any, Any]:
        opened = launching.opening(lab.engine, dict(request.query_params), lab.benchmarks)
        notice = gr.update(value=error(opened.notice), visible=True) if opened.notice else gr.skip()
        updates = _filled(board, lab, opened.values) | _shown(board, lab, opened.values, "", "")
        updates |= _world(board, lab, opened.values)
        return updates | {parts["request_id"]: launching.new_request_id(), parts["notice"]: notice}

    def on_start(data: dict[Any, Any]) -> dict[Any, Any]:
        name = data[parts["name"]].strip() or data[parts["suggestion"]]
        try:
            queued = launching.start_all(
                lab.engine, lab.benchmarks, board.values(data), name, data[parts["request_id"]]
            )
        except origins.CannotQueue as fault:
            return draw(data) | {parts["started"]: views.refused_html(str(fault))}
        line = views.started_html(queued, this_run.place_of(lab.engine, queued[0]))
        return draw(data) | {parts["started"]: line, parts["request_id"]: launching.new_request_id()}

    on_keep, on_load = own_handlers(board, lab, lambda data, values: _filled(board, lab, values) | draw(data, **values))

    def on_news(data: dict[Any, Any]) -> Any:
        if not data[parts["request_id"]] or not launching.is_filled(board.values(data), data[parts["filled_for"]]):
            return gr.skip()  # the browser has not filled the form in yet: what fills it has the news as well
        updates = draw(data) | {fields["model"]: gr.update(choices=_models(lab, board.values(data)))}
        for said in ("started", "kept"):
            del updates[parts[said]]
        return updates

    switches = [fields[name] for name in ("kind", "preset", "variant", "settings", "model")]
    parts["keep"].click(
        on_keep, {*form, parts["keep_name"]}, [parts["kept"], parts["broken"], fields["preset"]], **eager
    )
    parts["load"].click(on_load, {*form, parts["paste"]}, [*told, *typed_into], **eager)
    fields["request.ratio"].input(on_share, form, [*told, *typed_into], **eager)
    fields["benchmark"].input(on_benchmark, form, [*told, *typed_into], **eager)
    whom = [fields[name] for name in ("request.people", "request.attributes")]
    apart = (*switches, *whom, fields["request.ratio"], fields["benchmark"])
    # a textbox's `input` does not tell of everything that is typed
    lists = [fields[f"sweep.{number}.values"] for number in sweeping.NUMBERS]
    changes = [part.input for part in (*typed_into, parts["name"]) if part not in (*apart, *lists)]
    changes += [part.change for part in lists]
    gr.on(changes, on_change, form, told, **eager)
    gr.on([part.input for part in switches], on_switch, form, [*told, *typed_into], **eager)
    fields["request.attributes"].input(on_attributes, form, [*told, fields["reference"]], **eager)
    fields["request.people"].input(on_pick, form, [*told, fields["request.ratio"], fields["reference"]], **eager)
    demo.load(on_open, None, [*told, *typed_into], **QUIET)
    pressed = start.click(lambda: gr.update(interactive=False), None, start, **QUIET)
    settled = pressed.then(on_start, form, told, **QUIET).then(None, None, None, js=PAUSE_SCRIPT, **QUIET)
    settled.then(lambda: gr.update(interactive=True), None, start, **QUIET)
    cursor.change(on_news, form, [*told, fields["model"]], **QUIET)
