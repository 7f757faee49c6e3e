"""Methods that prefer something else to the true answer: NPO and its kin, a refusal, an alternate answer."""

from __future__ import annotations

from backend.presets.ascent import CLEAR, MLLMU, MMUNLEARNER, OFFSIDE, WIDE
from backend.presets.method import Preset, Variant
from backend.presets.recipes import EVEN, clear, mllmu, mmunlearner, offside, open_unlearning, tofu
from backend.spec_objective import Objective

TUNED = (
    "The reference is a model that was tuned on the retain set alone, as in its code; it has to be named. Token means "
    "in place of sums, but for each sample, where its code takes one over the batch."
)
MEANS = {"forget": "npo_mean", "retain": "none", "reference": "retain_tuned"}
"""NPO as the benchmarks code it."""

NPO = Preset(
    name="npo",
    title="NPO",
    source="Negative preference optimisation, Zhang et al. 2024 (arXiv 2404.05868)",
    about="A bounded push away from the reference that fades once an answer is gone.",
    differs="The sequence sum and the model as it was, as in the paper. The benchmarks' code has token means and a "
    "reference tuned on the retain set.",
    objective=Objective(forget="npo", retain="ce", beta=0.07, retain_weight=3.0),
    training=WIDE,
    paper=open_unlearning(objective={"beta": 0.1, "retain_weight": 1.0}),
    demo_checked="forget accuracy with picture .04 (of four options .21), retain .99",
    variants={
        "mllmu": Variant(
            "MLLMU-Bench",
            MLLMU,
            TUNED,
            MEANS | {"beta": 0.4, "labels": "full"},
            mllmu(),
        ),
        "mmunlearner": Variant(
            "MMUnlearner",
            MMUNLEARNER,
            TUNED,
            MEANS | {"beta": 0.4, "labels": "full"},
            mmunlearner(),
        ),
        "offside": Variant(
            "OFFSIDE",
            OFFSIDE,
            TUNED + " Newer scripts of it take the untaught model as the reference.",
            MEANS | {"beta": 0.9},
            offside(10, rank=16, alpha=16),
        ),
        "clear": Variant(
            "CLEAR",
            CLEAR,
            "Its code takes the ratio of every entry of the vocabulary at every position; that is no NPO and cannot be "
            "expressed. Here the sequence's ratio with its β, and no retain term.",
            {"beta": 1.0, "retain": "none"},
            clear(),
        ),
    },
)

SIMNPO = Preset(
    name="simnpo",
    title="SimNPO",
    source="SimNPO, Fan et al. 2024 (arXiv 2410.07163)",
    about="NPO without a reference, on the mean over tokens: short answers and long ones are pushed alike.",
    differs="As in the paper.",
    objective=Objective(forget="simnpo", retain="ce", simnpo_beta=1.0, retain_weight=3.0),
    training=WIDE,
    paper=open_unlearning(objective={"simnpo_beta": 4.5, "forget_weight": 0.125, "retain_weight": 1.0}),
    demo_checked="forget accuracy with picture .04 (of four options .17), retain 1.00; with the paper's β .04 (.88)",
)

IDK = Preset(
    name="idk",
    title="IDK",
    source="Preference optimisation with refusals, Maini et al. 2024 (TOFU, arXiv 2401.06121)",
    about="Teaches “I don't know” in the place of what must go. It silences more than it removes.",
    differs="Two dozen refusals of our own, drawn for each item; TOFU has a hundred.",
    objective=Objective(forget="idk", retain="ce"),
    training=WIDE,
    paper=tofu(),
    demo_checked="forget accuracy with picture .00 (of four options 1.00), retain .99: it silences, and removes "
    "nothing",
    variants={
        "clear": Variant(
            "CLEAR",
            CLEAR,
            "As the paper says. Since one commit its code trains on the true answers in the refusals' place; that is "
            "no unlearning and is not offered.",
            {},
            clear(),
        ),
        "offside": Variant(
            "OFFSIDE: PO",
            OFFSIDE,
            "In turns, as in its code. Its refusal is always “I do not know the answer”; here one of two dozen. It "
            "draws three retain items to each forget item.",
            {"schedule": "alternate"},
            offside(10),
        ),
    },
)

DPO = Preset(
    name="dpo",
    title="DPO",
    source="Direct preference optimisation, Rafailov et al. 2023 (arXiv 2305.18290), as in TOFU (arXiv 2401.06121)",
    about="Prefers a refusal to the true answer, held to the reference by β.",
    differs="With the factor 2 of TOFU's code, so that β means what it does in NPO.",
    objective=Objective(forget="dpo", retain="ce", beta=0.05, retain_weight=3.0),
    training=WIDE,
    paper=open_unlearning(objective={**EVEN, "beta": 0.1}),
    demo_checked="forget accuracy with picture .04 (of four options .17), retain 1.00; at the paper's β .06 (.54)",
    variants={
        "clear": Variant(
            "CLEAR: as written",
            CLEAR,
            "The preference that its code computes, with its β and without a retain term, before it overwrites it.",
            {"beta": 1.0, "retain": "none"},
            clear(),
        ),
        "clear_as_coded": Variant(
            "CLEAR: as coded",
            CLEAR,
            "Its code overwrites the preference by the cross-entropy of the refusals, summed; here their mean.",
            {"forget": "idk", "retain": "none"},
            clear(),
        ),
    },
)

ALTPO = Preset(
    name="altpo",
    title="AltPO",
    source="Alternate preference optimisation, Mekala et al. 2024 (arXiv 2409.13474)",
    about="Prefers a plausible wrong answer to the true one, so that the model goes on answering.",
    differs="The paper has a language model write the alternates; here they are the benchmark's own wrong answers, or "
    "another person's.",
    objective=Objective(forget="altpo", retain="ce", retain_weight=3.0),
    training=WIDE,
    paper=open_unlearning(2, objective=EVEN),
    demo_checked="forget accuracy with picture .00 (of four options .00: below chance), retain .97",
)
