"""The state of a training run on disk, without pickle: optimiser tensors as safetensors, the rest as JSON.

The Trainer's own files (`optimizer.pt`, `rng_state.pth`, `training_args.bin`) are pickles, so none of them is written.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

OPTIMISER_TENSORS = "optimizer.safetensors"
STATE = "training_state.json"


def save_state(folder: Path, optimiser: torch.optim.Optimizer, scheduler: Any) -> None:
    """Writes optimiser, scheduler and random-number states into `folder`."""
    known = optimiser.state_dict()
    tensors: dict[str, torch.Tensor] = {}
    plain: dict[str, dict[str, Any]] = {}
    for number, slots in known["state"].items():
        for slot, value in slots.items():
            if isinstance(value, torch.Tensor):
                tensors[f"{number}.{slot}"] = value.detach().cpu().contiguous()
            else:
                plain.setdefault(str(number), {})[slot] = value
    version, keys, position, has_gauss, cached = np.random.get_state(legacy=True)  # type: ignore[misc]
    tensors["random.torch"] = torch.random.get_rng_state()
    tensors["random.numpy"] = torch.from_numpy(np.asarray(keys, dtype=np.int64))
    for device in range(torch.cuda.device_count()):
        tensors[f"random.cuda.{device}"] = torch.cuda.get_rng_state(device)
    save_file(tensors, folder / OPTIMISER_TENSORS)
    kind, internal, gauss = random.getstate()
    state = {
        "param_groups": known["param_groups"],
        "plain": plain,
        "scheduler": {key: value for key, value in scheduler.state_dict().items() if _is_plain(value)},
        "numpy": [version, int(position), int(has_gauss), float(cached)],
        "python": [kind, list(internal), gauss],
    }
    (folder / STATE).write_text(json.dumps(state))


def load_optimiser(folder: Path, optimiser: torch.optim.Optimizer, scheduler: Any) -> None:
    """Restores what `save_state` wrote, bit for bit."""
    state = json.loads((folder / STATE).read_text())
    slots: dict[int, dict[str, Any]] = {int(number): dict(plain) for number, plain in state["plain"].items()}
    for name, tensor in load_file(folder / OPTIMISER_TENSORS).items():
        if not name.startswith("random."):
            number, slot = name.split(".", 1)
            slots.setdefault(int(number), {})[slot] = tensor
    optimiser.load_state_dict({"state": slots, "param_groups": state["param_groups"]})
    scheduler.load_state_dict(state["scheduler"])


def load_random(folder: Path) -> None:
    """Restores the random-number generators of torch, NumPy and Python."""
    tensors = load_file(folder / OPTIMISER_TENSORS)
    state = json.loads((folder / STATE).read_text())
    torch.random.set_rng_state(tensors["random.torch"])
    for device in range(torch.cuda.device_count()):
        if f"random.cuda.{device}" in tensors:
            torch.cuda.set_rng_state(tensors[f"random.cuda.{device}"], device)
    version, position, has_gauss, cached = state["numpy"]
    np.random.set_state((version, tensors["random.numpy"].numpy().astype(np.uint32), position, has_gauss, cached))
    kind, internal, gauss = state["python"]
    random.setstate((kind, tuple(internal), gauss))


def _is_plain(value: Any) -> bool:
    """Scheduler states may hold functions; what JSON can say is the state."""
    if isinstance(value, list):
        return all(_is_plain(part) for part in value)
    if isinstance(value, dict):
        return all(_is_plain(part) for part in value.values())
    return isinstance(value, (int, float, str, bool, type(None)))
