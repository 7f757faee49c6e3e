"""What cannot be loaded is refused in one sentence that says why."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from backend.models.loading import ModelRefused, check, load


def refusal(source: str | Path) -> str:
    with pytest.raises(ModelRefused) as refused:
        load(source, device=torch.device("cpu"))
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_missing_folder(tmp_path: Path) -> None:
    assert "there is no folder" in refusal(tmp_path / "nowhere")


def test_a_folder_without_a_config(tmp_path: Path) -> None:
    assert "no config.json" in refusal(tmp_path)


def test_only_pickled_weights(tmp_path: Path, demo_folder: Path) -> None:
    shutil.copy(demo_folder / "config.json", tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    assert "only pickled weights (pytorch_model.bin)" in refusal(tmp_path)


def test_no_weights_at_all(tmp_path: Path, demo_folder: Path) -> None:
    shutil.copy(demo_folder / "config.json", tmp_path)
    assert "no weights" in refusal(tmp_path)


def test_a_language_model_is_no_vlm(tmp_path: Path, demo_folder: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama", "architectures": ["LlamaForCausalLM"]}))
    shutil.copy(demo_folder / "model.safetensors", tmp_path)
    assert "llama model, not one that takes a picture" in refusal(tmp_path)


def test_an_unknown_architecture(tmp_path: Path, demo_folder: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "no_such_family"}))
    shutil.copy(demo_folder / "model.safetensors", tmp_path)
    assert "does not know" in refusal(tmp_path)


def test_a_broken_weights_file(tmp_path: Path, demo_folder: Path) -> None:
    shutil.copytree(demo_folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / "model.safetensors").write_bytes(b"not safetensors at all")
    assert "cannot be loaded" in refusal(tmp_path)


def test_a_hub_id_while_offline() -> None:
    with pytest.raises(ModelRefused, match=r"was not found|is set"):
        check("somebody/some-model")


def test_something_that_is_neither() -> None:
    with pytest.raises(ModelRefused, match=r"neither a folder nor a hub id|was not found"):
        check("a b c/d e/f")
