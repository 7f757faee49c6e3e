"""A run's model as a folder or a zip that others can load: its weights, its card, and the hashes of every file.

Files are copied as the lab keeps them, after each was hashed anew; paths of this machine are taken out. Only merging
an adapter into the weights below it needs torch, and who wants that brings the function that does it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from backend.benchmarks.item import BadRequest
from backend.benchmarks.library import DEMO, open_benchmark
from backend.report.card import FORMS, Form, card_text, hub_id
from backend.report.gathering import Gathered, gather
from backend.versions import LETHE
from storage import checkpoints
from storage.checkpoints import MANIFEST
from storage.tables import Checkpoint, Run

CARD, HASHES = "README.md", "lethe.json"
ADAPTER_CONFIG, BASE = "adapter_config.json", "base_model_name_or_path"
ZIP_DATE = (1980, 1, 1, 0, 0, 0)
Merge = Callable[[Checkpoint, Path], None]
"""Writes a checkpoint's model, its adapters merged, with its processor into a folder."""


class CannotTake(ValueError):
    """The run has no model of that form; the message says what there is instead."""


def forms_of(engine: Engine, run: Run) -> tuple[Form, ...]:
    """In which forms a run's model can be taken away; none where it has made no weights."""
    made = _made(engine, run)
    if made is None or made.kind == "instruction":
        return ()
    return FORMS if made.kind == "adapter" else ("merged",)


def bytes_of(engine: Engine, run: Run) -> int:
    """The size of the files that the run itself made."""
    made = _made(engine, run)
    return made.bytes if made else 0


def take(engine: Engine, home: Path, run_id: str, form: Form, folder: Path, merge: Merge | None = None) -> Path:
    """Write a run's model into `folder`, which must be new or empty, and return it; whole or not at all.

    `merge` is needed for the merged form of an adapter only. Raises `CannotTake`; storage's `NotFound`,
    `CheckpointMissing` and `CheckpointAltered`.
    """
    one = gather(engine, home, run_id)
    made = _checked(engine, one.run, form, merge)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CannotTake(f"{folder} is not empty; name a folder that is new")
    aside = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}")
    try:
        aside.mkdir(parents=True)
        _fill(home, one, made, form, aside, merge)
        if folder.exists():
            folder.rmdir()
        aside.replace(folder)
    except OSError as error:
        raise CannotTake(f"{folder} could not be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return folder


def take_zip(engine: Engine, home: Path, run_id: str, form: Form, path: Path, merge: Merge | None = None) -> Path:
    """The same as one zip, its files under a folder of the zip's name. Raises as `take`."""
    folder = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}")
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        take(engine, home, run_id, form, folder, merge)
        _zip(folder, aside, path.stem)
        aside.replace(path)
    except OSError as error:
        raise CannotTake(f"{path} could not be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            aside.unlink(missing_ok=True)
    return path


def _made(engine: Engine, run: Run) -> Checkpoint | None:
    if run.output_checkpoint_id is None or run.kind not in ("finetune", "unlearn"):
        return None
    return checkpoints.get(engine, run.output_checkpoint_id)


def _checked(engine: Engine, run: Run, form: Form, merge: Merge | None) -> Checkpoint:
    if form not in FORMS:
        raise CannotTake(f"a model is taken away as {' or '.join(FORMS)}, not as {form!r}")
    made = _made(engine, run)
    if made is None:
        words = "made no model; name the run that did" if run.kind in ("evaluate", "attack") else "has no model yet"
        raise CannotTake(f"the run “{run.name}” {words}")
    if made.kind == "instruction":
        raise CannotTake(f"the run “{run.name}” changed no weight: there is nothing to take away but an instruction")
    if form == "adapter" and made.kind != "adapter":
        raise CannotTake(f"the run “{run.name}” trained the weights themselves, so it has no adapter; take it merged")
    if form == "merged" and made.kind == "adapter" and merge is None:
        raise CannotTake("an adapter is merged by `python -m backend export model RUN --as merged --out FOLDER`")
    return made


def _fill(home: Path, one: Gathered, made: Checkpoint, form: Form, folder: Path, merge: Merge | None) -> None:
    if form == "merged" and made.kind == "adapter":
        assert merge is not None
        merge(made, folder)
    else:
        source = checkpoints.verify(home, made)
        for name in made.files:
            if name != CARD:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source / name, folder / name)
    _without_paths(folder, one)
    (folder / CARD).write_text(card_text(one, form, _names(home, one)), encoding="utf-8")
    (folder / HASHES).write_text(_hashes(folder, one, made, form), encoding="utf-8")


def _names(home: Path, one: Gathered) -> dict[str, str] | None:
    """Names of the benchmark's people by their ids; None where its data cannot be read any more."""
    benchmark = str(one.run.spec.get("benchmark"))
    if benchmark == DEMO or not (one.run.spec.get("request") or {}).get("people"):
        return {}
    try:
        return {person.id: person.name for person in open_benchmark(benchmark, home).people()}
    except BadRequest:
        return None


def _without_paths(folder: Path, one: Gathered) -> None:
    """An adapter says on which model it lies: the hub id where that is one, and else nothing."""
    config = folder / ADAPTER_CONFIG
    if config.is_file():
        settings: dict[str, Any] = json.loads(config.read_text(encoding="utf-8"))
        settings[BASE] = hub_id(one.weights[0][0].base) if len(one.weights) == 1 else None
        config.write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _hashes(folder: Path, one: Gathered, made: Checkpoint, form: Form) -> str:
    """What the folder holds, file by file, and of which checkpoint it is."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    told = {
        "lethe": LETHE,
        "form": form,
        "run": one.run.id,
        "checkpoint": made.id,
        f"{MANIFEST} sha256": made.sha256,
        "lineage": [{"id": saved.id, "kind": saved.kind, "sha256": saved.sha256} for saved, _ in one.weights],
        "files": {name: _sha256(folder / name) for name in names if name != HASHES},
    }
    return json.dumps(told, indent=1, ensure_ascii=False) + "\n"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _zip(folder: Path, path: Path, top: str) -> None:
    """Weights hardly shrink, so nothing is compressed; the same files give the same zip."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for file in sorted(one for one in folder.rglob("*") if one.is_file()):
            entry = zipfile.ZipInfo(f"{top}/{file.relative_to(folder).as_posix()}", ZIP_DATE)
            entry.external_attr = 0o644 << 16
            with file.open("rb") as source, archive.open(entry, "w", force_zip64=True) as target:
                shutil.copyfileobj(source, target, 1 << 20)
