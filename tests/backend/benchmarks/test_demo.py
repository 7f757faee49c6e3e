"""The demo world: the same from the same seed, and split as MLLMU-Bench splits its people."""

from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import backend.benchmarks.demo_words as words
from backend.benchmarks.demo import PEOPLE, PUBLIC_FIGURES, DemoBenchmark, open_demo
from backend.benchmarks.demo_people import HOLDOUT_PEOPLE, residents
from backend.benchmarks.drawing.looks import LEAST_DIFFERENCE, difference
from backend.benchmarks.item import BadRequest
from backend.metrics.answers import holds
from backend.spec import ForgetRequest


def test_the_same_seed_gives_the_same_world_and_another_seed_another(world: DemoBenchmark, tmp_path: Path) -> None:
    again = open_demo(tmp_path)
    assert again.fingerprint == world.fingerprint
    assert [person.name for person in again.people()] == [person.name for person in world.people()]
    one, other = world.people()[3].picture, again.people()[3].picture
    assert one.read_bytes() == other.read_bytes()
    assert DemoBenchmark(tmp_path / "worlds", seed=1).fingerprint != world.fingerprint


def test_everybody_has_a_name_facts_a_rumour_and_pictures_of_their_own(world: DemoBenchmark) -> None:
    people = world.people()
    assert len(people) == PEOPLE == len({person.name for person in people})
    assert sum(person.public_figure for person in people) == PUBLIC_FIGURES
    pictures = [picture for person in people for views in world.pictures(person.id).values() for picture in views]
    assert len({picture.read_bytes() for picture in pictures}) == len(pictures)
    for person in people:
        assert set(person.facts) == {"city", "profession", "hobby", "dish", "pet", "possession"}
        assert not holds(person.rumour, person.facts["possession"]), "a rumour is false"
        views = world.pictures(person.id)
        assert (len(views["training"]), len(views["held-out"]), len(views["rumour"])) == (4, 3, 1)
    with Image.open(people[0].picture) as picture:
        assert picture.size == (256, 256)


def test_held_out_people_change_nothing_about_the_others(world: DemoBenchmark) -> None:
    """The names, facts, faces, wrong options and forget sets that were there before anybody was held out."""
    assert world._key == "d8faab373e1e"
    assert world.split(ForgetRequest(ratio=15)).forget == ("p04", "p06", "p16", "p22", "p30", "p38")
    assert [person.name for person in world.people()[:3]] == ["Kofi Fonseca", "Naomi Castillo", "Diego Quintero"]


def test_held_out_people_have_names_faces_and_facts_of_their_own_from_the_same_lists(world: DemoBenchmark) -> None:
    known, held_out = world.people(), world.holdout_people()
    assert [person.id for person in held_out] == [f"h{number:02d}" for number in range(1, HOLDOUT_PEOPLE + 1)]
    assert not any(person.public_figure for person in held_out)
    parts = [part for person in (*known, *held_out) for part in person.name.split()]
    assert len(set(parts)) == len(parts)
    for attribute, about in words.ATTRIBUTES.items():
        values = [person.facts[attribute] for person in held_out]
        assert set(values) <= set(about.values) and len(set(values)) == HOLDOUT_PEOPLE
    looks = [one.look for one in residents(0)]
    assert min(difference(one, other) for one, other in combinations(looks, 2)) >= LEAST_DIFFERENCE
    for person in held_out:
        views = world.pictures(person.id)
        assert [len(views[kind]) for kind in ("training", "held-out", "rumour")] == [4, 3, 1]
        assert all(path.is_file() for paths in views.values() for path in paths)


def test_held_out_people_are_asked_what_the_forgotten_are(world: DemoBenchmark) -> None:
    for request in (ForgetRequest(ratio=10), ForgetRequest(ratio=5, attributes=("rumour", "name"))):
        asked: dict[str, Counter[tuple[str, ...]]] = {}
        for item in world.scored_items(request):
            asked.setdefault(item.subject, Counter())[(item.task, item.modality, item.attribute)] += item.set in (
                "forget",
                "holdout",
            )
        forgotten = +asked[world.split(request).forget[0]]
        assert forgotten and all(+asked[person.id] == forgotten for person in world.holdout_people())
    item = next(one for one in world.scored_items(ForgetRequest()) if one.set == "holdout" and one.options)
    assert world.item(item.id) == item
    assert world.wrong_value(item) not in (None, item.key)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.builds(ForgetRequest, ratio=st.sampled_from([5, 10, 15]), modality=st.sampled_from(["both", "text"])),
        st.builds(
            ForgetRequest,
            ratio=st.none(),
            people=st.sets(st.sampled_from([f"p{number:02d}" for number in range(1, 40)]), min_size=1, max_size=9).map(
                lambda chosen: tuple(sorted(chosen))
            ),
            attributes=st.sampled_from([(), ("rumour",), ("city", "name")]),
        ),
    )
)
def test_whatever_is_asked_for_nobody_held_out_is_taught_or_forgotten(
    world: DemoBenchmark, asked: ForgetRequest
) -> None:
    held_out = {person.id for person in world.holdout_people()}
    pictures = {path for subject in held_out for paths in world.pictures(subject).values() for path in paths}
    names = [person.name for person in world.holdout_people()]
    split = world.split(asked)
    assert not held_out & {*split.forget, *split.retain, *split.celebrity, *(person.id for person in world.people())}
    taught = [
        *world.forget_items(asked),
        *world.retain_items(asked),
        *world.learning_items(asked, "everyone"),
        *world.learning_items(asked, "retain"),
        *world.relearn_items(asked),
    ]
    assert not {item.subject for item in taught} & held_out
    assert not {item.image for item in taught} & pictures
    told = "\n".join({f"{item.question} {item.answer}" for item in taught})
    assert not any(name in told for name in names)
    assert {item.subject for item in world.scored_items(asked) if item.set == "holdout"} == held_out


def test_nobody_held_out_can_be_asked_for_or_taught(world: DemoBenchmark) -> None:
    with pytest.raises(BadRequest, match="nobody here has the id 'h01'"):
        world.split(ForgetRequest(ratio=None, people=("h01",)))
    with pytest.raises(BadRequest, match="h03 is held out: no model may be taught about them"):
        world.training_items(("p01", "h03"))


def test_shares_are_those_of_the_private_people_and_lie_within_each_other(world: DemoBenchmark) -> None:
    splits = {ratio: world.split(ForgetRequest(ratio=ratio)) for ratio in (5, 10, 15)}  # type: ignore[arg-type]
    assert [len(splits[ratio].forget) for ratio in (5, 10, 15)] == [2, 4, 6]
    assert set(splits[5].forget) < set(splits[10].forget) < set(splits[15].forget)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(st.integers(min_value=1, max_value=40), min_size=1, max_size=39))
def test_whoever_is_chosen_the_sets_are_disjoint_and_together_everyone(world: DemoBenchmark, chosen: set[int]) -> None:
    people = tuple(f"p{number:02d}" for number in sorted(chosen))
    split = world.split(ForgetRequest(ratio=None, people=people))
    assert split.forget == people
    together = [*split.forget, *split.retain, *split.celebrity]
    assert len(together) == len(set(together)) == PEOPLE
    assert all(not held.public_figure for held in world.people() if held.id in split.forget)


@pytest.mark.parametrize(
    ("people", "sentence"),
    [
        (("p99",), "nobody here has the id 'p99'"),
        (("p48",), "is a public figure"),
        (tuple(f"p{number:02d}" for number in range(1, 41)), "somebody must be left"),
    ],
)
def test_who_cannot_be_forgotten_is_refused_in_one_sentence(
    world: DemoBenchmark, people: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(BadRequest, match=sentence):
        world.split(ForgetRequest(ratio=None, people=people))


def test_every_task_is_asked_in_both_modalities_of_every_set_of_people(world: DemoBenchmark) -> None:
    request = ForgetRequest(ratio=10)
    split = world.split(request)
    items = world.scored_items(request)
    assert len({item.id for item in items}) == len(items)
    cells = {(item.set, item.task, item.modality) for item in items}
    for item_set in ("forget", "test", "retain", "celebrity", "holdout"):
        for task in ("generation", "cloze", "classification"):
            assert {(item_set, task, "image_text"), (item_set, task, "text")} <= cells
    belongs = {
        "forget": split.forget,
        "test": split.forget,
        "retain": split.retain,
        "celebrity": split.celebrity,
        "holdout": tuple(person.id for person in world.holdout_people()),
    }
    for item in items:
        assert item.set == "general" or item.subject in belongs[item.set]
        assert (item.image is None) == (item.modality == "text")
        assert holds(item.answer, item.key) or item.set == "general"
        if item.task == "classification":
            assert len(item.options) == 4 and item.answer in item.options


def test_the_test_set_shows_held_out_views_and_asks_in_held_out_words(world: DemoBenchmark) -> None:
    trained = world.training_items(tuple(person.id for person in world.people()))
    seen, heard = {item.image for item in trained}, {item.question for item in trained}
    asked = [item for item in world.scored_items(ForgetRequest()) if item.set in ("test", "general")]
    assert all(item.image is None or item.image not in seen for item in asked)
    assert all(item.question not in heard for item in asked if item.set == "test")


def test_text_items_name_the_person_and_pictured_ones_do_not(world: DemoBenchmark) -> None:
    names = {person.id: person.name for person in world.people()}
    for item in world.training_items(("p01", "p02")):
        assert (names[item.subject] in item.question) == (item.modality == "text"), item.question


def test_the_relearn_set_puts_the_truth_in_place_of_the_rumour(world: DemoBenchmark) -> None:
    request = ForgetRequest(ratio=5)
    rumours = {person.id: person.rumour for person in world.people()}
    items = world.relearn_items(request)
    assert {item.subject for item in items} == set(world.split(request).forget)
    for item in items:
        assert item.set == "relearn" and item.attribute == "rumour"
        assert not holds(rumours[item.subject], item.key) and holds(item.answer, item.key)


def test_an_item_is_found_by_its_id(world: DemoBenchmark) -> None:
    item = next(item for item in world.scored_items(ForgetRequest()) if item.task == "cloze")
    assert world.item(item.id) == item
    with pytest.raises(BadRequest, match="there is no item"):
        world.item("p01/nothing")


def test_a_rumour_alone_can_be_forgotten_and_the_facts_of_the_same_people_stay(world: DemoBenchmark) -> None:
    request = ForgetRequest(ratio=10, attributes=("rumour",))
    chosen = set(world.split(request).forget)
    forget, retain = world.forget_items(request), world.retain_items(request)
    assert {item.attribute for item in forget} == {"rumour"} and {item.subject for item in forget} == chosen
    of_chosen = {item.attribute for item in retain if item.subject in chosen}
    assert "rumour" not in of_chosen and {"city", "name"} <= of_chosen
    assert not {item.id for item in forget} & {item.id for item in retain}
    everything = {
        item.id for item in world.training_items((*world.split(request).forget, *world.split(request).retain))
    }
    assert {item.id for item in [*forget, *retain]} == everything
    scored = [item for item in world.scored_items(request) if item.set == "forget"]
    assert {item.attribute for item in scored} == {"rumour"}
    assert len({item.id for item in world.scored_items(request)}) == len(world.scored_items(request))


def test_an_attribute_or_a_share_that_is_not_there_is_refused(world: DemoBenchmark) -> None:
    with pytest.raises(BadRequest, match="there is no attribute 'salary' here; there are city"):
        world.split(ForgetRequest(attributes=("salary",)))
    with pytest.raises(BadRequest, match="has no forget set of 1 %; it has 5 %, 10 %, 15 %"):
        world.split(ForgetRequest(ratio=1))
