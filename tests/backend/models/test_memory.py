"""Sizes and memory from a config alone, against the models themselves and against sums by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import AutoConfig, AutoModelForImageTextToText, PreTrainedConfig

from backend.models.anatomy import PARTS, parameters_of
from backend.models.answers import read_answers
from backend.models.encoding import Encoder
from backend.models.lineage import make_trainable
from backend.models.memory import estimate, held, row_tokens
from backend.models.processing import pictures_only
from backend.models.sizes import TEXT_DEFAULTS, VISION_DEFAULTS, UnknownSizes, picture_tokens, sizes
from backend.spec import Training
from tests.backend.models.families import FAMILIES

LLAVA_7B: dict[str, Any] = {
    "model_type": "llava",
    "image_token_index": 32000,
    "projector_hidden_act": "gelu",
    "text_config": {"model_type": "llama", "max_position_embeddings": 4096, "vocab_size": 32064},
    "tie_word_embeddings": False,
    "vision_config": {
        "hidden_size": 1024,
        "image_size": 336,
        "intermediate_size": 4096,
        "model_type": "clip_vision_model",
        "num_attention_heads": 16,
        "num_hidden_layers": 24,
        "patch_size": 14,
        "projection_dim": 768,
    },
    "vision_feature_layer": -2,
}
"""llava-hf/llava-1.5-7b-hf: what it leaves out has the family's default."""

QWEN_7B: dict[str, Any] = {
    "model_type": "qwen2_5_vl",
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_attention_heads": 28,
    "num_hidden_layers": 28,
    "num_key_value_heads": 4,
    "vocab_size": 152064,
    "tie_word_embeddings": False,
    "rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]},
    "vision_config": {
        "depth": 32,
        "hidden_act": "silu",
        "hidden_size": 1280,
        "intermediate_size": 3420,
        "num_heads": 16,
        "in_chans": 3,
        "out_hidden_size": 3584,
        "patch_size": 14,
        "spatial_merge_size": 2,
        "window_size": 112,
        "fullatt_block_indexes": [7, 15, 23, 31],
        "temporal_patch_size": 2,
    },
}
"""Qwen/Qwen2.5-VL-7B-Instruct, flat as it was published."""


def written(config: PreTrainedConfig) -> dict[str, Any]:
    """A config as it stands in config.json."""
    return dict(json.loads(config.to_json_string()))


def unbuilt(config: PreTrainedConfig) -> Any:
    with torch.device("meta"):
        return AutoModelForImageTextToText.from_config(config)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_part_of_every_family_is_counted_to_the_last_parameter(name: str) -> None:
    with pictures_only():
        config, _ = FAMILIES[name].make()
    model, found = unbuilt(config), sizes(written(config))
    for part in PARTS:
        counted = sum(parameter.numel() for _, parameter in parameters_of(model, (part,)))
        assert getattr(found, part).parameters == counted, part


@pytest.mark.parametrize("modules", ["language", "language+projector", "all"])
@pytest.mark.parametrize("name", FAMILIES)
def test_an_adapter_is_counted_to_the_last_parameter(name: str, modules: Any) -> None:
    with pictures_only():
        config, _ = FAMILIES[name].make()
    model = make_trainable(unbuilt(config), Training(modules=modules, lora_rank=3))
    counted = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    assert estimate(written(config), modules=modules, lora_rank=3).trained == counted


@pytest.mark.parametrize(("published", "billions"), [(LLAVA_7B, 7.06), (QWEN_7B, 8.29)], ids=["llava", "qwen2.5-vl"])
def test_published_shapes_are_counted_as_they_are(published: dict[str, Any], billions: float) -> None:
    settings = {key: value for key, value in published.items() if key != "model_type"}
    model = unbuilt(AutoConfig.for_model(published["model_type"], **settings))
    counted = sum(parameter.numel() for parameter in model.parameters())
    assert sizes(published).parameters == counted
    assert counted / 1e9 == pytest.approx(billions, abs=0.01)


def test_the_memory_of_llava_7b_worked_out_by_hand() -> None:
    whole = 7_063_427_072
    lora = estimate(LLAVA_7B, lora_rank=8, batch_size=2, sequence=640, answer=10)
    # A Llama block has 4 matrices of 4096 x 4096 and 3 of 4096 x 11008, and there are 32 blocks.
    adapter = 8 * 32 * (4 * 2 * 4096 + 3 * (4096 + 11008))
    assert lora.trained == adapter == 19_988_480
    assert lora.weights == 2 * whole + 4 * adapter
    assert (lora.gradients, lora.optimiser) == (4 * adapter, 8 * adapter)
    kept = 2 * 640 * 32 * (4 * 4096 + 4 * 4096 + 4 * 11008)
    assert lora.activations == 2 * kept + 3 * 4 * 2 * 10 * 32064
    full = estimate(LLAVA_7B, adapter="full", modules="all")
    assert full.trained == whole and (full.weights, full.gradients, full.optimiser) == (4 * whole, 4 * whole, 8 * whole)
    assert estimate(LLAVA_7B, reference_copy=True).weights - estimate(LLAVA_7B).weights == 2 * whole
    copied = estimate(LLAVA_7B, adapter="full", reference_copy=True)
    assert copied.weights == 8 * whole, "a copy of what is trained has its 32 bits"


def test_the_casts_of_llava_7b_worked_out_by_hand() -> None:
    linear = 32 * (4 * 4096 * 4096 + 3 * 4096 * 11008) + 4096 * 32064
    block, tokens = 4 * 4096 + 4 * 4096 + 4 * 11008, 2 * 640
    logits = 3 * 4 * 2 * 10 * 32064
    settings: dict[str, Any] = {"adapter": "full", "batch_size": 2, "sequence": 640, "answer": 10}
    assert estimate(LLAVA_7B, **settings).activations == 2 * tokens * 32 * block + 2 * linear + logits
    assert estimate(LLAVA_7B, **settings, weights="fp32").activations == 4 * tokens * 32 * block + logits
    inputs = 2 * tokens * 32 * 4096
    assert estimate(LLAVA_7B, **settings, checkpointing=True).activations == inputs + 2 * linear + logits
    wide = estimate(LLAVA_7B, **settings | {"batch_size": 2000}, checkpointing=True)
    assert wide.activations == 1000 * (inputs + 2 * tokens * block + logits) + 2 * linear // 32


def test_the_casts_are_what_autocast_keeps_of_a_models_weights() -> None:
    with pictures_only():
        config, processor = FAMILIES["llava"].make()
    model = make_trainable(AutoModelForImageTextToText.from_config(config), Training(adapter="full"))
    encoder = Encoder(processor)
    batch = encoder.collate([encoder.encode("Who is this person in it?", "Mira", Image.new("RGB", (40, 72)))])
    shapes = {tuple(weight.shape) for weight in model.parameters() if weight.dim() == 2}
    assert batch["input_ids"].shape[1] not in {side for shape in shapes for side in shape}
    seen: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.dtype == torch.bfloat16 and shapes & {tuple(tensor.shape), tuple(tensor.shape[::-1])}:
            seen[tensor.data_ptr()] = tensor.numel()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda one: one), torch.autocast("cpu", torch.bfloat16):
        read = read_answers(model, batch)
    assert read.logits.requires_grad
    logits = 3 * 4 * 32 * config.text_config.vocab_size
    half = estimate(written(config), adapter="full").activations - logits
    whole = estimate(written(config), adapter="full", weights="fp32").activations - logits
    assert 2 * sum(seen.values()) == half - whole / 2


def test_four_bits_are_for_linear_layers_and_checkpointing_for_activations() -> None:
    half, four = estimate(LLAVA_7B), estimate(LLAVA_7B, weights="4-bit")
    # Embedding and head, 32064 x 4096 each, stay in 16 bits; so do norms, biases and the tower's own embeddings.
    linear = 32 * (4 * 4096 * 4096 + 3 * 4096 * 11008) + 24 * (4 * 1024 * 1024 + 2 * 1024 * 4096)
    linear += 1024 * 4096 + 4096 * 4096
    assert half.weights - four.weights == pytest.approx(linear * (2 - 0.5625), rel=1e-9)
    assert estimate(LLAVA_7B, checkpointing=True).activations < half.activations / 8
    with pytest.raises(ValueError, match="4-bit weights cannot be trained"):
        estimate(LLAVA_7B, adapter="full", weights="4-bit")


@pytest.mark.parametrize("name", ["llava", "idefics2", "mllama", "gemma3", "paligemma"])
def test_a_pictures_tokens_are_as_many_as_its_processor_makes_them(name: str) -> None:
    with pictures_only():
        config, processor = FAMILIES[name].make()
    encoder = Encoder(processor)
    ids = encoder.encode("Who?", None, Image.new("RGB", (40, 72))).ids
    made = sum(one in encoder.image_tokens for one in ids)
    assert picture_tokens(written(config)) == (0 if name == "mllama" else made)
    assert made == 1 or name != "mllama", "its one token stands for a picture that is seen from outside"


def test_a_copy_of_the_start_and_a_model_that_is_only_asked() -> None:
    adapter = 8 * 32 * (4 * 2 * 4096 + 3 * (4096 + 11008))
    usual, kept = estimate(LLAVA_7B), estimate(LLAVA_7B, start_copy=True)
    assert kept.weights - usual.weights == 4 * adapter
    assert held(LLAVA_7B, "bf16") == 2 * 7_063_427_072
    assert row_tokens(LLAVA_7B) == 24 * 24 + 64


@pytest.mark.parametrize("kind", [*TEXT_DEFAULTS, *VISION_DEFAULTS])
def test_a_default_is_the_librarys_own(kind: str) -> None:
    config = AutoConfig.for_model(kind)
    if kind in VISION_DEFAULTS and hasattr(config, "vision_config"):
        config = config.vision_config
    for name, value in (TEXT_DEFAULTS.get(kind) or VISION_DEFAULTS[kind]).items():
        theirs = getattr(config, name)
        assert (list(theirs) if isinstance(theirs, tuple) else theirs) == value, name


def test_a_kind_without_a_sum_is_named() -> None:
    with pytest.raises(UnknownSizes, match="a florence2 model"):
        sizes({"model_type": "florence2"})
    with pytest.raises(UnknownSizes, match="a phi3 model"):
        sizes({"model_type": "llava", "text_config": {"model_type": "phi3"}})


def test_the_web_process_may_ask() -> None:
    code = (
        "import sys, backend.models.memory; print([m for m in ('torch', 'transformers', 'peft') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[3], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
