"""Everything the Data page shows for an address, place by place, so that only what has changed is sent. No Gradio."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from backend.benchmarks.item import BadRequest, Benchmark
from backend.spec import ForgetRequest
from ui import parts
from ui.context import Lab
from ui.data_person import items_of, one_person
from ui.data_request import Listed, View, listed, request_of, settled
from ui.data_view import about, benchmarks, go, portraits, request_card
from ui.launching import joined_ids


def sections(lab: Lab, view: View) -> dict[str, Any]:
    """What the page shows for a view, place by place; an empty text is a place that is not shown."""
    view = settled(view, lab)
    sets = listed(lab)
    chosen = next((one for one in sets if one.name == view.benchmark), None)
    shown: dict[str, Any] = {name: "" for name in ("portraits", "person", "items", "request")}
    shown |= {"benchmarks": benchmarks(sets, view), "about": about(chosen), "framed": [], "removable": bool(chosen)}
    shown["removable"] = bool(chosen and chosen.entry)
    benchmark = lab.benchmarks.get(view.benchmark)
    if benchmark is None:
        return shown | {"person": _not_here(view, chosen)}
    request, fault = _asked(view, benchmark)
    framed = benchmark.split(request).forget if request else () if not fault else view.people
    shown["framed"] = [joined_ids([one]) for one in framed]
    shown["request"] = request_card(view, benchmark, request, fault, framed)
    person = next((one for one in benchmark.people() if one.id == view.person), None)
    if not view.person:
        return shown | {"portraits": portraits(benchmark, view)}
    if person is None:
        return shown | {"person": _nobody(view.person, benchmark)}
    shown["person"] = one_person(benchmark, person, view, framed)
    return shown | {"items": items_of(benchmark, person, request)}


def _asked(view: View, benchmark: Benchmark) -> tuple[ForgetRequest | None, str]:
    """The request, None while nobody is chosen; or the sentence that says why it cannot be."""
    try:
        request = request_of(view, benchmark)
        if request is not None:
            benchmark.split(request)
    except BadRequest as error:
        return None, str(error)
    return request, ""


def _not_here(view: View, chosen: Listed | None) -> Markup:
    if chosen is not None:
        return parts.card(
            parts.error(
                f"{chosen.name} is not open: {chosen.fault}", "Put its files in order and reload, or remove it."
            )
        )
    sentence = (
        f"There is no benchmark called {view.benchmark[:60]} here." if view.benchmark else "No benchmark is here."
    )
    return parts.card(parts.empty(f"{sentence} Choose one above, or add a data set below."))


def _nobody(person: str, benchmark: Benchmark) -> Markup:
    link = Markup('<p><a class="lethe-button" href="{}"{}>Show everyone</a></p>').format(
        View(benchmark=benchmark.name).address(), go(person="")
    )
    words = f"Nobody in {benchmark.title} has the id {person[:60]}."
    return parts.card(Markup('<div class="lethe-empty"><p>{}</p>{}</div>').format(words, link))
