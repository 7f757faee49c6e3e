"""The plan of batches: everything is seen, nothing twice in a pass, and the seed alone decides."""

import gc
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any
from weakref import ref

import pytest
import torch

from backend.benchmarks.demo import DemoBenchmark
from backend.benchmarks.item import BadRequest, Item
from backend.models.encoding import IGNORED, Encoded, Encoder
from backend.models.loading import load
from backend.models.packing import SHOWN, packs_of, pixels
from backend.objectives.schedule import Turns
from backend.training.plan import EncodedItems, PairedPlan, SecondAnswers, collator, labelled


def test_a_plan_is_a_matter_of_its_seed_alone() -> None:
    plans = [PairedPlan(7, 30, 40, seed) for seed in (3, 3, 4)]
    rows = [[plan[index] for index in range(len(plan))] for plan in plans]
    assert rows[0] == rows[1] != rows[2]
    assert max(Counter(forget for forget, _ in rows[0]).values()) == 6, "40 draws of 7 are five passes and a bit"


def test_a_set_that_is_not_needed_is_none_throughout() -> None:
    plan = PairedPlan(None, 3, 5, 0)
    assert [plan[index][0] for index in range(5)] == [None] * 5


def test_turns_deal_items_only_to_the_steps_that_want_them_and_no_item_is_passed_over() -> None:
    turns = Turns(forget_steps=1, retain_steps=2)
    plan = PairedPlan(4, 8, 24, 0, turns=turns, samples_per_step=2)
    pairs = [plan[index] for index in range(len(plan))]
    wants = ["forget" if index // 2 % 3 == 0 else "retain" for index in range(24)]
    assert [("forget" if forget is not None else "retain") for forget, _ in pairs] == wants
    assert all((forget is None) != (retain is None) for forget, retain in pairs)
    forget = [index for index, _ in pairs if index is not None]
    retain = [index for _, index in pairs if index is not None]
    assert sorted(forget[:4]) == sorted(forget[4:]) == [0, 1, 2, 3]
    assert sorted(retain[:8]) == sorted(retain[8:]) == list(range(8))


@pytest.fixture
def encoder(demo_folder: Path) -> Encoder:
    return Encoder(load(demo_folder, device=torch.device("cpu")).processor)


def rows_of(encoder: Encoder, world: DemoBenchmark) -> list[Encoded]:
    """Two questions with a picture and two as text, of different lengths."""
    items = world.training_items(("p01",))
    chosen = [*[item for item in items if item.image][:2], *[item for item in items if not item.image][:2]]
    return [encoder.encode(item.question, item.answer, item.image) for item in chosen]


def test_full_labels_are_every_token_but_the_first_the_pictures_and_padding(
    encoder: Encoder, world: DemoBenchmark
) -> None:
    rows = rows_of(encoder, world)
    answered, full = labelled(encoder, rows), labelled(encoder, rows, "full")
    image = encoder.tokenizer.convert_tokens_to_ids("<image>")
    for number, row in enumerate(rows):
        pictured = row.picture is not None
        expected = [IGNORED if at == 0 or token == image else token for at, token in enumerate(row.ids)]
        assert (image in row.ids) == pictured and expected.count(IGNORED) == (17 if pictured else 1)
        padding = full["labels"].shape[1] - len(row.ids)
        assert full["labels"][number].tolist() == expected + [IGNORED] * padding
        assert int((answered["labels"][number] != IGNORED).sum()) == len(row.ids) - row.start
    assert all(torch.equal(full[key], answered[key]) for key in full if key not in ("labels", SHOWN))


def test_a_batch_carries_the_second_answers_and_kept_sums_of_its_own_items(
    encoder: Encoder, world: DemoBenchmark
) -> None:
    rows = rows_of(encoder, world)
    second = SecondAnswers([*rows, *rows], 2, [float(index) for index in range(8)])
    collate = collator(encoder, rows, rows, [0.5, 1.5, 2.5, 3.5], second=second)
    batch = collate([(3, 0), (1, None)])
    assert batch["forget"]["reference_sums"].tolist() == [3.5, 1.5]
    assert batch["other"]["reference_sums"].tolist() == [6, 7, 2, 3]
    ids = batch["other"]["input_ids"]
    assert [tuple(ids[at][: len(rows[row].ids)].tolist()) == rows[row].ids for at, row in enumerate((2, 3, 2, 3))] == [
        True
    ] * 4
    assert len(batch["retain"]["input_ids"]) == 1
    assert "forget" not in collate([(None, 2)]) and "other" not in collate([(None, 2)])


# -- pictures beyond the budget --------------------------------------------------------------------------------------


@pytest.fixture
def small(demo_folder: Path) -> Encoder:
    """Keeps the tensors of one picture."""
    return Encoder(load(demo_folder, device=torch.device("cpu")).processor, kept_bytes=1)


def two_pictures(world: DemoBenchmark) -> list[Item]:
    """Questions about one picture, another, and the first again."""
    first, second = ([item for item in world.training_items((who,)) if item.image][:2] for who in ("p01", "p02"))
    assert first[0].image == first[1].image
    return [first[0], second[0], first[1]]


def test_a_picture_that_was_let_go_is_the_same_picture_when_it_is_shown_again(
    encoder: Encoder, small: Encoder, world: DemoBenchmark
) -> None:
    items = two_pictures(world)
    rows, batch = EncodedItems(small, items), labelled(encoder, [*EncodedItems(encoder, items)])
    held = [rows[at].picture for at in range(3)]
    assert held[0] is held[2] is not held[1]
    found = labelled(small, [*rows])
    packs = packs_of(found, found[SHOWN])
    assert sorted(pack.rows for pack in packs) == [(0, 2), (1,)]
    assert all(torch.equal(found[name], batch[name]) for name in batch if name != SHOWN)


def test_items_hold_no_pixels_beyond_the_budget_and_a_batch_makes_none_twice(
    small: Encoder, world: DemoBenchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = EncodedItems(small, two_pictures(world))
    looked: list[Any] = []
    look = small._process
    monkeypatch.setattr(small, "_process", lambda image: (looked.append(image), look(image))[1])
    batch = labelled(small, [*rows])
    assert len(looked) == 4, "each to lay it in its text, and each once for the batch, though two rows show the first"
    pixels(batch[SHOWN].pictures, batch)
    assert len(looked) == 4, "the batch holds them"
    alive = [ref(picture.tensors["pixel_values"]) for picture in batch[SHOWN].pictures]
    del batch
    gc.collect()
    assert sum(one() is not None for one in alive) == 2, "the last row's, which is the first row's too"


def test_a_picture_that_was_changed_while_it_was_in_use_is_not_taken_for_the_first(
    small: Encoder, world: DemoBenchmark, tmp_path: Path
) -> None:
    one, other = (tmp_path / name for name in ("one.jpg", "other.jpg"))
    for file, person in zip((one, other), world.people(), strict=False):
        shutil.copy(person.picture, file)
    row = small.encode("Who?", "Ada", one)
    small.encode("Who?", "Ada", other)
    os.utime(one, ns=(1, 1))
    with pytest.raises(BadRequest, match="was changed or taken away while it was in use"):
        labelled(small, [row])
    assert small.encode("Who?", "Ada", one).picture is not row.picture
