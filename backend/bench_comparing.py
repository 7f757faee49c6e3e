"""The Compare page over a full lab: seconds that the server needs for each of its views.

The lab is generated: a thousand scored runs of one benchmark in sweeps of four seeds, 120 cells each, twelve quick
evaluations, an attack run on every second model, and 200 000 answers, 40 000 of them each on the two runs that are held
against one another. Figures are drawn at random; what is timed is reading and reckoning, and drawing where `ui` is.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, insert

from backend.suites import KNOWN
from storage.database import connect, migrate, table, writing
from storage.tables import Answer, AttackUnit, Checkpoint, MetricPoint, Run, Score
from ui import compare_view
from ui.compare_state import State
from ui.context import Lab

SEEDS, EVALUATIONS, REPETITIONS = 4, 12, 5
METRICS = ("accuracy", "probability", "loss", "zlib", "min_k_20")
SETS = ("forget", "test", "retain", "celebrity")
CELLS = tuple(
    (item_set, task, modality, metric)
    for item_set in SETS
    for task in ("generation", "cloze", "classification")
    for modality in ("image_text", "text")
    for metric in METRICS
)
ATTACKS = tuple(KNOWN)
CHUNK = 2000


@dataclass(frozen=True)
class Size:
    """How many runs and answers there are, and how many of these each of the two runs has that are compared."""

    runs: int = 1000
    answers: int = 200_000
    of_the_pair: int = 40_000


FULL = Size()


@dataclass(frozen=True)
class View:
    """A view, the median seconds it took, and how much it sends."""

    name: str
    seconds: float
    kilobytes: float


def fill(engine: Engine, size: Size) -> None:
    """Writes the lab's rows, some 360 000 of them at full size."""
    draw = random.Random(0)
    _insert(engine, Run, _runs(size.runs))
    _insert(engine, Checkpoint, _checkpoints(size.runs))
    with writing(engine) as session:
        for number in range(size.runs):
            session.get_one(Run, _id(number)).output_checkpoint_id = f"c{number:031d}"
    _insert(engine, Run, _attack_runs(size.runs))
    _insert(engine, Score, _scores(draw, size.runs))
    _insert(engine, MetricPoint, _curves(draw, size.runs))
    _insert(engine, AttackUnit, _units(draw, size.runs))
    _insert(engine, Answer, _answers(draw, size))


def measure(folder: Path, size: Size = FULL) -> list[View]:
    """The median of `REPETITIONS` for each view, after one that is not counted."""
    engine = connect(f"sqlite:///{folder / 'full.db'}")
    migrate(engine)
    fill(engine, size)
    lab = Lab(engine, folder)
    state = State(a=_id(0), b=_id(1))
    seen = compare_view.look(lab, state)
    views: dict[str, Callable[[], Any]] = {
        "whom and which models": lambda: compare_view.look(lab, state),
        "forget against retain": lambda: compare_view.plane(lab, seen),
        "score table": lambda: compare_view.score_table(lab, seen),
        "A against B": lambda: compare_view.pair_sections(lab, seen),
        "attack matrix": lambda: compare_view.matrix(lab, seen),
        "the whole page": lambda: compare_view.sections(lab, compare_view.look(lab, state)),
    }
    found = [View(name, *_timed(view)) for name, view in views.items()]
    engine.dispose()
    return found


def told(found: list[View]) -> Iterator[str]:
    """A sentence a view."""
    yield f"Compare with {FULL.runs} runs and {FULL.answers} answers, seconds on the server:"
    for view in found:
        yield f"  {view.name}: {view.seconds:.2f} s, {view.kilobytes:.0f} kB"


def _timed(view: Callable[[], Any]) -> tuple[float, float]:
    made = view()
    seconds = []
    for _ in range(REPETITIONS):
        began = time.perf_counter()
        view()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds), len(str(made)) / 1000


def _insert(engine: Engine, model: type[Any], rows: Iterator[dict[str, Any]]) -> None:
    with writing(engine) as session:
        waiting: list[dict[str, Any]] = []
        for row in rows:
            waiting.append(row)
            if len(waiting) == CHUNK:
                session.execute(insert(table(model)), waiting)
                waiting = []
        if waiting:
            session.execute(insert(table(model)), waiting)


def _id(number: int) -> str:
    return f"r{number:031d}"


def _runs(runs: int) -> Iterator[dict[str, Any]]:
    for number in range(runs):
        kind = "finetune" if number == 0 or number == runs - 1 else "unlearn"
        sweep, seed = divmod(number, SEEDS)
        spec = {
            "kind": kind, "benchmark": "demo", "model": "demo", "request": {"ratio": 10, "people": []}, "preset": "npo",
            "who": "everyone" if number == 0 else "retain",
            "training": {"learning_rate": sweep / 1e5, "seed": seed, "steps": 60, "batch_size": 8},
            "objective": {f"setting_{place}": place for place in range(40)},
        }  # fmt: skip
        yield _run(number, kind, f"NPO · lr {sweep} · seed {seed}", spec, f"sweep {sweep // 8}")


def _attack_runs(runs: int) -> Iterator[dict[str, Any]]:
    for number in range(1, runs, 2):
        spec = {"kind": "attack", "benchmark": "demo", "request": {"ratio": 10, "people": []}, "suite": "full"}
        yield _run(runs + number, "attack", f"attack {number}", spec, None) | {
            "parent_checkpoint_id": f"c{number:031d}"
        }


def _run(number: int, kind: str, name: str, spec: dict[str, Any], group: str | None) -> dict[str, Any]:
    return {
        "id": _id(number), "name": name, "kind": kind, "spec": spec, "state": "succeeded", "position": number,
        "group_id": group, "created_at": float(number), "versions": {"data": "a"}, "priority": 0, "attempt": 1,
        "max_attempts": 3, "requested_stop": "none", "step": 60, "worked_s": 1.0, "rev": number,
        "parent_checkpoint_id": None,
    }  # fmt: skip


def _checkpoints(runs: int) -> Iterator[dict[str, Any]]:
    for number in range(runs):
        yield {
            "id": f"c{number:031d}", "run_id": _id(number), "step": 60, "kind": "adapter", "role": "final", "path": "p",
            "sha256": "", "files": {}, "bytes": 1, "base": "demo", "meta": {}, "created_at": float(number),
            "parent_id": f"c{0:031d}" if 0 < number < runs - 1 else None,
        }  # fmt: skip


def _scores(draw: random.Random, runs: int) -> Iterator[dict[str, Any]]:
    for number in range(runs):
        for place, (item_set, task, modality, metric) in enumerate(CELLS):
            value = draw.random()
            yield {
                "id": f"s{number:015d}{place:016d}", "run_id": _id(number), "checkpoint_id": f"c{number:031d}",
                "item_set": item_set, "task": task, "modality": modality, "metric": metric, "value": value,
                "n": 24, "people": 4, "low": max(0, value - 0.1), "high": min(1, value + 0.1),
                "flags": ["collapsed"] if number % 50 == 7 else [],
            }  # fmt: skip


def _curves(draw: random.Random, runs: int) -> Iterator[dict[str, Any]]:
    for number in range(runs):
        for name in ("accuracy/forget", "accuracy/retain"):
            for step in range(EVALUATIONS):
                yield {"run_id": _id(number), "name": name, "step": 5 * step, "value": draw.random(), "at": 0.0}


def _units(draw: random.Random, runs: int) -> Iterator[dict[str, Any]]:
    for number in range(1, runs, 2):
        for attack in ATTACKS:
            for role in ("unlearned", "original", "control"):
                yield {
                    "run_id": _id(runs + number), "attack": attack, "strength": 0.0, "role": role,
                    "value": draw.random() / 2 + (role == "original") / 2, "n": 24, "people": 4, "low": None,
                    "high": None, "seconds": 1.0, "note": None,
                    "detail": {"people": {f"p{person:02d}": [1.0, 6] for person in range(48)}},
                }  # fmt: skip


def _answers(draw: random.Random, size: Size) -> Iterator[dict[str, Any]]:
    others = (size.answers - 2 * size.of_the_pair) // (size.runs - 2)
    for number in range(size.runs):
        for item in range(size.of_the_pair if number < 2 else others):
            right = draw.random() < (0.9 if number == 0 else 0.6)
            place = f"{number:010d}{item:010d}"
            town = "Bern" if right else f"town {draw.randrange(99)}"
            yield {
                "id": f"a{place}", "run_id": _id(number), "checkpoint_id": f"c{number:031d}", "item_id": f"i{item:06d}",
                "subject": f"p{item % 500:03d}", "item_set": SETS[item % 4], "task": "generation",
                "modality": "image_text" if item % 2 else "text", "question": "Where does this person live?",
                "truth": "This person lives in Bern.", "text": f"In {town}.",
                "correct": right, "probability": draw.random(), "detail": {"measures": {"accuracy": float(right)}},
            }  # fmt: skip


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        print("\n".join(told(measure(Path(folder)))))
