"""Whose turn it is at a step, and PDU's multiplier: what of a method changes as the run goes on.

Turns are a matter of the step number alone, so a resumed run takes the same ones. The multiplier is kept with the
checkpoint.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from backend.spec_objective import Objective

BOTH = frozenset({"forget", "retain"})


@dataclass(frozen=True)
class Turns:
    """`at(step)` names the terms of a step, counted from 0. A round of the schedule is `forget_steps` steps on the
    forget set and then `retain_steps` on the retain set; where one of them is 0 there are no rounds."""

    terms: frozenset[str] = BOTH
    forget_steps: int = 0
    retain_steps: int = 0

    @classmethod
    def of(cls, spec: Objective, forget_items: int = 1, retain_items: int = 1, samples_per_step: int = 1) -> Turns:
        """The numbers of items and of samples a step say how long a whole pass is, which `sequential` goes by."""
        on = frozenset(name for name, active in (("forget", spec.forgets), ("retain", spec.retains)) if active)
        if spec.schedule == "joint" or on != BOTH:
            return cls(on)
        if spec.schedule == "sequential":
            forget, retain = (math.ceil(items / samples_per_step) for items in (forget_items, retain_items))
            return cls(on, max(1, forget), max(1, retain))
        every = 2 if spec.schedule == "alternate" else spec.every
        return cls(on, 1, every - 1)

    def at(self, step: int) -> frozenset[str]:
        if not self.forget_steps or not self.retain_steps:
            return self.terms
        in_forget = step % (self.forget_steps + self.retain_steps) < self.forget_steps
        return frozenset({"forget"} if in_forget else {"retain"})


class Dual:
    """PDU's multiplier: λ ← max(0, λ + η (L_r − ε)) after each step, from α (arXiv 2506.05314), once its share of the
    run's `steps` is over."""

    def __init__(self, spec: Objective, steps: int = 0) -> None:
        self.value = spec.retain_weight
        self._spec = spec
        self._warmup = round(spec.pdu_warmup * steps)

    def follow(self, step: int, retain_loss: float) -> None:
        """`step` is how many are done, `retain_loss` the mean of the last one."""
        if step > self._warmup:
            self.value = max(0.0, self.value + self._spec.pdu_rate * (retain_loss - self._spec.pdu_epsilon))
