"""Reading the answers: the short way (logits of the tail only) against the long one (everything, by hand)."""

from types import SimpleNamespace

import torch
from torch import nn

from backend.models.answers import IGNORED, read_answers


class Table(nn.Module):
    """A model whose logits at a position are a fixed row for the token there."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(7, 7, generator=torch.Generator().manual_seed(1)))

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, logits_to_keep: int, use_cache: bool
    ) -> SimpleNamespace:
        return SimpleNamespace(logits=self.table[input_ids[:, -logits_to_keep:]])


def test_log_probabilities_are_those_of_the_answer_tokens_alone() -> None:
    ids = torch.tensor([[1, 2, 3, 4, 0], [1, 5, 6, 2, 3]])
    labels = torch.tensor([[IGNORED, IGNORED, 3, 4, IGNORED], [IGNORED, IGNORED, IGNORED, 2, 3]])
    model = Table()
    read = read_answers(model, {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels})
    log_probs = torch.log_softmax(model.table, dim=-1)
    assert torch.allclose(read.sums[0], log_probs[2, 3] + log_probs[3, 4])
    assert torch.allclose(read.sums[1], log_probs[6, 2] + log_probs[2, 3])
    assert read.lengths.tolist() == [2, 2]
    assert read.logits.shape[1] == 3, "only positions from the first answer token on are computed"
