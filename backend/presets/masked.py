"""Methods that move only the weights which matter to what must go: MMUnlearner's saliency mask, SalUn's."""

from __future__ import annotations

from backend.presets.ascent import MMUNLEARNER as PAPER
from backend.presets.method import Preset, Recipe
from backend.presets.recipes import SHORT, WHOLE, clear
from backend.spec_objective import Objective

MASKED = SHORT | {"adapter": "full", "modules": "all", "learning_rate": 3e-4, "steps": 60, "batch_size": 16}

MMUNLEARNER = Preset(
    name="mmunlearner",
    title="MMUnlearner",
    source=PAPER,
    about="Ascent on what must go, through a mask of the weights that matter more to it than to what must stay; "
    "descent on the rest, without a mask. To erase the visual link and keep the text, choose forget data with the "
    "picture.",
    differs="Every weight that is trained is masked; its code leaves norms, embeddings and the output layer unmasked "
    "and trains them all the same. Importance is summed in fp32; its fp16 rounds it away. A weight that matters to "
    "neither side stays. At a forget set of 10 % the paper's settings take nine retain steps to a forget step.",
    objective=Objective(forget="ga", retain="ce", mask="mmunlearner", mask_samples=200, schedule="alternate"),
    training=MASKED | {"steps": 36, "schedule": "constant"},
    paper=Recipe(
        "MMUnlearner: all weights of the whole model, learning rate 1e-5, 1 epoch, batch 4",
        {**WHOLE, "modules": "all", "learning_rate": 1e-5, "batch_size": 4},
        1,
        {"schedule": "every_k", "every": 10, "labels": "full", "mask_samples": 0},
    ),
    demo_checked="forget data with the picture: forget accuracy with picture .10 (of four options 1.00), as text .92, "
    "retain .97",
)

SALUN = Preset(
    name="salun",
    title="SalUn",
    source="SalUn, Fan et al. 2023 (arXiv 2310.12508); CLEAR has it among its methods",
    about="Ascent and descent on the half of the weights with the largest gradient of the forget loss.",
    differs="SalUn was made for classifiers and relabels at random; here GradDiff's ascent stands for that. The mask "
    "lies over the retain steps too, as in its code.",
    objective=Objective(forget="ga", retain="ce", mask="salun", schedule="alternate"),
    training=MASKED,
    paper=clear(),
    demo_checked="forget data with the picture: forget accuracy with picture .00 (of four options .71), as text .42, "
    "retain .89",
)
