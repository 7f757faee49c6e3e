"""What befalls a run from outside: it ends in one sentence, and nothing that was whole is lost."""

import errno
from pathlib import Path

import pytest
import torch
from sqlalchemy import Engine

from backend.inference.bases import Bases
from backend.models.lineage import open_model
from backend.presets import fill
from backend.runs.job import Job
from backend.runs.process import carry_out
from backend.runs.train import _whole_final
from storage import checkpoints, metric_points, runs
from tests.backend.runs.conftest import carried_out, queue, short_finetune


def test_a_disk_that_fills_up_ends_the_run_and_what_was_saved_goes_on(
    engine: Engine, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = queue(engine, short_finetune(steps=6, save_every=2))
    flush = checkpoints._flush

    def full_from_step_4(path: Path) -> None:
        if checkpoints.listing(engine, role=None, run_id=run.id):
            raise OSError(errno.ENOSPC, "No space left on device")
        flush(path)

    monkeypatch.setattr(checkpoints, "_flush", full_from_step_4)
    failed = carried_out(engine, home)
    assert failed.state == "failed"
    assert failed.error == "The checkpoint at step 4 was not saved: the disk is full. Free some space, then resume."
    [kept] = checkpoints.listing(engine, role=None, run_id=run.id)
    assert (kept.step, checkpoints.condition(home, kept)) == (2, "ok")
    assert [folder.name for folder in (home / "checkpoints" / run.id).iterdir()] == [Path(kept.path).name]

    monkeypatch.setattr(checkpoints, "_flush", flush)
    runs.resume(engine, run.id)
    ended = carried_out(engine, home)
    assert (ended.state, ended.resumed_from, ended.resumed_at_step) == ("succeeded", kept.id, 2)
    assert [step for step, _ in metric_points.curve(engine, run.id)["loss"]] == [1, 2, 3, 4, 5, 6]


def test_a_model_that_lora_taught_can_be_unlearned_asked_and_scored(engine: Engine, home: Path) -> None:
    queue(engine, short_finetune(steps=2, save_every=0), "taught")
    taught = carried_out(engine, home)
    assert taught.output_checkpoint_id, taught.error
    spec = fill("npo", model=f"run:{taught.id}", training={"steps": 1, "batch_size": 2}, score=False)
    runs.submit(engine, kind="unlearn", name="forgot", spec=spec.model_dump(mode="json"))
    forgot = carried_out(engine, home)
    assert (forgot.state, forgot.parent_checkpoint_id) == ("succeeded", taught.output_checkpoint_id), forgot.error
    assert forgot.output_checkpoint_id
    seats = Bases(engine, home, torch.device("cpu")).seats((taught.output_checkpoint_id, forgot.output_checkpoint_id))
    assert [seat.adapter_state for seat in seats] == ["on ×1.00", "on ×1.00"]
    opened = open_model(engine, home, f"run:{forgot.id}", precision="fp32", device=torch.device("cpu"))
    assert opened.checkpoint is not None and opened.checkpoint.id == forgot.output_checkpoint_id


def test_a_final_model_that_was_damaged_before_it_was_scored_is_made_anew(engine: Engine, home: Path) -> None:
    run = queue(engine, short_finetune(steps=2, save_every=0))
    made = carried_out(engine, home)
    assert made.output_checkpoint_id
    kept = checkpoints.get(engine, made.output_checkpoint_id)
    (checkpoints.path_of(home, kept) / "adapter_model.safetensors").unlink()
    job = Job(engine, home, made)
    assert _whole_final(job) is None
    assert run.id == made.id


def test_an_attempt_that_begins_anew_leaves_no_point_of_the_one_before(engine: Engine, home: Path) -> None:
    run = queue(engine, short_finetune(steps=2, save_every=0))
    metric_points.record(engine, run.id, [(1, "loss", -99.0), (7, "loss", -99.0)])
    carried_out(engine, home)
    curve = metric_points.curve(engine, run.id)["loss"]
    assert [step for step, _ in curve] == [1, 2] and all(value > 0 for _, value in curve)


def test_a_run_that_was_taken_up_by_another_process_is_left_to_it(engine: Engine, home: Path) -> None:
    queue(engine, short_finetune(steps=2, save_every=0))
    slept = runs.claim(engine, "sleeper", "here", "cpu")
    assert slept is not None
    runs.finish(engine, slept.id, 1, "interrupted")
    taken_up = runs.claim(engine, "other", "here", "cpu")
    assert taken_up is not None and taken_up.attempt == 2
    carry_out(Job(engine, home, slept), torch.device("cpu"))
    now = runs.get(engine, slept.id)
    assert (now.state, now.attempt, now.step) == ("running", 2, 0)
    assert metric_points.names(engine, slept.id) == [] and checkpoints.listing(engine, role=None) == []
