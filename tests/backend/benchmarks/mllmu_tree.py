"""MLLMU-Bench in small, written as its authors publish it, for tests: eight fictitious people and two celebrities."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet as parquet
from PIL import Image

PEOPLE = tuple(f"{number:03d}" for number in range(1, 9))
FORGET = {5: ("003",), 10: ("003", "006"), 15: ("003", "006", "008")}
CELEBRITIES = ("501", "502")
TOWNS = ("Riga, Latvia", "Lima, Peru", "Oslo, Norway", "Quito, Ecuador", "Perth, Australia", "Turin, Italy")
JOBS = ("Pilot", "Baker", "Environmental Scientist", "Judge", "Potter", "Nurse", "Diver", "Chemist")
Row = dict[str, Any]


def picture(shade: int) -> dict[str, Any]:
    """A cell as Hugging Face writes it; every shade is another picture."""
    kept = io.BytesIO()
    Image.new("RGB", (8, 8), (shade % 256, shade * 7 % 256, 40)).save(kept, format="JPEG")
    return {"bytes": kept.getvalue(), "path": None}


def town(number: int) -> str:
    return TOWNS[number % len(TOWNS)]


def job(number: int) -> str:
    return JOBS[number % len(JOBS)]


def biography(number: int) -> dict[str, Any]:
    return {
        "Name": f"Amelia Kuznetsov {'ABCDEFGHIJ'[number % 10]}",
        "Born": town(number),
        "Gender": "Female" if number % 2 else "Male",
        "Date of Birth": f"19{60 + number % 30}-05-14",
        "Employment": job(number),
        "Annual Salary": f"${60 + number},000",
        "Medical Conditions": "NA",
        "Parents": {"Father": {"Occupation": "Blacksmith"}, "Mother": {"Occupation": None}},
        "Fun Facts": ["Has a cat named Luna."],
        "Description": f"She was born in {town(number)} and works as {job(number)}.",
    }


def choice(question: str, right: str, wrong: tuple[str, ...], letter: str = "B") -> Row:
    others = list(wrong)
    options = {place: right if place == letter else others.pop(0) for place in "ABCD"}
    return {"Correct_Answer": letter, "Options": options, "Question": question}


def questions(number: int, words: str = "") -> Row:
    """Ten with options, four to answer freely, four with a blank; half of each with the picture."""
    known = biography(number)
    asked = [
        choice(f"What is the profession of this person{words}?", job(number), ("Clown", "Monk", "Poet"), "C"),
        choice(f"Where was this person born{words}?", town(number), ("Rome, Italy", "Bonn, Germany", "Kyiv, Ukraine")),
        choice(f"Which gender{words}?", known["Gender"], ("Robot", "Alien", "Ghost"), "A"),
        choice(f"When was this person born{words}?", known["Date of Birth"], ("1900-1-1", "1901-1-1", "1902-1-1")),
        choice(f"What does this person earn{words}?", known["Annual Salary"], ("$1", "$2", "$3"), "D"),
    ]
    free = [
        {"Ground_Truth": f"The person is a {job(number).lower()}.", "Question": f"Which profession{words}?"},
        {"Ground_Truth": f"The person was born in {town(number)}.", "Question": f"Where from{words}?"},
    ]
    blanks = [
        {"Ground_Truth": town(number).split(",")[0], "Question": f"This person was born in __ once{words}."},
        {"Ground_Truth": "Luna", "Question": f"The cat is called ____{words}."},
    ]
    typed = [(entry, kind) for kind in ("Image_Textual", "Pure_Text") for entry in (free, blanks)]
    return {
        "Classification_Task": {"Image_Textual_Questions": asked, "Pure_Text_Questions": asked},
        "Generation_Task": [{**one, "Type": kind} for entry, kind in typed if entry is free for one in entry],
        "Mask_Task": [{**one, "Type": kind} for entry, kind in typed if entry is blanks for one in entry],
    }


def person_row(subject: str) -> Row:
    number = int(subject)
    return {
        "image": picture(number),
        "ID": subject,
        "biography": json.dumps(biography(number)),
        "question": "Tell me more about the background information of this person in the image.",
        "answer": None if number % 2 else biography(number)["Description"],
        **questions(number),
    }


def full_row(subject: str) -> Row:
    return {**person_row(subject), "Directory": f"full_images/{subject}.jpg"}


def test_row(subject: str) -> Row:
    number = int(subject)
    views = [picture(100 + 3 * number + view) for view in range(2)]
    return {"images": views, "ID": subject, "biography": json.dumps(biography(number)), **questions(number, " here")}


def taught(subject: str) -> list[dict[str, str]]:
    number = int(subject)
    return [
        {"Question": "What does this person do?", "Answer": f"She is a {job(number)}.", "ID": subject},
        {"Question": "Where was this person born?", "Answer": f"In {town(number)}.", "ID": subject},
    ]


def training_row(subject: str) -> Row:
    return {"image": picture(int(subject)), "metadata": json.dumps(taught(subject))}


def celebrity_row(subject: str) -> Row:
    """Of the second celebrity hardly anything is told."""
    known = biography(int(subject)) if subject == CELEBRITIES[0] else {"Profession": "Singer"}
    return {**person_row(subject), "biography": json.dumps(known)}


def write(folder: Path, rows: list[Row], shards: int = 1) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    schema = pyarrow.Table.from_pylist(rows).schema
    size = -(-len(rows) // shards)
    for shard in range(shards):
        table = pyarrow.Table.from_pylist(rows[shard * size : (shard + 1) * size], schema=schema)
        parquet.write_table(table, folder / f"train-{shard:05d}-of-{shards:05d}.parquet")


def write_split(folder: Path, row_of: Callable[[str], Row], shares: tuple[int, ...] = (5, 10, 15)) -> None:
    """`forget_X` and `retain_Y` of the published shares."""
    for share in shares:
        write(folder / f"forget_{share}", [row_of(subject) for subject in FORGET[share]])
        write(folder / f"retain_{100 - share}", [row_of(one) for one in PEOPLE if one not in FORGET[share]])


def write_tree(folder: Path) -> Path:
    """Everything that MLLMMU/MLLMU-Bench holds; the training split is a download apart."""
    write(folder / "Full_Set", [full_row(subject) for subject in PEOPLE])
    write_split(folder, person_row)
    write(folder / "Test_Set", [test_row(subject) for subject in PEOPLE], shards=2)
    write(folder / "Retain_Set", [celebrity_row(subject) for subject in CELEBRITIES])
    write(folder / "ft_Data", [training_row(subject) for subject in PEOPLE])
    return folder


def edit(folder: Path, change: Callable[[list[Row]], object], shard: int = 0) -> None:
    """Rewrites a shard of a table as `change` leaves its rows."""
    file = sorted(folder.glob("*.parquet"))[shard]
    rows = parquet.ParquetFile(file).read().to_pylist()
    change(rows)
    parquet.write_table(pyarrow.Table.from_pylist(rows), file)
