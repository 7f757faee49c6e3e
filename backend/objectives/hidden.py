"""Hidden states behind one language block, at the positions from which answer tokens are predicted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor, nn

from backend.models.anatomy import anatomy
from backend.models.answers import Answers
from backend.models.encoding import parted
from backend.models.packing import SHOWN, predicting
from backend.objectives.seen import ObjectiveRefused

Read = Callable[[nn.Module, Mapping[str, Any]], Answers]


def blocks_to(model: nn.Module, layer: int) -> list[nn.Module]:
    """Blocks 0 to `layer` of the language model: never one of the vision tower.

    Raises `ObjectiveRefused` when there are not that many, and `UnknownAnatomy`.
    """
    bare: Any = model.get_base_model() if isinstance(model, PeftModel) else model
    language = bare.get_submodule(anatomy(bare).language)
    lists = [(name, module) for name, module in language.named_modules() if isinstance(module, nn.ModuleList)]
    if not lists:
        raise ObjectiveRefused("this language model keeps no list of blocks, so no hidden states can be read from it")
    # Blocks may hold lists themselves (experts): the outermost is the one meant.
    _, blocks = min(lists, key=lambda found: found[0].count("."))
    if layer >= len(blocks):
        raise ObjectiveRefused(
            f"there is no layer {layer}: this language model has {len(blocks)} blocks, 0 to {len(blocks) - 1}"
        )
    return list(blocks[: layer + 1])


def read_hidden(
    blocks: Sequence[nn.Module], read: Read, model: nn.Module, batch: Mapping[str, Any]
) -> tuple[Answers, Tensor]:
    """What `read` answers, and the states behind the last of `blocks` at the same positions, (batch, width, states), in
    float32. A block that a question without a picture passes by leaves the states as the one before it made them."""
    # Every row by itself: states are read where the padded batch has them.
    plain = {key: value for key, value in batch.items() if key != SHOWN}
    with _caught(blocks) as caught:
        answers = read(model, plain)
    # A batch that goes through the model in parts is put together again, as its answers are.
    order = torch.cat([rows for rows, _ in parted(plain)]).argsort()
    states = caught[0] if len(caught) == 1 else torch.cat(caught)[order]
    return answers, states[:, predicting(plain["labels"])].float()


@contextmanager
def _caught(blocks: Sequence[nn.Module]) -> Iterator[list[Tensor]]:
    """A list of what came out behind the last of `blocks`, one a forward pass: each begins with the first block.

    Listening ends before the backward pass, in which gradient checkpointing runs the blocks again.
    """
    caught: list[Tensor] = []

    def note(begins: bool, output: Any) -> None:
        states = output[0] if isinstance(output, tuple) else output
        if begins:
            caught.append(states)
        else:
            caught[-1] = states

    with ExitStack() as hooks:
        for number, block in enumerate(blocks):
            heard = partial(lambda begins, _module, _given, output: note(begins, output), number == 0)
            hooks.callback(block.register_forward_hook(heard).remove)
        yield caught
