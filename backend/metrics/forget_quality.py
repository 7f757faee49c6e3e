"""Does the unlearned model look like one that never saw the people? Its truth ratios against the gold model's.

Both need a gold (retain-only) model, asked the same questions of the forget set. Without one there is no number.
"""

from __future__ import annotations

import warnings

import numpy as np
from scipy.spatial.distance import jensenshannon
from scipy.stats import ks_2samp

from backend.metrics.arrays import Floats, Numbers, finite

BINS = 10


def ks_p_value(unlearned: Numbers, gold: Numbers) -> float:
    """p-value of the two-sample Kolmogorov-Smirnov test on truth ratios: TOFU's forget quality, in [0, 1].

    High is good: over 0.05 the two models cannot be told apart by these answers. With few people it is high for want
    of evidence, so n belongs beside it. `unlearned` (n,), `gold` (m,). Source: TOFU (arXiv 2401.06121, section 2.2);
    CLEAR (arXiv 2410.18057). Their script feeds it `clear.truth_ratios_as_coded`. Raises `ValueError` on empty input.
    """
    ours, golds = _pair(unlearned, gold)
    with warnings.catch_warnings():
        # A p-value that rounds to just over 1 counts as a failure in scipy, which then takes the asymptotic one.
        warnings.filterwarnings("ignore", "ks_2samp: Exact calculation unsuccessful", RuntimeWarning)
        return _within(float(ks_2samp(ours, golds).pvalue))


def one_minus_js(unlearned: Numbers, gold: Numbers, bins: int = BINS) -> float:
    """1 − JS(P, Q), the Jensen-Shannon divergence in bits of two histograms of truth ratios, in [0, 1]; 1 is alike.

    Each R is taken to R/(1+R), the share of the truth against a falsehood, and counted in `bins` equal bins of [0, 1]:
    the same bins for every model, whatever the answers. `unlearned` (n,), `gold` (m,). With few answers two samples
    of the same model score under 1. Source: CLEAR's paper names 1 − JS; differs: see `one_minus_js_as_coded`.
    Raises `ValueError` on empty input, a ratio that is not over 0, or fewer than two bins.
    """
    if bins < 2:
        raise ValueError(f"a histogram needs two bins or more, not {bins}")
    ours, golds = (_histogram(ratios, bins) for ratios in _pair(unlearned, gold))
    return _within(1 - float(jensenshannon(ours, golds, base=2)) ** 2)


def one_minus_js_as_coded(unlearned: Numbers, gold: Numbers) -> float:
    """1 − scipy's Jensen-Shannon distance of the two raw rows of truth ratios, as CLEAR's `calculate_metrics.py`.

    `unlearned`, `gold` (n,), in the same order of questions. Differs: the ratios themselves are normalised as if they
    were probabilities, so the order of the questions matters, all ratios doubled change nothing, and (the root of a
    divergence in nats) it never falls under 0.16. Raises `ValueError` on empty or unequal rows.
    """
    ours, golds = _pair(unlearned, gold)
    if ours.size != golds.size:
        raise ValueError(f"as coded, JS compares question by question: {ours.size} ratios against {golds.size}")
    # Rows that are all but equal can give the root of a negative rounding error.
    with np.errstate(invalid="ignore"):
        return _within(1 - float(np.nan_to_num(jensenshannon(ours, golds))))


def _pair(unlearned: Numbers, gold: Numbers) -> tuple[Floats, Floats]:
    pair = finite(unlearned, "the unlearned model's truth ratios"), finite(gold, "the gold model's truth ratios")
    for ratios in pair:
        if (ratios <= 0).any():
            raise ValueError(f"a truth ratio is over 0, and one is {ratios.min():g}")
    return pair


def _histogram(ratios: Floats, bins: int) -> Floats:
    return np.histogram(1 / (1 + 1 / ratios), bins=bins, range=(0.0, 1.0))[0] / ratios.size


def _within(value: float) -> float:
    return min(1.0, max(0.0, value))
