"""Where a family keeps its language blocks, vision tower and projector, found by structure and never by a name.

The language part is the smallest pretrained module that owns the input embedding; a vision tower is any pretrained
module beside it; the projector is what is left between them. The output head belongs to none of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn
from transformers import PreTrainedModel

PARTS = ("language", "projector", "vision", "head")


class UnknownAnatomy(ValueError):
    """The parts of this model could not be told apart; the message says which."""


@dataclass(frozen=True)
class Anatomy:
    """Parameter-name prefixes of each part, as `named_modules` of the whole model gives them."""

    language: str
    vision: tuple[str, ...]
    head: str | None

    def part_of(self, name: str) -> str:
        """`language`, `vision`, `head` or `projector`, for the name of a module or parameter."""
        if _under(name, self.language):
            return "language"
        if any(_under(name, tower) for tower in self.vision):
            return "vision"
        if self.head is not None and _under(name, self.head):
            return "head"
        return "projector"


def anatomy(model: PreTrainedModel) -> Anatomy:
    """Raises `UnknownAnatomy` when no language part or no vision tower is found."""
    try:
        embedding = model.get_input_embeddings()
    except NotImplementedError as error:
        raise UnknownAnatomy("no language model was found inside this model: it has no input embedding") from error
    pretrained = [(name, module) for name, module in model.named_modules() if isinstance(module, PreTrainedModel)]
    owners = [(name, module) for name, module in pretrained if any(child is embedding for child in module.modules())]
    if not owners or owners[-1][0] == "":
        raise UnknownAnatomy("no language model was found inside this model: no part of it owns the input embedding")
    language_name, _ = max(owners, key=lambda owner: owner[0].count("."))
    owner_names = {name for name, _ in owners}
    towers: list[str] = []
    for name, _module in pretrained:
        beside = name not in owner_names and not _under(name, language_name)
        if beside and not any(_under(name, tower) for tower in towers):
            towers.append(name)
    if not towers:
        raise UnknownAnatomy("no vision tower was found inside this model")
    head = model.get_output_embeddings()
    head_name = (
        next((name for name, module in model.named_modules() if module is head), None) if head is not None else None
    )
    return Anatomy(language=language_name, vision=tuple(towers), head=head_name)


def linear_layers(model: PreTrainedModel, parts: tuple[str, ...]) -> list[str]:
    """Full names of the linear layers of these parts: LoRA's targets. The head is never one."""
    found = anatomy(model)
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and found.part_of(name) in parts and name != found.head
    ]


def parameters_of(model: PreTrainedModel, parts: tuple[str, ...]) -> Iterator[tuple[str, nn.Parameter]]:
    """Named parameters of these parts."""
    found = anatomy(model)
    for name, parameter in model.named_parameters():
        if found.part_of(name) in parts:
            yield name, parameter


def parts_named(modules: str) -> tuple[str, ...]:
    """The parts that a spec's `modules` names."""
    return {
        "language": ("language", "head"),
        "language+projector": ("language", "projector", "head"),
        "all": PARTS,
    }[modules]


def _under(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")
