"""`docs/methods.md`: the methods at a glance, then one by one, then every setting of a run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from backend import formula
from backend.docs.settings import settings
from backend.docs.tables import HEAD, plain, table
from backend.presets import PRESETS, Preset, Recipe
from backend.spec import Decoding, EvaluateSpec, FinetuneSpec, ForgetRequest, Objective, Training, UnlearnSpec
from backend.spec_edit import EDIT_SETTINGS, Edit, trains
from backend.spec_guards import Guards
from backend.spec_objective import settings_in_use

MATHEMATICS = (
    "A method minimises γ · **forget term** + α · **retain term** + λ · **regulariser** over the weights that may "
    "move. π_θ is the model being changed, π_ref the model as it was, y the answer, x the question with its picture. "
    "`mean` is over the tokens of an answer, so that mean log π(y|x) is log π(y|x) / |y|; p is the probability of an "
    "answer token, z its logits, h the hidden states of one block, d their number, u a random direction of length 1. "
    "CE is the cross-entropy of the answer, H the entropy of a prediction. Four methods do more, or less, than "
    "minimise: θ* is what is learnt from θ and then subtracted κ times, θ_j a neuron of an MLP that is cut, I MANU's "
    "importance, s an instruction.\n"
)
TWO_SETTINGS = (
    "Every method has two sets of settings: the demo's, for its small model, and the paper's, for models of several "
    "billion weights, in which epochs become steps once the benchmark is known. A variant is chosen by its name after "
    "a colon: `--preset graddiff:offside`.\n"
)


def methods_page() -> str:
    """The presets, then every setting of a run."""
    parts = [
        "# Methods and settings\n",
        MATHEMATICS,
        TWO_SETTINGS,
        table(("name", "method", "minimises, or does", "source", "variants"), map(_row, PRESETS.values())),
        *map(_method, PRESETS.values()),
        "# Settings\n",
        "A path is what `--set` takes on the command line: `--set training.steps=200`.\n",
        settings("Objective", Objective, "objective."),
        settings("Beside the objective", Edit, "edit."),
        settings("Training", Training, "training."),
        settings("Guards", Guards, "guards."),
        settings("Whom to forget", ForgetRequest, "request."),
        settings("Finetune runs", FinetuneSpec),
        settings("Unlearn runs", UnlearnSpec),
        settings("Evaluate runs", EvaluateSpec),
        settings("How the probe draws an answer", Decoding, "decoding."),
    ]
    return HEAD + "\n".join(parts)


def _row(preset: Preset) -> tuple[str, ...]:
    variants = ", ".join(f"`{name}`" for name in preset.variants)
    return f"`{preset.name}`", preset.title, preset.formula, preset.source, variants


def _method(preset: Preset) -> str:
    checked = preset.demo_checked or "not tried; begin here and look"
    lines = [
        f"- **{'Minimises' if formula.minimises(preset.edit) else 'Does'}** {_does(preset)}",
        f"- **Source** {preset.source}",
        f"- **The demo's settings** {_listed(_demo(preset))}",
        f"- **On the demo** {checked}",
        f"- **The paper's settings** {_paper(preset.paper)}",
        f"- **What differs** {preset.differs}",
    ]
    return f"## {preset.title} (`{preset.name}`)\n\n{preset.about}\n\n" + "\n".join(lines) + "\n" + _variants(preset)


def _variants(preset: Preset) -> str:
    if not preset.variants:
        return ""
    rows = []
    for name, one in preset.variants.items():
        changes = _listed((f"objective.{key}", value) for key, value in one.objective.items()) or "none"
        tried = f" On the demo: {one.demo_checked}." if one.demo_checked else ""
        rows.append((f"`{preset.name}:{name}`", one.title, changes, _paper(one.paper), one.differs + tried))
    head = ("variant", "as in", "changes", "the paper's settings", "what differs from its code")
    return f"\n{table(head, rows)}"


def _does(preset: Preset) -> str:
    words = formula.in_words(preset.objective, preset.edit)
    return preset.formula + (f"; {words}" if words else "")


def _demo(preset: Preset) -> Iterable[tuple[str, Any]]:
    """The settings that mean something in this method, and the training settings and guards that it changes."""
    yield from ((f"edit.{name}", getattr(preset.edit, name)) for name in EDIT_SETTINGS[preset.edit.method])
    if trains(preset.edit.method):
        yield from _numbers(preset)
    yield from ((f"training.{name}", value) for name, value in preset.training.items())
    yield from ((f"guards.{name}", value) for name, value in preset.guards.items())


def _numbers(preset: Preset) -> Iterable[tuple[str, Any]]:
    chosen = preset.objective.model_dump()
    used = settings_in_use(chosen)
    numbers = ((name, value) for name, value in chosen.items() if name in used and not isinstance(value, str))
    yield from ((f"objective.{name}", value) for name, value in numbers)


def _paper(recipe: Recipe | None) -> str:
    if recipe is None:
        return "none"
    groups = {"objective": recipe.objective, "edit": recipe.edit, "guards": recipe.guards}
    changed = _listed((f"{group}.{name}", value) for group, values in groups.items() for name, value in values.items())
    return recipe.said + (f" ({changed})" if changed else "")


def _listed(pairs: Iterable[tuple[str, Any]]) -> str:
    return ", ".join(f"`{path}={plain(value)}`" for path, value in pairs)
