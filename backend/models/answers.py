"""One forward pass, read at the answer positions only: the common ground of every term and every likelihood.

Prompt, picture and padding positions never enter a loss. Logits are computed from the first answer position of the
batch onward (`logits_to_keep`), because the vocabulary is what fills the memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from backend.models.encoding import IGNORED, parted


@dataclass(frozen=True)
class Answers:
    """`token_log_probs` (batch, width), 0 where there is no answer token; `mask` (batch, width), 1 where there is one;
    `logits` (batch, width, vocabulary) predict exactly those tokens; `labels` (batch, width), -100 outside."""

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

    A forward argument that is a list has one entry a row.
    """
    labels = batch["labels"]
    first = int((labels != IGNORED).int().argmax(dim=1).min())
    # The token at position t is predicted by the logits at t - 1.
    keep = labels.shape[1] - max(first - 1, 0)
    parts = parted(batch)
    logits = [_logits(model, part, keep, _of_rows(forward, rows)) for rows, part in parts]
    order = torch.cat([rows for rows, _ in parts]).argsort()
    return answers_at(logits[0] if len(parts) == 1 else torch.cat(logits)[order], labels, keep)


def _logits(model: nn.Module, batch: Mapping[str, Any], keep: int, forward: Mapping[str, Any]) -> Tensor:
    inputs = {key: value for key, value in batch.items() if key != "labels"}
    logits: Tensor = model(**inputs, logits_to_keep=keep, use_cache=False, **forward).logits
    return logits


def _of_rows(forward: Mapping[str, Any], rows: Tensor) -> dict[str, Any]:
    return {
        name: [value[row] for row in rows.tolist()] if isinstance(value, list) else value
        for name, value in forward.items()
    }


def answers_at(logits: Tensor, labels: Tensor, keep: int) -> Answers:
    """Reads answers from the logits of the last `keep` positions of a right-padded batch with these labels."""
    logits = logits[:, -keep:][:, :-1]
    targets = labels[:, -keep:][:, 1:]
    mask = targets != IGNORED
    log_probs = torch.log_softmax(logits.float(), dim=-1)
    chosen = log_probs.gather(-1, targets.clamp(min=0).unsqueeze(-1)).squeeze(-1)
    return Answers(chosen * mask, mask.float(), logits, targets)
