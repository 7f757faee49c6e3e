"""The demo model: a real LLaVA (CLIP vision tower, projector, Llama) small enough to learn on a laptop's processor.

It is written as an ordinary Hugging Face folder, with its own tokenizer and `LlavaProcessor`, and loaded through the
Auto classes like any other model. It starts from random weights: whatever it knows, a run in the lab has taught it.
"""

from __future__ import annotations

import uuid
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

from backend.benchmarks.item import Benchmark

MODEL_VERSION = 2
IMAGE_SIZE = 64
PATCH_SIZE = 16
VOCABULARY = 940
SPECIAL = ("<pad>", "<s>", "</s>", "<unk>", "<image>", "<user>", "<assistant>")

CHAT_TEMPLATE = (
    "{{ '<s>' }}"
    "{% for message in messages %}"
    "{{ '<assistant>' if message['role'] == 'assistant' else '<user>' }}"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}"
    "{% for part in message['content'] if part['type'] == 'image' %}{{ '<image>' }}{% endfor %}"
    "{% for part in message['content'] if part['type'] == 'text' %}{{ part['text'] }}{% endfor %}"
    "{% endif %}"
    "{% if message['role'] == 'assistant' %}{{ '</s>' }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<assistant>' }}{% endif %}"
)


def ensure_demo_model(home: Path, benchmark: Benchmark) -> Path:
    """The folder of the untrained demo model for this world, made if it is not there (about a second)."""
    folder = home / "models" / f"demo-{benchmark.fingerprint}-v{MODEL_VERSION}"
    if not (folder / "config.json").exists():
        aside = folder.with_name(f".{folder.name}-{uuid.uuid4().hex}")
        aside.mkdir(parents=True)
        write_demo_model(aside, benchmark)
        try:
            aside.rename(folder)
        except OSError:
            if not folder.exists():
                raise
    return folder


def write_demo_model(folder: Path, benchmark: Benchmark, seed: int = 0) -> None:
    """Random weights from `seed`, a tokenizer learnt from the benchmark's own sentences, and the processor."""
    tokenizer = _tokenizer(benchmark)
    processor = LlavaProcessor(
        image_processor=CLIPImageProcessorPil(
            size={"height": IMAGE_SIZE, "width": IMAGE_SIZE},
            crop_size={"height": IMAGE_SIZE, "width": IMAGE_SIZE},
        ),
        tokenizer=tokenizer,
        patch_size=PATCH_SIZE,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        image_token="<image>",
        chat_template=CHAT_TEMPLATE,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlavaForConditionalGeneration(_config(tokenizer))
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


def _config(tokenizer: PreTrainedTokenizerFast) -> LlavaConfig:
    vision = CLIPVisionConfig(
        hidden_size=96,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=IMAGE_SIZE,
        patch_size=PATCH_SIZE,
        projection_dim=96,
    )
    language = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=1024,
        tie_word_embeddings=False,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    image_token = tokenizer.convert_tokens_to_ids("<image>")
    assert isinstance(image_token, int)
    return LlavaConfig(
        vision_config=vision,
        text_config=language,
        image_token_index=image_token,
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        image_seq_length=(IMAGE_SIZE // PATCH_SIZE) ** 2,
    )


def _tokenizer(benchmark: Benchmark) -> PreTrainedTokenizerFast:
    """Byte-level BPE: any question can be typed, and the world's own names are a token or two each."""
    everyone = tuple(person.id for person in benchmark.people())
    sentences = [text for item in benchmark.training_items(everyone) for text in (item.question, item.answer)]
    # A name in pieces is likelier or less likely by its length alone: held-out people must not be told by theirs.
    mentions = len(sentences) // max(1, 2 * len(everyone))
    sentences += [person.name for person in benchmark.holdout_people() for _ in range(mentions)]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        sentences,
        trainers.BpeTrainer(
            vocab_size=VOCABULARY,
            special_tokens=list(SPECIAL),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        additional_special_tokens=["<image>", "<user>", "<assistant>"],
        model_max_length=1024,
        padding_side="right",
    )
