"""Presets of one's own: there and back unchanged, read as plain data, and a broken file harms no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.presets import (
    PRESETS,
    BadPreset,
    UnknownPreset,
    every_preset,
    fill,
    from_spec,
    parse,
    preset,
    save,
    title_of,
    to_text,
)
from backend.spec_edit import EDIT_SETTINGS, trains

GOOD = "name: pasted\nobjective:\n  forget: wga\n  wga_beta: 2\n  retain: kl\ntraining:\n  learning_rate: 1e-5\n"


@pytest.fixture(autouse=True)
def lab_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LETHE_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("name", ["npo", "graddiff:l1", "pdu", "rmu:clear", "llmu", "kl:offside"])
def test_a_preset_comes_back_as_it_went(name: str) -> None:
    spec = fill(name, "paper", training={"steps": 77, "seed": 5})
    own = from_spec("mine", spec, "Über “alles”: yes")
    assert parse(to_text(own)) == own
    save(own)
    back = fill("mine")
    used = own.objective.model_dump()
    assert back.objective.model_dump() == used
    assert back.guards == spec.guards and back.guards.active == (name == "llmu")
    assert back.training == spec.training.model_copy(update={"seed": 0}), "the seed is a run's, not a method's"


@pytest.mark.parametrize("name", ["manu", "manu:mip_editor", "task_vector", "sku:clear", "prompt"])
def test_one_that_does_more_or_less_than_minimise_comes_back_too(name: str) -> None:
    spec = fill(name, "paper", edit={"prune_samples": 7, "negation": 2.5, "instruction": "Say nothing of {people}."})
    own = from_spec("mine", spec)
    assert parse(to_text(own)) == own
    save(own)
    back, settings = fill("mine"), EDIT_SETTINGS[spec.edit.method]
    assert back.edit.method == spec.edit.method
    assert {one: getattr(back.edit, one) for one in settings} == {one: getattr(spec.edit, one) for one in settings}
    assert back.training == spec.training
    if trains(spec.edit.method):
        assert back.objective == spec.objective
    else:
        assert "objective" not in to_text(own), "it has none, so none is told"
    assert preset("mine").formula == preset(name).formula


def test_a_file_says_only_what_counts() -> None:
    text = to_text(from_spec("mine", fill("ga", objective={"beta": 3.0})))
    assert " beta:" not in text and "layer" not in text and "retain_weight" not in text
    assert text.startswith("name: mine\nbegun_from: ga\nobjective:\n  forget: ga\n  retain: none\n")


def test_what_was_typed_by_hand_is_read_as_it_is_meant(lab_home: Path) -> None:
    own = parse(GOOD)
    assert (own.objective.wga_beta, own.training.learning_rate) == (2.0, 1e-5)
    assert save(own) == lab_home / "presets" / "pasted.yaml"
    assert preset("pasted").formula == "γ · mean p^β log p on forget + α · KL(π_ref ‖ π_θ) on retain"
    assert title_of("pasted") == "pasted"
    assert [one.name for one in every_preset()[0]] == [*PRESETS, "pasted"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("name: [x\n", "this is no YAML, at line 2"),
        ("just words", "this is no preset; it begins with name:"),
        ("name: x\n", "objective is missing"),
        ("name: x\nobjective: {}\nedit:\n  method: task_vector\n", "edit what is subtracted has to be learnt first"),
        ("name: x\nedit:\n  method: wish\n", "edit.method must be one of"),
        ("name: x\nobjective: {}\nguards:\n  keep: best\n", "guards these need quick evaluations"),
        ("name: X y\nobjective: {}\n", "name must be up to 40 small letters"),
        ("name: ../../x\nobjective: {}\n", "name must be up to 40 small letters"),
        ("name: npo\nobjective: {}\n", "npo is a published method; choose another name"),
        ("name: x\nobjective:\n  forget: magic\n", "objective.forget must be one of"),
        ("name: x\nobjective:\n  beta: -1\n", "objective.beta must be above 0"),
        ("name: x\nobjective:\n  bete: 1\n", "objective.bete is not a setting here"),
        ("name: x\nobjective: {}\ntraining:\n  steps: .nan\n", "training.steps must be"),
        ("name: x\nobjective: !!python/object/apply:os.system ['echo no']\n", "this is no YAML, at line 2"),
        ("[" * 5000, "this is no YAML"),
        ("#" * 70_000, "longer than 64 kB"),
    ],
)
def test_a_text_that_is_no_preset_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(BadPreset) as refused:
        parse(text)
    assert sentence in str(refused.value) and "\n" not in str(refused.value)


def test_a_broken_file_is_told_of_and_the_rest_goes_on(lab_home: Path) -> None:
    save(parse(GOOD))
    (lab_home / "presets" / "bad.yaml").write_text("name: [", encoding="utf-8")
    (lab_home / "presets" / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    (lab_home / "presets" / "renamed.yaml").write_text(GOOD, encoding="utf-8")
    known, broken = every_preset()
    assert [one.name for one in known][-1] == "pasted" and len(known) == len(PRESETS) + 1
    assert broken == [
        "presets/bad.yaml cannot be used: this is no YAML, at line 1",
        "presets/bytes.yaml cannot be used: it cannot be read as text",
        "presets/renamed.yaml cannot be used: it calls itself pasted; a file has the name of its preset",
    ]
    with pytest.raises(BadPreset, match=r"presets/bad\.yaml cannot be used"):
        fill("bad")
    assert fill("npo").preset == "npo"


def test_a_name_that_is_taken_is_not_written_over() -> None:
    save(parse(GOOD))
    save(parse(GOOD))
    with pytest.raises(BadPreset, match="there is another preset called pasted; choose another name"):
        save(parse(GOOD.replace("wga_beta: 2", "wga_beta: 3")))
    assert fill("pasted").objective.wga_beta == 2.0


def test_an_unknown_method_is_refused_with_ones_own_among_those_there_are() -> None:
    save(parse(GOOD))
    with pytest.raises(UnknownPreset, match=r"prompt, pasted$"):
        fill("wishing")
