"""The memorisation check's data: what the model that is to forget says to the items, before it is trained.

Answers that the lab has kept of that very checkpoint are taken; only where an unlearning run is to be scored and they
are missing is the model asked, about the forget set and the test set. What was found lies in `runs/ID/before.json` of
the lab's home, written aside and renamed, so that a run that was resumed, or is only to be scored still, reads it back.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Set
from dataclasses import replace
from pathlib import Path
from typing import Any

from backend.benchmarks.item import Benchmark, Item
from backend.inference.items import answer_items
from backend.metrics.score import Answered
from backend.models.encoding import Encoder
from backend.models.lineage import Opened
from backend.runs.job import Job, log
from backend.spec import ForgetRequest
from storage import checkpoints, results
from storage.tables import Checkpoint

Before = dict[str, dict[str, Any]]
"""By item id: `correct` (None where the item has no right and wrong), `probability` and `text` of the original."""

ASKED_SETS = ("forget", "test")
ALL = 10**7


def known_to_source(
    job: Job, benchmark: Benchmark, request: ForgetRequest, source: Opened, encoder: Encoder, *, ask: int
) -> Before:
    """What the source of an unlearning run says to the run's items; asked for in batches of `ask` where the lab has
    kept no answers, and not at all where that is 0. Warns in the log when there is little to forget.

    Raises `Stopped` between batches; what was answered by then is kept.
    """
    items = {item.id: item for item in benchmark.scored_items(request)}
    kept = _kept(job, benchmark, source.checkpoint, items.keys()) if source.checkpoint else {}
    before = kept | read_before(job, benchmark)
    if before:
        log.info("what the model knew before: %d answers are kept", len(before))
    missing = [item for item in items.values() if item.set in ASKED_SETS and item.id not in before]
    if ask and missing:
        _ask(job, benchmark, source.model, encoder, missing, before, ask)
    if before:
        _write(job, benchmark, before)
    _warn(before, items.values())
    return before


def known_to_ancestor(job: Job, benchmark: Benchmark, request: ForgetRequest, checkpoint: Checkpoint) -> Before:
    """What the nearest model that this one was made from is known to have said to the request's items; nothing is
    asked."""
    wanted = {item.id for item in benchmark.scored_items(request)}
    line = checkpoints.lineage(job.engine, checkpoint)
    for made, parent in zip(reversed(line), [*reversed(line[:-1]), None], strict=True):
        kept = _kept(job, benchmark, parent, wanted) if parent else {}
        found = kept | _read(_place(job.home, made.run_id), benchmark)
        if found:
            return found
    return {}


def read_before(job: Job, benchmark: Benchmark) -> Before:
    """What the run itself has written down before; empty where it has not."""
    return _read(_place(job.home, job.id), benchmark)


def with_before(answer: Answered, before: Mapping[str, Any]) -> Answered:
    """The answer with what the original said to its item beside it, where that is known."""
    if answer.item.id not in before:
        return answer
    return replace(answer, detail={**answer.detail, "before": before[answer.item.id]})


def _ask(
    job: Job, benchmark: Benchmark, model: Any, encoder: Encoder, items: list[Item], before: Before, batch_size: int
) -> None:
    job.new_phase()
    job.say("asking the model before")
    done = 0
    for batch in answer_items(model, encoder, items, batch_size=batch_size, rules=benchmark.rules):
        before |= {one.item.id: _told(one.correct, one.probability, one.text) for one in batch}
        done += len(batch)
        _write(job, benchmark, before)
        job.progress(done, len(items), "asking the model before", counts=False)
        job.raise_if_stopped()


def _kept(job: Job, benchmark: Benchmark, checkpoint: Checkpoint, wanted: Set[str]) -> Before:
    """The answers to these items in the runs that put this benchmark, as it is now, to the checkpoint."""
    found: Before = {}
    for run in results.answering_runs(job.engine, checkpoint.id):
        if wanted <= found.keys():
            break
        if (run.spec.get("benchmark"), run.versions.get("data")) != (benchmark.name, benchmark.fingerprint):
            continue
        for row in results.answers(job.engine, run_id=run.id, checkpoint_id=checkpoint.id, limit=ALL):
            if row.item_id in wanted:
                found.setdefault(row.item_id, _told(row.correct, row.probability, row.text))
    return found


def _told(correct: bool | None, probability: float | None, text: str) -> dict[str, Any]:
    return {"correct": correct, "probability": probability, "text": text}


def _warn(before: Before, items: Iterable[Item]) -> None:
    told = [before[item.id]["correct"] for item in items if item.set == "forget" and item.id in before]
    marked = [correct for correct in told if correct is not None]
    if sum(marked) < len(marked) / 2:
        log.warning("the model knew only %d of %d forget items: little can be forgotten", sum(marked), len(marked))


def _place(home: Path, run_id: str) -> Path:
    return home / "runs" / run_id / "before.json"


def _read(path: Path, benchmark: Benchmark) -> Before:
    """Empty where there is no such file, or it is of the benchmark as it was before its data changed."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    found: Before = kept["items"] if kept.get("data") == benchmark.fingerprint else {}
    return found


def _write(job: Job, benchmark: Benchmark, before: Before) -> None:
    path = _place(job.home, job.id)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    content = {"data": benchmark.fingerprint, "items": before}
    part.write_text(json.dumps(content, ensure_ascii=True, allow_nan=False), encoding="utf-8")
    os.replace(part, path)
