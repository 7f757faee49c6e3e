"""What a preset is: a published method as data. It trains nothing itself; it fills in an `UnlearnSpec`.

A preset has two sets of settings: the demo's, found on the small model, and the paper's, for models of several billion
weights. A variant is the same method as another paper has it, or as its code does what the paper does not say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from backend import formula
from backend.spec_edit import Edit
from backend.spec_objective import Objective

Settings = Literal["demo", "paper"]


@dataclass(frozen=True)
class Recipe:
    """What a paper, or its code, trained with. `said` names it in a line; `epochs` are passes over the forget set, from
    which the steps follow once a benchmark is known; `objective` and `edit` hold what the demo has otherwise, and
    `guards` when the paper stops."""

    said: str
    training: Mapping[str, Any]
    epochs: float | None = None
    objective: Mapping[str, Any] = field(default_factory=dict)
    edit: Mapping[str, Any] = field(default_factory=dict)
    guards: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Variant:
    """`objective` are changes to the preset's; `differs` says what of the published code this still is not;
    `demo_checked` is as in `Preset`."""

    title: str
    source: str
    differs: str
    objective: Mapping[str, Any]
    paper: Recipe
    demo_checked: str = ""


@dataclass(frozen=True)
class Preset:
    """A method under the name its paper gave it. `objective`, `training`, `edit` and `guards` are the demo's;
    `demo_checked` says what they came to there, or is empty where nobody has looked. Where `edit` trains nothing, the
    objective is not used. One's own presets have no `paper`."""

    name: str
    title: str
    source: str
    about: str
    differs: str
    objective: Objective
    training: Mapping[str, Any]
    paper: Recipe | None
    variants: Mapping[str, Variant] = field(default_factory=dict)
    demo_checked: str = ""
    edit: Edit = field(default_factory=Edit)
    guards: Mapping[str, Any] = field(default_factory=dict)

    @property
    def formula(self) -> str:
        """What is minimised, or what comes of the method, in plain mathematics."""
        return formula.symbolic(self.objective, self.edit)

    @property
    def published(self) -> str:
        """With what the papers trained, in a line."""
        return self.paper.said if self.paper else ""

    def objective_of(self, variant: str = "", settings: Settings = "demo") -> Objective:
        """The objective with the changes of a variant, and of the paper's settings."""
        changes = dict(self.variants[variant].objective) if variant else {}
        recipe = self.recipe(variant) if settings == "paper" else None
        changes |= recipe.objective if recipe else {}
        return Objective.model_validate(self.objective.model_dump() | changes)

    def training_of(self, variant: str = "", settings: Settings = "demo") -> dict[str, Any]:
        """The training settings that differ from the defaults."""
        recipe = self.recipe(variant) if settings == "paper" else None
        return dict(recipe.training if recipe else self.training)

    def edit_of(self, variant: str = "", settings: Settings = "demo") -> Edit:
        """What is done beside the objective, with the changes of the paper's settings."""
        recipe = self.recipe(variant) if settings == "paper" else None
        return Edit.model_validate(self.edit.model_dump() | dict(recipe.edit if recipe else {}))

    def guards_of(self, variant: str = "", settings: Settings = "demo") -> dict[str, Any]:
        """The guards that differ from the defaults."""
        recipe = self.recipe(variant) if settings == "paper" else None
        return dict(recipe.guards if recipe else self.guards)

    def checked(self, variant: str = "") -> str:
        """What the demo's settings of a variant, or of the method itself, came to there; empty where nobody looked."""
        return self.variants[variant].demo_checked if variant else self.demo_checked

    def recipe(self, variant: str = "") -> Recipe | None:
        """The paper's settings of a variant, or of the method itself."""
        return self.variants[variant].paper if variant else self.paper
