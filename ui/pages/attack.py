"""Attacks: `/attack` starts and lists them, `/attack?run=ID` shows what one found.

Nothing is decided here: `ui/attacking.py` says what the form asks for, `ui/attack_view.py` what a run's rows come to.
"""

from __future__ import annotations

from typing import Any

import gradio as gr
from markupsafe import Markup

from backend.attack_report import reckon
from backend.queueing import CannotQueue
from backend.suites import PLAIN
from storage import attacks, runs
from storage.errors import NotFound
from storage.tables import ENDED, Run
from ui import attack_crossed, attack_figures, attack_style, attack_view, attacking, parts, run_view, takeaway
from ui.attack_view import Wanted
from ui.changes import changed
from ui.context import Lab
from ui.pages.run import EVENT, GO_TO
from ui.pulse import QUIET, Page, pulse

PATH = "/attack"
TITLE = "Attack"
CSS = attack_style.CSS
SUB = "Is it really gone, or only hidden? Every attack also meets the original and a model that never knew."
SHOWN = (("everything", "all"), ("what leaked", "leaked"), ("the control", "control"))


def page(lab: Lab) -> Page:
    """The page, to be rendered under a route."""
    with gr.Blocks() as blocks:
        run_id, sent = gr.State(""), gr.State({})
        cursor = pulse(lab)
        with gr.Column(visible=False) as listed:
            form = _draw_form()
        with gr.Column(visible=False) as shown:
            found = _draw_run()
            _draw_files(lab, run_id)
        places = {"listed": listed, "shown": shown, **form, **found}
        _wire(blocks, cursor, _Handlers(lab, run_id, sent, places))
    return Page(blocks, cursor)


def _html(**given: Any) -> gr.HTML:
    return gr.HTML(apply_default_css=False, **given)


def _draw_form() -> dict[str, Any]:
    """The form with what it would do beside it, and below them every attack run."""
    _html(value=parts.page_title("Attack", SUB))
    with gr.Row(elem_classes="lethe-grid-2 lethe-grid-attack"):
        with gr.Column(elem_classes="lethe-card"):
            model = gr.Dropdown([], label="Model", info="Its run says whom it was to forget.")
            suite = gr.Radio(attacking.suites(), value="quick", label="Suite", info="Which attacks, how hard.")
            with gr.Row():
                control = gr.Dropdown(
                    list(attacking.CONTROLS), value="auto", label="Control", info="What never knew.", min_width=220
                )
                items = gr.Number(24, label="Questions", info="Of each modality, at most.", precision=0, min_width=160)
            only = gr.Dropdown(
                attacking.attack_choices(),
                multiselect=True,
                label="Only these",
                info="Nothing chosen: the whole suite.",
            )
        with gr.Column(elem_classes="lethe-card"):
            plan = _html()
            name = gr.Textbox(label="Name", placeholder="as suggested")
            start = gr.Button("Start", variant="primary")
            told = _html()
    with gr.Column(elem_classes="lethe-card lethe-attacks"):
        listing = _html()
    kept = {"request": gr.State(""), "address": gr.Textbox(visible=False)}
    return kept | {
        "model": model, "suite": suite, "control": control, "items": items, "only": only,
        "plan": plan, "name": name, "start": start, "told": told, "listing": listing,
    }  # fmt: skip


def _draw_run() -> dict[str, Any]:
    """One attack run: what it comes to, the table, curves, modalities, and what was said."""
    found: dict[str, Any] = {"title": _html(), "progress": _html(), "verdict": _html()}
    with gr.Column(elem_classes="lethe-card lethe-attacks"):
        found["table"] = _html(js_on_load=attack_style.READ_JS)
    with gr.Row(elem_classes="lethe-grid-2 lethe-grid-attack"):
        with gr.Column(elem_classes="lethe-card"):
            _html(value='<h2 class="lethe-card-title">How hard one has to try</h2>')
            found["curves"] = _html()
        with gr.Column(elem_classes="lethe-card"):
            _html(value='<h2 class="lethe-card-title">Across modalities, asked plainly</h2>')
            found["crossed"] = _html()
    with gr.Column(elem_classes="lethe-card lethe-said"):
        _html(value='<h2 class="lethe-card-title">What was said</h2>')
        with gr.Row():
            found["attack"] = gr.Dropdown([], label="Attack", min_width=280)
            found["show"] = gr.Radio(list(SHOWN), value="all", label="Show", min_width=280)
        found["said"] = _html()
        with gr.Row(elem_classes="lethe-actions"):
            found["before"], found["after"] = gr.Button("Earlier", size="md"), gr.Button("Later", size="md")
        found["page"] = gr.State(0)
    return found


def _draw_files(lab: Lab, run_id: gr.State) -> None:
    """What was found, as files."""
    with gr.Column(elem_classes="lethe-card"):
        _html(value='<h2 class="lethe-card-title">Take it away</h2>')
        with gr.Row(elem_classes="lethe-actions lethe-files"):
            takeaway.offer(lab, gr.Button("Report", size="sm"), run_id, takeaway.report_file)
        takeaway.table_buttons(lab, "attacks", run_id)
        takeaway.table_buttons(lab, "transcripts", run_id)


def run_sections(lab: Lab, run: Run) -> dict[str, Markup]:
    """Everything that a tick may change on a run's page, by name."""
    units = attacks.units(lab.engine, [run.id])
    rows = reckon(units)
    curves, running = attack_figures.curves(rows), run.state not in ENDED
    return {
        "title": _heading(lab, run),
        "progress": run_view.progress(run),
        "verdict": attack_view.verdict(rows, running=running),
        "table": attack_view.table(rows, running=running) + _beneath(lab, rows),
        "curves": curves or parts.empty("No attack was made at several strengths; the standard suite does so."),
        "crossed": attack_crossed.crossed(lab, run, units) or parts.empty("Comes with the first figures."),
    }


def _beneath(lab: Lab, rows: attack_view.Rows) -> Markup:
    return attack_view.legend(rows) + attack_view.taken_over(lab, rows) if rows else Markup("")


def _heading(lab: Lab, run: Run) -> Markup:
    links = [
        Markup('<a class="lethe-link" href="/attack">All attacks</a>'),
        parts.run_link(run.id, "Log, settings, stop and resume"),
    ]
    place, _, attacked = str(run.spec.get("model")).partition(":")
    if place == "run" and run_view.exists(lab, attacked):
        links.append(parts.run_link(attacked, f"Attacked: {runs.get(lab.engine, attacked).name}"))
    title = Markup("{} {}").format(run.name, parts.state_mark(str(run.state), pill=True))
    fault = parts.error(run.error) if run.error else Markup("")
    return parts.page_title(title, parts.joined(links)) + fault


def attack_options(lab: Lab, run: Run) -> list[tuple[str, str]]:
    """The attacks of a run, worst first, each at its worst strength and then the others; the value says both."""
    rows = reckon(attacks.units(lab.engine, [run.id]))
    points = [
        (row, point)
        for row in rows
        for point in sorted(row["curve"], key=lambda point: point["strength"] != row["strength"])
        if point["n"]
    ]
    return [
        (
            f"{row['title']}{' · ' if point['at'] else ''}{point['at']}",
            attack_view.called(row["name"], point["strength"]),
        )
        for row, point in points
    ]


class _Handlers:
    """What the page does."""

    def __init__(self, lab: Lab, run_id: gr.State, sent: gr.State, places: dict[str, Any]) -> None:
        self.lab, self.run_id, self.sent, self.places = lab, run_id, sent, places

    def opened(self, request: gr.Request) -> dict[Any, Any]:
        query = dict(request.query_params)
        run = attacking.shown_run(self.lab, query)
        place = self.places
        seen = {place["listed"]: gr.update(visible=run is None), place["shown"]: gr.update(visible=run is not None)}
        if run is None:
            choices = attacking.models(self.lab)
            known = [value for _, value in choices]
            model = query.get("model") if query.get("model") in known else next(iter(known), None)
            unknown = f"There is no attack run {query['run'][:40]} here." if query.get("run") else ""
            form: dict[Any, Any] = {place["model"]: gr.update(choices=choices, value=model)}
            form |= {place["suite"]: gr.update(choices=attacking.suites())}
            form |= {place["listing"]: self._listing(), place["request"]: attacking.fresh_request()}
            form |= {place["told"]: parts.error(unknown) if unknown else ""}
            return seen | form | self._planned(model or "", "quick", [], 24, "auto")
        options = attack_options(self.lab, run)
        asked = query.get("attack", "")
        first = asked if asked in [value for _, value in options] else next((value for _, value in options), None)
        found: dict[Any, Any] = {self.run_id: run.id, place["attack"]: gr.update(choices=options, value=first)}
        return seen | self.refreshed(run.id, {}) | found | self.said(run.id, first, "all", 0)

    def refreshed(self, run_id: str, before: dict[str, str]) -> dict[Any, Any]:
        if not run_id:
            return {self.sent: before, self.places["listing"]: self._listing()}
        try:
            run = runs.get(self.lab.engine, run_id)
        except NotFound:
            return {self.sent: before}
        fresh, now = changed(before, run_sections(self.lab, run))
        found: dict[Any, Any] = {self.sent: now} | {self.places[name]: content for name, content in fresh.items()}
        if "table" in fresh:
            found[self.places["attack"]] = gr.update(choices=attack_options(self.lab, run))
        return found

    def planned(self, *form: Any) -> dict[Any, Any]:
        return self._planned(*form)

    def _planned(self, *form: Any) -> dict[Any, Any]:
        asked = attacking.plan(self.lab, *form)
        words = parts.error(asked.fault) if asked.fault else _plan(asked)
        return {self.places["plan"]: words, self.places["name"]: gr.update(placeholder=asked.name or "as suggested")}

    def started(self, name: str, request: str, *form: Any) -> dict[Any, Any]:
        try:
            run = attacking.start(self.lab, attacking.plan(self.lab, *form), name, request)
        except CannotQueue as fault:
            return {self.places["told"]: parts.error(str(fault))}
        return {self.places["address"]: f"{PATH}?run={run.id}"}

    def said(self, run_id: str, attack: str | None, show: str, page: int) -> dict[Any, Any]:
        name, _, strength = (attack or f"{PLAIN.name}@0").rpartition("@")
        table, before, after = attack_view.transcripts(self.lab, run_id, Wanted(name, float(strength), show, page))
        place = self.places
        turns = {place["before"]: gr.update(visible=before), place["after"]: gr.update(visible=after)}
        return {place["said"]: table, place["page"]: page} | turns

    def pressed(self, event: gr.EventData) -> Any:
        return event.attack

    def _listing(self) -> Markup:
        return attack_view.listing(self.lab)


def _plan(asked: attacking.Plan) -> Markup:
    beware = Markup('<p class="lethe-beware"><span aria-hidden="true">⚠</span> {}</p>').format(asked.beware)
    return Markup(
        '<h2 class="lethe-card-title">This run</h2><p>{}</p><code class="lethe-mono lethe-command">{}</code>{}'
    ).format(asked.words, asked.command, beware if asked.beware else "")


def _wire(blocks: gr.Blocks, cursor: gr.Textbox, does: _Handlers) -> None:
    place = does.places
    form = [place[name] for name in ("model", "suite", "only", "items", "control")]
    sections = [place[name] for name in ("title", "progress", "verdict", "table", "curves", "crossed")]
    turned = [place[name] for name in ("said", "page", "before", "after")]
    planned = [place["plan"], place["name"]]
    ticked = [does.sent, *sections, place["attack"], place["listing"]]
    opened = [place[name] for name in ("listed", "shown", "model", "suite", "told", "request")]
    blocks.load(does.opened, None, [does.run_id, *opened, *planned, *ticked, *turned], **QUIET)
    cursor.change(does.refreshed, [does.run_id, does.sent], ticked, **QUIET)
    gr.on([part.change for part in form], does.planned, form, planned, trigger_mode="always_last", **QUIET)
    begun = place["start"].click(
        does.started, [place["name"], place["request"], *form], [place["told"], place["address"]], **EVENT
    )
    begun.then(None, place["address"], None, js=GO_TO, api_visibility="private")
    chosen = [does.run_id, place["attack"], place["show"]]
    gr.on(
        [place["attack"].change, place["show"].change],
        lambda run, attack, show: does.said(run, attack, show, 0),
        chosen,
        turned,
        **QUIET,
    )
    place["table"].click(does.pressed, None, place["attack"], **QUIET)
    for button, step in ((place["before"], -1), (place["after"], 1)):
        button.click(
            lambda run, attack, show, at, step=step: does.said(run, attack, show, max(0, at + step)),
            [*chosen, place["page"]],
            turned,
            **QUIET,
        )
