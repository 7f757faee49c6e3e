"""Each published method as its paper and its code have it: terms, weights, turns and settings, copied from the sources
by hand and not from the presets.

Weights are those of the papers' settings, not of the demo's. A step's size is batch times accumulation.
"""

from __future__ import annotations

from typing import Any

import pytest

from backend.presets import PRESETS, fill, preset, split_name
from backend.spec import UnlearnSpec
from backend.spec_edit import EDIT_SETTINGS, trains

ONE = {"forget_weight": 1, "retain_weight": 1}
FULL = {"labels": "full"}
ALONE = {"forget_weight": 1}

TERMS: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    # Jang et al.: −L_f. MLLMU-Bench masks padding alone; CLEAR and OFFSIDE count the answer
    "ga": ("ga", "none", "2210.01504", ALONE),
    "ga:mllmu": ("ga", "none", "2410.22108", ALONE | FULL),
    "ga:clear": ("ga", "none", "2410.18057", ALONE),
    "ga:offside": ("ga", "none", "2510.22535", ALONE),
    # pass by pass / one forget step to K = 9 retain steps / bf : br = 1 : 3 / summed / l1 on LoRA
    "graddiff": ("ga", "ce", "2203.12817", ONE),
    "graddiff:mllmu": ("ga", "ce", "2410.22108", ONE | FULL | {"schedule": "sequential"}),
    "graddiff:mmunlearner": ("ga", "ce", "2502.11051", ONE | FULL | {"schedule": "every_k", "every": 10}),
    "graddiff:offside": ("ga", "ce", "2510.22535", {"forget_weight": 1 / 4, "retain_weight": 3 / 4}),
    "graddiff:clear": ("ga", "ce", "2410.18057", ONE),
    "graddiff:l1": ("ga", "ce", "2410.18057", ONE | {"regulariser": "l1_lora", "regulariser_weight": 0.01}),
    # TOFU; CE + KL(vanilla ‖ θ) in a pass of its own; the same every K; even and odd steps, CE + 0.1 KL; summed
    "kl": ("ga", "kl", "2401.06121", ONE),
    "kl:mllmu": ("ga", "ce_kl", "2410.22108", ONE | FULL | {"schedule": "sequential", "kl_weight": 1}),
    "kl:mmunlearner": (
        "ga", "ce_kl", "2502.11051", ONE | FULL | {"schedule": "every_k", "every": 10, "kl_weight": 1},
    ),
    "kl:offside": ("ga", "ce_kl", "2510.22535", ONE | {"schedule": "alternate", "kl_weight": 0.1}),
    "kl:clear": ("ga", "kl", "2410.18057", ONE),
    # sequence sums and β 0.1; token means, β .4 / .4 / .9 and a retain-tuned reference; the teacher, β 1
    "npo": ("npo", "ce", "2404.05868", ONE | {"beta": 0.1}),
    "npo:mllmu": ("npo_mean", "none", "2410.22108", ALONE | FULL | {"beta": 0.4, "reference": "retain_tuned"}),
    "npo:mmunlearner": ("npo_mean", "none", "2502.11051", ALONE | FULL | {"beta": 0.4, "reference": "retain_tuned"}),
    "npo:offside": ("npo_mean", "none", "2510.22535", ALONE | {"beta": 0.9, "reference": "retain_tuned"}),
    "npo:clear": ("npo", "none", "2410.18057", ALONE | {"beta": 1}),
    # masked ascent every K + 1 steps, F_f / F_p ≥ 1 over batches of 4; SalUn's k is 50 %
    "mmunlearner": (
        "ga", "ce", "2502.11051",
        ONE | FULL | {"schedule": "every_k", "every": 10, "mask": "mmunlearner", "mask_threshold": 1, "mask_batch": 4},
    ),
    "salun": ("ga", "ce", "2310.12508", ONE | {"schedule": "alternate", "mask": "salun", "mask_share": 0.5}),
    "retain_ft": ("none", "ce", "2410.18057", {"retain_weight": 1}),
    # L(refusal) + L_r; even and odd steps in OFFSIDE's PO
    "idk": ("idk", "ce", "2401.06121", ONE),
    "idk:clear": ("idk", "ce", "2410.18057", ONE),
    "idk:offside": ("idk", "ce", "2510.22535", ONE | {"schedule": "alternate"}),
    "dpo": ("dpo", "ce", "2305.18290", ONE | {"beta": 0.1}),
    "dpo:clear": ("dpo", "none", "2410.18057", ALONE | {"beta": 1}),
    "dpo:clear_as_coded": ("idk", "none", "2410.18057", ALONE),
    # max and min passes: −KL_f, then KL_r + CE_r; CLEAR: all at once, KL(θ ‖ T)
    "scrub": ("kl", "ce_kl", "2302.09880", ONE | {"schedule": "sequential", "kl_weight": 1}),
    "scrub:clear": ("kl", "ce_kl", "2410.18057", ONE | {"kl_weight": 1, "kl_direction": "from_model"}),
    # .5 GA + 1 mismatch (K = 5) + 1 KL; CLEAR: −CE + CE(idk) + KL(θ ‖ T)
    "llmu": (
        "llmu", "kl", "2310.10683",
        {"forget_weight": 0.5, "mismatch_weight": 1 / 0.5, "mismatch_count": 5, "retain_weight": 1},
    ),
    "llmu:clear": ("ga_idk", "kl", "2410.18057", ONE | {"refusal_weight": 1, "kl_direction": "from_model"}),
    # c 6.5 and α 1200 on Zephyr's block 7; CLEAR: c 300, weights 1
    "rmu": ("rmu", "hidden", "2403.03218", ONE | {"layer": 7, "rmu_scale": 6.5, "retain_weight": 1200}),
    "rmu:clear": ("rmu", "hidden", "2410.18057", ONE | {"layer": 7, "rmu_scale": 300}),
    "simnpo": (
        "simnpo", "ce", "2410.07163",
        {"forget_weight": 0.125, "retain_weight": 1, "simnpo_beta": 4.5, "simnpo_delta": 0},
    ),
    "altpo": ("altpo", "ce", "2409.13474", ONE | {"beta": 0.1}),
    "undial": ("undial", "none", "2402.10052", ALONE | {"undial_strength": 10}),
    "ceu": ("ceu", "none", "2503.01224", ALONE | {"ceu_skip": 1}),
    "wga": ("wga", "ce", "2502.19301", ONE | {"wga_beta": 1}),
    "satimp": (
        "satimp", "ce", "2505.11953",
        {"forget_weight": 0.1, "retain_weight": 1, "satimp_beta1": 5, "satimp_beta2": 1},
    ),
    # open-unlearning's script for TOFU: preference 100, step 5, ε 0.3, warm-up 5 epochs of 10
    "pdu": (
        "pdu", "ce", "2506.05314",
        {"forget_weight": 1, "retain_weight": 100, "pdu_epsilon": 0.3, "pdu_rate": 5, "pdu_warmup": 5 / 10},
    ),
    # ME+GD's me_gd.sh
    "entropy": ("entropy", "ce", "2410.08109", {"forget_weight": 0.1, "retain_weight": 1}),
    "task_vector": ("learn", "none", "2212.04089", ALONE | {"negation": 1}),
    # SKU's README: 2.5 · distortion + 2.5 · mismatch (K = 5) − 1 · KL; CLEAR's: 2.5 · CE + Σ of 3 − 0.5 · KL
    "sku": (
        "sku", "kl_away", "2402.10058",
        {"forget_weight": 2.5, "mismatch_weight": 1, "mismatch_count": 5, "retain_weight": 1, "negation": 1},
    ),
    "sku:clear": (
        "sku", "kl_away", "2410.18057",
        {"forget_weight": 2.5, "mismatch_weight": 3 / 2.5, "mismatch_count": 3, "retain_weight": 0.5, "negation": 1},
    ),
}  # fmt: skip
"""By name: forget term, retain term, arXiv number, and the weights and what is not `USUAL`."""
USUAL = {
    "schedule": "joint",
    "labels": "answer",
    "mask": "none",
    "regulariser": "none",
    "kl_direction": "from_reference",
    "reference": "start",
}
UNSAID = {"layer", "mask_samples", "mask_batch"}
"""What the sources leave open, or count in other units."""

EDITED = {
    "manu": ("2502.15910", "manu", {"prune_share": 0.02, "fires_above": 0.1}),
    "manu:mip_editor": ("2511.06793", "manu", {"prune_share": 0.1, "fires_above": 0.1}),
    "prompt": ("2410.22108", "prompt", {}),
}
"""Those without terms."""

TRAINED: dict[str, tuple[str, float, int, float | None, dict[str, Any]]] = {
    # LoRA r16 α16, 2e-5, batch 4, one epoch
    "mllmu": ("lora", 2e-5, 4, 1, {"lora_rank": 16, "lora_alpha": 16, "lora_dropout": 0.05, "modules": "language"}),
    "mmunlearner": ("lora", 1e-5, 4, 1, {"lora_rank": 16, "lora_alpha": 16, "lora_dropout": 0.05, "modules": "all"}),
    # forget.yaml: LoRA r 0, 1e-5, batch 2 × 4, five epochs
    "clear": ("full", 1e-5, 8, 5, {"modules": "all"}),
    "graddiff:l1": ("lora", 1e-5, 8, 5, {"lora_rank": 8, "lora_alpha": 32}),
    "sku:clear": ("lora", 1e-5, 8, 5, {"lora_rank": 8, "lora_alpha": 32}),
    "ga:offside": ("lora", 5e-5, 64, 3, {"lora_rank": 8, "lora_alpha": 32, "lora_dropout": 0.05}),
    "graddiff:offside": ("lora", 5e-5, 16, 4, {"lora_rank": 8, "lora_alpha": 32, "schedule": "cosine"}),
    "kl:offside": ("lora", 5e-5, 4, 10, {"lora_rank": 8, "lora_alpha": 32}),
    "idk:offside": ("lora", 5e-5, 4, 10, {"lora_rank": 8, "lora_alpha": 32}),
    "npo:offside": ("lora", 5e-5, 4, 10, {"lora_rank": 16, "lora_alpha": 16}),
    # the manifold script trains all weights
    "mmunlearner!": ("full", 1e-5, 4, 1, {"modules": "all"}),
    # TOFU's forget.yaml and forget.py: 32 a step, five epochs, the first of them rising
    "idk": ("full", 1e-5, 32, 5, {"weight_decay": 0.01, "warmup": 0.2}),
    "entropy": ("full", 1e-5, 32, 5, {"weight_decay": 0.01}),
    "llmu": ("lora", 2e-6, 2, None, {"lora_rank": 32, "lora_alpha": 16, "steps": 1000}),
    "rmu": ("full", 5e-5, 4, None, {"steps": 150}),
    "undial": ("lora", 1e-4, 16, 10, {"lora_rank": 8, "lora_alpha": 16}),
    "altpo": ("full", 1e-5, 32, 2, {}),
    "wga": ("full", 1e-5, 32, 5, {}),
    "satimp": ("full", 1e-5, 32, 5, {}),
    # open-unlearning's finetune.yaml: 8 × 4, ten epochs
    **dict.fromkeys(("npo", "simnpo", "dpo", "ceu", "pdu"), ("full", 1e-5, 32, 10, {})),
    "task_vector": ("lora", 2e-5, 4, 5, {"lora_rank": 16, "lora_alpha": 16}),
    "sku": ("lora", 2e-4, 2, None, {"lora_rank": 32, "lora_alpha": 16, "steps": 1000}),
}
"""Adapter, learning rate, items a step, epochs (None: steps), and further settings."""
SAME_AS = {
    "ga": "mllmu",
    "graddiff": "mllmu",
    "kl": "mllmu",
    "retain_ft": "clear",
    "scrub": "clear",
    "salun": "clear",
    "dpo:clear_as_coded": "clear",
    "mmunlearner": "mmunlearner!",
}
"""Methods whose settings are those of a benchmark's common ones."""


def sources(name: str) -> str:
    method, variant = split_name(name)
    return PRESETS[method].variants[variant].source if variant else PRESETS[method].source


def test_every_method_and_variant_is_pinned() -> None:
    names = {f"{name}:{one}" if one else name for name, known in PRESETS.items() for one in ("", *known.variants)}
    assert {*TERMS, *EDITED} == names


@pytest.mark.parametrize("name", TERMS)
def test_terms_weights_and_turns_are_the_papers(name: str) -> None:
    forget, retain, number, rest = TERMS[name]
    spec = fill(name, "paper")
    of_edit = {key: getattr(spec.edit, key) for key in EDIT_SETTINGS[spec.edit.method]}
    found = {key: getattr(spec.objective, key) for key in spec.objective.in_use if key in rest or key not in UNSAID}
    usual = {key: value for key, value in USUAL.items() if key in found}
    assert found | of_edit == usual | {"forget": forget, "retain": retain} | rest
    assert f"arXiv {number}" in sources(name)


@pytest.mark.parametrize("name", EDITED)
def test_what_is_done_without_a_training_is_the_papers(name: str) -> None:
    number, method, settings = EDITED[name]
    spec = fill(name, "paper")
    assert spec.edit.method == method and not trains(method)
    assert {key: getattr(spec.edit, key) for key in settings} == settings
    assert f"arXiv {number}" in sources(name)


@pytest.mark.parametrize("name", TERMS)
def test_what_it_was_trained_with_is_the_papers(name: str) -> None:
    where = SAME_AS.get(name) or (name if name in TRAINED else split_name(name)[1])
    adapter, rate, items, epochs, rest = TRAINED[where]
    spec, recipe = fill(name, "paper"), preset(name).recipe(split_name(name)[1])
    training = spec.training
    assert (training.adapter, training.learning_rate, training.batch_size * training.accumulation) == (
        adapter,
        rate,
        items,
    )
    assert recipe is not None and recipe.epochs == epochs
    assert {key: getattr(training, key) for key in rest} == rest
    assert training.precision == "bf16"


def test_llmus_bound_of_the_forget_loss_is_a_guard_and_no_other_method_has_one() -> None:
    bounds = {name: fill(name, "paper").guards.forget_loss_above for name in (*TERMS, *EDITED)}
    assert {name: bound for name, bound in bounds.items() if bound} == {"llmu": 100}
    assert not any(fill(name).guards.active for name in PRESETS)


def test_every_source_names_who_published_it_and_where() -> None:
    for name in (*TERMS, *EDITED):
        source = sources(name)
        assert "arXiv" in source
        assert source.startswith("MIP-Editor") or any(year in source for year in ("2022", "2023", "2024", "2025"))
    assert isinstance(fill("sku"), UnlearnSpec)
