"""The benchmarks of a lab: the demo, and the data sets that were added to it, each under a name of its own.

What was added is a line of JSON, `home/data/NAME.json`: the format, where the files lie, and for own data which column
is what. The files stay where they are; pictures that lie inside tables are written out once when a set is added.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from backend.benchmarks.clear import open_clear
from backend.benchmarks.clear import survey as survey_clear
from backend.benchmarks.contents import TableBenchmark
from backend.benchmarks.custom import Columns, open_custom, validate
from backend.benchmarks.custom import survey as survey_custom
from backend.benchmarks.demo import open_demo
from backend.benchmarks.item import BadRequest, Benchmark
from backend.benchmarks.mllmu import open_mllmu
from backend.benchmarks.mllmu import survey as survey_mllmu
from backend.benchmarks.mllmu import unread_fault as unread_mllmu
from backend.benchmarks.offside import open_offside
from backend.benchmarks.offside import survey as survey_offside
from backend.benchmarks.offside import unread_fault as unread_offside
from backend.benchmarks.survey import Survey
from backend.spec import BENCHMARK_NAME, ForgetRequest, faults

DEMO = "demo"
CUSTOM = "custom"
FORMATS = {"mllmu": "MLLMU-Bench", "clear": "CLEAR", "offside": "OFFSIDE", CUSTOM: "own data"}
"""Formats that can be added, by their titles."""

_PUBLISHED: dict[str, tuple[Callable[[Path, Path, str], TableBenchmark], Callable[[Path], Survey]]] = {
    "mllmu": (open_mllmu, survey_mllmu),
    "clear": (open_clear, survey_clear),
    "offside": (open_offside, survey_offside),
}
_UNREAD: dict[str, Callable[[Path], str | None]] = {"mllmu": unread_mllmu, "offside": unread_offside}
"""The first fault in what opening a format does not read."""
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_FINGERPRINT = re.compile(r"[0-9a-f]{12}")


@dataclass(frozen=True)
class Entry:
    """A data set as it was added. `source` is a folder or file of this machine; `hub` the id it was fetched from.

    `title` is what pages call it, else the format's own; `columns` are for own data (see `custom_rows.Columns`);
    `fingerprint` is that of the files when they were added.
    """

    name: str
    format: str
    source: str
    title: str = ""
    hub: str = ""
    columns: dict[str, str] = field(default_factory=dict)
    fingerprint: str = ""


_ENTRY = TypeAdapter(Entry)


# -- what was added ---------------------------------------------------------------------------------------------------


def entries(home: Path) -> list[Entry]:
    """What was added to this lab, by name. A line that cannot be read is left out; opening it says so."""
    return [entry for name in names(home)[1:] if (entry := _read(home, name)) is not None]


def names(home: Path) -> list[str]:
    """`demo`, and what was added, whether or not it can be opened."""
    added = (path.stem for path in _folder(home).glob("*.json"))
    return [DEMO, *sorted(name for name in added if _is_name(name))]


def add(home: Path, entry: Entry) -> Benchmark:
    """Reads the data set whole, writes its pictures out, and keeps it under its name.

    Raises `BadRequest` with one sentence for a bad or taken name, an unknown format, and files that are not what they
    should be; nothing is kept then.
    """
    if not _is_name(entry.name):
        raise BadRequest("a name has up to 40 small letters, digits, - and _, and begins with a letter or a digit")
    if entry.name == DEMO or _line(home, entry.name).exists():
        raise BadRequest(f"there is a benchmark called {entry.name} already; choose another name or remove that one")
    entry = replace(entry, source=str(local(entry.source)))
    benchmark = _open(entry, home, look=True)
    entry = replace(entry, fingerprint=benchmark.fingerprint)
    _folder(home).mkdir(parents=True, exist_ok=True)
    aside = _folder(home) / f".{entry.name}-{uuid.uuid4().hex}"
    aside.write_text(json.dumps(asdict(entry), indent=1, ensure_ascii=False), encoding="utf-8")
    os.replace(aside, _line(home, entry.name))
    return benchmark


def remove(home: Path, name: str) -> None:
    """Forgets a data set that was added, and the pictures written for it alone; its own files stay.

    Raises `BadRequest` where nothing of that name was added.
    """
    if name not in names(home)[1:]:
        added = ", ".join(names(home)[1:]) or "none"
        raise BadRequest(f"no data set called {name!r} was added; added are: {added}")
    entry = _read(home, name)
    written = _pictures_of(entry, home) if entry is not None else set()
    _line(home, name).unlink()
    for fingerprint in written:
        shutil.rmtree(_folder(home) / "pictures" / fingerprint, ignore_errors=True)


def _pictures_of(entry: Entry, home: Path) -> set[str]:
    """Fingerprints under which pictures were written for this data set and for no other."""
    others = [other for other in entries(home) if other.name != entry.name]
    if any((other.format, other.source) == (entry.format, entry.source) for other in others):
        return set()
    written = {entry.fingerprint}
    with suppress(BadRequest):  # where its files are gone or broken, nothing was written of them since
        written.add(_open(entry, home).fingerprint)
    written -= {other.fingerprint for other in others}
    return {fingerprint for fingerprint in written if _FINGERPRINT.fullmatch(fingerprint)}


# -- opening ----------------------------------------------------------------------------------------------------------


def open_benchmark(name: str, home: Path) -> Benchmark:
    """The benchmark of that name. Raises `BadRequest`."""
    if name == DEMO:
        return open_demo(home)
    if name not in names(home):
        raise BadRequest(f"there is no benchmark called {name!r}; there are {', '.join(names(home))}")
    entry = _read(home, name)
    if entry is None:
        raise BadRequest(f"{_line(home, name)} cannot be read; remove {name} and add it anew")
    return _open(entry, home)


def _open(entry: Entry, home: Path, *, look: bool = False) -> Benchmark:
    """With `look`, what opening a set passes over is looked at as well, such as pictures that lie loose."""
    _refuse_unknown(entry.format, entry.columns)
    source = local(entry.source)
    try:
        if entry.format == CUSTOM:
            benchmark = open_custom(source, home, entry.name, columns_of(entry.columns), look=look)
        else:
            unread = _UNREAD.get(entry.format) if look else None
            if unread is not None and (fault := unread(source)):
                raise BadRequest(fault)
            benchmark = _PUBLISHED[entry.format][0](source, home, entry.name)
    except OSError as error:
        why = f"{error.filename or source}: {error.strerror or error}"
        raise BadRequest(f"{entry.name} cannot be opened: {why}") from error
    benchmark.title = entry.title or benchmark.title
    return benchmark


class Library(Mapping[str, Benchmark]):
    """Every benchmark of a lab by name, opened when it is first asked for and kept.

    One that cannot be opened is not among them; `faults` says which and why. It is tried again once its line or its
    folder has changed, not at every look.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._kept: dict[str, tuple[tuple[int, int], Benchmark | BadRequest]] = {}
        self._opening = threading.Lock()

    def open(self, name: str) -> Benchmark:
        """The benchmark of that name. Raises `BadRequest` with the reason why there is none."""
        found = self._look(name)
        if isinstance(found, BadRequest):
            raise BadRequest(str(found)) from found
        return found

    @property
    def faults(self) -> dict[str, str]:
        """Why a data set that was added cannot be opened, by name."""
        looked = {name: self._look(name) for name in names(self._home)}
        return {name: str(found) for name, found in looked.items() if isinstance(found, BadRequest)}

    def __getitem__(self, name: str) -> Benchmark:
        found = self._look(name)
        if isinstance(found, BadRequest):
            raise KeyError(name) from found
        return found

    def __iter__(self) -> Iterator[str]:
        return (name for name in names(self._home) if not isinstance(self._look(name), BadRequest))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _look(self, name: str) -> Benchmark | BadRequest:
        found = self._fresh(name)
        if found is not None:
            return found
        with self._opening:  # two pages that ask at once read a data set once
            found, stamp = self._fresh(name), self._stamp(name)
            if found is None:
                found = self._opened(name)
                if stamp is not None:
                    self._kept[name] = (stamp, found)
        return found

    def _fresh(self, name: str) -> Benchmark | BadRequest | None:
        stamp, kept = self._stamp(name), self._kept.get(name)
        return kept[1] if kept is not None and kept[0] == stamp else None

    def _opened(self, name: str) -> Benchmark | BadRequest:
        try:
            return open_benchmark(name, self._home)
        except BadRequest as error:
            return BadRequest(str(error))  # without the traceback, which holds on to everything that was read

    def _stamp(self, name: str) -> tuple[int, int] | None:
        """When its line and its folder last changed; None for a name that was never added."""
        if name == DEMO:
            return 0, 0
        if not _is_name(name) or (line := _changed(_line(self._home, name))) is None:
            return None
        entry = _read(self._home, name)
        return line, (_changed(Path(entry.source)) or 0) if entry is not None else 0


# -- looking at files -------------------------------------------------------------------------------------------------


def survey(format: str, source: str, columns: Mapping[str, str] | None = None) -> Survey:
    """What is there, what is missing, and the first fault. Raises `BadRequest` for an unknown format or no folder."""
    _refuse_unknown(format, columns or {})
    place = local(source)
    if format == CUSTOM:
        return survey_custom(place, columns_of(columns or {}))
    return _PUBLISHED[format][1](place)


def every_fault(format: str, source: str, columns: Mapping[str, str] | None = None) -> list[str]:
    """Everything that is wrong with own data; of a published format the first fault, if any. Raises `BadRequest`."""
    if format == CUSTOM:
        return validate(local(source), columns_of(columns or {}))
    fault = survey(format, source, columns).fault
    return [] if fault is None else [fault]


def columns_of(given: Mapping[str, str]) -> Columns:
    """Which column of own data is what. Raises `BadRequest`."""
    strange = [what for what in given if what not in Columns.model_fields]
    if strange:
        raise BadRequest(f"own data has no {strange[0]!r}; a column can be {', '.join(Columns.model_fields)}")
    try:
        return Columns.model_validate(dict(given))
    except ValidationError as error:
        what, phrase = next(iter(faults(error).items()))
        raise BadRequest(f"the column for {what} {phrase}") from error


def local(source: str) -> Path:
    """The folder or file on this machine, absolute. Raises `BadRequest` when there is none."""
    # links stay as they are: a file in the hub's cache has its suffix only in the link's name
    place = os.path.abspath(os.path.expanduser(source))
    if not source.strip() or not os.path.exists(place):
        hub = "; if that is a hub id, say that it is to be fetched" if _HUB_ID.fullmatch(source) else ""
        raise BadRequest(f"there is no folder or file {source or 'without a name'} on this machine{hub}")
    return Path(place)


def fetch(hub_id: str) -> Path:
    """A data set's files from the Hugging Face hub (`HF_TOKEN` is honoured), in the hub's own cache.

    Raises `BadRequest` when the hub cannot be reached, or has no such data set, or does not let one in.
    """
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import GatedRepoError, HFValidationError, RepositoryNotFoundError

    try:
        return Path(snapshot_download(hub_id, repo_type="dataset"))
    except GatedRepoError as error:
        raise BadRequest(f"{hub_id} is gated: ask for access on the hub and set HF_TOKEN") from error
    except RepositoryNotFoundError as error:
        raise BadRequest(f"the hub has no data set {hub_id}, or it is private and HF_TOKEN is not set") from error
    except OSError as error:
        why = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else "the hub is out of reach"
        raise BadRequest(f"{hub_id} could not be fetched: {why}; name a local folder instead") from error
    except HFValidationError as error:
        raise BadRequest(f"{hub_id!r} is no hub id; one is MLLMMU/MLLMU-Bench") from error


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


def asked_of(benchmark: Benchmark, request: ForgetRequest) -> dict[str, int]:
    """How many questions are put after a run, by set and task (`forget/generation`). Raises `BadRequest`."""
    return dict(Counter(f"{item.set}/{item.task}" for item in benchmark.scored_items(request)))


# -- lines ------------------------------------------------------------------------------------------------------------


def _is_name(name: str) -> bool:
    return re.fullmatch(BENCHMARK_NAME, name) is not None


def _refuse_unknown(format: str, columns: Mapping[str, str]) -> None:
    if format not in FORMATS:
        raise BadRequest(f"there is no format called {format!r}; there are {', '.join(FORMATS)}")
    if columns and format != CUSTOM:
        raise BadRequest(f"{FORMATS[format]} has its own columns; only own data says which column is what")


def _folder(home: Path) -> Path:
    return home / "data"


def _line(home: Path, name: str) -> Path:
    return _folder(home) / f"{name}.json"


def _read(home: Path, name: str) -> Entry | None:
    try:
        entry = _ENTRY.validate_json(_line(home, name).read_bytes())
    except (OSError, ValidationError):
        return None
    return entry if entry.name == name else None


def _changed(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except (OSError, ValueError):
        return None
