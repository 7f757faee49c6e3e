"""Methods that scramble what the model makes of a forgotten answer: states, logits, weights of tokens."""

from __future__ import annotations

from backend.presets.ascent import CLEAR, DEMO, WIDE
from backend.presets.method import Preset, Recipe, Variant
from backend.presets.recipes import EVEN, HALF, WHOLE, clear, open_unlearning
from backend.spec_objective import Objective

RMU = Preset(
    name="rmu",
    title="RMU",
    source="Representation misdirection, Li et al. 2024 (arXiv 2403.03218)",
    about="Draws the hidden states of what must go to one random direction, and holds those of the rest.",
    differs="The paper moves only the down projections of blocks 5 to 7 and takes every position; here all that may "
    "train, at the positions that predict answer tokens.",
    objective=Objective(forget="rmu", retain="hidden", layer=1, rmu_scale=20.0, retain_weight=10.0),
    training=DEMO,
    demo_checked="forget accuracy with picture .00 (of four options .21), retain .90",
    paper=Recipe(
        "RMU, on text (Zephyr 7B): blocks 5 to 7, learning rate 5e-5, 150 steps, batch 4, c 6.5, α 1200",
        {**WHOLE, "learning_rate": 5e-5, "steps": 150, "batch_size": 4, "schedule": "constant"},
        objective={"layer": 7, "rmu_scale": 6.5, "retain_weight": 1200.0},
    ),
    variants={
        "clear": Variant(
            "CLEAR",
            CLEAR,
            "c is 300, as in its code, which takes the mean over the sequence before the distance, and finds the "
            "blocks of LLaVA alone. Its block is 7; the demo's model has three, and there it is 1.",
            {"rmu_scale": 300.0, "retain_weight": 1.0},
            clear({"layer": 7}),
        )
    },
)

UNDIAL = Preset(
    name="undial",
    title="UNDIAL",
    source="UNDIAL, Dong et al. 2024 (arXiv 2402.10052)",
    about="Learns the reference's own prediction with the true token pushed down. Bounded and steady.",
    differs="The paper has no retain term; the demo's settings add one. Answer positions only, where the code of "
    "open-unlearning counts the prompt.",
    objective=Objective(forget="undial", retain="ce"),
    training=WIDE,
    demo_checked="forget accuracy with picture .02 (of four options .12), as text .17, retain 1.00",
    paper=Recipe(
        "UNDIAL, on text: LoRA r8 α16, learning rate 1e-4, no retain term, batch 4 × 4; 10 epochs, the most its "
        "authors advise",
        {**HALF, "lora_rank": 8, "lora_alpha": 16, "learning_rate": 1e-4, "batch_size": 4, "accumulation": 4},
        10,
        {"retain": "none", "retain_weight": 1.0},
    ),
)

CEU = Preset(
    name="ceu",
    title="CE-U",
    source="CE-U, Yang 2025 (arXiv 2503.01224)",
    about="Learns its own prediction with the true token taken out. Bounded; the paper needs no retain term.",
    differs="The demo's settings add a retain term. The last answer token always counts, so that an answer of one "
    "token is not left alone.",
    objective=Objective(forget="ceu", retain="ce", retain_weight=3.0),
    training=DEMO,
    demo_checked="forget accuracy with picture .04 (of four options .17), retain .97",
    paper=open_unlearning(objective={"retain": "none", "retain_weight": 1.0}),
)

WGA = Preset(
    name="wga",
    title="WGA",
    source="Weighted gradient ascent, Wang et al. 2025 (arXiv 2502.19301)",
    about="Ascent in which a token counts by its probability, so that what is gone is pushed no further.",
    differs="The mean over a sample's tokens, where the code of open-unlearning takes one over the batch.",
    objective=Objective(forget="wga", retain="ce", retain_weight=4.0),
    training=DEMO,
    demo_checked="forget accuracy with picture .02 (of four options .92), retain 1.00: it hides, and little more",
    paper=open_unlearning(5, objective=EVEN),
)

SATIMP = Preset(
    name="satimp",
    title="SatImp",
    source="SatImp, Yang et al. 2025 (arXiv 2505.11953)",
    about="Ascent weighted by how sure a token is (saturation) and how much it matters (importance).",
    differs="The mean over a sample's tokens, where the code of open-unlearning takes one over the batch.",
    objective=Objective(forget="satimp", retain="ce", forget_weight=20.0, retain_weight=4.0),
    training=DEMO,
    demo_checked="forget accuracy with picture .04 (of four options 1.00), retain 1.00: it hides, and removes nothing. "
    "At weight 1 nothing moves: what a model is wholly sure of has no weight",
    paper=open_unlearning(5, objective={"forget_weight": 0.1, "retain_weight": 1.0}),
)

PDU = Preset(
    name="pdu",
    title="PDU",
    source="Primal-dual unlearning, Entesari et al. 2025 (arXiv 2506.05314)",
    about="Levels the logits of what must go, as far as the retain loss stays below a bound that is held by itself.",
    differs="The multiplier moves once a step; in the code of open-unlearning with every batch, and there the logits "
    "one place behind those that predict the answer are levelled. On the demo it moves from the start. The paper's "
    "settings are those of its script for TOFU, with the ten epochs for models of 1B and 3B; for 8B it has thirty.",
    objective=Objective(forget="pdu", retain="ce", forget_weight=0.01, retain_weight=3.0),
    training=DEMO,
    demo_checked="forget accuracy with picture .02 (of four options .29), retain .93",
    paper=open_unlearning(
        objective={"forget_weight": 1.0, "retain_weight": 100.0, "pdu_rate": 5.0, "pdu_warmup": 0.5},
    ),
)
