"""Answers token by token: one loop serves a batch of questions and a question put to several models.

The loop keeps its own cache and attention mask, so that a caller can show each token as it comes and stop at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from backend.models.encoding import carried
from backend.models.positions import first_positions, later_positions
from backend.spec import Decoding

TEXT = ("input_ids", "attention_mask", "labels")


class Draw:
    """Chooses the next token: greedy, or sampled within top p. Each row has a generator of its own, so that a row's
    answer depends on the seed and not on what else is in the batch."""

    def __init__(self, decoding: Decoding, rows: int, device: torch.device) -> None:
        self._decoding = decoding
        self._generators = [torch.Generator(device=device).manual_seed(decoding.seed) for _ in range(rows)]

    def __call__(self, logits: Tensor) -> Tensor:
        """`logits` (rows, vocabulary) -> token ids (rows,)."""
        if not self._decoding.sample:
            return logits.argmax(dim=-1)
        probabilities = torch.softmax(logits.float() / self._decoding.temperature, dim=-1)
        if self._decoding.top_p < 1:
            probabilities = _within(probabilities, self._decoding.top_p)
        return torch.cat(
            [torch.multinomial(row, 1, generator=one) for row, one in zip(probabilities, self._generators, strict=True)]
        )


def _within(probabilities: Tensor, top_p: float) -> Tensor:
    """The smallest set of tokens whose probabilities reach `top_p`; the rest are set to zero."""
    ordered, index = probabilities.sort(dim=-1, descending=True)
    outside = ordered.cumsum(dim=-1) - ordered >= top_p
    kept = ordered.masked_fill(outside, 0)
    return torch.zeros_like(probabilities).scatter(-1, index, kept)


@torch.no_grad()
def stream(
    model: nn.Module,
    batch: dict[str, Tensor],
    decoding: Decoding,
    end_tokens: Sequence[int],
    past: tuple[Any, Tensor, Tensor | None] | None = None,
    draw: Callable[[Tensor], Tensor] | None = None,
    **forward: Any,
) -> Iterator[Tensor]:
    """Yields the next token of every row, (rows,), until all rows have ended or `max_new_tokens` are drawn.

    `batch` is collated with left padding. `past` is a cache of what comes before it, one row each, its mask, and by how
    much positions after it are shifted (`first_positions`). A row that has ended goes on yielding its end token. `draw`
    chooses the tokens in place of `Draw`. `forward` goes to the model at each step (PEFT's `adapter_names`, one a row).
    """
    inputs: dict[str, Any] = {key: value for key, value in batch.items() if key not in TEXT}
    if past is None:
        cache, mask = None, batch["attention_mask"]
        positions, shift = first_positions(model, batch)
    else:
        cache, head, shift = past
        mask = torch.cat([head, batch["attention_mask"]], dim=1)
        positions = later_positions(mask, batch["input_ids"].shape[1], shift)
    ids = batch["input_ids"]
    draw = draw or Draw(decoding, len(ids), ids.device)
    ends = torch.tensor(list(end_tokens), device=ids.device)
    ended = torch.zeros(len(ids), dtype=torch.bool, device=ids.device)
    last = ends[0].expand(len(ids)).clone()
    for _ in range(decoding.max_new_tokens):
        outputs = model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
            **inputs,
            **forward,
        )
        cache, inputs = outputs.past_key_values, carried(batch)
        last = torch.where(ended, last, draw(outputs.logits[:, -1]))
        yield last
        ended |= torch.isin(last, ends)
        if bool(ended.all()):
            return
        ids = last.unsqueeze(1)
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
        positions = later_positions(mask, 1, shift)


def generate(
    model: nn.Module,
    batch: dict[str, Tensor],
    decoding: Decoding,
    end_tokens: Sequence[int],
    past: tuple[Any, Tensor, Tensor | None] | None = None,
    draw: Callable[[Tensor], Tensor] | None = None,
) -> list[list[int]]:
    """Token ids of each row's answer, without the end token."""
    drawn = [token.tolist() for token in stream(model, batch, decoding, end_tokens, past, draw)]
    ends = set(end_tokens)
    answers: list[list[int]] = []
    for row in range(len(batch["input_ids"])):
        answer: list[int] = []
        for step in drawn:
            if step[row] in ends:
                break
            answer.append(step[row])
        answers.append(answer)
    return answers


def end_tokens(model: Any, tokenizer: Any) -> list[int]:
    """Every token that ends an answer: the generation config's, and the tokenizer's own."""
    found = model.generation_config.eos_token_id
    ends = list(found) if isinstance(found, (list, tuple)) else [found]
    return sorted({token for token in [*ends, tokenizer.eos_token_id] if token is not None})
