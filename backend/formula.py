"""An objective in mathematics: what every term, weight and option of it computes, as a person would write it. No torch.

π_θ is the model being changed, π_ref the model as it was, x the question with its picture, y the answer; `mean` is over
the answer's tokens, `mean log π(y|x)` is log π(y|x) / |y|. p is the probability of an answer token, z its logits, h the
hidden states of one block and d their number. The terms themselves are in `backend/objectives/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backend.spec_objective import Objective, settings_in_use

FORGET: dict[str, str] = {
    "ga": "mean log π_θ(y|x)",
    "npo": "−(2/β) log σ(−β (log π_θ(y|x) − log π_ref(y|x)))",
    "npo_mean": "−(2/β) log σ(−β (mean log π_θ(y|x) − mean log π_ref(y|x)))",
    "simnpo": "−(2/β) log σ(−β (mean log π_θ(y|x) + δ))",
    "idk": "−mean log π_θ(refusal|x)",
    "dpo": "−(2/β) log σ(β (Δ(refusal) − Δ(y))), Δ = log π_θ − log π_ref,",
    "altpo": "−(2/β) log σ(β (Δ(alternate) − Δ(y))), Δ = log π_θ − log π_ref,",
    "rmu": "‖h_θ − c·u‖² / d",
    "undial": "CE(softmax(z_ref − β·1[y]), π_θ)",
    "ceu": "CE(softmax(z_θ without y), π_θ)",
    "wga": "mean p^β log p",
    "satimp": "mean p^β₁ (1 − p)^β₂ log p",
    "pdu": "mean (max z − mean z)²",
    "kl": "−KL(π_ref ‖ π_θ)",
    "llmu": "(mean log π_θ(y|x) − w · mean log π_θ(another's y|x))",
    "entropy": "−H(π_θ)",
}
RETAIN: dict[str, str] = {"ce": "CE", "kl": "KL(π_ref ‖ π_θ)", "hidden": "‖h_θ − h_ref‖² / d"}
REGULARISER: dict[str, str] = {"l1_lora": "(Σ|A| + Σ|B|)", "l2_start": "Σ(θ − θ_start)²"}

SYMBOLS: dict[str, str] = {
    "beta": "β",
    "simnpo_beta": "β",
    "simnpo_delta": "δ",
    "layer": "block",
    "rmu_scale": "c",
    "undial_strength": "β",
    "ceu_skip": "first tokens left alone",
    "wga_beta": "β",
    "satimp_beta1": "β₁",
    "satimp_beta2": "β₂",
    "pdu_epsilon": "ε",
    "pdu_rate": "η",
    "pdu_warmup": "warm-up steps",
    "mismatch_count": "answers of others",
    "mismatch_weight": "w",
}
"""How the formula calls a setting of a term."""

IN_WORDS: dict[str, dict[str, str]] = {
    "schedule": {
        "alternate": "the two terms take turns, step by step",
        "every_k": "one forget step in every {every}, the others are retain steps",
        "sequential": "a whole pass of the forget term, then a whole pass of the retain term",
    },
    "labels": {"full": "the question's tokens count like the answer's"},
    "mask": {
        "mmunlearner": "the forget term moves only weights that matter more to the forget set than to the rest",
        "salun": "the forget term moves only the weights that matter most to the forget set",
    },
}
"""What no formula says: by field, by what is chosen there. Braces hold another field of the objective."""


def symbolic(objective: Objective) -> str:
    """What is minimised, with γ, α and λ for the weights: `γ · mean log π_θ(y|x) on forget + α · CE on retain`."""
    return _joined(objective, {"forget": "γ", "retain": _multiplier(objective), "regulariser": "λ"})


def written(objective: Objective) -> str:
    """What is minimised, with the weights as numbers; a weight of 1 is not written."""
    weights = {
        "forget": _number(objective.forget_weight),
        "retain": "α_t" if _moves(objective) else _number(objective.retain_weight),
        "regulariser": _number(objective.regulariser_weight),
    }
    return _joined(objective, {name: "" if weight == "1" else weight for name, weight in weights.items()})


def where(objective: Objective) -> str:
    """The settings of the terms, in the formula's own symbols: `β = 0.07`; nothing where there are none."""
    chosen, used = objective.model_dump(), _used(objective)
    said = [f"{symbol} = {_number(chosen[name])}" for name, symbol in SYMBOLS.items() if name in used]
    if _moves(objective):
        said.append(f"α_t ← max(0, α_t + η (CE − ε)) from {_number(objective.retain_weight)}")
    return ", ".join(said)


def in_words(objective: Objective) -> str:
    """What a formula cannot say: whose turn it is, which tokens count, which weights may move. Often nothing."""
    chosen, used = objective.model_dump(), _used(objective)
    said = [
        words[chosen[name]].format_map(chosen)
        for name, words in IN_WORDS.items()
        if name in used and chosen.get(name) in words
    ]
    return "; ".join(said)


def _joined(objective: Objective, weights: Mapping[str, str]) -> str:
    terms = []
    if objective.forgets:
        terms.append(_times(weights["forget"], FORGET[objective.forget]) + " on forget")
    if objective.retains:
        terms.append(_times(weights["retain"], RETAIN[objective.retain]) + " on retain")
    if objective.regulariser != "none":
        terms.append(_times(weights["regulariser"], REGULARISER[objective.regulariser]))
    return " + ".join(terms)


def _times(weight: str, term: str) -> str:
    return f"{weight} · {term}" if weight else term


def _used(objective: Objective) -> frozenset[str]:
    chosen = objective.model_dump()
    off = {name: "none" for name, on in (("forget", objective.forgets), ("retain", objective.retains)) if not on}
    return settings_in_use(chosen | off)


def _moves(objective: Objective) -> bool:
    return objective.forgets and objective.forget == "pdu"


def _multiplier(objective: Objective) -> str:
    return "α_t" if _moves(objective) else "α"


def _number(value: Any) -> str:
    return f"{value:.12g}"
