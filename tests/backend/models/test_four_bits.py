"""Weights in four bits: the library's settings for them, and one clear sentence where they cannot be had."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from transformers import AutoModelForImageTextToText

from backend.models import four_bits, loading
from backend.models.encoding import Encoder
from backend.models.lineage import make_trainable, trainable_summary
from backend.models.loading import ModelRefused, load
from backend.spec import Training, faults
from backend.spec_training import FOUR_BITS_NEED_LORA

CPU = torch.device("cpu")
SENTENCE = "4-bit weights need the Python package bitsandbytes; install it (pip install bitsandbytes), or choose bf16"


@pytest.fixture
def without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(four_bits, "find_spec", lambda _: None)


def test_without_bitsandbytes_one_sentence_says_so_before_anything_is_read(without_it: None) -> None:
    with pytest.raises(ModelRefused) as refused:
        load("somebody/some-model", precision="nf4", device=CPU)
    assert str(refused.value) == SENTENCE
    assert four_bits.missing("bf16") == four_bits.missing("fp32") == ""


def test_what_the_library_is_asked_for(monkeypatch: pytest.MonkeyPatch, demo_folder: Path) -> None:
    """No bitsandbytes: what is handed to the library is looked at, and a model in 16 bits comes back."""
    asked: dict[str, Any] = {}
    read = AutoModelForImageTextToText.from_pretrained

    def listening(source: str, **options: Any) -> Any:
        asked.update(options)
        return read(source, dtype=options["dtype"], use_safetensors=options["use_safetensors"])

    monkeypatch.setattr(four_bits, "find_spec", lambda _: True)
    monkeypatch.setattr(loading.AutoModelForImageTextToText, "from_pretrained", listening)
    load(demo_folder, precision="nf4", device=CPU)
    settings = asked["quantization_config"].to_dict()
    assert {name: settings[name] for name in settings if "4bit" in name} == {
        "load_in_4bit": True,
        "bnb_4bit_quant_type": "nf4",
        "bnb_4bit_compute_dtype": "bfloat16",
        "bnb_4bit_use_double_quant": False,
        "bnb_4bit_quant_storage": "uint8",
        "_load_in_4bit": True,
    }
    assert (asked["device_map"], asked["dtype"]) == ({"": CPU}, torch.bfloat16)
    asked.clear()
    load(demo_folder, precision="bf16", device=CPU)
    assert set(asked) == {"dtype", "use_safetensors"}


def test_frozen_weights_alone_may_be_in_four_bits() -> None:
    with pytest.raises(ValidationError) as refused:
        Training(adapter="full", precision="nf4")
    assert faults(refused.value) == {"precision": FOUR_BITS_NEED_LORA}
    assert [Training(precision=one).half for one in ("fp32", "bf16", "nf4")] == [False, True, True]


@pytest.mark.skipif(importlib.util.find_spec("bitsandbytes") is None, reason="bitsandbytes is no requirement")
def test_lora_learns_on_four_bits_and_off_is_the_model_as_it_was(demo_folder: Path, tmp_path: Path) -> None:
    from peft import PeftModel

    from backend.models.answers import read_answers

    loaded = load(demo_folder, precision="nf4", device=CPU)
    whole = load(demo_folder, device=CPU)
    encoder = Encoder(loaded.processor)
    batch = encoder.collate([encoder.encode("Who is this?", "Mira Laurent")])
    model = make_trainable(loaded.model, Training(modules="all", precision="nf4"))
    total = sum(parameter.numel() for parameter in whole.model.parameters())
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    assert trainable_summary(model, Training()).endswith(f"of {(total + trained) / 1e6:.2f} M parameters")

    def sums(of: Any) -> float:
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            return float(read_answers(of.eval(), batch).sums)

    before, exact = sums(model), sums(whole.model)
    assert before != exact and before == pytest.approx(exact, rel=0.2), "rounded, and still the model"
    optimiser = torch.optim.SGD([one for one in model.parameters() if one.requires_grad], lr=0.1)
    for _ in range(4):
        model.train()
        with torch.autocast("cpu", torch.bfloat16):
            (-read_answers(model, batch).sums.sum()).backward()
        optimiser.step()
        optimiser.zero_grad()
        after = sums(model)
    assert after > before
    with model.disable_adapter():
        assert sums(model) == before
    model.save_pretrained(tmp_path)
    again = PeftModel.from_pretrained(load(demo_folder, precision="nf4", device=CPU).model, str(tmp_path))
    assert sums(again) == after
