"""A question on its way: from the request to the answers, as steps that a page can show one after the other.

Promises: whatever goes wrong becomes one sentence in a step, and the answers that came before it stay; steps
come at most twelve a second, however fast the tokens do, and the last one always comes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend import probing
from backend.benchmarks.library import DEMO
from backend.spec import ProbeSpec
from storage import probes
from storage.errors import NotFound
from storage.tables import Probe
from ui import answers as shown
from ui import probe_tables
from ui.answers import About
from ui.askable import Model, models_of
from ui.asking import NO_SERVER
from ui.context import Lab
from ui.subjects import item_called

SHORTEST_PAUSE_S = 1 / 12
LOOKED_THROUGH = 300
"""How many kept probes are looked through for those of the same question under other attack prompts."""

Answers = list[dict[str, Any]]
Rows = dict[str | None, Answers]


@dataclass(frozen=True, slots=True)
class Step:
    """What stands on the page at one moment. `probe` is set once the answers are kept, `error` when it went
    wrong; `gone` says that nobody is there to ask again."""

    answers: Answers
    probe: str | None = None
    error: str | None = None
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Sweep:
    """The table of attack prompts at one moment. `refused` says of a prompt why it could not be put;
    `running` is the prompt being asked, "" for none."""

    rows: Rows
    refused: dict[str | None, str]
    running: str | None = ""
    error: str | None = None


def exchange(lab: Lab, spec: ProbeSpec, models: Sequence[Model]) -> Iterator[Step]:
    """Asks, and yields what is known so far. The first step comes before the first word."""
    asked = {model.checkpoint: model for model in models}
    answers = shown.expected(asked[checkpoint] for checkpoint in spec.models)
    address = probing.find_server(lab.engine)
    if address is None:
        yield Step([], error=NO_SERVER, gone=True)
        return
    yield Step(answers)
    told_at = 0.0
    try:
        for event in probing.ask(address, spec):
            if event["event"] == "error":
                yield Step(answers, error=_sentence(event["message"]))
                return
            if event["event"] == "done":
                yield Step([{**answer, "probe": event["probe"]} for answer in answers], probe=event["probe"])
                return
            answers = shown.fold(answers, event)
            if event["event"] != "text" or time.monotonic() - told_at >= SHORTEST_PAUSE_S:
                told_at = time.monotonic()
                yield Step(answers)
    except probing.ProbeUnavailable as gone:
        yield Step(answers, error=_sentence(str(gone)), gone=True)
        return
    yield Step(answers, error="The worker stopped in the middle of the answer; ask again.", gone=True)


def sweep(lab: Lab, spec: ProbeSpec, models: Sequence[Model]) -> Iterator[Sweep]:
    """Asks the same under every attack prompt, one after the other.

    A prompt that cannot be put to this question is passed over with its reason. When the plain question
    fails, or nobody is there any more, it ends.
    """
    rows: Rows = {}
    refused: dict[str | None, str] = {}
    for name in probe_tables.attack_names():
        yield Sweep(dict(rows), dict(refused), running=name)
        for step in exchange(lab, spec.model_copy(update={"attack": name}), models):
            if step.error and (step.gone or name is None):
                rows.pop(name, None)
                yield Sweep(dict(rows), dict(refused), error=step.error)
                return
            if step.error:
                rows.pop(name, None)
                refused[name] = step.error
            else:
                rows[name] = step.answers
            yield Sweep(dict(rows), dict(refused), running=name)
    yield Sweep(rows, refused)


def about(lab: Lab, request: dict[str, Any], models: Sequence[Model] | None = None) -> About:
    """What is known of a request's question, and which of its models were to forget the fact.

    What can be seen in any picture (glasses, a hat) is nobody's to forget.
    """
    benchmark = request.get("benchmark", DEMO)
    item = item_called(lab.benchmarks.get(benchmark), request.get("item_id"))
    forgotten: frozenset[str] = frozenset()
    if item is not None and item.set != "general" and "/general/" not in item.id:
        known = models_of(lab) if models is None else models
        here = [model for model in known if model.benchmark == benchmark]
        forgotten = frozenset(model.checkpoint for model in here if item.subject in model.forgets)
    own = Path(request.get("image") or "").parent == lab.home / "uploads"
    reason = "the picture is your own" if own else "the question was typed"
    return About(request.get("truth"), request.get("key"), forgotten, reason)


def reopened(lab: Lab, probe_id: str) -> Probe | None:
    """The kept probe of that id; none where there is none."""
    try:
        return probes.get(lab.engine, probe_id)
    except NotFound:
        return None


def kept_rows(probes: Sequence[Probe], request: dict[str, Any]) -> Rows:
    """What was kept of the same models, picture, question and decoding under each attack prompt; the newest
    of each.
    """
    rows: Rows = {}
    for probe in probes:
        if _without_attack(probe.request) == _without_attack(request):
            rows.setdefault(probe.request.get("attack"), shown.kept(probe))
    return rows if set(rows) - {request.get("attack")} else {}


def grouped(probes: Sequence[Probe]) -> list[list[Probe]]:
    """Neighbours that differ in the attack prompt alone, together; the plain question first, else the newest.

    The same question under the same prompt once more begins a group of its own.
    """
    groups: list[list[Probe]] = []
    for probe in probes:
        last = groups[-1] if groups else []
        prompts = {other.request.get("attack") for other in last}
        alike = last and _without_attack(last[0].request) == _without_attack(probe.request)
        if alike and probe.request.get("attack") not in prompts:
            last.append(probe)
        else:
            groups.append([probe])
    return [sorted(group, key=lambda probe: bool(probe.request.get("attack"))) for group in groups]


def recent(lab: Lab, limit: int = LOOKED_THROUGH) -> list[Probe]:
    """The kept probes, newest first."""
    return probes.listing(lab.engine, limit=limit)


def _without_attack(request: dict[str, Any]) -> dict[str, Any]:
    """What was asked, but for the attack prompt and for what the probe noted down about it."""
    return {name: request.get(name) for name in ProbeSpec.model_fields if name != "attack"}


def _sentence(words: str) -> str:
    """A message as a sentence: a capital first and a full stop last."""
    text = words.strip()
    return f"{text[:1].upper()}{text[1:]}" + ("" if text.endswith((".", "!", "?")) else ".")
