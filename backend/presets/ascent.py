"""Methods that climb the loss of what must go, or only hold what must stay: GA and its kin, SCRUB, LLMU, entropy."""

from __future__ import annotations

from backend.presets.method import Preset, Recipe, Variant
from backend.presets.recipes import EVEN, HALF, SHORT, WHOLE, clear, clear_lora, mllmu, mmunlearner, offside
from backend.spec_objective import Objective

CLEAR = "CLEAR, Dontsov et al. 2024 (arXiv 2410.18057)"
MLLMU = "MLLMU-Bench, Liu et al. 2024 (arXiv 2410.22108)"
MMUNLEARNER = "MMUnlearner, Huo et al. 2025 (arXiv 2502.11051)"
OFFSIDE = "OFFSIDE, Zheng et al. 2025 (arXiv 2510.22535)"
DEMO = SHORT | {"steps": 60, "learning_rate": 2e-3, "batch_size": 24}
WIDE = SHORT | {
    "steps": 60,
    "learning_rate": 3e-3,
    "batch_size": 32,
    "schedule": "cosine",
    "lora_rank": 32,
    "lora_alpha": 64,
}
"""What NPO was tuned to on the demo; its kin begin there too."""

GA = Preset(
    name="ga",
    title="GA",
    source="Gradient ascent, Jang et al. 2023 (arXiv 2210.01504)",
    about="Plain ascent on the answers to forget. Unbounded: it soon harms everything else.",
    differs="The mean over a sample's answer tokens; Jang's is the sum. Jang stops once a person is forgotten; here "
    "the steps are given.",
    objective=Objective(forget="ga", retain="none"),
    training=DEMO | {"steps": 20},
    paper=mllmu(),
    demo_checked="20 steps: forget accuracy with picture .04 (of four options .88), retain .23; at step 8 .32 and .53",
    variants={
        "mllmu": Variant(
            "MLLMU-Bench",
            MLLMU,
            "As in its code, the question's tokens are climbed too. Its adapters also caught the picture tower's "
            "attention, by their names; here they do not.",
            {"labels": "full"},
            mllmu(),
        ),
        "clear": Variant("CLEAR", CLEAR, "Nothing: ascent on answer tokens, all weights.", {}, clear()),
        "offside": Variant("OFFSIDE", OFFSIDE, "Its adapters sit on q and v alone.", {}, offside(3, accumulation=16)),
    },
)

GRADDIFF = Preset(
    name="graddiff",
    title="GradDiff",
    source="Gradient difference, Liu et al. 2022 (arXiv 2203.12817)",
    about="Ascent on what must go, descent on what must stay, in the same step.",
    differs="Summed in every step, with as many retain items as forget items; each paper has its own order.",
    objective=Objective(forget="ga", retain="ce", retain_weight=3.0),
    training=WIDE,
    paper=mllmu(**EVEN),
    demo_checked="forget accuracy with picture .00 (of four options .33), retain .89",
    variants={
        "mllmu": Variant(
            "MLLMU-Bench: pass by pass",
            MLLMU,
            "As in its code: a pass over the forget set, then one over the retain set, question tokens counted. Its "
            "learning rate falls once an epoch; here step by step.",
            {"schedule": "sequential", "labels": "full", "retain_weight": 1.0},
            mllmu(),
        ),
        "mmunlearner": Variant(
            "MMUnlearner: interleaved",
            MMUNLEARNER,
            "Its code steps on the forget set before every K-th retain batch, K being how many times larger the retain "
            "set is; K is 9 here, as at a forget set of 10 %. At 5 % it is 19, so that every is 20.",
            {"schedule": "every_k", "every": 10, "labels": "full", "retain_weight": 1.0},
            mmunlearner(),
        ),
        "offside": Variant(
            "OFFSIDE: weighted 1 : 3",
            OFFSIDE,
            "The weights of its code at the 1 : 3 it asks for. It also draws three retain items to each forget item; "
            "here both sets give as many.",
            {"forget_weight": 0.25, "retain_weight": 0.75},
            offside(4, accumulation=4, schedule="cosine"),
        ),
        "clear": Variant(
            "CLEAR: summed", CLEAR, "Nothing: the sum in every step, all weights.", {"retain_weight": 1.0}, clear()
        ),
        "l1": Variant(
            "CLEAR: l1 on LoRA",
            CLEAR,
            "The sum of absolute values of the LoRA matrices, as in the paper. Its code leaves l1 off unless it is "
            "asked for; 0.01 is one weight that it swept, and under it the demo's model forgets nothing.",
            {"regulariser": "l1_lora", "regulariser_weight": 1e-4},
            clear_lora(retain_weight=1.0, regulariser_weight=0.01),
            "forget accuracy with picture .00 (of four options .33), retain .87",
        ),
    },
)

KL = Preset(
    name="kl",
    title="KL",
    source="KL minimisation, Maini et al. 2024 (TOFU, arXiv 2401.06121)",
    about="Ascent on what must go; on the rest, stay close to the model as it was.",
    differs="The divergence is over answer positions, a mean over tokens; TOFU counts the prompt's as well.",
    objective=Objective(forget="ga", retain="kl", retain_weight=4.0),
    training=DEMO | {"learning_rate": 1e-3},
    paper=mllmu(**EVEN),
    demo_checked="forget accuracy with picture .21 (of four options 1.00), retain .99: it hides, as text not even that",
    variants={
        "mllmu": Variant(
            "MLLMU-Bench",
            MLLMU,
            "A pass over the forget set, then one over the retain set with cross-entropy and divergence, as in its "
            "code, which sums the divergence over prompt and padding; here a mean over tokens.",
            {"schedule": "sequential", "labels": "full", "retain": "ce_kl", "retain_weight": 1.0},
            mllmu(),
        ),
        "mmunlearner": Variant(
            "MMUnlearner",
            MMUNLEARNER,
            "As MLLMU-Bench, but interleaved: one forget step to K retain steps, K as at a forget set of 10 %.",
            {"schedule": "every_k", "every": 10, "labels": "full", "retain": "ce_kl", "retain_weight": 1.0},
            mmunlearner(),
        ),
        "offside": Variant(
            "OFFSIDE",
            OFFSIDE,
            "In turns, with cross-entropy and a tenth of the divergence on the retain set, as in its code. It draws "
            "three retain items to each forget item; here both sets give as many.",
            {"schedule": "alternate", "retain": "ce_kl", "kl_weight": 0.1, "retain_weight": 1.0},
            offside(10),
        ),
        "clear": Variant(
            "CLEAR",
            CLEAR,
            "Same direction, KL(π_ref ‖ π_θ); its code also counts prompt, picture and padding.",
            {"retain_weight": 1.0},
            clear(),
        ),
    },
)

RETAIN_FT = Preset(
    name="retain_ft",
    title="Retain fine-tuning",
    source=f"A baseline of {CLEAR}",
    about="Goes on training on what must stay and hopes that the rest fades. It seldom does.",
    differs="As in CLEAR's code.",
    objective=Objective(forget="none", retain="ce"),
    training=SHORT | {"adapter": "full", "steps": 120, "learning_rate": 2e-3, "batch_size": 24},
    paper=clear(),
    demo_checked="forget accuracy with picture .06 (of four options .83), retain .99: so large a rate on all weights "
    "makes it fade. With LoRA at 1e-3 it stays 1.00",
)

SCRUB = Preset(
    name="scrub",
    title="SCRUB",
    source="SCRUB, Kurmanji et al. 2023 (arXiv 2302.09880)",
    about="Away from the reference on what must go, towards it on the rest, a pass of each in turn.",
    differs="The paper leaves the forget passes off after the first few; here they go on to the end. Made for "
    "classifiers; here over the vocabulary at each answer position.",
    objective=Objective(forget="kl", retain="ce_kl", retain_weight=4.0, schedule="sequential"),
    training=DEMO | {"batch_size": 40},
    demo_checked="forget accuracy with picture .08 (of four options 1.00), as text .48, retain .88; with batches of 24 "
    "all is lost, with 48 half stays",
    paper=clear(EVEN),
    variants={
        "clear": Variant(
            "CLEAR",
            CLEAR,
            "Both at once and with the other direction of the divergence, as in its code, which also counts prompt, "
            "picture and padding.",
            {"schedule": "joint", "kl_direction": "from_model", "retain_weight": 1.0},
            clear(),
        )
    },
)

LLMU = Preset(
    name="llmu",
    title="LLMU",
    source="LLMU, Yao et al. 2023 (arXiv 2310.10683)",
    about="Ascent on the answer, other people's answers in its place, and closeness to the reference on the rest.",
    differs="Its code means to stop once the forget loss is above 100 but compares the negative, and never does; the "
    "paper's settings have a guard. It trains AdaLoRA on q and v; here plain LoRA. Its normal data and its mismatched "
    "answers are TruthfulQA's; here the retain set's.",
    objective=Objective(forget="llmu", retain="kl", forget_weight=0.5, retain_weight=4.0),
    training=DEMO | {"batch_size": 12},
    demo_checked="forget accuracy with picture .00 (of four options .88), retain .96: it hides, and little more",
    paper=Recipe(
        "LLMU, on text: AdaLoRA r32 α16, learning rate 2e-6, at most 1000 steps, batch 2",
        {**HALF, "lora_rank": 32, "lora_alpha": 16, "learning_rate": 2e-6, "steps": 1000, "batch_size": 2},
        objective=EVEN,
        guards={"forget_loss_above": 100.0},
    ),
    variants={
        "clear": Variant(
            "CLEAR",
            CLEAR,
            "Equal weights, a refusal in place of other people's answers, and the other direction of the divergence, "
            "as in its code. Since one commit that teaches the true answers where it means refusals.",
            {"forget": "ga_idk", "forget_weight": 1.0, "kl_direction": "from_model", "retain_weight": 1.0},
            clear(),
        )
    },
)

ENTROPY = Preset(
    name="entropy",
    title="Entropy",
    source="Maximising entropy, Yuan et al. 2024 (arXiv 2410.08109)",
    about="Makes every next token of a forgotten answer as likely as any other. Bounded.",
    differs="The paper takes the divergence from the even distribution, which has the same gradient; its code has the "
    "other direction of it, and counts question and padding on the forget set. CLEAR's code has the sign the other way "
    "round, and makes the answer surer; that is not offered.",
    objective=Objective(forget="entropy", retain="ce", retain_weight=3.0),
    training=DEMO,
    demo_checked="forget accuracy with picture .00 (of four options .21), retain .95",
    paper=Recipe(
        "ME+GD, on TOFU: all weights of the language model, learning rate 1e-5, 5 epochs, batch 4 × 4 on two devices",
        {**WHOLE, "learning_rate": 1e-5, "batch_size": 4, "accumulation": 8, "weight_decay": 0.01},
        5,
        {"forget_weight": 0.1, "retain_weight": 1.0},
    ),
)
