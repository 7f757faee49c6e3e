"""When an unlearning run ends before its last step, and which of its models it keeps. No torch.

A guard is off until it is given a bound. `balance` is the rule by which models are compared, here and in a sweep.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from backend.spec_base import Spec

RULE = "the harmonic mean of 1 − forget accuracy and retain accuracy"
NEEDS_EVALUATIONS = "these need quick evaluations; set “Evaluate every” above 0"
NEEDS_FORGET_TERM = "without a forget term there is no forget loss to watch; leave its bound at 0"


class Guards(Spec):
    """When to stop, and which model to keep. A loss that is no number ends a run whatever is set here, with the best
    model where one was kept."""

    forget_loss_above: float = Field(
        0.0,
        ge=0,
        le=1e6,
        title="Stop above forget loss",
        description="Stops when the cross-entropy of the forget set (nats a token, mean of a step) passes this; 0 is "
        "never. LLMU's code means to stop at 100.",
    )
    retain_below: float = Field(
        0.0,
        ge=0,
        le=1,
        title="Stop below retain accuracy",
        description="Stops when a quick evaluation finds the retain accuracy below this line; 0 is never.",
    )
    keep: Literal["last", "best"] = Field(
        "last",
        title="Keep",
        description=f"The last model, or the best of the quick evaluations by {RULE}: the earliest of equals, and none "
        "below the line.",
    )

    @property
    def need_evaluations(self) -> bool:
        """Whether something here is decided by quick evaluations."""
        return self.retain_below > 0 or self.keep == "best"

    @property
    def active(self) -> bool:
        """Whether anything is set."""
        return self.forget_loss_above > 0 or self.need_evaluations


def balance(forget: float, retain: float) -> float:
    """2 (1 − f) r / ((1 − f) + r) of two accuracies from 0 to 1: 1 where all is forgotten and all else is kept."""
    gone = 1 - forget
    return 2 * gone * retain / (gone + retain) if gone + retain > 0 else 0.0
