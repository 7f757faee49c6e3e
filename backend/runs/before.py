"""The memorisation check's data: what the original says to the items.

The original is the model as it was before the first unlearning of its line, however often it was unlearned or taught
again since. Answers that the lab has kept of that very checkpoint are taken. Only where an unlearning run begins with
the original, is to be scored, and they are missing is it asked, about the forget set and the test set. What was found
lies in `runs/ID/before.json` of the lab's home, written aside and renamed, so that a run that was resumed, or is only
to be scored still, reads it back. Of a model that has unlearned nothing there is nothing to say.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from backend.benchmarks.item import BadRequest, Benchmark, Item
from backend.inference.items import answer_items
from backend.metrics.score import Answered
from backend.models.encoding import Encoder
from backend.models.lineage import Opened
from backend.runs.job import Job, log
from backend.spec import ForgetRequest
from storage import checkpoints, results, runs
from storage.tables import Checkpoint

Before = dict[str, dict[str, Any]]
"""By item id: `correct` (None where the item has no right and wrong), `probability` and `text` of the original."""

ASKED_SETS = ("forget", "test")
ALL = 10**7


def known_to_source(
    job: Job, benchmark: Benchmark, request: ForgetRequest, source: Opened, encoder: Encoder, *, ask: int
) -> Before:
    """What the original of an unlearning run says to the run's items. Where the source is the original, it is asked for
    in batches of `ask` what the lab has not kept, and nothing where that is 0. Warns in the log when there is little to
    forget.

    Raises `Stopped` between batches; what was answered by then is kept.
    """
    items = {item.id: item for item in benchmark.scored_items(request)}
    line = checkpoints.lineage(job.engine, source.checkpoint) if source.checkpoint else []
    unlearned = _first_unlearned(job, line)
    if unlearned is not None:
        kept, ask = _known(job, benchmark, line, unlearned, items), 0
    else:
        kept = _kept(job, benchmark, line[-1], items) if line else {}
    before = kept | read_before(job, benchmark)
    if before:
        log.info("what the original knew: %d answers are kept", len(before))
    missing = [item for item in items.values() if item.set in ASKED_SETS and item.id not in before]
    if ask and missing:
        _ask(job, benchmark, source.model, encoder, missing, before, ask)
    if before:
        _write(job, benchmark, before)
    _warn(before, items.values())
    return before


def known_to_ancestor(job: Job, benchmark: Benchmark, request: ForgetRequest, checkpoint: Checkpoint) -> Before:
    """What the original of an unlearned model is known to have said to the request's items; nothing is asked, and of a
    model that has unlearned nothing there is nothing."""
    line = checkpoints.lineage(job.engine, checkpoint)
    unlearned = _first_unlearned(job, line)
    if unlearned is None:
        return {}
    return _known(job, benchmark, line, unlearned, {item.id: item for item in benchmark.scored_items(request)})


def read_before(job: Job, benchmark: Benchmark) -> Before:
    """What the run itself has written down before; empty where it has not."""
    return _read(_place(job.home, job.id), benchmark)


def with_before(answer: Answered, before: Mapping[str, Any]) -> Answered:
    """The answer with what the original said to its item beside it, where that is known."""
    if answer.item.id not in before:
        return answer
    return replace(answer, detail={**answer.detail, "before": before[answer.item.id]})


def _first_unlearned(job: Job, line: list[Checkpoint]) -> int | None:
    """The place in a line, root first, of the first model that unlearned; None where none did."""
    kinds = (runs.get(job.engine, one.run_id).kind for one in line)
    return next((place for place, kind in enumerate(kinds) if kind == "unlearn"), None)


def _known(
    job: Job, benchmark: Benchmark, line: list[Checkpoint], unlearned: int, wanted: Mapping[str, Item]
) -> Before:
    """What was kept of the original of a line, and what the runs that unlearned since have noted down of it."""
    found: Before = {}
    for made in line[unlearned:]:
        noted = _read(_place(job.home, made.run_id), benchmark)
        meant = _meant(benchmark, wanted)
        found = {item_id: told for asked, told in noted.items() if (item_id := meant(asked))} | found
    kept = _kept(job, benchmark, line[unlearned - 1], wanted) if unlearned else {}
    return found | kept


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


def _kept(job: Job, benchmark: Benchmark, checkpoint: Checkpoint, wanted: Mapping[str, Item]) -> Before:
    """The answers to these items in the runs that put this benchmark, as it is now, to the checkpoint."""
    found: Before = {}
    meant = _meant(benchmark, wanted)
    for run in results.answering_runs(job.engine, checkpoint.id):
        if wanted.keys() <= found.keys():
            break
        if (run.spec.get("benchmark"), run.versions.get("data")) != (benchmark.name, benchmark.fingerprint):
            continue
        if run.spec.get("shots"):  # examples tell how to answer: that is no evidence of what was known
            continue
        for row in results.answers(job.engine, run_id=run.id, checkpoint_id=checkpoint.id, limit=ALL):
            if item_id := meant(row.item_id):
                found.setdefault(item_id, _told(row.correct, row.probability, row.text))
    return found


def _meant(benchmark: Benchmark, wanted: Mapping[str, Item]) -> Callable[[str], str | None]:
    """Which of the wanted items is the same question as the item of an id; None for none of them. Whom another request
    wanted forgotten is in another set there, and the model was asked the same about them."""
    by_question = {_question(item): item.id for item in wanted.values()}

    def find(item_id: str) -> str | None:
        if item_id in wanted:
            return item_id
        try:
            return by_question.get(_question(benchmark.item(item_id)))
        except BadRequest:
            return None

    return find


def _question(item: Item) -> tuple[Any, ...]:
    """All that a model is shown of an item, and all that its answer is held against."""
    return (item.subject, item.task, item.modality, item.question, item.image, item.options, item.answer, item.key)


def _told(correct: bool | None, probability: float | None, text: str) -> dict[str, Any]:
    return {"correct": correct, "probability": probability, "text": text}


def _warn(before: Before, items: Iterable[Item]) -> None:
    told = [before[item.id]["correct"] for item in items if item.set == "forget" and item.id in before]
    marked = [correct for correct in told if correct is not None]
    if sum(marked) < len(marked) / 2:
        log.warning("the original knew only %d of %d forget items: little can be forgotten", sum(marked), len(marked))


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
