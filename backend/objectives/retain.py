"""Retain terms: what holds the rest in place. Each is a scalar, a mean over the batch's answer tokens."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from backend.models.answers import Answers


def ce(policy: Answers, reference: Answers | None) -> Tensor:
    """Cross-entropy of the retain answers, a mean over tokens."""
    return -policy.token_log_probs.sum() / policy.mask.sum()


def kl(policy: Answers, reference: Answers | None) -> Tensor:
    """KL(π_ref ‖ π_θ) at each retain answer position, a mean over tokens (Maini et al. 2024, KL minimisation).

    Differs from MLLMU-Bench's and CLEAR's code, which also count prompt, picture and padding positions.
    Raises `ValueError` without a reference.
    """
    if reference is None:
        raise ValueError("the KL term needs the reference's predictions")
    log_policy = torch.log_softmax(policy.logits.float(), dim=-1)
    log_reference = torch.log_softmax(reference.logits.float(), dim=-1)
    per_token = (log_reference.exp() * (log_reference - log_policy)).sum(dim=-1)
    return (per_token * policy.mask).sum() / policy.mask.sum()


RETAIN_TERMS: dict[str, Callable[[Answers, Answers | None], Tensor]] = {"ce": ce, "kl": kl}
NEEDS_REFERENCE = frozenset({"kl"})
