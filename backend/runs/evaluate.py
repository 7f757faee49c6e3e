"""The evaluate run: a benchmark's questions put to a model as it is. Nothing is trained and no checkpoint is made."""

from __future__ import annotations

import torch

from backend.benchmarks.item import Benchmark
from backend.inference.sampling import Sampler
from backend.metrics.rules import rules_of
from backend.metrics.shots import with_shots
from backend.models.encoding import Encoder
from backend.models.lineage import open_model
from backend.runs.before import Before, known_to_ancestor
from backend.runs.job import Job
from backend.runs.judging import endpoint_at_hand
from backend.runs.scoring import score_model
from backend.spec import EvaluateSpec


def evaluate(job: Job, spec: EvaluateSpec, benchmark: Benchmark, device: torch.device) -> None:
    """Asks everything that the spec wants asked. Raises, before anything else, `CannotJudge` where a judge is wanted
    and there is none, and `BadRequest` where solved examples are wanted that cannot be."""
    judge = endpoint_at_hand() if spec.judge else None
    rules = with_shots(rules_of(benchmark.rules), benchmark.scored_items(spec.request), spec.shots, spec.seed)
    job.say("loading the model")
    opened = open_model(job.engine, job.home, spec.model, precision=spec.precision, device=device)
    if opened.checkpoint is not None:
        job.note(parent_checkpoint_id=opened.checkpoint.id)
    before = known_to_ancestor(job, benchmark, spec.request, opened.checkpoint) if opened.checkpoint else {}
    encoder, size = Encoder(opened.processor, opened.instruction), spec.batch_size
    score_model(
        job,
        opened.model,
        encoder,
        benchmark,
        spec.request,
        opened.checkpoint.id if opened.checkpoint else None,
        batch_size=size,
        count_steps=True,
        before=_asked_alike(before, spec, benchmark),
        sampler=Sampler(opened.model, encoder, rules, spec.samples, spec.seed, size) if spec.samples else None,
        judge=judge,
        rules=rules,
    )


def _asked_alike(before: Before, spec: EvaluateSpec, benchmark: Benchmark) -> Before:
    """What the original said, but for the questions that this run puts examples before: it was asked those without."""
    if not spec.shots:
        return before
    changed = {item.id for item in benchmark.scored_items(spec.request) if item.task == "classification"}
    return {item_id: told for item_id, told in before.items() if item_id not in changed}
