"""A question about a picture as tensors, and where in them the answer lies.

The processor does the work, family by family, and what it makes of a question about a picture is what stands here:
nothing is put together by hand. What it makes of the picture itself is kept, because a picture has many questions. The
answer's span is what follows the longest common token prefix of the prompt and of the prompt with its answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from backend.benchmarks.item import BadRequest
from backend.models.picture import BLANK, Layout, Picture, SeenPicture
from backend.models.shelf import Shelf

IGNORED = -100
"""Label of every position that is not part of the answer."""

TEXT_KEYS = ("input_ids", "attention_mask", "labels")
SEGMENTS = "token_type_ids"
CROSS = "cross_attention_mask"
"""What each token sees of the picture, in families whose pictures are no part of the sequence."""
PICTURE_BYTES_KEPT = 512 * 2**20
PROMPTS_KEPT = 20_000


class AnswerCut(ValueError):
    """An answer with no tokens of its own; training on it would do nothing."""


@dataclass(frozen=True)
class Tokens:
    """Token ids, and what the family says of each token (`kinds`, each of shape (tokens, ...))."""

    ids: tuple[int, ...]
    kinds: Mapping[str, torch.Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Encoded:
    """Token ids of prompt and answer; `start` is the first position of the answer (the length, when there is none),
    `picture_at` the first of the picture's tokens. `kinds` is what the family says of each token: text or picture,
    prompt or answer, what it sees of the picture; each of shape (tokens, ...)."""

    ids: tuple[int, ...]
    start: int
    picture: Picture | None = field(default=None, repr=False)
    picture_at: int = 0
    kinds: Mapping[str, torch.Tensor] = field(default_factory=dict, repr=False)

    def head(self, length: int) -> Encoded:
        """The first `length` tokens, with the picture, as a question without an answer."""
        kinds = {name: values[:length] for name, values in self.kinds.items()}
        return Encoded(self.ids[:length], length, self.picture, self.picture_at, kinds)


class Encoder:
    """Turns questions into `Encoded` and those into a padded batch. One a model; not thread-safe.

    An `instruction` stands before every question, in the user's turn.
    """

    def __init__(self, processor: Any, instruction: str = "", kept_bytes: int = PICTURE_BYTES_KEPT) -> None:
        self.processor = processor
        self.instruction = instruction
        self.tokenizer = processor.tokenizer
        self._seen = SeenPicture(processor)
        self._shelf = Shelf(lambda file: self._process(_opened(file)), kept_bytes)
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
        question = instructed(self.instruction, question)
        picture = self._picture(image) if image is not None else None
        layout = picture.layout if picture is not None else None
        prompt = self._prompt(question, layout, prefix)
        if answer is None:
            return self._encoded(prompt, len(prompt.ids), picture)
        full = self._answered(question, layout, f"{prefix} {answer}" if prefix else answer)
        start = _common_prefix(prompt.ids, full.ids)
        if start == len(full.ids) or not answer.strip():
            raise AnswerCut(f"the answer {answer!r} adds no token to its question")
        return self._encoded(full, start, picture)

    def collate(self, rows: Sequence[Encoded], *, side: str = "right") -> dict[str, torch.Tensor]:
        """`input_ids`, `attention_mask`, `labels` (and what the family says of each token) of shape (rows, longest,
        ...), and the pictures' tensors, one after the other, padded with zeros where pictures differ in size.

        Padding is on the `side` given: right to train and score, left to generate. Text and pictures may be mixed.
        """
        longest = max(len(row.ids) for row in rows)
        pad = self.tokenizer.pad_token_id if self.tokenizer.pad_token_id is not None else self.tokenizer.eos_token_id
        shape = (len(rows), longest)
        batch = {
            "input_ids": torch.full(shape, pad, dtype=torch.long),
            "attention_mask": torch.zeros(shape, dtype=torch.long),
            "labels": torch.full(shape, IGNORED, dtype=torch.long),
        }
        named = {name: values for row in rows for name, values in row.kinds.items()}
        batch |= {name: named[name].new_zeros((*shape, *named[name].shape[1:])) for name in sorted(named)}
        for number, row in enumerate(rows):
            at = longest - len(row.ids) if side == "left" else 0
            here = slice(at, at + len(row.ids))
            tokens = torch.tensor(row.ids)
            batch["input_ids"][number, here] = tokens
            batch["attention_mask"][number, here] = 1
            batch["labels"][number, at + row.start : here.stop] = tokens[row.start :]
            for name, values in row.kinds.items():
                batch[name][number, here] = values
        pictures = [row.picture.tensors for row in rows if row.picture is not None]
        return batch | {key: joined([one[key] for one in pictures]) for key in (pictures[0] if pictures else ())}

    def decode(self, ids: Sequence[int] | torch.Tensor) -> str:
        """The ids as text, special tokens left out. A NUL, which PostgreSQL keeps in no text, becomes U+FFFD."""
        return str(self.tokenizer.decode(ids, skip_special_tokens=True)).replace("\x00", "\ufffd").strip()

    # -- how it is done -------------------------------------------------------------------------------------------

    def _fresh_prompt(self, question: str, layout: Layout | None, prefix: str) -> Tokens:
        if not self._templated:
            return self._continued(self._bare_prompt(question, layout), prefix)
        if not prefix:
            return self._tokens(self._chat(question, layout is not None), layout)
        text, end = self._until(question, layout is not None, prefix)
        return self._tokens(text[:end], layout)

    def _answered(self, question: str, layout: Layout | None, answer: str) -> Tokens:
        """The question with its answer, the turn closed: by the template's own end token, or where it has none by the
        tokenizer's, without which a model would never learn to stop."""
        end = self.tokenizer.eos_token or ""
        if not self._templated:
            return self._continued(self._prompt(question, layout, ""), answer + end)
        text, at = self._until(question, layout is not None, answer)
        closing = text[at:]
        found = [closing.find(token) + len(token) for token in self._marks if token in closing]
        # What a template writes after the end token is never generated, so it is no part of the answer.
        if found:
            return self._tokens(text[: at + min(found)], layout)
        closed = self._tokens(text.rstrip(), layout)
        return _longer(closed, (self.tokenizer.eos_token_id,)) if end else closed

    def _until(self, question: str, pictured: bool, answer: str) -> tuple[str, int]:
        """The whole turn as text, and where in it the answer ends."""
        text, said = self._chat(question, pictured, answer), answer.strip()
        return text, text.rfind(said) + len(said)

    def _chat(self, question: str, pictured: bool, answer: str | None = None) -> str:
        content: list[dict[str, str]] = [{"type": "text", "text": question}]
        if pictured:
            content.insert(0, {"type": "image"})
        messages: list[dict[str, Any]] = [{"role": "user", "content": content}]
        if answer is not None:
            messages.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
        return str(self.processor.apply_chat_template(messages, add_generation_prompt=answer is None, tokenize=False))

    def _tokens(self, text: str, layout: Layout | None) -> Tokens:
        """Tokens with the begin token that the tokenizer puts first, once: a template may have it already."""
        if layout is not None:
            made = self._seen.read(text, layout)
            kinds = {name: made[name][0] for name in layout.said if name in made}
            tokens = Tokens(tuple(made["input_ids"][0].tolist()), kinds)
        else:
            tokens = Tokens(tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"]))
        begin = self.tokenizer.bos_token
        return tokens if begin and text.startswith(begin) else _longer(tokens, self._opening, front=True)

    def _bare_prompt(self, question: str, layout: Layout | None) -> Tokens:
        """A family without a chat template is asked as its processor writes a question behind a picture; without one,
        the picture's tokens are left out of that."""
        text = self.processor.image_token + question
        if layout is not None:
            return self._tokens(text, layout)
        made = self._tokens(text, self._blank.layout)
        words = [at for at, token in enumerate(made.ids) if token not in self.image_tokens]
        kinds = {name: values[words] for name, values in made.kinds.items() if name != CROSS}
        return Tokens(tuple(made.ids[at] for at in words), kinds)

    def _continued(self, prompt: Tokens, said: str) -> Tokens:
        """The prompt and what is said after it, tokenised apart from it; of another segment where there are some."""
        ids = self.tokenizer(said, add_special_tokens=False)["input_ids"] if said else []
        longer = _longer(prompt, tuple(ids))
        if ids and SEGMENTS in longer.kinds and not bool(prompt.kinds[SEGMENTS].any()):
            longer.kinds[SEGMENTS][len(prompt.ids) :] = 1
        return longer

    def _encoded(self, tokens: Tokens, start: int, picture: Picture | None) -> Encoded:
        at = 0
        if picture is not None:
            at = next((at for at, token in enumerate(tokens.ids) if token in self.image_tokens), 0)
        return Encoded(tokens.ids, start, picture, at, tokens.kinds)

    def _picture(self, image: Path | Image.Image) -> Picture:
        if isinstance(image, Image.Image):
            return self._process(image)
        return self._shelf.picture(image)

    def _process(self, image: Image.Image) -> Picture:
        text = self._chat("?", True) if self._templated else self.processor.image_token + "?"
        return self._seen.look(image.convert("RGB"), text)

    @cached_property
    def _templated(self) -> bool:
        return bool(getattr(self.processor, "chat_template", None) or getattr(self.tokenizer, "chat_template", None))

    @cached_property
    def _marks(self) -> tuple[str, ...]:
        """Every token that is a mark and not a word."""
        added = [token.content for token in self.tokenizer.added_tokens_decoder.values() if token.special]
        return tuple({*self.tokenizer.all_special_tokens, *added})

    @cached_property
    def image_tokens(self) -> frozenset[int]:
        """Ids of the tokens in whose places a picture stands."""
        found = getattr(self.processor, "image_token_ids", None) or [getattr(self.processor, "image_token_id", None)]
        known = [int(token) for token in found if token is not None]
        return frozenset(known or [self.tokenizer.convert_tokens_to_ids(self.processor.image_token)])

    @cached_property
    def _blank(self) -> Picture:
        return self._process(BLANK)

    @cached_property
    def _opening(self) -> tuple[int, ...]:
        """What the tokenizer puts before any text by itself."""
        whole: list[int] = self.tokenizer("a")["input_ids"]
        plain: list[int] = self.tokenizer("a", add_special_tokens=False)["input_ids"]
        for at in range(len(whole) - len(plain) + 1):
            if whole[at : at + len(plain)] == plain:
                return tuple(whole[:at])
        return ()


def _opened(file: Path) -> Image.Image:
    """The picture in a file, with its pixels. Raises `BadRequest` naming the file where it is none, or damaged."""
    try:
        with Image.open(file) as opened:
            return opened.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadRequest(f"the picture {file} cannot be read; put a whole one in its place and resume") from error


def instructed(instruction: str, question: str) -> str:
    """The question with the instruction on a line before it, where there is one."""
    return f"{instruction}\n{question}" if instruction else question


def place(batch: dict[str, torch.Tensor], model: Any) -> dict[str, torch.Tensor]:
    """The batch on the model's device, pictures in its precision."""
    parameter = next(model.parameters())
    return {
        key: value.to(parameter.device, parameter.dtype if value.is_floating_point() else None)
        for key, value in batch.items()
    }


def parted(batch: Mapping[str, torch.Tensor]) -> list[tuple[torch.Tensor, dict[str, torch.Tensor]]]:
    """The batches, with the numbers of their rows, in which a collated batch must go through the model.

    It is one, save where a family sees pictures by cross-attention: its layers cannot be skipped for some rows only,
    so questions without a picture go apart from those with one.
    """
    everything = torch.arange(len(batch["input_ids"]), device=batch["input_ids"].device)
    if CROSS not in batch:
        return [(everything, dict(batch))]
    pictured = batch[CROSS].flatten(1).any(dim=1)
    if bool(pictured.all()):
        return [(everything, dict(batch))]
    by_token = [key for key, value in batch.items() if value.shape[:2] == batch["input_ids"].shape]
    plain = {key: batch[key][~pictured] for key in by_token if key != CROSS}
    seen = {key: value[pictured] if key in by_token else value for key, value in batch.items()}
    return [(everything[pictured], seen), (everything[~pictured], plain)]


def carried(batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What of a batch holds for a token written after it: that it sees of the picture what the last one saw."""
    return {CROSS: batch[CROSS][:, -1:]} if CROSS in batch else {}


def _longer(tokens: Tokens, ids: tuple[int, ...], *, front: bool = False) -> Tokens:
    """Text before or after; new tokens are of kind 0, and see of the picture what the one beside them does."""
    kinds: dict[str, torch.Tensor] = {}
    for name, values in tokens.kinds.items():
        beside = values[:1] if front else values[-1:]
        new = (beside if name == CROSS else torch.zeros_like(beside)).expand(len(ids), *values.shape[1:])
        kinds[name] = torch.cat([new, values] if front else [values, new])
    return Tokens((*ids, *tokens.ids) if front else (*tokens.ids, *ids), kinds)


def joined(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """One after the other; smaller ones are padded with zeros at the end of each dimension but the first."""
    shape = [max(sizes) for sizes in zip(*(tensor.shape[1:] for tensor in tensors), strict=True)]
    return torch.cat([_filled(tensor, shape) for tensor in tensors])


def _filled(tensor: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    missing = [wanted - has for wanted, has in zip(shape, tensor.shape[1:], strict=True)]
    # Torch counts the edges from the last dimension backward, a beginning and an end each.
    edges = [edge for size in reversed(missing) for edge in (0, size)]
    return torch.nn.functional.pad(tensor, edges) if any(missing) else tensor


def _common_prefix(one: Sequence[int], other: Sequence[int]) -> int:
    length = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        length += 1
    return length
