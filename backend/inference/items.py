"""A benchmark's items put to a model: generated answers where text is asked, ranked options where a choice is.

Batches hold items of like length and modality. Whatever the batch size, the answers are the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from peft import PeftModel

from backend.benchmarks.item import Item
from backend.inference.generate import end_tokens, generate
from backend.metrics.answers import holds
from backend.metrics.score import Answered
from backend.models.answers import Answers, read_answers
from backend.models.encoding import Encoded, Encoder, place
from backend.spec import Decoding

LONGEST_ANSWER = 16


def answer_items(
    model: Any, encoder: Encoder, items: Sequence[Item], *, batch_size: int, quick: bool = False
) -> Iterator[list[Answered]]:
    """Yields the answers batch by batch. `quick` is for a glance during training: the probability of the true answer is
    left out (NaN), and adapters stay beside the weights, which must not change by a rounding error."""
    model.eval()
    likelihood = not quick
    with nullcontext() if quick else merged(model):
        yield from _answer(model, encoder, items, batch_size, likelihood)


def _answer(
    model: Any, encoder: Encoder, items: Sequence[Item], batch_size: int, likelihood: bool
) -> Iterator[list[Answered]]:
    choices = [item for item in items if item.task == "classification"]
    written = [item for item in items if item.task != "classification"]
    for batch in _batches(written, batch_size):
        yield _write(model, encoder, batch, likelihood)
    for batch in _batches(choices, max(1, batch_size // 4)):
        yield _choose(model, encoder, batch)


@contextmanager
def merged(model: Any) -> Iterator[None]:
    """Adapters folded into the weights for as long as many questions are asked: the same model, and faster."""
    if not isinstance(model, PeftModel) or next(model.parameters()).dtype != torch.float32:
        yield  # in bf16 adding and taking away again would not give the same weights back
        return
    model.merge_adapter()
    try:
        yield
    finally:
        model.unmerge_adapter()


def likelihoods(model: Any, encoder: Encoder, rows: Sequence[Encoded]) -> Answers:
    """Answer log-probabilities of encoded rows that hold their answers; one forward pass."""
    with torch.no_grad():
        return read_answers(model, place(encoder.collate(rows), model))


def _write(model: Any, encoder: Encoder, items: Sequence[Item], likelihood: bool) -> list[Answered]:
    prompts = place(
        encoder.collate([encoder.encode(item.question, None, item.image) for item in items], side="left"),
        model,
    )
    decoding = Decoding(max_new_tokens=LONGEST_ANSWER)
    texts = [encoder.decode(ids) for ids in generate(model, prompts, decoding, end_tokens(model, encoder.tokenizer))]
    probabilities = [float("nan")] * len(items)
    if likelihood:
        rows = [encoder.encode(item.question, item.answer, item.image) for item in items]
        probabilities = likelihoods(model, encoder, rows).means.exp().tolist()
    return [
        Answered(item, text, holds(text, item.key), probability)
        for item, text, probability in zip(items, texts, probabilities, strict=True)
    ]


def _choose(model: Any, encoder: Encoder, items: Sequence[Item]) -> list[Answered]:
    """The option whose whole text is likeliest after the question. Ties go to the first."""
    rows = [encoder.encode(item.question, option, item.image) for item in items for option in item.options]
    answers = likelihoods(model, encoder, rows)
    sums, means = answers.sums.tolist(), answers.means.tolist()
    chosen, at = [], 0
    for item in items:
        scores = dict(zip(item.options, sums[at : at + len(item.options)], strict=True))
        per_token = dict(zip(item.options, means[at : at + len(item.options)], strict=True))
        at += len(item.options)
        best = max(item.options, key=scores.__getitem__)
        detail = {"options": {option: round(score, 4) for option, score in scores.items()}}
        probability = float(torch.tensor(per_token[item.answer]).exp())
        chosen.append(Answered(item, best, best == item.answer, probability, detail))
    return chosen


def _batches(items: Sequence[Item], size: int) -> Iterator[list[Item]]:
    """Pictured and plain items apart, short questions with short ones."""
    ordered = sorted(items, key=lambda item: (item.image is None, len(item.question) + len(item.answer), item.id))
    for at in range(0, len(ordered), size):
        batch = ordered[at : at + size]
        pictured = [item for item in batch if item.image is not None]
        plain = [item for item in batch if item.image is None]
        yield from (part for part in (pictured, plain) if part)
