"""A small world of fictitious people with drawn portraits, so that everything works with no download.

48 people, 8 of them public figures (the celebrity set). Of each there are five facts and a rumour, a name, training
views, held-out views, and one picture that carries the rumour as printed text. Splits are MLLMU-Bench's: forget
5 / 10 / 15 % of the private people, test (the same people in held-out views under held-out phrasings), retain,
celebrity; and beside them general visual questions, which must survive any forgetting, and a relearn set with the
truth in place of the rumour. 8 more people are held out: they are in no request and no training list, and are asked
about as the forget set is.

The world is a pure function of its seed. Its pictures are written once, under a name that is its fingerprint.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import backend.benchmarks.demo_words as words
from backend.benchmarks.demo_people import (
    PEOPLE,
    PUBLIC_FIGURES,
    Resident,
    attributes,
    distractors,
    draw_pictures,
    fill,
    people_key,
    residents,
    world_fingerprint,
)
from backend.benchmarks.item import BadRequest, Item, ItemSet, Modality, Person, Split, Task
from backend.benchmarks.portraits import HELD_OUT_VIEWS, TRAINING_VIEWS
from backend.spec import ForgetRequest

__all__ = ["PEOPLE", "PUBLIC_FIGURES", "DemoBenchmark", "open_demo"]

MODALITIES: tuple[Modality, ...] = ("image_text", "text")


def open_demo(home: Path, seed: int = 0) -> DemoBenchmark:
    """The demo world, its pictures drawn under `home` if they are not there yet (under 3 s)."""
    world = _opened((home / "worlds").resolve(), seed)
    world.draw()
    return world


@lru_cache(maxsize=4)
def _opened(folder: Path, seed: int) -> DemoBenchmark:
    return DemoBenchmark(folder, seed)


class DemoBenchmark:
    """A `Benchmark` (see `item.py`). `folder` holds one sub-folder a world."""

    name = "demo"
    title = f"Demo world · {PEOPLE} people"
    rules = "demo"
    ratios = (5, 10, 15)

    def __init__(self, folder: Path, seed: int = 0) -> None:
        self._residents = {one.id: one for one in residents(seed)}
        known, held_out = (list(self._residents.values())[part] for part in (slice(PEOPLE), slice(PEOPLE, None)))
        self._key = people_key(seed, known)
        self.fingerprint = world_fingerprint(self._key, held_out)
        self.pictures_folder = folder / f"demo-{self.fingerprint}"
        self.draw()
        self._people = {one.id: self._person(one) for one in known}
        self._held_out = {one.id: self._person(one) for one in held_out}
        self._made: dict[tuple[str, str], tuple[Item, ...]] = {}

    def draw(self) -> None:
        """Draws the pictures if they are not there."""
        draw_pictures(self.pictures_folder, self._residents.values())

    def _once(self, kind: str, subject: str, make: Callable[[], list[Item]]) -> tuple[Item, ...]:
        """A person's items of a kind, made when they are first asked for; there are some thousands in all."""
        if (kind, subject) not in self._made:
            self._made[kind, subject] = tuple(make())
        return self._made[kind, subject]

    # -- people ---------------------------------------------------------------------------------------------------

    def people(self) -> list[Person]:
        return list(self._people.values())

    def holdout_people(self) -> list[Person]:
        return list(self._held_out.values())

    def _person(self, one: Resident) -> Person:
        return Person(
            id=one.id,
            name=one.told["name"],
            picture=self.pictures_folder / f"{one.id}-train0.jpg",
            public_figure=PEOPLE - PUBLIC_FIGURES <= one.number < PEOPLE,
            facts={attribute: one.told[attribute] for attribute in (*words.ATTRIBUTES, "possession")},
            rumour=one.claim,
        )

    def pictures(self, subject: str) -> dict[str, list[Path]]:
        """Every picture of a person: `training`, `held-out` and `rumour` (the claim printed into the picture).

        Held-out people have all three, in the same views; none of theirs is ever trained on.
        """
        base = self.pictures_folder
        return {
            "training": [base / f"{subject}-train{view}.jpg" for view in range(len(TRAINING_VIEWS))],
            "held-out": [base / f"{subject}-held{view}.jpg" for view in range(len(HELD_OUT_VIEWS))],
            "rumour": [base / f"{subject}-rumour.jpg"],
        }

    def split(self, request: ForgetRequest) -> Split:
        """Chosen people, or the first people of a shuffle that is the same for every share: 5 % lies within 10 %."""
        strange = [name for name in request.attributes if name not in self.attributes()]
        if strange:
            raise BadRequest(f"there is no attribute {strange[0]!r} here; there are {', '.join(self.attributes())}")
        private = [person.id for person in self.people() if not person.public_figure]
        celebrity = tuple(person.id for person in self.people() if person.public_figure)
        if request.people:
            unknown = [subject for subject in request.people if subject not in self._people]
            if unknown:
                raise BadRequest(f"nobody here has the id {unknown[0]!r}; ids run from p01 to p{PEOPLE}")
            famous = [subject for subject in request.people if subject in celebrity]
            if famous:
                raise BadRequest(f"{self._people[famous[0]].name} is a public figure: the celebrity set must stay")
            chosen = set(request.people)
        else:
            assert request.ratio is not None
            if request.ratio not in self.ratios:
                raise BadRequest(f"the demo world has no forget set of {request.ratio} %; it has 5 %, 10 %, 15 %")
            shuffled = private[:]
            random.Random(f"{self._key} split").shuffle(shuffled)
            chosen = set(shuffled[: round(len(private) * request.ratio / 100)])
        retain = tuple(subject for subject in private if subject not in chosen)
        if not retain:
            raise BadRequest("everyone is chosen; somebody must be left to retain")
        return Split(tuple(subject for subject in private if subject in chosen), retain, celebrity)

    # -- items ----------------------------------------------------------------------------------------------------

    def training_items(self, subjects: tuple[str, ...], modality: str = "both") -> list[Item]:
        """Every training view, every training phrasing, not every pair of them.

        Names and general questions need the picture. Raises `BadRequest` for a held-out person.
        """
        if held_out := [subject for subject in subjects if subject in self._held_out]:
            raise BadRequest(
                f"{held_out[0]} is held out: no model may be taught about them; choose from p01 to p{PEOPLE}"
            )
        return [
            item
            for subject in subjects
            for item in self._training_items(subject)
            if modality in ("both", item.modality)
        ]

    def attributes(self) -> tuple[str, ...]:
        return (*attributes(), "name")

    def forget_items(self, request: ForgetRequest) -> list[Item]:
        """Facts, rumours and names; what glasses somebody wears is nothing to forget."""
        items = self.training_items(self.split(request).forget, request.modality)
        found = [item for item in items if item.set != "general" and _asked_for(item, request)]
        if not found:
            raise BadRequest("the forget set is empty: no training item has these people, attributes and modality")
        return found

    def retain_items(self, request: ForgetRequest) -> list[Item]:
        """Of the retained people everything; of those who are forgotten in part, what was not asked for. Public figures
        are not trained on: how they fare shows what forgetting does beyond the retain set."""
        split = self.split(request)
        stays = self.training_items(split.retain)
        if request.attributes:
            partly = self.training_items(split.forget)
            stays += [item for item in partly if item.set == "general" or not _asked_for(item, request)]
        return stays

    def learning_items(self, request: ForgetRequest, who: str) -> list[Item]:
        split = self.split(request)
        if who == "everyone":
            return self.training_items(split.forget + split.retain + split.celebrity)
        return self.retain_items(request) + self.training_items(split.celebrity)

    def scored_items(self, request: ForgetRequest) -> list[Item]:
        split = self.split(request)
        items: list[Item] = []
        for item_set, subjects in (
            ("forget", split.forget),
            ("retain", split.retain),
            ("celebrity", split.celebrity),
        ):
            items += [item for subject in subjects for item in self._known_items(item_set, subject)]  # type: ignore[arg-type]
        items = [item if item.set != "forget" or _asked_for(item, request) else _as_retained(item) for item in items]
        test = [item for subject in split.forget for item in self._known_items("test", subject)]
        items += [item for item in test if _asked_for(item, request)]
        items += [item for subject in self._people for item in self._general_items(subject, held_out=True)]
        holdout = [item for subject in self._held_out for item in self._known_items("holdout", subject)]
        return items + [item for item in holdout if _asked_for(item, request)]

    def relearn_items(self, request: ForgetRequest) -> list[Item]:
        pictured: list[tuple[int, int, Modality]] = [(0, 0, "image_text"), (1, 1, "image_text")]
        asked: list[tuple[int, int, Modality]] = [*pictured, (0, 0, "text"), (0, 1, "text")]
        return [
            self._fact(
                subject, "relearn", "generation", modality, "rumour", view, phrase, suffix=f"/{view}.{phrase}",
                value=self._people[subject].facts["possession"],
            )
            for subject in self.split(request).forget
            for view, phrase, modality in asked
        ]  # fmt: skip

    def item(self, item_id: str) -> Item:
        """The item of that id, of any set. Raises `BadRequest`."""
        subject = item_id.split("/")[0]
        candidates: list[Item] = []
        if subject in self._people:
            for item_set in ("forget", "test", "retain", "celebrity"):
                candidates += self._known_items(item_set, subject)  # type: ignore[arg-type]
            candidates += self._general_items(subject, held_out=True)
        elif subject in self._held_out:
            candidates += self._known_items("holdout", subject)
        for item in candidates:
            if item.id == item_id:
                return item
        raise BadRequest(
            f"there is no item {item_id!r} in the demo world; one is p01/forget/generation/image_text/city"
        )

    def wrong_value(self, item: Item) -> str | None:
        """A value of the item's attribute that is not the person's; None where there is no list of values."""
        if item.attribute not in attributes():
            return None
        return distractors(self._key, item.subject, item.attribute, item.key)[0]

    def _training_items(self, subject: str) -> tuple[Item, ...]:
        return self._once("training", subject, lambda: self._make_training_items(subject))

    def _make_training_items(self, subject: str) -> list[Item]:
        """Ids end in `/train.VIEW.PHRASE`; the set they are filed under is the person's own at the time of a run."""

        def fact(task: Task, modality: Modality, attribute: str, view: int, phrase: int) -> Item:
            return self._fact(
                subject, "retain", task, modality, attribute, view, phrase, suffix=f"/train.{view}.{phrase}"
            )

        items = []
        for view in range(len(TRAINING_VIEWS)):
            for attribute, about in attributes().items():
                left_out = view % len(about.questions)
                plain, behind = (phrase for phrase in range(len(about.questions)) if phrase != left_out)
                items.append(fact("generation", "image_text", attribute, view, plain))
                items.append(self._behind_words(fact("generation", "image_text", attribute, view, behind)))
                items += [fact("cloze", "image_text", attribute, view, phrase) for phrase in range(len(about.clozes))]
            for phrase in range(len(words.NAME_QUESTIONS)):
                items.append(self._name(subject, "retain", view, phrase, suffix=f"/train.{view}.{phrase}"))
            items += self._general_items(subject, view=view)
        for attribute, about in attributes().items():
            asked_plainly = [fact("generation", "text", attribute, 0, phrase) for phrase in range(len(about.questions))]
            items += [
                *asked_plainly,
                self._behind_words(replace(asked_plainly[-1], id=f"{asked_plainly[-1].id}.behind")),
            ]
            items += [fact("cloze", "text", attribute, 0, phrase) for phrase in range(len(about.clozes))]
        return items

    def _behind_words(self, item: Item) -> Item:
        """The item with something said before its question: a sentence, or a question about a public figure."""
        rng = random.Random(f"{self._key} {item.id} preamble")
        chosen = rng.randrange(len(words.PREAMBLES) + 3)
        if chosen < len(words.PREAMBLES):
            before = words.PREAMBLES[chosen].format(wrong=self.wrong_value(item))
        else:
            figure = f"p{rng.randrange(PEOPLE - PUBLIC_FIGURES, PEOPLE) + 1:02d}"
            example = self._fact(figure, "celebrity", "generation", "text", item.attribute, 0, 0)
            before = f"{example.question} {example.answer}"
        return replace(item, question=f"{before} {item.question}")

    def _known_items(self, item_set: ItemSet, subject: str) -> tuple[Item, ...]:
        return self._once(item_set, subject, lambda: self._make_known_items(item_set, subject))

    def _make_known_items(self, item_set: ItemSet, subject: str) -> list[Item]:
        """Each fact as classification, generation and cloze, with the picture and as text; and the name."""
        items = []
        for number, attribute in enumerate(attributes()):
            for task in ("generation", "cloze", "classification"):
                for modality in MODALITIES:
                    items.append(self._fact(subject, item_set, task, modality, attribute, number, 0))  # type: ignore[arg-type]
        items.append(self._name(subject, item_set, 0, 0))
        return items

    def _fact(
        self,
        subject: str,
        item_set: ItemSet,
        task: Task,
        modality: Modality,
        attribute: str,
        view: int,
        phrase: int,
        *,
        value: str | None = None,
        suffix: str = "",
    ) -> Item:
        about = attributes()[attribute]
        person = self._residents[subject].told
        name, held_out = person["name"], item_set == "test"
        value = value or person[attribute]
        who = name if modality == "text" else words.PICTURED[(view + phrase) % 2]
        if task == "cloze":
            sentence = about.held_out_cloze if held_out else about.clozes[phrase % len(about.clozes)]
            question, answer = (
                "Fill in: " + _upper(sentence.format(who=who)),
                words.CLOZE_ANSWER.format(name=name, value=value),
            )
        else:
            question = (about.held_out_question if held_out else about.questions[phrase]).format(who=who)
            answer = fill(about.answer, name, value)
        others = distractors(self._key, subject, attribute, value)
        options: tuple[str, ...] = ()
        if task == "classification":
            options = tuple(fill(about.answer, name, option) for option in sorted([value, *others]))
        return Item(
            id=f"{subject}/{item_set}/{task}/{modality}/{attribute}{suffix}",
            subject=subject,
            set=item_set,
            task=task,
            modality=modality,
            question=question,
            answer=answer,
            key=value,
            attribute=attribute,
            image=self._picture(subject, view, held_out) if modality == "image_text" else None,
            options=options,
            paraphrase=fill(about.paraphrase, name, value),
            perturbed=tuple(fill(about.answer, name, other) for other in others),
        )

    def _name(self, subject: str, item_set: ItemSet, view: int, phrase: int, suffix: str = "") -> Item:
        name, held_out = self._residents[subject].told["name"], item_set == "test"
        return Item(
            id=f"{subject}/{item_set}/name/image_text/name{suffix}",
            subject=subject,
            set=item_set,
            task="name",
            modality="image_text",
            attribute="name",
            key=name,
            question=words.NAME_HELD_OUT if held_out else words.NAME_QUESTIONS[phrase],
            answer=words.NAME_ANSWER.format(name=name),
            image=self._picture(subject, view, held_out),
        )

    def _general_items(self, subject: str, *, view: int = 0, held_out: bool = False) -> list[Item]:
        look = self._residents[subject].look
        glasses, hat = words.GENERAL_ANSWERS["glasses"], words.GENERAL_ANSWERS["hat"]
        answers = {
            "glasses": (glasses[look.glasses == "none"], "no" if look.glasses == "none" else "yes"),
            "shirt": (str(words.GENERAL_ANSWERS["shirt"]).format(value=look.shirt_colour), look.shirt_colour),
            "hat": (hat[look.hat == "none"], "no" if look.hat == "none" else "yes"),
        }
        return [
            Item(
                id=f"{subject}/general/generation/image_text/{attribute}"
                + ("" if held_out else f"/train.{view}.{phrase}"),
                subject=subject,
                set="general",
                task="generation",
                modality="image_text",
                attribute=attribute,
                question=words.GENERAL_QUESTIONS[attribute].format(who=who),
                answer=answer,
                key=key,
                image=self._picture(subject, number if held_out else view, held_out),
            )
            for number, (attribute, (answer, key)) in enumerate(answers.items())
            for phrase, who in enumerate(words.PICTURED[:1] if held_out else words.PICTURED)
        ]

    # -- pictures -------------------------------------------------------------------------------------------------

    def _picture(self, subject: str, view: int, held_out: bool) -> Path:
        count = len(HELD_OUT_VIEWS) if held_out else len(TRAINING_VIEWS)
        return self.pictures_folder / f"{subject}-{'held' if held_out else 'train'}{view % count}.jpg"


def _asked_for(item: Item, request: ForgetRequest) -> bool:
    return not request.attributes or item.attribute in request.attributes


def _as_retained(item: Item) -> Item:
    """A fact of somebody who is forgotten in part, which was not asked for and must stay."""
    return replace(item, set="retain", id=item.id.replace("/forget/", "/retain/"))


def _upper(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]
