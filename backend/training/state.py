"""The state of a training run on disk, without pickle: optimiser tensors as safetensors, the rest as JSON.

Of several devices each has random numbers of its own, in a file of its own; the optimiser's state is alike on all. The
Trainer's own files (`optimizer.pt`, `rng_state.pth`, `training_args.bin`) are pickles, so none of them is written.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save, save_file

OPTIMISER_TENSORS = "optimizer.safetensors"
STATE = "training_state.json"


def random_state() -> bytes:
    """The random-number generators of torch, NumPy and Python as they stand in this process, as a safetensors file."""
    version, keys, position, has_gauss, cached = np.random.get_state(legacy=True)  # type: ignore[misc]
    tensors = {"torch": torch.random.get_rng_state(), "numpy": torch.from_numpy(np.asarray(keys, dtype=np.int64))}
    for device in range(torch.cuda.device_count()):
        tensors[f"cuda.{device}"] = torch.cuda.get_rng_state(device)
    kind, internal, gauss = random.getstate()
    plain = {
        "numpy": [version, int(position), int(has_gauss), float(cached)],
        "python": [kind, list(internal), gauss],
    }
    return save(tensors, {name: json.dumps(value) for name, value in plain.items()})


def save_state(
    folder: Path, optimiser: torch.optim.Optimizer, scheduler: Any, random_states: Sequence[bytes] = ()
) -> None:
    """Writes optimiser and scheduler into `folder`, and what `random_state` answered on each device, or answers here
    where nothing is given."""
    for rank, content in enumerate(random_states or [random_state()]):
        _random_file(folder, rank).write_bytes(content)
    known = optimiser.state_dict()
    tensors: dict[str, torch.Tensor] = {}
    plain: dict[str, dict[str, Any]] = {}
    for number, slots in known["state"].items():
        for slot, value in slots.items():
            if isinstance(value, torch.Tensor):
                tensors[f"{number}.{slot}"] = value.detach().cpu().contiguous()
            else:
                plain.setdefault(str(number), {})[slot] = value
    save_file(tensors, folder / OPTIMISER_TENSORS)
    state = {
        "param_groups": known["param_groups"],
        "plain": plain,
        "scheduler": {key: value for key, value in scheduler.state_dict().items() if _is_plain(value)},
    }
    (folder / STATE).write_text(json.dumps(state))


def load_optimiser(folder: Path, optimiser: torch.optim.Optimizer, scheduler: Any) -> None:
    """Restores what `save_state` wrote, bit for bit."""
    state = json.loads((folder / STATE).read_text())
    slots: dict[int, dict[str, Any]] = {int(number): dict(plain) for number, plain in state["plain"].items()}
    for name, tensor in load_file(folder / OPTIMISER_TENSORS).items():
        number, slot = name.split(".", 1)
        slots.setdefault(int(number), {})[slot] = tensor
    optimiser.load_state_dict({"state": slots, "param_groups": state["param_groups"]})
    scheduler.load_state_dict(state["scheduler"])


def load_random(folder: Path, rank: int = 0) -> None:
    """Restores the random-number generators of torch, NumPy and Python on the device of that rank."""
    with safe_open(_random_file(folder, rank), framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        plain = {name: json.loads(text) for name, text in file.metadata().items() if name in ("numpy", "python")}
    torch.random.set_rng_state(tensors["torch"])
    for device in range(torch.cuda.device_count()):
        if f"cuda.{device}" in tensors:
            torch.cuda.set_rng_state(tensors[f"cuda.{device}"], device)
    version, position, has_gauss, cached = plain["numpy"]
    np.random.set_state((version, tensors["numpy"].numpy().astype(np.uint32), position, has_gauss, cached))
    kind, internal, gauss = plain["python"]
    random.setstate((kind, tuple(internal), gauss))


def _random_file(folder: Path, rank: int) -> Path:
    return folder / f"random.{rank}.safetensors"


def _is_plain(value: Any) -> bool:
    """Scheduler states may hold functions; what JSON can say is the state."""
    if isinstance(value, list):
        return all(_is_plain(part) for part in value)
    if isinstance(value, dict):
        return all(_is_plain(part) for part in value.values())
    return isinstance(value, (int, float, str, bool, type(None)))
