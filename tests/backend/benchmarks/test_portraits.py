"""Portraits: the same person every time, nobody's double, and captions that stay where they belong."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import combinations

import pytest
from PIL import ImageChops

from backend.benchmarks.drawing import looks
from backend.benchmarks.portraits import (
    HELD_OUT_VIEWS,
    LEAST_DIFFERENCE,
    LOUD_FEATURES,
    TRAINING_VIEWS,
    Look,
    View,
    background_colour,
    caption_top,
    difference,
    distinct_looks,
    draw,
    random_look,
)

PLAIN = Look(
    skin="fair",
    face_shape="oval",
    hair_style="short",
    hair_colour="black",
    eye_colour="blue",
    eye_style="round",
    brows="straight",
    nose="button",
    mouth="smile",
    beard="none",
    glasses="none",
    earrings=False,
    freckles=False,
    hat="none",
    shirt_colour="red",
    shirt_style="plain",
    accent_colour="yellow",
)
GALLERY = TRAINING_VIEWS[0]


def changed_box(one: Look, other: Look) -> tuple[int, int, int, int] | None:
    """The rectangle (left, top, right, bottom) in which two people's gallery portraits differ."""
    return ImageChops.difference(draw(one, GALLERY), draw(other, GALLERY)).getbbox()


def test_the_same_inputs_give_the_same_bytes() -> None:
    first, second = distinct_looks(3, seed=4), distinct_looks(3, seed=4)
    assert first == second
    for view in TRAINING_VIEWS + HELD_OUT_VIEWS:
        one = draw(first[2], view, background_seed=5, caption="A rumour")
        other = draw(second[2], view, background_seed=5, caption="A rumour")
        assert one.tobytes() == other.tobytes()


def test_another_seed_gives_other_people() -> None:
    assert not set(distinct_looks(10, seed=0)) & set(distinct_looks(10, seed=1))


def test_any_two_of_sixty_people_differ_in_three_loud_features() -> None:
    people = distinct_looks(60, seed=0)
    assert len(people) == 60
    for one, other in combinations(people, 2):
        assert difference(one, other) >= 3
        assert sum(getattr(one, name) != getattr(other, name) for name in LOUD_FEATURES) >= 3


def test_any_two_of_sixty_people_look_different_at_64_pixels() -> None:
    pictures = [draw(look, GALLERY, size=64).tobytes() for look in distinct_looks(60, seed=1)]
    for one, other in combinations(pictures, 2):
        far_apart = sum(abs(a - b) > 40 for a, b in zip(one, other, strict=True))
        assert far_apart > len(one) * 0.05


def test_the_first_people_stay_when_more_are_asked_for() -> None:
    assert distinct_looks(12, seed=2)[:5] == distinct_looks(5, seed=2)


def test_difference_counts_loud_features_only() -> None:
    assert difference(PLAIN, replace(PLAIN, mouth="grin", freckles=True)) == 0
    assert difference(PLAIN, replace(PLAIN, glasses="round", skin="tan", hat="beanie")) == 3


def test_hair_that_cannot_be_seen_tells_nobody_apart() -> None:
    bald = replace(PLAIN, hair_style="bald")
    covered = replace(PLAIN, hat="headscarf")
    assert not bald.hair_shows and not covered.hair_shows and PLAIN.hair_shows
    assert difference(bald, replace(bald, hair_colour="pink")) == 0
    assert difference(covered, replace(covered, hair_style="long", hair_colour="pink")) == 0


def test_a_new_look_keeps_its_distance_from_those_taken() -> None:
    taken = {PLAIN, *distinct_looks(20, seed=3)}
    look = random_look(random.Random(0), taken)
    assert min(difference(look, other) for other in taken) >= LEAST_DIFFERENCE


def test_no_look_is_left_when_every_candidate_is_too_near(monkeypatch: pytest.MonkeyPatch) -> None:
    neighbour = replace(PLAIN, glasses="round", skin="tan")
    monkeypatch.setattr(looks, "_any_look", lambda rng: neighbour)
    with pytest.raises(ValueError, match="ask for fewer people"):
        random_look(random.Random(0), [PLAIN])


def test_held_out_views_differ_from_every_training_view() -> None:
    assert (len(TRAINING_VIEWS), len(HELD_OUT_VIEWS)) == (4, 3)
    assert len({view.name for view in TRAINING_VIEWS + HELD_OUT_VIEWS}) == 7
    for held_out in HELD_OUT_VIEWS:
        for trained in TRAINING_VIEWS:
            assert held_out.turn != trained.turn
            assert held_out.tilt != trained.tilt
            assert draw(PLAIN, held_out).tobytes() != draw(PLAIN, trained).tobytes()


def test_held_out_views_stay_within_the_range_of_the_training_views() -> None:
    for feature, slack in (("turn", 0.0), ("brightness", 0.01), ("zoom", 0.0)):
        trained = [getattr(view, feature) for view in TRAINING_VIEWS]
        for view in HELD_OUT_VIEWS:
            assert min(trained) - slack <= getattr(view, feature) <= max(trained) + slack


def test_the_gallery_portrait_is_frontal_on_the_persons_own_colour() -> None:
    assert (GALLERY.turn, GALLERY.tilt, GALLERY.background) == (0, 0, "plain")
    colours = {seed: background_colour(GALLERY, seed) for seed in range(30)}
    assert len(set(colours.values())) >= 5
    for seed, other in combinations(range(6), 2):
        same_pixel = draw(PLAIN, GALLERY, background_seed=seed).getpixel((4, 4)) == draw(
            PLAIN, GALLERY, background_seed=other
        ).getpixel((4, 4))
        assert same_pixel == (colours[seed] == colours[other])


def test_the_shirt_shows_its_named_colour() -> None:
    assert draw(PLAIN, GALLERY).getpixel((128, 250)) == (208, 58, 58)
    assert draw(replace(PLAIN, shirt_colour="blue"), GALLERY).getpixel((128, 250)) == (52, 104, 196)


def test_brightness_and_warmth_change_the_light() -> None:
    dark = draw(PLAIN, View("gallery", brightness=0.5)).getpixel((128, 250))
    warm = draw(PLAIN, View("gallery", warmth=1.0)).getpixel((128, 250))
    assert dark == (104, 29, 29)
    assert warm == (220, 58, 52)  # 208 * 1.06 and 58 * 0.89


@pytest.mark.parametrize(
    ("feature", "value", "region"),
    [
        ("glasses", "square", (60, 80, 196, 150)),
        ("beard", "full", (60, 100, 196, 200)),
        ("hair_colour", "pink", (60, 20, 196, 150)),
        ("shirt_colour", "teal", (20, 180, 236, 256)),
        ("earrings", True, (60, 120, 196, 160)),
        ("hat", "beanie", (50, 0, 206, 125)),
        ("mouth", "laugh", (90, 130, 166, 190)),
    ],
)
def test_a_feature_changes_the_picture_where_it_is_worn(
    feature: str, value: str | bool, region: tuple[int, int, int, int]
) -> None:
    box = changed_box(PLAIN, replace(PLAIN, **{feature: value}))  # type: ignore[arg-type]
    assert box is not None
    assert box[0] >= region[0] and box[1] >= region[1] and box[2] <= region[2] and box[3] <= region[3]


@pytest.mark.parametrize("size", [64, 128, 256])
@pytest.mark.parametrize(
    "caption", ["Pilot", "Ingrid Santoro was born in Lima and works there as a pilot of small planes."]
)
def test_a_caption_changes_only_its_banner(size: int, caption: str) -> None:
    bare, captioned = draw(PLAIN, GALLERY, size=size), draw(PLAIN, GALLERY, size=size, caption=caption)
    box = ImageChops.difference(bare, captioned).getbbox()
    assert box is not None
    assert box[1] >= caption_top(size)
    assert (box[0], box[2], box[3]) == (0, size, size)


def test_two_captions_print_two_pictures() -> None:
    assert draw(PLAIN, GALLERY, caption="Pilot").tobytes() != draw(PLAIN, GALLERY, caption="Baker").tobytes()


@pytest.mark.parametrize("size", [16, 64, 255])
def test_a_portrait_has_the_size_that_was_asked_for(size: int) -> None:
    picture = draw(PLAIN, GALLERY, size=size)
    assert (picture.mode, picture.size) == ("RGB", (size, size))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"caption": "  "}, "The caption is blank"),
        ({"caption": "word " * 200}, "does not fit into the picture; shorten it"),
        ({"caption": "w" * 80}, "does not fit into the picture; shorten it"),
        ({"size": 8}, "too small to show a face"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_a_sentence(arguments: dict[str, str | int], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        draw(PLAIN, GALLERY, **arguments)  # type: ignore[arg-type]


def test_an_unknown_background_is_refused() -> None:
    with pytest.raises(ValueError, match="choose one of plain, two-tone"):
        draw(PLAIN, View("odd", background="stars"))
