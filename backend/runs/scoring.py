"""A benchmark's questions put to the model a run has made, answers kept as they come, scores when all are in.

An evaluation that was killed goes on from the answers it has.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Engine

from backend.benchmarks.item import Benchmark, Item
from backend.inference.items import answer_items
from backend.inference.sampling import Sampler, leaks
from backend.metrics.interval import over_people
from backend.metrics.judge import Endpoint
from backend.metrics.known import known_rows
from backend.metrics.rules import Rules, rules_of
from backend.metrics.score import Answered, score
from backend.metrics.summary import summary
from backend.models.encoding import Encoder
from backend.reports import asked_the_same, gold_run, is_gold
from backend.runs.before import Before, with_before
from backend.runs.job import Job, log
from backend.runs.judging import judged
from backend.spec import ForgetRequest
from storage import results, runs
from storage.tables import Run

SMALL_MODEL = 50_000_000
SMALL_MODEL_BATCH = 256
BATCH = 32
QUICK_ITEMS = 24
"""Items of a set that are asked during training: enough to see where a curve is going."""


def score_model(
    job: Job,
    model: Any,
    encoder: Encoder,
    benchmark: Benchmark,
    request: ForgetRequest,
    checkpoint_id: str | None,
    *,
    batch_size: int,
    count_steps: bool = False,
    before: Before | None = None,
    sampler: Sampler | None = None,
    judge: Endpoint | None = None,
    rules: Rules | None = None,
) -> None:
    """Asks every scored item not yet answered, then writes the scores.

    With `count_steps` the items are the run's steps. `before` is what the original said to them; a `sampler` draws
    further answers, from which leak@k is measured; a `judge` marks what was written, once all is in. `rules` ask
    otherwise than the benchmark's own. Raises `Stopped` between batches.
    """
    items = benchmark.scored_items(request)
    by_id = {item.id: item for item in items}
    kept = results.answers(job.engine, run_id=job.id, limit=len(items) + 1)
    answered = [_from_row(row, by_id[row.item_id]) for row in kept if row.item_id in by_id]
    known = {answer.item.id for answer in answered}
    job.new_phase()
    left = [item for item in items if item.id not in known]
    began, asked_before = time.monotonic(), len(answered)
    for batch in answer_items(model, encoder, left, batch_size=batch_size, rules=rules or benchmark.rules):
        batch = [with_before(answer, before or {}) for answer in batch]
        batch = _sampled(job, sampler, batch) if sampler else batch
        rows = [_to_row(answer) for answer in batch]
        results.write_answers(job.engine, job.id, checkpoint_id, rows, attempt=job.run.attempt)
        answered += batch
        job.progress(len(answered), len(items), "scoring", counts=count_steps)
        job.raise_if_stopped()
    if judge is not None:
        answered = _judged(job, judge, benchmark, answered)
    run = runs.get(job.engine, job.id)  # `job.run` is the row as it was claimed, without what was noted since
    itself = is_gold(job.engine, run)
    gold = None if itself else _gold_answers(job.engine, run, by_id)
    rows = score(answered) + known_rows(answered) + summary(benchmark.rules, answered, gold, is_gold=itself)
    results.write_scores(job.engine, job.id, checkpoint_id, rows, attempt=job.run.attempt)
    log.info("scored %d items in %.1f s", len(answered) - asked_before, time.monotonic() - began)


def _sampled(job: Job, sampler: Sampler, batch: list[Answered]) -> list[Answered]:
    """The answers with leak@k and the sampled texts of those that the sampler draws for."""
    drawn = {}
    for item, texts in sampler.draw([answer.item for answer in batch]):
        drawn[item.id] = leaks(sampler.rules, item, texts)
        job.raise_if_stopped()
    found = []
    for answer in batch:
        measures, kept = drawn.get(answer.item.id, ({}, None))
        extra = {"samples": kept} if kept else {}
        found.append(replace(answer, measures={**answer.measures, **measures}, detail={**answer.detail, **extra}))
    return found


def _judged(job: Job, judge: Endpoint, benchmark: Benchmark, answered: list[Answered]) -> list[Answered]:
    """The answers with the judge's marks, which are kept with them."""
    marked = judged(job, judge, rules_of(benchmark.rules), answered)
    details = {one.item.id: _detail(one) for one in marked if "judge" in one.detail}
    results.annotate_answers(job.engine, job.id, details, attempt=job.run.attempt)
    return marked


def _gold_answers(engine: Engine, run: Run, items: Mapping[str, Item]) -> list[Answered] | None:
    """What the newest retain-only model of the same people said to the same items; None where there is none."""
    gold = gold_run(engine, run)
    asked = asked_the_same(engine, run, gold) if gold else None
    if asked is None:
        return None
    rows = results.answers(engine, run_id=asked.id, limit=len(items) + 1)
    return [_from_row(row, items[row.item_id]) for row in rows if row.item_id in items] or None


def scoring_batch(model: Any) -> int:
    """Items asked at once: many of a model that is all overhead, fewer of one that fills the device."""
    small = sum(parameter.numel() for parameter in model.parameters()) < SMALL_MODEL
    return SMALL_MODEL_BATCH if small else BATCH


def quick_sample(benchmark: Benchmark, request: ForgetRequest) -> dict[str, list[Item]]:
    """By set, the fixed sample of generation items, spread over people, that is asked during training."""
    by_set: dict[str, list[Item]] = defaultdict(list)
    for item in benchmark.scored_items(request):
        if item.task == "generation" and item.set != "holdout":  # nobody was taught them: nothing to follow
            by_set[item.set].append(item)
    return {item_set: _spread(members) for item_set, members in by_set.items()}


def quick_accuracy(
    model: Any, encoder: Encoder, benchmark: Benchmark, request: ForgetRequest, batch_size: int
) -> dict[str, float]:
    """`accuracy/forget`, `accuracy/retain`, … on `quick_sample`."""
    sample = [item for members in quick_sample(benchmark, request).values() for item in members]
    grouped: dict[str, list[Answered]] = defaultdict(list)
    for batch in answer_items(model, encoder, sample, batch_size=batch_size, rules=benchmark.rules, quick=True):
        for answer in batch:
            grouped[answer.item.set].append(answer)
    return {
        f"accuracy/{item_set}": over_people(
            [float(bool(one.correct)) for one in members], [one.item.subject for one in members]
        )[0]
        for item_set, members in grouped.items()
    }


def _spread(items: list[Item]) -> list[Item]:
    """Every k-th item, so that people, attributes and modalities are all in the sample."""
    stride = max(1, round(len(items) / QUICK_ITEMS))
    stride += stride % 2 == 0
    return items[::stride][:QUICK_ITEMS]


def _to_row(answer: Answered) -> dict[str, Any]:
    item = answer.item
    return {
        "item_id": item.id,
        "subject": item.subject,
        "item_set": item.set,
        "task": item.task,
        "modality": item.modality,
        "question": item.question,
        "truth": item.answer,
        "text": answer.text,
        "correct": answer.correct,
        "probability": answer.probability,
        "detail": _detail(answer),
    }


def _detail(answer: Answered) -> dict[str, Any]:
    return {**answer.detail, "measures": answer.measures}


def _from_row(row: Any, item: Item) -> Answered:
    detail = dict(row.detail or {})
    return Answered(item, row.text, detail.pop("measures", {}), detail)
