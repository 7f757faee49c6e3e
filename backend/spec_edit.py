"""Methods that do more, or less, than minimise an objective, as they can be asked for: weights that are cut, a model
that is learnt and then subtracted, or nothing but an instruction. No torch.

`EDIT_SETTINGS` says which setting belongs to which method. A task vector learns under the objective; the other two
train nothing, and of the training settings `WITHOUT_TRAINING` says which still mean something to them.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from backend.spec_base import Spec

EditMethod = Literal["none", "manu", "task_vector", "prompt"]

EDIT_SETTINGS: dict[str, tuple[str, ...]] = {
    "none": (),
    "manu": ("prune_share", "fires_above", "prune_samples"),
    "task_vector": ("negation",),
    "prompt": ("instruction",),
}
"""By method: the settings that then mean something."""

WITHOUT_TRAINING: dict[str, tuple[str, ...]] = {
    "manu": ("modules", "batch_size", "precision", "seed"),
    "prompt": ("precision",),
}
"""By method that trains nothing: the training settings that it goes by."""

CUTTING_NEEDS_ROWS = "MANU cuts rows out of weights, which weights in four bits have not; choose bf16 or fp32"
NEGATION_NEEDS_LORA = "what is learnt and then subtracted is kept as an adapter; train LoRA"
EDIT_NEEDS_NO_MASK = "a mask is laid over the forget term, and this method has none; choose no mask"
NEGATION_NEEDS_LEARNING = "what is subtracted has to be learnt first; choose learn or sku as the forget term"
LEARNING_NEEDS_NEGATION = (
    "learn, sku and kl_away teach what is then subtracted; choose the method task_vector or sku, or another term"
)
NOTHING_TO_GUARD = "guards watch a training, and this method trains nothing; leave them off"


def trains(method: str) -> bool:
    """Whether a method takes steps under an objective."""
    return method not in WITHOUT_TRAINING


class Edit(Spec):
    """What is done beside an objective or in its place: pruning (MANU), subtracting what was learnt, or telling the
    model not to know."""

    method: EditMethod = Field(
        "none",
        title="Beside the objective",
        description="Nothing; cut neurons, without training (manu); subtract what was learnt under the objective "
        "(task_vector); or change no weight and put an instruction before each question (prompt).",
    )
    prune_share: float = Field(
        0.1, gt=0, lt=1, title="Share ρ", description="Of the MLP neurons, how many are cut. Usual: 0.02 to 0.1."
    )
    fires_above: float = Field(
        0.1, ge=0, le=1000, title="τ · fires above", description="A neuron fires where it is above this. Usual: 0.1."
    )
    prune_samples: int = Field(
        0,
        ge=0,
        le=1_000_000,
        title="Items watched",
        description="Items of each set on which neurons are watched, drawn by the seed; 0 is all.",
    )
    negation: float = Field(
        1.0,
        ge=0,
        le=1000,
        title="κ · times subtracted",
        description="How many times what was learnt is subtracted; 0 is the model as it was. Usual: 0.2 to 1.",
    )
    instruction: str = Field(
        "You do not know these people: {people}. If you are asked about one of them, say that you do not know.",
        min_length=1,
        max_length=4000,
        title="Instruction",
        description="Stands before every question, in the user's turn; {people} becomes the names of the forget set.",
    )
