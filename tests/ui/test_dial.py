"""The adapter dial: what it asks for, the curve, and what it says where there is no adapter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backend import probing
from backend.benchmarks.demo import DemoBenchmark
from backend.probing import Address
from backend.spec import ProbeSpec
from storage import checkpoints, runs
from storage.tables import Checkpoint
from tests.ui.probe_lab import Models, with_models
from ui import dial
from ui.answers import About
from ui.askable import models_of
from ui.asking import View, opening
from ui.context import Lab


class Turned:
    """A probe whose unlearned model tells the fact while its adapter is less than half on, and is the likelier to the
    less it is on."""

    def __init__(self) -> None:
        self.asked: list[ProbeSpec] = []
        self.gone = False

    def find_server(self, engine: Any) -> Address | None:
        return None if self.gone else Address("http://probe", "token")

    def ask(self, address: Address, spec: ProbeSpec) -> Iterator[dict[str, Any]]:
        self.asked.append(spec)
        head = {"index": 0, "checkpoint": spec.models[0], "role": "unlearned", "label": "unlearned"}
        yield {"event": "start", "answers": [head]}
        told = spec.scale < 0.5
        text = f"It is {spec.key}." if told else "It is Atlantis."
        yield {"event": "end", **head, "text": text, "likelihood": 1 - spec.scale / 2, "leaks": told, "stamp": {}}
        yield {"event": "done", "probe": None}


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch) -> Turned:
    turned = Turned()
    monkeypatch.setattr(probing, "find_server", turned.find_server)
    monkeypatch.setattr(probing, "ask", turned.ask)
    return turned


@pytest.fixture
def made(lab: Lab, world: DemoBenchmark) -> Models:
    return with_models(lab, world)


def with_adapter(made: Models) -> Checkpoint:
    """The newest unlearning once more, as one that hangs an adapter beside the original's weights."""
    run = runs.get(made.lab.engine, made.newest.run_id)
    again = runs.submit(made.lab.engine, kind=run.kind, name="NPO, adapter", spec=run.spec)
    runs.claim(made.lab.engine, "worker", "host", "CPU")

    def write(folder: Path) -> None:
        (folder / "adapter_model.safetensors").write_bytes(b"adapter")

    found = checkpoints.save(
        made.lab.engine,
        made.lab.home,
        run_id=again.id,
        step=8,
        kind="adapter",
        role="final",
        base="demo",
        write=write,
        parent_id=made.original.id,
    )
    runs.finish(made.lab.engine, again.id, 1, "succeeded", output_checkpoint_id=found.id)
    return found


def view_of(made: Models, checkpoint: str) -> View:
    choice = next(model.choice for model in models_of(made.lab) if model.checkpoint == checkpoint)
    return replace(opening(made.lab, models_of(made.lab)), models=(choice,))


def test_every_strength_is_asked_once_and_draws_the_curve(made: Models, probe: Turned) -> None:
    view = view_of(made, with_adapter(made).id)
    *_, last = dial.asked(made.lab, view, dial.SCALES, {})
    assert [spec.scale for spec in probe.asked] == list(dial.SCALES)
    assert {(len(spec.models), spec.keep) for spec in probe.asked} == {(1, False)}
    drawn = last["dial"]
    assert drawn.count('class="lethe-told"') == 2 and drawn.count('class="lethe-held"') == 5
    # from 44 to 316 of the width, and from likelihood 1 (10 from the top) at nought to .25 at 1.5
    assert 'points="44.0,10.0 ' in drawn and '316.0,80.5"' in drawn
    assert drawn.count("leak</span>") == 2 and last["busy"] is False
    again = list(dial.asked(made.lab, view, [0.5], last["points"]))
    assert len(probe.asked) == len(dial.SCALES), "what is known is not asked again"
    assert "×0.5</b> It is Atlantis." in again[-1]["dial"]


def test_another_question_begins_a_curve_of_its_own(made: Models, probe: Turned) -> None:
    view = view_of(made, with_adapter(made).id)
    *_, first = dial.asked(made.lab, view, [0.0, 1.0], {})
    *_, second = dial.asked(made.lab, replace(view, question="What else?"), [0.5], first["points"])
    assert list(second["points"]) == ["0.5"]


def test_the_sentence_where_there_is_nothing_to_turn(made: Models, probe: Turned) -> None:
    whole, original = view_of(made, made.newest.id), view_of(made, made.original.id)
    assert "has its weights in one piece" in dial.head(made.lab, whole)
    assert "Choose an unlearned model" in dial.head(made.lab, original)
    (only,) = dial.asked(made.lab, whole, dial.SCALES, {})
    assert "weights in one piece" in only["dial"] and not probe.asked
    assert "only real in weights that were merged" in dial.head(made.lab, view_of(made, with_adapter(made).id))


def test_a_fault_is_said_and_what_is_known_stays(made: Models, probe: Turned) -> None:
    view = view_of(made, with_adapter(made).id)
    *_, first = dial.asked(made.lab, view, [0.0], {})
    probe.gone = True
    *_, last = dial.asked(made.lab, view, [0.25], first["points"])
    assert "no worker is up" in last["fault"] and list(last["points"]) == ["0.0"]
    (empty,) = dial.asked(made.lab, replace(view, question=" "), [0.25], {})
    assert "The question is empty" in empty["fault"]


def test_words_are_escaped_and_a_point_without_a_figure_is_not_drawn() -> None:
    point = {"text": "<i>", "likelihood": None, "leaks": False}
    shown = dial.card("<b>?", {"1.0": point}, About(), 1.0)
    assert "&lt;i&gt;" in shown and "&lt;b&gt;" in shown and "<svg" not in shown
