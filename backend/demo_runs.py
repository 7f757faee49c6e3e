"""The runs of a new lab: a model that knows everyone, one that never knew some, and two that forgot them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from backend.benchmarks.item import Benchmark
from backend.presets import fill
from backend.spec import FinetuneSpec, ForgetRequest, RunSpec

DEMO_RUNS_VERSION = 1


@dataclass(frozen=True)
class Planned:
    """A run to be queued, and the name of the one it needs."""

    name: str
    spec: RunSpec
    fingerprint: str
    needs: str | None = None


def demo_runs(benchmark: Benchmark) -> list[Planned]:
    """In the order in which they are queued."""
    request = ForgetRequest(ratio=10)
    specs: list[tuple[str, RunSpec, str | None]] = [
        ("vanilla", FinetuneSpec(who="everyone", request=request), None),
        ("NPO forget10", fill("npo", request=request), "vanilla"),
        ("GradDiff forget10", fill("graddiff", request=request), "vanilla"),
        ("gold forget10", FinetuneSpec(who="retain", request=request), None),
    ]
    return [Planned(name, spec, _fingerprint(benchmark, spec), needs) for name, spec, needs in specs]


def _fingerprint(benchmark: Benchmark, spec: RunSpec) -> str:
    known = json.dumps([DEMO_RUNS_VERSION, benchmark.fingerprint, spec.model_dump(mode="json")], sort_keys=True)
    return hashlib.sha256(known.encode()).hexdigest()[:24]
