"""What many questions have in common is read once: the keys and values of a picture and all that stands before it.

A picture is hundreds of tokens and a question a few, and a benchmark asks ten questions and more about each picture. So
the common beginning of all rows about one picture goes through the model once, and each row goes on from its keys and
values. The answers are those of the plain way: `is_exact` compares the two on the model at hand, and where a family
does something of its own with positions or masks the plain way is taken.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from backend.models.encoding import CROSS, IGNORED, SEGMENTS, Encoded, Encoder, place
from backend.models.features import with_features
from backend.models.packing import Shown, bare_of
from backend.models.positions import chosen, first_positions, later_positions
from backend.models.trial import gives_the_same

log = logging.getLogger("lethe.prefix")
_told: set[str] = set()


@dataclass(frozen=True)
class Beginnings:
    """Keys and values of several pictures' common beginnings, padded on the left. `mask` is (pictures, longest);
    `shift` is by how much positions after them differ from counting."""

    layers: list[tuple[Tensor, Tensor]]
    mask: Tensor
    shift: Tensor | None = None

    def of(self, which: Sequence[int]) -> tuple[DynamicCache, Tensor, Tensor | None]:
        """A cache, a mask and shifts with one row for each index; the caller may let the cache grow."""
        index = torch.tensor(list(which), device=self.mask.device)
        cache = DynamicCache([(keys[index], values[index]) for keys, values in self.layers])
        return cache, self.mask[index], chosen(self.shift, index)


def common_beginning(rows: Sequence[Encoded]) -> int:
    """How many tokens all rows begin with; at least one token of each row is left over.

    Rows that hold their answer keep the token before it too, because that token's logits predict the answer.
    """
    shortest = min(min(len(row.ids), row.start) for row in rows) - 1
    first = rows[0].ids
    length = 0
    while length < shortest and all(row.ids[length] == first[length] for row in rows):
        length += 1
    return length


@torch.no_grad()
def read_beginnings(model: Any, encoder: Encoder, groups: Sequence[Sequence[Encoded]]) -> tuple[Beginnings, list[int]]:
    """The common beginning of each group of rows, through the model once; and how many tokens each has.

    A group's rows are about one picture (or none has one).
    """
    lengths = [common_beginning(rows) for rows in groups]
    heads = [rows[0].head(length) for rows, length in zip(groups, lengths, strict=True)]
    batch = place(encoder.collate(heads, side="left"), model)
    positions, shift = first_positions(model, batch)
    inputs = with_features(model, batch, Shown.by(heads, encoder.image_tokens))
    cache = model(**inputs, position_ids=positions, use_cache=True, logits_to_keep=1).past_key_values
    layers = [(layer.keys, layer.values) for layer in cache.layers]
    return Beginnings(layers, batch["attention_mask"], shift), lengths


def endings(
    encoder: Encoder, rows: Sequence[Encoded], lengths: Sequence[int], model: Any, *, side: str
) -> dict[str, Tensor]:
    """What is left of each row after its first `lengths` tokens: `input_ids`, `attention_mask`, `labels`, and what the
    tokens see of the picture where that is told of each."""
    tails = [
        Encoded(
            row.ids[length:],
            row.start - length,
            kinds={name: values[length:] for name, values in row.kinds.items() if name == CROSS},
        )
        for row, length in zip(rows, lengths, strict=True)
    ]
    return place(encoder.collate(tails, side=side), model)


def go_on(model: Any, beginnings: Beginnings, which: Sequence[int], tails: dict[str, Tensor], keep: int) -> Tensor:
    """Logits (rows, keep, vocabulary) of the last `keep` positions of `tails`, each after its own beginning."""
    cache, head_mask, shift = beginnings.of(which)
    mask = torch.cat([head_mask, tails["attention_mask"]], dim=1)
    logits: Tensor = model(
        input_ids=tails["input_ids"],
        attention_mask=mask,
        position_ids=later_positions(mask, tails["input_ids"].shape[1], shift),
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=keep,
        **({CROSS: tails[CROSS]} if CROSS in tails else {}),
    ).logits
    return logits[:, -keep:]


@torch.no_grad()
def is_exact(model: Any, encoder: Encoder, rows: Sequence[Encoded]) -> bool:
    """Whether going on from a beginning gives this model's logits. `rows` are about one picture; two are enough.

    A family that cannot take the keys and values at all is answered with False: that is what is asked here. The log
    says so once for each family.
    """
    pair = list(rows[:2])
    if len(pair) < 2 or common_beginning(pair) == 0:
        return False
    exact = _goes_on_exactly(model, encoder, pair)
    family = str(getattr(model.config, "model_type", type(model).__name__))
    if not exact and family not in _told:
        _told.add(family)
        log.info("%s does not go on exactly from what was read once, so each question is read with its picture", family)
    return exact


def _goes_on_exactly(model: Any, encoder: Encoder, pair: Sequence[Encoded]) -> bool:
    if any(_sees_ahead(row) for row in pair):
        return False
    plain = place(encoder.collate(pair, side="left"), model)
    plain.pop("labels")

    def whole() -> Tensor:
        """With positions and with the family's own."""
        told: tuple[dict[str, Tensor], ...] = ({}, {"position_ids": first_positions(model, plain)[0]})
        return torch.cat([model(**plain, **one, use_cache=False, logits_to_keep=1).logits[:, -1] for one in told])

    def once() -> Tensor:
        beginnings, lengths = read_beginnings(model, encoder, [pair])
        tails = endings(encoder, pair, lengths * 2, model, side="left")
        return go_on(model, beginnings, [0, 0], tails, 1)[:, -1].repeat(2, 1)

    return gives_the_same(model, bare_of(model), whole, once)


def _sees_ahead(row: Encoded) -> bool:
    """Whether every token of the question sees all of it, so that what came first hangs on what comes after.

    Families with segments mark by them either the picture, whose tokens alone see each other, or the whole question.
    """
    return SEGMENTS in row.kinds and not bool(row.kinds[SEGMENTS][row.picture_at])


def keep_for(labels: Tensor) -> int:
    """From how far behind the logits are needed: one before the earliest answer token of the batch."""
    first = int((labels != IGNORED).int().argmax(dim=1).min())
    return labels.shape[1] - max(first - 1, 0)
