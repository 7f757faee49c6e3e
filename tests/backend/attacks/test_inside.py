"""Inside: the lens against the model's own logits, free vectors that are the words they stand for, states nudged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from backend.attack_prompts import AttackNeeds
from backend.attacks import CARRIED_OUT, Room, Target
from backend.attacks import inside as room_of
from backend.attacks.attack import plainly
from backend.attacks.hidden import blocks_of
from backend.attacks.inside import (
    Lens,
    SoftEncoder,
    _from_the_right,
    _inserted,
    _pushed,
    _start,
    fact_token,
    final_norm,
    halves,
    shown,
)
from backend.models.answers import read_answers
from backend.models.encoding import Encoder
from backend.models.loading import load
from tests.backend.models.families import FAMILIES, write


def read(target: Target) -> tuple[Any, Any]:
    item = next(item for item in target.items if item.image is not None)
    row = target.encoder.encode(item.question, item.answer, item.image)
    return item, row


# -- the lens ---------------------------------------------------------------------------------------------------------


def test_the_last_layer_ranks_as_the_model_itself_does(target: Target) -> None:
    _, row = read(target)
    (table,) = Lens(target.model).read(target.encoder, [row], blocks_of(target.model))
    with torch.no_grad():
        logits = target.model(**{k: v for k, v in target.encoder.collate([row]).items() if k != "labels"}).logits[0]
    for at, token in enumerate(row.ids[row.start :]):
        said = logits[row.start + at - 1]
        order = said.argsort(descending=True).tolist()
        assert int(table.ranks[-1, at]) == order.index(token) + 1
        assert float(table.probabilities[-1, at]) == pytest.approx(float(said.softmax(-1)[token]), rel=1e-3)


def test_an_earlier_layer_is_what_the_model_would_say_if_it_ended_there(target: Target) -> None:
    _, row = read(target)
    (table,) = Lens(target.model).read(target.encoder, [row], blocks_of(target.model))
    language = target.model.get_submodule("model.language_model")
    whole = language.layers
    language.layers = whole[:2]
    try:
        (short,) = Lens(target.model).read(target.encoder, [row], list(language.layers))
    finally:
        language.layers = whole
    assert table.ranks.shape == (3, len(row.ids) - row.start)
    assert torch.equal(table.ranks[:2], short.ranks)


@pytest.mark.parametrize("name", ["qwen2_vl", "paligemma", "idefics3"])
def test_other_families_have_their_norm_and_head_found(name: str, tmp_path: Path, target: Target) -> None:
    loaded = load(write(FAMILIES[name], tmp_path), device=torch.device("cpu"))
    encoder = Encoder(loaded.processor)
    item = target.items[0]
    row = encoder.encode(item.question, item.answer, item.image)
    (table,) = Lens(loaded.model).read(encoder, [row], blocks_of(loaded.model))
    assert table.ranks.min() >= 1 and table.ranks.shape[0] == len(blocks_of(loaded.model))


def test_a_family_that_does_more_behind_its_last_layer_is_refused(target: Target) -> None:
    _, row = read(target)
    lens = Lens(target.model)
    lens._norm = torch.nn.Linear(128, 128)
    with pytest.raises(AttackNeeds, match="more than a norm"):
        lens.read(target.encoder, [row], blocks_of(target.model))


def test_the_norm_is_the_one_behind_the_blocks(target: Target) -> None:
    assert final_norm(target.model) is target.model.get_submodule("model.language_model.norm")


def test_the_fact_begins_where_the_answer_parts_from_a_wrong_one(target: Target) -> None:
    item, row = read(target)
    said = [target.encoder.decode([token]) for token in row.ids[row.start :]]
    at = fact_token(target.encoder, row, item, "Zzyzx")
    assert item.key.lower().startswith(said[at].lower()) or said[at].lower().startswith(item.key.lower()[:1])
    assert item.key not in target.encoder.decode(row.ids[row.start : row.start + at])
    assert fact_token(target.encoder, row, item, None) == at


def test_a_leak_is_a_rank_among_the_first_at_any_layer(
    target: Target, room: Room, untouched: Callable[[], None]
) -> None:
    everything = list(CARRIED_OUT["lens"](target, room, 10_000))
    assert {one.leak for one in everything} == {1.0} and len(everything) == 8
    best = {
        one.item.id: min(line[one.detail["lens"]["fact"]] for line in one.detail["lens"]["ranks"]) for one in everything
    }
    edge = sorted(best.values())[4]
    found = {one.item.id: one.leak for one in CARRIED_OUT["lens"](target, room, edge)}
    assert found == {name: float(rank <= edge) for name, rank in best.items()}
    assert sum(found.values()) > 0
    untouched()


def test_a_table_is_cut_to_what_a_transcript_can_keep(target: Target) -> None:
    _, row = read(target)
    tokens = len(row.ids) - row.start
    ranks = torch.arange(40 * tokens).view(40, tokens)
    table = room_of.Table(ranks, torch.full((40, tokens), 0.5))
    kept = shown(target.encoder, row, table, tokens - 1)
    assert kept["layers"][-1] == 40 and len(kept["layers"]) <= room_of.LAYERS_SHOWN
    assert kept["ranks"][-1][kept["fact"]] == 40 * tokens - 1
    assert len(kept["tokens"]) == len(kept["ranks"][0]) <= room_of.TOKENS_SHOWN


# -- the soft prompt --------------------------------------------------------------------------------------------------


def test_halves_share_no_fact_and_everybody_is_in_both(target: Target) -> None:
    taught, asked = halves(target.items, 0)
    assert len(taught) == len(asked) == 4
    assert {item.subject for item in taught} == {item.subject for item in asked} == {"p01", "p02"}
    about = [{(item.subject, item.attribute) for item in half} for half in (taught, asked)]
    assert not about[0] & about[1]
    assert halves(target.items[::-1], 0)[0] != [] and {i.id for i in halves(target.items[::-1], 0)[0]} == {
        i.id for i in taught
    }


def test_vectors_of_words_are_those_words(target: Target) -> None:
    """Free vectors that are those of two words do what the words themselves would do in their place."""
    _, row = read(target)
    encoder = SoftEncoder(target.encoder, 2, [row])
    item = next(item for item in target.items if item.image is not None)
    soft_row = encoder.encode(item.question, item.answer, item.image)
    assert soft_row.ids[1:3] == encoder.places and not set(encoder.places) & set(row.ids)
    words = _start(target.model, encoder.places, 0)
    embedding = target.model.get_input_embeddings()
    near = torch.cdist(words.detach(), embedding.weight.detach()).argmin(dim=1).tolist()
    real = replace(soft_row, ids=(soft_row.ids[0], *near, *soft_row.ids[3:]))
    with torch.no_grad(), _inserted(target.model, encoder.places, words):
        found = read_answers(target.model, target.encoder.collate([soft_row])).logits
    with torch.no_grad():
        wanted = read_answers(target.model, target.encoder.collate([real])).logits
    assert torch.allclose(found, wanted, atol=1e-4)


def test_training_makes_the_taught_half_likelier_and_the_other_half_is_asked(
    target: Target, room: Room, untouched: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room_of, "SOFT_STEPS", 8)
    _, asked = halves(target.items, room.seed)
    likely: list[float] = []
    fitting = room_of._fit

    def measured(soft: Any, model: Any, encoder: Any, items: Any, room: Any) -> None:
        rows = [encoder.encode(item.question, item.answer, item.image) for item in items if item.image is None]
        for act in (lambda: None, lambda: fitting(soft, model, encoder, items, room), lambda: None):
            act()
            with torch.no_grad():
                likely.append(float(read_answers(model, encoder.collate(rows)).means.mean()))

    monkeypatch.setattr(room_of, "_fit", measured)
    said = list(CARRIED_OUT["soft_prompt"](target, room, 4))
    assert likely[0] + 0.1 < likely[1] == likely[2]
    assert {one.item.id for one in said} == {item.id for item in asked}
    untouched()


def test_one_fact_has_no_two_halves(target: Target, room: Room) -> None:
    with pytest.raises(AttackNeeds, match="too few facts"):
        list(CARRIED_OUT["soft_prompt"](replace(target, items=target.items[:1]), room, 1))


# -- states nudged ----------------------------------------------------------------------------------------------------


def test_states_are_moved_towards_the_answer_and_no_further_than_allowed(
    target: Target, room: Room, untouched: Callable[[], None]
) -> None:
    block = blocks_of(target.model)[1]
    items = [item for item in target.items if item.image is None][:3]
    rows = [target.encoder.encode(item.question, item.answer, None) for item in items]
    batch = target.encoder.collate(rows)
    nudge = _pushed(target, rows, block, 0.5)
    with torch.no_grad(), room_of.caught([block], batch["input_ids"].shape[1]) as states:
        before = read_answers(target.model, batch).means
    with torch.no_grad(), room_of.changed([block], room_of._adding(nudge)):
        after = read_answers(target.model, batch).means
    assert bool((after > before + 0.01).all())
    lengths = nudge.norm(dim=-1) / states[0][:, : nudge.shape[1]].norm(dim=-1)
    assert float(lengths.max()) <= 0.5 + 1e-4
    for row, one in zip(rows, nudge, strict=True):
        assert float(one[row.start :].abs().sum()) == 0
    untouched()


def test_a_nudge_stands_at_its_tokens_whichever_side_is_padded() -> None:
    nudge = torch.tensor([[[1.0], [2.0], [0.0]], [[3.0], [4.0], [5.0]]])
    assert _from_the_right(nudge, [2, 3]).squeeze(-1).tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    assert _from_the_right(nudge, [2, 4]).squeeze(-1).tolist() == [[0.0, 0.0, 1.0, 2.0], [3.0, 4.0, 5.0, 0.0]]


def test_a_nudge_of_nothing_is_the_plain_answer(target: Target, room: Room, untouched: Callable[[], None]) -> None:
    plain = {one.item.id: one.text for one in CARRIED_OUT["plain"](target, room, 0)}
    assert {one.item.id: one.text for one in CARRIED_OUT["latent"](target, room, 0.0)} == plain
    moved = {one.item.id: one.text for one in CARRIED_OUT["latent"](target, room, 1.0)}
    assert moved != plain
    untouched()


def test_the_plain_question_is_the_benchmarks_own(target: Target, room: Room) -> None:
    assert plainly(target.items[0], room).question == target.items[0].question
