"""Runs that move weights: `finetune` makes a model memorise people, `unlearn` makes it forget them.

Both are one flow: open the model, encode the items, train under an objective, keep the result, score it. A run that was
killed goes on from its newest checkpoint; one that was killed while scoring has its model already and only scores on.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel, set_peft_model_state_dict
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText

from backend.benchmarks.item import Benchmark, Item
from backend.models.encoding import Encoded, Encoder
from backend.models.lineage import Opened, make_trainable, open_checkpoint, open_model, trainable_summary
from backend.models.loading import ModelRefused
from backend.objectives.objective import ObjectiveLoss
from backend.objectives.schedule import Turns
from backend.objectives.second_answers import second_answers
from backend.runs.before import known_to_source, read_before
from backend.runs.job import Job, Stopped, log
from backend.runs.scoring import quick_accuracy, score_model, scoring_batch
from backend.spec import FinetuneSpec, Objective, Training, UnlearnSpec
from backend.training.plan import EncodedItems, PairedPlan, SecondAnswers, collator, labelled
from backend.training.trainer import LetheTrainer, Write
from storage import checkpoints, results
from storage.tables import Checkpoint

REFERENCE_BATCH = 64


@dataclass
class Lesson:
    """What is trained on: items to forget, items to keep, and how the two are weighed."""

    objective: Objective
    forget: list[Item]
    retain: list[Item]


def finetune(job: Job, spec: FinetuneSpec, benchmark: Benchmark, device: torch.device) -> Checkpoint:
    """Trains on everyone's items, or on all but the forget set's (gold), and answers the final checkpoint."""
    lesson = Lesson(Objective(forget="none", retain="ce"), [], benchmark.learning_items(spec.request, spec.who))
    return _train(job, spec, lesson, benchmark, device)


def unlearn(job: Job, spec: UnlearnSpec, benchmark: Benchmark, device: torch.device) -> Checkpoint:
    """Trains under the spec's objective on what is to go and what is to stay, and answers the final checkpoint."""
    lesson = Lesson(spec.objective, benchmark.forget_items(spec.request), benchmark.retain_items(spec.request))
    return _train(job, spec, lesson, benchmark, device)


def _train(
    job: Job, spec: FinetuneSpec | UnlearnSpec, lesson: Lesson, benchmark: Benchmark, device: torch.device
) -> Checkpoint:
    training = spec.training
    precision = _weights_precision(training)
    final, before = _whole_final(job), read_before(job, benchmark)
    if final is not None:
        loaded, model = open_checkpoint(job.engine, job.home, final, precision=precision, device=device)
        encoder = Encoder(loaded.processor)
    else:
        job.say("loading the model")
        opened = open_model(job.engine, job.home, spec.model, precision=precision, device=device)
        if opened.checkpoint is not None:
            log.info("%s %s verified", opened.checkpoint.id[:8], opened.checkpoint.sha256[:8])
            job.note(parent_checkpoint_id=opened.checkpoint.id)
        encoder = Encoder(opened.processor)
        if isinstance(spec, UnlearnSpec):
            ask = scoring_batch(opened.model) if spec.score else 0
            before = known_to_source(job, benchmark, spec.request, opened, encoder, ask=ask)
        model, final = _optimise(job, spec, lesson, benchmark, opened, encoder, device)
    if spec.score:
        batch_size = scoring_batch(model)
        score_model(job, model, encoder, benchmark, spec.request, final.id, batch_size=batch_size, before=before)
    return final


def _optimise(
    job: Job,
    spec: FinetuneSpec | UnlearnSpec,
    lesson: Lesson,
    benchmark: Benchmark,
    opened: Opened,
    encoder: Encoder,
    device: torch.device,
) -> tuple[Any, Checkpoint]:
    training = spec.training
    model = make_trainable(opened.model, training)
    log.info(trainable_summary(model, training))
    per_step = training.batch_size * training.accumulation
    turns = Turns.of(lesson.objective, len(lesson.forget), len(lesson.retain), per_step)
    objective = ObjectiveLoss(lesson.objective, model, seed=training.seed, turns=turns)
    forget = EncodedItems(encoder, lesson.forget if objective.needs_forget else [])
    retain = EncodedItems(encoder, lesson.retain if objective.needs_retain else [])
    log.info("%d items to forget, %d to retain", len(forget), len(retain))
    with torch.autocast(device.type, torch.bfloat16, enabled=training.precision == "bf16"):
        sums = _reference_sums(objective, encoder, forget, device) if objective.needs_reference_sums else None
        second = _second(objective, encoder, lesson, benchmark, training.seed, device) if objective.second else None
    resumed = checkpoints.latest(job.engine, job.id, home=job.home)
    folder = _restore(job, model, resumed) if resumed is not None else None

    results.forget_metrics_after(job.engine, job.id, resumed.step if resumed else 0, attempt=job.run.attempt)
    results.forget_answers(job.engine, job.id, attempt=job.run.attempt)

    keeper = _Keeper(job, spec, benchmark, model, encoder, opened)
    samples = training.steps * per_step
    trainer = LetheTrainer(
        model=model,
        objective=objective,
        plan=PairedPlan(
            len(forget) or None,
            len(retain) or None,
            samples,
            training.seed,
            turns=turns,
            samples_per_step=per_step,
            forget_pictures=[item.image for item in lesson.forget],
            retain_pictures=[item.image for item in lesson.retain],
        ),
        collate=collator(encoder, forget, retain, sums, second=second, labels=lesson.objective.labels),
        training=training,
        folder=job.home / "scratch" / job.id,
        watcher=keeper,
        use_cpu=device.type == "cpu",
    )
    job.new_phase()
    job.say(f"training: {training.steps} steps")
    trainer.train(resume_from_checkpoint=str(folder) if folder else None)
    if trainer.stopped_by != "none":
        raise Stopped(trainer.stopped_by)
    model = trainer.bare_model().eval()
    keeper.evaluate(training.steps)
    final = keeper.keep_final(training.steps)
    checkpoints.prune(job.engine, job.home, job.id, keep=0)
    return model, final


class _Keeper:
    """The trainer's watcher: curves, progress, quick evaluations and checkpoints of one run."""

    def __init__(
        self,
        job: Job,
        spec: FinetuneSpec | UnlearnSpec,
        benchmark: Benchmark,
        model: Any,
        encoder: Encoder,
        opened: Opened,
    ) -> None:
        self._job, self._spec, self._benchmark = job, spec, benchmark
        self._model, self._encoder, self._opened = model, encoder, opened

    def stepped(self, step: int, figures: dict[str, float]) -> str:
        steps = self._spec.training.steps
        self._job.measured(step, figures)
        if step % max(1, steps // 20) == 0:
            shown = " · ".join(f"{name} {value:.3g}" for name, value in figures.items())
            log.info("step %d of %d · %s", step, steps, shown)
        return self._job.progress(step, steps, "training")

    def evaluate(self, step: int) -> None:
        if not self._spec.training.evaluate_every:
            return
        began = time.monotonic()
        self._model.eval()
        figures = quick_accuracy(
            self._model, self._encoder, self._benchmark, self._spec.request, scoring_batch(self._model)
        )
        self._job.measured(step, figures)
        self._job.flush()
        shown = " · ".join(f"{name.split('/')[1]} {value:.2f}" for name, value in figures.items())
        log.info("evaluated at step %d in %.1f s · %s", step, time.monotonic() - began, shown)

    def save(self, step: int, write: Write) -> None:
        self._save(step, "resume", write)
        checkpoints.prune(self._job.engine, self._job.home, self._job.id, keep=1)

    def keep_final(self, step: int) -> Checkpoint:
        def write(folder: Path) -> None:
            self._model.save_pretrained(folder)
            if not isinstance(self._model, PeftModel):
                self._encoder.processor.save_pretrained(folder)

        return self._save(step, "final", write)

    def _save(self, step: int, role: str, write: Write) -> Checkpoint:
        parent = self._opened.checkpoint
        self._job.flush()
        self._job.saving = True
        try:
            return self._keep(step, role, write, parent)
        finally:
            self._job.saving = False

    def _keep(self, step: int, role: str, write: Write, parent: Checkpoint | None) -> Checkpoint:
        kept = checkpoints.save(
            self._job.engine,
            self._job.home,
            run_id=self._job.id,
            step=step,
            kind="adapter" if isinstance(self._model, PeftModel) else "full",
            role=role,
            base=self._opened.base,
            write=write,
            parent_id=parent.id if parent else None,
            meta={"precision": _weights_precision(self._spec.training)},
            attempt=self._job.run.attempt,
        )
        log.info("checkpoint at step %d kept (%s, %.1f MB, %s)", step, role, kept.bytes / 1e6, kept.sha256[:8])
        return kept


def _reference_sums(
    objective: ObjectiveLoss, encoder: Encoder, rows: Sequence[Encoded], device: torch.device
) -> list[float]:
    """log π_ref(y|x) of every row, once: the reference never changes."""
    began = time.monotonic()
    sums: list[float] = []
    for at in range(0, len(rows), REFERENCE_BATCH):
        batch = {
            key: value.to(device)
            for key, value in labelled(
                encoder,
                [rows[index] for index in range(at, min(at + REFERENCE_BATCH, len(rows)))],
                objective.spec.labels,
            ).items()
        }
        sums += objective.reference_sums(batch).tolist()
    log.info("reference log-probabilities kept for %d items (%.1f s)", len(sums), time.monotonic() - began)
    return sums


def _second(
    objective: ObjectiveLoss, encoder: Encoder, lesson: Lesson, benchmark: Benchmark, seed: int, device: torch.device
) -> SecondAnswers:
    """The second answers that the forget term needs, and their reference log-probabilities where it needs those."""
    count = objective.spec.mismatch_count if objective.second == "mismatch" else 1
    items = second_answers(objective.second, lesson.forget, lesson.retain, benchmark, count=count, seed=seed)
    rows = EncodedItems(encoder, items)
    sums = _reference_sums(objective, encoder, rows, device) if objective.needs_other_sums else None
    return SecondAnswers(rows, count, sums)


def _restore(job: Job, model: Any, checkpoint: Checkpoint) -> Path:
    """Puts a resume checkpoint's weights into the model; answers the folder its training state lies in."""
    folder = checkpoints.verify(job.home, checkpoint)
    if isinstance(model, PeftModel):
        loaded: Any = set_peft_model_state_dict(model, load_file(folder / "adapter_model.safetensors"))
        if loaded.unexpected_keys:
            raise ModelRefused(f"the checkpoint of step {checkpoint.step} does not fit this run's adapter")
    else:
        kept = load_weights(folder)
        model.load_state_dict(kept)
    job.note(resumed_from=checkpoint.id, resumed_at_step=checkpoint.step)
    job.say(f"going on from step {checkpoint.step}")
    return folder


def load_weights(folder: Path) -> dict[str, torch.Tensor]:
    """A folder's full weights under the names that the model itself uses, whatever names the files carry."""
    model = AutoModelForImageTextToText.from_pretrained(folder, use_safetensors=True)
    state: dict[str, torch.Tensor] = model.state_dict()
    return state


def _whole_final(job: Job) -> Checkpoint | None:
    """The model the run has made already, if an earlier attempt ended while scoring it; a damaged one is made anew."""
    kept = checkpoints.listing(job.engine, role="final", run_id=job.id)
    return next((one for one in kept if checkpoints.condition(job.home, one) == "ok"), None)


def _weights_precision(training: Training) -> str:
    """Frozen weights may be kept in bf16; weights that are trained are kept in fp32 and cast in the forward pass."""
    return training.precision if training.adapter == "lora" else "fp32"
