"""Every term against figures worked out by hand on two samples of two answer tokens."""

import math

import pytest
import torch

from backend.models.answers import IGNORED, Answers
from backend.objectives.forget import ga, npo
from backend.objectives.retain import ce, kl


def answers(log_probs: list[list[float]], mask: list[list[float]], logits: torch.Tensor | None = None) -> Answers:
    masked = torch.tensor(mask)
    chosen = torch.tensor(log_probs) * masked
    return Answers(chosen, masked, logits if logits is not None else torch.zeros(2, 2, 3), torch.full((2, 2), IGNORED))


TWO = answers([[-1.0, -3.0], [-2.0, -99.0]], [[1, 1], [1, 0]])


def test_sums_and_means_leave_masked_positions_out() -> None:
    assert TWO.sums.tolist() == [-4.0, -2.0]
    assert TWO.means.tolist() == [-2.0, -2.0]
    assert TWO.lengths.tolist() == [2.0, 1.0]


def test_ga_is_the_mean_log_probability_of_an_answer() -> None:
    assert ga(TWO, None, 0.1).tolist() == [-2.0, -2.0]


def test_npo_at_the_reference_is_two_over_beta_times_log_two() -> None:
    loss = npo(TWO, torch.tensor([-4.0, -2.0]), beta=0.5)
    assert loss.tolist() == pytest.approx([4 * math.log(2)] * 2, rel=1e-6)


def test_npo_takes_the_ratio_of_whole_sequences() -> None:
    # ratio = -4 - (-2) = -2; -(2/0.5) log sigma(0.5 * 2) = -4 log sigma(1)
    loss = npo(TWO, torch.tensor([-2.0, -2.0]), beta=0.5)
    assert loss[0].item() == pytest.approx(-4 * math.log(1 / (1 + math.exp(-1))), rel=1e-6)


def test_npo_fades_once_an_answer_is_gone_while_ga_never_does() -> None:
    sums = torch.tensor([-1.0, -50.0], requires_grad=True)
    policy = Answers(sums.unsqueeze(1), torch.ones(2, 1), torch.zeros(2, 1, 3), torch.zeros(2, 1))
    npo(policy, torch.tensor([0.0, 0.0]), beta=1.0).sum().backward()
    assert sums.grad is not None
    # d/dr of -2 log sigma(-r) is 2 sigma(r)
    assert sums.grad[0].item() == pytest.approx(2 / (1 + math.e), rel=1e-5)
    assert sums.grad[1].item() < 1e-20


def test_npo_without_a_reference_is_refused() -> None:
    with pytest.raises(ValueError, match="reference"):
        npo(TWO, None, 0.1)


def test_ce_is_a_mean_over_answer_tokens() -> None:
    assert ce(TWO, None).item() == pytest.approx((1 + 3 + 2) / 3)


def test_kl_of_a_model_with_itself_is_nothing_and_masked_positions_do_not_count() -> None:
    mask = [[1.0, 0.0], [1.0, 0.0]]
    same = torch.log(torch.tensor([[[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]] * 2))
    other = torch.log(torch.tensor([[[0.25, 0.5, 0.25], [0.9, 0.05, 0.05]]] * 2))
    policy, reference = answers([[0, 0]] * 2, mask, other), answers([[0, 0]] * 2, mask, same)
    assert kl(policy, policy).item() == pytest.approx(0, abs=1e-7)
    # KL(ref || policy) at the one answer position: .5 ln 2 + .25 ln .5 = .25 ln 2
    assert kl(policy, reference).item() == pytest.approx(0.25 * math.log(2), rel=1e-5)
