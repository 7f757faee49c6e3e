"""Data sets from a terminal: written out, checked, added, asked about and taken away, as a script does it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from backend.benchmarks.demo import DemoBenchmark
from tests.backend.benchmarks import mllmu_tree as tree
from tests.backend.test_cli import Terminal


@pytest.fixture
def terminal(shared_home: Path, world: DemoBenchmark, tmp_path: Path) -> Terminal:
    home = tmp_path / "home"
    shutil.copytree(shared_home / "worlds", home / "worlds")
    return Terminal(home)


@pytest.mark.parametrize(
    ("format", "people", "shares", "tables"),
    [
        ("mllmu", 48, [5, 10, 15], {"Full_Set": 40, "Test_Set": 40, "Retain_Set": 8, "forget_10": 4}),
        ("clear", 48, [1, 5, 10], {"full": 160, "forget10": 16, "real_faces": 32}),
        ("offside", 40, [100], {"pure_text_data/forget_set.json": 360}),
    ],
)
def test_the_demo_in_a_papers_format_is_sound_added_and_removed(
    terminal: Terminal, tmp_path: Path, format: str, people: int, shares: list[int], tables: dict[str, int]
) -> None:
    folder = str(tmp_path / "written")
    assert terminal("data", "export", "demo", "--as", format, folder).returncode == 0
    found = terminal.json("data", "check", format, folder)
    assert (found["sound"], found["missing"], found["faults"]) == (True, [], [])
    assert tables.items() <= found["tables"].items()
    added = terminal.json("data", "add", format, folder, "--name", "mine", "--title", "The demo again")
    assert (added["people"], added["shares"], added["rules"]) == (people, shares, format)
    assert (added["title"], added["source"]) == ("The demo again", folder)
    assert terminal.json("data", "show", "mine") == added
    listed = terminal.json("data", "list")
    assert [one["name"] for one in listed["benchmarks"]] == ["demo", "mine"] and listed["faults"] == {}
    assert terminal("data", "remove", "mine").stdout == "mine is removed\n"
    assert "there are demo" in terminal.refused("data", "show", "mine")
    assert Path(folder).is_dir()


def test_what_is_broken_or_missing_is_told_and_ends_in_exit_code_1(terminal: Terminal, tmp_path: Path) -> None:
    folder = tree.write_tree(tmp_path / "MLLMU")
    shutil.rmtree(folder / "Test_Set")
    tree.edit(folder / "Retain_Set", lambda rows: rows[1].update(ID=None))
    done = terminal("data", "check", "mllmu", str(folder))
    assert done.returncode == 1 and done.stderr == ""
    assert "✕ Test_Set is missing: nothing is asked of forgotten people in other poses and words" in done.stdout
    assert "Retain_Set/train-00000-of-00001.parquet, row 2: " in done.stdout
    tree.write_tree(folder)
    shutil.rmtree(folder / "retain_95")
    done = terminal("data", "check", "mllmu", str(folder))
    assert done.returncode == 0
    assert "not there: retain_95; derived from Full_Set and forget_5\n" in done.stdout
    assert "everything is here" not in done.stdout.lower()
    found = terminal.json("data", "check", "mllmu", str(folder))
    assert found["absent"] == [{"table": "retain_95", "why": "derived from Full_Set and forget_5"}]
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "people.csv").write_text("who,q,a\nann,,In Riga.\nbob,Where?,\n", encoding="utf-8")
    columns = ("--column", "subject=who", "--column", "question=q", "--column", "answer=a")
    done = terminal("data", "check", "custom", str(mine), *columns)
    assert done.returncode == 1
    for sentence in (
        "people.csv, row 1 (line 2 of the file): q is empty",
        "people.csv, row 2 (line 3 of the file): a is empty",
    ):
        assert sentence in done.stdout


def test_own_data_is_added_by_its_columns_and_can_be_asked_to_be_forgotten(terminal: Terminal, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    rows = "".join(f"p{number:02d},Where does {number} live?,In town {number}.\n" for number in range(20))
    (mine / "people.csv").write_text("who,q,a\n" + rows, encoding="utf-8")
    columns = ("--column", "subject=who", "--column", "question=q", "--column", "answer=a")
    added = terminal.json("data", "add", "custom", str(mine), "--name", "mine", *columns)
    assert (added["people"], added["shares"]) == (20, [5, 10, 15])
    assert added["columns"] == {"subject": "who", "question": "q", "answer": "a"}
    assert added["asked"] == {
        "request": "forget 5 %",
        "questions": {"forget/generation": 1, "retain/generation": 19},
    }
    queued = terminal.json("submit", "finetune", "--benchmark", "mine", "--name", "taught mine")
    assert queued["state"] == "queued"
    assert "taught mine still needs mine" in terminal.refused("data", "remove", "mine")
    shutil.rmtree(mine)
    listed = terminal.json("data", "list")
    assert [one["name"] for one in listed["benchmarks"]] == ["demo"]
    assert listed["faults"] == {"mine": f"there is no folder or file {mine} on this machine"}
    assert "there is no folder or file" in terminal.refused("submit", "evaluate", "--benchmark", "mine")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("show", "nobody"), "there is no benchmark called 'nobody'; there are demo"),
        (("remove", "demo"), "no data set called 'demo' was added"),
        (("check", "tofu", "/"), "no format called 'tofu'; there are mllmu, clear, offside, custom"),
        (("check", "mllmu", "MLLMMU/MLLMU-Bench"), "if that is a hub id"),
        (("check", "mllmu", "MLLMMU/MLLMU-Bench", "--hub"), "could not be fetched: HF_HUB_OFFLINE is set"),
        (("add", "custom", "/", "--name", "Mine"), "small letters, digits"),
        (("add", "custom", "/", "--column", "subject"), "--column subject names no column"),
        (("add", "custom", "/", "--column", "subject=a", "--column", "subject=b"), "is given twice"),
        (
            ("export", "demo", "--as", "tofu", "here"),
            "nothing can be written as 'tofu'; there are mllmu, clear, offside",
        ),
        (("export", "demo", "--as", "clear", "."), "new or empty"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "says",
)
def test_what_cannot_be_done_with_data_is_one_sentence(
    terminal: Terminal, words: tuple[str, ...], sentence: str
) -> None:
    assert sentence in terminal.refused("data", *words)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("submit", "unlearn", "--benchmark", "nobody"), "there is no benchmark called 'nobody'; there are demo"),
        (("submit", "evaluate", "--set", "benchmark=../up"), "benchmark must be up to 40 small letters"),
        (("probe", "--models", "x", "--item", "y", "--benchmark", "nobody"), "no benchmark called 'nobody'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "says",
)
def test_a_run_or_a_question_on_a_benchmark_that_is_not_here_is_refused(
    terminal: Terminal, words: tuple[str, ...], sentence: str
) -> None:
    assert sentence in terminal.refused(*words)
