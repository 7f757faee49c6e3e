"""Random numbers go on where they stood, on each of several devices on its own."""

from __future__ import annotations

import multiprocessing
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import distributed, nn

from backend.training.devices import gathered
from backend.training.state import load_random, random_state, save_state


def drawn() -> tuple[list[float], list[float], float]:
    return torch.rand(3).tolist(), list(np.random.normal(size=3)), random.random()


@pytest.fixture
def kept(tmp_path: Path) -> tuple[Path, list[object]]:
    """A state of two devices, and what each would have drawn next."""
    optimiser = torch.optim.AdamW(nn.Linear(2, 2).parameters())
    schedule = torch.optim.lr_scheduler.ConstantLR(optimiser)
    states, coming = [], []
    for rank in (0, 1):
        torch.manual_seed(rank)
        np.random.seed(rank)
        random.seed(rank)
        drawn()
        states.append(random_state())
        coming.append(drawn())
    save_state(tmp_path, optimiser, schedule, states)
    return tmp_path, coming


def test_each_device_goes_on_with_its_own_random_numbers(kept: tuple[Path, list[object]]) -> None:
    folder, coming = kept
    assert coming[0] != coming[1]
    for rank in (1, 0):
        load_random(folder, rank)
        assert drawn() == coming[rank]


def _share(rank: int, folder: Path) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{folder / 'meet'}", rank=rank, world_size=2)
    found = gathered(b"a" * (1 + 4 * rank), torch.device("cpu"))
    (folder / f"found.{rank}").write_text(repr(found))
    distributed.destroy_process_group()


def test_states_of_different_length_come_together_in_the_order_of_the_devices(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=_share, args=(rank, tmp_path)) for rank in (0, 1)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [(tmp_path / f"found.{rank}").read_text() for rank in (0, 1)] == [repr([b"a", b"aaaaa"])] * 2
