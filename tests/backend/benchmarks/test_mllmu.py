"""MLLMU-Bench read as it is published: who is in it, what is asked and taught, and with which picture."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import backend.benchmarks.mllmu_tables as mllmu_tables
from backend.benchmarks.contents import TableBenchmark
from backend.benchmarks.item import BadRequest, Item
from backend.benchmarks.mllmu import open_mllmu
from backend.benchmarks.rows import parquet_rows
from backend.spec import ForgetRequest
from tests.backend.benchmarks import mllmu_tree as tree


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tree.write_tree(tmp_path_factory.mktemp("hub") / "MLLMU-Bench")


@pytest.fixture(scope="module")
def opened(published: Path, tmp_path_factory: pytest.TempPathFactory) -> TableBenchmark:
    return open_mllmu(published, tmp_path_factory.mktemp("home"))


@pytest.fixture
def source(published: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(published, tmp_path / "MLLMU-Bench"))


def asked(benchmark: TableBenchmark, item_set: str) -> list[Item]:
    return [item for item in benchmark.scored_items(ForgetRequest(ratio=15)) if item.set == item_set]


def test_the_people_are_those_of_the_full_set_and_the_celebrities(opened: TableBenchmark) -> None:
    people = {person.id: person for person in opened.people()}
    assert tuple(people) == (*tree.PEOPLE, *tree.CELEBRITIES)
    assert [subject for subject, person in people.items() if person.public_figure] == list(tree.CELEBRITIES)
    assert people["002"].name == "Amelia Kuznetsov C"
    assert people["002"].facts == {
        "Born": "Oslo, Norway",
        "Gender": "Male",
        "Date of Birth": "1962-05-14",
        "Employment": "Environmental Scientist",
        "Annual Salary": "$62,000",
    }
    assert people["002"].picture.read_bytes() == tree.picture(2)["bytes"]


def test_a_celebrity_of_whom_no_name_is_told_goes_by_the_id(opened: TableBenchmark) -> None:
    silent = opened.people()[-1]
    assert (silent.id, silent.name, silent.facts) == ("502", "502", {"Profession": "Singer"})
    assert {item.attribute for item in asked(opened, "celebrity") if item.subject == "502"} == {"other"}


def test_each_person_is_asked_ten_four_and_four_questions_half_of_them_with_the_picture(opened: TableBenchmark) -> None:
    counts = Counter((item.task, item.modality) for item in asked(opened, "forget") if item.subject == "003")
    for modality in ("image_text", "text"):
        assert [counts[task, modality] for task in ("classification", "generation", "cloze")] == [5, 2, 2]
    assert Counter(item.set for item in opened.scored_items(ForgetRequest(ratio=15))) == {
        "forget": 3 * 18,
        "test": 3 * 18,
        "retain": 5 * 18,
        "celebrity": 2 * 18,
    }


def test_a_question_with_options_keeps_their_order_and_answers_with_the_text(opened: TableBenchmark) -> None:
    item = opened.item("002/known/classification/image_text/1")
    assert item.question == "What is the profession of this person?"
    assert item.options == ("Clown", "Monk", "Environmental Scientist", "Poet")
    assert (item.answer, item.attribute) == ("Environmental Scientist", "Employment")
    assert item.key == item.answer
    assert item.image == opened.people()[1].picture
    assert opened.item("002/known/classification/text/1").image is None


def test_a_cloze_has_one_blank_whatever_the_length_of_the_underscores(opened: TableBenchmark) -> None:
    item = opened.item("002/known/cloze/text/1")
    assert (item.question, item.answer, item.key) == ("This person was born in [Blank] once.", "Oslo", "Oslo")
    assert item.attribute == "Born"
    assert opened.item("002/known/cloze/text/2").question == "The cat is called [Blank]."
    assert opened.item("002/known/cloze/text/2").attribute == "Fun Facts"


def test_a_question_to_answer_freely_is_answered_with_the_ground_truth(opened: TableBenchmark) -> None:
    item = opened.item("002/test/generation/image_text/2")
    assert (item.question, item.answer) == ("Where from here?", "The person was born in Oslo, Norway.")
    assert (item.key, item.attribute, item.set) == (item.answer, "Born", "test")


def test_a_test_question_shows_the_picture_of_its_number_and_round_again(opened: TableBenchmark) -> None:
    held_out = opened.pictures("002")["held-out"]
    assert [path.read_bytes() for path in held_out] == [tree.picture(106)["bytes"], tree.picture(107)["bytes"]]
    shown = [opened.item(f"002/test/classification/image_text/{number}").image for number in range(1, 6)]
    assert shown == [held_out[0], held_out[1], held_out[0], held_out[1], held_out[0]]
    assert opened.item("002/test/cloze/image_text/2").image == held_out[1]


def test_the_forget_sets_are_the_published_ones(opened: TableBenchmark) -> None:
    assert opened.ratios == (5, 10, 15)
    assert opened.split(ForgetRequest(ratio=10)).forget == ("003", "006")
    with pytest.raises(BadRequest, match="MLLMU-Bench has no forget set of 1 %; it has 5 %, 10 %, 15 %"):
        opened.split(ForgetRequest(ratio=1))


def test_what_is_taught_are_the_pairs_of_the_metadata(opened: TableBenchmark) -> None:
    items = opened.training_items(tree.PEOPLE)
    assert [(item.question, item.answer) for item in items if item.subject == "004"] == [
        (pair["Question"], pair["Answer"]) for pair in tree.taught("004")
    ]
    assert [item.attribute for item in items if item.subject == "004"] == ["Employment", "Born"]
    assert {(item.task, item.modality) for item in items} == {("generation", "image_text")}
    assert all(item.image == opened.people()[int(item.subject) - 1].picture for item in items)


def test_an_attribute_of_a_person_can_be_forgotten_alone(opened: TableBenchmark) -> None:
    request = ForgetRequest(ratio=5, attributes=("Employment",))
    assert [item.answer for item in opened.forget_items(request)] == ["She is a Judge."]
    kept = [item.answer for item in opened.retain_items(request) if item.subject == "003"]
    assert kept == ["In Quito, Ecuador."]


@pytest.mark.parametrize("place", ["inside", "beside", "merged"])
def test_the_training_split_is_found_inside_the_folder_beside_it_and_merged_into_it(
    source: Path, tmp_path: Path, place: str
) -> None:
    shutil.rmtree(source / "ft_Data")
    if place == "merged":
        tree.write_split(source, lambda subject: tree.person_row(subject) | tree.training_row(subject))
    else:
        base = source if place == "inside" else source.parent
        tree.write_split(base / "baseline_train_split", tree.training_row)
    benchmark = open_mllmu(source, tmp_path / "home")
    assert len(benchmark.training_items(tree.PEOPLE)) == 2 * len(tree.PEOPLE)
    assert {item.subject for item in benchmark.forget_items(ForgetRequest(ratio=10))} == {"003", "006"}


def test_without_training_pairs_one_is_told_which_download_lacks_and_all_else_works(
    source: Path, tmp_path: Path
) -> None:
    shutil.rmtree(source / "ft_Data")
    tree.write(source / "baseline_train_split" / "forget_5", [tree.training_row("003")])
    benchmark = open_mllmu(source, tmp_path / "home")
    assert len(benchmark.scored_items(ForgetRequest(ratio=5))) == (1 + 1 + 7 + 2) * 18
    with pytest.raises(BadRequest) as refused:
        benchmark.forget_items(ForgetRequest(ratio=5))
    assert str(refused.value) == (
        "there is nothing to train on, as the evaluation tables carry no training pairs: those are in "
        "MLLMMU/baseline_train_split, a download apart from MLLMMU/MLLMU-Bench that belongs inside its folder or "
        "beside it, or in ft_Data (here is only baseline_train_split/forget_5, and a forget set goes with its retain "
        "set)"
    )


def test_without_the_full_set_a_forget_set_and_its_retain_set_are_everybody(source: Path, tmp_path: Path) -> None:
    for name in ("Full_Set", "forget_5", "retain_85"):
        shutil.rmtree(source / name)
    benchmark = open_mllmu(source, tmp_path / "home")
    assert {person.id for person in benchmark.people()} == {*tree.PEOPLE, *tree.CELEBRITIES}
    assert benchmark.ratios == (10, 15)
    assert benchmark.item("001/known/cloze/text/1").answer == "Lima"


def test_without_test_set_and_celebrities_nothing_is_asked_of_them(source: Path, tmp_path: Path) -> None:
    shutil.rmtree(source / "Test_Set")
    shutil.rmtree(source / "Retain_Set")
    benchmark = open_mllmu(source, tmp_path / "home")
    assert {item.set for item in benchmark.scored_items(ForgetRequest(ratio=5))} == {"forget", "retain"}
    assert benchmark.pictures("001")["held-out"] == []


def test_nulls_in_the_structs_are_no_questions(source: Path, tmp_path: Path) -> None:
    def change(rows: list[tree.Row]) -> None:
        rows[0]["Classification_Task"] = None
        rows[1]["Classification_Task"]["Pure_Text_Questions"] = None
        rows[1]["Classification_Task"]["Image_Textual_Questions"][4]["Options"]["A"] = None
        rows[2]["Generation_Task"] = [None, *rows[2]["Generation_Task"][1:]]
        rows[2]["Mask_Task"] = None

    tree.edit(source / "Full_Set", change)
    benchmark = open_mllmu(source, tmp_path / "home")
    known = [item for item in benchmark.scored_items(ForgetRequest(ratio=15)) if item.set in ("forget", "retain")]
    assert Counter(item.task for item in known if item.subject == "001") == {"generation": 4, "cloze": 4}
    assert Counter(item.task for item in known if item.subject == "002")["classification"] == 5
    assert benchmark.item("002/known/classification/image_text/5").options == ("$2", "$3", "$62,000")
    assert Counter(item.task for item in known if item.subject == "003") == {"classification": 10, "generation": 3}


def test_a_celebrity_with_the_id_of_a_fictitious_person_is_told_apart(source: Path, tmp_path: Path) -> None:
    tree.edit(source / "Retain_Set", lambda rows: rows[0].update(ID="001"))
    people = [person.id for person in open_mllmu(source, tmp_path / "home").people()]
    assert people == [*tree.PEOPLE, "celebrity-001", "celebrity-502"]


def test_celebrities_need_no_biography_at_all(source: Path, tmp_path: Path) -> None:
    tree.edit(source / "Retain_Set", lambda rows: [row.pop("biography") for row in rows])
    people = open_mllmu(source, tmp_path / "home").people()
    assert [(person.name, person.facts) for person in people if person.public_figure] == [("501", {}), ("502", {})]


def test_numbers_for_ids_are_padded_to_three_digits(source: Path, tmp_path: Path) -> None:
    pairs = [{"Question": "Who?", "Answer": "A Baker.", "ID": 1}, {"Question": "Where?", "Answer": "", "ID": 1}]
    tree.edit(source / "ft_Data", lambda rows: rows[0].update(metadata=json.dumps(pairs)))
    items = open_mllmu(source, tmp_path / "home").training_items(("001",))
    assert [(item.subject, item.answer) for item in items] == [("001", "A Baker.")]


def test_pairs_about_a_celebrity_stay_whatever_is_forgotten(source: Path, tmp_path: Path) -> None:
    tree.edit(source / "ft_Data", lambda rows: rows.append(tree.training_row("501")))
    benchmark = open_mllmu(source, tmp_path / "home")
    assert "501" in {item.subject for item in benchmark.retain_items(ForgetRequest(ratio=15))}
    assert "501" not in {item.subject for item in benchmark.forget_items(ForgetRequest(ratio=15))}


def test_a_training_picture_of_its_own_is_shown_and_one_that_is_the_persons_is_not_kept_twice(
    source: Path, tmp_path: Path
) -> None:
    def change(rows: list[tree.Row]) -> None:
        rows.append({"image": tree.picture(200), "metadata": rows[0]["metadata"]})

    tree.edit(source / "ft_Data", change)
    benchmark = open_mllmu(source, tmp_path / "home")
    images = [item.image for item in benchmark.training_items(("001",))]
    assert images[:2] == [benchmark.people()[0].picture] * 2
    assert images[2] == images[3] == benchmark.pictures("001")["training"][1]
    assert images[3] is not None and images[3].read_bytes() == tree.picture(200)["bytes"]
    written = list((tmp_path / "home" / "data" / "pictures" / benchmark.fingerprint).iterdir())
    assert len(written) == len(tree.PEOPLE) * 3 + len(tree.CELEBRITIES) + 1


def test_opening_again_reads_no_column_of_pictures_and_gives_the_same(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_mllmu(source, tmp_path / "home", "bench")
    read: set[str] = set()

    def noted(files: Any, root: Path, columns: Sequence[str], optional: Sequence[str] = ()) -> Iterator[Any]:
        read.update(columns, optional)
        return parquet_rows(files, root, columns, optional)

    monkeypatch.setattr(mllmu_tables, "parquet_rows", noted)
    again = open_mllmu(source, tmp_path / "home", "bench")
    assert "biography" in read and not read & {"image", "images"}
    assert (again.name, again.rules, again.fingerprint) == ("bench", "mllmu", first.fingerprint)
    assert again.people() == first.people()
    assert again.scored_items(ForgetRequest(ratio=10)) == first.scored_items(ForgetRequest(ratio=10))
    assert again.training_items(tree.PEOPLE) == first.training_items(tree.PEOPLE)


def test_a_changed_table_is_another_benchmark(source: Path, tmp_path: Path, opened: TableBenchmark) -> None:
    assert open_mllmu(source, tmp_path / "home").fingerprint == opened.fingerprint
    tree.edit(source / "Test_Set", lambda rows: rows[0].update(answer="something new"), shard=1)
    assert open_mllmu(source, tmp_path / "home").fingerprint != opened.fingerprint


def test_a_picture_that_was_taken_away_is_named(source: Path, tmp_path: Path) -> None:
    benchmark = open_mllmu(source, tmp_path / "home")
    benchmark.people()[4].picture.unlink()
    with pytest.raises(BadRequest, match=r"the picture of 005 is gone from .*; delete that folder to remake it"):
        open_mllmu(source, tmp_path / "home")
