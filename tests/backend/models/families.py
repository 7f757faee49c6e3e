"""A tiny model of every family the papers use, with random weights and its own processor, as an ordinary folder.

Shapes, tokens and chat templates are the published ones in small: the image token, how many of it a picture takes and
what stands around, who opens and who closes a turn. No hub is asked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    Gemma3Config,
    Gemma3ImageProcessorPil,
    Gemma3Processor,
    Gemma3TextConfig,
    GemmaConfig,
    GotOcr2ImageProcessorPil,
    Idefics2Config,
    Idefics2ImageProcessorPil,
    Idefics2Processor,
    Idefics3Config,
    Idefics3ImageProcessorPil,
    Idefics3Processor,
    InternVLConfig,
    InternVLProcessor,
    InternVLVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaNextConfig,
    LlavaNextImageProcessorPil,
    LlavaNextProcessor,
    LlavaProcessor,
    MistralConfig,
    MllamaConfig,
    MllamaImageProcessorPil,
    MllamaProcessor,
    PaliGemmaConfig,
    PaliGemmaProcessor,
    PreTrainedConfig,
    Qwen2_5_VLConfig,
    Qwen2_5_VLProcessor,
    Qwen2Config,
    Qwen2VLConfig,
    Qwen2VLImageProcessorPil,
    Qwen2VLProcessor,
    Qwen3VLConfig,
    Qwen3VLProcessor,
    SiglipImageProcessorPil,
    SiglipVisionConfig,
    SmolVLMConfig,
    SmolVLMImageProcessorPil,
    SmolVLMProcessor,
)

from backend.models.processing import NoVideo, pictures_only
from tests.backend.models import family_templates as templates
from tests.backend.models.family_parts import IMAGE, PATCH, TEXT, VISION, WIDTH, tokenizer, tokens_of

SQUARE = {"height": IMAGE, "width": IMAGE}
PATCHES = (IMAGE // PATCH) ** 2


@dataclass(frozen=True)
class Family:
    """`make` gives config and processor; `projector` is where the published model keeps it; `exact` is whether what was
    read once can be gone on from."""

    make: Callable[[], tuple[PreTrainedConfig, Any]]
    projector: tuple[str, ...]
    exact: bool
    turn_ends: str | None = None  # where it is not the tokenizer's own end token


def write(family: Family, folder: Path) -> Path:
    """The family's tiny model as a folder. The weights are large, so that every part is felt in the logits."""
    from transformers import AutoModelForImageTextToText

    with pictures_only():
        config, processor = family.make()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model: Any = AutoModelForImageTextToText.from_config(config)
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.data.normal_(std=0.2)
            elif parameter.numel() == 1:
                parameter.data.fill_(0.5)  # the gates of cross-attention, closed in a new model
    ends = [processor.tokenizer.eos_token, *([family.turn_ends] if family.turn_ends else [])]
    model.generation_config.eos_token_id = processor.tokenizer.convert_tokens_to_ids(ends)
    model.generation_config.pad_token_id = processor.tokenizer.pad_token_id
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


# -- LLaVA ------------------------------------------------------------------------------------------------------------


def _clip() -> CLIPVisionConfig:
    return CLIPVisionConfig(**VISION, num_hidden_layers=2, image_size=IMAGE, patch_size=PATCH, projection_dim=32)


def llava() -> tuple[PreTrainedConfig, Any]:
    words = tokenizer(("<unk>", "<image>"), begin="<s>", end="</s>", pad="<pad>", opens=True)
    config = LlavaConfig(
        vision_config=_clip(),
        text_config=LlamaConfig(**TEXT, **tokens_of(words)),
        image_token_index=words.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-2,
        vision_feature_select_strategy="default",
        image_seq_length=PATCHES,
        tie_word_embeddings=False,
    )
    processor = LlavaProcessor(
        image_processor=CLIPImageProcessorPil(size={"shortest_edge": IMAGE}, crop_size=SQUARE),
        tokenizer=words,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=templates.LLAVA,
    )
    return config, processor


def llava_next() -> tuple[PreTrainedConfig, Any]:
    words = tokenizer(("<unk>", "<image>"), begin="<s>", end="</s>", pad="<pad>", opens=True)
    grid = [[IMAGE, 2 * IMAGE], [2 * IMAGE, IMAGE], [2 * IMAGE, 2 * IMAGE]]
    config = LlavaNextConfig(
        vision_config=_clip(),
        text_config=MistralConfig(**TEXT, **tokens_of(words)),
        image_token_index=words.convert_tokens_to_ids("<image>"),
        image_grid_pinpoints=grid,
        vision_feature_layer=-2,
        vision_feature_select_strategy="default",
        tie_word_embeddings=False,
    )
    processor = LlavaNextProcessor(
        image_processor=LlavaNextImageProcessorPil(
            size={"shortest_edge": IMAGE}, crop_size=SQUARE, image_grid_pinpoints=grid
        ),
        tokenizer=words,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=templates.LLAVA_NEXT,
    )
    return config, processor


# -- Idefics ----------------------------------------------------------------------------------------------------------

IDEFICS = ("<fake_token_around_image>", "<image>", "<end_of_utterance>", "<global-img>")
TILES = tuple(f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7))


def idefics2() -> tuple[PreTrainedConfig, Any]:
    words = tokenizer(IDEFICS[:3], begin="<s>", end="</s>", pad="<unk>", opens=True)
    config = Idefics2Config(
        vision_config={**VISION, "num_hidden_layers": 2, "image_size": IMAGE, "patch_size": PATCH},
        perceiver_config={
            "resampler_n_latents": 4,
            "resampler_depth": 1,
            "resampler_n_heads": 2,
            "resampler_head_dim": 8,
            "num_key_value_heads": 2,
            "hidden_size": WIDTH,
        },
        text_config=MistralConfig(**TEXT, **tokens_of(words)),
        image_token_id=words.convert_tokens_to_ids("<image>"),
        tie_word_embeddings=False,
    )
    images = Idefics2ImageProcessorPil(size={"shortest_edge": 24, "longest_edge": IMAGE}, do_image_splitting=True)
    return config, Idefics2Processor(images, words, image_seq_len=4, chat_template=templates.IDEFICS2)


def _idefics3(config: Any, words: Any, **more: Any) -> PreTrainedConfig:
    made: PreTrainedConfig = config(
        vision_config={**VISION, "num_hidden_layers": 2, "image_size": IMAGE, "patch_size": PATCH},
        text_config=LlamaConfig(**TEXT, **tokens_of(words)),
        image_token_id=words.convert_tokens_to_ids("<image>"),
        scale_factor=2,
        pad_token_id=words.pad_token_id,
        **more,
    )
    return made


def idefics3() -> tuple[PreTrainedConfig, Any]:
    words = tokenizer((*IDEFICS, *TILES), begin="<|begin_of_text|>", end="<|end_of_text|>", pad="<pad>", opens=True)
    images = Idefics3ImageProcessorPil(size={"longest_edge": 2 * IMAGE}, max_image_size={"longest_edge": IMAGE})
    processor = Idefics3Processor(images, words, image_seq_len=PATCHES // 4, chat_template=templates.IDEFICS3)
    return _idefics3(Idefics3Config, words, tie_word_embeddings=False), processor


def smolvlm() -> tuple[PreTrainedConfig, Any]:
    words = tokenizer(
        (*IDEFICS, *TILES, "<|im_start|>", "<video>"), begin="<|im_start|>", end="<end_of_utterance>", pad="<|im_end|>"
    )
    images = SmolVLMImageProcessorPil(size={"longest_edge": 2 * IMAGE}, max_image_size={"longest_edge": IMAGE})
    processor = SmolVLMProcessor(images, words, NoVideo(), image_seq_len=PATCHES // 4, chat_template=templates.SMOLVLM)
    return _idefics3(SmolVLMConfig, words, tie_word_embeddings=True), processor


# -- Qwen -------------------------------------------------------------------------------------------------------------

QWEN = ("<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")


def _qwen(config: Any, processor: Any, vision: dict[str, Any], **rope: Any) -> tuple[PreTrainedConfig, Any]:
    words = tokenizer(QWEN, begin=None, end="<|im_end|>", pad="<|endoftext|>")
    ids = {
        f"{name}_token_id": words.convert_tokens_to_ids(f"<|{name}|>") for name in ("vision_start", "vision_end")
    } | {f"{name}_token_id": words.convert_tokens_to_ids(f"<|{name}_pad|>") for name in ("image", "video")}
    text = {**TEXT, **tokens_of(words), "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, **rope}}
    made = config(
        text_config=text,
        vision_config={"patch_size": PATCH, "spatial_merge_size": 2, "temporal_patch_size": 2, **vision},
        tie_word_embeddings=False,
        **ids,
    )
    images = Qwen2VLImageProcessorPil(
        patch_size=PATCH, size={"shortest_edge": 16 * PATCH**2, "longest_edge": 64 * PATCH**2}
    )
    return made, processor(images, words, NoVideo(), chat_template=templates.QWEN)


def qwen2_vl() -> tuple[PreTrainedConfig, Any]:
    vision = {"depth": 2, "embed_dim": 32, "hidden_size": WIDTH, "num_heads": 2, "mlp_ratio": 2}
    return _qwen(Qwen2VLConfig, Qwen2VLProcessor, vision, mrope_section=[2, 2, 2])


def qwen2_5_vl() -> tuple[PreTrainedConfig, Any]:
    vision = {
        "depth": 2,
        "hidden_size": 32,
        "intermediate_size": 40,
        "out_hidden_size": WIDTH,
        "num_heads": 2,
        "window_size": 2 * PATCH,
        "fullatt_block_indexes": [1],
    }
    return _qwen(Qwen2_5_VLConfig, Qwen2_5_VLProcessor, vision, mrope_section=[2, 2, 2])


def qwen3_vl() -> tuple[PreTrainedConfig, Any]:
    vision = {
        "depth": 2,
        "hidden_size": 32,
        "intermediate_size": 40,
        "out_hidden_size": WIDTH,
        "num_heads": 2,
        "num_position_embeddings": 64,
        "deepstack_visual_indexes": [0],
    }
    return _qwen(Qwen3VLConfig, Qwen3VLProcessor, vision, mrope_section=[2, 2, 2], mrope_interleaved=True)


# -- Llama 3.2 Vision -------------------------------------------------------------------------------------------------


def mllama() -> tuple[PreTrainedConfig, Any]:
    special = ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|python_tag|>")
    words = tokenizer(
        (*special, "<|image|>"),
        begin="<|begin_of_text|>",
        end="<|eot_id|>",
        pad="<|pad|>",
        opens=True,
        last="<|image|>",
    )
    # The image token has an embedding and no logit: it stands beyond the vocabulary.
    text = {**TEXT, **tokens_of(words), "vocab_size": len(words) - 1, "cross_attention_layers": [1]}
    text["rope_parameters"] = {"rope_type": "default", "rope_theta": 10000.0}
    config = MllamaConfig(
        text_config=text,
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 40,
            "attention_heads": 2,
            "num_hidden_layers": 2,
            "num_global_layers": 1,
            "intermediate_layers_indices": [0],
            "vision_output_dim": 64,
            "image_size": IMAGE,
            "patch_size": PATCH,
            "max_num_tiles": 4,
        },
        image_token_index=words.convert_tokens_to_ids("<|image|>"),
    )
    images = MllamaImageProcessorPil(size=SQUARE, max_image_tiles=4)
    return config, MllamaProcessor(images, words, chat_template=templates.MLLAMA)


# -- Gemma 3, PaliGemma -----------------------------------------------------------------------------------------------


def _siglip(**more: Any) -> SiglipVisionConfig:
    return SiglipVisionConfig(
        **VISION, num_hidden_layers=2, image_size=IMAGE, patch_size=PATCH, vision_use_head=False, **more
    )


def gemma3() -> tuple[PreTrainedConfig, Any]:
    named = {"boi_token": "<start_of_image>", "eoi_token": "<end_of_image>", "image_token": "<image_soft_token>"}
    words = tokenizer(
        (*named.values(), "<start_of_turn>", "<end_of_turn>"),
        begin="<bos>",
        end="<eos>",
        pad="<pad>",
        named=named,
        opens=True,
    )
    config = Gemma3Config(
        text_config=Gemma3TextConfig(**TEXT, **tokens_of(words), head_dim=12, query_pre_attn_scalar=12),
        vision_config=_siglip(),
        mm_tokens_per_image=4,
        boi_token_index=words.convert_tokens_to_ids("<start_of_image>"),
        eoi_token_index=words.convert_tokens_to_ids("<end_of_image>"),
        image_token_index=words.convert_tokens_to_ids("<image_soft_token>"),
    )
    images = Gemma3ImageProcessorPil(size=SQUARE, image_mean=[0.5] * 3, image_std=[0.5] * 3)
    return config, Gemma3Processor(images, words, image_seq_length=4, chat_template=templates.GEMMA3)


def paligemma() -> tuple[PreTrainedConfig, Any]:
    words = tokenizer(("<image>",), begin="<bos>", end="<eos>", pad="<pad>", named={"image_token": "<image>"})
    images = SiglipImageProcessorPil(size=SQUARE)
    images.image_seq_length = PATCHES
    processor = PaliGemmaProcessor(images, words)  # it has no chat template, and adds tokens to the tokenizer
    config = PaliGemmaConfig(
        text_config=GemmaConfig(**TEXT, **tokens_of(words), head_dim=12),
        vision_config=_siglip(projection_dim=WIDTH),
        projection_dim=WIDTH,
        image_token_index=words.convert_tokens_to_ids("<image>"),
    )
    return config, processor


# -- InternVL ---------------------------------------------------------------------------------------------------------


def internvl() -> tuple[PreTrainedConfig, Any]:
    named = {
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    }
    words = tokenizer(
        (*named.values(), "<|im_start|>", "<|im_end|>"), begin=None, end="<|im_end|>", pad="<|endoftext|>", named=named
    )
    config = InternVLConfig(
        vision_config=InternVLVisionConfig(
            **VISION, num_hidden_layers=2, image_size=[IMAGE, IMAGE], patch_size=[PATCH, PATCH]
        ),
        text_config=Qwen2Config(**TEXT, **tokens_of(words)),
        image_token_id=words.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=PATCHES // 4,
        downsample_ratio=0.5,
        tie_word_embeddings=False,
    )
    images = GotOcr2ImageProcessorPil(size=SQUARE, crop_to_patches=True, min_patches=1, max_patches=4)
    processor = InternVLProcessor(
        images, words, NoVideo(), image_seq_length=PATCHES // 4, chat_template=templates.INTERNVL
    )
    return config, processor


BESIDE = ("model.multi_modal_projector",)
FAMILIES = {
    "llava": Family(llava, BESIDE, exact=True),
    "llava_next": Family(llava_next, (*BESIDE, "model.image_newline"), exact=True),
    "idefics2": Family(idefics2, ("model.connector",), exact=True, turn_ends="<end_of_utterance>"),
    "idefics3": Family(idefics3, ("model.connector",), exact=True, turn_ends="<end_of_utterance>"),
    "smolvlm": Family(smolvlm, ("model.connector",), exact=True),
    "qwen2_vl": Family(qwen2_vl, ("model.visual.merger",), exact=True),
    "qwen2_5_vl": Family(qwen2_5_vl, ("model.visual.merger",), exact=True),
    "qwen3_vl": Family(qwen3_vl, ("model.visual.merger", "model.visual.deepstack_merger_list"), exact=True),
    "mllama": Family(mllama, BESIDE, exact=True),
    "gemma3": Family(gemma3, BESIDE, exact=True, turn_ends="<end_of_turn>"),
    "internvl": Family(internvl, BESIDE, exact=True),
    "paligemma": Family(paligemma, BESIDE, exact=False),
}
PACK_TAKERS = frozenset(FAMILIES) - {"mllama", "gemma3", "paligemma"}
"""Families that take several questions about one picture in one sequence."""
