"""What is wrong with an MLLMU-Bench folder is said in one sentence, with file and row, and leaves nothing behind."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from backend.benchmarks import library
from backend.benchmarks.item import BadRequest
from backend.benchmarks.mllmu import open_mllmu, survey
from tests.backend.benchmarks import mllmu_tree as tree

FULL = "Full_Set/train-00000-of-00001.parquet"
TAUGHT = "ft_Data/train-00000-of-00001.parquet"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tree.write_tree(tmp_path / "MLLMU-Bench")


def refusal(source: Path) -> str:
    """The sentence; the survey says the same, and no picture stays written."""
    home = source.parent / "home"
    with pytest.raises(BadRequest) as refused:
        open_mllmu(source, home)
    pictures = home / "data" / "pictures"
    assert not pictures.exists() or not list(pictures.iterdir())
    assert survey(source).fault == str(refused.value)
    assert not survey(source).sound
    return str(refused.value)


def first_choice(row: tree.Row) -> tree.Row:
    found: tree.Row = row["Classification_Task"]["Image_Textual_Questions"][1]
    return found


CHANGES: list[tuple[str, Callable[[list[tree.Row]], object], str]] = [
    ("Full_Set", lambda rows: rows[2].update(image=None), f"{FULL}, row 3: image holds no picture"),
    (
        "Full_Set",
        lambda rows: rows[1].update(image={"bytes": None, "path": "full_images/002.jpg"}),
        f"{FULL}, row 2: image holds no picture",
    ),
    (
        "Full_Set",
        lambda rows: rows[0].update(image={"bytes": b"<html>", "path": None}),
        f"{FULL}, row 1: image holds something that is no JPEG, PNG, WebP, GIF or BMP picture",
    ),
    (
        "Full_Set",
        lambda rows: rows[6].update(biography="{'Name': 'x'}"),
        f"{FULL}, row 7: biography is not JSON (Expecting property name enclosed in double quotes at character 1)",
    ),
    ("Full_Set", lambda rows: rows[6].update(biography=None), f"{FULL}, row 7: biography is empty"),
    ("Full_Set", lambda rows: rows[6].update(biography="[]"), f"{FULL}, row 7: biography should be a JSON object"),
    ("Full_Set", lambda rows: rows[6].update(biography="{}"), f"{FULL}, row 7: biography has no Name"),
    (
        "Full_Set",
        lambda rows: first_choice(rows[3]).update(Correct_Answer="E"),
        f"{FULL}, row 4: Classification_Task.Image_Textual_Questions, question 2: "
        "Correct_Answer 'E' is not among the options A, B, C, D",
    ),
    (
        "Full_Set",
        lambda rows: first_choice(rows[3])["Options"].update(B=None),
        f"{FULL}, row 4: Classification_Task.Image_Textual_Questions, question 2: "
        "Correct_Answer 'B' is not among the options A, C, D",
    ),
    (
        "Full_Set",
        lambda rows: first_choice(rows[3]).update(Correct_Answer=None),
        f"{FULL}, row 4: Classification_Task.Image_Textual_Questions, question 2: Correct_Answer is empty",
    ),
    (
        "Full_Set",
        lambda rows: first_choice(rows[3]).update(Options=None),
        f"{FULL}, row 4: Classification_Task.Image_Textual_Questions, question 2: it has no Options",
    ),
    (
        "Full_Set",
        lambda rows: rows[5].update(ID="002"),
        f"{FULL}, row 6: the ID '002' stands twice, first in {FULL}, row 2",
    ),
    ("Full_Set", lambda rows: rows[5].update(ID=None), f"{FULL}, row 6: ID is empty"),
    (
        "Full_Set",
        lambda rows: rows[5].update(ID="../../etc"),
        f"{FULL}, row 6: the ID '../../etc' holds something other than letters, digits, - and _",
    ),
    (
        "Full_Set",
        lambda rows: rows[0]["Mask_Task"][2].update(Ground_Truth=" "),
        f"{FULL}, row 1: Mask_Task, question 3: Ground_Truth is empty",
    ),
    (
        "Full_Set",
        lambda rows: rows[0]["Generation_Task"][1].update(Type="Image"),
        f"{FULL}, row 1: Generation_Task, question 2: Type is 'Image', and should be Image_Textual or Pure_Text",
    ),
    (
        "Full_Set",
        lambda rows: [row.update(Mask_Task="none") for row in rows],
        f"{FULL}, row 1: Mask_Task should be a list of questions",
    ),
    (
        "Full_Set",
        lambda rows: rows.pop(2),
        "Test_Set/train-00000-of-00002.parquet, row 3: the ID '003' is in none of the tables that say who is who; "
        "those are not whole",
    ),
    (
        "forget_10",
        lambda rows: rows[1].update(ID="777"),
        "forget_10/train-00000-of-00001.parquet, row 2: the ID '777' is in none of the tables that say who is who; "
        "those are not whole",
    ),
    (
        "Test_Set",
        lambda rows: rows[3].update(images=[]),
        "Test_Set/train-00000-of-00002.parquet, row 4: images holds no picture",
    ),
    (
        "Test_Set",
        lambda rows: rows[3].update(images=[rows[3]["images"][0], None]),
        "Test_Set/train-00000-of-00002.parquet, row 4: images holds no picture",
    ),
    (
        "ft_Data",
        lambda rows: rows[7].update(metadata="[{'Question': 'Who?'}]"),
        f"{TAUGHT}, row 8: metadata is not JSON (Expecting property name enclosed in double quotes at character 2)",
    ),
    (
        "ft_Data",
        lambda rows: rows[7].update(metadata='{"Question": "Who?"}'),
        f"{TAUGHT}, row 8: metadata should be a JSON list of pairs of Question and Answer",
    ),
    (
        "ft_Data",
        lambda rows: rows[7].update(metadata='["Who?"]'),
        f"{TAUGHT}, row 8: metadata, pair 1: it should be an object with Question and Answer",
    ),
    (
        "ft_Data",
        lambda rows: rows[7].update(metadata='[{"Question": "Who?", "Answer": "She."}]'),
        f"{TAUGHT}, row 8: metadata, pair 1: it has no ID, and neither has the row",
    ),
    (
        "ft_Data",
        lambda rows: rows[0].update(metadata=json.dumps(tree.taught("001") + tree.taught("002"))),
        f"{TAUGHT}, row 1: metadata has pairs about 001 and about 002; a row is about one person",
    ),
    (
        "ft_Data",
        lambda rows: rows.append(tree.training_row("777")),
        f"{TAUGHT}, row 9: the ID '777' is in none of the tables that say who is who; those are not whole",
    ),
    ("ft_Data", lambda rows: rows[4].update(image=None), f"{TAUGHT}, row 5: image holds no picture"),
    (
        "Retain_Set",
        lambda rows: rows[1].update(image=None),
        "Retain_Set/train-00000-of-00001.parquet, row 2: image holds no picture",
    ),
]


@pytest.mark.parametrize(("table", "change", "sentence"), CHANGES, ids=[sentence[-50:] for _, _, sentence in CHANGES])
def test_a_broken_row_is_named(
    source: Path, table: str, change: Callable[[list[tree.Row]], object], sentence: str
) -> None:
    tree.edit(source / table, change)
    assert refusal(source) == sentence


@pytest.mark.parametrize(
    ("table", "column"),
    [("Full_Set", "Mask_Task"), ("Full_Set", "image"), ("Test_Set", "images"), ("ft_Data", "metadata")],
)
def test_a_missing_column_is_named_beside_those_that_are_there(source: Path, table: str, column: str) -> None:
    for shard in range(len(list((source / table).iterdir()))):
        tree.edit(source / table, lambda rows: [row.pop(column) for row in rows], shard)
    sentence = refusal(source)
    assert sentence.startswith(f"{table}/train-00000-of-0000")
    assert f" has no column {column}; it has " in sentence


@pytest.mark.parametrize("table", ["Full_Set", "forget_10", "Test_Set", "ft_Data"])
def test_a_truncated_table_is_named(source: Path, table: str) -> None:
    file = sorted((source / table).iterdir())[-1]
    file.write_bytes(file.read_bytes()[:-100])
    assert refusal(source).startswith(f"{table}/{file.name} is not a whole parquet file (")


def test_a_table_that_is_damaged_inside_is_named(source: Path) -> None:
    file = source / "Full_Set" / "train-00000-of-00001.parquet"
    whole = bytearray(file.read_bytes())
    whole[4:2000] = b"\xff" * 1996
    file.write_bytes(whole)
    assert refusal(source).startswith(f"{FULL}, after row 0: the file is damaged (")


def test_a_folder_without_the_tables_is_refused_by_naming_what_it_has(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="there is no folder"):
        open_mllmu(tmp_path / "nowhere", tmp_path / "home")
    tree.write(tmp_path / "some" / "forget_5", [tree.person_row("003")])
    with pytest.raises(BadRequest) as refused:
        open_mllmu(tmp_path / "some", tmp_path / "home")
    assert str(refused.value) == (
        f"{tmp_path / 'some'} is not MLLMU-Bench: everybody is in Full_Set, or in forget_5 with retain_95, or "
        "forget_10 with retain_90, or forget_15 with retain_85; there is forget_5"
    )


def test_the_training_download_alone_is_told_apart(tmp_path: Path) -> None:
    tree.write_split(tmp_path / "downloaded", tree.training_row)
    with pytest.raises(BadRequest, match="this is the training download alone; name the folder of MLLMMU/MLLMU-Bench"):
        open_mllmu(tmp_path / "downloaded", tmp_path / "home")


def test_a_survey_counts_the_rows_of_every_table(source: Path) -> None:
    tree.write_split(source.parent / "baseline_train_split", tree.training_row, shares=(5,))
    found = survey(source)
    assert found.sound and found.missing == ()
    assert found.tables == (
        ("Full_Set", 8),
        ("forget_5", 1),
        ("retain_95", 7),
        ("forget_10", 2),
        ("retain_90", 6),
        ("forget_15", 3),
        ("retain_85", 5),
        ("Test_Set", 8),
        ("Retain_Set", 2),
        ("ft_Data", 8),
        ("baseline_train_split/forget_5", 1),
        ("baseline_train_split/retain_95", 7),
    )


def test_a_survey_names_what_is_missing_and_what_cannot_be_done_without_it(source: Path) -> None:
    for name in ("Full_Set", "forget_5", "forget_10", "forget_15", "Test_Set", "Retain_Set", "ft_Data"):
        shutil.rmtree(source / name)
    found = survey(source)
    assert found.fault is None and not found.sound
    assert [name for name, _ in found.missing] == [
        "Full_Set",
        "forget_5",
        "Test_Set",
        "Retain_Set",
        "baseline_train_split",
    ]
    assert dict(found.missing)["Test_Set"] == "nothing is asked of forgotten people in other poses and words"


def test_a_table_that_another_one_stands_for_is_not_missing(source: Path) -> None:
    for name in ("Full_Set", "forget_5", "retain_85"):
        shutil.rmtree(source / name)
    found = survey(source)
    assert found.sound
    assert found.absent == (
        ("Full_Set", "derived from forget_10 and retain_90"),
        ("forget_5", "a share of 5 % cannot be asked for"),
        ("retain_85", "derived from forget_10 and retain_90 and forget_15"),
    )
    assert found.verdict.endswith("not all that is published is here.")


def test_a_retain_table_is_told_to_be_derived_from_everyone_and_its_forget_table(source: Path) -> None:
    assert survey(source).absent == () and survey(source).verdict == "Everything is here and can be read."
    shutil.rmtree(source / "retain_95")
    assert survey(source).absent == (("retain_95", "derived from Full_Set and forget_5"),)


def test_tables_of_what_is_taught_are_told_with_those_that_serve(source: Path) -> None:
    split = source.parent / "baseline_train_split"
    tree.write_split(split, tree.training_row, shares=(5, 10))
    for gone in (source / "ft_Data", split / "retain_90"):
        shutil.rmtree(gone)
    instead = "what is taught is read from baseline_train_split/forget_5 and baseline_train_split/retain_95"
    parts = ("retain_90", "forget_15", "retain_85")
    absent = survey(source).absent
    assert absent == (("ft_Data", instead), *((f"baseline_train_split/{part}", instead) for part in parts))


@pytest.mark.parametrize("table", ["ft_Data", "baseline_train_split/retain_90"])
def test_training_pairs_that_another_table_stands_for_are_looked_at_as_well(source: Path, table: str) -> None:
    """With a whole pair of the split nothing is read from `ft_Data`, nor from the other pairs."""
    tree.write_split(source / "baseline_train_split", tree.training_row, shares=(5, 10))
    tree.edit(source / table, lambda rows: rows[3].update(metadata='[{"oops'))
    fault = f"{table}/train-00000-of-00001.parquet, row 4: metadata is not JSON"
    found = survey(source).fault
    assert found is not None and found.startswith(fault)
    home = source.parent / "home"
    with pytest.raises(BadRequest) as refused:
        library.add(home, library.Entry("mine", "mllmu", str(source)))
    assert str(refused.value) == found
    assert library.names(home) == ["demo"] and not (home / "data").exists()


@pytest.mark.parametrize("shard", [0, 1])
def test_a_table_that_lacks_one_of_its_files_is_refused_by_the_name_of_that_file(source: Path, shard: int) -> None:
    (source / "Test_Set" / f"train-0000{shard}-of-00002.parquet").unlink()
    lost = f"Test_Set/train-0000{shard}-of-00002.parquet is missing: Test_Set comes in 2 files; fetch all of them"
    assert refusal(source) == lost


def test_a_file_missing_from_a_table_that_is_not_read_is_told_by_the_survey(source: Path) -> None:
    file = source / "retain_95" / "train-00000-of-00001.parquet"
    file.rename(file.with_name("train-00001-of-00003.parquet"))
    assert survey(source).fault == (
        "retain_95/train-00000-of-00003.parquet is missing: retain_95 comes in 3 files; fetch all of them"
    )
