"""Zip archives of pictures, opened with suspicion: looked at whole before a byte is written.

Refused are names that are absolute or climb out with `..`, links, encrypted members, two members of one name, and
whatever would not fit: 20,000 files, 50 MB a file, 4 GB together, a file packed more than a hundredfold. Only pictures
are taken out.
"""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath, PureWindowsPath

from backend.benchmarks.pictures import MOST_BYTES, PictureStore, readable
from backend.benchmarks.places import PICTURE_SUFFIXES
from backend.benchmarks.rows import BrokenData

MOST_FILES = 20_000
MOST_TOTAL = 4_000_000_000
MOST_PACKED = 100
_ENCRYPTED = 0x1
_CHUNK = 1 << 20


def picture_members(archive: Path) -> dict[str, zipfile.ZipInfo]:
    """The pictures of an archive by name. Raises `BrokenData` naming archive and member for anything suspicious."""
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [member for member in opened.infolist() if not member.is_dir()]
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise BrokenData(f"{archive.name} is not a whole zip archive ({error})") from error
    if len(members) > MOST_FILES:
        raise BrokenData(f"{archive.name} holds {len(members):,} files; at most {MOST_FILES:,} are taken")
    seen: set[str] = set()
    for member in members:
        fault = _fault(member)
        if fault is None and member.filename in seen:
            fault = "stands twice"
        if fault is not None:
            raise BrokenData(f"{archive.name}, {member.filename!r}: it {fault}; pack the archive anew without it")
        seen.add(member.filename)
    total = sum(member.file_size for member in members)
    if total > MOST_TOTAL:
        raise BrokenData(
            f"{archive.name} would unpack to {total / 1e9:.1f} GB; at most {MOST_TOTAL / 1e9:.0f} are taken"
        )
    return {member.filename: member for member in members if _is_picture(member.filename)}


def unpack(archive: Path, members: Iterable[zipfile.ZipInfo], store: PictureStore, below: str) -> None:
    """Writes members into a store that is not kept yet, below a folder. Raises `BrokenData` for a damaged one."""
    with zipfile.ZipFile(archive) as opened:
        for member in members:
            try:
                with opened.open(member) as packed, store.place(f"{below}/{member.filename}").open("wb") as out:
                    written = 0
                    while chunk := packed.read(_CHUNK):
                        written += len(chunk)
                        if written > MOST_BYTES:
                            raise BrokenData(f"{archive.name}, {member.filename!r}: it is larger than it says")
                        out.write(chunk)
            except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
                raise BrokenData(f"{archive.name}, {member.filename!r}: it is damaged ({error})") from error


def unreadable(archive: Path, members: Iterable[zipfile.ZipInfo]) -> list[str]:
    """The names of those whose header, as a picture, cannot be read, or that are damaged before its end."""
    with zipfile.ZipFile(archive) as opened:
        return [member.filename for member in members if not _readable(opened, member)]


def _readable(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bool:
    try:
        with archive.open(member) as packed:
            return readable(packed)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError):
        return False


def _fault(member: zipfile.ZipInfo) -> str | None:
    name = member.filename
    if name.startswith(("/", "\\")) or PureWindowsPath(name).drive:
        return "has an absolute name"
    if ".." in PurePosixPath(name.replace("\\", "/")).parts:
        return "would be written outside the folder"
    if stat.S_ISLNK(member.external_attr >> 16):
        return "is a link"
    if member.flag_bits & _ENCRYPTED:
        return "is encrypted"
    if member.file_size > MOST_BYTES:
        return f"is larger than {MOST_BYTES // 1_000_000} MB"
    if member.file_size > MOST_PACKED * member.compress_size:
        return f"is packed more than {MOST_PACKED} to 1"
    return None


def _is_picture(name: str) -> bool:
    path = PurePosixPath(name)
    hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
    return path.suffix.lower() in PICTURE_SUFFIXES and not hidden
