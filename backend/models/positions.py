"""Where each token stands, told to the model, so that padding and what was asked before change nothing.

Most families count tokens. Some count along several axes (time, height, width), by which a picture takes fewer places
than it has tokens; these know how to reckon them from the picture's grid, and text after it goes on by counting.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def first_positions(model: Any, batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor | None]:
    """Positions of a batch's tokens, (rows, longest) or (axes, rows, longest); and by how much text that follows is
    shifted against counting, (rows, 1), None where it is not."""
    mask = batch["attention_mask"]
    owner = next((module for module in model.modules() if hasattr(module, "get_rope_index")), None)
    if owner is None or not any(key.endswith("grid_thw") for key in batch):
        return counted(mask), None
    known = inspect.signature(owner.get_rope_index).parameters
    positions, shift = owner.get_rope_index(**{key: value for key, value in batch.items() if key in known})
    return positions, shift.view(len(mask), 1)


def later_positions(mask: Tensor, length: int, shift: Tensor | None) -> Tensor:
    """Positions of the last `length` of the tokens that a mask (rows, all) speaks of."""
    positions = counted(mask)[:, -length:]
    return positions if shift is None else (positions + shift).expand(3, *positions.shape)


def counted(mask: Tensor) -> Tensor:
    """Each token's number among its row's tokens; padding has 0."""
    return (mask.cumsum(dim=-1) - 1).clamp(min=0)


def chosen(shift: Tensor | None, rows: Tensor) -> Tensor | None:
    """The shifts of these rows."""
    return None if shift is None else torch.index_select(shift, 0, rows)
