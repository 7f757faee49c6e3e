"""Sampled answers: the draw worked out by hand, the same draws however they are asked for, what counts as a leak."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.benchmarks.demo import DemoBenchmark
from backend.benchmarks.item import Item
from backend.inference.items import Asker
from backend.inference.sampling import InverseDraw, Sampler, leak_sizes, leaks, uniforms
from backend.metrics.rules import rules_of
from backend.models.encoding import Encoder
from backend.models.loading import load
from backend.spec import ForgetRequest

DEMO = rules_of("demo")


@pytest.fixture(scope="module")
def items(world: DemoBenchmark) -> list[Item]:
    return world.scored_items(ForgetRequest(ratio=None, people=("p01", "p02"), attributes=("city",)))


def make(demo_folder: Path, samples: int, seed: int = 0, batch_size: int = 16) -> Sampler:
    loaded = load(demo_folder, device=torch.device("cpu"))
    return Sampler(loaded.model, Encoder(loaded.processor), DEMO, samples, seed, batch_size)


def drawn(sampler: Sampler, items: list[Item]) -> dict[str, list[str]]:
    return {item.id: texts for item, texts in sampler.draw(items)}


def test_a_number_falls_on_the_token_whose_share_of_the_line_it_lies_in() -> None:
    logits = torch.log(torch.tensor([[0.5, 0.0, 0.25, 0.25]]))  # the line: [0, .5), nothing, [.5, .75), [.75, 1)
    for number, token in ((0.0, 0), (0.4999, 0), (0.5001, 2), (0.7499, 2), (0.7501, 3), (1 - 2**-24, 3)):
        assert InverseDraw(np.array([[number]], dtype=np.float32))(logits).tolist() == [token], number


def test_each_row_and_each_step_has_a_number_of_its_own() -> None:
    logits = torch.log(torch.tensor([[0.5, 0.5]] * 2))
    draw = InverseDraw(np.array([[0.1, 0.9, 0.1], [0.9, 0.9, 0.2]], dtype=np.float32))
    assert [draw(logits).tolist() for _ in range(3)] == [[0, 1], [1, 1], [0, 0]]


def test_tokens_come_as_often_as_their_probability_says() -> None:
    shares = torch.tensor([0.6, 0.3, 0.1])
    numbers = np.concatenate([uniforms(0, f"item {number}", 100, 1) for number in range(100)])
    found = InverseDraw(numbers)(torch.log(shares).expand(10_000, 3)).bincount(minlength=3) / 10_000
    assert found.tolist() == pytest.approx(shares.tolist(), abs=0.02)  # four standard errors


def test_an_items_draws_depend_on_the_seed_the_item_and_their_number_alone(
    demo_folder: Path, items: list[Item]
) -> None:
    sampler = make(demo_folder, 4)
    some = [item for item in items if sampler.fits(item)]
    assert len(some) == 16 and {item.image is None for item in some} == {True, False}
    four = drawn(sampler, some)
    assert drawn(make(demo_folder, 4, batch_size=3), list(reversed(some))) == four, "the batch is no part of it"
    nine = drawn(make(demo_folder, 9), some[:5])
    assert {item_id: texts[:4] for item_id, texts in nine.items()} == {item.id: four[item.id] for item in some[:5]}
    assert drawn(make(demo_folder, 4, seed=1), some) != four
    assert len({text for texts in four.values() for text in texts}) > 30, (
        "an untrained model says something else each time"
    )


def test_samples_about_a_picture_are_those_of_reading_it_each_time(demo_folder: Path, items: list[Item]) -> None:
    pictured = [item for item in items if item.image is not None]
    once, plain = make(demo_folder, 4), make(demo_folder, 4)
    plain._asker.reuses = False
    assert drawn(once, pictured) == drawn(plain, pictured)
    assert once._asker.reuses is True


def test_an_open_question_of_the_forget_or_the_test_set_that_names_a_fact_is_sampled(
    demo_folder: Path, items: list[Item]
) -> None:
    sampler = make(demo_folder, 1)
    fitting = [item for item in items if sampler.fits(item)]
    assert {(item.set, item.task) for item in fitting} == {
        (item_set, task) for item_set in ("forget", "test") for task in ("generation", "cloze")
    }
    told = replace(fitting[0], task="generation")
    of_mllmu = Sampler(sampler.model, sampler.encoder, rules_of("mllmu"), 1, 0, 8)
    assert of_mllmu.fits(told) and not of_mllmu.fits(replace(told, key=told.answer)), "ROUGE alone tells no leak"


def test_leak_at_k_of_answers_counted_by_hand(items: list[Item]) -> None:
    item = next(one for one in items if one.key and one.task == "generation")
    wrong, right = "nothing", f"It is {item.key}."
    measures, kept = leaks(DEMO, item, [wrong, right, wrong, "no", wrong, "x"])
    # 1 of 6: at 4, 1 - C(5,4)/C(6,4) = 1 - 5/15
    assert measures == pytest.approx({"leak@1": 1 / 6, "leak@4": 2 / 3, "leak@6": 1.0})
    assert kept == {"n": 6, "leaked": 1, "texts": [right]}
    measures, kept = leaks(DEMO, item, [wrong, "no", wrong, "x", "y", "z"])
    assert set(measures.values()) == {0.0} and kept["texts"] == [wrong, "no", wrong, "x", "y"]


def test_k_are_the_powers_of_four_and_the_number_of_samples() -> None:
    assert [leak_sizes(samples) for samples in (1, 3, 4, 16, 20, 128)] == [
        *([1], [1, 3], [1, 4], [1, 4, 16], [1, 4, 16, 20], [1, 4, 16, 64, 128]),
    ]


def test_a_draw_takes_the_place_of_the_likeliest_token(demo_folder: Path, items: list[Item]) -> None:
    sampler = make(demo_folder, 1)
    asker = Asker(sampler.model, sampler.encoder, DEMO, 8)
    row = sampler.encoder.encode(items[0].question, None, items[0].image)
    greedy = asker.write([row], 6)
    assert asker.write([row], 6, lambda logits: logits.argmax(dim=-1)) == greedy
    assert asker.write([row], 6, lambda logits: logits.argmin(dim=-1)) != greedy
