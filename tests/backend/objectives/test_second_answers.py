"""Second answers: what stands in the place of the truth, and that the seed alone decides."""

from dataclasses import replace

import pytest

from backend.benchmarks.demo import DemoBenchmark
from backend.benchmarks.item import Item
from backend.objectives.refusals import REFUSALS
from backend.objectives.second_answers import second_answers
from backend.objectives.seen import ObjectiveRefused


@pytest.fixture
def sets(world: DemoBenchmark) -> tuple[list[Item], list[Item]]:
    return world.training_items(("p01", "p02")), world.training_items(("p03", "p04"))


def test_there_are_at_least_twenty_refusals_and_none_stands_twice() -> None:
    assert len(set(REFUSALS)) == len(REFUSALS) >= 20


def test_a_refusal_is_drawn_for_each_item_from_the_seed(world: DemoBenchmark, sets: tuple) -> None:
    one, again, other = (second_answers("refusal", *sets, world, count=1, seed=seed) for seed in (0, 0, 1))
    assert one == again != other
    assert {item.answer for item in one} == set(REFUSALS), "over two people's items each is drawn"
    assert [replace(item, answer="") for item in one] == [replace(item, answer="") for item in sets[0]]


def test_an_alternate_is_of_the_same_kind_and_never_the_truth(world: DemoBenchmark, sets: tuple) -> None:
    found = second_answers("alternate", *sets, world, count=1, seed=0)
    for true, item in zip(sets[0], found, strict=True):
        assert item.answer != true.answer and true.key not in item.answer.split(".")[0].split(" born in ")[-1:]
    city = next(item for item in found if item.attribute == "city" and item.task == "generation")
    assert city.answer in city.perturbed


def test_an_alternate_without_perturbed_answers_carries_a_wrong_value(world: DemoBenchmark, sets: tuple) -> None:
    city = next(item for item in sets[0] if item.attribute == "city" and item.task == "generation")
    [found] = second_answers("alternate", [replace(city, perturbed=())], sets[1], world, count=1, seed=0)
    assert found.answer == city.answer.replace(city.key, str(world.wrong_value(city)))


def test_a_name_is_replaced_by_somebody_elses(world: DemoBenchmark, sets: tuple) -> None:
    names = [item for item in sets[0] if item.task == "name"]
    found = second_answers("alternate", names, sets[1], world, count=1, seed=0)
    known = {item.answer for item in (*names, *sets[1]) if item.task == "name"}
    for true, item in zip(names, found, strict=True):
        assert item.answer in known - {true.answer}


def test_an_item_without_any_other_answer_is_refused(world: DemoBenchmark, sets: tuple) -> None:
    name = next(item for item in sets[0] if item.task == "name")
    with pytest.raises(ObjectiveRefused, match="choose IDK or DPO instead"):
        second_answers("alternate", [name], [], world, count=1, seed=0)


def test_mismatched_answers_are_other_peoples_and_different_ones(world: DemoBenchmark, sets: tuple) -> None:
    found = second_answers("mismatch", *sets, world, count=3, seed=0)
    assert len(found) == 3 * len(sets[0])
    theirs = {item.answer for item in sets[1]}
    for at, true in enumerate(sets[0]):
        three = found[3 * at : 3 * at + 3]
        assert {item.id for item in three} == {true.id}
        assert len({item.answer for item in three}) == 3 and {item.answer for item in three} <= theirs


def test_nobody_else_to_take_answers_from_is_refused(world: DemoBenchmark) -> None:
    alone = world.training_items(("p01",))
    with pytest.raises(ObjectiveRefused, match="nobody else"):
        second_answers("mismatch", alone, [], world, count=2, seed=0)
