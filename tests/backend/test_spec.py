"""What may be asked for, and the phrase each fault is answered with."""

from typing import Any

import pytest
from pydantic import ValidationError

from backend.presets import PRESETS, UnknownPreset, fill
from backend.spec import EvaluateSpec, FinetuneSpec, ForgetRequest, Training, UnlearnSpec, faults, read_spec


@pytest.mark.parametrize(
    ("field", "value", "phrase"),
    [
        ("learning_rate", -1, "must be above 0"),
        ("learning_rate", float("nan"), "must be an ordinary number"),
        ("learning_rate", "fast", "must be a number"),
        ("steps", 0, "must be at least 1"),
        ("steps", 2.5, "must be a whole number"),
        ("adapter", "qlora", "must be one of 'lora' or 'full'"),
        ("no_such", 1, "is not a setting here"),
    ],
)
def test_a_bad_setting_has_one_clear_phrase_beside_its_own_field(field: str, value: Any, phrase: str) -> None:
    with pytest.raises(ValidationError) as caught:
        UnlearnSpec.model_validate({"training": {field: value}})
    assert faults(caught.value) == {f"training.{field}": phrase}


@pytest.mark.parametrize("name", ["", "Demo", "../demo", "two words", "-demo", "d" * 41, "demo\n"])
@pytest.mark.parametrize("kind", ["finetune", "unlearn", "evaluate"])
def test_a_benchmark_is_asked_for_by_a_plain_name(kind: str, name: str) -> None:
    assert read_spec({"kind": kind, "benchmark": "my-people_2"}).benchmark == "my-people_2"
    with pytest.raises(ValidationError) as caught:
        read_spec({"kind": kind, "benchmark": name})
    phrase = "must be up to 40 small letters, digits, - and _, a letter or digit first"
    assert faults(caught.value) == {"benchmark": phrase}


def test_a_spec_survives_the_database() -> None:
    for name in PRESETS:
        spec = fill(name, request=ForgetRequest(ratio=None, people=("p01", "p07"), modality="text"))
        assert read_spec(spec.model_dump(mode="json")) == spec
    assert read_spec(FinetuneSpec(who="retain").model_dump(mode="json")) == FinetuneSpec(who="retain")


def test_people_or_a_share_but_not_both() -> None:
    with pytest.raises(ValidationError, match="not both"):
        ForgetRequest(ratio=10, people=("p01",))
    with pytest.raises(ValidationError, match="nobody is chosen"):
        ForgetRequest(ratio=None)
    with pytest.raises(ValidationError, match="twice"):
        ForgetRequest(ratio=None, people=("p01", "p01"))


@pytest.mark.parametrize(
    ("field", "value", "phrase"),
    [
        ("samples", 129, "must be at most 128"),
        ("samples", -1, "must be at least 0"),
        ("shots", 6, "must be at most 5"),
        ("shots", -1, "must be at least 0"),
        ("seed", -1, "must be at least 0"),
    ],
)
def test_an_evaluation_draws_up_to_128_samples_and_shows_up_to_5_examples(field: str, value: int, phrase: str) -> None:
    with pytest.raises(ValidationError) as caught:
        EvaluateSpec.model_validate({field: value})
    assert faults(caught.value) == {field: phrase}


def test_an_evaluation_neither_samples_nor_judges_unless_it_is_asked_to() -> None:
    plain = read_spec({"kind": "evaluate"})
    assert isinstance(plain, EvaluateSpec) and (plain.samples, plain.judge, plain.shots) == (0, False, 0)
    full = EvaluateSpec(samples=128, seed=3, judge=True, shots=5)
    assert read_spec(full.model_dump(mode="json")) == full


def test_an_unknown_kind_and_an_unknown_method_are_named() -> None:
    with pytest.raises(ValueError, match="no kind of run called 'dream'"):
        read_spec({"kind": "dream"})
    with pytest.raises(UnknownPreset, match="no method called 'magic'; there are ga, graddiff, kl, npo"):
        fill("magic")


def test_changes_override_a_presets_defaults_and_leave_the_rest() -> None:
    spec = fill("npo", training={"steps": 7}, objective={"beta": 0.4})
    assert (spec.training.steps, spec.objective.beta, spec.objective.forget) == (7, 0.4, "npo")
    assert spec.training.learning_rate == PRESETS["npo"].training["learning_rate"]
    assert spec.training.clip == Training().clip
