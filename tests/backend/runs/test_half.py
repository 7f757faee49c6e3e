"""Runs in bf16: whatever is compared with the model that is trained is computed as it is, in the same precision."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from sqlalchemy import Engine

from backend.objectives.saliency import answer_loss
from backend.runs import mask as module
from backend.spec import ForgetRequest, Objective, Training, UnlearnSpec
from storage import metric_points, runs
from storage.tables import Run, RunState
from tests.backend.runs.conftest import carried_out

WHOLE = 64
"""More than the forget set has items, so that a batch and the reference see the same rows."""


def done(engine: Engine, home: Path, objective: Objective, **training: Any) -> Run:
    spec = UnlearnSpec(
        model="demo",
        preset="own",
        request=ForgetRequest(ratio=None, people=("p01",)),
        objective=objective,
        training=Training(**{"steps": 1, "batch_size": WHOLE, "save_every": 0, "precision": "bf16"} | training),
        score=False,
    )
    runs.submit(engine, kind="unlearn", name="half", spec=spec.model_dump(mode="json"))
    run = carried_out(engine, home)
    assert run.state == RunState.SUCCEEDED, run.error
    return run


def first(engine: Engine, run: Run, name: str) -> float:
    return metric_points.curve(engine, run.id)[name][0][1]


@pytest.mark.parametrize("adapter", ["full", "lora"])
def test_before_the_first_step_a_model_in_bf16_is_not_apart_from_its_reference(
    engine: Engine, home: Path, adapter: str
) -> None:
    """A copy asked in fp32 would be apart by 8e-7: the demo model has learnt nothing, and says all tokens alike."""
    run = done(engine, home, Objective(forget="kl", retain="none"), adapter=adapter, batch_size=4)
    assert abs(first(engine, run, "loss")) < 1e-8 < first(engine, run, "forget_loss")


def test_the_sums_that_npo_starts_from_are_of_the_same_precision(engine: Engine, home: Path) -> None:
    """With no log-ratio its loss is (2/β) log 2. Sums that were kept in fp32 would make it less by 6e-4, and the order
    in which a batch adds up makes 8e-5."""
    run = done(engine, home, Objective(forget="npo", retain="none", beta=1.0), adapter="full")
    assert first(engine, run, "loss") == pytest.approx(2 * math.log(2), abs=2.5e-4)


def test_a_mask_is_measured_in_the_precision_of_the_training(
    engine: Engine, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    casts: dict[str, list[bool]] = {"fp32": [], "bf16": []}
    masks: dict[str, dict[str, torch.Tensor]] = {}
    for precision, seen in casts.items():

        def watched(model: Any, seen: list[bool] = seen) -> Callable[..., Any]:
            loss = answer_loss(model)

            def asked(*given: Any) -> Any:
                seen.append(torch.is_autocast_enabled("cpu"))
                return loss(*given)

            return asked

        monkeypatch.setattr(module, "answer_loss", watched)
        objective = Objective(forget="ga", retain="none", mask="salun", mask_samples=4)
        run = done(engine, home, objective, adapter="full", batch_size=2, precision=precision)
        masks[precision] = load_file(home / "runs" / run.id / "mask.safetensors")
    assert casts["bf16"] and all(casts["bf16"]) and casts["fp32"] and not any(casts["fp32"])
    one, other = (torch.cat([part.flatten() for part in masks[name].values()]) for name in casts)
    assert 0 < float((one != other).float().mean()) < 0.05, "half the digits, and nearly the same mask"
