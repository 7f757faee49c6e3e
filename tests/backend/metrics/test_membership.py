"""AUC by counting pairs, and its two readings against gold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.metrics.membership import auc, member_scores, privleak, s_mia

scores = st.lists(st.sampled_from([-2.0, -1.0, 0.0, 0.5, 3.0]) | st.floats(-10, 10), min_size=1, max_size=12)


def test_auc_is_the_share_of_pairs_in_which_the_forget_item_scores_higher() -> None:
    # Pairs: 3 > 1, 3 > 2, 2 > 1 and a tie: 3.5 of 4.
    assert auc([3.0, 2.0], [1.0, 2.0]) == 0.875
    assert auc([5.0, 6.0], [1.0]) == 1
    assert auc([1.0], [5.0, 6.0]) == 0
    assert auc([1.0, 1.0], [1.0]) == 0.5


@given(scores, scores)
def test_auc_counted_pair_by_pair(forget: list[float], holdout: list[float]) -> None:
    wins = sum((ours > other) + 0.5 * (ours == other) for ours in forget for other in holdout)
    assert auc(forget, holdout) == pytest.approx(wins / (len(forget) * len(holdout)))
    assert auc(holdout, forget) == pytest.approx(1 - auc(forget, holdout))
    assert auc(forget[::-1], holdout) == auc(forget, holdout)


def test_loss_and_zlib_are_turned_so_that_high_means_member() -> None:
    trained_on, unseen = [0.1, 0.2], [2.0, 3.0]
    assert auc(member_scores("loss", trained_on), member_scores("loss", unseen)) == 1
    assert list(member_scores("zlib", [0.5])) == [-0.5]
    assert list(member_scores("min_k_20", [-0.5])) == [-0.5]


def test_privleak_is_minus_100_when_nothing_is_forgotten_and_over_0_when_too_much_is() -> None:
    assert privleak(unlearned=0.5, gold=0.5) == 0
    assert privleak(unlearned=1.0, gold=0.5) == -100
    assert privleak(unlearned=0.0, gold=0.5) == 100
    # MUSE's own AUCs are 0.3 and 0.4: (0.3 − 0.4) / 0.4.
    assert privleak(unlearned=0.7, gold=0.6) == pytest.approx(-25)


def test_s_mia_is_one_at_golds_auc_and_falls_on_both_sides() -> None:
    assert s_mia(0.5, 0.5) == 1
    assert s_mia(0.75, 0.5) == s_mia(0.25, 0.5) == 0.5
    assert s_mia(1.0, 0.25) == 0


@given(st.floats(0, 1), st.floats(0.01, 0.99))
def test_bounds(unlearned: float, gold: float) -> None:
    assert 0 <= s_mia(unlearned, gold) <= 1
    assert privleak(unlearned, gold) >= -100 - 1e-9
    assert (privleak(unlearned, gold) > 0) == (unlearned < gold)


def test_what_has_no_value_is_refused() -> None:
    with pytest.raises(ValueError, match="forget scores are empty"):
        auc([], [1.0])
    with pytest.raises(ValueError, match="holdout scores are empty"):
        auc([1.0], [])
    with pytest.raises(ValueError, match="gold AUC is 1"):
        privleak(0.5, 1.0)
    with pytest.raises(ValueError, match="gold AUC is 0"):
        s_mia(0.5, 0.0)
    with pytest.raises(ValueError, match="between 0 and 1"):
        privleak(1.5, 0.5)
