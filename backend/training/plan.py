"""Which items stand in which batch, decided before the first step and from the seed alone.

A run that is resumed, or spread over several devices, sees exactly the batches it would have seen uninterrupted:
the plan is a list, and step n is its n-th part whoever asks.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import Dataset

from backend.benchmarks.item import Item
from backend.models.encoding import IGNORED, Encoded, Encoder
from backend.models.packing import SHOWN, Shown
from backend.objectives.schedule import Turns
from backend.spec_objective import Labels

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
    """`length` samples, each a forget index and a retain index (or None where that set is not needed).

    `turns` say which sets a step of `samples_per_step` samples needs; a pass over a set goes on where it left off.
    `forget_pictures` and `retain_pictures` name each item's picture: within a step, and never across its edge, items
    about one picture then stand together.
    """

    def __init__(
        self,
        forget: int | None,
        retain: int | None,
        length: int,
        seed: int,
        *,
        turns: Turns | None = None,
        samples_per_step: int = 1,
        forget_pictures: Sequence[Hashable] | None = None,
        retain_pictures: Sequence[Hashable] | None = None,
    ) -> None:
        needed = [(turns or Turns()).at(sample // samples_per_step) for sample in range(length)]
        forget_order = _dealt(forget, ["forget" in terms for terms in needed], random.Random(f"{seed} forget"))
        retain_order = _dealt(retain, ["retain" in terms for terms in needed], random.Random(f"{seed} retain"))
        forget_order = _together(forget_order, forget_pictures, samples_per_step)
        retain_order = _together(retain_order, retain_pictures, samples_per_step)
        self._pairs: list[Pair] = list(zip(forget_order, retain_order, strict=True))

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int) -> Pair:
        return self._pairs[index]


def _dealt(count: int | None, wanted: Sequence[bool], rng: random.Random) -> list[int | None]:
    """Shuffled passes over `count` items, dealt to the samples that want one."""
    if not count:
        return [None] * len(wanted)
    drawn = iter(shuffled_passes(count, sum(wanted), rng))
    return [next(drawn) if wants else None for wants in wanted]


def _together(order: list[int | None], pictures: Sequence[Hashable] | None, step: int) -> list[int | None]:
    """Each step's items with those about one picture side by side, pictures in the order in which they come up."""
    if pictures is None:
        return order
    found: list[int | None] = []
    for at in range(0, len(order), step):
        groups: dict[Hashable, list[int | None]] = {}
        for index in order[at : at + step]:
            groups.setdefault(None if index is None else pictures[index], []).append(index)
        found += [index for group in groups.values() for index in group]
    return found


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


@dataclass(frozen=True)
class SecondAnswers:
    """Second answers to the forget items, `count` rows of each, one item after the other; `sums` are log π_ref of each
    row, where the objective needs them."""

    rows: Sequence[Encoded]
    count: int = 1
    sums: Sequence[float] | None = None


def labelled(encoder: Encoder, rows: Sequence[Encoded], labels: Labels = "answer") -> dict[str, Any]:
    """A padded batch with labels on the answers, or with `full` on the questions too.

    The first token has nothing before it to be predicted from; a picture's tokens and padding are never labels. The
    batch says what its rows show, so that questions about one picture can be read together.
    """
    batch: dict[str, Any] = encoder.collate(rows)
    batch[SHOWN] = Shown.by(rows, encoder.image_tokens)
    if labels == "full":
        for number, row in enumerate(rows):
            tokens = torch.tensor(row.ids)
            tokens[0] = IGNORED
            if row.picture is not None:
                tokens[torch.isin(tokens, torch.tensor(sorted(encoder.image_tokens)))] = IGNORED
            batch["labels"][number, : len(row.ids)] = tokens
    return batch


def collator(
    encoder: Encoder,
    forget: Sequence[Encoded],
    retain: Sequence[Encoded],
    reference_sums: Sequence[float] | None = None,
    *,
    second: SecondAnswers | None = None,
    labels: Labels = "answer",
) -> Callable[[list[Pair]], dict[str, Any]]:
    """A function from a list of pairs to `{"forget": batch, "retain": batch, "other": batch}`, see `ObjectiveLoss`."""

    def collate(pairs: list[Pair]) -> dict[str, Any]:
        batch: dict[str, Any] = {}
        forget_rows = [index for index, _ in pairs if index is not None]
        retain_rows = [index for _, index in pairs if index is not None]
        if forget_rows:
            batch["forget"] = _with_sums(encoder, forget, forget_rows, reference_sums, labels)
            if second is not None:
                copies = range(second.count)
                places = [index * second.count + number for index in forget_rows for number in copies]
                batch["other"] = _with_sums(encoder, second.rows, places, second.sums, labels)
        if retain_rows:
            batch["retain"] = labelled(encoder, [retain[index] for index in retain_rows], labels)
        return batch

    return collate


def _with_sums(
    encoder: Encoder, rows: Sequence[Encoded], places: Sequence[int], sums: Sequence[float] | None, labels: Labels
) -> dict[str, Any]:
    batch = labelled(encoder, [rows[place] for place in places], labels)
    if sums is not None:
        batch["reference_sums"] = torch.tensor([sums[place] for place in places])
    return batch
