"""A method in mathematics: what every term, weight and option of its objective computes, and what is done beside it or
in its place, as a person would write it. No torch.

π_θ is the model being changed, π_ref the model as it was, x the question with its picture, y the answer; `mean` is over
the answer's tokens, `mean log π(y|x)` is log π(y|x) / |y|. p is the probability of an answer token, z its logits, h the
hidden states of one block and d their number. θ* is what is learnt from θ, θ_j a neuron of an MLP, s an instruction.
The terms themselves are in `backend/objectives/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backend.spec_edit import EDIT_SETTINGS, Edit, trains
from backend.spec_objective import Objective

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
    "ga_idk": "(mean log π_θ(y|x) − u · mean log π_θ(refusal|x))",
    "entropy": "−H(π_θ)",
    "learn": "CE",
    "sku": "(CE − w · mean log π_θ(another's y|x))",
}
RETAIN: dict[str, str] = {
    "ce": "CE",
    "kl": "KL(π_ref ‖ π_θ)",
    "ce_kl": "(CE + v · KL(π_ref ‖ π_θ))",
    "hidden": "‖h_θ − h_ref‖² / d",
    "kl_away": "−KL(π_ref ‖ π_θ)",
}
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
    "pdu_warmup": "warm-up share",
    "mismatch_count": "answers of others",
    "mismatch_weight": "w",
    "refusal_weight": "u",
    "kl_weight": "v",
}
"""How the formula calls a setting of a term."""

EDITS: dict[str, str] = {
    "manu": "θ_j ← 0 for the ρ of all neurons j with the largest I_forget(j) / I_retain(j)",
    "task_vector": "θ − κ (θ* − θ)",
    "prompt": "π_θ(y|s, x)",
}
"""What comes of a method that does more, or less, than minimise; I is MANU's importance (arXiv 2502.15910)."""
EDIT_SYMBOLS: dict[str, str] = {
    "prune_share": "ρ",
    "fires_above": "a neuron fires above τ",
    "prune_samples": "items watched (0: all)",
    "negation": "κ",
    "instruction": "s",
}
EDIT_WORDS: dict[str, str] = {
    "manu": "nothing is trained; the MLP neurons that matter most to the forget set are cut",
    "task_vector": "θ* is learnt by an adapter, and κ times what it learnt is subtracted",
    "prompt": "no weight changes; the instruction s stands before every question",
}
"""The same in words."""

IN_WORDS: dict[str, dict[str, str]] = {
    "schedule": {
        "alternate": "the two terms take turns, step by step",
        "every_k": "one forget step in every {every}, the others are retain steps",
        "sequential": "a whole pass of the forget term, then a whole pass of the retain term",
    },
    "labels": {"full": "the question's tokens count like the answer's"},
    "reference": {"retain_tuned": "π_ref is a model tuned on the retain set"},
    "mask": {
        "mmunlearner": "the forget term moves only weights that matter more to the forget set than to the rest",
        "salun": "only the weights that matter most to the forget set move, in retain steps too",
    },
}
"""What no formula says: by field, by what is chosen there. Braces hold another field of the objective."""


NO_EDIT = Edit()


def minimises(edit: Edit) -> bool:
    """Whether a method's formula is what is minimised, and not what is done."""
    return edit.method == "none"


def symbolic(objective: Objective, edit: Edit = NO_EDIT) -> str:
    """What is minimised, with γ, α and λ for the weights: `γ · mean log π_θ(y|x) on forget + α · CE on retain`; or
    what an edit gives."""
    minimised = _joined(objective, {"forget": "γ", "retain": _multiplier(objective), "regulariser": "λ"})
    return _edited(minimised, edit)


def written(objective: Objective, edit: Edit = NO_EDIT) -> str:
    """The same with the weights as numbers; a weight of 1 is not written."""
    weights = {
        "forget": _number(objective.forget_weight),
        "retain": "α_t" if _moves(objective) else _number(objective.retain_weight),
        "regulariser": _number(objective.regulariser_weight),
    }
    minimised = _joined(objective, {name: "" if weight == "1" else weight for name, weight in weights.items()})
    return _edited(minimised, edit)


def where(objective: Objective, edit: Edit = NO_EDIT) -> str:
    """The settings of the terms and of the edit, in the formula's own symbols: `β = 0.07`; nothing where there are
    none."""
    settings = [(EDIT_SYMBOLS[name], getattr(edit, name)) for name in EDIT_SETTINGS[edit.method]]
    of_edit = [f"{symbol} = {_number(value)}" for symbol, value in settings]
    return ", ".join([*of_edit, *(_of_terms(objective) if trains(edit.method) else [])])


def _of_terms(objective: Objective) -> list[str]:
    chosen, used = objective.model_dump(), objective.in_use
    said = [f"{symbol} = {_number(chosen[name])}" for name, symbol in SYMBOLS.items() if name in used]
    if _moves(objective):
        said.append(f"α_t ← max(0, α_t + η (CE − ε)) from {_number(objective.retain_weight)}")
    return said


def in_words(objective: Objective, edit: Edit = NO_EDIT) -> str:
    """What a formula cannot say: what an edit does, whose turn it is, which tokens count, which weights may move, what
    the reference is. Often nothing."""
    of_edit = [EDIT_WORDS[edit.method]] if edit.method != "none" else []
    return "; ".join([*of_edit, *(_options(objective) if trains(edit.method) else [])])


def _options(objective: Objective) -> list[str]:
    chosen, used = objective.model_dump(), objective.in_use
    return [
        words[chosen[name]].format_map(chosen)
        for name, words in IN_WORDS.items()
        if name in used and chosen.get(name) in words
    ]


def _edited(minimised: str, edit: Edit) -> str:
    if edit.method == "none":
        return minimised
    learnt = f", θ* minimising {minimised}" if trains(edit.method) else ""
    return EDITS[edit.method] + learnt


def _joined(objective: Objective, weights: Mapping[str, str]) -> str:
    terms = []
    if objective.forgets:
        terms.append(_times(weights["forget"], FORGET[objective.forget]) + " on forget")
    if objective.retains:
        terms.append(_times(weights["retain"], RETAIN[objective.retain]) + " on retain")
    if objective.regulariser != "none":
        terms.append(_times(weights["regulariser"], REGULARISER[objective.regulariser]))
    return _directed(" + ".join(terms), objective)


def _directed(minimised: str, objective: Objective) -> str:
    forward = objective.kl_direction == "from_reference"
    return minimised if forward else minimised.replace("KL(π_ref ‖ π_θ)", "KL(π_θ ‖ π_ref)")


def _times(weight: str, term: str) -> str:
    return f"{weight} · {term}" if weight else term


def _moves(objective: Objective) -> bool:
    return objective.forgets and objective.forget == "pdu"


def _multiplier(objective: Objective) -> str:
    return "α_t" if _moves(objective) else "α"


def _number(value: Any) -> str:
    return f"“{value}”" if isinstance(value, str) else f"{value:.12g}"
