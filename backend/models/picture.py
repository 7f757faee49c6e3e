"""A picture as its processor sees it, kept apart from the questions asked about it.

Working out a picture's pixels is slow and does not depend on the question; how many tokens it takes and how they are
wrapped is the processor's affair, and may depend on the words around. So the processor reads every question itself, and
in place of its image processor stands one that says again what was made of the picture: the same tokens, no pixels.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import BatchFeature

SMALL = 64
"""Arrays of at most this many values are read by processors (grids, sizes, counts); longer ones are pixels or masks."""
OF_TEXT = ("input_ids", "attention_mask", "labels")
BLANK = Image.new("RGB", (32, 32))


@dataclass(frozen=True)
class Layout:
    """What of a picture its tokens depend on: equal layouts give equal tokens. `said` names what the processor adds
    about each token; `made` is what the image processor gave, without the pixels."""

    key: tuple[Any, ...]
    said: tuple[str, ...]
    made: Mapping[str, Any] = field(compare=False, repr=False)


class Tensors(dict[str, torch.Tensor]):
    """What a model is given of one picture, by name."""

    @property
    def bytes(self) -> int:
        return sum(tensor.numel() * tensor.element_size() for tensor in self.values())


class Picture:
    """What a processor made of one picture: the tensors that the model is given, and how it lies in the text.

    Equal to itself alone: who has the same one shows the same picture.
    """

    def __init__(self, tensors: Mapping[str, torch.Tensor], layout: Layout) -> None:
        self._tensors, self.layout = Tensors(tensors), layout

    @property
    def tensors(self) -> Tensors:
        return self._tensors


class SeenPicture:
    """Runs a processor on a picture once, and then on any text about it."""

    def __init__(self, processor: Any) -> None:
        self._again = _Again(processor.image_processor)
        self._processor = copy.copy(processor)
        self._processor.image_processor = self._again

    def look(self, image: Image.Image, text: str) -> Picture:
        """`text` is any text with a place for the picture."""
        self._again.made = None
        made = self._read(text, image)
        of_picture, self._again.first = self._again.first, {}
        said = tuple(sorted(key for key in made if key not in of_picture and key not in OF_TEXT))
        light = {key: _light(value) for key, value in of_picture.items()}
        layout = Layout((said, *((key, _mark(value)) for key, value in sorted(light.items()))), said, light)
        tensors = {key: value for key, value in made.items() if key in of_picture}
        return Picture(tensors, layout)

    def read(self, text: str, layout: Layout) -> Mapping[str, torch.Tensor]:
        """What the processor makes of a text with a picture of this layout; the pixels in it are zeros."""
        self._again.made = layout.made
        return self._read(text, BLANK)

    def _read(self, text: str, image: Image.Image) -> Mapping[str, torch.Tensor]:
        made = self._processor(text=[text], images=[image], add_special_tokens=False)
        return {
            key: torch.as_tensor(np.asarray(value) if isinstance(value, list) else value) for key, value in made.items()
        }


class _Again:
    """In an image processor's place: passes on what the real one makes, or says it again."""

    def __init__(self, real: Any) -> None:
        self._real = real
        self.made: Mapping[str, Any] | None = None
        self.first: dict[str, Any] = {}

    def __call__(self, *given: Any, **named: Any) -> BatchFeature:
        if self.made is not None:
            return BatchFeature(dict(self.made))
        made = self._real(*given, **{**named, "return_tensors": "pt"})
        self.first = dict(made)
        return made  # type: ignore[no-any-return]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def _light(value: Any) -> Any:
    """The same shape without its memory, where it is pixels."""
    if isinstance(value, torch.Tensor) and value.numel() > SMALL:
        return torch.zeros((), dtype=value.dtype).expand(value.shape)
    if isinstance(value, np.ndarray) and value.size > SMALL:
        return np.broadcast_to(np.zeros((), dtype=value.dtype), value.shape)
    if isinstance(value, list | tuple):
        return type(value)(_light(one) for one in value)
    return value


def _mark(value: Any) -> Any:
    """Something that can be compared and hashed in a light value's stead."""
    if isinstance(value, torch.Tensor | np.ndarray):
        small = (value.numel() if isinstance(value, torch.Tensor) else value.size) <= SMALL
        return (tuple(value.shape), tuple(np.asarray(value).ravel().tolist()) if small else ())
    if isinstance(value, list | tuple):
        return tuple(_mark(one) for one in value)
    return value if isinstance(value, int | float | str | None) else str(value)
