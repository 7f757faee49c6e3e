"""A model as a checkpoint describes it: full weights at the root, and the adapters that were hung on them since.

Every checkpoint of the lineage is verified against its hash before a weight is read. Adapters below the last are
merged; the last one stays an adapter, so that switching it off gives its parent back. A checkpoint may have no weights
but an instruction, which then stands before every question put to the model and to those made from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model, set_peft_model_state_dict
from safetensors.torch import load_file
from sqlalchemy import Engine
from transformers import AutoModelForImageTextToText

from backend.benchmarks.demo import open_demo
from backend.models.anatomy import bare_matrices, linear_layers, parameters_of, parts_named
from backend.models.demo import ensure_demo_model
from backend.models.features import keep_on_disk
from backend.models.loading import Loaded, ModelRefused, load
from backend.spec import Training
from storage import checkpoints, runs
from storage.tables import Checkpoint, RunState


@dataclass
class Opened:
    """`model` with its newest adapter, if any, merged into it; `checkpoint` is None for a folder or hub model."""

    model: Any
    processor: Any
    checkpoint: Checkpoint | None
    base: str
    instruction: str = ""


def find_checkpoint(engine: Engine, reference: str) -> Checkpoint | None:
    """The checkpoint that `run:ID` or `checkpoint:ID` names; None for anything else.

    Raises `ModelRefused` when a run named has made no checkpoint, and storage's `NotFound` for an unknown id.
    """
    if reference.startswith("run:"):
        run = runs.find(engine, reference.removeprefix("run:"))
        if run.output_checkpoint_id is None:
            state = "has not finished" if run.state not in (RunState.SUCCEEDED, RunState.FAILED) else f"has {run.state}"
            raise ModelRefused(f"the run {run.name} {state}, so it has no model yet")
        return checkpoints.get(engine, run.output_checkpoint_id)
    if reference.startswith("checkpoint:"):
        return checkpoints.find(engine, reference.removeprefix("checkpoint:"))
    return None


def open_model(engine: Engine, home: Path, reference: str, *, precision: str, device: torch.device) -> Opened:
    """The model that a spec's `model` names: `demo`, `run:ID`, `checkpoint:ID`, a folder or a hub id.

    Raises `ModelRefused`, or storage's `CheckpointMissing` and `CheckpointAltered`.
    """
    checkpoint = find_checkpoint(engine, reference)
    if checkpoint is not None:
        loaded, model = open_checkpoint(engine, home, checkpoint, precision=precision, device=device)
        if isinstance(model, PeftModel):
            model = model.merge_and_unload()
        instruction = instruction_of(checkpoints.lineage(engine, checkpoint))
        return Opened(model, loaded.processor, checkpoint, checkpoint.base, instruction)
    loaded = _loaded(source_of(reference, home), home, precision, device)
    return Opened(loaded.model, loaded.processor, None, reference)


def _loaded(source: str | Path, home: Path, precision: str, device: torch.device) -> Loaded:
    """Nothing of it is trained until `make_trainable`, so what its tower makes of a picture may be kept."""
    loaded = load(source, precision=precision, device=device)
    loaded.model.requires_grad_(False)
    keep_on_disk(loaded.model, home)
    return loaded


def source_of(base: str, home: Path) -> str:
    """What to load for a lineage's base: the demo model's folder for `demo`, else the folder or hub id itself."""
    return str(ensure_demo_model(home, open_demo(home))) if base == "demo" else base


def open_checkpoint(
    engine: Engine, home: Path, checkpoint: Checkpoint, *, precision: str, device: torch.device
) -> tuple[Loaded, Any]:
    """The root's `Loaded`, and the model with its last adapter still switchable (a `PeftModel`, or the root)."""
    line = checkpoints.lineage(engine, checkpoint)
    for told in line:
        if told.kind == "instruction":
            checkpoints.verify(home, told)
    weights = from_last_full(line)
    root = weights[0] if weights and weights[0].kind == "full" else None
    source = checkpoints.verify(home, root) if root else source_of(checkpoint.base, home)
    loaded = _loaded(source, home, precision, device)
    model: Any = loaded.model
    for adapter in weights[1:] if root else weights:
        if isinstance(model, PeftModel):
            model = model.merge_and_unload()
        model = PeftModel.from_pretrained(model, str(checkpoints.verify(home, adapter)))
    return loaded, model.eval()


def from_last_full(line: list[Checkpoint]) -> list[Checkpoint]:
    """The part of a lineage whose weights matter: full weights make everything before them history, and instructions
    have none. Empty where only the base has weights."""
    line = [checkpoint for checkpoint in line if checkpoint.kind != "instruction"]
    full = [number for number, checkpoint in enumerate(line) if checkpoint.kind == "full"]
    return line[full[-1] :] if full else line


def instruction_of(line: list[Checkpoint]) -> str:
    """What stands before every question put to the last model of a lineage, line by line; empty for most."""
    return "\n".join(str(one.meta["instruction"]) for one in line if one.kind == "instruction")


def make_trainable(model: Any, training: Training) -> Any:
    """LoRA on the linear layers of the parts named, or those parts' own weights. Everything else is frozen.

    What LoRA starts from is random, and drawn from the spec's seed. Raises `ModelRefused` when nothing would train: a
    setting that does nothing must not pass in silence.
    """
    torch.manual_seed(training.seed)
    parts = parts_named(training.modules)
    if training.adapter == "lora":
        targets = linear_layers(model, parts)
        if not targets:
            raise ModelRefused(f"no linear layer was found in {training.modules}, so LoRA would train nothing")
        bare = bare_matrices(model, parts)
        if bare and training.lora_dropout:
            raise ModelRefused(f"{bare[0]} belongs to no layer, so LoRA can train it without dropout only: set it to 0")
        config = LoraConfig(
            r=training.lora_rank,
            lora_alpha=training.lora_alpha,
            lora_dropout=training.lora_dropout,
            target_modules=targets,
            target_parameters=bare or None,
            bias="none",
        )
        return get_peft_model(model, config)
    model.requires_grad_(False)
    names = [name for name, parameter in parameters_of(model, parts) if parameter.requires_grad_(True) is not None]
    if not names:
        raise ModelRefused(f"no weights were found in {training.modules}, so nothing would train")
    return model


def trainable_summary(model: Any, training: Training) -> str:
    """`LoRA r8 α16 on 21 matrices, 0.11 M of 1.15 M parameters`, for the log."""
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    total = sum(parameter.numel() for parameter in model.parameters())
    if isinstance(model, PeftModel):
        trained, total = model.get_nb_trainable_parameters()  # of four bits, two weights lie in one number
        matrices = sum("lora_A" in name for name, _ in model.named_parameters())
        kind = f"LoRA r{training.lora_rank} α{training.lora_alpha} on {matrices} matrices"
    else:
        kind = f"full weights of {training.modules}"
    return f"{kind}, {trained / 1e6:.2f} M of {total / 1e6:.2f} M parameters"


def load_into(model: Any, folder: Path, step: int) -> None:
    """Puts the weights, or the adapter, of a checkpoint's folder into the model of its run."""
    if isinstance(model, PeftModel):
        loaded: Any = set_peft_model_state_dict(model, load_file(folder / "adapter_model.safetensors"))
        if loaded.unexpected_keys:
            raise ModelRefused(f"the checkpoint of step {step} does not fit this run's adapter")
    else:
        model.load_state_dict(load_weights(folder))


def load_weights(folder: Path) -> dict[str, torch.Tensor]:
    """A folder's full weights under the names that the model itself uses, whatever names the files carry."""
    model = AutoModelForImageTextToText.from_pretrained(folder, use_safetensors=True)
    state: dict[str, torch.Tensor] = model.state_dict()
    return state
