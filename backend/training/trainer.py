"""One subclass of the Hugging Face Trainer: our objective in its step, our checkpoints in its save, no pickle anywhere.

Precision, accumulation, clipping and schedules are the library's, and so is which device reads which batch. What is
changed is listed here whole: the loss and its parts, how gradients of several devices come together (`devices.py`), the
order of the data (the plan's), how a checkpoint is written and read, and what is reported at each step.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Container, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import torch
from torch.utils.data import Dataset, Sampler, SequentialSampler
from transformers import (
    PreTrainedModel,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from backend.models.encoding import IGNORED
from backend.objectives.objective import ObjectiveLoss, Part
from backend.spec import Training
from backend.training.devices import agreed, average_gradients, gathered, mean_figures, start_alike
from backend.training.state import load_optimiser, load_random, random_state, save_state

Write = Callable[[Path], None]
OBJECTIVE = "objective.json"
WISHES = ("none", "save", "cancel", "guard")
"""What a watcher may answer."""


class Diverged(RuntimeError):
    """The loss is no longer a number; the message says at which step and what to try, `reason` what happened."""

    def __init__(self, loss: float, step: int) -> None:
        self.step, self.reason = step, f"the loss became {loss}"
        super().__init__(
            f"{self.reason} at step {step}; try a smaller learning rate, or a bounded forget term such as NPO"
        )


class Watcher(Protocol):
    """Who follows a training run: the run's row in the database, or a list in a test."""

    def stepped(self, step: int, figures: dict[str, float]) -> str:
        """Called after each optimiser step; answers `none`, `save` (stop and keep), `cancel`, or `guard`: enough."""
        ...

    def evaluate(self, step: int) -> str:
        """A quick evaluation; answers `none` or `guard`."""
        ...

    def save(self, step: int, write: Write) -> None:
        """Keeps a checkpoint to resume from: `write` fills a folder."""
        ...


class LetheTrainer(Trainer):
    """Minimises an objective over a plan of batches. `stopped_by` is `none`, `save`, `cancel` or `guard` afterwards.

    `evaluate_at` are the steps, counted from 1, after which the watcher is asked to evaluate; the last never is. Of
    several devices the first alone asks its watcher, and the others do as it does.
    """

    def __init__(
        self,
        *,
        model: torch.nn.Module,
        objective: ObjectiveLoss,
        plan: Dataset[Any],
        collate: Callable[[list[Any]], dict[str, Any]],
        training: Training,
        folder: Path,
        watcher: Watcher,
        use_cpu: bool,
        evaluate_at: Container[int] = frozenset(),
    ) -> None:
        self.objective: ObjectiveLoss = objective
        self.watcher = watcher
        self.stopped_by = WISHES[0]
        self._figures: dict[str, list[float]] = {}
        super().__init__(
            model=model,
            args=_arguments(training, folder, use_cpu),
            train_dataset=plan,
            data_collator=collate,
            callbacks=[_Follower(self, training, evaluate_at)],
        )
        self.remove_callback(PrinterCallback)
        objective.reference.autocast = self.accelerator.autocast
        self.several = self.accelerator.num_processes > 1
        if self.several:  # the casts are put round the model, and nothing that waits for every gradient
            self.accelerator.prepare_model = partial(self.accelerator.prepare_model, evaluation_mode=True)
            start_alike(model.parameters())

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        """Backpropagates the objective's parts one after the other; `num_items_in_batch` are the retain tokens of the
        whole step, see `_get_num_items_in_batch`. Answers what the parts come to together."""
        model.train()
        batch: Any = self._prepare_inputs(inputs)
        accumulated = self.current_gradient_accumulation_steps
        tokens = num_items_in_batch / accumulated if num_items_in_batch is not None else None
        total = torch.zeros((), device=self.args.device)
        for part in self.objective.parts(model, batch, self.state.global_step, tokens):
            self._note(part)
            self.accelerator.backward(part.loss / accumulated)
            total += part.loss.detach()
            # What the next part needs is asked for when this one's graph is gone.
            del part
        if self.several and self.accelerator.sync_gradients:
            average_gradients(self.bare_model().parameters())
        self._figures.setdefault("loss", []).append(float(total))
        return total / accumulated

    def _note(self, part: Part) -> None:
        """Keeps the figures of a part. Raises `Diverged` when its loss is no number; one of several devices must not
        leave the others waiting, so there `figures` does."""
        if not self.several:
            _check_finite(float(part.loss.detach()), self.state.global_step + 1)
        for name, value in part.figures.items():
            self._figures.setdefault(name, []).append(value)

    def figures(self) -> dict[str, float]:
        """Means over the batches of the step that has just been made, on all devices, and the learning rate."""
        found = {name: sum(values) / len(values) for name, values in self._figures.items()}
        self._figures.clear()
        if self.several:
            found = mean_figures(found, self.args.device)
            _check_finite(found["loss"], self.state.global_step)
        found["learning_rate"] = float(self._get_learning_rate())
        return found

    def write_checkpoint(self, folder: Path, random_states: Sequence[bytes] = ()) -> None:
        """Weights (or adapter), optimiser, scheduler, random states, the objective's state, the Trainer's counters."""
        unwrapped: PreTrainedModel = self.accelerator.unwrap_model(self.model_wrapped or self.model)
        unwrapped.save_pretrained(folder)
        save_state(folder, _plain(self.optimizer), self.lr_scheduler, random_states)
        (folder / OBJECTIVE).write_text(json.dumps(self.objective.state()))
        self.state.save_to_json(str(folder / "trainer_state.json"))

    def bare_model(self) -> Any:
        """The model as it was given, without the casts that the library wraps round its forward pass."""
        return self.accelerator.unwrap_model(self.model_wrapped or self.model, keep_fp32_wrapper=False)

    def mean_over_devices(self, value: float) -> float:
        """The mean of a number that each device has its own of."""
        return mean_figures({"value": value}, self.args.device)["value"] if self.several else value

    def ask(self, watcher: Callable[[], str]) -> str:
        """What the first device's watcher answers, on every device."""
        if not self.several:
            return watcher()
        return agreed(watcher() if self.accelerator.is_main_process else WISHES[0], WISHES, self.args.device)

    # -- what the Trainer calls -----------------------------------------------------------------------------------

    def _get_num_items_in_batch(self, batch_samples: list[Any], device: torch.device) -> torch.Tensor | None:
        """Retain tokens of a step, a mean over devices: the retain term is a mean over all of them, however a step is
        cut into batches."""
        counted = [int((batch["retain"]["labels"] != IGNORED).sum()) for batch in batch_samples if "retain" in batch]
        return torch.tensor(self.mean_over_devices(sum(counted)), device=device) if counted else None

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int]:
        return SequentialSampler(self.train_dataset)  # type: ignore[arg-type]

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        states = gathered(random_state(), self.args.device) if self.several else [random_state()]
        if self.accelerator.is_main_process:
            self.watcher.save(self.state.global_step, partial(self.write_checkpoint, random_states=states))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """Nothing to do: the run loads the weights of the checkpoint before it makes the trainer."""

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is not None:
            load_optimiser(Path(checkpoint), _plain(self.optimizer), self.lr_scheduler)
            self.objective.load_state(json.loads((Path(checkpoint) / OBJECTIVE).read_text()))

    def _load_rng_state(self, checkpoint: str | None) -> None:
        if checkpoint is not None:
            load_random(Path(checkpoint), self.accelerator.process_index)

    def _load_callback_state(self) -> None:
        """Our one callback keeps no state."""


class _Follower(TrainerCallback):
    """Tells the watcher of each step, and passes its wish to stop on to the Trainer."""

    def __init__(self, trainer: LetheTrainer, training: Training, evaluate_at: Container[int]) -> None:
        self._trainer = trainer
        self._training = training
        self._evaluate_at = evaluate_at

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        step, last = state.global_step, state.max_steps
        self._trainer.objective.finish_step(step, self._trainer.mean_over_devices)
        figures, watcher = self._trainer.figures(), self._trainer.watcher
        wish = self._trainer.ask(lambda: watcher.stepped(step, figures))
        # A run that is stopped and saved here is evaluated first: resumed, it begins with the next step.
        if wish in ("none", "save") and step < last and step in self._evaluate_at:
            assert self._trainer.model is not None
            self._trainer.model.eval()
            wish = "guard" if self._trainer.ask(lambda: watcher.evaluate(step)) == "guard" else wish
        if wish != "none":
            self._trainer.stopped_by = wish
            control.should_training_stop = True
            control.should_save = wish == "save"
            return
        every = self._training.save_every
        control.should_save = bool(every and step % every == 0 and step < last)


def _check_finite(loss: float, step: int) -> None:
    if not math.isfinite(loss):
        raise Diverged(loss, step)


def _arguments(training: Training, folder: Path, use_cpu: bool) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(folder),
        max_steps=training.steps,
        per_device_train_batch_size=training.batch_size,
        gradient_accumulation_steps=training.accumulation,
        learning_rate=training.learning_rate,
        lr_scheduler_type=training.schedule,
        warmup_steps=round(training.warmup * training.steps),
        weight_decay=training.weight_decay,
        adam_beta2=training.adam_beta2,
        max_grad_norm=training.clip,
        bf16=training.half,
        seed=training.seed,
        data_seed=training.seed,
        activation_checkpointing=training.gradient_checkpointing,
        activation_checkpointing_kwargs={"use_reentrant": False} if training.gradient_checkpointing else None,
        use_cpu=use_cpu,
        save_strategy="no",
        logging_strategy="no",
        eval_strategy="no",
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        logging_nan_inf_filter=False,
    )


def _plain(optimiser: Any) -> torch.optim.Optimizer:
    """The optimiser inside accelerate's wrapper."""
    found: torch.optim.Optimizer = getattr(optimiser, "optimizer", optimiser)
    return found
