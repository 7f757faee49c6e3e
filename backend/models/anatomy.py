"""Where a family keeps its language blocks, vision tower and projector, found by structure and never by a name.

The language part is the smallest pretrained module that owns the input embedding; a vision tower is any pretrained
module that stands next to it; the projector is what is left between them. Where nothing is left, the tower has its
projector inside: what follows its blocks and ends in the language part's width. The output head belongs to none of
them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

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
    inner_projector: tuple[str, ...] = ()

    def part_of(self, name: str) -> str:
        """`language`, `vision`, `head` or `projector`, for the name of a module or parameter."""
        if _under(name, self.language):
            return "language"
        if any(_under(name, projector) for projector in self.inner_projector):
            return "projector"
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
    towers = _towers(pretrained, {name for name, _ in owners}, language_name)
    if not towers:
        raise UnknownAnatomy("no vision tower was found inside this model")
    head = model.get_output_embeddings()
    head_name = (
        next((name for name, module in model.named_modules() if module is head), None) if head is not None else None
    )
    found = Anatomy(language=language_name, vision=tuple(towers), head=head_name)
    if any(found.part_of(name) == "projector" for name, _ in model.named_parameters()):
        return found
    width = int(model.config.get_text_config().hidden_size)
    return replace(found, inner_projector=tuple(_inner_projectors(model, towers, width)))


def language_blocks(model: PreTrainedModel) -> list[str]:
    """Full names of the language part's blocks, first to last."""
    return _blocks(model, anatomy(model).language)


def vision_blocks(model: PreTrainedModel) -> list[str]:
    """Full names of the vision towers' blocks, first to last."""
    return [block for tower in anatomy(model).vision for block in _blocks(model, tower)]


def linear_layers(model: PreTrainedModel, parts: tuple[str, ...]) -> list[str]:
    """Full names of the linear layers of these parts: LoRA's targets. The head is never one."""
    found = anatomy(model)
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and found.part_of(name) in parts and name != found.head
    ]


def bare_matrices(model: PreTrainedModel, parts: tuple[str, ...]) -> list[str]:
    """Full names of the matrices of those of these parts that have not one linear layer: a projector may be a matrix
    that belongs to no layer, and LoRA would pass it by."""
    found = anatomy(model)
    layered = {found.part_of(name) for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    return [
        name
        for name, parameter in model.named_parameters()
        if found.part_of(name) in set(parts) - layered - {"head"} and parameter.ndim == 2
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


def _towers(pretrained: Sequence[tuple[str, nn.Module]], owners: set[str], language: str) -> list[str]:
    """Pretrained modules next to the language part; where there is none, those anywhere outside it."""
    beside = [name for name, _ in pretrained if name not in owners and not _under(name, language)]
    parent = language.rpartition(".")[0]
    next_to = [name for name in beside if name.rpartition(".")[0] == parent]
    towers: list[str] = []
    for name in next_to or beside:
        if not any(_under(name, tower) for tower in towers):
            towers.append(name)
    return towers


def _inner_projectors(model: PreTrainedModel, towers: list[str], width: int) -> Iterator[str]:
    """Children of a tower after its blocks whose last linear layer gives vectors of the language part's width."""
    for tower in towers:
        blocks, passed = _block_list(model.get_submodule(tower)), False
        for name, child in model.get_submodule(tower).named_children():
            linear = [module for module in child.modules() if isinstance(module, nn.Linear)]
            if passed and linear and linear[-1].out_features == width:
                yield f"{tower}.{name}"
            passed = passed or any(module is blocks for module in child.modules())


def _blocks(model: PreTrainedModel, part: str) -> list[str]:
    """Several lists of blocks may follow each other, as in a tower with local and global ones."""
    module = model.get_submodule(part)
    longest = _block_list(module)
    kind = type(longest[0]) if longest is not None and len(longest) else None
    lists = [
        (name, found)
        for name, found in module.named_modules()
        if isinstance(found, nn.ModuleList) and (found is longest or (len(found) and type(found[0]) is kind))
    ]
    return [f"{part}.{name}.{number}" for name, found in lists for number in range(len(found))]


def _block_list(module: nn.Module) -> nn.ModuleList | None:
    """The longest list of modules that lies in no other list."""
    lists = [(name, found) for name, found in module.named_modules() if isinstance(found, nn.ModuleList)]
    outer = [found for name, found in lists if not any(_under(name, other) for other, _ in lists if other != name)]
    return max(outer, key=lambda found: (len(found), sum(one.numel() for one in found.parameters())), default=None)


def _under(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")
