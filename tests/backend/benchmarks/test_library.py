"""What is added to a lab stays there under its name, whatever becomes of the other data sets."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from backend.benchmarks import library
from backend.benchmarks.item import BadRequest, Benchmark
from backend.benchmarks.library import FORMATS, Entry, Library
from backend.spec import BENCHMARK_NAME, ForgetRequest
from tests.backend.benchmarks import mllmu_tree as tree

ROWS = ("who,q,a", "ann,Where does Ann live?,In Riga.", "bob,Where does Bob live?,In Lima.")
MAPPED = {"subject": "who", "question": "q", "answer": "a"}


def written(folder: Path, *rows: str) -> Path:
    """A CSV of own data in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "people.csv").write_text("\n".join(rows or ROWS), encoding="utf-8")
    return folder


def own(name: str, source: Path, **more: Any) -> Entry:
    return Entry(name, "custom", str(source), columns=MAPPED, **more)


@pytest.fixture
def home(tmp_path: Path, shared_home: Path, world: Benchmark) -> Path:
    """A lab whose demo world is drawn already."""
    home = tmp_path / "home"
    shutil.copytree(shared_home / "worlds", home / "worlds")
    return home


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return written(tmp_path / "mine")


def kept(home: Path) -> list[str]:
    """Every file below the lab's folder of data sets."""
    return sorted(path.relative_to(home).as_posix() for path in (home / "data").rglob("*") if path.is_file())


def test_what_was_added_is_opened_by_its_name(home: Path, source: Path) -> None:
    added = library.add(home, own("mine", source, title="My people"))
    assert library.names(home) == ["demo", "mine"]
    again = library.open_benchmark("mine", home)
    assert (again.name, again.title, again.fingerprint) == ("mine", "My people", added.fingerprint)
    assert [(person.id, person.facts) for person in again.people()] == [
        ("ann", {"other": "In Riga"}),
        ("bob", {"other": "In Lima"}),
    ]
    assert library.open_benchmark("demo", home).name == "demo"


def test_a_source_named_from_where_one_stands_is_found_from_anywhere(
    home: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(source.parent)
    library.add(home, own("mine", Path("mine")))
    monkeypatch.chdir(home)
    assert library.entries(home)[0].source == str(source)
    assert len(library.open_benchmark("mine", home).people()) == 2


def test_a_published_set_is_described_in_numbers(home: Path, tmp_path: Path) -> None:
    benchmark = library.add(home, Entry("paper", "mllmu", str(tree.write_tree(tmp_path / "MLLMU"))))
    seen = library.describe(benchmark)
    assert (seen["title"], seen["rules"], seen["people"], seen["public_figures"]) == ("MLLMU-Bench", "mllmu", 10, 2)
    assert seen["shares"] == [5, 10, 15]
    asked = library.asked_of(benchmark, ForgetRequest(ratio=10))
    # of each person ten choices, four to answer and four with a blank; two are forgotten
    assert (asked["forget/classification"], asked["forget/generation"], asked["forget/cloze"]) == (20, 8, 8)
    assert asked["retain/classification"] == 60 and asked["celebrity/cloze"] == 8


@pytest.mark.parametrize("name", ["", "Mine", "-mine", "../mine", "my people", "m" * 41, "mine\n"])
def test_a_name_that_is_none_is_refused(home: Path, source: Path, name: str) -> None:
    with pytest.raises(BadRequest, match="up to 40 small letters, digits, - and _"):
        library.add(home, own(name, source))
    assert kept(home) == []


@pytest.mark.parametrize("name", ["demo", "mine"])
def test_a_name_that_is_taken_is_refused_and_the_first_stays(
    home: Path, source: Path, tmp_path: Path, name: str
) -> None:
    library.add(home, own("mine", source))
    other = written(tmp_path / "other", "who,q,a", "eve,Who is it?,Eve.")
    with pytest.raises(BadRequest, match=f"a benchmark called {name} already"):
        library.add(home, own(name, other))
    assert [person.id for person in library.open_benchmark("mine", home).people()] == ["ann", "bob"]


def test_a_format_that_there_is_not_is_refused_by_name(home: Path, source: Path) -> None:
    with pytest.raises(BadRequest, match="no format called 'tofu'; there are mllmu, clear, offside, custom"):
        library.add(home, Entry("mine", "tofu", str(source)))
    with pytest.raises(BadRequest, match="no format called 'tofu'"):
        library.survey("tofu", str(source))


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"who": "subject"}, "own data has no 'who'; a column can be subject, question, answer, image"),
        ({"subject": ""}, "the column for subject must not be empty"),
        ({"subject": "id", "question": "q", "answer": "a"}, "people.csv has no column 'id' for subject"),
    ],
)
def test_columns_that_cannot_be_are_one_sentence(
    home: Path, source: Path, columns: dict[str, str], sentence: str
) -> None:
    with pytest.raises(BadRequest) as refused:
        library.add(home, Entry("mine", "custom", str(source), columns=columns))
    assert sentence in str(refused.value) and "\n" not in str(refused.value)
    assert kept(home) == []


def test_only_own_data_says_which_column_is_what(home: Path, tmp_path: Path) -> None:
    folder = tree.write_tree(tmp_path / "MLLMU")
    with pytest.raises(BadRequest, match="MLLMU-Bench has its own columns"):
        library.add(home, Entry("paper", "mllmu", str(folder), columns=MAPPED))


def cut(folder: Path) -> None:
    file = min((folder / "Test_Set").glob("*.parquet"))
    file.write_bytes(file.read_bytes()[:-20])


def without_a_picture(folder: Path) -> None:
    tree.edit(folder / "Full_Set", lambda rows: rows[3].update(image=None))


@pytest.mark.parametrize(
    ("breaks", "sentence"),
    [(cut, "Test_Set/train-00000-of-00002.parquet"), (without_a_picture, "row 4: image holds no picture")],
)
def test_of_files_that_are_broken_nothing_is_kept(
    home: Path, tmp_path: Path, breaks: Callable[[Path], None], sentence: str
) -> None:
    folder = tree.write_tree(tmp_path / "MLLMU")
    breaks(folder)
    with pytest.raises(BadRequest, match=sentence):
        library.add(home, Entry("paper", "mllmu", str(folder)))
    assert kept(home) == [] and library.names(home) == ["demo"]


@pytest.mark.parametrize("format", FORMATS)
def test_a_folder_with_nothing_in_it_is_no_benchmark(home: Path, tmp_path: Path, format: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadRequest):
        library.add(home, Entry("mine", format, str(tmp_path / "empty")))
    assert kept(home) == []
    assert not library.survey(format, str(tmp_path / "empty")).sound


@pytest.mark.parametrize("there", ["", "/no/such/folder", "~nobody-of-this-name/data", "x" * 5000, "a\0b"])
def test_a_place_that_is_not_there_is_refused(home: Path, there: str) -> None:
    with pytest.raises(BadRequest, match="there is no folder or file"):
        library.add(home, Entry("mine", "custom", there))


def test_a_hub_id_that_was_meant_as_one_is_recognised() -> None:
    with pytest.raises(BadRequest, match="if that is a hub id"):
        library.local("MLLMMU/MLLMU-Bench")


def test_removing_takes_the_pictures_and_leaves_the_source(home: Path, tmp_path: Path) -> None:
    folder = tree.write_tree(tmp_path / "MLLMU")
    before = sorted(folder.rglob("*"))
    benchmark = library.add(home, Entry("paper", "mllmu", str(folder)))
    assert benchmark.people()[0].picture.is_relative_to(home / "data" / "pictures")
    library.remove(home, "paper")
    assert kept(home) == [] and library.names(home) == ["demo"]
    assert sorted(folder.rglob("*")) == before
    assert not list((home / "data" / "pictures").iterdir())


def test_removing_leaves_the_pictures_that_another_name_needs(home: Path, tmp_path: Path) -> None:
    folder = tree.write_tree(tmp_path / "MLLMU")
    copied = shutil.copytree(folder, tmp_path / "copy")
    for name, source in (("first", folder), ("second", folder), ("third", copied)):
        library.add(home, Entry(name, "mllmu", str(source)))
    library.remove(home, "first")
    library.remove(home, "second")
    assert all(person.picture.exists() for person in library.open_benchmark("third", home).people())


@pytest.mark.parametrize("name", ["demo", "nobody", "../mine"])
def test_what_was_never_added_cannot_be_removed(home: Path, source: Path, name: str) -> None:
    library.add(home, own("mine", source))
    with pytest.raises(BadRequest, match="was added; added are: mine"):
        library.remove(home, name)
    assert library.names(home) == ["demo", "mine"]


def test_an_unknown_name_is_answered_with_those_that_there_are(home: Path, source: Path) -> None:
    library.add(home, own("mine", source))
    for name in ("nobody", "../data/mine", ""):
        with pytest.raises(BadRequest, match="there are demo, mine"):
            library.open_benchmark(name, home)


# -- the library ------------------------------------------------------------------------------------------------------


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the data sets that are opened from here on, each time."""
    seen: list[str] = []
    real = library.open_benchmark

    def counting(name: str, home: Path) -> Benchmark:
        seen.append(name)
        return real(name, home)

    monkeypatch.setattr(library, "open_benchmark", counting)
    return seen


def test_a_set_is_opened_when_it_is_first_asked_for_and_once(home: Path, source: Path, opened: list[str]) -> None:
    library.add(home, own("mine", source))
    books = Library(home)
    assert opened == []
    assert next(iter(books)) == "demo" and opened == ["demo"]
    assert books["mine"] is books["mine"] and list(books) == ["demo", "mine"] and len(books) == 2
    assert opened == ["demo", "mine"]


def test_what_is_added_later_is_there_and_what_is_removed_is_gone(home: Path, source: Path) -> None:
    books = Library(home)
    assert "mine" not in books and books.get("mine") is None
    library.add(home, own("mine", source))
    assert "mine" in books
    library.remove(home, "mine")
    assert "mine" not in books and books.faults == {}
    library.add(home, own("mine", written(source, *ROWS, "eve,Where does Eve live?,In Oslo.")))
    assert len(books["mine"].people()) == 3


def test_a_set_whose_folder_is_gone_is_a_fault_and_the_others_stay(
    home: Path, source: Path, tmp_path: Path, opened: list[str]
) -> None:
    library.add(home, own("mine", source))
    library.add(home, own("other", written(tmp_path / "other")))
    books = Library(home)
    assert list(books) == ["demo", "mine", "other"]
    source.rename(tmp_path / "elsewhere")
    opened.clear()
    for _ in range(3):
        assert list(books) == ["demo", "other"]
        assert books.faults == {"mine": f"there is no folder or file {source} on this machine"}
    assert opened == ["mine"]
    with pytest.raises(BadRequest, match="there is no folder or file"):
        books.open("mine")
    (tmp_path / "elsewhere").rename(source)
    assert list(books) == ["demo", "mine", "other"] and books.faults == {}


@pytest.mark.parametrize(
    "line",
    [
        "",
        "no JSON",
        "[]",
        json.dumps({"name": "mine"}),
        json.dumps({"name": "mine", "format": 3, "source": "/"}),
        json.dumps({"name": "other", "format": "custom", "source": "/"}),
    ],
)
def test_a_line_that_cannot_be_read_is_a_fault_and_can_be_removed(home: Path, source: Path, line: str) -> None:
    library.add(home, own("mine", source))
    (home / "data" / "mine.json").write_text(line, encoding="utf-8")
    books = Library(home)
    assert list(books) == ["demo"]
    assert books.faults["mine"].endswith("mine.json cannot be read; remove mine and add it anew")
    library.remove(home, "mine")
    assert books.faults == {} and library.names(home) == ["demo"]


def test_a_fingerprint_in_a_line_names_no_other_folder_to_delete(home: Path, source: Path) -> None:
    library.add(home, own("mine", source))
    line = home / "data" / "mine.json"
    line.write_text(json.dumps(json.loads(line.read_text("utf-8")) | {"fingerprint": "../../worlds"}), encoding="utf-8")
    library.remove(home, "mine")
    assert (home / "worlds").is_dir()


def test_a_disk_that_takes_no_pictures_is_a_sentence(home: Path, tmp_path: Path) -> None:
    folder = tree.write_tree(tmp_path / "MLLMU")
    (home / "data").write_text("a file where a folder should be")
    with pytest.raises(BadRequest, match=r"paper cannot be opened: .*data/pictures.*: Not a directory"):
        library.add(home, Entry("paper", "mllmu", str(folder)))


# -- looking, fetching ------------------------------------------------------------------------------------------------


def test_of_own_data_every_fault_is_told_and_of_a_paper_the_first(tmp_path: Path) -> None:
    mine = written(tmp_path / "mine", "who,q,a", "ann,,In Riga.", "bob,Where?,")
    told = library.every_fault("custom", str(mine), MAPPED)
    assert told == [
        "people.csv, row 1 (line 2 of the file): q is empty",
        "people.csv, row 2 (line 3 of the file): a is empty",
    ]
    assert library.survey("custom", str(mine), MAPPED).fault == told[0]
    folder = tree.write_tree(tmp_path / "MLLMU")
    assert library.every_fault("mllmu", str(folder)) == []
    cut(folder)
    assert [fault.split(" is not")[0] for fault in library.every_fault("mllmu", str(folder))] == [
        "Test_Set/train-00000-of-00002.parquet"
    ]


def test_offline_nothing_is_fetched_and_that_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        BadRequest, match="MLLMMU/MLLMU-Bench could not be fetched: HF_HUB_OFFLINE is set; name a local"
    ):
        library.fetch("MLLMMU/MLLMU-Bench")


@pytest.mark.parametrize("text", ["no id/at all/here", "../x", "a b"])
def test_what_is_no_hub_id_is_refused_before_anything_is_asked(text: str) -> None:
    with pytest.raises(BadRequest, match="is no hub id; one is MLLMMU/MLLMU-Bench"):
        library.fetch(text)


def test_the_pattern_of_names_lets_no_path_through() -> None:
    assert BENCHMARK_NAME.startswith("^") and BENCHMARK_NAME.endswith("$")
    assert "/" not in BENCHMARK_NAME and "." not in BENCHMARK_NAME
