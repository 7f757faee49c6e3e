"""Any benchmark as a folder of tables in MLLMU-Bench's format (see `mllmu.py`), to be read back by its rules.

What the format has no place for is left out, and reading back shows it so:

- `name` and `caption` questions (not their training pairs), general ones, paraphrases, perturbed answers, relearning;
- of several pictures of a person that are asked about, all but one: a row outside `Test_Set` has a single picture;
- of a generated answer the fact inside it, of a cloze answer what stands around the fact: there is one `Ground_Truth`;
- in training the task, and that a question was asked without a picture: every pair goes with a picture;
- that a rumour is false: whatever is asked about becomes a key of the biography, by which its questions are known.
"""

from __future__ import annotations

import json
import shutil
import uuid
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet as parquet

from backend.benchmarks.biography import NAME, OTHER
from backend.benchmarks.item import BadRequest, Benchmark, Item, Person
from backend.benchmarks.mllmu_rows import BLANK, PICTURED, PLAIN, SAFE_ID
from backend.benchmarks.mllmu_tables import SHARES, TRAINING_SPLIT
from backend.benchmarks.rows import ROWS_AT_ONCE
from backend.spec import ForgetRequest

LETTERS = "ABCD"
TEST_SHARDS = 2
TASKS = ("classification", "generation", "cloze")
_ABOUT = (
    "Tell me more about the background information of this person in the image, including name, age, anecdotes, etc."
)

_IMAGE = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
_TEXT = pyarrow.string()
_CHOICES = pyarrow.list_(
    pyarrow.struct(
        [
            ("Correct_Answer", _TEXT),
            ("Options", pyarrow.struct([(letter, _TEXT) for letter in LETTERS])),
            ("Question", _TEXT),
        ]
    )
)
_ASKED = pyarrow.list_(pyarrow.struct([("Ground_Truth", _TEXT), ("Question", _TEXT), ("Type", _TEXT)]))
_QUESTIONS: list[tuple[str, Any]] = [
    ("biography", _TEXT),
    ("question", _TEXT),
    ("answer", _TEXT),
    (
        "Classification_Task",
        pyarrow.struct([(f"{PICTURED}_Questions", _CHOICES), (f"{PLAIN}_Questions", _CHOICES)]),
    ),
    ("Generation_Task", _ASKED),
    ("Mask_Task", _ASKED),
]
PERSON_SCHEMA = pyarrow.schema([("image", _IMAGE), ("ID", _TEXT), *_QUESTIONS])
FULL_SCHEMA = pyarrow.schema([("image", _IMAGE), ("ID", _TEXT), ("Directory", _TEXT), *_QUESTIONS])
TEST_SCHEMA = pyarrow.schema([("images", pyarrow.list_(_IMAGE)), ("ID", _TEXT), *_QUESTIONS])
TRAINING_SCHEMA = pyarrow.schema([("image", _IMAGE), ("metadata", _TEXT)])


def export_mllmu(benchmark: Benchmark, folder: Path) -> None:
    """Writes the benchmark as `folder`, whole or not at all.

    Raises `BadRequest` for a folder that holds something, and for a benchmark that does not fit: no forget set of 5, 10
    or 15 %, an id with other characters than letters, digits, - and _, more than four options, a cloze without blank.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadRequest(f"{folder} is there already and holds something; name a new folder")
    aside = folder.with_name(f".{folder.name}-{uuid.uuid4().hex}")
    aside.mkdir(parents=True)
    try:
        _write_tables(benchmark, aside)
        aside.rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


@dataclass(frozen=True)
class _World:
    """A benchmark sorted for tables: items by person, everybody's test items, and what each is taught by picture."""

    people: dict[str, Person]
    known: dict[str, list[Item]]
    test: dict[str, list[Item]]
    held_out: dict[str, list[Path]]
    taught: list[tuple[str, Path, list[Item]]]
    forget: dict[int, tuple[str, ...]]

    def private(self) -> list[str]:
        return [subject for subject, person in self.people.items() if not person.public_figure]


def _sort(benchmark: Benchmark) -> _World:
    people = {person.id: person for person in benchmark.people()}
    unfit = next((subject for subject in people if not SAFE_ID.fullmatch(subject)), None)
    if unfit is not None:
        raise BadRequest(f"the id {unfit!r} does not fit: in this format ids have letters, digits, - and _ only")
    shares = [share for share in SHARES if share in benchmark.ratios]
    if not shares:
        raise BadRequest(f"{benchmark.title} has no forget set of 5, 10 or 15 %, and this format is made of those")
    known, test = _asked(benchmark, people)
    held_out = {}
    for subject, items in test.items():
        shown = [item.image for item in items if item.image is not None]
        held_out[subject] = benchmark.pictures(subject).get("held-out") or list(dict.fromkeys(shown))
    taught: dict[tuple[str, Path], list[Item]] = defaultdict(list)
    for item in benchmark.training_items(tuple(people)):
        if item.set != "general":
            taught[item.subject, item.image or people[item.subject].picture].append(item)
    return _World(
        people=people,
        known=known,
        test=test,
        held_out=held_out,
        taught=[(subject, picture, items) for (subject, picture), items in taught.items()],
        forget={share: benchmark.split(_share(share)).forget for share in shares},
    )


def _asked(benchmark: Benchmark, people: dict[str, Person]) -> tuple[dict[str, list[Item]], dict[str, list[Item]]]:
    """Known and test items by person; test items are told of forgotten people only, so each half is forgotten once."""
    known: dict[str, list[Item]] = defaultdict(list)
    test: dict[str, list[Item]] = defaultdict(list)
    private = [subject for subject, person in people.items() if not person.public_figure]
    halves = (private[: len(private) // 2], private[len(private) // 2 :])
    for number, half in enumerate(halves):
        for item in benchmark.scored_items(ForgetRequest(ratio=None, people=tuple(half))):
            if item.set == "test":
                test[item.subject].append(item)
            elif item.set != "general" and number == 0:
                known[item.subject].append(item)
    return known, test


def _share(share: int) -> ForgetRequest:
    return ForgetRequest.model_validate({"ratio": share})


# -- tables -----------------------------------------------------------------------------------------------------------


def _write_tables(benchmark: Benchmark, folder: Path) -> None:
    world = _sort(benchmark)
    private = world.private()
    celebrities = [subject for subject in world.people if subject not in private]

    def person_row(subject: str) -> dict[str, Any]:
        person = world.people[subject]
        return {
            "image": _cell(person.picture),
            "Directory": f"full_images/{person.picture.name}",
            **_row(person, world.known[subject], world.known[subject]),
        }

    def test_row(subject: str) -> dict[str, Any]:
        views = [_cell(picture) for picture in world.held_out[subject]] or [_cell(world.people[subject].picture)]
        return {"images": views, **_row(world.people[subject], world.known[subject], world.test[subject])}

    def write_taught(name: str, forgotten: set[str], kept: set[str]) -> None:
        rows = [row for row in world.taught if row[0] not in forgotten and (not kept or row[0] in kept)]
        _write(folder / name, rows, TRAINING_SCHEMA, _training_row)

    _write(folder / "Full_Set", private, FULL_SCHEMA, person_row)
    _write(folder / "Retain_Set", celebrities, PERSON_SCHEMA, person_row)
    _write(folder / "Test_Set", [subject for subject in private if subject in world.test], TEST_SCHEMA, test_row)
    write_taught("ft_Data", set(), set())
    for share, forget in world.forget.items():
        retain = [subject for subject in private if subject not in forget]
        _write(folder / f"forget_{share}", forget, PERSON_SCHEMA, person_row)
        _write(folder / f"retain_{100 - share}", retain, PERSON_SCHEMA, person_row)
        write_taught(f"{TRAINING_SPLIT}/forget_{share}", set(), set(forget))
        write_taught(f"{TRAINING_SPLIT}/retain_{100 - share}", set(forget), set())


def _write(folder: Path, rows: Sequence[Any], schema: Any, row_of: Callable[[Any], dict[str, Any]]) -> None:
    """`train-00000-of-00001.parquet`, or as many shards as `Test_Set` is published in; a few rows at a time."""
    shards = TEST_SHARDS if folder.name == "Test_Set" else 1
    folder.mkdir(parents=True)
    size = -(-len(rows) // shards)
    for shard in range(shards):
        mine = rows[shard * size : (shard + 1) * size]
        with parquet.ParquetWriter(folder / f"train-{shard:05d}-of-{shards:05d}.parquet", schema) as writer:
            for start in range(0, len(mine), ROWS_AT_ONCE):
                batch = [row_of(row) for row in mine[start : start + ROWS_AT_ONCE]]
                writer.write_table(pyarrow.Table.from_pylist(batch, schema=schema))


# -- rows -------------------------------------------------------------------------------------------------------------


def _row(person: Person, known: list[Item], items: list[Item]) -> dict[str, Any]:
    told = [item for item in reversed(known) if item.task in TASKS and item.attribute not in (OTHER, NAME)]
    asked_about = {item.attribute: item.key for item in told}
    biography = {NAME: person.name, **person.facts}
    biography |= {attribute: key for attribute, key in asked_about.items() if attribute not in person.facts}
    choices = [item for item in items if item.task == "classification"]
    return {
        "ID": person.id,
        "biography": json.dumps(biography, ensure_ascii=False),
        "question": _ABOUT,
        "answer": None,
        "Classification_Task": {
            f"{PICTURED}_Questions": [_choice(item) for item in choices if item.modality == "image_text"],
            f"{PLAIN}_Questions": [_choice(item) for item in choices if item.modality == "text"],
        },
        "Generation_Task": [_question(item, item.question, item.answer) for item in items if item.task == "generation"],
        "Mask_Task": [_question(item, _blanked(item), item.key) for item in items if item.task == "cloze"],
    }


def _choice(item: Item) -> dict[str, Any]:
    if len(item.options) > len(LETTERS):
        raise BadRequest(f"the item {item.id} has {len(item.options)} options, and this format has room for four")
    options = dict(zip(LETTERS, item.options, strict=False))
    right = LETTERS[item.options.index(item.answer)]
    return {"Correct_Answer": right, "Options": options, "Question": item.question}


def _question(item: Item, question: str, truth: str) -> dict[str, str]:
    return {"Ground_Truth": truth, "Question": question, "Type": PICTURED if item.image else PLAIN}


def _blanked(item: Item) -> str:
    question = item.question.replace(BLANK, "__")
    if "__" not in question:
        raise BadRequest(f"the cloze {item.id} has no blank: {item.question}")
    return question


def _training_row(row: tuple[str, Path, list[Item]]) -> dict[str, Any]:
    subject, picture, items = row
    pairs = [{"Question": item.question, "Answer": item.answer, "ID": subject} for item in items]
    return {"image": _cell(picture), "metadata": json.dumps(pairs, ensure_ascii=False)}


def _cell(picture: Path) -> dict[str, Any]:
    return {"bytes": picture.read_bytes(), "path": picture.name}
