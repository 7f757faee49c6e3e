"""Pictures by their files: each is one `Picture` for all who ask for it, and its tensors are held up to a budget.

What a run holds for every item is how a picture lies in its text and where to fetch it; the tensors of those that were
shown last lie on the shelf, and others are made again from their file when they are shown again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from weakref import WeakValueDictionary

from backend.benchmarks.item import BadRequest
from backend.models.picture import Layout, Picture, Tensors

Key = tuple[str, int]
"""A file's path and when it was written."""


class Shelf:
    """`look` makes a picture of a file. `kept_bytes` is what tensors may take that nobody else holds; the newest
    picture's stay, however large."""

    def __init__(self, look: Callable[[Path], Picture], kept_bytes: int) -> None:
        self._look, self._budget = look, kept_bytes
        self._known: WeakValueDictionary[Key, ShelfPicture] = WeakValueDictionary()
        self._alive: WeakValueDictionary[Key, Tensors] = WeakValueDictionary()
        self._kept: OrderedDict[Key, tuple[ShelfPicture, Tensors]] = OrderedDict()

    def __len__(self) -> int:
        """How many pictures' tensors lie here."""
        return len(self._kept)

    def picture(self, file: Path) -> Picture:
        """The picture in a file; the same one as long as anyone holds it and the file is as it was."""
        key = _key(file)
        known = self._known.get(key)
        if known is None:
            made = self._look(file)
            known = self._known[key] = ShelfPicture(self, key, made.layout)
            self._keep(known, made.tensors)
        return known

    def tensors(self, picture: ShelfPicture) -> Tensors:
        """From the shelf, or from whoever holds them, or anew. Raises `BadRequest` where the file is another by now."""
        found = self._kept[picture.key][1] if picture.key in self._kept else self._alive.get(picture.key)
        if found is None:
            file = Path(picture.key[0])
            if _key(file) != picture.key:
                raise BadRequest(
                    f"the picture {file} was changed or taken away while it was in use; start the run again"
                )
            found = self._look(file).tensors
        self._keep(picture, found)
        return found

    def _keep(self, picture: ShelfPicture, tensors: Tensors) -> None:
        self._alive[picture.key] = tensors
        self._kept[picture.key] = (picture, tensors)
        self._kept.move_to_end(picture.key)
        while len(self._kept) > 1 and sum(one.bytes for _, one in self._kept.values()) > self._budget:
            self._kept.popitem(last=False)


class ShelfPicture(Picture):
    """A picture whose tensors are fetched from a shelf."""

    def __init__(self, shelf: Shelf, key: Key, layout: Layout) -> None:
        self._shelf, self.key, self.layout = shelf, key, layout

    @property
    def tensors(self) -> Tensors:
        return self._shelf.tensors(self)


def _key(file: Path) -> Key:
    return str(file), file.stat().st_mtime_ns if file.is_file() else 0
