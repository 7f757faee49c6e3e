"""Which weights may move: MMUnlearner's and SalUn's masks, over every weight that is trained.

A mask is true where a weight may be moved: by the forget term under MMUnlearner's, by any term under SalUn's. It is
closed to a weight that matters to nothing, so a model that has no gradient gives a closed mask and not an arbitrary
one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from backend.models.anatomy import PARTS
from backend.objectives.saliency import Batch, Weights, mean_gradients, mean_squares

GROUP_WEIGHTS = 2**29
"""Weights measured in one pass over the data: the sums of a group take two times four bytes a weight, 4 GB."""

Batches = Callable[[], Iterable[Batch]]
"""Called once for each group of weights, as each is measured on the same batches."""
Loss = Callable[[Batch], Tensor]


@dataclass(frozen=True)
class Preserved:
    """What must stay in some parts of a model: their weights, and the batches that these are held against."""

    parts: frozenset[str]
    batches: Batches


LANGUAGE, VISION = frozenset({"language", "head"}), frozenset({"vision", "projector"})


def matters_more(forget: Tensor, preserve: Tensor, threshold: float) -> Tensor:
    """F_f ≥ threshold · F_p and F_f > 0, elementwise, bool (arXiv 2502.11051, equation of the mask).

    The paper's quotient has a small number above and below, which is nothing in half precision; there is no quotient
    here. A weight that matters to neither (0 / 0) stays closed, one that matters to the forget set alone is open.
    """
    return (forget > 0) & (forget >= threshold * preserve)


def mmunlearner_mask(
    model: nn.Module,
    weights: Weights,
    part_of: Callable[[str], str],
    forget: Batches,
    preserved: Sequence[Preserved],
    loss: Loss,
    threshold: float,
    *,
    group_weights: int = GROUP_WEIGHTS,
) -> dict[str, Tensor]:
    """By name of every weight, bool on the CPU: where its squared gradient on the forget set is at least `threshold`
    times that on what is preserved (arXiv 2502.11051; means over batches of squared batch gradients).

    Groups of at most `group_weights` weights (a larger one is a group by itself) are measured one after the other, each
    in a pass of its own over the forget set and over what its part must preserve. The published code then drops
    norms, embeddings and the head from the mask but trains them all the same; here what is trained is masked. Raises
    `ValueError` for a weight of a part that nothing is preserved for.
    """
    strange = {part_of(name) for name in weights} - {part for one in preserved for part in one.parts}
    if strange:
        raise ValueError(f"nothing is preserved for {', '.join(sorted(strange))}")
    mask: dict[str, Tensor] = {}
    for one in preserved:
        of_parts = {name: weight for name, weight in weights.items() if part_of(name) in one.parts}
        for group in grouped(of_parts, group_weights):
            wanted = mean_squares(model, group, forget(), loss)
            kept = mean_squares(model, group, one.batches(), loss)
            mask |= {name: matters_more(wanted[name], kept[name], threshold).cpu() for name in group}
    return {name: mask[name] for name in weights}


def salun_mask(
    model: nn.Module,
    weights: Weights,
    forget: Batches,
    loss: Loss,
    share: float,
    *,
    group_weights: int = GROUP_WEIGHTS,
) -> dict[str, Tensor]:
    """By name of every weight, bool on the CPU: whether the size of the forget set's gradient is among the largest
    `share` of all weights (arXiv 2310.12508; the gradient of the mean over batches).

    Sizes are kept on the CPU, four bytes a weight. Weights of equal size at the border are all open.
    """
    sizes: dict[str, Tensor] = {}
    for group in grouped(weights, group_weights):
        found = mean_gradients(model, group, forget(), loss)
        sizes |= {name: gradient.abs().cpu() for name, gradient in found.items()}
    return largest(sizes, share)


def largest(sizes: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """True at the largest `share` of all values taken together (float32, none below 0), and never at 0.

    Counted to the nearest whole number, at least one.
    """
    wanted = max(1, round(share * sum(size.numel() for size in sizes.values())))
    border = nth_largest(list(sizes.values()), wanted)
    return {name: (size >= border) & (size > 0) for name, size in sizes.items()}


def nth_largest(values: Sequence[Tensor], number: int) -> float:
    """The `number`-th largest of all values (float32, none below 0), without putting them side by side.

    The bits of such numbers, read as whole numbers, are in the same order; so the upper half of the bits is found by
    counting, and then the lower half.
    """
    upper, left = _from_above(((bits >> 16) for bits in _bits(values)), number)
    lower, _ = _from_above((bits[(bits >> 16) == upper] & 0xFFFF for bits in _bits(values)), left)
    return float(torch.tensor(upper << 16 | lower, dtype=torch.int32).view(torch.float32))


def _bits(values: Sequence[Tensor]) -> Iterator[Tensor]:
    for value in values:
        yield value.contiguous().view(torch.int32).flatten()


def _from_above(values: Iterable[Tensor], number: int) -> tuple[int, int]:
    """The `number`-th largest of whole numbers below 2¹⁶, and how many of its kind are still wanted."""
    counts = torch.zeros(2**16, dtype=torch.int64)
    for value in values:
        counts += torch.bincount(value, minlength=2**16)
    above = counts.flip(0).cumsum(0)
    at = int((above >= number).int().argmax())
    before = int(above[at - 1]) if at else 0
    return 2**16 - 1 - at, number - before


def grouped(weights: Weights, group_weights: int) -> Iterator[dict[str, nn.Parameter]]:
    """The weights in their order, in groups of at most so many numbers; a larger weight is a group by itself."""
    group: dict[str, nn.Parameter] = {}
    held = 0
    for name, weight in weights.items():
        if group and held + weight.numel() > group_weights:
            yield group
            group, held = {}, 0
        group[name] = weight
        held += weight.numel()
    if group:
        yield group


def open_shares(mask: Mapping[str, Tensor], part_of: Callable[[str], str]) -> dict[str, float]:
    """For each part that has trained weights, and for `all` of them: the share that the forget term may move."""
    counts: dict[str, tuple[int, int]] = {}
    for name, one in mask.items():
        for part in (part_of(name), "all"):
            opened, total = counts.get(part, (0, 0))
            counts[part] = (opened + int(one.sum()), total + one.numel())
    return {part: counts[part][0] / counts[part][1] for part in (*PARTS, "all") if part in counts}
