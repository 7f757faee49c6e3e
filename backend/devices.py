"""Which devices a worker has, asked without touching one: a process that has touched a device can no longer fork."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path


def devices() -> list[str]:
    """One slot a GPU (`cuda:0`, …), or `cpu`. `LETHE_DEVICES` (comma-separated) overrides. Torch is asked in a process
    of its own, because a worker that has touched a device can no longer fork."""
    wanted = os.environ.get("LETHE_DEVICES")
    if wanted:
        return [device.strip() for device in wanted.split(",") if device.strip()]
    return [f"cuda:{number}" for number in range(_gpu_count())] or ["cpu"]


def _gpu_count() -> int:
    if not Path("/proc/driver/nvidia").exists() and not Path("/dev/nvidia0").exists() and os.name != "nt":
        return 0
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return int(pool.apply(_count_gpus))


def _count_gpus() -> int:
    import torch

    return int(torch.cuda.device_count())


def device_words() -> str:
    """`CPU, 2 cores` or `2 GPUs`, for the top bar."""
    gpus = {device for device in devices() if device.startswith("cuda")}
    if not gpus:
        count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return f"CPU, {count} cores"
    return f"{len(gpus)} GPU{'s' if len(gpus) > 1 else ''}"
