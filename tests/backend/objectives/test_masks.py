"""Masks by hand on two weights, and on the demo model: every weight, group by group as all at once, in half precision
as in full."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from backend.benchmarks.demo import DemoBenchmark
from backend.models.anatomy import anatomy
from backend.models.encoding import Encoder, place
from backend.models.loading import load
from backend.objectives.masks import (
    LANGUAGE,
    VISION,
    Preserved,
    grouped,
    largest,
    matters_more,
    mmunlearner_mask,
    nth_largest,
    open_shares,
    salun_mask,
)
from backend.objectives.saliency import answer_loss, mean_gradients, mean_squares

CPU = torch.device("cpu")


class Two(nn.Module):
    """Two weights; the gradient of the loss of a batch of points is their mean."""

    def __init__(self, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.seen = nn.Parameter(torch.ones(1, dtype=dtype))
        self.said = nn.Parameter(torch.ones(1, dtype=dtype))

    def loss(self, points: list[tuple[float, float]]) -> Tensor:
        at = torch.tensor(points, dtype=self.seen.dtype).mean(dim=0)
        return (self.seen * at[0] + self.said * at[1]).sum()

    @property
    def weights(self) -> dict[str, nn.Parameter]:
        return dict(self.named_parameters())


def always(*batches: list[tuple[float, float]]) -> Callable[[], list[list[tuple[float, float]]]]:
    return lambda: list(batches)


def part_of(name: str) -> str:
    return {"seen": "vision", "said": "language"}[name]


def test_squares_are_of_a_batchs_gradient_and_batches_of_one_are_the_fisher_information() -> None:
    model = Two()
    points = [(3.0, 1.0), (-3.0, 2.0)]
    together = mean_squares(model, model.weights, [points], model.loss)
    assert (together["seen"].item(), together["said"].item()) == (0.0, 2.25)
    apart = mean_squares(model, model.weights, [[point] for point in points], model.loss)
    assert (apart["seen"].item(), apart["said"].item()) == (9.0, 2.5)
    assert mean_gradients(model, model.weights, [[points[0]], [points[1]]], model.loss)["said"].item() == 1.5


def test_nothing_to_measure_on_is_refused() -> None:
    model = Two()
    with pytest.raises(ValueError, match="no data"):
        mean_squares(model, model.weights, [], model.loss)


@pytest.mark.parametrize(("threshold", "seen"), [(1.0, True), (1.25, True), (1.26, False)])
def test_each_side_is_held_against_what_it_must_preserve(threshold: float, seen: bool) -> None:
    model = Two()
    # Forget: mean of 9 and 1 is 5 for what is seen, and 4 for what is said.
    forget = always([(3.0, 2.0)], [(1.0, 2.0)])
    # Picture side: 4, so the quotient is 5/4. Language side: mean of 4 and 16 is 10, the quotient 0.4.
    vision, language = always([(2.0, 0.0)]), always([(2.0, 2.0)], [(9.0, 4.0)])
    preserved = [Preserved(VISION, vision), Preserved(LANGUAGE, language)]
    mask = mmunlearner_mask(model, model.weights, part_of, forget, preserved, model.loss, threshold)
    assert {name: one.item() for name, one in mask.items()} == {"seen": seen, "said": False}
    assert all(one.dtype == torch.bool for one in mask.values())


@pytest.mark.parametrize(
    ("forget", "preserve", "is_open"),
    [(0.0, 0.0, False), (0.0, 1.0, False), (1e-30, 0.0, True), (1.0, 1.0, True), (1.0, 1.0001, False)],
)
def test_a_weight_that_matters_to_neither_stays_closed(forget: float, preserve: float, is_open: bool) -> None:
    assert matters_more(torch.tensor([forget]), torch.tensor([preserve]), 1.0).tolist() == [is_open]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_squares_that_are_nothing_in_half_precision_still_make_a_mask(dtype: torch.dtype) -> None:
    model = Two(dtype)
    small = 2.0**-13
    assert dtype == torch.bfloat16 or torch.tensor(small, dtype=dtype) ** 2 == 0
    found = mean_squares(model, model.weights, [[(small, small)]], model.loss)
    assert found["seen"].dtype == torch.float32 and found["seen"].item() == 2.0**-26
    forget, both = always([(small, small)]), always([(small / 2, small * 2)])
    preserved = [Preserved(VISION | LANGUAGE, both)]
    mask = mmunlearner_mask(model, model.weights, part_of, forget, preserved, model.loss, 1.0)
    assert (mask["seen"].item(), mask["said"].item()) == (True, False)


def test_a_part_that_nothing_is_preserved_for_is_refused() -> None:
    model = Two()
    data = always([(1.0, 1.0)])
    with pytest.raises(ValueError, match="nothing is preserved for language"):
        mmunlearner_mask(model, model.weights, part_of, data, [Preserved(VISION, data)], model.loss, 1.0)


def test_saluns_mask_is_the_larger_half_of_the_mean_gradient() -> None:
    model = Two()
    # Means over batches: 1 for what is seen (4 and -2), -1.5 for what is said; squares would say the reverse.
    forget = always([(4.0, -1.0)], [(-2.0, -2.0)])
    mask = salun_mask(model, model.weights, forget, model.loss, 0.5)
    assert (mask["seen"].item(), mask["said"].item()) == (False, True)
    assert all(one.item() for one in salun_mask(model, model.weights, forget, model.loss, 1.0).values())


def test_the_largest_share_is_of_all_values_together_and_never_takes_nothings() -> None:
    sizes = {"a": torch.tensor([[5.0, 0.0], [3.0, 1.0]]), "b": torch.tensor([4.0, 3.0, 0.0, 0.0])}
    # Of 8 values the 3 largest are 5, 4 and 3; the other 3 is as large, so it is open too.
    mask = largest(sizes, 3 / 8)
    assert mask["a"].tolist() == [[True, False], [True, False]] and mask["b"].tolist() == [True, True, False, False]
    assert sum(int(one.sum()) for one in largest(sizes, 1.0).values()) == 5


def test_the_nth_largest_is_that_of_a_sorted_list() -> None:
    draw = torch.Generator().manual_seed(0)
    values = [torch.rand(7, 11, generator=draw) ** 20, torch.rand(50, generator=draw), torch.zeros(9)]
    values.append(torch.tensor([0.25, 0.25, 1e-42, 1e30]))
    whole = torch.cat([one.flatten() for one in values]).sort(descending=True).values
    for number in (1, 2, 30, 77, 100, len(whole)):
        assert nth_largest(values, number) == whole[number - 1].item()


def test_groups_keep_the_order_and_a_large_weight_stands_alone() -> None:
    weights = {name: nn.Parameter(torch.zeros(size)) for name, size in zip("abcd", (3, 2, 9, 1), strict=True)}
    assert [list(group) for group in grouped(weights, 5)] == [["a", "b"], ["c"], ["d"]]


def test_open_shares_are_told_by_part_and_for_all() -> None:
    mask = {"seen": torch.tensor([True, False, False, False]), "said": torch.tensor([True, True])}
    assert open_shares(mask, part_of) == {"language": 1.0, "vision": 0.25, "all": 0.5}


# -- the demo model ------------------------------------------------------------------------------------------------


class Demo:
    """The demo model, and what a mask is measured on: batches of two pictured questions, and text beside them."""

    def __init__(self, folder: Path, world: DemoBenchmark, dtype: torch.dtype = torch.float32) -> None:
        loaded = load(folder, device=CPU)
        self.model: Any = loaded.model.to(dtype)
        encoder = Encoder(loaded.processor)
        rows = {
            (subject, kind): [
                encoder.encode(item.question, item.answer, item.image)
                for item in [one for one in world.training_items((subject,)) if one.modality == kind][:4]
            ]
            for subject in ("p01", "p02")
            for kind in ("image_text", "text")
        }

        def batches(*keys: tuple[str, str]) -> Callable[[], Iterator[dict[str, Tensor]]]:
            chosen = [row for key in keys for row in rows[key]]
            return lambda: (place(encoder.collate(chosen[at : at + 2]), self.model) for at in range(0, len(chosen), 2))

        self.forget, self.kept = batches(("p01", "image_text")), batches(("p02", "image_text"))
        self.language = batches(("p02", "image_text"), ("p02", "text"), ("p01", "text"))
        self.text = batches(("p02", "text"))
        self.weights = dict(self.model.named_parameters())
        self.part_of = anatomy(self.model).part_of

    def mask(self, **given: Any) -> dict[str, Tensor]:
        preserved = [Preserved(VISION, self.kept), Preserved(LANGUAGE, self.language)]
        loss = answer_loss(self.model)
        return mmunlearner_mask(self.model, self.weights, self.part_of, self.forget, preserved, loss, 1.0, **given)


@pytest.fixture
def demo(demo_folder: Path, world: DemoBenchmark) -> Demo:
    return Demo(demo_folder, world)


def test_every_trained_weight_is_masked_norms_and_embeddings_too(demo: Demo) -> None:
    mask = demo.mask()
    assert list(mask) == [name for name, _ in demo.model.named_parameters()]
    shares = open_shares(mask, demo.part_of)
    assert list(shares) == ["language", "projector", "vision", "head", "all"]
    assert all(0.05 < share < 0.95 for share in shares.values())
    [embedding] = [name for name in mask if name.endswith("embed_tokens.weight")]
    unused = ~mask[embedding].any(dim=1)
    # Words of no forget question have no gradient, and are not let move.
    assert unused.float().mean() > 0.5


def test_a_mask_is_the_quotient_of_plain_gradients(demo: Demo) -> None:
    mask, loss = demo.mask(), answer_loss(demo.model)

    def squares(batches: Any) -> dict[str, Tensor]:
        found: list[dict[str, Tensor]] = []
        for batch in batches():
            demo.model.zero_grad()
            loss(batch).backward()
            zeros = torch.zeros(())
            found.append({n: zeros if w.grad is None else w.grad.double() ** 2 for n, w in demo.weights.items()})
        return {name: sum((one[name] for one in found), torch.zeros(())) / len(found) for name in demo.weights}

    forget, kept, language = squares(demo.forget), squares(demo.kept), squares(demo.language)
    for name in demo.weights:
        held = kept if demo.part_of(name) in VISION else language
        expected = ((forget[name] > 0) & (forget[name] >= held[name])).expand(mask[name].shape)
        assert (mask[name] != expected).float().mean() < 1e-4, name


def test_group_by_group_is_all_at_once(demo: Demo) -> None:
    whole, parts = demo.mask(), demo.mask(group_weights=40_000)
    assert len(list(grouped(demo.weights, 40_000))) > 10
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_gradients_never_live_together_and_nothing_of_the_measuring_stays(demo: Demo) -> None:
    alive: list[int] = []
    for weight in demo.model.parameters():
        weight.register_post_accumulate_grad_hook(
            lambda _: alive.append(sum(one.grad is not None for one in demo.model.parameters()))
        )
    demo.model.train()
    frozen = next(iter(demo.weights))
    demo.weights[frozen].requires_grad_(False)
    mean_squares(demo.model, demo.weights, demo.forget(), answer_loss(demo.model))
    assert len(alive) > 50 and set(alive) == {1}
    assert all(weight.grad is None for weight in demo.model.parameters()) and demo.model.training
    assert [name for name, weight in demo.weights.items() if not weight.requires_grad] == [frozen]


def test_text_does_not_matter_to_the_vision_tower(demo: Demo) -> None:
    tower = {name: weight for name, weight in demo.weights.items() if demo.part_of(name) in VISION}
    found = mean_squares(demo.model, tower, demo.text(), answer_loss(demo.model))
    assert found and all(not one.any() for one in found.values())


def test_a_model_in_half_precision_has_nearly_the_mask_of_full_precision(
    demo: Demo, demo_folder: Path, world: DemoBenchmark
) -> None:
    whole, half = demo.mask(), Demo(demo_folder, world, torch.bfloat16).mask()
    same = sum(int((whole[name] == half[name]).sum()) for name in whole)
    assert same / sum(one.numel() for one in whole.values()) > 0.99
