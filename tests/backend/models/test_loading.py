"""What cannot be loaded is refused in one sentence that says why."""

import json
import shutil
from pathlib import Path

import httpx
import pytest
import torch
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError
from transformers import Qwen2Config
from transformers.utils import hub

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
    assert "has the model type no_such_family, which this version of transformers does not know" in refusal(tmp_path)


def test_a_config_without_a_model_type(tmp_path: Path, demo_folder: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"hidden_size": 8}))
    shutil.copy(demo_folder / "model.safetensors", tmp_path)
    assert "names no model type" in refusal(tmp_path)


def test_code_of_its_own_is_never_run(tmp_path: Path, demo_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("nobody is there to be asked"))
    config = {
        "model_type": "internvl_chat",
        "auto_map": {"AutoConfig": "configuration_internvl_chat.InternVLChatConfig"},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "configuration_internvl_chat.py").write_text("raise SystemExit('this was run')")
    shutil.copy(demo_folder / "model.safetensors", tmp_path)
    assert "needs program code of its own from the hub, which is never run here" in refusal(tmp_path)


def test_a_processor_that_does_not_fit(tmp_path: Path, demo_folder: Path) -> None:
    shutil.copytree(demo_folder, tmp_path, dirs_exist_ok=True)
    settings = json.loads((tmp_path / "processor_config.json").read_text())
    (tmp_path / "processor_config.json").write_text(json.dumps(settings | {"processor_class": "InternVLProcessor"}))
    assert refusal(tmp_path).startswith(f"the processor of {tmp_path} cannot be loaded")


def hub_that_says(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """No network: what the hub's client would raise is raised in its place, behind transformers' own handling."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)

    def asked(*_: object, **__: object) -> None:
        raise error

    for name in ("hf_hub_download", "snapshot_download"):
        monkeypatch.setattr(hub, name, asked)


def answered(status: int) -> httpx.Response:
    return httpx.Response(status, request=httpx.Request("GET", "https://hub.invalid/config.json"))


def test_a_gated_model_without_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    hub_that_says(monkeypatch, GatedRepoError("gated", response=answered(403)))
    assert refusal("meta-llama/Llama-3.2-11B-Vision-Instruct") == (
        "meta-llama/Llama-3.2-11B-Vision-Instruct is gated: accept its terms on the hub and set HF_TOKEN"
    )


def test_a_model_the_hub_does_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    hub_that_says(monkeypatch, RepositoryNotFoundError("nothing", response=answered(404)))
    assert "the hub has no model called somebody/nothing, or it is private" in refusal("somebody/nothing")


def test_a_hub_id_that_is_no_vision_language_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "backend.models.loading.PreTrainedConfig.get_config_dict", lambda *_, **__: ({"model_type": "qwen2"}, {})
    )
    monkeypatch.setattr("backend.models.loading.AutoConfig.from_pretrained", lambda *_: Qwen2Config())
    assert refusal("Qwen/Qwen2.5-7B") == "Qwen/Qwen2.5-7B is a qwen2 model, not one that takes a picture and text"


def test_a_hub_id_with_pickled_weights_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_safetensors(*_: object, **__: object) -> None:
        raise OSError("liuhaotian/llava does not appear to have a file named model.safetensors")

    monkeypatch.setattr("backend.models.loading.check", lambda _: None)
    monkeypatch.setattr("backend.models.loading.AutoModelForImageTextToText.from_pretrained", no_safetensors)
    assert "has no safetensors weights; pickled ones can run code" in refusal("liuhaotian/llava")


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
