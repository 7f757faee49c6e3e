"""Where a picture lies that a row names by a path: inside the folder that was named, or nowhere.

Absolute paths, addresses, paths that leave the folder and links that lead out of it are refused. One kind of link is
followed: that of the Hugging Face cache, whose snapshots point to the `blobs` folder beside them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

from backend.benchmarks.rows import Row

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp"})


def candidates(row: Row, column: str, text: str, folders: Sequence[Path], root: Path) -> list[Path]:
    """Where below the folders a path leads, in so far as it stays in `root`.

    Raises `BrokenData` for one that is absolute, and for one that leaves `root` from every folder.
    """
    path = _written_path(row, column, text)
    found = [Path(os.path.normpath(folder / path)) for folder in folders]
    inside = [place for place in found if place.is_relative_to(root)]
    if not inside:
        raise row.fault(f"{column} is {text!r}, which leaves the folder {root.name}")
    return inside


def relative_path(row: Row, column: str, text: str) -> PurePosixPath:
    """The path as written, with `/` between its parts and without `.`. Raises `BrokenData` for one that is absolute."""
    path = _written_path(row, column, text)
    if path.suffix.lower() not in PICTURE_SUFFIXES:
        raise row.fault(f"{column} is {text!r}, which is no picture; pictures end in {_suffixes()}")
    return path


def _written_path(row: Row, column: str, text: str) -> PurePosixPath:
    if text.startswith(("/", "\\", "~")) or PureWindowsPath(text).drive or "://" in text:
        raise row.fault(f"{column} is {text!r}, an absolute path; name pictures by where they lie in the folder")
    if "\0" in text:
        raise row.fault(f"{column} is no path")
    return PurePosixPath(text.replace("\\", "/"))


def find_picture(row: Row, column: str, text: str, folders: Sequence[Path], root: Path) -> Path | None:
    """The first file of that path below one of the folders; None where there is none.

    Raises `BrokenData` for a path or a link that leaves `root`.
    """
    inside = candidates(row, column, text, folders, root)
    relative_path(row, column, text)
    for candidate in inside:
        if candidate.is_file():
            if not _stays(candidate, root):
                raise row.fault(f"{column} is {text!r}, a link that leads out of the folder {root.name}")
            return candidate
    return None


def _stays(file: Path, root: Path) -> bool:
    place, home = file.resolve(), root.resolve()
    return place.is_relative_to(home) or (
        place.parent.name == "blobs" and home.is_relative_to(place.parent.parent / "snapshots")
    )


def _suffixes() -> str:
    return ", ".join(sorted(PICTURE_SUFFIXES))
