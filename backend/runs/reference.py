"""The model that π_ref is where it is not the model as it was: one of the lab, tuned on the retain set alone.

MLLMU-Bench, MMUnlearner and OFFSIDE take the untaught model after a finetuning on the retain set, the lab's gold model,
as the reference of NPO. It is opened as it stands, beside the model that is changed, and never trained; it is let go
before the first step where the method needs no more of it than the sums that are kept with the items.
"""

from __future__ import annotations

from typing import Any

import torch

from backend.models.lineage import Opened, open_model
from backend.objectives.seen import ObjectiveRefused
from backend.queueing import NO_REFERENCE
from backend.runs.job import Job, log
from backend.spec import FinetuneSpec, UnlearnSpec


def named_reference(
    job: Job, spec: FinetuneSpec | UnlearnSpec, opened: Opened, *, precision: str, device: torch.device
) -> Any | None:
    """The reference model that the spec names, ready to be asked; None where it is the model as it was.

    Raises `ObjectiveRefused` where none is named or it does not speak the tokens of the model that is changed.
    """
    if not isinstance(spec, UnlearnSpec) or not spec.needs_reference:
        return None
    if not spec.reference:
        raise ObjectiveRefused(NO_REFERENCE)
    found = open_model(job.engine, job.home, spec.reference, precision=precision, device=device)
    if _tokens(found.model) != _tokens(opened.model):
        raise ObjectiveRefused("the reference has another vocabulary than the model; name one of the same family")
    if found.instruction != opened.instruction:
        raise ObjectiveRefused("the reference is told an instruction that the model is not; name another reference")
    log.info("the reference is %s", spec.reference)
    return found.model.eval().requires_grad_(False)


def _tokens(model: Any) -> int:
    return int(model.get_input_embeddings().weight.shape[0])
