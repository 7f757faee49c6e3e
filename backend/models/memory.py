"""How much memory a training run would take on a device, from the model's config alone: sums, no torch.

The web process may import this. Weights, gradients and moments are counted exactly; activations are an estimate, of
what the language blocks keep for the backward pass with a fused attention kernel. Fragments and the libraries' own
buffers come on top: leave a tenth free.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from backend.models.sizes import Part, Settings, Sizes, UnknownSizes, head_width, picture_tokens, sizes

__all__ = ["Memory", "UnknownSizes", "estimate", "held", "row_tokens"]

Weights = Literal["fp32", "bf16", "4-bit"]
FULL, HALF = 4, 2
FOUR_BITS = 4.5 / 8
"""Bytes of a weight in NF4: four bits, and a 32-bit scale for each 64 of them."""
WORDS = 64
"""Tokens of a question, what stands around it, and its answer."""
ANSWER = 32
"""Those of them from the first of the answer on."""


@dataclass(frozen=True)
class Memory:
    """Bytes; `trained` is a number of parameters."""

    weights: int
    gradients: int
    optimiser: int
    activations: int
    trained: int

    @property
    def total(self) -> int:
        return self.weights + self.gradients + self.optimiser + self.activations


def estimate(
    config: Settings,
    *,
    weights: Weights = "bf16",
    adapter: Literal["lora", "full"] = "lora",
    modules: Literal["language", "language+projector", "all"] = "language",
    lora_rank: int = 8,
    batch_size: int = 1,
    sequence: int = 1024,
    answer: int = ANSWER,
    checkpointing: bool = False,
    reference_copy: bool = False,
    start_copy: bool = False,
) -> Memory:
    """`config` is the JSON of config.json; `sequence` counts a row's tokens, pictures' included, `answer` those with
    logits. Trained weights are kept in 32 bits with two moments each (AdamW), and so are their gradients; where bf16 is
    computed in, activations hold the casts of their linear layers too. `reference_copy` is a second, frozen model, in
    32 bits as well under full training, `start_copy` one of what is trained. Raises `UnknownSizes`, and
    `ValueError` for training 4-bit weights."""
    if adapter == "full" and weights == "4-bit":
        raise ValueError("4-bit weights cannot be trained; train an adapter on them, or take bf16")
    size = sizes(config)
    trained = _trained(size, adapter, modules, lora_rank)
    kept = _bytes_of(size, "fp32" if adapter == "full" else weights) * (1 + reference_copy)
    extra = FULL * trained * ((adapter == "lora") + start_copy)
    casts = HALF * _linear(size, modules) if adapter == "full" and weights == "bf16" else 0
    each = FULL if weights == "fp32" else HALF
    activations = _activations(size, each * batch_size * sequence, casts, checkpointing)
    logits = 3 * FULL * batch_size * answer * int(size.text["vocab_size"])
    return Memory(
        weights=round(kept) + extra,
        gradients=FULL * trained,
        optimiser=2 * FULL * trained,
        activations=activations + logits,
        trained=trained,
    )


def held(config: Settings, weights: Weights) -> int:
    """Bytes of a model that is asked and not trained. Raises `UnknownSizes`."""
    return round(_bytes_of(sizes(config), weights))


def row_tokens(config: Settings) -> int:
    """Tokens of a question about one picture, with its answer. Raises `UnknownSizes`."""
    return picture_tokens(config) + WORDS


def _parts(size: Sizes, modules: str) -> list[Part]:
    return {
        "language": [size.language],
        "language+projector": [size.language, size.projector],
        "all": [size.language, size.projector, size.vision],
    }[modules]


def _trained(size: Sizes, adapter: str, modules: str, rank: int) -> int:
    parts = _parts(size, modules)
    if adapter == "lora":
        return sum(part.adapter(rank) for part in parts)  # never on the head
    return sum(part.parameters for part in [*parts, size.head])


def _linear(size: Sizes, modules: str) -> int:
    """Weights of the linear layers that full training casts, the head's among them, whether it has its own or not."""
    own = sum(inputs * outputs for part in _parts(size, modules) for inputs, outputs in part.linears)
    return own + int(size.text["hidden_size"]) * int(size.text["vocab_size"])


def _bytes_of(size: Sizes, weights: str) -> float:
    """Quantisation is of linear layers alone, and never of the head."""
    if weights != "4-bit":
        return size.parameters * (FULL if weights == "fp32" else HALF)
    parts = (size.language, size.vision, size.projector)
    linear = sum(part.parameters - part.rest for part in parts)
    return linear * FOUR_BITS + (size.parameters - linear) * HALF


def _activations(size: Sizes, of_a_number: int, casts: int, checkpointing: bool) -> int:
    """Bytes kept for the backward pass: of each token and block the inputs of norms, linear layers and products, each
    number being one of all tokens, `of_a_number` bytes; and the weights' `casts`.

    With checkpointing the peak is at the end of the forward pass, as autocast keeps every cast of a trained weight to
    there, or in the backward pass of one block.
    """
    text = size.text
    width, inner, layers = text["hidden_size"], text["intermediate_size"], text["num_hidden_layers"]
    queries = text["num_attention_heads"] * head_width(text)
    keys = int(text.get("num_key_value_heads") or text["num_attention_heads"]) * head_width(text)
    block = of_a_number * (4 * width + 2 * queries + 2 * keys + 4 * inner)
    if checkpointing:
        return int(of_a_number * layers * width + max(casts, block + casts // layers))
    return int(layers * block + casts)
