"""Methods that do more, or less, than minimise an objective: MANU cuts neurons, task vectors and SKU subtract what was
learnt, prompting changes no weight."""

from __future__ import annotations

from backend.presets.ascent import CLEAR
from backend.presets.method import Preset, Recipe, Variant
from backend.presets.recipes import HALF, MLLMU_LORA, SHORT, clear_lora
from backend.spec_edit import Edit
from backend.spec_objective import Objective

MANU = Preset(
    name="manu",
    title="MANU",
    source="Modality-aware neuron unlearning, Liu et al. 2025 (arXiv 2502.15910)",
    about="Watches the neurons of every MLP read the questions with their pictures and as text, and cuts those that "
    "matter more to the forget set than to the rest. Trains nothing.",
    differs="Neurons are cut for good, by one ranking over all MLPs of the parts that are named. Its code watches the "
    "last three blocks of each tower and ranks pictures and text apart, and one of its scripts names what it cuts by "
    "labels that no model has; here a run that cuts nothing fails. I_abs is divided by sizes, without their signs.",
    objective=Objective(),
    edit=Edit(method="manu", prune_share=0.5),
    training={"modules": "all", "batch_size": 24},
    demo_checked="half of the neurons: forget accuracy with picture .81, retain .60; up to a fifth nothing goes",
    paper=Recipe(
        "MANU: the whole model, 2 % of the neurons as in its code, τ 0.1, batch 4; the paper's own share is not stated "
        "in what could be read of it",
        {**HALF, "modules": "all", "batch_size": 4},
        edit={"prune_share": 0.02},
    ),
    variants={
        "mip_editor": Variant(
            "MIP-Editor: 10 %",
            "MIP-Editor (arXiv 2511.06793)",
            "Its port dims the chosen neurons of the language model to nine tenths; here they are cut.",
            {},
            Recipe(
                "MIP-Editor: the language model, 10 % of the neurons, τ 0.1",
                {**HALF, "modules": "language", "batch_size": 4},
                edit={"prune_share": 0.1},
            ),
        )
    },
)

TASK_VECTOR = Preset(
    name="task_vector",
    title="Task vector",
    source="Task arithmetic, Ilharco et al. 2022 (arXiv 2212.04089); a baseline of MUSE",
    about="Learns the forget set some more, and takes away κ times what that changed.",
    differs="What is learnt is an adapter, where the paper trains all weights; so the result can be switched off.",
    objective=Objective(forget="learn", retain="none"),
    edit=Edit(method="task_vector", negation=2.5),
    training=SHORT | {"steps": 60, "learning_rate": 2e-3, "batch_size": 24},
    demo_checked="forget accuracy with picture .06 (of four options .79), retain .72; of a quick sample at κ 1 "
    ".69 and 1.00, at κ 5 .00 and .13",
    paper=Recipe(
        "Task arithmetic: κ is swept from 0 to 1 on data held out; how it learns is not stated for such models: "
        "MLLMU-Bench's LoRA r16 α16, learning rate 2e-5, 5 epochs, batch 4",
        {**MLLMU_LORA, "learning_rate": 2e-5},
        5,
        edit={"negation": 1.0},
    ),
)

SKU = Preset(
    name="sku",
    title="SKU",
    source="Selective knowledge negation, Liu et al. 2024 (arXiv 2402.10058)",
    about="Learns the answers and other people's in their place while it leaves the reference on the rest, then "
    "subtracts all that: what must go is taken away, and what would have harmed the rest with it.",
    differs="Made for harmful answers, with TruthfulQA as what is normal; here the forget set and the retain set. Its "
    "mismatched answers are harmful ones too; here other people's. Its divergence counts prompt and padding.",
    objective=Objective(forget="sku", retain="kl_away", forget_weight=2.5, mismatch_weight=1.0),
    edit=Edit(method="task_vector"),
    training=SHORT | {"steps": 60, "learning_rate": 2e-3, "batch_size": 12},
    demo_checked="forget accuracy with picture .58 (of four options .83), retain .39; of a quick sample at κ 0.3 "
    "1.00 and .96. It harms the rest first",
    paper=Recipe(
        "SKU, on text (OPT 2.7B): learning rate 2e-4, 1000 steps, batch 2; LoRA r32 α16 as on its larger models",
        {**HALF, "lora_rank": 32, "lora_alpha": 16, "learning_rate": 2e-4, "steps": 1000, "batch_size": 2},
        objective={"forget_weight": 2.5, "mismatch_weight": 1.0, "mismatch_count": 5, "retain_weight": 1.0},
        edit={"negation": 1.0},
    ),
    variants={
        "clear": Variant(
            "CLEAR",
            CLEAR,
            "Its code ends after the first stage, and so teaches the forget set; here that is subtracted, so that LoRA "
            "stands for all weights. It adds up three mismatched answers at weight 1, which is w 1.2 beside γ 2.5.",
            {"forget_weight": 2.5, "mismatch_count": 3, "mismatch_weight": 1.2, "retain_weight": 0.5},
            clear_lora(),
        )
    },
)

PROMPT = Preset(
    name="prompt",
    title="Prompting",
    source="A baseline of MLLMU-Bench, Liu et al. 2024 (arXiv 2410.22108)",
    about="Tells the model before every question that it does not know these people. Nothing is forgotten: whoever "
    "asks without the instruction is answered.",
    differs="It stands in the user's turn, before the question; MLLMU-Bench has a system prompt, and no script of it.",
    objective=Objective(),
    edit=Edit(method="prompt"),
    training={},
    demo_checked="forget accuracy with picture .88, retain .64: a model that never learnt to follow instructions is "
    "only confused by one",
    paper=Recipe("not stated: MLLMU-Bench prints neither its instruction nor a script", HALF),
)
