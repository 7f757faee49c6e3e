"""Checkpoints: whole or not there, and never something that Python would unpickle."""

import errno
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from storage import checkpoints, runs
from storage.errors import (
    CheckpointAltered,
    CheckpointInUse,
    CheckpointMissing,
    CheckpointNotSaved,
    ClaimLost,
    NotFound,
)
from storage.tables import Checkpoint, Run

WEIGHTS = b"eight by"


@pytest.fixture
def run(engine: Engine) -> Run:
    return runs.submit(engine, kind="unlearn", name="maker", spec={})


def write_weights(folder: Path) -> None:
    (folder / "adapter.safetensors").write_bytes(WEIGHTS)
    (folder / "inner").mkdir()
    (folder / "inner" / "config.json").write_text("{}")


@pytest.fixture
def save(engine: Engine, home: Path, run: Run) -> Callable[..., Checkpoint]:
    def save_(step: int = 1, write: Callable[[Path], None] = write_weights, **more: Any) -> Checkpoint:
        facts: dict[str, Any] = {"run_id": run.id, "kind": "adapter", "role": "final", "base": "demo", **more}
        return checkpoints.save(engine, home, step=step, write=write, **facts)

    return save_


def files_under(home: Path) -> list[str]:
    return sorted(path.name for path in (home / "checkpoints").rglob("*") if path.is_file())


def test_a_saved_checkpoint_is_on_disk_hashed_and_in_the_table(
    engine: Engine, home: Path, run: Run, save: Callable[..., Checkpoint]
) -> None:
    saved = save(step=40, meta={"loss": 0.5})
    stored = checkpoints.get(engine, saved.id)
    folder = checkpoints.path_of(home, stored)
    assert folder.parent == home / "checkpoints" / run.id and not Path(stored.path).is_absolute()
    assert (folder / "adapter.safetensors").read_bytes() == WEIGHTS
    assert sorted(stored.files) == ["adapter.safetensors", "inner/config.json"]
    assert stored.files["adapter.safetensors"]["sha256"] == hashlib.sha256(WEIGHTS).hexdigest()
    assert stored.bytes == len(WEIGHTS) + 2
    manifest = (folder / "manifest.json").read_bytes()
    assert stored.sha256 == hashlib.sha256(manifest).hexdigest()
    content = json.loads(manifest)
    assert (content["checkpoint"], content["step"], content["meta"]) == (saved.id, 40, {"loss": 0.5})
    assert content["files"]["inner/config.json"]["size"] == 2
    assert runs.get(engine, run.id).rev == runs.latest_rev(engine) > run.rev
    assert checkpoints.verify(home, stored) == folder


def test_nothing_has_its_final_name_before_it_is_whole(home: Path, save: Callable[..., Checkpoint]) -> None:
    seen: list[str] = []

    def look(folder: Path) -> None:
        write_weights(folder)
        seen.extend(path.name for path in folder.parent.iterdir())

    saved = save(write=look)
    assert len(seen) == 1 and seen[0].startswith(".saving-")
    assert [path.name for path in checkpoints.path_of(home, saved).parent.iterdir()] == [Path(saved.path).name]


def test_every_file_and_folder_is_flushed_before_the_rename(
    home: Path, save: Callable[..., Checkpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    flush, replace = checkpoints._flush, os.replace

    def noted_flush(path: Path) -> None:
        events.append(path.name)
        flush(path)

    def noted_replace(old: Path, new: Path) -> None:
        events.append("rename")
        replace(old, new)

    monkeypatch.setattr(checkpoints, "_flush", noted_flush)
    monkeypatch.setattr(os, "replace", noted_replace)
    saved = save()
    renamed = events.index("rename")
    flushed = set(events[:renamed])
    assert {"adapter.safetensors", "config.json", "manifest.json", "inner"} <= flushed
    assert any(name.startswith(".saving-") for name in flushed)
    assert events[renamed + 1 :] == [saved.run_id]


@pytest.mark.parametrize("place", ["write", "flush", "rename"])
def test_a_full_disk_leaves_nothing_behind_and_says_so(
    engine: Engine, home: Path, save: Callable[..., Checkpoint], monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def write(folder: Path) -> None:
        write_weights(folder)
        if place == "write":
            full()

    if place == "flush":
        monkeypatch.setattr(os, "fsync", full)
    if place == "rename":
        monkeypatch.setattr(os, "replace", full)
    with pytest.raises(CheckpointNotSaved, match=r"step 7 was not saved: the disk is full\. Free some space"):
        save(step=7, write=write)
    assert checkpoints.listing(engine, role=None) == []
    assert [path for path in (home / "checkpoints").rglob("*") if path.name.startswith((".saving", "0000"))] == []


def test_a_full_disk_is_known_from_words_too(save: Callable[..., Checkpoint]) -> None:
    def write(folder: Path) -> None:
        raise RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)")

    with pytest.raises(CheckpointNotSaved, match="the disk is full"):
        save(write=write)


def test_a_writer_that_fails_leaves_nothing_and_its_error_is_the_cause(
    home: Path, save: Callable[..., Checkpoint]
) -> None:
    def write(folder: Path) -> None:
        write_weights(folder)
        raise RuntimeError("tensor is on meta device")

    with pytest.raises(CheckpointNotSaved, match="was not saved: tensor is on meta device") as caught:
        save(write=write)
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert files_under(home) == []


def test_a_keyboard_interrupt_stays_one_and_leaves_nothing(home: Path, save: Callable[..., Checkpoint]) -> None:
    def write(folder: Path) -> None:
        write_weights(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save(write=write)
    assert files_under(home) == []


def test_a_checkpoint_whose_row_cannot_be_written_is_not_there(
    engine: Engine, home: Path, save: Callable[..., Checkpoint]
) -> None:
    with pytest.raises(CheckpointNotSaved, match="no run nobody"):
        save(run_id="nobody")
    assert files_under(home) == []
    assert checkpoints.listing(engine, role=None) == []


@pytest.mark.parametrize("name", ["optimizer.pt", "pytorch_model.bin", "a.pth", "a.pkl", "a.ckpt", "deep/A.PT"])
def test_a_pickle_is_refused_by_name(home: Path, save: Callable[..., Checkpoint], name: str) -> None:
    def write(folder: Path) -> None:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"\x80\x04.")

    with pytest.raises(CheckpointNotSaved, match=f"{name} is a pickle"):
        save(write=write)
    assert files_under(home) == []


def test_an_empty_folder_a_link_and_a_false_manifest_are_refused(save: Callable[..., Checkpoint]) -> None:
    with pytest.raises(CheckpointNotSaved, match="nothing was written"):
        save(write=lambda folder: None)
    with pytest.raises(CheckpointNotSaved, match=r"link\.safetensors may not be a link"):
        save(write=lambda folder: (folder / "link.safetensors").symlink_to("/etc/hostname"))
    with pytest.raises(CheckpointNotSaved, match=r"manifest\.json may not be"):
        save(write=lambda folder: (folder / "manifest.json").write_text("{}") and None)


def test_an_unknown_kind_or_role_is_refused_before_anything_is_written(
    save: Callable[..., Checkpoint],
) -> None:
    for wrong in ({"kind": "half"}, {"role": "spare"}):
        with pytest.raises(ValueError, match="full or adapter or instruction, and resume, best or final"):
            save(**wrong)


# --- verifying


def test_a_whole_checkpoint_is_ok_and_costs_no_hashing(
    home: Path, save: Callable[..., Checkpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = save()
    hashed: list[str] = []
    real = checkpoints._hash

    def noted_hash(path: Path) -> str:
        hashed.append(path.name)
        return real(path)

    monkeypatch.setattr(checkpoints, "_hash", noted_hash)
    assert checkpoints.condition(home, saved) == "ok"
    assert hashed == ["manifest.json"]
    os.utime(checkpoints.path_of(home, saved) / "adapter.safetensors", ns=(1, 1))
    assert checkpoints.condition(home, saved) == "ok"  # a copied folder has new times and the same bytes
    assert hashed == ["manifest.json", "adapter.safetensors", "manifest.json"]


def test_one_changed_byte_is_found_and_its_file_named(home: Path, save: Callable[..., Checkpoint]) -> None:
    saved = save()
    (checkpoints.path_of(home, saved) / "adapter.safetensors").write_bytes(b"eight bY")
    assert checkpoints.condition(home, saved) == "altered"
    with pytest.raises(CheckpointAltered, match=r"adapter\.safetensors of the checkpoint"):
        checkpoints.verify(home, saved)


def test_a_byte_changed_behind_the_clocks_back_is_found_by_verify(home: Path, save: Callable[..., Checkpoint]) -> None:
    saved = save()
    path = checkpoints.path_of(home, saved) / "adapter.safetensors"
    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    path.write_bytes(b"eight bY")
    os.utime(path, ns=times)
    assert checkpoints.condition(home, saved) == "ok"  # the price of being cheap
    with pytest.raises(CheckpointAltered, match=r"adapter\.safetensors"):
        checkpoints.verify(home, saved)


def test_a_longer_file_a_changed_manifest_and_an_added_file_are_alterations(
    home: Path, save: Callable[..., Checkpoint]
) -> None:
    for name, content in (
        ("adapter.safetensors", WEIGHTS + b"!"),
        ("manifest.json", b"{}"),
        ("added.pkl", b"\x80\x04."),
    ):
        saved = save()
        (checkpoints.path_of(home, saved) / name).write_bytes(content)
        assert checkpoints.condition(home, saved) == "altered"
        with pytest.raises(CheckpointAltered, match=name):
            checkpoints.verify(home, saved)


@pytest.mark.parametrize("name", ["adapter.safetensors", "inner/config.json", "manifest.json"])
def test_a_missing_file_is_named(home: Path, save: Callable[..., Checkpoint], name: str) -> None:
    saved = save()
    (checkpoints.path_of(home, saved) / name).unlink()
    assert checkpoints.condition(home, saved) == "missing"
    with pytest.raises(CheckpointMissing, match=f"{name} is gone"):
        checkpoints.verify(home, saved)


def test_a_missing_folder_is_named(home: Path, save: Callable[..., Checkpoint]) -> None:
    saved = save()
    checkpoints.path_of(home, saved).rename(home / "moved")
    assert checkpoints.condition(home, saved) == "missing"
    with pytest.raises(CheckpointMissing, match=f"folder {saved.path} is gone"):
        checkpoints.verify(home, saved)


# --- looking up


def test_a_checkpoint_is_found_by_its_id_or_the_start_of_it(engine: Engine, save: Callable[..., Checkpoint]) -> None:
    saved = save()
    assert checkpoints.find(engine, saved.id).id == saved.id
    assert checkpoints.find(engine, saved.id[:6]).id == saved.id
    with pytest.raises(NotFound, match="too short"):
        checkpoints.find(engine, saved.id[:3])
    with pytest.raises(NotFound, match="No checkpoint has"):
        checkpoints.find(engine, "zzzz")
    with pytest.raises(NotFound, match="no checkpoint gone"):
        checkpoints.get(engine, "gone")


def test_a_listing_shows_the_final_ones_newest_first_unless_asked_otherwise(
    engine: Engine, run: Run, save: Callable[..., Checkpoint]
) -> None:
    for step, role in ((1, "resume"), (2, "final"), (3, "final")):
        save(step, role=role)
    other = runs.submit(engine, kind="unlearn", name="other", spec={})
    save(4, run_id=other.id)

    def steps(**asked: Any) -> list[int]:
        return [checkpoint.step for checkpoint in checkpoints.listing(engine, **asked)]

    assert steps() == [4, 3, 2]
    assert steps(run_id=run.id) == [3, 2]
    assert steps(role="resume") == [1]
    assert steps(role=None) == [4, 3, 2, 1]


def test_the_latest_is_the_furthest_whose_files_are_whole(
    engine: Engine, home: Path, run: Run, save: Callable[..., Checkpoint]
) -> None:
    assert checkpoints.latest(engine, run.id) is None
    good, bad = save(10, role="resume"), save(20, role="resume")
    assert (found := checkpoints.latest(engine, run.id)) is not None and found.id == bad.id
    (checkpoints.path_of(home, bad) / "adapter.safetensors").write_bytes(b"eight bY")
    assert (found := checkpoints.latest(engine, run.id, home=home)) is not None and found.id == good.id


def test_a_lineage_goes_from_the_root_to_the_checkpoint(engine: Engine, save: Callable[..., Checkpoint]) -> None:
    vanilla = save(1)
    unlearned = save(2, parent_id=vanilla.id)
    relearned = save(3, parent_id=unlearned.id)
    assert [checkpoint.step for checkpoint in checkpoints.lineage(engine, relearned)] == [1, 2, 3]
    assert [checkpoint.step for checkpoint in checkpoints.lineage(engine, vanilla)] == [1]


# --- removing


def test_a_discarded_checkpoint_is_gone_from_both_places(
    engine: Engine, home: Path, save: Callable[..., Checkpoint]
) -> None:
    saved = save()
    checkpoints.discard(engine, home, saved)
    checkpoints.discard(engine, home, saved)
    assert checkpoints.condition(home, saved) == "missing"
    assert checkpoints.listing(engine, role=None) == []


def test_a_checkpoint_that_something_needs_is_not_discarded(
    engine: Engine, home: Path, save: Callable[..., Checkpoint]
) -> None:
    saved = save()
    child = save(2, parent_id=saved.id)
    with pytest.raises(CheckpointInUse, match="another checkpoint was made from it"):
        checkpoints.discard(engine, home, saved)
    runs.submit(engine, kind="evaluate", name="reader", spec={}, parent_checkpoint_id=child.id)
    with pytest.raises(CheckpointInUse, match="the run “reader” needs it"):
        checkpoints.discard(engine, home, child)
    assert checkpoints.condition(home, saved) == checkpoints.condition(home, child) == "ok"


def test_an_attempt_that_lost_its_run_saves_nothing(
    engine: Engine, home: Path, run: Run, save: Callable[..., Checkpoint]
) -> None:
    assert runs.claim(engine, "w", "here", "CPU") is not None
    kept = save(10, role="resume", attempt=1)
    runs.finish(engine, run.id, 1, "interrupted")
    assert runs.claim(engine, "other", "here", "CPU") is not None
    with pytest.raises(ClaimLost):
        save(20, role="resume", attempt=1)
    assert [one.id for one in checkpoints.listing(engine, role=None)] == [kept.id]
    assert [folder.name for folder in (home / "checkpoints" / run.id).iterdir()] == [Path(kept.path).name]


def test_pruning_keeps_the_newest_resume_checkpoints_and_every_final_one(
    engine: Engine, home: Path, run: Run, save: Callable[..., Checkpoint]
) -> None:
    oldest = save(10, role="resume")
    for step in (20, 30):
        save(step, role="resume")
    save(5, role="final")
    claimed = runs.claim(engine, "w", "here", "CPU")
    assert claimed is not None
    runs.note(engine, run.id, 1, resumed_from=oldest.id, resumed_at_step=10)
    discarded = checkpoints.prune(engine, home, run.id, keep=1)
    assert [checkpoint.step for checkpoint in discarded] == [20, 10]
    assert sorted(checkpoint.step for checkpoint in checkpoints.listing(engine, role=None)) == [5, 30]
    kept = runs.get(engine, run.id)
    assert (kept.resumed_from, kept.resumed_at_step) == (oldest.id, 10)  # what a run went on from stays known
    with pytest.raises(ValueError, match="0 or more"):
        checkpoints.prune(engine, home, run.id, keep=-1)


def test_pruning_passes_over_a_checkpoint_in_use(
    engine: Engine, home: Path, run: Run, save: Callable[..., Checkpoint]
) -> None:
    used = save(10, role="resume")
    save(20, role="resume")
    runs.submit(engine, kind="evaluate", name="reader", spec={}, parent_checkpoint_id=used.id)
    assert checkpoints.prune(engine, home, run.id, keep=1) == []
    assert checkpoints.condition(home, used) == "ok"


def test_a_sweep_removes_what_killed_processes_left_and_nothing_else(
    engine: Engine, home: Path, run: Run, save: Callable[..., Checkpoint]
) -> None:
    saved = save()
    root = home / "checkpoints"
    strays = [
        root / run.id / ".saving-killed",
        root / run.id / "00000009-rowless",
        root / "norun" / "00000001-x",
    ]
    for stray in strays:
        stray.mkdir(parents=True)
        (stray / "half.safetensors").write_bytes(b"half")
    assert runs.claim(engine, "w", "here", "CPU") is not None
    assert checkpoints.sweep(engine, home) == ["checkpoints/norun/00000001-x"]  # the run is at work
    runs.finish(engine, run.id, 1, "interrupted")
    assert checkpoints.sweep(engine, home) == [
        f"checkpoints/{run.id}/.saving-killed",
        f"checkpoints/{run.id}/00000009-rowless",
    ]
    assert not any(stray.exists() for stray in strays)
    assert checkpoints.condition(home, saved) == "ok"
    assert checkpoints.sweep(engine, home) == []


def test_a_sweep_of_a_lab_without_checkpoints_finds_nothing(engine: Engine, home: Path) -> None:
    assert checkpoints.sweep(engine, home) == []
