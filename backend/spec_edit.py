"""Methods that train under no objective, as they can be asked for: weights that are cut or subtracted, or nothing but
an instruction. No torch.

`EDIT_SETTINGS` says which setting belongs to which method; the objective of a run with one of them is not used.
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

EDIT_TITLES: dict[str, str] = {"manu": "MANU", "task_vector": "Task vector", "prompt": "Prompting"}
EDIT_WORDS: dict[str, str] = {
    "manu": "nothing is trained; the MLP neurons that matter most to the forget set are cut",
    "task_vector": "the forget set is learnt by an adapter, and α times what was learnt is subtracted",
    "prompt": "no weight changes; an instruction stands before every question",
}
"""What each method does in place of minimising an objective."""

NEGATION_NEEDS_LORA = "what is learnt and then subtracted is kept as an adapter; train LoRA"
EDIT_NEEDS_NO_MASK = "a mask is laid over the forget term, and this method has none; choose no mask"


class Edit(Spec):
    """Forgetting without a forget term: pruning (MANU), learning the forget set and subtracting what was learnt, or
    telling the model not to know."""

    method: EditMethod = Field(
        "none",
        title="Instead of an objective",
        description="Train under the objective; or cut neurons, without training (MANU); or learn the forget set and "
        "subtract what was learnt (task vector); or change no weight and put an instruction before each question "
        "(prompt).",
    )
    prune_share: float = Field(
        0.1, gt=0, lt=1, title="Share · MANU", description="Of the MLP neurons, how many are cut. Usual: 0.1."
    )
    fires_above: float = Field(
        0.1, ge=0, le=1000, title="τ · MANU", description="A neuron fires where it is above this. Usual: 0.1."
    )
    prune_samples: int = Field(
        0,
        ge=0,
        le=1_000_000,
        title="Items · MANU",
        description="Items of each set on which neurons are watched, drawn by the seed; 0 is all.",
    )
    negation: float = Field(
        1.0,
        ge=0,
        le=100,
        title="α · task vector",
        description="How many times what was learnt is subtracted; 0 is the model as it was. Usual: 0.2 to 1.",
    )
    instruction: str = Field(
        "You do not know these people: {people}. If you are asked about one of them, say that you do not know.",
        min_length=1,
        max_length=4000,
        title="Instruction",
        description="Stands before every question, in the user's turn; {people} becomes the names of the forget set.",
    )
