"""The benchmarks of a lab: the demo, and the data sets that were added to it, each under a name of its own.

What was added is a line of JSON, `home/data/NAME.json`: the format, where the files lie, and for own data which column
is what. The files stay where they are; pictures that lie inside tables are written out once when a set is added.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from backend.benchmarks.demo import open_demo
from backend.benchmarks.item import BadRequest, Benchmark
from backend.benchmarks.survey import Survey

FORMATS = {
    "mllmu": "MLLMU-Bench",
    "clear": "CLEAR",
    "offside": "OFFSIDE",
    "custom": "own data",
}
"""Formats that can be added, by their titles."""

DEMO = "demo"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True)
class Entry:
    """A data set as it was added. `source` is a folder or file of this machine; `hub` the id it was fetched from."""

    name: str
    format: str
    source: str
    title: str = ""
    hub: str = ""
    columns: dict[str, str] = field(default_factory=dict)


def entries(home: Path) -> list[Entry]:
    """What was added to this lab, by name. A line that cannot be read is passed over: `check` would name it."""
    return [entry for path in sorted(_folder(home).glob("*.json")) if (entry := _read(path)) is not None]


def add(home: Path, entry: Entry) -> Benchmark:
    """Reads the data set whole, writes its pictures out, and keeps it under its name.

    Raises `BadRequest` with one sentence for a bad or taken name, an unknown format, and files that are not what they
    should be; nothing is kept then.
    """
    if not _NAME.fullmatch(entry.name):
        raise BadRequest("a name has up to 40 small letters, digits, - and _, and begins with a letter or a digit")
    if entry.name == DEMO or (_folder(home) / f"{entry.name}.json").exists():
        raise BadRequest(f"there is a benchmark called {entry.name} already; choose another name or remove that one")
    benchmark = _open(entry, home)
    folder = _folder(home)
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder / f".{entry.name}-{uuid.uuid4().hex}"
    aside.write_text(json.dumps(asdict(entry), indent=1, ensure_ascii=False), encoding="utf-8")
    os.replace(aside, folder / f"{entry.name}.json")
    return benchmark


def remove(home: Path, name: str) -> None:
    """Forgets a data set that was added and the pictures written for it; its own files stay. Raises `BadRequest`."""
    path = _folder(home) / f"{name}.json"
    entry = _read(path) if path.exists() else None
    if entry is None:
        raise BadRequest(f"no data set called {name!r} was added; there are {', '.join(names(home))}")
    try:
        pictures = _folder(home) / "pictures" / _open(entry, home).fingerprint
    except BadRequest:
        pictures = None  # its files are gone or broken; what was written of them is not known any more
    path.unlink()
    if pictures is not None:
        shutil.rmtree(pictures, ignore_errors=True)


def names(home: Path) -> list[str]:
    """`demo`, and what was added."""
    return [DEMO, *(entry.name for entry in entries(home))]


def open_benchmark(name: str, home: Path) -> Benchmark:
    """The benchmark of that name. Raises `BadRequest`."""
    if name == DEMO:
        return open_demo(home)
    path = _folder(home) / f"{name}.json"
    entry = _read(path) if _NAME.fullmatch(name) and path.exists() else None
    if entry is None:
        raise BadRequest(f"there is no benchmark called {name!r}; there are {', '.join(names(home))}")
    return _open(entry, home)


def survey(format: str, source: str, columns: Mapping[str, str] | None = None) -> Survey:
    """What is there, what is missing, and the first fault. Raises `BadRequest` for an unknown format or no folder."""
    place = local(source)
    if format == "mllmu":
        from backend.benchmarks.mllmu import survey as look
    elif format == "clear":
        from backend.benchmarks.clear import survey as look
    elif format == "offside":
        from backend.benchmarks.offside import survey as look
    elif format == "custom":
        from backend.benchmarks.custom import Columns
        from backend.benchmarks.custom import survey as look_custom

        return look_custom(place, Columns(**dict(columns or {})))
    else:
        raise _unknown_format(format)
    return look(place)


def local(source: str) -> Path:
    """The folder or file on this machine. Raises `BadRequest` when there is none."""
    place = Path(source).expanduser()
    if not place.exists():
        hub = f"; to fetch {source} from the hub, say so with --hub" if _HUB_ID.fullmatch(source) else ""
        raise BadRequest(f"there is no folder or file {source} on this machine{hub}")
    return place.resolve()


def fetch(hub_id: str) -> Path:
    """A data set's files from the Hugging Face hub (`HF_TOKEN` is honoured), in the hub's own cache.

    Raises `BadRequest` when the hub cannot be reached, or has no such data set, or does not let one in.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    try:
        return Path(snapshot_download(hub_id, repo_type="dataset"))
    except GatedRepoError as error:
        raise BadRequest(f"{hub_id} is gated: ask for access on the hub and set HF_TOKEN") from error
    except RepositoryNotFoundError as error:
        raise BadRequest(f"the hub has no data set {hub_id}, or it is private and HF_TOKEN is not set") from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise BadRequest(f"{hub_id} could not be fetched: the hub is out of reach; name a local folder") from error
    except HFValidationError as error:
        raise BadRequest(f"{hub_id!r} is no hub id; one is MLLMMU/MLLMU-Bench") from error


class Library(Mapping[str, Benchmark]):
    """Every benchmark of a lab by name, opened when it is first asked for and kept until its line changes.

    One whose files are gone is not among them; `faults` says which and why.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._kept: dict[str, tuple[int, Benchmark]] = {}
        self.faults: dict[str, str] = {}

    def __getitem__(self, name: str) -> Benchmark:
        stamp = self._stamp(name)
        if stamp is None:
            raise KeyError(name)
        if name not in self._kept or self._kept[name][0] != stamp:
            try:
                self._kept[name] = (stamp, open_benchmark(name, self._home))
            except BadRequest as error:
                self.faults[name] = str(error)
                raise KeyError(name) from error
            self.faults.pop(name, None)
        return self._kept[name][1]

    def __iter__(self) -> Iterator[str]:
        return iter([name for name in names(self._home) if self.get(name) is not None])

    def __len__(self) -> int:
        return len(list(iter(self)))

    def _stamp(self, name: str) -> int | None:
        if name == DEMO:
            return 0
        path = _folder(self._home) / f"{name}.json"
        return path.stat().st_mtime_ns if path.exists() else None


def _open(entry: Entry, home: Path) -> Benchmark:
    source = local(entry.source)
    if entry.format == "mllmu":
        from backend.benchmarks.mllmu import open_mllmu

        return open_mllmu(source, home, entry.name)
    if entry.format == "clear":
        from backend.benchmarks.clear import open_clear

        return open_clear(source, home, entry.name)
    if entry.format == "offside":
        from backend.benchmarks.offside import open_offside

        return open_offside(source, home, entry.name)
    if entry.format == "custom":
        from backend.benchmarks.custom import Columns, open_custom

        return open_custom(source, home, entry.name, Columns(**entry.columns), entry.title or None)
    raise _unknown_format(entry.format)


def _unknown_format(format: str) -> BadRequest:
    return BadRequest(f"there is no format called {format!r}; there are {', '.join(FORMATS)}")


def _folder(home: Path) -> Path:
    return home / "data"


def _read(path: Path) -> Entry | None:
    try:
        return Entry(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def describe(benchmark: Benchmark) -> dict[str, Any]:
    """A benchmark in numbers: people, public figures, shares, attributes, fingerprint."""
    people = benchmark.people()
    return {
        "name": benchmark.name,
        "title": benchmark.title,
        "rules": benchmark.rules,
        "people": len(people),
        "public_figures": sum(person.public_figure for person in people),
        "shares": list(benchmark.ratios),
        "attributes": list(benchmark.attributes()),
        "fingerprint": benchmark.fingerprint,
    }
