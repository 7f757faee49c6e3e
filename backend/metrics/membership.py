"""Can one still tell that the forget set was trained on? Attack AUC, and two ways to set it against the gold model.

One direction throughout: a higher score means more like a member. `loss` and `zlib` of the panel are low for members,
so hand in their negatives; `member_scores` does.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from backend.metrics.arrays import Floats, Numbers, finite

LOW_FOR_MEMBERS = frozenset({"loss", "zlib"})


def member_scores(metric: str, values: Numbers) -> Floats:
    """`values` of a field of `memorisation.Panel`, turned so that high means member, (n,).

    Raises `ValueError` on empty input.
    """
    scores = finite(values, metric)
    return -scores if metric in LOW_FOR_MEMBERS else scores


def auc(forget: Numbers, holdout: Numbers) -> float:
    """P(forget score > holdout score) + ½ P(equal), in [0, 1]: 1 when every forget item looks more like a member.

    `forget` (n,), `holdout` (m,), high meaning member; holdout items were never trained on. 0.5: no telling.
    Formula: the Mann-Whitney U over n·m. Source: MUSE (arXiv 2407.06460, PrivLeak). Raises `ValueError` on empty input.
    """
    ours, others = finite(forget, "forget scores"), finite(holdout, "holdout scores")
    ranks = rankdata(np.concatenate([ours, others]))[: ours.size]
    return float((ranks.sum() - ours.size * (ours.size + 1) / 2) / (ours.size * others.size))


def privleak(unlearned: float, gold: float) -> float:
    """100 · [(1 − AUC) − (1 − AUC_gold)] / (1 − AUC_gold), in percent: 0 is ideal, −100 is nothing forgotten (AUC 1),
    over 0 is forgotten so hard that it shows.

    Both AUCs as `auc` gives them. Source: MUSE (arXiv 2407.06460, PrivLeak), whose AUC is 1 minus ours.
    Raises `ValueError` on an AUC outside [0, 1] or a gold AUC of 1.
    """
    _check(unlearned, gold)
    if gold == 1:
        raise ValueError("PrivLeak has no value when the gold AUC is 1: forget and holdout differ by themselves")
    return 100 * (gold - unlearned) / (1 - gold)


def s_mia(unlearned: float, gold: float) -> float:
    """clip(1 − |AUC − AUC_gold| / AUC_gold, 0, 1): 1 when the attack does as on the gold model.

    Both AUCs as `auc` gives them. Source: open-unlearning (arXiv 2506.12618). Raises `ValueError` on an AUC outside
    [0, 1] or a gold AUC of 0.
    """
    _check(unlearned, gold)
    if gold == 0:
        raise ValueError("s_MIA has no value when the gold AUC is 0: forget and holdout differ by themselves")
    return float(np.clip(1 - abs(unlearned - gold) / gold, 0, 1))


def _check(*values: float) -> None:
    for value in values:
        if not 0 <= value <= 1:
            raise ValueError(f"an AUC lies between 0 and 1, not at {value}")
