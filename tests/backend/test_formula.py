"""An objective in mathematics: every term has a formula, the weights stand where they belong, and options are words."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from backend import formula
from backend.spec_edit import EDIT_SETTINGS, Edit
from backend.spec_objective import SETTINGS_OF, ForgetTerm, Objective, Regulariser, RetainTerm


@pytest.mark.parametrize(
    ("chosen", "symbolic", "written"),
    [
        (
            {"forget": "ga", "retain": "ce", "retain_weight": 4},
            "γ · mean log π_θ(y|x) on forget + α · CE on retain",
            "mean log π_θ(y|x) on forget + 4 · CE on retain",
        ),
        (
            {"forget": "npo", "retain": "kl", "forget_weight": 0.5},
            "γ · −(2/β) log σ(−β (log π_θ(y|x) − log π_ref(y|x))) on forget + α · KL(π_ref ‖ π_θ) on retain",
            "0.5 · −(2/β) log σ(−β (log π_θ(y|x) − log π_ref(y|x))) on forget + KL(π_ref ‖ π_θ) on retain",
        ),
        ({"forget": "none", "retain": "ce"}, "α · CE on retain", "CE on retain"),
        ({"forget": "entropy", "retain": "none"}, "γ · −H(π_θ) on forget", "−H(π_θ) on forget"),
        ({"forget": "entropy", "forget_weight": 0}, "α · CE on retain", "CE on retain"),
        (
            {"forget": "rmu", "retain": "hidden", "regulariser": "l1_lora", "regulariser_weight": 0.01},
            "γ · ‖h_θ − c·u‖² / d on forget + α · ‖h_θ − h_ref‖² / d on retain + λ · (Σ|A| + Σ|B|)",
            "‖h_θ − c·u‖² / d on forget + ‖h_θ − h_ref‖² / d on retain + 0.01 · (Σ|A| + Σ|B|)",
        ),
        (
            {"forget": "pdu", "retain": "ce", "retain_weight": 50},
            "γ · mean (max z − mean z)² on forget + α_t · CE on retain",
            "mean (max z − mean z)² on forget + α_t · CE on retain",
        ),
    ],
)
def test_an_objective_writes_itself(chosen: dict[str, Any], symbolic: str, written: str) -> None:
    objective = Objective(**chosen)
    assert formula.symbolic(objective) == symbolic
    assert formula.written(objective) == written


@pytest.mark.parametrize(
    ("chosen", "where"),
    [
        ({"forget": "npo", "beta": 0.07}, "β = 0.07"),
        ({"forget": "ga"}, ""),
        ({"forget": "satimp", "satimp_beta1": 3}, "β₁ = 3, β₂ = 1"),
        ({"forget": "none", "beta": 0.4}, ""),
        (
            {"forget": "pdu", "retain_weight": 50},
            "ε = 0.3, η = 1, warm-up share = 0, α_t ← max(0, α_t + η (CE − ε)) from 50",
        ),
    ],
)
def test_the_settings_of_the_terms_stand_by_their_symbols(chosen: dict[str, Any], where: str) -> None:
    assert formula.where(Objective(**chosen)) == where


def test_turns_and_labels_are_said_in_words() -> None:
    assert formula.in_words(Objective()) == ""
    every = Objective(schedule="every_k", every=7, labels="full")
    assert formula.in_words(every) == (
        "one forget step in every 7, the others are retain steps; the question's tokens count like the answer's"
    )


def test_every_term_that_can_be_chosen_has_its_formula() -> None:
    assert set(formula.FORGET) == set(get_args(ForgetTerm)) - {"none"}
    assert set(formula.RETAIN) == set(get_args(RetainTerm)) - {"none"}
    assert set(formula.REGULARISER) == set(get_args(Regulariser)) - {"none"}
    assert set(formula.IN_WORDS["schedule"]) == set(SETTINGS_OF["schedule"]) - {"joint"}


def test_every_setting_of_a_term_has_a_symbol() -> None:
    weights = {"forget_weight", "retain_weight"}
    of_terms = {name for group in ("forget", "retain") for names in SETTINGS_OF[group].values() for name in names}
    in_the_formula_or_in_words = {"kl_direction", "reference"}
    assert set(formula.SYMBOLS) == of_terms - weights - in_the_formula_or_in_words


@pytest.mark.parametrize(
    ("edit", "chosen", "symbolic", "where", "words"),
    [
        (
            {"method": "manu", "prune_share": 0.02},
            {},
            "θ_j ← 0 for the ρ of all neurons j with the largest I_forget(j) / I_retain(j)",
            "ρ = 0.02, a neuron fires above τ = 0.1, items watched (0: all) = 0",
            "nothing is trained; the MLP neurons that matter most to the forget set are cut",
        ),
        (
            {"method": "task_vector", "negation": 3},
            {"forget": "sku", "retain": "kl_away", "mismatch_count": 3},
            "θ − κ (θ* − θ), θ* minimising γ · (CE − w · mean log π_θ(another's y|x)) on forget + "
            "α · −KL(π_ref ‖ π_θ) on retain",
            "κ = 3, answers of others = 3, w = 2",
            "θ* is learnt by an adapter, and κ times what it learnt is subtracted",
        ),
        (
            {"method": "prompt", "instruction": "Say nothing."},
            {},
            "π_θ(y|s, x)",
            "s = “Say nothing.”",
            "no weight changes; the instruction s stands before every question",
        ),
    ],
)
def test_a_method_that_does_more_or_less_than_minimise_is_written_too(
    edit: dict[str, Any], chosen: dict[str, Any], symbolic: str, where: str, words: str
) -> None:
    told, objective = Edit(**edit), Objective(**chosen)
    assert formula.symbolic(objective, told) == symbolic
    assert formula.where(objective, told) == where
    assert formula.in_words(objective, told) == words
    assert set(formula.EDITS) == set(formula.EDIT_WORDS) == set(EDIT_SETTINGS) - {"none"}
    assert set(formula.EDIT_SYMBOLS) == {name for names in EDIT_SETTINGS.values() for name in names}


def test_the_direction_of_a_divergence_and_another_reference_are_told() -> None:
    objective = Objective(forget="kl", retain="ce_kl", kl_direction="from_model", reference="retain_tuned")
    assert formula.written(objective) == "−KL(π_θ ‖ π_ref) on forget + (CE + v · KL(π_θ ‖ π_ref)) on retain"
    assert formula.in_words(objective) == "π_ref is a model tuned on the retain set"
    assert formula.in_words(Objective(forget="ga", reference="retain_tuned")) == ""
