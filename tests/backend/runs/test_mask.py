"""A masked run: what its mask is measured on, that it moves what the mask opens and nothing else, that it is kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from sqlalchemy import Engine

from backend.benchmarks.demo import DemoBenchmark
from backend.runs import mask as module
from backend.runs import train
from backend.runs.mask import mask_data
from backend.spec import ForgetRequest, Objective, Training, UnlearnSpec
from storage import runs
from storage.tables import Run, RunState
from tests.backend.runs.conftest import carried_out

Moved = dict[str, torch.Tensor]


def masked(steps: int = 3, modality: Any = "both", training: dict[str, Any] | None = None, **objective: Any) -> Any:
    settings: dict[str, Any] = {"forget": "ga", "retain": "none", "mask": "mmunlearner", "mask_samples": 8} | objective
    return UnlearnSpec(
        model="demo",
        preset="own",
        request=ForgetRequest(ratio=None, people=("p01",), modality=modality),
        objective=Objective(**settings),
        training=Training(
            **{"adapter": "full", "modules": "all", "steps": steps, "batch_size": 4, "save_every": 0} | (training or {})
        ),
        score=False,
    )


def done(engine: Engine, home: Path, spec: UnlearnSpec) -> Run:
    runs.submit(engine, kind="unlearn", name="masked", spec=spec.model_dump(mode="json"))
    return carried_out(engine, home)


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch) -> Moved:
    """Where each trained weight is not as the run found it, by name."""
    found: Moved = {}

    class Watched(train.LetheTrainer):
        def train(self, *given: Any, **named: Any) -> Any:
            trained = [(name, weight) for name, weight in self.bare_model().named_parameters() if weight.requires_grad]
            before = {name: weight.detach().clone() for name, weight in trained}
            done = super().train(*given, **named)
            found.update({name: weight.detach() != before[name] for name, weight in trained})
            return done

    monkeypatch.setattr(train, "LetheTrainer", Watched)
    return found


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which masks were measured, in their order."""
    found: list[str] = []

    def noting(name: str) -> Callable[..., Any]:
        honest = getattr(module, name)

        def noted(*given: Any) -> Any:
            found.append(name)
            return honest(*given)

        return noted

    for name in ("mmunlearner_mask", "salun_mask"):
        monkeypatch.setattr(module, name, noting(name))
    return found


# -- what it is measured on ----------------------------------------------------------------------------------------


def test_mmunlearner_is_measured_on_pictures_and_text_about_everyone_stays(world: DemoBenchmark) -> None:
    spec = masked(mask_samples=0)
    forget, retain = world.forget_items(spec.request), world.retain_items(spec.request)
    data = mask_data(spec, world, forget, retain)
    assert {(item.subject, item.modality) for item in data.forget} == {("p01", "image_text")}
    assert {item.modality for item in data.keep_vision} == {"image_text"}
    assert "p01" not in {item.subject for item in data.keep_vision}
    of_forgotten = [item for item in data.keep_language if item.subject == "p01"]
    assert {item.modality for item in of_forgotten} == {"text"}
    assert {item.id for item in of_forgotten} == {item.id for item in world.training_items(("p01",), "text")}
    assert {item.id for item in retain} == {item.id for item in data.keep_language} - {one.id for one in of_forgotten}
    assert len(data.forget) == sum(item.modality == "image_text" for item in forget)


def test_samples_are_drawn_by_the_seed(world: DemoBenchmark) -> None:
    def drawn(seed: int) -> list[str]:
        spec = masked(mask_samples=5, training={"seed": seed})
        data = mask_data(spec, world, world.forget_items(spec.request), world.retain_items(spec.request))
        assert len(data.forget) == len(data.keep_vision) == len(data.keep_language) == 5
        return [item.id for item in data.forget]

    assert drawn(1) == drawn(1) != drawn(2)


def test_forget_data_without_a_picture_is_refused(engine: Engine, home: Path) -> None:
    run = done(engine, home, masked(modality="text"))
    assert run.state == RunState.FAILED
    assert run.error == (
        "MMUnlearner forgets what the picture tells, and the forget data has no picture; choose picture questions"
    )


# -- what it does ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mask", ["mmunlearner", "salun"])
def test_a_forget_step_moves_what_the_mask_opens_and_nothing_else(
    engine: Engine, home: Path, moved: Moved, mask: str
) -> None:
    run = done(engine, home, masked(mask=mask))
    assert run.state == RunState.SUCCEEDED, run.error
    opened = load_file(home / "runs" / run.id / "mask.safetensors")
    assert set(opened) == set(moved) and len(moved) > 50
    for name in moved:
        assert not (moved[name] & ~opened[name]).any(), f"{name} moved where the mask is closed"
    count = sum(int(one.sum()) for one in opened.values())
    assert sum(int(one.sum()) for one in moved.values()) > 0.5 * count
    total = sum(one.numel() for one in opened.values())
    told = {name: value for name, value in run.versions.items() if name.startswith("mask")}
    assert told["mask"].split()[0] == mask
    assert told["mask open, all"] == pytest.approx(count / total, abs=1e-6)
    assert {"mask open, language", "mask open, vision", "mask open, projector", "mask open, head"} < set(told)
    if mask == "salun":
        assert count == pytest.approx(total / 2, rel=0.3), "half, less the weights that no question reaches"


@pytest.mark.parametrize("mask", ["mmunlearner", "salun"])
def test_retain_steps_are_free_under_mmunlearners_mask_alone(
    engine: Engine, home: Path, moved: Moved, mask: str
) -> None:
    run = done(engine, home, masked(mask=mask, retain="ce"))
    assert run.state == RunState.SUCCEEDED, run.error
    opened = load_file(home / "runs" / run.id / "mask.safetensors")
    strayed = sum(int((moved[name] & ~opened[name]).sum()) for name in moved)
    assert strayed > 10_000 if mask == "mmunlearner" else strayed == 0


def test_a_mask_that_opens_nothing_ends_the_run(engine: Engine, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = lambda model, weights, *_: {name: torch.zeros_like(one, dtype=torch.bool) for name, one in weights.items()}  # noqa: E731
    monkeypatch.setattr(module, "mmunlearner_mask", closed)
    run = done(engine, home, masked())
    assert run.state == RunState.FAILED and run.error is not None
    assert run.error.startswith("the mask leaves the forget term no weight to move")


# -- that it is kept -------------------------------------------------------------------------------------------------


def test_a_resumed_run_takes_up_the_mask_it_had(
    engine: Engine, home: Path, measured: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = train._Keeper.stepped
    monkeypatch.setattr(
        train._Keeper, "stepped", lambda self, step, seen: "save" if step == 2 else keep(self, step, seen)
    )
    stopped = done(engine, home, masked(steps=4))
    assert (stopped.state, measured) == (RunState.INTERRUPTED, ["mmunlearner_mask"])
    before = load_file(home / "runs" / stopped.id / "mask.safetensors")
    monkeypatch.setattr(train._Keeper, "stepped", keep)
    runs.resume(engine, stopped.id)
    ended = carried_out(engine, home)
    assert (ended.state, ended.resumed_at_step) == (RunState.SUCCEEDED, 2), ended.error
    assert measured == ["mmunlearner_mask"], "it was not measured again, on weights that have moved"
    after = load_file(home / "runs" / ended.id / "mask.safetensors")
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert ended.versions["mask"] == stopped.versions["mask"]


def test_a_mask_of_something_else_is_measured_anew(engine: Engine, home: Path, measured: list[str]) -> None:
    first = done(engine, home, masked(steps=1))
    assert first.state == RunState.SUCCEEDED, first.error
    again = runs.submit(
        engine, kind="unlearn", name="other", spec=masked(steps=1, mask_threshold=2.0).model_dump(mode="json")
    )
    (home / "runs" / again.id).mkdir(parents=True)
    kept = (home / "runs" / first.id / "mask.safetensors").read_bytes()
    (home / "runs" / again.id / "mask.safetensors").write_bytes(kept)
    other = carried_out(engine, home)
    assert (other.state, measured) == (RunState.SUCCEEDED, ["mmunlearner_mask"] * 2), other.error
    assert other.versions["mask open, all"] < first.versions["mask open, all"]
