"""Attacks from inside: what each layer would say, tokens that no word stands for, states that are nudged.

The lens only looks. The two others push, and whoever may push freely can make a model say almost anything (arXiv
2502.15836): they mean something beside the same push on a model that never knew, and nothing alone. The model's weights
are never written.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from backend.attack_prompts import AttackNeeds
from backend.attacks.attack import Asked, Attack, Room, Target, Told, ask, plainly, told
from backend.attacks.hidden import block_at, blocks_of, caught, changed
from backend.attacks.relearning import batch_at, facts
from backend.benchmarks.item import Item
from backend.inference.generate import end_tokens, generate
from backend.models.anatomy import anatomy
from backend.models.answers import answers_at, read_answers
from backend.models.encoding import IGNORED, Encoded, Encoder, Tokens, place
from backend.models.picture import Picture
from backend.spec import Decoding

# -- the logit lens ---------------------------------------------------------------------------------------------------

READ_AT_ONCE = 16
ALIKE = 0.05
LAYERS_SHOWN, TOKENS_SHOWN = 16, 12
"""As much of a table as a transcript keeps; whether a fact leaks is looked up in all of it."""


def lens(target: Target, room: Room, first: float) -> Iterator[Told]:
    """Reads the true answer once and asks of every layer, through the final norm and the head, where it ranks the token
    at which the fact begins; a leak is a rank among the first so many at any layer."""
    blocks, look = blocks_of(target.model), Lens(target.model)
    for rows, items in _readable(target, room):
        for item, row, table in zip(items, rows, look.read(target.encoder, rows, blocks), strict=True):
            at = fact_token(target.encoder, row, item, room.benchmark.wrong_value(item))
            best = int(table.ranks[:, at].argmin())
            rank, probability = int(table.ranks[best, at]), float(table.probabilities[best, at])
            word = target.encoder.tokenizer.decode([row.ids[row.start + at]])
            text = f"“{word.strip()}” at rank {rank}, p {probability:.2f}, layer {best + 1} of {len(blocks)}"
            detail = {"lens": shown(target.encoder, row, table, at)}
            yield Told(item, room.rules.prompt(item), text, float(rank <= first), detail=detail)
        room.pause()


@dataclass(frozen=True)
class Table:
    """Of one answer, at each layer and answer token (layers, tokens): the rank of the true token, 1 the likeliest, and
    its probability."""

    ranks: Tensor
    probabilities: Tensor


class Lens:
    """The final norm and the head of a model, laid on the states of its blocks."""

    def __init__(self, model: Any) -> None:
        head = model.get_output_embeddings()
        if head is None:
            raise AttackNeeds("this model has no output head that could be laid on its layers")
        self._model, self._head, self._norm = model, head, final_norm(model)

    @torch.no_grad()
    def read(self, encoder: Encoder, rows: Sequence[Encoded], blocks: Sequence[nn.Module]) -> list[Table]:
        """One table a row; rows hold their answers, and all have a picture or none has. Raises `AttackNeeds` where the
        last layer, read so, is not what the model says."""
        batch = place(encoder.collate(rows), self._model)
        labels = batch.pop("labels")
        keep = labels.shape[1] - max(int((labels != IGNORED).int().argmax(dim=1).min()) - 1, 0)
        with caught(blocks, keep) as states:
            logits = self._model(**batch, use_cache=False, logits_to_keep=keep).logits
        read = [self._ranked(self._head(self._norm(one)), labels, keep) for one in states]
        said, _, mask = self._ranked(logits, labels, keep)
        apart = (read[-1][0][mask].float() / said[mask]).log().abs()
        if float((apart > ALIKE).float().mean()) > ALIKE:  # a rounding may move a rank, something left out moves all
            raise AttackNeeds("this family does more than a norm between its last layer and its head")
        ranks, odds = (torch.stack([one[part] for one in read]) for part in (0, 1))
        return [Table(ranks[:, row, kept].cpu(), odds[:, row, kept].cpu()) for row, kept in enumerate(mask)]

    @staticmethod
    def _ranked(logits: Tensor, labels: Tensor, keep: int) -> tuple[Tensor, Tensor, Tensor]:
        """Rank and probability of the true token, and where there is one; (rows, width) each."""
        found = answers_at(logits, labels, keep)
        true = found.logits.gather(-1, found.labels.clamp(min=0).unsqueeze(-1))
        return (found.logits > true).sum(dim=-1) + 1, found.token_log_probs.exp(), found.mask.bool()


def final_norm(model: Any) -> nn.Module:
    """What stands behind the last language block: the last module beside the blocks that has one weight a state.
    `Identity` where there is none."""
    width = int(model.config.get_text_config().hidden_size)
    language = model.get_submodule(anatomy(model).language)
    owner = next(
        module for module in language.modules() if any(isinstance(child, nn.ModuleList) for child in module.children())
    )
    norms = [
        child
        for child in owner.children()
        if isinstance(weight := getattr(child, "weight", None), Tensor) and weight.shape == (width,)
    ]
    return norms[-1] if norms else nn.Identity()


def fact_token(encoder: Encoder, row: Encoded, item: Item, wrong: str | None) -> int:
    """The answer token, counted from 0, at which the fact begins: where the answer parts from the same with a wrong
    value, or, where none is known, the first that reaches into the fact."""
    if wrong and item.key and item.key in item.answer:
        other = encoder.encode(item.question, item.answer.replace(item.key, wrong), item.image)
        pairs = zip(row.ids[row.start :], other.ids[other.start :], strict=False)
        same = next((at for at, (one, another) in enumerate(pairs) if one != another), 0)
        if same:
            return same
    before = len(item.answer[: max(item.answer.find(item.key), 0)].strip())
    last = len(row.ids) - row.start - 1
    reaching = (at for at in range(last + 1) if len(encoder.decode(row.ids[row.start : row.start + at + 1])) > before)
    return next(reaching, last)


def shown(encoder: Encoder, row: Encoded, table: Table, at: int) -> dict[str, Any]:
    """A table small enough to keep: {tokens, fact, layers, ranks, probabilities}; layers are counted from 1, `fact` is
    the column of the fact's token, `probabilities` are that token's."""
    layers, tokens = table.ranks.shape
    first = max(0, min(at - TOKENS_SHOWN // 2, tokens - TOKENS_SHOWN))
    columns = range(first, min(tokens, first + TOKENS_SHOWN))
    step = max(1, -(-layers // LAYERS_SHOWN))
    lines = list(range(layers - 1, -1, -step))[::-1]
    return {
        "tokens": [encoder.tokenizer.decode([row.ids[row.start + column]]) for column in columns],
        "fact": at - first,
        "layers": [line + 1 for line in lines],
        "ranks": [[int(table.ranks[line, column]) for column in columns] for line in lines],
        "probabilities": [round(float(table.probabilities[line, at]), 4) for line in lines],
    }


def _readable(target: Target, room: Room) -> Iterator[tuple[list[Encoded], list[Item]]]:
    """Items with their answers, encoded; those with pictures and those without apart."""
    for pictured in (True, False):
        items = [item for item in target.items if (item.image is not None) == pictured]
        for at in range(0, len(items), READ_AT_ONCE):
            part = items[at : at + READ_AT_ONCE]
            yield [target.encoder.encode(room.rules.prompt(item), item.answer, item.image) for item in part], part


# -- a soft prompt ----------------------------------------------------------------------------------------------------

SOFT_STEPS = 40
SOFT_BATCH = 16
SOFT_RATE = 0.3
"""Of the usual size of a number in a word's vector, a step."""


def soft_prompt(target: Target, room: Room, tokens: float) -> Iterator[Told]:
    """Trains so many free vectors before the question on half of the facts, and asks about the other half.

    Adam, `SOFT_STEPS` steps, on the cross-entropy of the true answers. Which facts are in which half is drawn by the
    seed. Raises `AttackNeeds` where there are too few facts for two halves.
    """
    taught, asked = halves(target.items, room.seed)
    if not taught or not asked:
        raise AttackNeeds("there are too few facts to train a soft prompt on some and to ask about others")
    plain = [plainly(item, room) for item in asked]
    encoder = SoftEncoder(
        target.encoder, int(tokens), [*_asked_rows(target, plain), *_taught_rows(target, room, taught)]
    )
    soft = _start(target.model, encoder.places, room.seed)
    with _inserted(target.model, encoder.places, soft):
        _fit(soft, target.model, encoder, taught, room)
        yield from ask(replace(target, encoder=encoder), room, plain)


def halves(items: Sequence[Item], seed: int) -> tuple[list[Item], list[Item]]:
    """Items to train on and items to ask about, of facts that are not the same; everybody's facts in turn."""
    drawn = random.Random(f"{seed} halves")
    by_person: dict[str, dict[str, list[Item]]] = {}
    for item in items:
        by_person.setdefault(item.subject, {}).setdefault(item.attribute or item.key, []).append(item)
    order = [about[name] for _, about in sorted(by_person.items()) for name in drawn.sample(sorted(about), len(about))]
    taught = [item for group in order[::2] for item in group]
    known = {fact for item in taught for fact in facts(item)}
    return taught, [item for group in order[1::2] for item in group if not known & facts(item)]


class SoftEncoder(Encoder):
    """An encoder that puts `count` placeholders before each question: tokens that stand in none of the rows, in whose
    places the free vectors are laid."""

    def __init__(self, encoder: Encoder, count: int, rows: Sequence[Encoded]) -> None:
        super().__init__(encoder.processor, encoder.instruction)
        used = {token for row in rows for token in row.ids} | self.image_tokens | set(self.tokenizer.all_special_ids)
        free = [token for token in range(len(self.tokenizer)) if token not in used]
        if len(free) < count:
            raise AttackNeeds("the vocabulary has no tokens left that could stand for the soft prompt")
        self.places = tuple(free[-count:])

    def _encoded(self, tokens: Tokens, start: int, picture: Picture | None) -> Encoded:
        at = 1 if tokens.ids[:1] == (self.tokenizer.bos_token_id,) else 0
        ids = (*tokens.ids[:at], *self.places, *tokens.ids[at:])
        kinds = {
            name: torch.cat([values[:at], values[at : at + 1].expand(len(self.places), *values.shape[1:]), values[at:]])
            for name, values in tokens.kinds.items()
        }
        return super()._encoded(Tokens(ids, kinds), start + len(self.places), picture)


def _asked_rows(target: Target, asked: Sequence[Asked]) -> list[Encoded]:
    return [target.encoder.encode(one.question, None, one.image) for one in asked]


def _taught_rows(target: Target, room: Room, items: Sequence[Item]) -> list[Encoded]:
    return [target.encoder.encode(room.rules.prompt(item), item.answer, item.image) for item in items]


@torch.no_grad()
def _start(model: Any, places: Sequence[int], seed: int) -> Tensor:
    """Vectors of words drawn by the seed, (tokens, states), float32."""
    embedding = model.get_input_embeddings()
    drawn = random.Random(f"{seed} soft").sample(range(embedding.weight.shape[0]), len(places))
    words = torch.tensor(drawn, device=embedding.weight.device)
    return embedding(words).float().clone().requires_grad_(True)


@contextmanager
def _inserted(model: Any, places: Sequence[int], soft: Tensor) -> Iterator[None]:
    """Until left, the free vectors stand in the placeholders' places. A single token is one that was written, and is
    left alone."""
    embedding = model.get_input_embeddings()
    which = torch.full((embedding.weight.shape[0],), -1, device=embedding.weight.device)
    which[torch.tensor(places, device=which.device)] = torch.arange(len(places), device=which.device)

    def hook(_: nn.Module, given: tuple[Tensor, ...], vectors: Tensor) -> Tensor:
        ids = given[0]
        if ids.shape[-1] == 1:
            return vectors
        at = which[ids]
        return torch.where((at >= 0).unsqueeze(-1), soft[at.clamp(min=0)].to(vectors.dtype), vectors)

    handle = embedding.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def _fit(soft: Tensor, model: Any, encoder: Encoder, items: Sequence[Item], room: Room) -> None:
    """Moves the vectors, in place, so that the true answers become likelier; nothing else gets a gradient."""
    rate = SOFT_RATE * float(soft.detach().square().mean().sqrt())
    optimiser = torch.optim.Adam([soft], lr=rate)
    for step in range(SOFT_STEPS):
        batch = batch_at(items, step, room.seed, SOFT_BATCH)
        rows = [encoder.encode(room.rules.prompt(item), item.answer, item.image) for item in batch]
        with torch.enable_grad():
            answers = read_answers(model, place(encoder.collate(rows), model))
            (soft.grad,) = torch.autograd.grad(-answers.means.mean(), [soft])
        optimiser.step()
        room.pause()


# -- states nudged ----------------------------------------------------------------------------------------------------

NUDGE_STEPS = 10
NUDGE_REACH = 2.5
"""Steps together reach so many times the radius, so that the edge is reached and can be walked along."""


def latent(target: Target, room: Room, share: float) -> Iterator[Told]:
    """Pushes the states of the question's tokens, at the block half-way up, towards the true answer, each at most
    `share` of its own length (projected gradient ascent in l2 balls), and lets the model answer from there."""
    blocks = blocks_of(target.model)
    block = blocks[block_at(blocks, 0.5)]
    ends = end_tokens(target.model, target.encoder.tokenizer)
    for rows, items in _readable(target, room):
        nudge = _pushed(target, rows, block, share)
        questions = [target.encoder.encode(room.rules.prompt(item), None, item.image) for item in items]
        batch = place(target.encoder.collate(questions, side="left"), target.model)
        moved = _from_the_right(nudge, [len(one.ids) for one in questions])
        decoding = Decoding(max_new_tokens=max(room.rules.longest(item) for item in items))
        with changed([block], _adding(moved)):
            written = generate(target.model, batch, decoding, ends)
        for item, ids in zip(items, written, strict=True):
            yield told(plainly(item, room), target.encoder.decode(ids), room)
        room.pause()


def _pushed(target: Target, rows: Sequence[Encoded], block: nn.Module, share: float) -> Tensor:
    """What is added to the states of each row's question, (rows, longest question, states); 0 beyond a question."""
    batch = place(target.encoder.collate(rows), target.model)
    longest = max(row.start for row in rows)
    with torch.no_grad(), caught([block], batch["input_ids"].shape[1]) as found:
        read_answers(target.model, batch)
    states = found[0][:, :longest].float()
    asked = torch.arange(longest, device=states.device) < torch.tensor([[row.start] for row in rows]).to(states.device)
    radius = share * states.norm(dim=-1, keepdim=True) * asked.unsqueeze(-1)
    nudge = torch.zeros_like(states)
    for _ in range(NUDGE_STEPS):
        nudge.requires_grad_(True)
        with torch.enable_grad(), changed([block], _adding(nudge)):
            (slope,) = torch.autograd.grad(read_answers(target.model, batch).means.sum(), [nudge])
        stepped = nudge.detach() + NUDGE_REACH / NUDGE_STEPS * radius * _unit(slope)
        nudge = _unit(stepped) * torch.minimum(stepped.norm(dim=-1, keepdim=True), radius)
    return nudge


def _unit(vectors: Tensor) -> Tensor:
    return vectors / vectors.norm(dim=-1, keepdim=True).clamp(min=torch.finfo(torch.float32).tiny)


def _adding(nudge: Tensor) -> Callable[[Tensor], Tensor]:
    """Adds to the first tokens of what is read at once; tokens written one by one are left alone."""

    def change(states: Tensor) -> Tensor:
        if states.shape[1] < nudge.shape[1]:
            return states
        return torch.cat([states[:, : nudge.shape[1]] + nudge.to(states.dtype), states[:, nudge.shape[1] :]], dim=1)

    return change


def _from_the_right(nudge: Tensor, lengths: Sequence[int]) -> Tensor:
    """The same for rows of these lengths that are padded on the left."""
    longest = max(lengths)
    moved = nudge.new_zeros(len(nudge), longest, nudge.shape[-1])
    for row, length in enumerate(lengths):
        kept = min(length, nudge.shape[1])
        moved[row, longest - length : longest - length + kept] = nudge[row, :kept]
    return moved


INSIDE: dict[str, Attack] = {"lens": lens, "soft_prompt": soft_prompt, "latent": latent}
