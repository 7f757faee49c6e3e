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
from backend.training.dealing import Deal, Traits, drawn, side_by_side

Pair = tuple[int | None, int | None]


class PairedPlan(Dataset[Pair]):
    """`length` samples, each a forget index and a retain index (or None where that set is not needed).

    `turns` say which sets a step of `samples_per_step` samples needs; a pass over a set goes on where it left off.
    `forget_traits` and `retain_traits` say what of their items decides which lie side by side within a step, and with
    `deal` as `by_picture` which are drawn together.
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
        forget_traits: Traits | None = None,
        retain_traits: Traits | None = None,
        deal: Deal = "even",
    ) -> None:
        needed = [(turns or Turns()).at(sample // samples_per_step) for sample in range(length)]

        def order(name: str, count: int | None, traits: Traits | None) -> list[int | None]:
            wanted, rng = [name in terms for terms in needed], random.Random(f"{seed} {name}")
            portions = traits.pictures if traits is not None and deal == "by_picture" else None
            return side_by_side(_dealt(count, wanted, rng, portions), traits, samples_per_step)

        forget_order, retain_order = order("forget", forget, forget_traits), order("retain", retain, retain_traits)
        self._pairs: list[Pair] = list(zip(forget_order, retain_order, strict=True))

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int) -> Pair:
        return self._pairs[index]


def _dealt(
    count: int | None, wanted: Sequence[bool], rng: random.Random, portions: Sequence[Hashable] | None
) -> list[int | None]:
    """Passes over `count` items, dealt to the samples that want one."""
    if not count:
        return [None] * len(wanted)
    found = iter(drawn(count, sum(wanted), rng, portions))
    return [next(found) if wants else None for wants in wanted]


class EncodedItems(Sequence[Encoded]):
    """Items as tokens, each encoded when it is first asked for and kept; of its picture only where to fetch it."""

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
    shown = Shown.by(rows, encoder.image_tokens)
    batch: dict[str, Any] = {**encoder.collate(rows), SHOWN: shown}
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
