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
from backend.reports import base_of_checkpoint
from backend.runs.job import Job, log
from backend.spec import FinetuneSpec, UnlearnSpec


def named_reference(
    job: Job, spec: FinetuneSpec | UnlearnSpec, opened: Opened, *, precision: str, device: torch.device
) -> Any | None:
    """The reference model that the spec names, ready to be asked; None where it is the model as it was.

    Raises `ObjectiveRefused` where none is named, or it does not speak the tokens of the model that is changed, is of
    another size, or was made in the lab from another model.
    """
    if not isinstance(spec, UnlearnSpec) or not spec.needs_reference:
        return None
    if not spec.reference:
        raise ObjectiveRefused(NO_REFERENCE)
    found = open_model(job.engine, job.home, spec.reference, precision=precision, device=device)
    if _tokens(found.model) != _tokens(opened.model):
        raise ObjectiveRefused("the reference has another vocabulary than the model; name one of the same family")
    bases = [_base(job, one) for one in (found, opened)]
    if None not in bases and bases[0] != bases[1]:
        raise ObjectiveRefused(
            f"the reference was made from {bases[0]} and the model from {bases[1]}; name one made from the same model"
        )
    if _frame(found.model) != _frame(opened.model):
        raise ObjectiveRefused("the reference is of another size than the model; name one made from the same model")
    if found.instruction != opened.instruction:
        raise ObjectiveRefused("the reference is told an instruction that the model is not; name another reference")
    log.info("the reference is %s", spec.reference)
    return found.model.eval().requires_grad_(False)


def _base(job: Job, opened: Opened) -> str | None:
    return base_of_checkpoint(job.engine, opened.checkpoint) if opened.checkpoint is not None else None


def _frame(model: Any) -> tuple[int, int]:
    """Width and depth of the language model."""
    text = model.config.get_text_config()
    return int(text.hidden_size), int(text.num_hidden_layers)


def _tokens(model: Any) -> int:
    return int(model.get_input_embeddings().weight.shape[0])
