"""CLEAR's tables as its authors publish them, small: six authors with two pictures and twenty questions each."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet as parquet
from PIL import Image

NAMES = (
    "Basil Mahfouz Al-Kuwaiti",
    "Nikolai Abilov",
    "Ji-Yeon Park",
    "Jaime Vasquez",
    "Luis Marcelo Garcia",
    "Guillermo Navarro Muñoz",
)
SHARES = {"01": NAMES[:1], "05": NAMES[:2], "10": NAMES[:3]}
RETAIN = {"01": "99", "05": "95", "10": "90"}
PLACES = ("library", "harbour")

Rows = list[dict[str, Any]]

_PICTURE = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
_LISTS = {"perturbed_captions", "perturbed_names", "options"}


def picture(seed: int) -> dict[str, Any]:
    """A cell of the `image` column: a JPEG of one colour, another for each seed."""
    held = io.BytesIO()
    Image.new("RGB", (8, 8), (seed * 7 % 256, seed * 31 % 256, 90)).save(held, "JPEG")
    return {"bytes": held.getvalue(), "path": None}


def write(folder: Path, table: str, rows: Rows, *, shards: int = 1, without: Sequence[str] = ()) -> Path:
    """Writes a table's files with the columns of its first row, and gives back the first file."""
    place = folder / ("data" if table == "default" else table)
    place.mkdir(parents=True, exist_ok=True)
    kinds = {
        name: _PICTURE if name == "image" else pyarrow.list_(pyarrow.string()) if name in _LISTS else pyarrow.string()
        for name in rows[0]
        if name not in without
    }
    files = [place / f"train-{number:05d}-of-{shards:05d}.parquet" for number in range(shards)]
    share = -(-len(rows) // shards)
    for number, file in enumerate(files):
        part = [{name: row[name] for name in kinds} for row in rows[number * share : (number + 1) * share]]
        parquet.write_table(pyarrow.Table.from_pylist(part, schema=pyarrow.schema(kinds)), file)
    return files[0]


def caption(name: str, place: str) -> str:
    return f"{name} reads in the {place}."


def pictured(names: Sequence[str]) -> Rows:
    return [
        {"image": picture(NAMES.index(name) * 2 + view), "caption": caption(name, place), "name": name}
        for name in names
        for view, place in enumerate(PLACES)
    ]


def questions(names: Sequence[str]) -> Rows:
    """Twenty an author: thirteen by name in the question, one in the answer only, six that name nobody."""
    rows: Rows = []
    for name in names:
        number = NAMES.index(name)
        rows += [
            {"question": f"What is fact {fact} about {name}'s life?", "answer": f"It is {fact}."} for fact in range(13)
        ]
        rows += [{"question": f"Who wrote book {number}?", "answer": f"That was {name.replace('ñ', 'n')}."}]
        rows += [{"question": f"What is told in chapter {fact} of {number}?", "answer": "A life."} for fact in range(6)]
    return [{"image": None, "caption": None, **row} for row in rows]


def mixed(names: Sequence[str]) -> Rows:
    shown = [{"image": row["image"], "caption": row["caption"]} for row in pictured(names)]
    return [{**row, "question": None, "answer": None} for row in shown] + questions(names)


def perturbed(names: Sequence[str]) -> Rows:
    rows = pictured(names)
    for row in rows:
        row["paraphrased_caption"] = row["caption"].replace("reads", "is reading")
        row["perturbed_captions"] = [f"{row['name']} cooks dish {dish}." for dish in range(5)]
        row["perturbed_names"] = [other for other in NAMES if other != row["name"]][:3]
    return rows


def faces() -> Rows:
    return [
        {"image": picture(40 + view), "answer": name, "options": ["Marie Curie", "Isaac Newton", "Emmy Noether"]}
        for view, name in enumerate(("Ada Lovelace", "Ada Lovelace", "Alan Turing"))
    ]


def world() -> Rows:
    return [
        {"image": picture(50), "question": "What is this?", "answer": "A tower", "options": ["A bridge", "A boat"]},
        {"image": picture(51), "question": "Which city is it?", "answer": "Paris", "options": ["Rome", "Oslo", "Bern"]},
    ]


def write_all(folder: Path) -> Path:
    """All 21 tables; `full+tofu` in three files."""
    write(folder, "default", pictured(NAMES), shards=2)
    write(folder, "full", pictured(NAMES))
    write(folder, "full+tofu", mixed(NAMES), shards=3)
    for share, names in SHARES.items():
        others = [name for name in NAMES if name not in names]
        write(folder, f"forget{share}", pictured(names))
        write(folder, f"forget{share}+tofu", mixed(names))
        write(folder, f"forget{share}_perturbed", perturbed(names))
        write(folder, f"retain{RETAIN[share]}", pictured(others))
        write(folder, f"retain{RETAIN[share]}+tofu", mixed(others))
    write(folder, "retain_perturbed", perturbed(NAMES[3:]))
    write(folder, "real_faces", faces())
    write(folder, "real_world", world())
    return folder
