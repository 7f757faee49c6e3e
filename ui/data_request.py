"""What the Data page is asked to show, and what a forget request takes: counted, never estimated. No Gradio.

The state of the page is its address, read by `View`. Promises: an address brings back the same view; whom the page
says a request forgets is whom the launch page will forget; a request that cannot be is told by its own sentence.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

from pydantic import ValidationError

from backend.benchmarks import library
from backend.benchmarks.item import SETS, BadRequest, Benchmark, Item, ItemSet, Modality, Person, Split, Task
from backend.benchmarks.library import Entry
from backend.spec import ForgetRequest, faults
from ui.context import Lab
from ui.launching import CHOSEN, LONGEST_SHARE, joined_ids, parted_ids, published_share

PATH = "/data"
A_PAGE = 60
"""Portraits at a time: a page of them is under half a megabyte."""


@dataclass(frozen=True)
class View:
    """What an address asks for. `share` is None where none is named; with `chosen` the people are `people`."""

    benchmark: str = ""
    person: str = ""
    share: int | None = None
    chosen: bool = False
    people: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    text: str = ""
    page: int = 1

    @classmethod
    def read(cls, query: Mapping[str, str]) -> View:
        """Reads an address's query; what cannot be a share or a page is passed over."""
        share, page = _whole(query.get("forget", "")), _whole(query.get("page", ""))
        people = parted_ids(query.get("people", ""))
        return cls(
            benchmark=query.get("benchmark", ""),
            person=query.get("person", ""),
            share=share,
            chosen=bool(people) or query.get("forget") == CHOSEN,
            people=people,
            attributes=parted_ids(query.get("attributes", "")),
            text=query.get("q", ""),
            page=max(1, page or 1),
        )

    def query(self) -> dict[str, str]:
        """The view as an address's query: only what is not as it is when the page is opened."""
        forget = CHOSEN if self.chosen and not self.people else "" if self.chosen else str(self.share or "")
        asked = {
            "benchmark": self.benchmark,
            "person": self.person,
            "forget": forget,
            "people": joined_ids(self.people) if self.chosen else "",
            "attributes": joined_ids(self.attributes),
            "q": self.text,
            "page": str(self.page) if self.page > 1 else "",
        }
        return {name: text for name, text in asked.items() if text}

    def address(self, **changes: Any) -> str:
        """The address of this view, or of one that differs in `changes`."""
        query = replace(self, **changes).query()
        return PATH + (f"?{urlencode(query, safe=',')}" if query else "")

    def launch_address(self, benchmark: Benchmark) -> str:
        """The launch form with this benchmark and this request."""
        asked = {"benchmark": self.benchmark}
        asked |= {"people": joined_ids(self.people)} if self.chosen else {"forget": str(share_of(self, benchmark))}
        asked |= {"attributes": joined_ids(self.attributes)} if self.attributes else {}
        return f"/launch?{urlencode(asked, safe=',')}"


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= LONGEST_SHARE else None


# -- the benchmarks ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Listed:
    """A benchmark of the lab; `fault` says why one that was added cannot be opened. The demo has no `entry`."""

    name: str
    title: str
    fault: str = ""
    entry: Entry | None = None


def listed(lab: Lab) -> list[Listed]:
    """Every benchmark, those that cannot be opened among them, with the reason."""
    added = {entry.name: entry for entry in library.entries(lab.home)}
    here = {name: Listed(name, bench.title, entry=added.get(name)) for name, bench in lab.benchmarks.items()}
    closed: Mapping[str, str] = getattr(lab.benchmarks, "faults", {})
    gone = [Listed(name, name, fault, added.get(name, Entry(name, "", ""))) for name, fault in closed.items()]
    return [*here.values(), *gone]


def settled(view: View, lab: Lab) -> View:
    """The view with the first benchmark where it names none."""
    return view if view.benchmark else replace(view, benchmark=next(iter(lab.benchmarks), ""))


# -- people -----------------------------------------------------------------------------------------------------------


def found(people: Iterable[Person], text: str) -> list[Person]:
    """Those whose name or id holds every word of `text`; capitals and accents do not matter."""
    words = _plain(text).split()
    return [one for one in people if all(word in _plain(f"{one.name} {one.id}") for word in words)]


def _plain(text: str) -> str:
    spread = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in spread if not unicodedata.combining(letter))


def page_of(people: Sequence[Person], page: int) -> tuple[int, list[Person]]:
    """A page of people, and its number: the last page where there are not so many."""
    pages = max(1, -(-len(people) // A_PAGE))
    number = min(max(1, page), pages)
    return number, list(people[(number - 1) * A_PAGE : number * A_PAGE])


# -- the request ------------------------------------------------------------------------------------------------------


def share_of(view: View, benchmark: Benchmark) -> int | None:
    """The share in per cent that the view asks for; None where people are chosen, or no share is published."""
    share = CHOSEN if view.chosen else published_share(benchmark, view.share or 10)
    return share if isinstance(share, int) else None


def request_of(view: View, benchmark: Benchmark) -> ForgetRequest | None:
    """The view's forget request; None while nobody is chosen. Raises `BadRequest`."""
    share = share_of(view, benchmark)
    if share is None and not view.people:
        return None
    people = () if share is not None else view.people
    try:
        return ForgetRequest(ratio=share, people=people, attributes=view.attributes)  # type: ignore[arg-type]
    except ValidationError as error:
        raise BadRequest(next(iter(faults(error).values()))) from error


@dataclass(frozen=True)
class Figures:
    """What a request takes: `sets` as (people, items), `tasks` by modality, `trained` items, or why there are none."""

    split: Split
    sets: dict[ItemSet, tuple[int, int]]
    tasks: dict[Task, Counter[Modality]]
    trained: dict[str, int]
    untrained: str = ""


def figures(benchmark: Benchmark, request: ForgetRequest) -> Figures:
    """Counts over all that is asked under the request. Raises `BadRequest` for a request that cannot be."""
    split = benchmark.split(request)
    items = (*scored(benchmark, request), *benchmark.relearn_items(request))
    sets: dict[ItemSet, tuple[int, int]] = {}
    for name in SETS:
        own = [item for item in items if item.set == name]
        if own:
            sets[name] = (len({item.subject for item in own}), len(own))
    tasks: dict[Task, Counter[Modality]] = {}
    for item in scored(benchmark, request):
        tasks.setdefault(item.task, Counter())[item.modality] += 1
    taught, why = trained(benchmark, request)
    counts = Counter(taught.values())
    return Figures(split, sets, tasks, {name: counts[name] for name in ("forget", "retain")}, why)


@lru_cache(maxsize=4)
def scored(benchmark: Benchmark, request: ForgetRequest) -> tuple[Item, ...]:
    """What is asked after a run under this request, each with its set. Raises `BadRequest`."""
    return tuple(benchmark.scored_items(request))


@lru_cache(maxsize=4)
def trained(benchmark: Benchmark, request: ForgetRequest) -> tuple[dict[str, str], str]:
    """Training items by id, `forget` or `retain`; and one sentence where there is nothing to train on."""
    try:
        gone, stay = benchmark.forget_items(request), benchmark.retain_items(request)
    except BadRequest as error:
        return {}, str(error)
    return {item.id: "retain" for item in stay} | {item.id: "forget" for item in gone}, ""


def asked_of(benchmark: Benchmark, request: ForgetRequest, subject: str) -> list[Item]:
    """What is asked about one person, by modality, task and set, in the benchmark's order within each."""
    own = [item for item in scored(benchmark, request) if item.subject == subject]
    return own + [item for item in benchmark.relearn_items(request) if item.subject == subject]


def taught_of(benchmark: Benchmark, request: ForgetRequest, subject: str) -> list[tuple[Item, str]]:
    """What a model is taught about one person, and whether unlearning takes it to forget, to retain, or leaves it."""
    try:
        items = benchmark.training_items((subject,))
    except BadRequest:
        return []
    kinds, _ = trained(benchmark, request)
    return [(item, kinds.get(item.id, "")) for item in items]


def any_request(benchmark: Benchmark) -> ForgetRequest | None:
    """A request by which everything of a benchmark can be listed while nobody is chosen; None where there is none."""
    private = [person.id for person in benchmark.people() if not person.public_figure]
    if benchmark.ratios:
        return ForgetRequest(ratio=benchmark.ratios[0])  # type: ignore[arg-type]
    return ForgetRequest(people=(private[0],), ratio=None) if len(private) > 1 else None
