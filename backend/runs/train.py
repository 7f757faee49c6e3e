"""Runs that move weights: `finetune` makes a model memorise people, `unlearn` makes it forget them.

Both are one flow: open the model, encode the items, train under an objective, keep the result, score it. A run that was
killed goes on from its newest checkpoint; one that was killed while scoring has its model already and only scores on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel

from backend.benchmarks.item import Benchmark, Item
from backend.models.encoding import Encoded, Encoder, instructed
from backend.models.lineage import (
    Opened,
    instruction_of,
    load_into,
    make_trainable,
    open_checkpoint,
    open_model,
    trainable_summary,
)
from backend.objectives.objective import ObjectiveLoss
from backend.objectives.schedule import Turns
from backend.objectives.second_answers import second_answers
from backend.runs.before import known_to_source, read_before
from backend.runs.editing import instruction, prune_neurons, subtract
from backend.runs.guarding import Warden, check_measurable
from backend.runs.job import Job, Stopped, log
from backend.runs.mask import run_mask
from backend.runs.reference import named_reference
from backend.runs.scoring import quick_accuracy, score_model, scoring_batch
from backend.spec import FinetuneSpec, Objective, Training, UnlearnSpec
from backend.spec_guards import Guards
from backend.training.dealing import Traits
from backend.training.evaluations import evaluation_steps
from backend.training.plan import EncodedItems, PairedPlan, SecondAnswers, collator, labelled
from backend.training.trainer import Diverged, LetheTrainer, Write
from storage import checkpoints, metric_points, results
from storage.tables import Checkpoint

REFERENCE_BATCH = 64
"""Items of which the reference is asked at once, at most: never more than a batch of the training, which has to fit."""


@dataclass
class Lesson:
    """What is trained on: items to forget, items to keep, and how the two are weighed.

    `finish` is done to the model once it is trained. Where there is one, what is trained is not yet what is asked for:
    the items to forget are learnt so that `finish` can take them away.
    """

    objective: Objective
    forget: list[Item]
    retain: list[Item]
    finish: Callable[[Any], None] | None = None


def finetune(job: Job, spec: FinetuneSpec, benchmark: Benchmark, device: torch.device) -> Checkpoint:
    """Trains on everyone's items, or on all but the forget set's (gold), and answers the final checkpoint."""
    lesson = Lesson(Objective(forget="none", retain="ce"), [], benchmark.learning_items(spec.request, spec.who))
    return _train(job, spec, lesson, benchmark, device)


def unlearn(job: Job, spec: UnlearnSpec, benchmark: Benchmark, device: torch.device) -> Checkpoint:
    """Trains under the spec's objective on what is to go and what is to stay, or edits the weights as the spec's `edit`
    says, and answers the final checkpoint."""
    finish = partial(subtract, times=spec.edit.negation) if spec.edit.method == "task_vector" else None
    forget, retain = benchmark.forget_items(spec.request), benchmark.retain_items(spec.request)
    return _train(job, spec, Lesson(spec.objective, forget, retain, finish), benchmark, device)


def _train(
    job: Job, spec: FinetuneSpec | UnlearnSpec, lesson: Lesson, benchmark: Benchmark, device: torch.device
) -> Checkpoint:
    training = spec.training
    precision = _weights_precision(training)
    final, before = _whole_final(job), read_before(job, benchmark)
    if final is not None:
        loaded, model = open_checkpoint(job.engine, job.home, final, precision=precision, device=device)
        encoder = Encoder(loaded.processor, instruction_of(checkpoints.lineage(job.engine, final)))
    else:
        job.say("loading the model")
        opened = open_model(job.engine, job.home, spec.model, precision=precision, device=device)
        if opened.checkpoint is not None:
            log.info("%s %s verified", opened.checkpoint.id[:8], opened.checkpoint.sha256[:8])
            job.note(parent_checkpoint_id=opened.checkpoint.id)
        encoder = Encoder(opened.processor, opened.instruction)
        if isinstance(spec, UnlearnSpec) and job.leads:
            ask = scoring_batch(opened.model) if spec.score else 0
            before = known_to_source(job, benchmark, spec.request, opened, encoder, ask=ask)
        make = {"manu": _prune, "prompt": _instruct}.get(_edit_of(spec), _optimise)
        model, final = make(job, spec, lesson, benchmark, opened, encoder, device)
    if spec.score:
        batch_size = scoring_batch(model)
        score_model(job, model, encoder, benchmark, spec.request, final.id, batch_size=batch_size, before=before)
    return final


def _prune(
    job: Job,
    spec: Any,
    lesson: Lesson,
    benchmark: Benchmark,
    opened: Opened,
    encoder: Encoder,
    device: torch.device,
) -> tuple[Any, Checkpoint]:
    results.forget_answers(job.engine, job.id, attempt=job.run.attempt)
    model = prune_neurons(job, spec, benchmark, opened, encoder)
    return model, _Keeper(job, spec, benchmark, model, encoder, opened).keep_final(0)


def _instruct(
    job: Job,
    spec: Any,
    lesson: Lesson,
    benchmark: Benchmark,
    opened: Opened,
    encoder: Encoder,
    device: torch.device,
) -> tuple[Any, Checkpoint]:
    """No weight changes; from here on the encoder says what the model is told."""
    results.forget_answers(job.engine, job.id, attempt=job.run.attempt)
    model, told = opened.model.eval(), instruction(spec, benchmark)
    encoder.instruction = instructed(encoder.instruction, told)
    return model, _Keeper(job, spec, benchmark, model, encoder, opened, told).keep_final(0)


def _edit_of(spec: FinetuneSpec | UnlearnSpec) -> str:
    return spec.edit.method if isinstance(spec, UnlearnSpec) else "none"


def _optimise(
    job: Job,
    spec: FinetuneSpec | UnlearnSpec,
    lesson: Lesson,
    benchmark: Benchmark,
    opened: Opened,
    encoder: Encoder,
    device: torch.device,
) -> tuple[Any, Checkpoint]:
    training, guards = spec.training, guards_of(spec)
    check_measurable(guards, benchmark, spec.request)
    model = make_trainable(opened.model, training)
    log.info(trainable_summary(model, training))
    per_step = training.samples_per_step
    turns = Turns.of(lesson.objective, len(lesson.forget), len(lesson.retain), per_step)
    mask = None
    if isinstance(spec, UnlearnSpec) and lesson.objective.mask != "none":
        mask = run_mask(job, spec, benchmark, opened, encoder, lesson.forget, lesson.retain, device)
    job.call()
    objective = ObjectiveLoss(
        lesson.objective,
        model,
        seed=training.seed,
        steps=training.steps,
        turns=turns,
        forget_mask=mask,
        reference=named_reference(job, spec, opened, precision=_weights_precision(training), device=device),
    )
    forget = EncodedItems(encoder, lesson.forget if objective.needs_forget else [])
    retain = EncodedItems(encoder, lesson.retain if objective.needs_retain else [])
    what = "to forget" if lesson.finish is None else "to learn, and then to subtract"
    log.info("%d items %s, %d to retain", len(forget), what, len(retain))
    with torch.autocast(device.type, torch.bfloat16, enabled=training.half):
        sums = _reference_sums(objective, encoder, forget, training, device) if objective.needs_reference_sums else None
        second = _second(objective, encoder, lesson, benchmark, training, device) if objective.second else None
    objective.sums_are_kept()
    resumed = checkpoints.latest(job.engine, job.id, home=job.home)
    folder = _restore(job, model, resumed) if resumed is not None else None

    keeper = (_Keeper if lesson.finish is None else _LearningKeeper)(job, spec, benchmark, model, encoder, opened)
    if job.leads:
        metric_points.forget_after(job.engine, job.id, resumed.step if resumed else 0, attempt=job.run.attempt)
        results.forget_answers(job.engine, job.id, attempt=job.run.attempt)
        keeper.warden.take_up(resumed.step if resumed else 0)
    over, counted = ("forget", len(forget)) if objective.needs_forget else ("retain", len(retain))
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
            forget_traits=Traits.of(lesson.forget),
            retain_traits=Traits.of(lesson.retain),
            deal=training.deal,
        ),
        collate=collator(encoder, forget, retain, sums, second=second, labels=lesson.objective.labels),
        training=training,
        folder=job.home / "scratch" / job.id,
        watcher=keeper,
        use_cpu=device.type == "cpu",
        evaluate_at=evaluation_steps(training, counted, lambda step: over in turns.at(step)),
    )
    job.new_phase()
    job.say(f"training: {training.steps} steps")
    try:
        trainer.train(resume_from_checkpoint=str(folder) if folder else None)
    except Diverged as diverged:
        job.dismiss()
        return trainer.bare_model().eval(), keeper.end(diverged.step, diverged)
    job.dismiss()
    if trainer.stopped_by in ("save", "cancel"):
        job.reached(trainer.state.global_step, training.steps)
        raise Stopped(trainer.stopped_by)
    model = trainer.bare_model().eval()
    if lesson.finish is not None:
        lesson.finish(model)
    keeper.finished = True
    return model, keeper.end(trainer.state.global_step)


def guards_of(spec: FinetuneSpec | UnlearnSpec) -> Guards:
    """The guards of an unlearning run; a finetune run has none."""
    return spec.guards if isinstance(spec, UnlearnSpec) else Guards()


class _Keeper:
    """The trainer's watcher: curves, progress, quick evaluations, guards and checkpoints of one run; or the keeper of
    one that has nothing but what the model is `told`."""

    def __init__(
        self,
        job: Job,
        spec: FinetuneSpec | UnlearnSpec,
        benchmark: Benchmark,
        model: Any,
        encoder: Encoder,
        opened: Opened,
        told: str = "",
    ) -> None:
        self.finished = False
        self._told = told
        self._job, self._spec, self._benchmark = job, spec, benchmark
        self._model, self._encoder, self._opened = model, encoder, opened
        self._evaluated = 0
        self.warden = Warden(job, guards_of(spec), spec.training.steps, self._keep_best)

    def stepped(self, step: int, figures: dict[str, float]) -> str:
        steps = self._spec.training.steps
        self._job.measured(step, figures)
        if step % max(1, steps // 20) == 0:
            shown = " · ".join(f"{name} {value:.3g}" for name, value in figures.items())
            log.info("step %d of %d · %s", step, steps, shown)
        wish = self._job.progress(step, steps, "training")
        return "guard" if self.warden.saw_losses(step, figures) and wish != "cancel" else wish

    def evaluate(self, step: int) -> str:
        self._evaluated = step
        began = time.monotonic()
        self._model.eval()
        figures = quick_accuracy(
            self._model, self._encoder, self._benchmark, self._spec.request, scoring_batch(self._model)
        )
        self._job.measured(step, figures)
        self._job.flush()
        shown = " · ".join(f"{name.split('/')[1]} {value:.2f}" for name, value in figures.items())
        log.info("evaluated at step %d in %.1f s · %s", step, time.monotonic() - began, shown)
        return "guard" if self.warden.saw_accuracies(step, figures) else "none"

    def save(self, step: int, write: Write) -> None:
        self._save(step, "resume", write)
        checkpoints.prune(self._job.engine, self._job.home, self._job.id, keep=1)
        self.warden.can_resume()

    def end(self, made: int, diverged: Diverged | None = None) -> Checkpoint:
        """Keeps the run's result after `made` steps: the model as it is, or the best one, which it is set back to.

        Where the loss is no number only the best will do. Raises `diverged` where there is none.
        """
        if diverged is not None and not self.warden.saw_divergence(made, diverged.reason):
            raise diverged
        self._job.reached(made, self._spec.training.steps)
        if self._spec.training.evaluate_every and self._evaluated != made and diverged is None:
            self.evaluate(made)
        ending, best, step = self.warden.ending(made), self.warden.best, made
        if ending:
            log.info(ending)
        if best is not None and best.step != made:
            load_into(self._model, checkpoints.verify(self._job.home, best), best.step)
            step = best.step
        final = self._save(step, "final", self._write_model, {"ending": ending} if ending else {})
        self.warden.close()
        checkpoints.prune(self._job.engine, self._job.home, self._job.id, keep=0)
        return final

    def keep_final(self, step: int) -> Checkpoint:
        """Keeps the model of a run that took no step under an objective."""
        return self._save(step, "final", self._write_model)

    def _keep_best(self, step: int, measured: dict[str, Any]) -> Checkpoint:
        return self._save(step, "best", self._write_model, measured)

    def _write_model(self, folder: Path) -> None:
        if self._told:
            (folder / "instruction.txt").write_text(self._told, encoding="utf-8")
            return
        self._model.save_pretrained(folder)
        if not isinstance(self._model, PeftModel):
            self._encoder.processor.save_pretrained(folder)

    def _save(self, step: int, role: str, write: Write, meta: dict[str, Any] | None = None) -> Checkpoint:
        parent = self._opened.checkpoint
        self._job.flush()
        self._job.saving = True
        try:
            return self._keep(step, role, write, parent, meta or {})
        finally:
            self._job.saving = False

    def _keep(self, step: int, role: str, write: Write, parent: Checkpoint | None, meta: dict[str, Any]) -> Checkpoint:
        kept = checkpoints.save(
            self._job.engine,
            self._job.home,
            run_id=self._job.id,
            step=step,
            kind="instruction" if self._told else "adapter" if isinstance(self._model, PeftModel) else "full",
            role=role,
            base=self._opened.base,
            write=write,
            parent_id=parent.id if parent else None,
            meta={"precision": _weights_precision(self._spec.training)}
            | ({"instruction": self._told} if self._told else {})
            | meta,
            attempt=self._job.run.attempt,
        )
        log.info("checkpoint at step %d kept (%s, %.1f MB, %s)", step, role, kept.bytes / 1e6, kept.sha256[:8])
        return kept


class _LearningKeeper(_Keeper):
    """Of a run that learns the forget set first: only the finished model is evaluated."""

    def evaluate(self, step: int) -> str:
        return super().evaluate(step) if self.finished else "none"


def _reference_sums(
    objective: ObjectiveLoss, encoder: Encoder, rows: Sequence[Encoded], training: Training, device: torch.device
) -> list[float]:
    """log π_ref(y|x) of every row, once: the reference never changes."""
    began, size = time.monotonic(), min(REFERENCE_BATCH, training.batch_size)
    sums: list[float] = []
    for at in range(0, len(rows), size):
        asked = [rows[index] for index in range(at, min(at + size, len(rows)))]
        batch = labelled(encoder, asked, objective.spec.labels)
        sums += objective.reference_sums({key: value.to(device) for key, value in batch.items()}).tolist()
    log.info("reference log-probabilities kept for %d items (%.1f s)", len(sums), time.monotonic() - began)
    return sums


def _second(
    objective: ObjectiveLoss,
    encoder: Encoder,
    lesson: Lesson,
    benchmark: Benchmark,
    training: Training,
    device: torch.device,
) -> SecondAnswers:
    """The second answers that the forget term needs, and their reference log-probabilities where it needs those."""
    count = objective.spec.mismatch_count if objective.second == "mismatch" else 1
    items = second_answers(objective.second, lesson.forget, lesson.retain, benchmark, count=count, seed=training.seed)
    rows = EncodedItems(encoder, items)
    sums = _reference_sums(objective, encoder, rows, training, device) if objective.needs_other_sums else None
    return SecondAnswers(rows, count, sums)


def _restore(job: Job, model: Any, checkpoint: Checkpoint) -> Path:
    """Puts a resume checkpoint's weights into the model; answers the folder its training state lies in."""
    folder = checkpoints.verify(job.home, checkpoint)
    load_into(model, folder, checkpoint.step)
    job.note(resumed_from=checkpoint.id, resumed_at_step=checkpoint.step)
    job.say(f"going on from step {checkpoint.step}")
    return folder


def _whole_final(job: Job) -> Checkpoint | None:
    """The model the run has made already, if an earlier attempt ended while scoring it; a damaged one is made anew."""
    kept = checkpoints.listing(job.engine, role="final", run_id=job.id)
    return next((one for one in kept if checkpoints.condition(job.home, one) == "ok"), None)


def _weights_precision(training: Training) -> str:
    """Frozen weights may be kept in bf16; weights that are trained are kept in fp32 and cast in the forward pass."""
    return training.precision if training.adapter == "lora" else "fp32"
