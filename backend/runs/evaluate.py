"""The evaluate run: a benchmark's questions put to a model as it is. Nothing is trained and no checkpoint is made."""

from __future__ import annotations

import torch

from backend.benchmarks.item import Benchmark
from backend.models.encoding import Encoder
from backend.models.lineage import open_model
from backend.runs.job import Job
from backend.runs.scoring import score_model
from backend.spec import EvaluateSpec


def evaluate(job: Job, spec: EvaluateSpec, benchmark: Benchmark, device: torch.device) -> None:
    job.say("loading the model")
    opened = open_model(job.engine, job.home, spec.model, precision=spec.precision, device=device)
    if opened.checkpoint is not None:
        job.note(parent_checkpoint_id=opened.checkpoint.id)
    score_model(
        job,
        opened.model,
        Encoder(opened.processor),
        benchmark,
        spec.request,
        opened.checkpoint.id if opened.checkpoint else None,
        batch_size=spec.batch_size,
        count_steps=True,
    )
