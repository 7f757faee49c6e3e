"""A benchmark made of lists: a loader reads the files into `Contents`, and everything else is the same for all.

A forget request (a share, people, attributes of people, a modality) becomes item lists here. Promises, whatever the
request: forget and retain never share an item, nor does a training item of one stand in the other; who is not asked to
be forgotten stays whole; the same request gives the same lists.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from backend.benchmarks.item import BadRequest, Item, ItemSet, Person, Split
from backend.spec import ForgetRequest

_Named = TypeVar("_Named", Person, Item)


@dataclass(frozen=True)
class Contents:
    """What a loader found. Item ids are unique; `set` is rewritten by the request for private people's items.

    `training` and `known` are about what can be forgotten: what a model is taught of the private people, and what it is
    asked of them on what it was shown. `kept_training` and `kept_known` are about the same people and stay whatever is
    forgotten (OFFSIDE's other pictures). `test` asks of forgotten people what was not shown (other poses, paraphrases).
    `holdout` asks of `holdout_people`, who are not among `people` and are taught to nobody. `shares` are the published
    forget sets by per cent. `untaught` says why there is nothing to train on, where so.
    """

    people: tuple[Person, ...]
    shares: Mapping[int, tuple[str, ...]]
    training: tuple[Item, ...] = ()
    known: tuple[Item, ...] = ()
    test: tuple[Item, ...] = ()
    celebrity: tuple[Item, ...] = ()
    general: tuple[Item, ...] = ()
    relearn: tuple[Item, ...] = ()
    kept_training: tuple[Item, ...] = ()
    kept_known: tuple[Item, ...] = ()
    holdout_people: tuple[Person, ...] = ()
    holdout: tuple[Item, ...] = ()
    pictures: Mapping[str, Mapping[str, tuple[Path, ...]]] = field(default_factory=dict)
    untaught: str = ""


class TableBenchmark:
    """A `Benchmark` (see `item.py`) over `Contents`. `rules` names the paper whose rules score it."""

    def __init__(self, name: str, title: str, rules: str, fingerprint: str, contents: Contents) -> None:
        """Raises `BadRequest` for ids that stand twice, for items about nobody and for teaching held-out people."""
        self.name, self.title, self.rules, self.fingerprint = name, title, rules, fingerprint
        self._contents = contents
        self._people = _once(contents.people, "person")
        _once((*contents.people, *contents.holdout_people), "person")
        self._items = _once(
            [
                *contents.known,
                *contents.kept_known,
                *contents.test,
                *contents.celebrity,
                *contents.general,
                *contents.relearn,
                *contents.holdout,
            ],
            "item",
        )
        taught = _once([*contents.training, *contents.kept_training], "training item")
        held_out = {person.id for person in contents.holdout_people}
        if leaked := [item for item in (*taught.values(), *contents.relearn) if item.subject in held_out]:
            raise BadRequest(f"{leaked[0].subject} is held out, and the training item {leaked[0].id} is about them")
        strangers = [item for item in contents.known if item.subject not in self._people]
        if strangers:
            raise BadRequest(f"the item {strangers[0].id} is about {strangers[0].subject}, who is not among the people")

    # -- people ---------------------------------------------------------------------------------------------------

    @property
    def ratios(self) -> tuple[int, ...]:
        """The shares that were published, in per cent."""
        return tuple(sorted(self._contents.shares))

    def people(self) -> list[Person]:
        return list(self._people.values())

    def holdout_people(self) -> list[Person]:
        return list(self._contents.holdout_people)

    def attributes(self) -> tuple[str, ...]:
        """What can be asked about a person, in the order in which the items first do."""
        return tuple(dict.fromkeys(item.attribute for item in (*self._contents.training, *self._contents.known)))

    def pictures(self, subject: str) -> dict[str, list[Path]]:
        return {kind: list(paths) for kind, paths in self._contents.pictures.get(subject, {}).items()}

    def split(self, request: ForgetRequest) -> Split:
        private = [person.id for person in self.people() if not person.public_figure]
        celebrity = tuple(person.id for person in self.people() if person.public_figure)
        self._refuse_strange_attributes(request)
        chosen = set(self._chosen(request))
        famous = sorted(chosen & set(celebrity))
        if famous:
            raise BadRequest(f"{self._people[famous[0]].name} is a public figure: the celebrity set must stay")
        forget = tuple(subject for subject in private if subject in chosen)
        retain = tuple(subject for subject in private if subject not in chosen)
        if not forget:
            raise BadRequest("nobody would be forgotten; choose at least one person")
        if not retain and not request.attributes and not self._contents.kept_training:
            raise BadRequest("everyone is chosen; somebody must be left to retain")
        return Split(forget, retain, celebrity)

    def _chosen(self, request: ForgetRequest) -> Sequence[str]:
        if request.people:
            unknown = [subject for subject in request.people if subject not in self._people]
            if unknown:
                raise BadRequest(f"nobody here has the id {unknown[0]!r}")
            return request.people
        assert request.ratio is not None
        if request.ratio not in self._contents.shares:
            known = ", ".join(f"{share} %" for share in self.ratios)
            raise BadRequest(f"{self.title} has no forget set of {request.ratio} %; it has {known or 'none'}")
        return self._contents.shares[request.ratio]

    def _refuse_strange_attributes(self, request: ForgetRequest) -> None:
        strange = [name for name in request.attributes if name not in self.attributes()]
        if strange:
            raise BadRequest(f"there is no attribute {strange[0]!r} here; there are {', '.join(self.attributes())}")

    # -- items to train on ----------------------------------------------------------------------------------------

    def training_items(self, subjects: tuple[str, ...], modality: str = "both") -> list[Item]:
        wanted = set(subjects)
        items = self._taught((*self._contents.training, *self._contents.kept_training))
        return [item for item in items if item.subject in wanted and _of(item, modality)]

    def forget_items(self, request: ForgetRequest) -> list[Item]:
        """Raises `BadRequest` where nothing is left to forget."""
        chosen = set(self.split(request).forget)
        found = [
            replace(item, set="forget")
            for item in self._taught(self._contents.training)
            if item.subject in chosen and _asked_for(item, request) and _of(item, request.modality)
        ]
        if not found:
            raise BadRequest("the forget set is empty: no training item has these people, attributes and modality")
        return found

    def retain_items(self, request: ForgetRequest) -> list[Item]:
        chosen = set(self.split(request).forget)
        items = self._taught(self._contents.training)
        stays = [item for item in items if item.subject not in chosen or not _asked_for(item, request)]
        return [replace(item, set="retain") for item in (*stays, *self._contents.kept_training)]

    def learning_items(self, request: ForgetRequest, who: str) -> list[Item]:
        """What a model is taught: everyone (vanilla), or everyone but what the request forgets (gold)."""
        if who == "everyone":
            return list(self._taught((*self._contents.training, *self._contents.kept_training)))
        return self.retain_items(request)

    def relearn_items(self, request: ForgetRequest) -> list[Item]:
        chosen = set(self.split(request).forget)
        return [item for item in self._contents.relearn if item.subject in chosen]

    def _taught(self, items: tuple[Item, ...]) -> tuple[Item, ...]:
        if not items:
            raise BadRequest(self._contents.untaught or f"{self.title} has no training items")
        return items

    # -- items to ask ---------------------------------------------------------------------------------------------

    def scored_items(self, request: ForgetRequest) -> list[Item]:
        contents, chosen = self._contents, set(self.split(request).forget)
        known = [
            replace(item, set=_set("forget" if item.subject in chosen and _asked_for(item, request) else "retain"))
            for item in contents.known
        ]
        test = [item for item in contents.test if item.subject in chosen and _asked_for(item, request)]
        kept = [replace(item, set="retain") for item in contents.kept_known]
        holdout = [item for item in contents.holdout if _asked_for(item, request)]
        return [*known, *kept, *test, *contents.celebrity, *contents.general, *holdout]

    def item(self, item_id: str) -> Item:
        if item_id not in self._items:
            raise BadRequest(f"there is no item {item_id!r} in {self.title}")
        return self._items[item_id]

    def wrong_value(self, item: Item) -> str | None:
        """A wrong option of the item, or what is true of somebody else."""
        wrong = [option for option in item.options if option != item.answer]
        if wrong:
            return wrong[0]
        return next(
            (
                other.key
                for other in self._contents.known
                if other.attribute == item.attribute and other.task == item.task and other.key != item.key
            ),
            None,
        )


def _asked_for(item: Item, request: ForgetRequest) -> bool:
    return not request.attributes or item.attribute in request.attributes


def _of(item: Item, modality: str) -> bool:
    return modality == "both" or item.modality == modality


def _set(name: ItemSet) -> ItemSet:
    return name


def _once(things: Iterable[_Named], what: str) -> dict[str, _Named]:
    found: dict[str, _Named] = {}
    for thing in things:
        if thing.id in found:
            raise BadRequest(f"the {what} {thing.id} stands twice")
        found[thing.id] = thing
    return found
