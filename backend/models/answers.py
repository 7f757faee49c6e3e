"""One forward pass, read at the answer positions only: the common ground of every term and every likelihood.

Prompt, picture and padding positions never enter a loss. Logits are computed at the columns of a batch that predict a
row's answer (`logits_to_keep`) and at no other, because the vocabulary is what fills the memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from backend.models.encoding import CROSS, IGNORED, parted
from backend.models.features import features_for
from backend.models.packing import (
    SHOWN,
    Shown,
    bare_of,
    may_pack,
    packs_of,
    pixels,
    predicting,
    read_by_length,
    read_packed,
)
from backend.models.picture import Picture


@dataclass(frozen=True)
class Answers:
    """`token_log_probs` (batch, width), 0 where there is no answer token; `mask` (batch, width), 1 where there is one;
    `logits` (batch, width, vocabulary) predict exactly those tokens; `labels` (batch, width), -100 outside. The columns
    are those of the batch that predict an answer of some row (`predicting`), not all in one piece."""

    token_log_probs: Tensor
    mask: Tensor
    logits: Tensor
    labels: Tensor

    @property
    def lengths(self) -> Tensor:
        """Answer tokens of each sample, (batch,)."""
        return self.mask.sum(dim=1)

    @property
    def sums(self) -> Tensor:
        """log π(y|x), the sum over answer tokens, (batch,)."""
        return self.token_log_probs.sum(dim=1)

    @property
    def means(self) -> Tensor:
        """log π(y|x) / |y|, (batch,)."""
        return self.sums / self.lengths.clamp(min=1)


def read_answers(model: nn.Module, batch: Mapping[str, Any], **forward: Any) -> Answers:
    """Runs the model on a collated batch (right-padded, with `labels`). Log-probabilities are float32.

    A batch that says what its rows show (`SHOWN`) is read with each picture once, as far as the model takes that: the
    answers are the same. A forward argument that is a list has one entry a row.
    """
    labels = batch["labels"]
    columns = predicting(labels)
    plain = {key: value for key, value in batch.items() if key != SHOWN}
    if not forward and SHOWN in batch and CROSS not in batch:
        return _read_shown(model, plain, batch[SHOWN], columns)
    parts = parted(plain)
    logits = [_logits(model, part, columns, _of_rows(forward, rows)) for rows, part in parts]
    order = torch.cat([rows for rows, _ in parts]).argsort()
    return _answers(logits[0] if len(parts) == 1 else torch.cat(logits)[order], labels[:, columns + 1])


def _read_shown(model: nn.Module, batch: Mapping[str, Any], shown: Shown, columns: Tensor) -> Answers:
    """Each picture through the tower once where it is frozen, and through the language model once where rows share."""
    bare, labels = bare_of(model), batch["labels"]
    features = features_for(model, bare, batch, shown)

    def forward(inputs: Mapping[str, Any], pictures: Sequence[Picture]) -> Tensor:
        seen = features.of(pictures, batch) if features is not None and pictures else pixels(pictures, batch)
        logits: Tensor = model(**inputs, **seen, use_cache=False).logits
        return logits

    packs = packs_of(batch, shown)
    if len(packs) < len(labels) and may_pack(model, bare, batch, shown, forward):
        logits = read_packed(bare, batch, shown, packs, columns, forward)
    else:
        logits = read_by_length(batch, shown, columns, forward)
    return _answers(logits, labels[:, columns + 1])


def _logits(model: nn.Module, batch: Mapping[str, Any], columns: Tensor, forward: Mapping[str, Any]) -> Tensor:
    inputs = {key: value for key, value in batch.items() if key != "labels"}
    logits: Tensor = model(**inputs, logits_to_keep=columns, use_cache=False, **forward).logits
    return logits


def _of_rows(forward: Mapping[str, Any], rows: Tensor) -> dict[str, Any]:
    return {
        name: [value[row] for row in rows.tolist()] if isinstance(value, list) else value
        for name, value in forward.items()
    }


def answers_at(logits: Tensor, labels: Tensor, keep: int) -> Answers:
    """Reads answers from the logits of the last `keep` positions of a right-padded batch with these labels."""
    return _answers(logits[:, -keep:][:, :-1], labels[:, -keep:][:, 1:])


def _answers(logits: Tensor, targets: Tensor) -> Answers:
    mask = targets != IGNORED
    return Answers(_chosen(logits, targets.clamp(min=0)) * mask, mask.float(), logits, targets)


def _chosen(logits: Tensor, targets: Tensor) -> Tensor:
    """log-probabilities of the targets, (batch, width), in float32; where nothing is learnt, row by row: a copy in
    float32 of the whole vocabulary is then never larger than one row's."""
    if not logits.requires_grad and len(logits) > 1:
        return torch.cat([_chosen(*row) for row in zip(logits.split(1), targets.split(1), strict=True)])
    return torch.log_softmax(logits.float(), dim=-1).gather(-1, targets.unsqueeze(-1)).squeeze(-1)
