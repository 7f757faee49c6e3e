"""Several devices train one model together: each has the whole of it, reads its own batches, makes the same steps.

Gradients are averaged once a step, before they are clipped, so a step is the one that a single device would make of all
the batches. They are averaged here and not by `DistributedDataParallel`: that waits for one backward pass that reaches
every weight, while the parts of an objective are backpropagated one after the other, RMU stops at its layer, and a
question without a picture never reaches the vision tower. Every function here is called on all devices or on none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import distributed, nn


def start_alike(weights: Iterable[nn.Parameter]) -> None:
    """Trained weights become those of the first device."""
    for weight in weights:
        if weight.requires_grad:
            distributed.broadcast(weight.data, src=0)


def average_gradients(weights: Iterable[nn.Parameter]) -> None:
    """Each trained weight's gradient becomes its mean over devices; one that has none anywhere keeps none."""
    trained = [weight for weight in weights if weight.requires_grad]
    reached = torch.tensor([weight.grad is not None for weight in trained], dtype=torch.uint8)
    reached = reached.to(trained[0].device)
    distributed.all_reduce(reached, op=distributed.ReduceOp.MAX)
    for weight in (weight for weight, anywhere in zip(trained, reached.tolist(), strict=True) if anywhere):
        if weight.grad is None:
            weight.grad = torch.zeros_like(weight)
        distributed.all_reduce(weight.grad)
        weight.grad /= distributed.get_world_size()


def mean_figures(figures: Mapping[str, float], device: torch.device) -> dict[str, float]:
    """Means over devices of figures that go by the same names on all of them."""
    names = sorted(figures)
    values = torch.tensor([figures[name] for name in names], dtype=torch.float64, device=device)
    distributed.all_reduce(values)
    means = dict(zip(names, (values / distributed.get_world_size()).tolist(), strict=True))
    return {name: means[name] for name in figures}


def agreed(word: str, words: Sequence[str], device: torch.device) -> str:
    """The first device's word, one of `words`, on every device."""
    place = torch.tensor(words.index(word), device=device)
    distributed.broadcast(place, src=0)
    return words[int(place)]


def gathered(content: bytes, device: torch.device) -> list[bytes]:
    """What each device has, in their order, on every device."""
    own = torch.frombuffer(bytearray(content), dtype=torch.uint8).to(device)
    sizes = [torch.zeros(1, dtype=torch.long, device=device) for _ in range(distributed.get_world_size())]
    distributed.all_gather(sizes, torch.tensor([len(own)], device=device))
    longest = max(int(size) for size in sizes)
    padded = torch.zeros(longest, dtype=torch.uint8, device=device)
    padded[: len(own)] = own
    found = [torch.zeros_like(padded) for _ in sizes]
    distributed.all_gather(found, padded)
    return [one[: int(size)].cpu().numpy().tobytes() for one, size in zip(found, sizes, strict=True)]
