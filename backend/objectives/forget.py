"""Forget terms: what is done to the answers that must go. Each gives one loss a sample; the caller averages.

`policy` is the model being changed. `reference_sums` are log π_ref(y|x) of the same samples under the model as it was.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from backend.models.answers import Answers


def ga(policy: Answers, reference_sums: Tensor | None, beta: float) -> Tensor:
    """Gradient ascent: log π_θ(y|x) / |y|, minimised (Jang et al. 2023, eq. 1). Unbounded below.

    Differs from MLLMU-Bench's code in that question tokens are left out.
    """
    return policy.means


def npo(policy: Answers, reference_sums: Tensor | None, beta: float) -> Tensor:
    """Negative preference optimisation: −(2/β) log σ(−β log(π_θ(y|x) / π_ref(y|x))) (Zhang et al. 2024, eq. 3).

    The ratio is of whole sequences (sums). MLLMU-Bench's and OFFSIDE's code take token means, which gives β another
    meaning. Raises `ValueError` without reference log-probabilities.
    """
    if reference_sums is None:
        raise ValueError("NPO needs the reference's log-probabilities of the forget answers")
    ratio = policy.sums - reference_sums
    return -(2 / beta) * torch.nn.functional.logsigmoid(-beta * ratio)


FORGET_TERMS: dict[str, Callable[[Answers, Tensor | None, float], Tensor]] = {"ga": ga, "npo": npo}
NEEDS_REFERENCE_SUMS = frozenset({"npo"})
