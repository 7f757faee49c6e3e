"""Weights on disk. A checkpoint is whole or it is not there.

Files are written into a temporary sibling folder, flushed to the disk, hashed and listed in `manifest.json`;
then the folder is renamed, and only then the row is written. Whatever a killed process leaves behind has no
row, and `sweep` removes it. Nothing that Python would unpickle is kept.
"""

import errno
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, or_, select
from sqlalchemy.orm import Session

from storage import database
from storage.claims import touch
from storage.database import reading, touch_run, writing
from storage.errors import (
    CheckpointAltered,
    CheckpointInUse,
    CheckpointMissing,
    CheckpointNotSaved,
    ClaimLost,
    NotFound,
)
from storage.tables import ACTIVE, Answer, Checkpoint, Run, Score, new_id

FOLDER = "checkpoints"
MANIFEST = "manifest.json"
PICKLES = frozenset({".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt"})
KINDS, ROLES = ("full", "adapter", "instruction"), ("resume", "best", "final")
_SAVING = ".saving-"
_BLOCK = 1 << 20
_PREFIX = 4


def save(
    engine: Engine,
    home: Path,
    *,
    run_id: str,
    step: int,
    kind: str,
    role: str,
    base: str,
    write: Callable[[Path], None],
    parent_id: str | None = None,
    meta: dict[str, Any] | None = None,
    attempt: int | None = None,
) -> Checkpoint:
    """Let `write` fill a folder, and keep it as a checkpoint of the run.

    Raises CheckpointNotSaved with one sentence when the disk is full, a file is a pickle by its extension, or `write`
    fails for whatever reason (which is then the error's cause); ClaimLost where an `attempt` is named that no longer
    holds the run. Either way nothing is left behind.
    """
    if kind not in KINDS or role not in ROLES:
        roles = f"{', '.join(ROLES[:-1])} or {ROLES[-1]}"
        raise ValueError(f"A checkpoint is {' or '.join(KINDS)}, and {roles}; not {kind!r}, {role!r}.")
    checkpoint = Checkpoint(id=new_id(), run_id=run_id, step=step, kind=kind, role=role, base=base, parent_id=parent_id)
    checkpoint.meta, checkpoint.created_at = dict(meta or {}), time.time()
    checkpoint.path = f"{FOLDER}/{run_id}/{step:08d}-{checkpoint.id[:8]}"
    final = path_of(home, checkpoint)
    temporary = final.parent / f"{_SAVING}{checkpoint.id}"
    try:
        temporary.mkdir(parents=True)
        write(temporary)
        _seal(temporary, checkpoint)
        os.replace(temporary, final)
        _flush(final.parent)
        with writing(engine) as session:
            touch(session, run_id, attempt)
            session.add(checkpoint)
    except BaseException as error:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(final, ignore_errors=True)
        if isinstance(error, (CheckpointNotSaved, ClaimLost)) or not isinstance(error, Exception):
            raise
        raise CheckpointNotSaved(_why(error, step)) from error
    return checkpoint


def path_of(home: Path, checkpoint: Checkpoint) -> Path:
    """The checkpoint's folder."""
    return Path(home) / checkpoint.path


def verify(home: Path, checkpoint: Checkpoint) -> Path:
    """Hash every file anew and return the folder. Raises CheckpointMissing, CheckpointAltered: which file."""
    return _check(home, checkpoint, trust_stats=False)


def condition(home: Path, checkpoint: Checkpoint) -> str:
    """How it stands: ok, missing or altered; cheap, as only a file whose time is not as it was is hashed."""
    try:
        _check(home, checkpoint, trust_stats=True)
    except CheckpointMissing:
        return "missing"
    except CheckpointAltered:
        return "altered"
    return "ok"


def get(engine: Engine, checkpoint_id: str) -> Checkpoint:
    """The checkpoint with this id. Raises NotFound."""
    with reading(engine) as session:
        return _get(session, checkpoint_id)


def find(engine: Engine, text: str) -> Checkpoint:
    """The one checkpoint whose id is or begins with `text` (four or more digits). Raises NotFound."""
    wanted = text.strip()
    if len(wanted) < _PREFIX:
        raise NotFound(f"“{wanted}” is too short: give at least {_PREFIX} digits of the checkpoint's id.")
    statement = select(Checkpoint).where(Checkpoint.id.startswith(wanted, autoescape=True)).limit(2)
    with reading(engine) as session:
        found = list(session.scalars(statement))
    if len(found) > 1:
        raise NotFound(f"Several checkpoints begin with “{wanted}”: type more of the id.")
    if not found:
        raise NotFound(f"No checkpoint has an id that begins with “{wanted}”.")
    return found[0]


def listing(engine: Engine, *, role: str | None = "final", run_id: str | None = None) -> list[Checkpoint]:
    """The checkpoints of a role (None: of any), newest first; of one run or of all."""
    statement = select(Checkpoint).order_by(Checkpoint.created_at.desc(), Checkpoint.step.desc(), Checkpoint.id)
    if role is not None:
        statement = statement.where(Checkpoint.role == role)
    if run_id is not None:
        statement = statement.where(Checkpoint.run_id == run_id)
    with reading(engine) as session:
        return list(session.scalars(statement))


def latest(engine: Engine, run_id: str, *, home: Path | None = None) -> Checkpoint | None:
    """The run's furthest checkpoint whose files are whole, to resume from; None without one.

    A `best` one has weights alone, so nothing goes on from it.
    """
    folder = database.home() if home is None else home
    newest_first = [one for one in listing(engine, role=None, run_id=run_id) if one.role != "best"]
    furthest_first = sorted(newest_first, key=lambda checkpoint: checkpoint.step, reverse=True)
    return next((checkpoint for checkpoint in furthest_first if condition(folder, checkpoint) == "ok"), None)


def lineage(engine: Engine, checkpoint: Checkpoint) -> list[Checkpoint]:
    """The checkpoint and those it was made from, root first."""
    line = [checkpoint]
    with reading(engine) as session:
        while line[0].parent_id is not None:
            line.insert(0, _get(session, line[0].parent_id))
    return line


def discard(engine: Engine, home: Path, checkpoint: Checkpoint) -> None:
    """Remove a checkpoint, row first, then files; gone already is fine. Raises CheckpointInUse."""
    with writing(engine) as session:
        row = session.get(Checkpoint, checkpoint.id)
        if row is not None:
            _refuse_if_used(session, row)
            run_id = row.run_id
            session.delete(row)
            session.flush()
            touch_run(session, run_id)
    folder = path_of(home, checkpoint)
    shutil.rmtree(folder, ignore_errors=True)
    if folder.parent.is_dir() and not any(folder.parent.iterdir()):
        folder.parent.rmdir()


def prune(engine: Engine, home: Path, run_id: str, keep: int) -> list[Checkpoint]:
    """Discard the run's resume checkpoints but the newest `keep` and those in use; returns the discarded."""
    if keep < 0:
        raise ValueError(f"The number of checkpoints to keep is 0 or more, not {keep}.")
    kept_first = sorted(
        listing(engine, role="resume", run_id=run_id),
        key=lambda checkpoint: (checkpoint.step, checkpoint.created_at),
        reverse=True,
    )
    discarded = []
    for checkpoint in kept_first[keep:]:
        try:
            discard(engine, home, checkpoint)
        except CheckpointInUse:
            continue
        discarded.append(checkpoint)
    return discarded


def sweep(engine: Engine, home: Path) -> list[str]:
    """Remove the folders that no row speaks of, left by killed processes; returns their paths under home.

    The folders of a run at work are left alone. Folders are listed before rows are read: one that is being
    saved meanwhile belongs to a run that the read finds at work, or has its row by then.
    """
    root = Path(home) / FOLDER
    folders = [folder for run in root.glob("*") if run.is_dir() for folder in run.iterdir() if folder.is_dir()]
    with reading(engine) as session:
        known = set(session.scalars(select(Checkpoint.path)))
        active = set(session.scalars(select(Run.id).where(Run.state.in_(ACTIVE))))
    strays = [
        folder
        for folder in folders
        if folder.parent.name not in active and folder.relative_to(home).as_posix() not in known
    ]
    for folder in strays:
        shutil.rmtree(folder, ignore_errors=True)
    return sorted(folder.relative_to(home).as_posix() for folder in strays)


def _seal(folder: Path, checkpoint: Checkpoint) -> None:
    """Flush and hash what was written, write the manifest, and fill in the row's files and hash."""
    names = _names(folder)
    if not names:
        raise CheckpointNotSaved("The checkpoint was not saved: nothing was written into its folder.")
    for name in names:
        if Path(name).suffix.lower() in PICKLES:
            raise CheckpointNotSaved(
                f"The checkpoint was not saved: {name} is a pickle, which could run code when it is opened; "
                "write safetensors or JSON instead."
            )
        if name == MANIFEST or (folder / name).is_symlink():
            raise CheckpointNotSaved(f"The checkpoint was not saved: {name} may not be a link or the manifest.")
    checkpoint.files = {name: _describe(folder / name) for name in names}
    checkpoint.bytes = sum(file["size"] for file in checkpoint.files.values())
    manifest = _manifest(checkpoint)
    (folder / MANIFEST).write_bytes(manifest)
    checkpoint.sha256 = hashlib.sha256(manifest).hexdigest()
    _flush(folder / MANIFEST)
    for inner in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
        _flush(inner)


def _manifest(checkpoint: Checkpoint) -> bytes:
    files = {name: {"sha256": file["sha256"], "size": file["size"]} for name, file in checkpoint.files.items()}
    facts = ("run_id", "step", "kind", "role", "base", "parent_id", "meta")
    content = {
        "checkpoint": checkpoint.id,
        **{fact: getattr(checkpoint, fact) for fact in facts},
        "files": files,
    }
    return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False).encode()


def _describe(path: Path) -> dict[str, Any]:
    _flush(path)
    stat = path.stat()
    return {"sha256": _hash(path), "size": stat.st_size, "mtime_ns": stat.st_mtime_ns}


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _flush(path: Path) -> None:
    if os.name == "nt" and path.is_dir():
        return  # Windows has no handle on a folder to flush
    handle = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def _check(home: Path, checkpoint: Checkpoint, *, trust_stats: bool) -> Path:
    folder = path_of(home, checkpoint)
    if not folder.is_dir():
        raise CheckpointMissing(f"The checkpoint's folder {checkpoint.path} is gone.")
    present = set(_names(folder))
    for name in (*checkpoint.files, MANIFEST):
        if name not in present:
            raise CheckpointMissing(f"{name} is gone from the checkpoint {checkpoint.path}.")
    for name in sorted(present - set(checkpoint.files) - {MANIFEST}):
        raise CheckpointAltered(f"{name} was put into the checkpoint {checkpoint.path} after it was saved.")
    for name, file in checkpoint.files.items():
        if not _unchanged(folder / name, file, trust_stats):
            raise CheckpointAltered(f"{name} of the checkpoint {checkpoint.path} is not as it was saved.")
    if _hash(folder / MANIFEST) != checkpoint.sha256:
        raise CheckpointAltered(f"{MANIFEST} of the checkpoint {checkpoint.path} is not as it was saved.")
    return folder


def _unchanged(path: Path, file: dict[str, Any], trust_stats: bool) -> bool:
    stat = path.stat()
    if stat.st_size != file["size"]:
        return False
    return (trust_stats and stat.st_mtime_ns == file["mtime_ns"]) or _hash(path) == file["sha256"]


def _refuse_if_used(session: Session, checkpoint: Checkpoint) -> None:
    starts = or_(Run.parent_checkpoint_id == checkpoint.id, Run.output_checkpoint_id == checkpoint.id)
    user = session.scalar(select(Run.name).where(starts).limit(1))
    if user is not None:
        raise CheckpointInUse(f"The checkpoint cannot be discarded: the run “{user}” needs it.")
    if session.scalar(select(Checkpoint.id).where(Checkpoint.parent_id == checkpoint.id).limit(1)) is not None:
        raise CheckpointInUse("The checkpoint cannot be discarded: another checkpoint was made from it.")
    for model in (Score, Answer):
        if session.scalar(select(model.id).where(model.checkpoint_id == checkpoint.id).limit(1)) is not None:
            raise CheckpointInUse(
                "The checkpoint cannot be discarded: there are results of it; delete its run instead."
            )


def _get(session: Session, checkpoint_id: str) -> Checkpoint:
    checkpoint = session.get(Checkpoint, checkpoint_id)
    if checkpoint is None:
        raise NotFound(f"There is no checkpoint {checkpoint_id}.")
    return checkpoint


def _why(error: Exception, step: int) -> str:
    # safetensors and torch report a full disk in words of their own, without the number
    full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error)
    if full:
        return f"The checkpoint at step {step} was not saved: the disk is full. Free some space, then resume."
    return f"The checkpoint at step {step} was not saved: {str(error) or type(error).__name__}."
