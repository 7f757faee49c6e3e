"""Questions about one picture as one sequence: the picture once, each question seeing it and itself only.

A picture is hundreds of tokens and a question a few. Rows of a batch that show one picture share its tokens and all
that stands before their questions (the head); what is left of each row (its tail) is laid behind the head. A mask of
four dimensions keeps the tails apart, and every token keeps the position it has in its own row, so nothing is
approximated: the logits are those of the padded batch, to rounding.

A family that does something of its own with masks or positions is given the padded batch: `may_pack` asks for that once
a model, on two rows of the first batch that shares a picture.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import torch
from peft import PeftModel
from torch import Tensor, nn

from backend.models.encoding import CROSS, IGNORED, SEGMENTS, Encoded, joined
from backend.models.picture import Picture, Tensors
from backend.models.positions import first_positions
from backend.models.trial import Way, gives_the_same

log = logging.getLogger("lethe.packing")

SHOWN = "shown"
"""Under which a batch says what its rows show; no input of a model."""
LONGEST = 4096
"""Tokens of a sequence, beyond which a picture's questions go on in another: attention grows with the square."""
ALIKE = 2 / 3
"""Sequences go through the model together unless one is shorter than this share of the longest."""
KERNELS = ("sdpa", "eager")
"""Attention that takes a mask of four dimensions."""
_packs: WeakKeyDictionary[nn.Module, bool] = WeakKeyDictionary()

Forward = Callable[[Mapping[str, Any], Sequence[Picture]], Tensor]
"""Inputs of a model without its pictures' tensors, and the pictures; answers logits."""


@dataclass(frozen=True)
class Shown:
    """The picture of each row of a batch, None where it has none; `tokens` are the ids in whose places they stand.

    The pictures' tensors are `held` for as long as the batch is there, so that none is made twice for it.
    """

    pictures: tuple[Picture | None, ...]
    tokens: frozenset[int]
    held: tuple[Tensors, ...] = field(default=(), compare=False, repr=False)

    @classmethod
    def by(cls, rows: Sequence[Encoded], tokens: frozenset[int]) -> Shown:
        pictures = tuple(row.picture for row in rows)
        return cls(pictures, tokens, tuple(picture.tensors for picture in pictures if picture is not None))

    def of(self, rows: Sequence[int]) -> Shown:
        return Shown(tuple(self.pictures[row] for row in rows), self.tokens)

    def to(self, *_: Any, **__: Any) -> Shown:
        """Nothing of it lives on a device; whoever moves a batch may move this too."""
        return self


@dataclass(frozen=True)
class Pack:
    """Rows of a batch that make one sequence; each has `lengths` tokens, of which the first `head` are the same."""

    rows: tuple[int, ...]
    lengths: tuple[int, ...]
    head: int

    @property
    def length(self) -> int:
        return self.head + sum(length - self.head for length in self.lengths)

    def places(self) -> Iterator[tuple[int, int, int]]:
        """Of each token: its row, its column in the row, and which tail it is of (0 is the head)."""
        yield from ((self.rows[0], column, 0) for column in range(self.head))
        for number, (row, length) in enumerate(zip(self.rows, self.lengths, strict=True), start=1):
            yield from ((row, column, number) for column in range(self.head, length))


def packs_of(batch: Mapping[str, Tensor], shown: Shown) -> list[Pack]:
    """The rows of a right-padded batch as packs, in order of length; a row that shares nothing is a pack of its own."""
    lengths = batch["attention_mask"].sum(dim=1).tolist()
    ids = [row[:length] for row, length in zip(batch["input_ids"].tolist(), lengths, strict=True)]
    groups: dict[int, list[int]] = {}
    for row, picture in enumerate(shown.pictures):
        groups.setdefault(id(picture) if picture is not None else -row - 1, []).append(row)
    found = [pack for rows in groups.values() for pack in _cut(rows, ids, shown.tokens)]
    return sorted(found, key=lambda pack: -pack.length)


def may_pack(model: nn.Module, bare: Any, batch: Mapping[str, Tensor], shown: Shown, forward: Forward) -> bool:
    """Whether packs give this model's own logits; asked once a model, of two rows of the first batch that shares.

    The log says so once where they do not.
    """
    if bare not in _packs:
        pair = next(pack.rows[:2] for pack in packs_of(batch, shown) if len(pack.rows) > 1)
        ways = _two_ways(bare, rows_of(batch, shown, pair), shown.of(pair), forward)
        _packs[bare] = _takes_masks(bare, batch) and gives_the_same(model, bare, *ways)
        if not _packs[bare]:
            log.info("%s cannot take several questions in one sequence, so each is read with its picture", family(bare))
    return _packs[bare] and _within_window(bare, batch)


def predicting(labels: Tensor) -> Tensor:
    """The columns, (width,), whose logits predict a label of some row: the token at t is predicted at t - 1."""
    return (labels[:, 1:] != IGNORED).any(dim=0).nonzero().squeeze(1)


def read_packed(
    bare: Any, batch: Mapping[str, Tensor], shown: Shown, packs: Sequence[Pack], columns: Tensor, forward: Forward
) -> Tensor:
    """Logits (rows, width, vocabulary) at these `columns` (width,) of a batch, as far as its labels ask; elsewhere they
    are those of some other token."""
    positions, _ = first_positions(bare, batch)
    wanted, at_column = batch["labels"][:, columns + 1] != IGNORED, columns.tolist()
    asked = wanted.nonzero().tolist()
    index = torch.zeros(wanted.shape, dtype=torch.long)
    tables: list[Tensor] = []
    begins = 0
    for together in _alike(packs):
        at = _Layout.of(together)
        cells = [(row, at.slot(row, at_column[place]), place) for row, place in asked if row in at.pack_of]
        kept = sorted({slot for _, slot, _ in cells})
        rank = {slot: number for number, slot in enumerate(kept)}
        for row, slot, place in cells:
            index[row, place] = begins + at.pack_of[row] * len(kept) + rank[slot]
        begins += len(together) * len(kept)
        inputs = _inputs(bare, by_token(batch, shown), positions, at)
        inputs["logits_to_keep"] = torch.tensor(kept, device=wanted.device)
        pictures = [shown.pictures[pack.rows[0]] for pack in together]
        tables.append(forward(inputs, [one for one in pictures if one is not None]).flatten(0, 1))
    table = tables[0] if len(tables) == 1 else torch.cat(tables)
    return table[index.to(table.device)]


def read_by_length(batch: Mapping[str, Tensor], shown: Shown, columns: Tensor, forward: Forward) -> Tensor:
    """Logits (rows, width, vocabulary) at these `columns` (width,) of a right-padded batch, as far as its labels ask;
    elsewhere they are 0 or those of the column.

    Rows of about one length go through the model together: text is not padded to the length of pictures.
    """
    found, order = [], []
    for together in _alike([Pack((row,), (length,), length) for row, length in _by_length(batch)]):
        rows, length = sorted(pack.rows[0] for pack in together), together[0].length
        words = {key: value[rows, :length] for key, value in by_token(batch, shown).items()}
        own = predicting(batch["labels"][rows, :length])
        pictures = [one for one in shown.of(rows).pictures if one is not None]
        logits = forward({**words, "logits_to_keep": own}, pictures)
        places = torch.searchsorted(columns, own)
        whole = logits.new_zeros(len(rows), len(columns), logits.shape[-1])
        found.append(logits if len(own) == len(columns) else whole.index_copy(1, places, logits))
        order += rows
    return found[0] if len(found) == 1 else torch.cat(found)[torch.tensor(order).argsort()]


def pixels(pictures: Sequence[Picture], batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The pictures' tensors as the batch holds them: joined, on its device, in its precision."""
    seen = [picture.tensors for picture in pictures]
    return {
        key: joined([one[key] for one in seen]).to(batch[key].device, batch[key].dtype)
        for key in (seen[0] if seen else ())
    }


def by_token(batch: Mapping[str, Tensor], shown: Shown) -> dict[str, Tensor]:
    """What of a batch is no picture's, labels apart: ids, mask, and what the family says of each token."""
    theirs = {key for picture in shown.pictures if picture is not None for key in picture.layout.made}
    return {key: value for key, value in batch.items() if key not in {*theirs, "labels"}}


def rows_of(batch: Mapping[str, Tensor], shown: Shown, rows: Sequence[int]) -> dict[str, Tensor]:
    """These rows as a batch of their own, with their pictures' tensors and labels."""
    index = torch.tensor(list(rows), device=batch["input_ids"].device)
    words = {key: value[index] for key, value in by_token(batch, shown).items()}
    pictures = [one for one in shown.of(rows).pictures if one is not None]
    return {**words, "labels": batch["labels"][index], **pixels(pictures, batch)}


def bare_of(model: Any) -> Any:
    """The family's own model, out of what trains it on several devices and what hangs adapters on it."""
    inner = getattr(model, "module", model)
    return inner.get_base_model() if isinstance(inner, PeftModel) else inner


def family(bare: Any) -> str:
    """The family's name, for a sentence."""
    return str(getattr(bare.config, "model_type", type(bare).__name__))


@dataclass(frozen=True)
class _Layout:
    """Several packs as one padded batch: of each token its row and column in the batch they come from, and its tail,
    each (packs, longest); padding repeats a pack's last token and is of tail -1."""

    row: Tensor
    column: Tensor
    tail: Tensor
    pack_of: dict[int, int]
    head: dict[int, int]
    offset: dict[int, int]

    @classmethod
    def of(cls, packs: Sequence[Pack]) -> _Layout:
        longest = max(pack.length for pack in packs)
        made, pack_of, head, offset = [], {}, {}, {}
        for number, pack in enumerate(packs):
            places = list(pack.places())
            made.append([*places, *[(*places[-1][:2], -1)] * (longest - len(places))])
            begins = pack.head
            for row, length in zip(pack.rows, pack.lengths, strict=True):
                pack_of[row], head[row], offset[row] = number, pack.head, begins - pack.head
                begins += length - pack.head
        sources = torch.tensor(made)
        return cls(sources[..., 0], sources[..., 1], sources[..., 2], pack_of, head, offset)

    def slot(self, row: int, column: int) -> int:
        """Where in its pack a token of the batch stands."""
        return column if column < self.head[row] else column + self.offset[row]

    def mask(self) -> Tensor:
        """(packs, 1, longest, longest): who sees whom. Padding sees something, lest its attention be no number."""
        seer, seen = self.tail.unsqueeze(-1), self.tail.unsqueeze(-2)
        earlier = torch.ones(self.tail.shape[1], self.tail.shape[1], dtype=torch.bool).tril()
        return (earlier & ((seen == 0) | (seen == seer))).unsqueeze(1)


def _inputs(bare: Any, words: Mapping[str, Tensor], positions: Tensor, at: _Layout) -> dict[str, Any]:
    device = words["input_ids"].device
    row, column = at.row.to(device), at.column.to(device)
    inputs: dict[str, Any] = {key: value[row, column] for key, value in words.items()}
    mask = at.mask().to(device)
    if _kernel(bare) == "eager":
        kind = next(bare.parameters()).dtype
        mask = torch.zeros(mask.shape, dtype=kind, device=device).masked_fill(~mask, torch.finfo(kind).min)
    return {**inputs, "attention_mask": mask, "position_ids": positions[..., row, column]}


def _cut(rows: Sequence[int], ids: Sequence[Sequence[int]], pictured: frozenset[int]) -> Iterator[Pack]:
    """One picture's rows as packs of at most `LONGEST` tokens; apart where not all of the picture is in the head."""
    head = _common([ids[row] for row in rows])
    if len(rows) == 1 or any(token in pictured for row in rows for token in ids[row][head:]):
        yield from (Pack((row,), (len(ids[row]),), len(ids[row])) for row in rows)
        return
    chosen: list[int] = []
    for row in rows:
        if chosen and head + sum(len(ids[one]) - head for one in [*chosen, row]) > LONGEST:
            yield Pack(tuple(chosen), tuple(len(ids[one]) for one in chosen), head)
            chosen = []
        chosen.append(row)
    yield Pack(tuple(chosen), tuple(len(ids[one]) for one in chosen), head)


def _common(rows: Sequence[Sequence[int]]) -> int:
    """How many tokens all rows begin with."""
    length = 0
    for column in zip(*rows, strict=False):
        if any(token != column[0] for token in column):
            break
        length += 1
    return length


def _by_length(batch: Mapping[str, Tensor]) -> list[tuple[int, int]]:
    """Each row of a right-padded batch and its length, longest first."""
    return sorted(enumerate(batch["attention_mask"].sum(dim=1).tolist()), key=lambda row: -int(row[1]))


def _alike(packs: Sequence[Pack]) -> Iterator[list[Pack]]:
    """Packs, longest first, in batches of about one length."""
    batch: list[Pack] = []
    for pack in packs:
        if batch and pack.length < ALIKE * batch[0].length:
            yield batch
            batch = []
        batch.append(pack)
    if batch:
        yield batch


def _takes_masks(bare: Any, batch: Mapping[str, Tensor]) -> bool:
    """Short rows would not tell of a layer that is no attention, nor of a kernel that takes no such mask; and a family
    that says of each token what it is makes its mask of that, and not only of what came before."""
    kinds = set(getattr(bare.config.get_text_config(), "layer_types", None) or ["full_attention"])
    if CROSS in batch or SEGMENTS in batch:
        return False
    return kinds <= {"full_attention", "sliding_attention"} and _kernel(bare) in KERNELS


def _within_window(bare: Any, batch: Mapping[str, Tensor]) -> bool:
    """A window that slides is not laid over a mask that is given, so no row may reach beyond it."""
    window = getattr(bare.config.get_text_config(), "sliding_window", None)
    return window is None or batch["input_ids"].shape[1] <= window


def _two_ways(bare: Any, batch: Mapping[str, Tensor], shown: Shown, forward: Forward) -> tuple[Way, Way]:
    """Ways to the logits at the answers of two rows: each by itself in a padded batch, and both in one sequence."""
    columns = predicting(batch["labels"])
    wanted = batch["labels"][:, columns + 1] != IGNORED

    def padded() -> Tensor:
        pictures = [one for one in shown.pictures if one is not None]
        return forward({**by_token(batch, shown), "logits_to_keep": columns}, pictures)[wanted]

    def packed() -> Tensor:
        return read_packed(bare, batch, shown, packs_of(batch, shown), columns, forward)[wanted]

    return padded, packed


def _kernel(bare: Any) -> str:
    return str(getattr(bare.config.get_text_config(), "_attn_implementation", None))
