"""How firmly an answer sits in a model: the common panel, from one teacher-forced forward of the true answer.

Nothing is generated. At each of the answer's T tokens the forward gives log p of the true token, whether it was the
likeliest of all, and the mean and spread of log p over the vocabulary; everything here follows from those.
Only positions of the answer belong in: no prompt, picture or padding.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.metrics.arrays import Floats, Numbers, finite

SMALLEST_SPREAD = 1e-6
ROUNDING = 1e-3


@dataclass(frozen=True)
class Panel:
    """What one forward says of one answer. A member (something trained on) has a low `loss` and `zlib`, and a high
    value of everything else."""

    probability: float
    loss: float
    tokens: int
    exact_memorisation: float
    extraction_strength: float
    zlib: float
    min_k_20: float
    min_k_40: float
    min_k_plus_20: float
    min_k_plus_40: float


def panel(
    token_log_probs: Numbers,
    is_argmax: Sequence[bool] | NDArray[np.bool_],
    mean_log_probs: Numbers,
    std_log_probs: Numbers,
    text: str,
) -> Panel:
    """The common panel of one answer of T tokens.

    `token_log_probs` (T,): log p(y_t | y_<t), natural log. `is_argmax` (T,): y_t was the likeliest token.
    `mean_log_probs`, `std_log_probs` (T,): mean and standard deviation of log p over the vocabulary under p itself.
    `text`: the answer as written. Raises `ValueError` on empty or unequal rows, on numbers that are not finite and on
    an empty text.
    """
    log_probs = _log_probs(token_log_probs)
    rows = {"is_argmax": len(is_argmax), "mean_log_probs": len(mean_log_probs), "std_log_probs": len(std_log_probs)}
    for name, length in rows.items():
        if length != log_probs.size:
            raise ValueError(f"{name} holds {length} tokens and token_log_probs {log_probs.size}: give one a token")
    return Panel(
        probability=probability(log_probs),
        loss=loss(log_probs),
        tokens=int(log_probs.size),
        exact_memorisation=exact_memorisation(is_argmax),
        extraction_strength=extraction_strength(is_argmax),
        zlib=zlib_ratio(log_probs, text),
        min_k_20=min_k(log_probs, 20),
        min_k_40=min_k(log_probs, 40),
        min_k_plus_20=min_k_plus(log_probs, mean_log_probs, std_log_probs, 20),
        min_k_plus_40=min_k_plus(log_probs, mean_log_probs, std_log_probs, 40),
    )


def probability(token_log_probs: Numbers) -> float:
    """exp(1/T Σ_t log p_t): the answer's probability a token, a geometric mean, in [0, 1].

    `token_log_probs` (T,). Source: TOFU (arXiv 2401.06121, section 2.2). Raises `ValueError` on empty input.
    """
    return float(np.exp(_log_probs(token_log_probs).mean()))


def loss(token_log_probs: Numbers) -> float:
    """−1/T Σ_t log p_t in nats, 0 or more. A member's is low.

    `token_log_probs` (T,). Source: the LOSS attack of Yeom et al. (arXiv 1709.01604). Raises `ValueError` on empty
    input.
    """
    return float(0.0 - _log_probs(token_log_probs).mean())


def exact_memorisation(is_argmax: Sequence[bool] | NDArray[np.bool_]) -> float:
    """1/T Σ_t 1[argmax p(· | y_<t) = y_t]: the share of tokens that were the likeliest, in [0, 1].

    `is_argmax` (T,). Source: Tirumala et al. (arXiv 2205.10770). Raises `ValueError` on empty input.
    """
    return float(_flags(is_argmax).mean())


def extraction_strength(is_argmax: Sequence[bool] | NDArray[np.bool_]) -> float:
    """1 − k*/T, with k* the shortest prefix after which every token is the likeliest (T when the last one is not).

    The share of the answer, from its end, that the model completes by itself: 1 when all is right, 0 when the last
    token is wrong. `is_argmax` (T,). Source: Carlini et al. (arXiv 2012.07805), as used by open-unlearning
    (arXiv 2506.12618). Differs: see `extraction_strength_as_coded`. Raises `ValueError` on empty input.
    """
    flags = _flags(is_argmax)
    return _right_at_the_end(flags) / flags.size


def extraction_strength_as_coded(is_argmax: Sequence[bool] | NDArray[np.bool_]) -> float:
    """Extraction strength as open-unlearning's script has it: never under 1/T.

    Differs: its search ends at k = T − 1, so an answer whose last token is wrong scores 1/T where
    `extraction_strength` gives 0; a wrong answer of one token scores 1. Raises `ValueError` on empty input.
    """
    flags = _flags(is_argmax)
    return max(_right_at_the_end(flags), 1) / flags.size


def zlib_ratio(token_log_probs: Numbers, text: str) -> float:
    """`loss` / bytes of zlib(text): the loss set against how predictable the wording is. A member's is low.

    `token_log_probs` (T,); `text` is compressed as UTF-8. Source: Carlini et al. (arXiv 2012.07805, section 5).
    Raises `ValueError` on empty input.
    """
    if not text:
        raise ValueError("the answer's text is empty: there is nothing to compress")
    return loss(token_log_probs) / len(zlib.compress(text.encode()))


def min_k(token_log_probs: Numbers, percent: int = 20) -> float:
    """Min-K%: the mean log p of the `percent` % least likely tokens (rounded down, at least one). A member's is high.

    `token_log_probs` (T,), natural log. Source: Shi et al. (arXiv 2310.16789); MUSE takes 40 %. Raises `ValueError` on
    empty input or a percentage outside 1 to 100.
    """
    return _mean_of_lowest(_log_probs(token_log_probs), percent)


def min_k_plus(token_log_probs: Numbers, mean_log_probs: Numbers, std_log_probs: Numbers, percent: int = 20) -> float:
    """Min-K%++: Min-K% of (log p_t − μ_t) / σ_t. A member's is high.

    μ_t and σ_t are mean and standard deviation of log p over the vocabulary under p. All rows (T,). Where the
    distribution has (almost) no spread, σ_t is taken as 1e-6, so the score stays finite. Source: Zhang et al.
    (arXiv 2404.02936). Raises `ValueError` on empty or unequal rows or a negative spread.
    """
    log_probs = _log_probs(token_log_probs)
    means, spreads = finite(mean_log_probs, "mean_log_probs"), finite(std_log_probs, "std_log_probs")
    if not log_probs.size == means.size == spreads.size:
        raise ValueError(f"unequal rows: {log_probs.size} log-probs, {means.size} means, {spreads.size} spreads")
    if (spreads < 0).any():
        raise ValueError("std_log_probs hold a negative number: a standard deviation is 0 or more")
    return _mean_of_lowest((log_probs - means) / np.maximum(spreads, SMALLEST_SPREAD), percent)


def _log_probs(values: Numbers) -> Floats:
    array = finite(values, "token_log_probs")
    if array.max() > ROUNDING:
        raise ValueError(f"token_log_probs hold {array.max():.3g}: a log-probability is 0 or less")
    return np.minimum(array, 0.0)


def _flags(values: Sequence[bool] | NDArray[np.bool_]) -> NDArray[np.bool_]:
    flags = np.asarray(values, dtype=bool)
    if flags.ndim != 1 or flags.size == 0:
        raise ValueError("is_argmax must be one row with a truth value for each token of the answer, and not empty")
    return flags


def _right_at_the_end(flags: NDArray[np.bool_]) -> int:
    wrong = np.flatnonzero(~flags)
    return int(flags.size - 1 - wrong[-1]) if wrong.size else int(flags.size)


def _mean_of_lowest(values: Floats, percent: int) -> float:
    if not 1 <= percent <= 100:
        raise ValueError(f"a share of tokens lies between 1 and 100 percent, not at {percent}")
    count = max(1, values.size * percent // 100)
    return float(np.sort(values)[:count].mean())
