"""A preset filled in: what is changed is changed, the rest is the method's, and nonsense is a fault of its field."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from pydantic import ValidationError

from backend.presets import PRESETS, Recipe, UnknownPreset, fill, known_as, preset, split_name, steps_of, title_of
from backend.spec import Training, faults, read_spec
from backend.spec_edit import trains
from backend.spec_objective import ForgetTerm, Objective, RetainTerm

EVERY = [f"{name}:{variant}" if variant else name for name, one in PRESETS.items() for variant in ("", *one.variants)]


def test_a_change_within_a_group_leaves_the_rest_of_the_group_to_the_preset() -> None:
    spec = fill("graddiff", training={"steps": 7}, objective={"forget_weight": 2.0})
    assert (spec.training.steps, spec.training.batch_size) == (7, PRESETS["graddiff"].training["batch_size"])
    assert (spec.objective.forget_weight, spec.objective.retain_weight) == (2.0, 3.0)


@pytest.mark.parametrize(
    ("changes", "place"),
    [({"objective": None}, "objective"), ({"training": 5}, "training"), ({"name": "x"}, "name")],
)
def test_a_change_of_the_wrong_shape_is_a_fault_of_its_field(changes: dict[str, Any], place: str) -> None:
    with pytest.raises(ValidationError) as refused:
        fill("npo", **changes)
    assert list(faults(refused.value)) == [place]


def test_a_method_that_nobody_published_is_refused_with_those_there_are() -> None:
    with pytest.raises(UnknownPreset, match="'wishing'; there are ga, graddiff"):
        fill("wishing")
    with pytest.raises(UnknownPreset, match="npo has no variant 'ours'; there are mllmu, mmunlearner, offside, clear"):
        fill("npo:ours")
    with pytest.raises(UnknownPreset, match="simnpo has no variant 'clear'; it has none"):
        fill("simnpo:clear")


@pytest.mark.parametrize("settings", ["demo", "paper"])
@pytest.mark.parametrize("name", EVERY)
def test_every_method_and_variant_fills_a_valid_spec_with_either_settings(name: str, settings: Any) -> None:
    spec = fill(name, settings)
    assert spec.preset == name and read_spec(spec.model_dump(mode="json")) == spec
    method, variant = split_name(name)
    one = PRESETS[method]
    changed = one.variants[variant].objective if variant else {}
    recipe = one.recipe(variant)
    assert recipe is not None and recipe.said
    for field, value in changed.items():
        if settings == "demo" or field not in recipe.objective:
            assert getattr(spec.objective, field) == value
    if settings == "paper":
        for group in ("training", "edit", "guards"):
            told = dict(getattr(recipe, group))
            assert {key: getattr(getattr(spec, group), key) for key in told} == told
        assert not trains(spec.edit.method) or spec.training.learning_rate <= 2e-4, "no paper trains billions faster"


def test_every_forget_term_has_a_method_that_uses_it() -> None:
    objectives = [fill(name).objective for name in EVERY]
    assert {one.forget for one in objectives} == set(get_args(ForgetTerm))
    assert {one.retain for one in objectives} == set(get_args(RetainTerm))


def test_a_variant_is_what_its_paper_does() -> None:
    offside, mllmu = fill("graddiff:offside").objective, fill("graddiff:mllmu").objective
    assert (offside.forget_weight, offside.retain_weight, offside.schedule) == (0.25, 0.75, "joint")
    assert (mllmu.schedule, mllmu.labels) == ("sequential", "full")
    assert fill("graddiff:mmunlearner").objective.schedule == "every_k"
    betas = {name: fill(f"npo:{name}").objective.beta for name in PRESETS["npo"].variants}
    assert betas == {"mllmu": 0.4, "mmunlearner": 0.4, "offside": 0.9, "clear": 1.0}
    assert fill("graddiff:l1").objective.regulariser == "l1_lora"
    assert fill("rmu").objective.layer <= 2, "the demo's language model has three blocks"


@pytest.mark.parametrize(
    ("changes", "epochs", "steps"),
    [
        ({"forget": "ga", "retain": "none"}, 1, 3),  # 20 items in batches of 8
        ({"schedule": "joint"}, 5, 15),
        ({"schedule": "alternate"}, 5, 30),
        ({"schedule": "every_k", "every": 10}, 1, 30),
        ({"schedule": "sequential"}, 1, 16),  # and 100 items are 13 batches
        ({"forget": "none"}, 1, 13),
        ({}, None, None),
    ],
)
def test_epochs_become_steps_by_the_number_of_items(
    changes: dict[str, Any], epochs: float | None, steps: int | None
) -> None:
    training = Training(batch_size=4, accumulation=2)
    assert steps_of(Recipe("somebody", {}, epochs), Objective(**changes), training, 20, 100) == steps


def test_a_method_keeps_its_title_while_its_terms_are_its_own() -> None:
    for name, chosen in PRESETS.items():
        for variant in ("", *chosen.variants):
            full = f"{name}:{variant}" if variant else name
            for settings in ("demo", "paper"):
                objective = chosen.objective_of(variant, settings).model_dump()
                assert known_as(full, chosen.edit_of(variant, settings).method, objective) == title_of(full), full
    tuned = {**PRESETS["npo"].objective_of().model_dump(), "beta": 3.0, "alpha": 9.0}
    assert known_as("npo", "none", tuned) == "NPO"
    own = {**tuned, "forget": "wga", "regulariser": "l1"}
    assert known_as("npo", "none", own) == f"own: wga + {tuned['retain']} + l1"


def test_a_method_is_called_by_its_title_and_one_that_is_gone_by_its_name() -> None:
    assert title_of("npo") == "NPO"
    assert title_of("npo:offside") == "NPO · OFFSIDE"
    assert title_of("what-was-it") == "what-was-it"


def test_what_was_never_tried_on_the_demo_says_so() -> None:
    assert preset("npo").checked() and not preset("npo").checked("offside")
    assert preset("graddiff").checked("l1") not in ("", preset("graddiff").checked())
