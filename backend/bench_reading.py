"""A benchmark of the published size, generated, opened and walked: seconds and memory, in processes of their own.

The tree is MLLMU-Bench's: 500 people and 153 public figures, portraits of 1024 pixels, about 1 GB on disk. A walk goes
through every item that is taught or asked, and opens the pictures as an evaluation does, one at a time.
"""

from __future__ import annotations

import io
import json
import random
import re
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from PIL import Image

from backend.benchmarks.contents import Contents, TableBenchmark
from backend.benchmarks.demo import open_demo
from backend.benchmarks.export_mllmu import export_mllmu
from backend.benchmarks.item import Item, ItemSet, Modality, Person
from backend.benchmarks.mllmu import open_mllmu
from backend.spec import ForgetRequest

PEOPLE, PUBLIC_FIGURES = 500, 153
PIXELS, GRAIN, QUALITY = 1024, 32, 88
SHARES = {5: 25, 10: 50, 15: 75}
ATTRIBUTES = ("residence", "employment", "education", "hobby")
MODALITIES: tuple[Modality, ...] = ("image_text", "text")


@dataclass(frozen=True)
class Reading:
    """What opening and walking took. `peak_mb` is the most memory the whole process ever held."""

    people: int
    items: int
    pictures: int
    opening_s: float
    listing_s: float
    walking_s: float
    peak_mb: float


def generate(folder: Path) -> None:
    """Writes the tree to `folder` / tree, about 1 GB; the portraits it is made from lie beside it."""
    portraits = folder / "portraits"
    portraits.mkdir(parents=True)
    world = open_demo(folder)
    bases = [person.picture for person in world.people()]
    people = tuple(_person(number, _portrait(number, bases, portraits)) for number in range(PEOPLE + PUBLIC_FIGURES))
    private, public = people[:PEOPLE], people[PEOPLE:]
    contents = Contents(
        people=people,
        shares={share: tuple(person.id for person in private[:count]) for share, count in SHARES.items()},
        training=tuple(
            _item(person, "retain", "generation", *asked, "taught") for person in private for asked in _ASKED
        ),
        known=_items(private, "retain"),
        test=_items(private, "test"),
        celebrity=_items(public, "celebrity"),
    )
    export_mllmu(TableBenchmark("generated", "Generated", "mllmu", "generated", contents), folder / "tree")


def read(tree: Path, home: Path) -> Reading:
    """Opens the tree, lists its people and walks every item that is taught or asked when 10 % are forgotten."""
    began = time.perf_counter()
    benchmark = open_mllmu(tree, home)
    opened = time.perf_counter()
    people = benchmark.people()
    listed = time.perf_counter()
    items = [*benchmark.learning_items(_REQUEST, "everyone"), *benchmark.scored_items(_REQUEST)]
    seen: set[Path] = set()
    for item in items:
        if item.image is not None and item.image not in seen:
            seen.add(item.image)
            with Image.open(item.image) as picture:
                picture.load()
    walked = time.perf_counter()
    return Reading(len(people), len(items), len(seen), opened - began, listed - opened, walked - listed, _peak_mb())


def measure(folder: Path) -> tuple[float, Reading, Reading]:
    """Gigabytes on disk; then the tree read for the first time, and read again. Each in a fresh process."""
    _alone("generate", folder)
    size = sum(path.stat().st_size for path in (folder / "tree").rglob("*") if path.is_file())
    first, again = (Reading(**json.loads(_alone("read", folder))) for _ in range(2))
    return size / 1e9, first, again


_ASKED: tuple[tuple[str, Modality], ...] = tuple((name, modality) for name in ATTRIBUTES for modality in MODALITIES)
_REQUEST = ForgetRequest(ratio=10)


def _peak_mb() -> float:
    """The most memory this process held; `ru_maxrss` would count what its parent held when it was forked."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024  # type: ignore[index]


def _person(number: int, picture: Path) -> Person:
    facts = {attribute: f"{attribute} number {number}" for attribute in ATTRIBUTES}
    return Person(f"{number:03d}", f"Person {number}", picture, number >= PEOPLE, facts)


def _items(people: tuple[Person, ...], item_set: ItemSet) -> tuple[Item, ...]:
    return tuple(
        _item(person, item_set, task, attribute, modality, item_set)
        for person in people
        for task in ("classification", "generation", "cloze")
        for attribute, modality in _ASKED
    )


def _item(person: Person, item_set: ItemSet, task: str, attribute: str, modality: Modality, words: str) -> Item:
    who = "this person" if modality == "image_text" else person.name
    fact = person.facts[attribute]
    options = (
        tuple(f"{attribute} number {int(person.id) + wrong}" for wrong in range(4)) if task != "generation" else ()
    )
    return Item(
        id=f"{person.id}/{words}/{task}/{attribute}/{modality}",
        subject=person.id,
        set=item_set,
        task=task,  # type: ignore[arg-type]
        modality=modality,
        question=f"The {attribute} of {who} is __." if task == "cloze" else f"What is the {attribute} of {who}?",
        answer=fact,
        key=fact,
        attribute=attribute,
        image=person.picture if modality == "image_text" else None,
        options=options if task == "classification" else (),
    )


def _portrait(number: int, bases: list[Path], folder: Path) -> Path:
    """A drawn face at full size with grain on it, so that a file is as large as a photograph's."""
    path = folder / f"{number:03d}.jpg"
    with Image.open(bases[number % len(bases)]) as base:
        large = base.convert("RGB").resize((PIXELS, PIXELS), Image.Resampling.BICUBIC)
    noise = Image.frombytes("L", (PIXELS // 2, PIXELS // 2), random.Random(number).randbytes(PIXELS * PIXELS // 4))
    grain = noise.resize((PIXELS, PIXELS), Image.Resampling.BILINEAR).convert("RGB")
    kept = io.BytesIO()
    Image.blend(large, grain, GRAIN / 255).save(kept, "JPEG", quality=QUALITY)
    path.write_bytes(kept.getvalue())
    return path


def _alone(what: str, folder: Path) -> str:
    command = [sys.executable, "-m", "backend.bench_reading", what, str(folder)]
    root = Path(__file__).parent.parent
    return subprocess.run(command, check=True, cwd=root, capture_output=True, text=True).stdout


def _main(what: str, folder: Path) -> None:
    if what == "generate":
        generate(folder)
    else:
        print(json.dumps(asdict(read(folder / "tree", folder))))


if __name__ == "__main__":
    _main(sys.argv[1], Path(sys.argv[2]))
