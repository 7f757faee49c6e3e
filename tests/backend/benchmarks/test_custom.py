"""Own data: columns are mapped, every fault is told at once, and no archive writes where it should not."""

from __future__ import annotations

import csv
import io
import json
import stat
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet as parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from backend.benchmarks import archives, custom
from backend.benchmarks.contents import TableBenchmark
from backend.benchmarks.custom import Columns, open_custom, survey, validate
from backend.benchmarks.item import BadRequest
from backend.benchmarks.rows import BrokenData
from backend.spec import ForgetRequest

PLAIN = Columns(image="image")
ALL = Columns(
    subject="who",
    question="q",
    answer="a",
    image="photo",
    name="called",
    task="kind",
    modality="mode",
    attribute="about",
    options="choices",
    public_figure="famous",
    set="part",
)


def picture_bytes(colour: int = 0, suffix: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (colour % 256, 90, 40)).save(buffer, suffix)
    return buffer.getvalue()


def write_csv(folder: Path, rows: list[dict[str, Any]], name: str = "people.csv") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    heading = list(dict.fromkeys(column for row in rows for column in row))
    with (folder / name).open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, heading)
        writer.writeheader()
        writer.writerows(rows)
    return folder


def write_lines(folder: Path, rows: list[Any], name: str = "people.jsonl") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    (folder / name).write_text("\n".join(lines), encoding="utf-8")
    return folder


def row(number: int, **more: Any) -> dict[str, Any]:
    return {
        "subject": f"p{number:02d}",
        "question": "Where does this person live?",
        "answer": f"In town {number}.",
        "image": f"photos/{number}.png",
    } | more


def people(folder: Path, count: int) -> Path:
    """A CSV of that many people, one row each, with pictures in a folder."""
    (folder / "photos").mkdir(parents=True)
    for number in range(count):
        (folder / "photos" / f"{number}.png").write_bytes(picture_bytes(number))
    return write_csv(folder, [row(number) for number in range(count)])


def opened(source: Path, columns: Columns = PLAIN) -> TableBenchmark:
    return open_custom(source, source.parent / "home", "mine", columns)


# -- reading ----------------------------------------------------------------------------------------------------------


def test_every_column_is_read_under_the_name_it_was_given(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    (folder / "pics").mkdir(parents=True)
    for name in ("ada.png", "ada2.png", "bo.png", "star.png"):
        (folder / "pics" / name).write_bytes(picture_bytes(len(name)))

    def line(who: str, q: str, a: str, photo: str, **more: Any) -> dict[str, Any]:
        return {"who": who, "q": q, "a": a, "photo": photo, "called": "", "kind": "", "mode": "", "about": ""} | (
            {"choices": "", "famous": "", "part": ""} | more
        )

    rows = [
        line(
            "ada",
            "Where is she from?",
            "Lima",
            "pics/ada.png",
            about="city",
            choices="Oslo| Lima |Riga",
            called="Ada L.",
        ),
        line("ada", "What does Ada do?", "Pilot.", "", about="job", kind="cloze"),
        line("ada", "What does she do?", "Pilot.", "pics/ada2.png", about="job", part="test", mode="image+text"),
        line("ada", "What does she do?", "Baker.", "pics/ada.png", about="job", part="relearn"),
        line("bo", "Where is he from?", "Riga", "pics/bo.png", about="city", choices='["Riga", "Oslo"]'),
        line("star", "Who is this?", "Star", "pics/star.png", about="name", famous="yes", kind="name"),
        line("bo", "What colour is the wall?", "Blue", "pics/bo.png", part="general"),
    ]
    assert validate(write_csv(folder, rows), ALL) == []
    benchmark = opened(folder, ALL)
    ada, bo, star = benchmark.people()
    assert (ada.id, ada.name, ada.facts, ada.picture) == (
        "ada",
        "Ada L.",
        {"city": "Lima", "job": "Pilot"},
        folder / "pics" / "ada.png",
    )
    assert (bo.name, bo.public_figure, star.public_figure) == ("bo", False, True)
    assert benchmark.ratios == () and benchmark.rules == "demo" and benchmark.title == "mine · 3 people"
    request = ForgetRequest(ratio=None, people=("ada",))
    found = {item.id: item for item in benchmark.scored_items(request)}
    assert {item_id: item.set for item_id, item in found.items()} == {
        "ada/people.csv/1": "forget",
        "ada/people.csv/2": "forget",
        "ada/people.csv/3": "test",
        "bo/people.csv/5": "retain",
        "star/people.csv/6": "celebrity",
        "bo/people.csv/7": "general",
    }
    first, second = found["ada/people.csv/1"], found["ada/people.csv/2"]
    assert (first.task, first.options, first.answer) == ("classification", ("Oslo", "Lima", "Riga"), "Lima")
    assert (second.task, second.modality, second.image, second.key) == ("cloze", "text", None, "Pilot")
    assert found["bo/people.csv/5"].options == ("Riga", "Oslo")
    assert [item.answer for item in benchmark.relearn_items(request)] == ["Baker."]
    assert {item.id for item in benchmark.forget_items(request)} == {"ada/people.csv/1/train", "ada/people.csv/2/train"}
    assert [path.name for path in benchmark.pictures("ada")["held-out"]] == ["ada2.png"]
    with pytest.raises(BadRequest, match="is a public figure"):
        benchmark.split(ForgetRequest(ratio=None, people=("star",)))


def held_out_table(folder: Path, **changes: dict[str, Any]) -> Path:
    """Ada, Bo, and Mo who is held out; `changes` are cells of the rows `mo` and `mo2`."""
    rows = [row(number, part="train", famous="no", about="town") for number in (0, 1)]
    mo = row(2, subject="mo", part="holdout", famous="", about="town")
    rows += [mo | changes.get("mo", {}), mo | {"question": "Where is home?", "about": "home"} | changes.get("mo2", {})]
    for number in range(3):
        (folder / "photos").mkdir(parents=True, exist_ok=True)
        (folder / "photos" / f"{number}.png").write_bytes(picture_bytes(number))
    return write_csv(folder, rows)


HELD_OUT = Columns(image="image", set="part", public_figure="famous", attribute="about")


def test_held_out_rows_are_only_asked_and_their_people_cannot_be_forgotten(tmp_path: Path) -> None:
    benchmark = opened(held_out_table(tmp_path / "own"), HELD_OUT)
    assert [person.id for person in benchmark.people()] == ["p00", "p01"] and benchmark.title == "mine · 2 people"
    (mo,) = benchmark.holdout_people()
    assert (mo.id, mo.facts["town"], mo.public_figure) == ("mo", "In town 2", False)
    request = ForgetRequest(ratio=None, people=("p00",))
    assert [item.id for item in benchmark.scored_items(request) if item.set == "holdout"] == [
        "mo/people.csv/3",
        "mo/people.csv/4",
    ]
    only_towns = request.model_copy(update={"attributes": ("town",)})
    assert [item.id for item in benchmark.scored_items(only_towns) if item.set == "holdout"] == ["mo/people.csv/3"]
    assert benchmark.item("mo/people.csv/3").set == "holdout"
    assert [path.name for path in benchmark.pictures("mo")["held-out"]] == ["2.png"]
    taught = [
        *benchmark.forget_items(request),
        *benchmark.retain_items(request),
        *benchmark.learning_items(request, "everyone"),
        *benchmark.learning_items(request, "retain"),
        *benchmark.relearn_items(request),
        *benchmark.training_items(("p00", "p01", "mo")),
    ]
    assert {item.subject for item in taught} == {"p00", "p01"}
    with pytest.raises(BadRequest, match="nobody here has the id 'mo'"):
        benchmark.split(ForgetRequest(ratio=None, people=("mo",)))


def test_a_held_out_person_with_other_rows_or_of_public_life_is_a_fault(tmp_path: Path) -> None:
    taught = held_out_table(tmp_path / "taught", mo2={"part": "train"})
    assert validate(taught, HELD_OUT) == [
        "people.csv, row 4 (line 5 of the file): mo is held out in row 3 and train here; make all of their rows "
        "holdout, or none"
    ]
    famous = held_out_table(tmp_path / "famous", mo={"famous": "yes"})
    assert validate(famous, HELD_OUT) == [
        "people.csv, row 3 (line 4 of the file): mo is held out and a public figure; choose one"
    ]


def test_contents_that_would_teach_somebody_held_out_are_refused(tmp_path: Path) -> None:
    contents = opened(held_out_table(tmp_path / "own"), HELD_OUT)._contents
    leaked = replace(contents, training=(*contents.training, replace(contents.holdout[0], id="slip")))
    with pytest.raises(BadRequest, match="mo is held out, and the training item slip is about them"):
        TableBenchmark("mine", "Mine", "demo", "x", leaked)


def test_json_lines_with_numbers_and_text_questions_are_read_and_the_faceless_get_a_blank_picture(
    tmp_path: Path,
) -> None:
    rows: list[Any] = [
        {"subject": 7, "question": "When was Ada born?", "answer": 1988},
        "",
        {"subject": "b", "question": "When was Bo born?", "answer": "1990", "options": ["1989", "1990"]},
    ]
    source = write_lines(tmp_path / "own", rows)
    columns = Columns(options="options")
    assert validate(source, columns) == []
    request = ForgetRequest(ratio=None, people=("7",))
    first, second = opened(source, columns).learning_items(request, "everyone")
    assert (first.subject, first.answer, first.modality) == ("7", "1988", "text")
    assert (second.id, second.options) == ("b/people.jsonl/3/train", ("1989", "1990"))
    with Image.open(opened(source, columns).people()[0].picture) as blank:
        assert blank.size == (64, 64)


def test_a_table_may_be_named_itself_and_pictures_by_bare_names(tmp_path: Path) -> None:
    folder = people(tmp_path / "own", 2)
    write_csv(folder, [row(number, image=f"{number}.png") for number in range(2)])
    benchmark = opened(folder / "people.csv")
    assert [person.picture for person in benchmark.people()] == [
        folder / "photos" / "0.png",
        folder / "photos" / "1.png",
    ]


def test_pictures_in_a_zip_are_unpacked_once_and_only_those_that_are_named(tmp_path: Path) -> None:
    folder = write_csv(tmp_path / "own", [row(number) for number in range(2)])
    with zipfile.ZipFile(folder / "all.zip", "w") as archive:
        for name in ("photos/0.png", "photos/1.png", "photos/unnamed.png"):
            archive.writestr(name, picture_bytes(len(name)))
        archive.writestr("notes.txt", "not a picture")
        archive.writestr("__MACOSX/photos/._0.png", b"debris")
    assert validate(folder, PLAIN) == []
    assert not (tmp_path / "home").exists()
    first = opened(folder)
    face = first.people()[0].picture
    assert face == tmp_path / "home" / "data" / "pictures" / first.fingerprint / "all" / "photos" / "0.png"
    assert face.read_bytes() == picture_bytes(12)
    files = {path.name for path in (tmp_path / "home").rglob("*") if path.is_file()}
    assert files == {"0.png", "1.png", "rows.json"}
    before = face.stat().st_mtime_ns
    assert opened(folder).people()[0].picture.stat().st_mtime_ns == before


def test_a_zip_may_have_a_folder_more_or_less_than_the_table_says_but_no_other(tmp_path: Path) -> None:
    folder = write_csv(tmp_path / "own", [row(0, image="0.png"), row(1, image="photos/1.png"), row(2, image="a/2.png")])
    with zipfile.ZipFile(folder / "all.zip", "w") as archive:
        for name in ("faces/0.png", "1.png", "b/2.png"):
            archive.writestr(name, picture_bytes(len(name)))
    assert validate(folder, PLAIN) == ["people.csv, row 3 (line 4 of the file): there is no picture a/2.png"]


def test_a_parquet_table_with_its_pictures_inside_is_written_out_once(tmp_path: Path) -> None:
    shared = {"bytes": picture_bytes(1, "JPEG"), "path": None}
    rows = [
        {"subject": "ada", "question": "Who?", "answer": "Ada", "image": shared},
        {"subject": "ada", "question": "Where?", "answer": "Lima", "image": shared},
        {"subject": "bo", "question": "Where is Bo?", "answer": "Riga", "image": None},
        {
            "subject": "bo",
            "question": "Where?",
            "answer": "Riga",
            "image": {"bytes": picture_bytes(2), "path": "b.png"},
        },
    ]
    data = tmp_path / "own" / "data"
    data.mkdir(parents=True)
    parquet.write_table(pyarrow.Table.from_pylist(rows[:3]), data / "train-00000-of-00002.parquet")
    parquet.write_table(pyarrow.Table.from_pylist(rows[3:]), data / "train-00001-of-00002.parquet")
    assert validate(tmp_path / "own", PLAIN) == []
    request = ForgetRequest(ratio=None, people=("ada",))
    items = opened(tmp_path / "own").scored_items(request)
    assert [item.modality for item in items] == ["image_text", "image_text", "text", "image_text"]
    assert items[0].image == items[1].image and items[0].image is not None
    assert items[0].image.suffix == ".jpg" and items[0].image.read_bytes() == shared["bytes"]
    assert opened(tmp_path / "own").scored_items(request) == items


# -- shares and requests ----------------------------------------------------------------------------------------------


def test_twenty_people_have_forget_sets_within_each_other_and_nineteen_have_none(tmp_path: Path) -> None:
    benchmark = opened(people(tmp_path / "many", 40))
    sets = [set(benchmark.split(ForgetRequest(ratio=share)).forget) for share in (5, 10, 15)]  # type: ignore[arg-type]
    assert [len(found) for found in sets] == [2, 4, 6]
    assert sets[0] < sets[1] < sets[2]
    assert opened(tmp_path / "many").split(ForgetRequest(ratio=15)) == benchmark.split(ForgetRequest(ratio=15))
    with pytest.raises(BadRequest, match="has no forget set of 10 %; it has none"):
        opened(people(tmp_path / "few", 19)).split(ForgetRequest())


@pytest.fixture(scope="module")
def forty(tmp_path_factory: pytest.TempPathFactory) -> TableBenchmark:
    folder = people(tmp_path_factory.mktemp("forty") / "own", 40)
    more = [row(number, question="What is it?", answer=f"It is {number}.") for number in range(40)]
    rows = [line | {"about": "town"} for line in (row(number) for number in range(40))]
    write_csv(folder, [*rows, *(line | {"about": "thing"} for line in more)])
    return opened(folder, Columns(image="image", attribute="about"))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    chosen=st.sets(st.integers(0, 39), min_size=1, max_size=39),
    attributes=st.sampled_from([(), ("town",), ("thing",), ("town", "thing")]),
)
def test_forget_and_retain_are_disjoint_and_together_everything(
    forty: TableBenchmark, chosen: set[int], attributes: tuple[str, ...]
) -> None:
    request = ForgetRequest(ratio=None, people=tuple(f"p{n:02d}" for n in sorted(chosen)), attributes=attributes)
    forget, retain = forty.forget_items(request), forty.retain_items(request)
    assert len(forget) == len(chosen) * (len(attributes) or 2)
    assert not {item.id for item in forget} & {item.id for item in retain}
    assert len(forget) + len(retain) == len(forty.learning_items(request, "everyone")) == 80
    assert forget == forty.forget_items(request) and retain == forty.retain_items(request)


# -- what is wrong ----------------------------------------------------------------------------------------------------


def test_every_fault_of_every_row_is_listed_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    (folder / "pics").mkdir(parents=True)
    (folder / "pics" / "a.png").write_bytes(picture_bytes())
    good = {"subject": "ada", "question": "Where?", "answer": "Lima", "image": "pics/a.png"}
    rows: list[Any] = [
        good,
        good | {"question": " ", "answer": "", "image": "pics/b.png"},
        "{broken",
        good | {"question": "Which?", "options": "Oslo|Riga"},
        good | {"question": "Which one?", "options": "[1"},
        good | {"question": "Which of them?", "options": "Lima|Lima"},
        good | {"question": "Why?", "task": "essay", "modality": "video", "set": "forget", "famous": "perhaps"},
        good | {"question": "What?", "task": "classification", "image": "../a.png"},
        good | {"question": "How?", "modality": "image_text", "image": ""},
        good,
        good | {"question": "Whence?", "name": "Ada"},
        good | {"question": "When?", "name": "Bea", "famous": "no"},
        good | {"question": "Whose?", "famous": "yes"},
        good | {"question": {"a": 1}},
    ]
    columns = Columns(
        image="image",
        task="task",
        modality="modality",
        options="options",
        set="set",
        public_figure="famous",
        name="name",
    )
    source = write_lines(folder, rows)
    faults = validate(source, columns)
    shown = [fault.removeprefix("people.jsonl, ") for fault in faults]
    assert shown == [
        "row 2: there is no picture pics/b.png",
        "row 2: question is empty",
        "row 2: answer is empty",
        "row 3: this line is not JSON (Expecting property name enclosed in double quotes: line 1 column 2 (char 1))",
        "row 4: the answer 'Lima' is not among the options Oslo | Riga",
        "row 5: options is not JSON (Expecting ',' delimiter at character 2)",
        "row 6: an option stands twice: Lima | Lima",
        "row 7: task is 'essay'; it can be classification, generation, cloze, caption, name",
        "row 7: modality is 'video'; it can be image_text, image+text, image, text",
        "row 7: set is 'forget'; it can be train, test, celebrity, general, relearn, holdout; "
        "whom to forget is chosen at launch",
        "row 7: famous is 'perhaps'; it can be yes or no",
        "row 8: image is '../a.png', which leaves the folder own",
        "row 8: a classification needs two options or more",
        "row 9: the question is about a picture, and image is empty",
        "row 14: question should be text, and is an object",
        "row 10: it asks what row 1 asks; leave one of them out",
        "row 12: ada is Bea here, and Ada in row 11",
        "row 13: ada is a public figure here, and not in row 12",
        "people.jsonl has no row of the set train about a private person: nothing could be forgotten",
    ]
    with pytest.raises(BrokenData, match=r"row 2: there is no picture pics/b.png \(and 18 more faults\)"):
        opened(source, columns)
    assert not (tmp_path / "home").exists()
    found = survey(source, columns)
    assert found.fault == faults[0] and found.tables == (("people.jsonl", 13),) and not found.sound


def test_columns_that_are_not_there_are_all_named(tmp_path: Path) -> None:
    folder = write_csv(tmp_path / "own", [{"id": "a", "question": "Who?", "answer": "Ada"}])
    assert validate(folder, Columns(image="photo")) == [
        "people.csv has no column 'subject' for subject; it has id, question, answer",
        "people.csv has no column 'photo' for image; it has id, question, answer",
    ]
    assert survey(folder, Columns(subject="id")).sound


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "people.csv is empty"),
        ("subject,question,answer\n", "people.csv has no rows that can be read"),
        (
            "subject,question,answer\na,b,c,d\n",
            "people.csv, row 1 (line 2 of the file): it has more cells than the heading has columns",
        ),
        ('subject,question,answer\na,"b,c\n', "people.csv is not CSV"),
        ("subject,question,answer\na,Who?\n", "people.csv, row 1 (line 2 of the file): answer is empty"),
    ],
)
def test_a_csv_that_is_none_is_told_by_its_fault(tmp_path: Path, content: str, sentence: str) -> None:
    (tmp_path / "people.csv").write_text(content, encoding="utf-8")
    assert validate(tmp_path, Columns())[0].startswith(sentence)


def test_a_folder_holds_one_table(tmp_path: Path) -> None:
    assert "and holds none" in validate(tmp_path, Columns())[0]
    write_csv(tmp_path, [row(0)])
    write_lines(tmp_path, [row(0)])
    assert "and holds people.csv, people.jsonl; name the one" in validate(tmp_path, Columns())[0]
    assert "is no CSV, JSONL or parquet table" in validate(tmp_path / "all.zip", Columns())[0]


def test_a_broken_parquet_and_a_picture_column_of_nulls_are_told(tmp_path: Path) -> None:
    rows = [{"subject": "ada", "question": "Who?", "answer": "Ada", "image": None}]
    schema = pyarrow.schema([(name, pyarrow.string()) for name in ("subject", "question", "answer")])
    schema = schema.append(
        pyarrow.field("image", pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())]))
    )
    parquet.write_table(pyarrow.Table.from_pylist(rows, schema), tmp_path / "a.parquet")
    assert validate(tmp_path, PLAIN) == ["a.parquet: the column image holds no picture in any row"]
    rows[0]["image"] = {"bytes": b"no picture", "path": None}  # type: ignore[assignment]
    parquet.write_table(pyarrow.Table.from_pylist(rows, schema), tmp_path / "a.parquet")
    assert validate(tmp_path, PLAIN)[0].startswith("a.parquet, row 1: image holds something that is no JPEG")
    whole = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes(whole[: len(whole) // 2])
    assert validate(tmp_path, PLAIN)[0].startswith("a.parquet is not a whole parquet file")


def test_a_bare_name_that_two_pictures_have_is_refused(tmp_path: Path) -> None:
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "0.png").write_bytes(picture_bytes())
    write_csv(tmp_path, [row(0, image="0.png")])
    assert (
        validate(tmp_path, PLAIN)[0]
        == "people.csv, row 1 (line 2 of the file): 2 pictures are called 0.png; say in which folder"
    )


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/etc/passwd.png", "an absolute path"),
        ("C:\\faces\\a.png", "an absolute path"),
        ("https://example.org/a.png", "an absolute path"),
        ("photos/../../a.png", "which leaves the folder"),
        ("photos/notes.txt", "which is no picture"),
    ],
)
def test_a_picture_is_named_by_where_it_lies_in_the_folder(tmp_path: Path, path: str, sentence: str) -> None:
    folder = write_csv(tmp_path / "own", [row(0, image=path)])
    assert sentence in validate(folder, PLAIN)[0]


# -- archives ---------------------------------------------------------------------------------------------------------


def packed(folder: Path, *members: tuple[zipfile.ZipInfo | str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    write_csv(folder, [row(0)])
    with zipfile.ZipFile(folder / "all.zip", "w", method) as archive:
        archive.writestr("photos/0.png", picture_bytes())
        for member, data in members:
            archive.writestr(member, data)
    return folder


def link(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name)
    member.create_system = 3
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    return member


@pytest.mark.parametrize(
    ("member", "sentence"),
    [
        ("../evil.png", "would be written outside the folder"),
        ("photos/../../evil.png", "would be written outside the folder"),
        ("..\\evil.png", "would be written outside the folder"),
        ("/evil.png", "has an absolute name"),
        ("C:/evil.png", "has an absolute name"),
        (link("photos/link.png"), "is a link"),
    ],
)
def test_an_archive_that_would_write_elsewhere_is_refused_whole(
    tmp_path: Path, member: zipfile.ZipInfo | str, sentence: str
) -> None:
    folder = packed(tmp_path / "own", (member, b"/etc/passwd"))
    faults = validate(folder, PLAIN)
    assert len(faults) == 1 and faults[0].startswith("all.zip, ") and sentence in faults[0]
    with pytest.raises(BrokenData, match=sentence):
        opened(folder)
    assert not (tmp_path / "home").exists() and not list(tmp_path.rglob("evil*"))


def test_bombs_are_refused_by_size_by_ratio_by_number_and_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = packed(tmp_path / "ratio", ("photos/big.png", bytes(1_000_000)), method=zipfile.ZIP_DEFLATED)
    assert "'photos/big.png': it is packed more than 100 to 1" in validate(bomb, PLAIN)[0]
    folder = packed(tmp_path / "own", ("photos/1.png", bytes(range(256)) * 8))
    assert validate(folder, PLAIN) == []
    monkeypatch.setattr(archives, "MOST_BYTES", 2000)
    assert "'photos/1.png': it is larger than" in validate(folder, PLAIN)[0]
    monkeypatch.undo()
    monkeypatch.setattr(archives, "MOST_FILES", 1)
    assert "all.zip holds 2 files; at most 1 are taken" in validate(folder, PLAIN)[0]
    monkeypatch.undo()
    monkeypatch.setattr(archives, "MOST_TOTAL", 2000)
    assert "all.zip would unpack to" in validate(folder, PLAIN)[0]


def test_an_encrypted_a_damaged_and_a_twofold_member_are_refused(tmp_path: Path) -> None:
    folder = packed(tmp_path / "own")
    whole = (folder / "all.zip").read_bytes()
    entry = whole.index(b"PK\x01\x02")
    (folder / "all.zip").write_bytes(whole[: entry + 8] + b"\x01\x00" + whole[entry + 10 :])
    assert "'photos/0.png': it is encrypted" in validate(folder, PLAIN)[0]
    start = whole.index(b"IDAT")
    (folder / "all.zip").write_bytes(whole[:start] + b"XXXX" + whole[start + 4 :])
    with pytest.raises(BrokenData, match=r"'photos/0.png': it is damaged"):
        opened(folder)
    assert not list((tmp_path / "home").rglob("*.png"))
    (folder / "all.zip").write_bytes(whole[: len(whole) // 2])
    assert "all.zip is not a whole zip archive" in validate(folder, PLAIN)[0]
    with pytest.warns(UserWarning, match="Duplicate name"):
        packed(tmp_path / "twice", ("photos/0.png", picture_bytes(1)))
    assert "'photos/0.png': it stands twice" in validate(tmp_path / "twice", PLAIN)[0]


def test_a_picture_that_two_archives_hold_is_refused(tmp_path: Path) -> None:
    folder = packed(tmp_path / "own")
    (folder / "more.zip").write_bytes((folder / "all.zip").read_bytes())
    assert validate(folder, PLAIN) == ["photos/0.png is in all.zip and in more.zip; keep it in one of them"]


# -- pictures that are none -------------------------------------------------------------------------------------------


def test_every_picture_that_cannot_be_read_is_told_by_the_first_row_that_names_it(tmp_path: Path) -> None:
    folder = people(tmp_path / "own", 4)
    write_csv(folder, [*(row(number) for number in range(4)), row(1, question="And before?")])
    (folder / "photos" / "1.png").write_text("not a picture")
    (folder / "photos" / "3.png").write_bytes(picture_bytes(3)[:10])
    faults = validate(folder, PLAIN)
    assert [fault.partition(": ")[2] for fault in faults] == [
        "the picture photos/1.png cannot be read as a picture",
        "the picture photos/3.png cannot be read as a picture",
    ]
    assert [fault.partition(":")[0] for fault in faults] == [
        "people.csv, row 2 (line 3 of the file)",
        "people.csv, row 4 (line 5 of the file)",
    ]
    assert survey(folder, PLAIN).fault == faults[0]
    with pytest.raises(BrokenData, match=r"photos/1\.png cannot be read"):
        open_custom(folder, tmp_path / "home", "mine", PLAIN, look=True)


def test_pictures_in_an_archive_and_in_a_table_are_looked_at_too(tmp_path: Path) -> None:
    folder = packed(tmp_path / "own", ("photos/7.png", b"not a picture"))
    write_csv(folder, [row(0), row(7)])
    assert validate(folder, PLAIN)[0].endswith(": the picture photos/7.png in all.zip cannot be read as a picture")
    whole = (folder / "all.zip").read_bytes()
    start = whole.index(b"IDAT")
    (folder / "all.zip").write_bytes(whole[:start] + b"XXXX" + whole[start + 4 :])
    told = [fault.partition(": ")[2] for fault in validate(folder, PLAIN)]
    unread = "in all.zip cannot be read as a picture"
    assert told[:2] == [f"the picture photos/0.png {unread}", f"the picture photos/7.png {unread}"]
    inside = tmp_path / "inside"
    inside.mkdir()
    rows = [row(0, image=picture_bytes(0)), row(1, image=picture_bytes(1)[:12])]
    parquet.write_table(pyarrow.Table.from_pylist(rows), inside / "people.parquet")
    assert validate(inside, PLAIN) == [
        "people.parquet, row 2: image holds a picture that cannot be read; it is damaged or cut short"
    ]


def test_each_picture_is_opened_once_when_added_and_not_again_when_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = people(tmp_path / "own", 3)
    write_csv(folder, [row(number, question=f"Question {n}?") for number in range(3) for n in range(4)])
    looked: list[Path] = []

    def noted(path: Path) -> bool:
        looked.append(path)
        return True

    monkeypatch.setattr(custom, "readable", noted)
    open_custom(folder, tmp_path / "home", "mine", PLAIN, look=True)
    assert sorted(looked) == [folder / "photos" / f"{number}.png" for number in range(3)]
    looked.clear()
    opened(folder)
    assert looked == []


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_the_rows_of_a_table_are_counted_though_a_column_is_missing(tmp_path: Path, kind: str) -> None:
    folder, rows = tmp_path / "own", [row(number) for number in range(16)]
    if kind == "parquet":
        folder.mkdir()
        parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "people.parquet")
    else:
        {"csv": write_csv, "jsonl": write_lines}[kind](folder, rows)
    found = survey(folder, Columns(name="called"))
    assert found.tables == ((f"people.{kind}", 16),)
    assert found.fault is not None and "has no column 'called' for name" in found.fault


def test_a_row_of_a_csv_is_told_with_its_line_whatever_stands_in_cells_above_it(tmp_path: Path) -> None:
    """The first row takes lines 2 to 4, line 5 is blank, the second row takes 6 and 7, and the third is line 8."""
    text = 'subject,question,answer\nann,"Who\nis\nshe?",Ann.\n\nbob,"Who\nis he?",\ncem,,In Riga.\n'
    (tmp_path / "people.csv").write_text(text, encoding="utf-8")
    assert validate(tmp_path, Columns()) == [
        "people.csv, row 2 (line 6 of the file): answer is empty",
        "people.csv, row 3 (line 8 of the file): question is empty",
    ]
