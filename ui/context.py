"""What every page is given: the database, the lab's home on disk and its benchmarks.

Nothing here knows Gradio, so whatever a page decides from these can be tested without one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from backend.benchmarks.item import Benchmark, Person
from backend.presets import known_as
from backend.reports import role_of
from backend.spec import ForgetRequest
from storage import runs
from storage.workers import workers

__all__ = ["Lab", "activity", "method_of", "now_running", "role_of", "words_of_request"]


@dataclass(frozen=True)
class Lab:
    """One lab: where its rows are, where its files lie, and what can be asked about."""

    engine: Engine
    home: Path
    benchmarks: Mapping[str, Benchmark] = field(default_factory=dict)

    def people(self, benchmark: str) -> dict[str, Person]:
        """A benchmark's people by id; none for a benchmark that is not here."""
        chosen = self.benchmarks.get(benchmark)
        return {person.id: person for person in chosen.people()} if chosen else {}

    def words_of_request(self, spec: dict[str, Any]) -> str:
        """`forget 5 of 48 people` where the benchmark is here, else `forget 10 %`."""
        benchmark = self.benchmarks.get(str(spec.get("benchmark")))
        if benchmark is None or not spec.get("request"):
            return words_of_request(spec)
        try:
            split = benchmark.split(ForgetRequest.model_validate(spec["request"]))
        except ValueError:
            return words_of_request(spec)
        everyone = len(split.forget) + len(split.retain) + len(split.celebrity)
        return f"forget {len(split.forget)} of {everyone} people"


def activity(counts: dict[str, int], devices: list[str]) -> str:
    """`1 running · 2 queued · CPU, 2 cores`: the words at the right of the top bar."""
    running = counts.get("running", 0) + counts.get("stopping", 0)
    waiting = counts.get("queued", 0)
    work = [f"{running} running"] * bool(running) + [f"{waiting} queued"] * bool(waiting)
    where = " + ".join(dict.fromkeys(devices)) or "no worker is up"
    return " · ".join([*(work or ["nothing running"]), where])


def now_running(lab: Lab) -> str:
    """What the lab is doing at this moment, and on which device."""
    counts = {str(state): number for state, number in runs.counts(lab.engine).items()}
    return activity(counts, [worker.device for worker in workers(lab.engine)])


def method_of(spec: dict[str, Any]) -> str:
    """The method's title, or what kind of learning or asking it is."""
    name, edit = spec.get("preset"), (spec.get("edit") or {}).get("method", "none")
    if name:
        return known_as(str(name), edit, spec.get("objective") or {})
    if spec.get("who") == "retain":
        return "retain only" if role_of("finetune", spec) == "gold" else "retain fine-tuned"
    return "everyone" if spec.get("who") == "everyone" else ""


def words_of_request(spec: dict[str, Any]) -> str:
    """`forget 10 %` or `forget 3 people`; nothing where the spec asks for nobody."""
    request = spec.get("request") or {}
    chosen = request.get("people") or ()
    if chosen:
        return f"forget {len(chosen)} {'person' if len(chosen) == 1 else 'people'}"
    ratio = request.get("ratio")
    return f"forget {ratio} %" if ratio is not None else ""
