"""Hidden states of one language block, at the positions from which answer tokens are predicted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from peft import PeftModel
from torch import Tensor, nn

from backend.models.anatomy import anatomy
from backend.models.answers import Answers
from backend.models.packing import SHOWN
from backend.objectives.seen import ObjectiveRefused

Read = Callable[[nn.Module, Mapping[str, Any]], Answers]


def language_block(model: nn.Module, layer: int) -> nn.Module:
    """Block `layer`, counted from 0, of the language model: never one of the vision tower.

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
    return blocks[layer]


def read_hidden(block: nn.Module, read: Read, model: nn.Module, batch: Mapping[str, Any]) -> tuple[Answers, Tensor]:
    """What `read` answers, and the block's output at the same positions, (batch, width, states), in float32."""
    caught: list[Tensor] = []
    # Taken off before the backward pass, in which gradient checkpointing runs the block again.
    handle = block.register_forward_hook(
        lambda _module, _given, output: caught.append(output[0] if isinstance(output, tuple) else output)
    )
    try:
        # Every row by itself: states are read where the padded batch has them.
        answers = read(model, {key: value for key, value in batch.items() if key != SHOWN})
    finally:
        handle.remove()
    keep = answers.labels.shape[1] + 1
    return answers, caught[0][:, -keep:][:, :-1].float()
