"""Which items stand in which batch, decided before the first step and from the seed alone.

A run that is resumed, or spread over several devices, sees exactly the batches it would have seen uninterrupted:
the plan is a list, and step n is its n-th part whoever asks.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.utils.data import Dataset

from backend.benchmarks.item import Item
from backend.models.encoding import Encoded, Encoder

Pair = tuple[int | None, int | None]


def shuffled_passes(count: int, wanted: int, rng: random.Random) -> list[int]:
    """`wanted` indices below `count`: whole shuffled passes, one after the other, the last one cut."""
    drawn: list[int] = []
    while len(drawn) < wanted:
        one_pass = list(range(count))
        rng.shuffle(one_pass)
        drawn += one_pass
    return drawn[:wanted]


class PairedPlan(Dataset[Pair]):
    """`length` samples, each a forget index and a retain index (or None where that set is not needed)."""

    def __init__(self, forget: int | None, retain: int | None, length: int, seed: int) -> None:
        forget_order = shuffled_passes(forget, length, random.Random(f"{seed} forget")) if forget else [None] * length
        retain_order = shuffled_passes(retain, length, random.Random(f"{seed} retain")) if retain else [None] * length
        self._pairs: list[Pair] = list(zip(forget_order, retain_order, strict=True))

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int) -> Pair:
        return self._pairs[index]


class EncodedItems(Sequence[Encoded]):
    """Items as tensors, each encoded when it is first asked for and kept."""

    def __init__(self, encoder: Encoder, items: Sequence[Item]) -> None:
        self._encoder, self._items = encoder, items
        self._encoded: dict[int, Encoded] = {}

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: Any) -> Any:
        if index not in self._encoded:
            item = self._items[index]
            self._encoded[index] = self._encoder.encode(item.question, item.answer, item.image)
        return self._encoded[index]


def collator(
    encoder: Encoder,
    forget: Sequence[Encoded],
    retain: Sequence[Encoded],
    reference_sums: Sequence[float] | None = None,
) -> Callable[[list[Pair]], dict[str, Any]]:
    """A function from a list of pairs to `{"forget": batch, "retain": batch}`."""

    def collate(pairs: list[Pair]) -> dict[str, Any]:
        batch: dict[str, Any] = {}
        forget_rows = [index for index, _ in pairs if index is not None]
        retain_rows = [index for _, index in pairs if index is not None]
        if forget_rows:
            batch["forget"] = encoder.collate([forget[index] for index in forget_rows])
            if reference_sums is not None:
                batch["forget"]["reference_sums"] = torch.tensor([reference_sums[index] for index in forget_rows])
        if retain_rows:
            batch["retain"] = encoder.collate([retain[index] for index in retain_rows])
        return batch

    return collate
