"""What is minimised, as it can be asked for: which terms, how they are weighed, and the settings of each. No torch.

`SETTINGS_OF` says which setting belongs to which term; the form shows no other, and a test holds every setting to it.
Defaults are those of the paper that a term is from. What each term computes is in `backend/objectives/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from backend.spec_base import Spec

ForgetTerm = Literal[
    "none",
    "ga",
    "npo",
    "npo_mean",
    "simnpo",
    "idk",
    "dpo",
    "altpo",
    "rmu",
    "undial",
    "ceu",
    "wga",
    "satimp",
    "pdu",
    "kl",
    "llmu",
    "ga_idk",
    "entropy",
    "learn",
    "sku",
]
RetainTerm = Literal["none", "ce", "kl", "ce_kl", "hidden", "kl_away"]
Regulariser = Literal["none", "l1_lora", "l2_start"]
ObjectiveSchedule = Literal["joint", "alternate", "every_k", "sequential"]
WeightMask = Literal["none", "mmunlearner", "salun"]
Labels = Literal["answer", "full"]
KlDirection = Literal["from_reference", "from_model"]
ReferenceModel = Literal["start", "retain_tuned"]

TEACHING = ("learn", "sku")
"""The forget terms that teach the forget set: for a model that is subtracted afterwards."""

SETTINGS_OF: dict[str, dict[str, tuple[str, ...]]] = {
    "forget": {
        "none": (),
        "ga": ("forget_weight",),
        "npo": ("forget_weight", "beta", "reference"),
        "npo_mean": ("forget_weight", "beta", "reference"),
        "simnpo": ("forget_weight", "simnpo_beta", "simnpo_delta"),
        "idk": ("forget_weight",),
        "dpo": ("forget_weight", "beta", "reference"),
        "altpo": ("forget_weight", "beta", "reference"),
        "rmu": ("forget_weight", "layer", "rmu_scale"),
        "undial": ("forget_weight", "undial_strength", "reference"),
        "ceu": ("forget_weight", "ceu_skip"),
        "wga": ("forget_weight", "wga_beta"),
        "satimp": ("forget_weight", "satimp_beta1", "satimp_beta2"),
        "pdu": ("forget_weight", "pdu_epsilon", "pdu_rate", "pdu_warmup"),
        "kl": ("forget_weight", "kl_direction", "reference"),
        "llmu": ("forget_weight", "mismatch_count", "mismatch_weight"),
        "ga_idk": ("forget_weight", "refusal_weight"),
        "entropy": ("forget_weight",),
        "learn": ("forget_weight",),
        "sku": ("forget_weight", "mismatch_count", "mismatch_weight"),
    },
    "retain": {
        "none": (),
        "ce": ("retain_weight",),
        "kl": ("retain_weight", "kl_direction", "reference"),
        "ce_kl": ("retain_weight", "kl_weight", "kl_direction", "reference"),
        "hidden": ("retain_weight", "layer", "reference"),
        "kl_away": ("retain_weight", "kl_direction", "reference"),
    },
    "regulariser": {
        "none": (),
        "l1_lora": ("regulariser_weight",),
        "l2_start": ("regulariser_weight",),
    },
    "schedule": {"joint": (), "alternate": (), "every_k": ("every",), "sequential": ()},
    "mask": {
        "none": (),
        "mmunlearner": ("mask_threshold", "mask_samples", "mask_batch"),
        "salun": ("mask_share", "mask_samples", "mask_batch"),
    },
}
"""By field, by what is chosen there: the settings that then mean something."""

L1_NEEDS_LORA = "l1 on the LoRA weights needs LoRA; train LoRA, or choose the distance from the start"

MASK_NEEDS_FULL = "a mask is over the model's own weights; train all weights, or choose no mask"

MASK_NEEDS_NO_DECAY = (
    "weight decay moves the weights that a mask is to keep still; set weight decay to 0, or choose no mask"
)

ALWAYS = frozenset({"forget", "retain", "regulariser", "labels"})


def settings_in_use(chosen: Mapping[str, Any]) -> frozenset[str]:
    """The fields of an objective that mean something under what is chosen for each group of `SETTINGS_OF`.

    A schedule says whose turn it is, so it means nothing where only one of the two terms is on; a mask is laid over the
    forget term.
    """
    used = set(ALWAYS)
    groups = ["forget", "retain", "regulariser"]
    if "none" not in (chosen["forget"], chosen["retain"]):
        groups.append("schedule")
        used.add("schedule")
    if chosen["forget"] != "none":
        groups.append("mask")
        used.add("mask")
    for group in groups:
        used.update(SETTINGS_OF[group].get(chosen[group], ()))
    return frozenset(used)


class Objective(Spec):
    """minimise  γ · forget term + α · retain term + λ · regulariser."""

    forget: ForgetTerm = Field(
        "npo",
        title="Forget term",
        description="What is done to the forget set: plain ascent, a bounded push, another answer, or scrambling. Task "
        "vectors learn it first.",
    )
    retain: RetainTerm = Field(
        "ce",
        title="Retain term",
        description="What holds the rest in place: cross-entropy, closeness to the reference, or both. SKU drives it "
        "away, to subtract that too.",
    )
    forget_weight: float = Field(1.0, ge=0, le=1000, title="Forget weight γ", description="How hard to push. Usual: 1.")
    retain_weight: float = Field(
        1.0,
        ge=0,
        le=10_000,
        title="Retain weight α",
        description="How hard to hold. Usual: 1; more protects the retain set. PDU starts its multiplier here.",
    )
    beta: float = Field(
        0.1,
        gt=0,
        le=100,
        title="β · strength of the pull to the reference",
        description="NPO, DPO and AltPO. Small acts like plain ascent, large stops early. Usual: 0.1.",
    )
    simnpo_beta: float = Field(
        4.5,
        gt=0,
        le=100,
        title="β · SimNPO",
        description="Small acts like plain ascent, large stops early. Usual: 4.5.",
    )
    simnpo_delta: float = Field(
        0.0,
        ge=0,
        le=100,
        title="δ · SimNPO",
        description="How far the loss of a token, in nats, must rise before the push fades. Usual: 0.",
    )
    layer: int = Field(
        7,
        ge=0,
        le=1000,
        title="Layer",
        description="The language block whose hidden states are read, counted from 0. RMU's paper: 7 of 32.",
    )
    rmu_scale: float = Field(
        20.0,
        gt=0,
        le=10_000,
        title="c · RMU",
        description="Length of the random direction that hidden states are drawn to. Usual: 2 to 20; CLEAR: 300.",
    )
    undial_strength: float = Field(
        10.0,
        gt=0,
        le=1000,
        title="β · UNDIAL",
        description="What is taken off the true token's logit in the reference. Usual: 3, 10 or 30.",
    )
    ceu_skip: int = Field(
        1, ge=0, le=1000, title="Skip · CE-U", description="First answer tokens that are left alone. Usual: 1."
    )
    wga_beta: float = Field(
        1.0,
        ge=0,
        le=100,
        title="β · WGA",
        description="A token counts by its probability to this power; 0 is plain ascent. Usual: 1.",
    )
    satimp_beta1: float = Field(
        5.0,
        ge=0,
        le=100,
        title="β₁ · SatImp",
        description="Saturation: a token counts by its probability to this power. Usual: 5.",
    )
    satimp_beta2: float = Field(
        1.0,
        ge=0,
        le=100,
        title="β₂ · SatImp",
        description="Importance: and by one minus its probability to this power. Usual: 1.",
    )
    pdu_epsilon: float = Field(
        0.3,
        ge=0,
        le=100,
        title="ε · PDU",
        description="The retain loss that is allowed; above it the multiplier grows. TOFU: 0.3, MUSE: 0.1 to 1.5.",
    )
    pdu_rate: float = Field(
        1.0,
        gt=0,
        le=1000,
        title="η · PDU",
        description="How fast the multiplier follows the retain loss, a step. Usual: 1.",
    )
    pdu_warmup: float = Field(
        0.0,
        ge=0,
        lt=1,
        title="Warm-up · PDU",
        description="Share of the steps before the multiplier starts to move. TOFU: 5 epochs of 10.",
    )
    mismatch_count: int = Field(
        5,
        ge=1,
        le=100,
        title="Mismatched answers",
        description="LLMU and SKU: other people's answers that are taught for each question. Usual: 5.",
    )
    mismatch_weight: float = Field(
        2.0,
        ge=0,
        le=1000,
        title="Mismatch weight",
        description="Their weight against what is done to the true answer. LLMU: 2, with γ 0.5; SKU: 1.",
    )
    refusal_weight: float = Field(
        1.0,
        ge=0,
        le=1000,
        title="Refusal weight",
        description="The weight of the taught refusal against the ascent. CLEAR's code: 1.",
    )
    kl_weight: float = Field(
        1.0,
        ge=0,
        le=1000,
        title="KL weight",
        description="The divergence's weight against cross-entropy in the retain term. MLLMU-Bench: 1, OFFSIDE: 0.1.",
    )
    kl_direction: KlDirection = Field(
        "from_reference",
        title="Direction of KL",
        description="KL(π_ref ‖ π_θ), as SCRUB and TOFU have it; or KL(π_θ ‖ π_ref), as CLEAR's SCRUB and LLMU do.",
    )
    reference: ReferenceModel = Field(
        "start",
        title="Reference",
        description="What π_ref is: the model as it was, or one that is named and was tuned on the retain set, as in "
        "the benchmarks' code of NPO.",
    )
    regulariser: Regulariser = Field(
        "none",
        title="Regulariser",
        description="What keeps the change small: l1 on the LoRA weights, or squared distance from the start.",
    )
    regulariser_weight: float = Field(
        0.01,
        gt=0,
        le=1000,
        title="Regulariser weight λ",
        description="How hard the regulariser pulls. CLEAR swept 0.01 to 1.",
    )
    schedule: ObjectiveSchedule = Field(
        "joint",
        title="Turns",
        description="Both terms in every step, in turns, forget every k-th step, or a whole pass of each in turn.",
    )
    every: int = Field(
        4,
        ge=2,
        le=100_000,
        title="Every k-th step",
        description="One forget step, then k − 1 retain steps. OFFSIDE holds 1 to 3, that is 4.",
    )
    mask: WeightMask = Field(
        "none",
        title="Mask",
        description="Which weights may move: all; for the forget term only those that matter more to the forget set "
        "(MMUnlearner); or for every term only those with the forget set's largest gradients (SalUn).",
    )
    mask_threshold: float = Field(
        1.0,
        gt=0,
        le=1e6,
        title="Threshold · MMUnlearner",
        description="How many times more a weight must matter to the forget set than to what is kept. Usual: 1.",
    )
    mask_share: float = Field(
        0.5, gt=0, le=1, title="Share · SalUn", description="Of the trained weights, how many may move. Usual: 0.5."
    )
    mask_samples: int = Field(
        0,
        ge=0,
        le=1_000_000,
        title="Mask items",
        description="Items of each set that the mask is measured on, drawn by the seed; 0 is all.",
    )
    mask_batch: int = Field(
        4,
        ge=1,
        le=4096,
        title="Mask batch",
        description="Items whose common gradient is taken. MMUnlearner's code: 4; 1 is the Fisher information.",
    )
    labels: Labels = Field(
        "answer",
        title="Labels",
        description="Which tokens count: the answer's, or the question's too, as MLLMU-Bench's code has it.",
    )

    @model_validator(mode="after")
    def _something_to_do(self) -> Objective:
        if not self.forgets and not self.retains:
            raise ValueError("nothing would be trained: both terms are off")
        return self

    @model_validator(mode="after")
    def _terms_fit(self) -> Objective:
        if self.schedule != "joint" and not (self.forgets and self.retains):
            raise ValueError("turns need both a forget term and a retain term; with one of them choose joint")
        if self.mask != "none" and not self.forgets:
            raise ValueError("a mask needs a forget term, whose gradient it is laid over; choose one, or no mask")
        if self.forgets and self.forget == "pdu" and not (self.retains and self.retain == "ce"):
            raise ValueError("PDU bounds the retain loss, so it needs cross-entropy as its retain term")
        return self

    @property
    def forgets(self) -> bool:
        """Whether the forget term does anything."""
        return self.forget != "none" and self.forget_weight > 0

    @property
    def in_use(self) -> frozenset[str]:
        """The fields that mean something here; those of a term without weight do not."""
        off = {name: "none" for name, on in (("forget", self.forgets), ("retain", self.retains)) if not on}
        return settings_in_use(self.model_dump() | off)

    @property
    def teaches(self) -> bool:
        """Whether the forget set is learnt, for a model that is subtracted."""
        return self.forgets and self.forget in TEACHING

    @property
    def retains(self) -> bool:
        """Whether the retain term does anything."""
        return self.retain != "none" and self.retain_weight > 0
