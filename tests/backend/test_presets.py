"""A preset filled in: what is changed is changed, the rest is the method's, and nonsense is a fault of its field."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from backend.presets import PRESETS, UnknownPreset, fill
from backend.spec import faults


def test_a_change_within_a_group_leaves_the_rest_of_the_group_to_the_preset() -> None:
    spec = fill("graddiff", training={"steps": 7}, objective={"forget_weight": 2.0})
    assert (spec.training.steps, spec.training.batch_size) == (7, PRESETS["graddiff"].training["batch_size"])
    assert (spec.objective.forget_weight, spec.objective.retain_weight) == (2.0, 4.0)


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
