"""A question about a picture as tensors, and where in them the answer lies.

The processor does the work, family by family; what it makes of one picture is kept, because a picture has many
questions. The answer's span is what follows the longest common token prefix of the prompt and of the prompt with its
answer.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import torch
from PIL import Image

IGNORED = -100
"""Label of every position that is not part of the answer."""

TEXT_KEYS = ("input_ids", "attention_mask")
KIND_KEYS = ("token_type_ids", "mm_token_type_ids")
"""What some families say of each token: text or picture."""
PICTURE_BYTES_KEPT = 512 * 2**20
PROMPTS_KEPT = 20_000


class AnswerCut(ValueError):
    """An answer with no tokens of its own; training on it would do nothing."""


@dataclass(frozen=True)
class Picture:
    """What a processor made of one picture: `tokens` stand in a sequence where the chat template put `placeholder`.

    `kinds` holds, for a family that says of each token what it is, the values of those tokens; text has 0.
    """

    placeholder: tuple[int, ...]
    tokens: tuple[int, ...]
    tensors: dict[str, torch.Tensor]
    kinds: dict[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        return sum(tensor.numel() * tensor.element_size() for tensor in self.tensors.values())


@dataclass(frozen=True)
class Encoded:
    """Token ids of prompt and answer; `start` is the first position of the answer (the length, when there is none),
    `picture_at` the first of the picture's tokens."""

    ids: tuple[int, ...]
    start: int
    picture: Picture | None = field(default=None, repr=False)
    picture_at: int = 0


class Encoder:
    """Turns questions into `Encoded` and those into a padded batch. One a model; not thread-safe."""

    def __init__(self, processor: Any, kept_bytes: int = PICTURE_BYTES_KEPT) -> None:
        self.processor = processor
        self.tokenizer = processor.tokenizer
        self._kept: OrderedDict[tuple[str, int], Picture] = OrderedDict()
        self._budget = kept_bytes
        # The same question is asked with several answers, and rendering a chat template costs more than reading one.
        self._prompt = lru_cache(maxsize=PROMPTS_KEPT)(self._fresh_prompt)

    def encode(
        self,
        question: str,
        answer: str | None = None,
        image: Path | Image.Image | None = None,
        prefix: str = "",
    ) -> Encoded:
        """`answer` is the assistant's turn, closed; a `prefix` is put into its mouth before the answer.

        The prefix is no part of the answer. Raises `AnswerCut` if the answer has no token of its own.
        """
        picture = self._picture(image) if image is not None else None
        prompt = self._prompt(question, picture is not None, prefix)
        if answer is None:
            ids, at = self._with_picture(prompt, picture)
            return Encoded(ids, len(ids), picture, at)
        full = self._answered(question, picture is not None, f"{prefix} {answer}" if prefix else answer)
        shared = _common_prefix(prompt, full)
        length = len(full) - shared
        if length == 0 or not answer.strip():
            raise AnswerCut(f"the answer {answer!r} adds no token to its question")
        ids, at = self._with_picture(full, picture)
        return Encoded(ids, len(ids) - length, picture, at)

    def collate(self, rows: Sequence[Encoded], *, side: str = "right") -> dict[str, torch.Tensor]:
        """`input_ids`, `attention_mask`, `labels` (and the family's kinds of token) of shape (rows, longest), and the
        pictures' tensors as they came.

        Padding is on the `side` given: right to train and score, left to generate.
        """
        longest = max(len(row.ids) for row in rows)
        pad = self.tokenizer.pad_token_id if self.tokenizer.pad_token_id is not None else self.tokenizer.eos_token_id
        ids = torch.full((len(rows), longest), pad, dtype=torch.long)
        mask = torch.zeros((len(rows), longest), dtype=torch.long)
        labels = torch.full((len(rows), longest), IGNORED, dtype=torch.long)
        named = {name for row in rows if row.picture is not None for name in row.picture.kinds}
        kinds = {name: torch.zeros((len(rows), longest), dtype=torch.long) for name in sorted(named)}
        for number, row in enumerate(rows):
            at = longest - len(row.ids) if side == "left" else 0
            tokens = torch.tensor(row.ids)
            ids[number, at : at + len(row.ids)] = tokens
            mask[number, at : at + len(row.ids)] = 1
            labels[number, at + row.start : at + len(row.ids)] = tokens[row.start :]
            for name, values in row.picture.kinds.items() if row.picture is not None else ():
                kinds[name][number, at + row.picture_at : at + row.picture_at + len(values)] = torch.tensor(values)
        batch = {"input_ids": ids, "attention_mask": mask, "labels": labels, **kinds}
        pictures = [row.picture for row in rows if row.picture is not None]
        for key in pictures[0].tensors if pictures else ():
            batch[key] = torch.cat([picture.tensors[key] for picture in pictures])
        return batch

    def decode(self, ids: Sequence[int] | torch.Tensor) -> str:
        """The ids as text, special tokens left out. A NUL, which PostgreSQL keeps in no text, becomes U+FFFD."""
        return str(self.tokenizer.decode(ids, skip_special_tokens=True)).replace("\x00", "\ufffd").strip()

    # -- how it is done -------------------------------------------------------------------------------------------

    def _fresh_prompt(self, question: str, pictured: bool, prefix: str) -> tuple[int, ...]:
        return self._tokens(self._chat(question, pictured) + prefix)

    def _chat(self, question: str, pictured: bool, answer: str | None = None) -> str:
        content: list[dict[str, str]] = [{"type": "text", "text": question}]
        if pictured:
            content.insert(0, {"type": "image"})
        messages: list[dict[str, Any]] = [{"role": "user", "content": content}]
        if answer is not None:
            messages.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
        return str(self.processor.apply_chat_template(messages, add_generation_prompt=answer is None, tokenize=False))

    def _answered(self, question: str, pictured: bool, answer: str) -> tuple[int, ...]:
        """Tokens of the question with its answer, the turn closed: by the template, or where that leaves it open by the
        tokenizer's end token, without which a model would never learn to stop."""
        text = self._chat(question, pictured, answer)
        closing = text[text.rfind(answer) + len(answer) :]
        if any(token in closing for token in self.tokenizer.all_special_tokens):
            return self._tokens(text)
        end = self.tokenizer.eos_token_id
        return (*self._tokens(text.rstrip()), *([end] if end is not None else []))

    def _tokens(self, text: str) -> tuple[int, ...]:
        """Token ids with the begin token that the tokenizer puts first, once: a template may have it already."""
        plain: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        begin = self.tokenizer.bos_token
        if begin and text.startswith(begin):
            return tuple(plain)
        return (*self._opening, *plain)

    @cached_property
    def _opening(self) -> tuple[int, ...]:
        """What the tokenizer puts before any text by itself."""
        whole: list[int] = self.tokenizer("a")["input_ids"]
        plain: list[int] = self.tokenizer("a", add_special_tokens=False)["input_ids"]
        for at in range(len(whole) - len(plain) + 1):
            if whole[at : at + len(plain)] == plain:
                return tuple(whole[:at])
        return ()

    def _with_picture(self, ids: tuple[int, ...], picture: Picture | None) -> tuple[tuple[int, ...], int]:
        """The ids with the picture's tokens in place, and where they begin."""
        if picture is None:
            return ids, 0
        width = len(picture.placeholder)
        for at in range(len(ids) - width + 1):
            if ids[at : at + width] == picture.placeholder:
                return ids[:at] + picture.tokens + ids[at + width :], at
        raise ValueError("the chat template left no place for the picture")

    def _picture(self, image: Path | Image.Image) -> Picture:
        if isinstance(image, Image.Image):
            return self._process(image)
        key = (str(image), image.stat().st_mtime_ns)
        if key in self._kept:
            self._kept.move_to_end(key)
        else:
            with Image.open(image) as opened:
                self._kept[key] = self._process(opened.convert("RGB"))
            while len(self._kept) > 1 and sum(kept.bytes for kept in self._kept.values()) > self._budget:
                self._kept.popitem(last=False)
        return self._kept[key]

    def _process(self, image: Image.Image) -> Picture:
        """Runs the processor on a bare question, and reads off which tokens it put in the placeholder's stead."""
        text = self._chat("?", True)
        plain = tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"])
        made = self.processor(text=[text], images=[image.convert("RGB")], return_tensors="pt", add_special_tokens=False)
        expanded = tuple(made["input_ids"][0].tolist())
        head = _common_prefix(plain, expanded)
        tail = _common_prefix(plain[head:][::-1], expanded[head:][::-1])
        if len(plain) == len(expanded):
            head, tail = (
                plain.index(self._image_token_id()),
                len(plain) - 1 - plain.index(self._image_token_id()),
            )
        elif head + tail >= len(plain):
            # The placeholder is a run of its own token: keep one of it on the replaced side.
            head = max(0, len(plain) - tail - 1)
        placeholder, tokens = plain[head : len(plain) - tail], expanded[head : len(expanded) - tail]
        tensors = {
            key: value
            for key, value in made.items()
            if key not in (*TEXT_KEYS, *KIND_KEYS) and isinstance(value, torch.Tensor)
        }
        kinds = {
            key: tuple(int(value) for value in made[key][0][head : len(expanded) - tail])
            for key in KIND_KEYS
            if key in made
        }
        return Picture(placeholder, tokens, tensors, kinds)

    def _image_token_id(self) -> int:
        token = getattr(self.processor, "image_token_id", None)
        return int(token if token is not None else self.tokenizer.convert_tokens_to_ids(self.processor.image_token))


def place(batch: dict[str, torch.Tensor], model: Any) -> dict[str, torch.Tensor]:
    """The batch on the model's device, pictures in its precision."""
    parameter = next(model.parameters())
    return {
        key: value.to(parameter.device, parameter.dtype if value.is_floating_point() else None)
        for key, value in batch.items()
    }


def _common_prefix(one: Sequence[int], other: Sequence[int]) -> int:
    length = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        length += 1
    return length
