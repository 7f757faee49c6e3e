"""Reading the answers: the short way (logits of the tail only) against the long one (everything, by hand)."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from backend.models.answers import IGNORED, answers_at, read_answers
from backend.models.packing import SHOWN
from backend.training.plan import labelled
from tests.backend.models.tiny import ANSWERS, QUESTIONS, TALL, WIDE, Built


class Table(nn.Module):
    """A model whose logits at a position are a fixed row for the token there."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(7, 7, generator=torch.Generator().manual_seed(1)))

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, logits_to_keep: torch.Tensor, use_cache: bool
    ) -> SimpleNamespace:
        return SimpleNamespace(logits=self.table[input_ids[:, logits_to_keep]])


def test_log_probabilities_are_those_of_the_answer_tokens_alone() -> None:
    ids = torch.tensor([[1, 2, 3, 4, 0], [1, 5, 6, 2, 3]])
    labels = torch.tensor([[IGNORED, IGNORED, 3, 4, IGNORED], [IGNORED, IGNORED, IGNORED, 2, 3]])
    model = Table()
    read = read_answers(model, {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels})
    log_probs = torch.log_softmax(model.table, dim=-1)
    assert torch.allclose(read.sums[0], log_probs[2, 3] + log_probs[3, 4])
    assert torch.allclose(read.sums[1], log_probs[6, 2] + log_probs[2, 3])
    assert read.lengths.tolist() == [2, 2]
    assert read.logits.shape[1] == 3, "only columns that predict an answer are computed"


class Largest(TorchDispatchMode):
    """The most numbers that a float32 tensor made under it holds."""

    numbers = 0

    def __torch_dispatch__(self, function: Any, types: Any, given: Any = (), named: Any = None) -> Any:
        made = function(*given, **(named or {}))
        if isinstance(made, torch.Tensor) and made.dtype == torch.float32:
            self.numbers = max(self.numbers, made.numel())
        return made


def test_where_nothing_is_learnt_no_more_than_a_row_of_logits_is_copied_to_float32() -> None:
    logits = torch.randn(5, 3, 11, generator=torch.Generator().manual_seed(2)).bfloat16()
    labels = torch.tensor([[IGNORED, 1, 2], [IGNORED, 3, IGNORED], [IGNORED, 4, 5], [IGNORED, 6, 7], [IGNORED, 8, 9]])
    with Largest() as largest:
        read = answers_at(logits, labels, 3)
    assert largest.numbers == 2 * 11
    learnt = answers_at(logits.requires_grad_(True), labels, 3)
    assert torch.equal(read.token_log_probs, learnt.token_log_probs)
    by_hand = torch.log_softmax(logits[3, 1].float(), dim=0)[7]
    assert torch.allclose(read.token_log_probs[3, 1], by_hand)


@pytest.mark.parametrize("shown", [True, False], ids=["training", "plain"])
def test_the_head_sees_the_columns_that_predict_an_answer_and_no_other(built: Built, shown: bool) -> None:
    """Of text, whose answers come early, and of pictures, whose answers come late."""
    encode = built.encoder.encode
    rows = [
        encode(QUESTIONS[0], ANSWERS[0], WIDE),
        encode(QUESTIONS[0], ANSWERS[0]),
        encode(QUESTIONS[1], ANSWERS[1], TALL),
        encode(QUESTIONS[0], ANSWERS[1], WIDE),
    ]
    batch = labelled(built.encoder, rows)
    whole = {key: value for key, value in batch.items() if key not in (SHOWN, "labels")}
    given = batch if shown else {**whole, "labels": batch["labels"]}
    columns = [set(range(row.start - 1, len(row.ids) - 1)) for row in rows]
    union = set.union(*columns)
    seen: list[int] = []
    with torch.no_grad():
        read_answers(built.model, given)  # how the family may be read is tried once
        head = built.model.get_output_embeddings()
        handle = head.register_forward_pre_hook(lambda _, given: seen.append(given[0].shape[0] * given[0].shape[1]))
        try:
            answers = read_answers(built.model, given)
        finally:
            handle.remove()
        for number, row in enumerate(rows):
            alone = {key: value for key, value in built.encoder.collate([row]).items() if key != "labels"}
            logits = built.model(**alone).logits[0, row.start - 1 : -1]
            kept = answers.mask[number].bool()
            assert answers.labels[number][kept].tolist() == list(row.ids[row.start :])
            assert torch.allclose(answers.logits[number][kept], logits, atol=2e-4, rtol=2e-4)
    assert answers.labels.shape[1] == len(union) < batch["input_ids"].shape[1] - min(map(min, columns))
    assert sum(seen) <= len(rows) * len(union)
    assert shown or sum(seen) == len(rows) * len(union)
