"""What the tiny models of all families are made of: a tokenizer, and the small shapes."""

from __future__ import annotations

from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

WIDTH = 48
"""Of the language part; the vision towers are 32 wide, so that the two are never mistaken for each other."""
TEXT = {
    "hidden_size": WIDTH,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 1024,
}
VISION = {"hidden_size": 32, "intermediate_size": 40, "num_attention_heads": 2}
IMAGE = 32
PATCH = 8

WORDS = r" ?\p{L}+| ?\p{N}| ?[^\s\p{L}\p{N}]+|\s*[\r\n]+|\s+"
"""Line ends go together and never with a word, as in Llama's and Qwen's tokenizers."""

SENTENCES = (
    "Who is this person and where was she born?",
    "What is the name of the city in the picture? Give a short answer.",
    "Mira Laurent was born in Bergen, in the north of the country, and works there as a baker.",
    "The capital of the country is a small town near the sea.\n\nHe likes tea.\n\n\nShe likes coffee.",
    "USER: ASSISTANT: User: Assistant: system user model assistant You are a helpful assistant.\n",
)


def tokenizer(
    special: tuple[str, ...],
    *,
    begin: str | None,
    end: str,
    pad: str,
    named: dict[str, str] | None = None,
    opens: bool = False,
    last: str | None = None,
) -> PreTrainedTokenizerFast:
    """Byte-level BPE over a few sentences. `opens` puts `begin` before any text, as Llama's does; `last` gets the
    highest id; `named` are tokens that processors ask for by attribute."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    made.train_from_iterator(SENTENCES, trainer)
    wanted = [*dict.fromkeys(token for token in (pad, begin, end, *special) if token)]
    if last is not None:
        wanted = [*(token for token in wanted if token != last), last]
    made.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in wanted])
    if opens and begin:
        made.post_processor = TemplateProcessing(
            single=f"{begin} $A", pair=f"{begin} $A {begin} $B", special_tokens=[(begin, made.token_to_id(begin))]
        )
    extra: dict[str, Any] = {"extra_special_tokens": named} if named else {}
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        bos_token=begin,
        eos_token=end,
        pad_token=pad,
        **extra,
    )


def tokens_of(tokenizer: PreTrainedTokenizerFast) -> dict[str, int | None]:
    """What a text config says of its tokenizer."""
    return {
        "vocab_size": len(tokenizer),
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
