"""Whose turn it is, PDU's multiplier, and which settings mean something."""

from typing import Any

import pytest
from pydantic import ValidationError

from backend.objectives.forget import FORGET_TERMS
from backend.objectives.regularisers import REGULARISERS
from backend.objectives.retain import RETAIN_TERMS
from backend.objectives.schedule import Dual, Turns
from backend.spec import Training, UnlearnSpec, faults
from backend.spec_edit import EDIT_SETTINGS, WITHOUT_TRAINING, Edit
from backend.spec_objective import ALWAYS, SETTINGS_OF, Objective, settings_in_use

LEARNT = {"edit": {"method": "task_vector"}, "objective": {"forget": "learn", "retain": "none"}}


def letters(turns: Turns, steps: int) -> str:
    return " ".join("".join(sorted(name[0] for name in turns.at(step))) for step in range(steps))


@pytest.mark.parametrize(
    ("settings", "order"),
    [
        ({"schedule": "joint"}, "fr fr fr fr fr fr"),
        ({"schedule": "alternate"}, "f r f r f r"),
        ({"schedule": "every_k", "every": 3}, "f r r f r r"),
        # 5 items are 3 steps of 2, 3 items are 2
        ({"schedule": "sequential"}, "f f f r r f f f r r"),
        ({"forget": "none"}, "r r r"),
        ({"retain": "none"}, "f f f"),
    ],
)
def test_turns_go_by_the_step_alone(settings: dict[str, Any], order: str) -> None:
    turns = Turns.of(Objective(**settings), forget_items=5, retain_items=3, samples_per_step=2)
    assert letters(turns, len(order.split())) == order


def test_the_multiplier_follows_the_retain_loss_and_never_falls_below_nothing() -> None:
    dual = Dual(Objective(forget="pdu", retain_weight=2, pdu_epsilon=0.5, pdu_rate=4, pdu_warmup=0.25), steps=4)
    seen = []
    for step, retain_loss in enumerate([9.0, 1.0, 0.25, 0.0, 0.0], start=1):
        dual.follow(step, retain_loss)
        seen.append(dual.value)
    # warm-up; + 4 · 0.5; − 4 · 0.25; − 2; − 2, but not below 0
    assert seen == [2.0, 4.0, 3.0, 1.0, 0.0]


def test_every_setting_belongs_to_a_term_and_every_term_has_its_settings() -> None:
    fields = set(Objective.model_fields)
    used = {name for group in SETTINGS_OF.values() for settings in group.values() for name in settings}
    assert used | ALWAYS | {"schedule", "mask"} == fields
    assert set(SETTINGS_OF["forget"]) == {"none", *FORGET_TERMS}
    assert set(SETTINGS_OF["retain"]) == {"none", *RETAIN_TERMS}
    assert set(SETTINGS_OF["regulariser"]) == {"none", *REGULARISERS}
    for group, choices in SETTINGS_OF.items():
        for choice in choices:
            allowed = Objective.model_json_schema()["properties"][group]["enum"]
            assert choice in allowed and len(choices) == len(allowed)


@pytest.mark.parametrize(
    ("chosen", "shown", "hidden"),
    [
        ({}, {"beta", "retain_weight", "schedule"}, {"layer", "every", "regulariser_weight", "simnpo_beta"}),
        ({"forget": "rmu", "retain": "hidden"}, {"layer", "rmu_scale"}, {"beta"}),
        ({"forget": "none"}, {"retain_weight"}, {"forget_weight", "schedule", "mask"}),
        ({"mask": "mmunlearner"}, {"mask", "mask_threshold", "mask_samples"}, {"mask_share"}),
        ({"mask": "salun"}, {"mask_share", "mask_batch"}, {"mask_threshold"}),
        ({"schedule": "every_k", "regulariser": "l2_start"}, {"every", "regulariser_weight"}, set()),
    ],
)
def test_settings_in_use_are_those_of_what_is_chosen(chosen: dict[str, str], shown: set[str], hidden: set[str]) -> None:
    used = settings_in_use(Objective(**chosen).model_dump())
    assert shown <= used and not hidden & used


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"forget": "none", "retain_weight": 0}, "nothing would be trained"),
        ({"retain": "none", "schedule": "alternate"}, "turns need both"),
        ({"forget": "pdu", "retain": "kl"}, "PDU bounds the retain loss"),
        ({"forget": "none", "mask": "salun"}, "a mask needs a forget term"),
    ],
)
def test_what_does_nothing_cannot_be_asked_for(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        Objective(**settings)


def test_l1_on_lora_without_lora_is_a_fault_of_the_training() -> None:
    with pytest.raises(ValidationError) as caught:
        UnlearnSpec(objective=Objective(regulariser="l1_lora"), training=Training(adapter="full"))
    assert faults(caught.value) == {
        "training": "l1 on the LoRA weights needs LoRA; train LoRA, or choose the distance from the start"
    }


@pytest.mark.parametrize("mask", ["mmunlearner", "salun"])
def test_a_mask_with_lora_is_refused_in_one_sentence(mask: str) -> None:
    with pytest.raises(ValidationError) as caught:
        UnlearnSpec(objective=Objective(mask=mask), training=Training(adapter="lora"))
    assert faults(caught.value) == {
        "training": "a mask is over the model's own weights; train all weights, or choose no mask"
    }


@pytest.mark.parametrize("mask", ["mmunlearner", "salun"])
def test_weight_decay_would_move_what_a_mask_closes_and_is_refused(mask: str) -> None:
    settings = {"adapter": "full", "weight_decay": 0.01}
    with pytest.raises(ValidationError) as caught:
        UnlearnSpec(objective=Objective(mask=mask), training=Training(**settings))
    assert faults(caught.value) == {
        "training": "weight decay moves the weights that a mask is to keep still; "
        "set weight decay to 0, or choose no mask"
    }
    UnlearnSpec(objective=Objective(mask=mask), training=Training(**settings | {"weight_decay": 0.0}))
    UnlearnSpec(objective=Objective(), training=Training(**settings))


@pytest.mark.parametrize(
    ("settings", "place", "sentence"),
    [
        ({**LEARNT, "training": {"adapter": "full"}}, "training", "kept as an adapter"),
        ({"edit": {"method": "manu"}, "objective": {"mask": "salun"}}, "edit", "this method has none"),
        ({"edit": {"method": "manu"}, "training": {"precision": "nf4"}}, "training", "MANU cuts rows out of weights"),
        ({"edit": {"method": "task_vector"}}, "edit", "has to be learnt first; choose learn or sku"),
        ({"objective": LEARNT["objective"]}, "edit", "teach what is then subtracted"),
        ({"objective": {"retain": "kl_away"}}, "edit", "teach what is then subtracted"),
        ({"edit": {"method": "prompt"}, "guards": {"forget_loss_above": 5}}, "guards", "trains nothing"),
    ],
)
def test_an_edit_that_would_ignore_a_setting_is_refused(settings: dict[str, Any], place: str, sentence: str) -> None:
    with pytest.raises(ValidationError) as caught:
        UnlearnSpec.model_validate(settings)
    assert sentence in faults(caught.value)[place]


def test_every_setting_of_an_edit_belongs_to_a_method() -> None:
    assert {name for settings in EDIT_SETTINGS.values() for name in settings} | {"method"} == set(Edit.model_fields)
    assert set(WITHOUT_TRAINING) | {"none", "task_vector"} == set(EDIT_SETTINGS)
    assert {name for settings in WITHOUT_TRAINING.values() for name in settings} <= set(Training.model_fields)
    assert list(EDIT_SETTINGS) == Edit.model_json_schema()["properties"]["method"]["enum"]
