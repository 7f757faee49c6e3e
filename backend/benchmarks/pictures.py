"""Pictures that lie inside tables, written out once: `home/data/pictures/FINGERPRINT/…`, and from then on plain files.

The bytes are kept as they are; only their header is read, so that a table of a gigabyte is done in seconds. Whoever
opens a picture later has the pixels checked by Pillow.
"""

from __future__ import annotations

import io
import shutil
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from PIL import Image

from backend.benchmarks.rows import Row

MOST_BYTES = 50_000_000
_BEGINNINGS = {b"\xff\xd8\xff": ".jpg", b"\x89PNG\r\n\x1a\n": ".png", b"RIFF": ".webp", b"GIF8": ".gif", b"BM": ".bmp"}


def suffix_of(row: Row, column: str, cell: Any) -> str:
    """`.jpg`, `.png`, … of the picture in a cell (`{bytes, path}`, as Hugging Face writes it).

    Raises `BrokenData` where there is no picture, or something else.
    """
    data = cell.get("bytes") if isinstance(cell, dict) else cell
    if not isinstance(data, bytes) or not data:
        raise row.fault(f"{column} holds no picture")
    if len(data) > MOST_BYTES:
        raise row.fault(f"the picture in {column} is larger than {MOST_BYTES // 1_000_000} MB")
    for beginning, suffix in _BEGINNINGS.items():
        if data.startswith(beginning):
            if not readable(io.BytesIO(data)):
                raise row.fault(f"{column} holds a picture that cannot be read; it is damaged or cut short")
            return suffix
    raise row.fault(f"{column} holds something that is no JPEG, PNG, WebP, GIF or BMP picture")


def readable(file: Path | IO[bytes]) -> bool:
    """Whether a picture can be opened: its header is read, and no pixel. A picture larger than Pillow takes cannot."""
    try:
        with Image.open(file):
            return True
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False


class PictureStore:
    """A folder of pictures that is whole or not there. `write` them all, then `keep`; or find it `ready`."""

    def __init__(self, home: Path, fingerprint: str) -> None:
        self.folder = home / "data" / "pictures" / fingerprint
        self._aside = self.folder.with_name(f".{fingerprint}-{uuid.uuid4().hex}")

    @property
    def ready(self) -> bool:
        return self.folder.is_dir()

    def write(self, row: Row, column: str, cell: Any, name: str) -> Path:
        """Writes a cell's picture as `name` with its suffix; answers where it will lie. Raises `BrokenData`."""
        suffix = suffix_of(row, column, cell)
        data = cell["bytes"] if isinstance(cell, dict) else cell
        self._aside.mkdir(parents=True, exist_ok=True)
        (self._aside / f"{name}{suffix}").write_bytes(data)
        return self.folder / f"{name}{suffix}"

    def place(self, name: str) -> Path:
        """Where to write a file of that name (`photos/ada.jpg`) oneself, before `keep`."""
        path = self._aside / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def keep(self) -> None:
        """Makes the folder what was written, unless another process was first."""
        self._aside.mkdir(parents=True, exist_ok=True)
        try:
            self._aside.rename(self.folder)
        except OSError:
            if not self.folder.is_dir():
                raise
        finally:
            self.drop()

    def drop(self) -> None:
        """Takes away what was written and not kept."""
        shutil.rmtree(self._aside, ignore_errors=True)

    def find(self, names: Iterable[str]) -> dict[str, Path]:
        """Where the pictures of these names (without suffix) lie; a name that has none is left out."""
        known = {path.stem: path for path in self.folder.iterdir()} if self.ready else {}
        return {name: known[name] for name in names if name in known}
