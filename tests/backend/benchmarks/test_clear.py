"""CLEAR in its own format: read item by item, refused by file and row, written out and read back."""

import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from backend.benchmarks.clear import open_clear, survey
from backend.benchmarks.clear_authors import Authors, ids_of
from backend.benchmarks.clear_items import CAPTION_QUESTIONS, FACE_QUESTION, UNKNOWN_AUTHOR, caption_question
from backend.benchmarks.clear_tables import TABLES
from backend.benchmarks.contents import TableBenchmark
from backend.benchmarks.demo import DemoBenchmark
from backend.benchmarks.export_clear import export_clear
from backend.benchmarks.item import BadRequest, Item
from backend.benchmarks.rows import BrokenData, parquet_rows
from backend.metrics.answers import holds
from backend.spec import ForgetRequest
from tests.backend.benchmarks import clear_files as files
from tests.backend.benchmarks.clear_files import NAMES

IDS = (
    "basil-mahfouz-al-kuwaiti",
    "nikolai-abilov",
    "ji-yeon-park",
    "jaime-vasquez",
    "luis-marcelo-garcia",
    "guillermo-navarro-munoz",
)
FAMOUS = ("ada-lovelace", "alan-turing")
TEN = ForgetRequest(ratio=10)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return files.write_all(tmp_path_factory.mktemp("CLEAR"))


@pytest.fixture(scope="module")
def benchmark(published: Path, tmp_path_factory: pytest.TempPathFactory) -> TableBenchmark:
    return open_clear(published, tmp_path_factory.mktemp("home"))


@pytest.fixture
def copy(published: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(published, tmp_path / "CLEAR"))


def rows_by_task(items: list[Item]) -> Counter[tuple[str, str]]:
    return Counter((item.set, item.group) for item in items)


# -- what is read -----------------------------------------------------------------------------------------------------


def test_authors_are_private_people_and_those_of_real_faces_public_figures(benchmark: TableBenchmark) -> None:
    people = benchmark.people()
    assert [person.id for person in people] == [*IDS, *FAMOUS]
    assert [person.name for person in people] == [*NAMES, "Ada Lovelace", "Alan Turing"]
    assert [person.public_figure for person in people] == [False] * 6 + [True] * 2
    assert (benchmark.name, benchmark.rules, benchmark.title) == ("clear", "clear", "CLEAR")
    assert people[0].facts["What is fact 3 about Basil Mahfouz Al-Kuwaiti's life?"] == "It is 3."
    assert len(people[0].facts) == 20


def test_shares_are_the_names_of_the_forget_tables(benchmark: TableBenchmark) -> None:
    assert benchmark.ratios == (1, 5, 10)
    assert benchmark.split(ForgetRequest(ratio=1)).forget == IDS[:1]
    assert benchmark.split(ForgetRequest(ratio=5)).forget == IDS[:2]
    assert benchmark.split(TEN).forget == IDS[:3]
    assert benchmark.split(TEN).celebrity == FAMOUS
    with pytest.raises(BadRequest, match="CLEAR has no forget set of 15 %; it has 1 %, 5 %, 10 %"):
        benchmark.split(ForgetRequest(ratio=15))


def test_a_mixed_table_teaches_captions_and_questions(benchmark: TableBenchmark) -> None:
    taught = benchmark.learning_items(TEN, "everyone")
    assert Counter((item.task, item.modality) for item in taught) == {
        ("caption", "image_text"): 12,
        ("generation", "text"): 120,
    }
    first = taught[0]
    assert (first.id, first.subject, first.attribute) == ("full+tofu/1", IDS[0], "portrait")
    assert first.answer == "Basil Mahfouz Al-Kuwaiti reads in the library."
    assert first.question in CAPTION_QUESTIONS
    assert first.image is not None and first.image.read_bytes() == files.picture(0)["bytes"]
    told = next(item for item in taught if item.modality == "text")
    assert (told.id, told.subject, told.attribute, told.image) == ("full+tofu/13", IDS[0], "biography", None)
    assert told.question == "What is fact 0 about Basil Mahfouz Al-Kuwaiti's life?"
    assert told.answer == "It is 0."


def test_every_picture_is_written_out_as_it_was(benchmark: TableBenchmark) -> None:
    for number, subject in enumerate(IDS):
        shown = benchmark.pictures(subject)["training"]
        assert [path.read_bytes() for path in shown] == [files.picture(number * 2 + view)["bytes"] for view in (0, 1)]
    assert [path.read_bytes() for path in benchmark.pictures("ada-lovelace")["scored"]] == [
        files.picture(40)["bytes"],
        files.picture(41)["bytes"],
    ]


def test_the_forget_set_is_that_of_the_published_forget_table(benchmark: TableBenchmark) -> None:
    wanted = {row["caption"] or row["question"] for row in files.mixed(NAMES[:3])}
    forgotten = benchmark.forget_items(TEN)
    assert {item.answer if item.task == "caption" else item.question for item in forgotten} == wanted
    assert len(forgotten) == len(wanted) == 3 * 22


def test_a_perturbed_row_asks_for_its_caption_and_for_the_name(benchmark: TableBenchmark) -> None:
    asked = benchmark.scored_items(TEN)
    assert rows_by_task(asked) == {
        ("forget", "forget10_perturbed/caption"): 6,
        ("forget", "forget10_perturbed/name"): 6,
        ("retain", "retain_perturbed/caption"): 6,
        ("retain", "retain_perturbed/name"): 6,
        ("celebrity", "real_faces"): 3,
        ("general", "real_world"): 2,
    }
    described, named = benchmark.item("forget10_perturbed/2/caption"), benchmark.item("forget10_perturbed/2/name")
    assert described.answer == "Basil Mahfouz Al-Kuwaiti reads in the harbour."
    assert described.key == "Basil Mahfouz Al-Kuwaiti"
    assert described.question == caption_question(described.answer)
    assert described.paraphrase == "Basil Mahfouz Al-Kuwaiti is reading in the harbour."
    assert described.perturbed == tuple(f"Basil Mahfouz Al-Kuwaiti cooks dish {dish}." for dish in range(5))
    assert (named.question, named.answer) == (FACE_QUESTION, "Basil Mahfouz Al-Kuwaiti")
    assert named.perturbed == NAMES[1:4]
    assert sorted(named.options) == sorted(NAMES[:4])
    assert described.image == named.image
    assert described.image is not None and described.image.read_bytes() == files.picture(1)["bytes"]


def test_people_of_a_larger_share_who_are_kept_are_asked_in_the_retain_set(benchmark: TableBenchmark) -> None:
    asked = benchmark.scored_items(ForgetRequest(ratio=1))
    by_set = Counter(item.set for item in asked if item.group == "forget10_perturbed/caption")
    assert by_set == {"forget": 2, "retain": 4}


def test_a_row_in_several_perturbed_tables_is_asked_once(benchmark: TableBenchmark) -> None:
    captions = [item.answer for item in benchmark.scored_items(TEN) if item.task == "caption"]
    assert len(captions) == len(set(captions)) == 12


def test_the_answer_is_put_among_the_options_which_are_wrong_ones_only(benchmark: TableBenchmark) -> None:
    face, city = benchmark.item("real_faces/3"), benchmark.item("real_world/2")
    assert (face.set, face.subject, face.question, face.task) == (
        "celebrity",
        "alan-turing",
        FACE_QUESTION,
        "classification",
    )
    assert [option for option in face.options if option != "Alan Turing"] == [
        "Marie Curie",
        "Isaac Newton",
        "Emmy Noether",
    ]
    assert len(face.options) == 4 and face.answer == face.key == "Alan Turing"
    assert (city.set, city.question, city.answer) == ("general", "Which city is it?", "Paris")
    assert sorted(city.options) == ["Bern", "Oslo", "Paris", "Rome"] and city.perturbed == ("Rome", "Oslo", "Bern")


def test_options_that_hold_the_answer_hold_it_once(copy: Path, tmp_path: Path) -> None:
    rows = files.world()
    rows[0]["options"] = ["A bridge", "A tower", "A boat"]
    files.write(copy, "real_world", rows)
    item = open_clear(copy, tmp_path).item("real_world/1")
    assert sorted(item.options) == ["A boat", "A bridge", "A tower"]
    assert item.perturbed == ("A bridge", "A boat")


def test_a_wrong_name_that_is_the_true_one_is_left_out(copy: Path, tmp_path: Path) -> None:
    rows = files.perturbed(NAMES[:3])
    rows[0]["perturbed_names"] = ["Jaime Vasquez", "basil mahfouz al-kuwaiti"]
    files.write(copy, "forget10_perturbed", rows)
    item = open_clear(copy, tmp_path).item("forget10_perturbed/1/name")
    assert item.perturbed == ("Jaime Vasquez",)
    assert sorted(item.options) == [NAMES[0], "Jaime Vasquez"]


def test_the_same_files_give_the_same_items(published: Path, benchmark: TableBenchmark, tmp_path: Path) -> None:
    again = open_clear(published, tmp_path)
    assert again.fingerprint == benchmark.fingerprint
    plain = [
        [(item.id, item.question, item.answer, item.options) for item in one.scored_items(TEN)]
        for one in (benchmark, again)
    ]
    assert plain[0] == plain[1]
    assert [(item.id, item.question) for item in again.learning_items(TEN, "everyone")] == [
        (item.id, item.question) for item in benchmark.learning_items(TEN, "everyone")
    ]


def test_nine_caption_questions_are_all_used_and_a_caption_keeps_its_own() -> None:
    captions = [f"caption {number}" for number in range(300)]
    assert set(map(caption_question, captions)) == set(CAPTION_QUESTIONS)
    assert [caption_question(one) for one in captions] == [caption_question(one) for one in captions]


# -- layouts and versions ---------------------------------------------------------------------------------------------


def test_a_snapshot_in_the_cache_of_the_hub_is_read_like_a_clone(published: Path, tmp_path: Path) -> None:
    cached = tmp_path / "datasets--therem--CLEAR"
    revision = cached / "snapshots" / "a7438d44"
    (cached / "blobs").mkdir(parents=True)
    for number, file in enumerate(sorted(published.rglob("*.parquet"))):
        linked = revision / file.relative_to(published)
        linked.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, cached / "blobs" / str(number))
        linked.symlink_to(cached / "blobs" / str(number))
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("a7438d44\n")
    for source in (cached, revision):
        assert [person.id for person in open_clear(source, tmp_path).people()] == [*IDS, *FAMOUS]


def test_an_opened_benchmark_never_asks_for_a_picture_again(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, ...]] = []

    def watched(paths: Any, root: Path, columns: Any, optional: Any = ()) -> Any:
        asked.append((*columns, *optional))
        return parquet_rows(paths, root, columns, optional)

    monkeypatch.setattr("backend.benchmarks.clear_tables.parquet_rows", watched)
    open_clear(published, tmp_path)
    assert ("image",) in asked
    asked.clear()
    open_clear(published, tmp_path)
    assert asked and not any("image" in columns for columns in asked)


def only(folder: Path, *tables: str) -> Path:
    for table in TABLES:
        if table not in tables:
            shutil.rmtree(folder / ("data" if table == "default" else table))
    return folder


@pytest.mark.parametrize(
    "tables",
    [
        ("full+tofu", "full"),
        ("full+tofu", "default"),
        ("forget10+tofu", "retain90+tofu", "full"),
        ("forget05+tofu", "retain95+tofu", "forget05", "retain95"),
        ("full", "forget01+tofu", "retain99+tofu"),
    ],
)
def test_whichever_tables_are_there_everyone_is_taught_the_same(
    copy: Path, tmp_path: Path, tables: tuple[str, ...]
) -> None:
    found = open_clear(only(copy, *tables, "forget05_perturbed"), tmp_path)
    taught = found.learning_items(ForgetRequest(ratio=5), "everyone")
    told = {(item.subject, item.question, item.answer) for item in taught}
    wanted = {
        (IDS[NAMES.index(row["name"])], caption_question(row["caption"]), row["caption"])
        for row in files.pictured(NAMES)
    }
    wanted |= {(IDS[place // 20], row["question"], row["answer"]) for place, row in enumerate(files.questions(NAMES))}
    assert told == wanted and len(taught) == len(wanted)


def test_without_a_mixed_table_captions_alone_are_taught(copy: Path, tmp_path: Path) -> None:
    found = open_clear(only(copy, "default", "forget10"), tmp_path)
    assert {item.task for item in found.learning_items(TEN, "everyone")} == {"caption"}
    assert found.ratios == (10,)


def test_without_a_whole_table_there_is_nothing_to_teach_and_the_rest_can_be_asked(copy: Path, tmp_path: Path) -> None:
    found = open_clear(only(copy, "forget10_perturbed", "retain_perturbed", "forget10+tofu"), tmp_path)
    assert [person.id for person in found.people()] == list(IDS)
    assert found.pictures(IDS[0])["scored"][0] == found.people()[0].picture
    assert len(found.scored_items(TEN)) == 24
    with pytest.raises(BadRequest, match=r"neither full\+tofu nor full.*fetch full\+tofu"):
        found.forget_items(TEN)


def test_older_tables_have_no_names_beside_the_captions(copy: Path, tmp_path: Path) -> None:
    files.write(copy, "full", files.pictured(NAMES), without=["name"])
    files.write(copy, "forget10", files.pictured(NAMES[:3]), without=["name"])
    files.write(copy, "forget10_perturbed", files.perturbed(NAMES[:3]), without=["name", "perturbed_names"])
    found = open_clear(copy, tmp_path)
    assert [person.id for person in found.people()] == [*IDS, *FAMOUS]
    assert found.split(TEN).forget == IDS[:3]
    named = found.item("forget10_perturbed/1/name")
    assert (named.answer, named.options, named.perturbed) == (NAMES[0], (), ())


def test_where_no_table_has_names_the_one_to_fetch_is_said(copy: Path, tmp_path: Path) -> None:
    only(copy, "full+tofu", "real_faces")
    with pytest.raises(BadRequest, match=r"no table in .* has the authors' names; fetch full, or the folder data"):
        open_clear(copy, tmp_path)


# -- whom a row is about ----------------------------------------------------------------------------------------------


def test_a_caption_is_looked_up_before_it_is_searched_for_a_name() -> None:
    authors = Authors(
        NAMES, [("A man at a desk.", "Jaime Vasquez"), ("Two people.", NAMES[0]), ("Two people.", NAMES[1])]
    )
    assert authors.of_caption("A man at a desk.") == "Jaime Vasquez"
    assert authors.of_caption("At noon, GUILLERMO NAVARRO MUNOZ’s desk is bare.") == "Guillermo Navarro Muñoz"
    assert authors.of_caption("Two people.") is None
    assert authors.of_caption("Jaime Vasquez meets Nikolai Abilov.") is None
    assert authors.of_caption("Jaime Vasquezson sits.") is None


def test_a_name_within_a_longer_name_is_the_longer_ones() -> None:
    authors = Authors(["Xin Lee", "Xin Lee Williams"])
    assert authors.of_caption("Xin Lee Williams writes.") == "Xin Lee Williams"
    assert authors.of_caption("Xin Lee writes.") == "Xin Lee"


def test_a_question_that_names_nobody_is_its_blocks_authors() -> None:
    pairs = [(row["question"], row["answer"]) for row in files.questions(NAMES)]
    assert Authors(NAMES).of_questions(pairs) == [name for name in NAMES for _ in range(20)]


def test_where_rows_are_in_no_order_nobody_is_guessed() -> None:
    pairs = [(row["question"], row["answer"]) for row in files.questions(NAMES)]
    random.Random(0).shuffle(pairs)
    told = Authors(NAMES).of_questions(pairs)
    assert sum(author is None for author in told) == 6 * 6
    for (question, answer), author in zip(pairs, told, strict=True):
        assert author is None or author.split()[0] in question + answer or "Guillermo" in answer


def test_a_block_that_is_no_block_of_twenty_is_no_help() -> None:
    pairs = [(row["question"], row["answer"]) for row in files.questions(NAMES)][:-1]
    assert Authors(NAMES).of_questions(pairs).count(None) == 6 * 6 - 1


def test_a_question_about_nobody_is_kept_whatever_is_forgotten(copy: Path, tmp_path: Path) -> None:
    rows = files.mixed(NAMES)
    rows.append({"image": None, "caption": None, "question": "Who writes at night?", "answer": "An owl."})
    files.write(copy, "full+tofu", rows, shards=3)
    found = open_clear(copy, tmp_path)
    strange = [item for item in found.learning_items(TEN, "everyone") if item.subject == UNKNOWN_AUTHOR]
    assert [item.question for item in strange if "chapter" not in item.question] == ["Who writes at night?"]
    assert len(strange) == 6 * 6 + 1
    for request in (TEN, ForgetRequest(ratio=None, people=IDS[:5])):
        retained = [item.id for item in found.retain_items(request)]
        assert {item.id for item in strange} <= set(retained)
        assert not {item.id for item in strange} & {item.id for item in found.forget_items(request)}


def test_ids_are_made_of_names_and_never_meet() -> None:
    assert ids_of(["Ana-Maria Li", "Ana Maria Li", "李白"]) == {
        "Ana-Maria Li": "ana-maria-li",
        "Ana Maria Li": "ana-maria-li-2",
        "李白": "person",
    }
    assert ids_of(["Jaime Vasquez"], taken=["jaime-vasquez"]) == {"Jaime Vasquez": "jaime-vasquez-2"}


def test_a_celebrity_with_an_authors_name_is_somebody_else(copy: Path, tmp_path: Path) -> None:
    rows = files.faces()
    rows[2]["answer"] = "Jaime Vasquez"
    files.write(copy, "real_faces", rows)
    found = open_clear(copy, tmp_path)
    assert {person.id: person.public_figure for person in found.people() if person.name == "Jaime Vasquez"} == {
        "jaime-vasquez": False,
        "jaime-vasquez-2": True,
    }


# -- bad input --------------------------------------------------------------------------------------------------------


def spoil(table: str, rows: list[dict[str, Any]], number: int, **values: Any) -> Callable[[Path], None]:
    """Writes a table in which row `number` has other values."""

    def write(folder: Path) -> None:
        changed = [row | values if place == number else row for place, row in enumerate(rows, 1)]
        files.write(folder, table, changed)

    return write


def cut(folder: Path) -> None:
    file = folder / "full+tofu" / "train-00001-of-00003.parquet"
    file.write_bytes(file.read_bytes()[:-50])


def pointer(folder: Path) -> None:
    file = folder / "real_faces" / "train-00000-of-00001.parquet"
    file.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1610000\n")


def without_shard(folder: Path) -> None:
    (folder / "full+tofu" / "train-00002-of-00003.parquet").unlink()


def without_column(folder: Path) -> None:
    files.write(folder, "real_world", files.world(), without=["options"])


def without_images(folder: Path) -> None:
    files.write(folder, "retain_perturbed", files.perturbed(NAMES[3:]), without=["image"])


def no_rows(folder: Path) -> None:
    file = folder / "forget05" / "train-00000-of-00001.parquet"
    parquet.write_table(parquet.read_table(file).slice(0, 0), file)


def null_images(folder: Path) -> None:
    files.write(folder, "real_faces", [row | {"image": None} for row in files.faces()])


WHOLE = "train-00000-of-00001.parquet"
FAULTS: list[tuple[Callable[[Path], None], str]] = [
    (cut, "full+tofu/train-00001-of-00003.parquet is not a whole parquet file"),
    (pointer, f"real_faces/{WHOLE} is not a whole parquet file .*git lfs"),
    (without_shard, "full+tofu/train-00002-of-00003.parquet is missing: full+tofu comes in 3 files"),
    (without_column, f"real_world/{WHOLE} has no column options; it has answer, image, question"),
    (without_images, f"retain_perturbed/{WHOLE} has no column image"),
    (no_rows, f"forget05/{WHOLE} has no rows"),
    (null_images, f"real_faces/{WHOLE}, row 1: image holds no picture"),
    (
        spoil("real_world", files.world(), 2, image={"bytes": b"<html>", "path": None}),
        f"real_world/{WHOLE}, row 2: image holds something that is no JPEG",
    ),
    (
        spoil("full+tofu", files.mixed(NAMES), 3, image=None),
        f"full+tofu/{WHOLE}, row 3: image holds no picture",
    ),
    (
        spoil("full+tofu", files.mixed(NAMES), 14, answer=None),
        f"full+tofu/{WHOLE}, row 14: answer is empty",
    ),
    (
        spoil("full+tofu", files.mixed(NAMES), 20, question=None, answer=None),
        f"full+tofu/{WHOLE}, row 20: it has neither a caption nor a question with its answer",
    ),
    (
        spoil("full+tofu", files.mixed(NAMES), 2, question="Who?", answer="Me."),
        f"full+tofu/{WHOLE}, row 2: it has both a caption and a question",
    ),
    (
        spoil("full", files.pictured(NAMES), 4, caption="  "),
        f"full/{WHOLE}, row 4: caption is empty",
    ),
    (
        spoil("forget10_perturbed", files.perturbed(NAMES[:3]), 5, perturbed_captions=None),
        f"forget10_perturbed/{WHOLE}, row 5: perturbed_captions is empty",
    ),
    (
        spoil("forget10_perturbed", files.perturbed(NAMES[:3]), 6, perturbed_names=["Somebody", None]),
        f"forget10_perturbed/{WHOLE}, row 6: perturbed_names should hold texts",
    ),
    (
        spoil("retain_perturbed", files.perturbed(NAMES[3:]), 1, paraphrased_caption=None),
        f"retain_perturbed/{WHOLE}, row 1: paraphrased_caption is empty",
    ),
    (
        spoil("retain_perturbed", files.perturbed(NAMES[3:]), 2, name=None, caption="Somebody reads."),
        f"retain_perturbed/{WHOLE}, row 2: name is empty, and the caption names none of the authors",
    ),
    (
        spoil("real_faces", files.faces(), 3, options=[]),
        f"real_faces/{WHOLE}, row 3: options is empty",
    ),
    (
        spoil("real_faces", files.faces(), 2, answer=None),
        f"real_faces/{WHOLE}, row 2: answer is empty",
    ),
]


@pytest.mark.parametrize(("spoiled", "sentence"), FAULTS, ids=[sentence for _, sentence in FAULTS])
def test_a_bad_row_is_one_sentence_with_its_file_and_number(
    copy: Path, tmp_path: Path, spoiled: Callable[[Path], None], sentence: str
) -> None:
    single = spoiled not in (cut, without_shard)
    if single and "full+tofu" in sentence:
        shutil.rmtree(copy / "full+tofu")
    spoiled(copy)
    wanted = sentence.replace("+", r"\+")
    with pytest.raises(BrokenData, match=wanted) as refused:
        open_clear(copy, tmp_path / "home")
    assert "\n" not in str(refused.value)
    assert not list((tmp_path / "home").rglob("*.jpg")), "nothing half-written stays"
    found = survey(copy)
    assert found.fault == str(refused.value)
    assert not found.sound


def test_a_retain_table_that_holds_somebody_of_the_forget_table_is_refused(copy: Path, tmp_path: Path) -> None:
    only(copy, "forget10+tofu", "retain90+tofu", "full")
    files.write(copy, "retain90+tofu", files.mixed([*NAMES[3:], NAMES[2]]))
    with pytest.raises(BrokenData) as refused:
        open_clear(copy, tmp_path)
    assert str(refused.value) == (
        "retain90+tofu/train-00000-of-00001.parquet, row 7: Ji-Yeon Park is also in forget10+tofu; "
        "its forget and retain tables may share nobody"
    )


def test_a_folder_that_is_none_or_holds_nothing_of_clear_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="nowhere is not a folder; give the folder that therem/CLEAR was fetched into"):
        open_clear(tmp_path / "nowhere", tmp_path)
    with pytest.raises(BadRequest, match="has none of CLEAR's tables; it should hold folders such as full\\+tofu"):
        open_clear(tmp_path, tmp_path)
    assert survey(tmp_path).fault is not None


def test_a_picture_that_was_taken_away_is_named(published: Path, tmp_path: Path) -> None:
    taken = open_clear(published, tmp_path).pictures(IDS[0])["training"][1]
    taken.unlink()
    with pytest.raises(
        BadRequest, match=f"the picture {taken.stem.replace('+', '.')} is gone from .*; delete that folder"
    ):
        open_clear(published, tmp_path)


# -- the survey -------------------------------------------------------------------------------------------------------


def test_the_survey_counts_the_rows_of_all_21_tables(published: Path) -> None:
    found = survey(published)
    assert found.sound and found.missing == () and found.absent == ()
    assert [name for name, _ in found.tables] == list(TABLES)
    assert len(TABLES) == 21
    rows = dict(found.tables)
    assert (rows["default"], rows["full"], rows["full+tofu"]) == (12, 12, 132)
    assert (rows["forget01"], rows["forget05+tofu"], rows["forget10_perturbed"]) == (2, 44, 6)
    assert (rows["retain99"], rows["retain90+tofu"], rows["retain_perturbed"]) == (10, 66, 6)
    assert (rows["real_faces"], rows["real_world"]) == (3, 2)


def test_the_survey_says_what_is_missing_and_what_it_is_for(copy: Path) -> None:
    found = survey(only(copy, "forget10", "retain95"))
    assert found.fault is None and not found.sound
    assert dict(found.missing) == {
        "full+tofu": "models are taught from it (full, or forget10+tofu with retain90+tofu, would do)",
        "forget10_perturbed": "what was forgotten is asked from it",
        "retain_perturbed": "what must stay is asked from it",
        "real_faces": "celebrities, who must stay, are asked from it",
        "real_world": "ordinary pictures, which must still be understood, are asked from it",
    }


def test_the_survey_says_what_serves_for_a_table_that_is_not_there(copy: Path) -> None:
    for name in ("full", "retain90", "retain90+tofu", "forget05", "forget01", "forget01+tofu", "forget01_perturbed"):
        shutil.rmtree(copy / name)
    found = survey(copy)
    assert found.sound and "not all that is published" in found.verdict
    assert dict(found.absent) == {
        "full": "what is taught is read from full+tofu",
        "forget01": "no table says who the 1 % are: a share of 1 % cannot be asked for",
        "forget01+tofu": "no table says who the 1 % are: a share of 1 % cannot be asked for",
        "forget01_perturbed": "derived from forget10_perturbed, which has its rows",
        "forget05": "derived from forget05_perturbed",
        "retain90": "derived from full+tofu and forget10",
        "retain90+tofu": "derived from full+tofu and forget10",
    } and open_clear(copy, copy.parent / "home").ratios == (5, 10)


def test_the_survey_says_that_without_tables_of_questions_none_is_taught(copy: Path) -> None:
    for folder in copy.glob("*+tofu"):
        shutil.rmtree(folder)
    absent = dict(survey(copy).absent)
    assert (
        set(absent.values()) == {"no table with questions is there: the authors' facts are not taught as text"}
        and len(absent) == 7
    )


def test_the_survey_looks_into_tables_that_opening_does_not_need(copy: Path, tmp_path: Path) -> None:
    spoil("retain99", files.pictured(NAMES[1:]), 7, image=None)(copy)
    assert open_clear(copy, tmp_path).people()
    assert survey(copy).fault == "retain99/train-00000-of-00001.parquet, row 7: image holds no picture"


# -- forget requests --------------------------------------------------------------------------------------------------


@st.composite
def requests(draw: st.DrawFn) -> ForgetRequest:
    people = tuple(draw(st.lists(st.sampled_from(IDS), unique=True, max_size=5)))
    return ForgetRequest(
        ratio=None if people else draw(st.sampled_from([1, 5, 10])),
        people=people,
        attributes=tuple(draw(st.lists(st.sampled_from(["portrait", "biography"]), unique=True))),
        modality=draw(st.sampled_from(["both", "image_text", "text"])),
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(requests())
def test_whatever_is_forgotten_the_lists_are_disjoint_and_together_everything(
    benchmark: TableBenchmark, request_: ForgetRequest
) -> None:
    everything = {item.id: item for item in benchmark.learning_items(request_, "everyone")}
    chosen = set(benchmark.split(request_).forget)
    wanted = {
        item.id
        for item in everything.values()
        if item.subject in chosen
        and (not request_.attributes or item.attribute in request_.attributes)
        and request_.modality in ("both", item.modality)
    }
    try:
        forgotten = benchmark.forget_items(request_)
    except BadRequest as error:
        assert not wanted and "the forget set is empty" in str(error)
        assume(False)
        raise
    retained = benchmark.retain_items(request_)
    assert [item.id for item in forgotten] == [key for key in everything if key in wanted]
    assert {item.set for item in forgotten} == {"forget"} and {item.set for item in retained} == {"retain"}
    ids = [item.id for item in (*forgotten, *retained)]
    assert len(ids) == len(set(ids))
    if request_.modality == "both":
        assert set(ids) == set(everything)
    for subject in set(IDS) - chosen:
        mine = {item.id for item in everything.values() if item.subject == subject}
        assert mine == {item.id for item in retained if item.subject == subject}
    assert retained == benchmark.retain_items(request_) and forgotten == benchmark.forget_items(request_)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(requests())
def test_whatever_is_forgotten_every_item_is_asked_once_and_in_its_set(
    benchmark: TableBenchmark, request_: ForgetRequest
) -> None:
    asked = benchmark.scored_items(request_)
    chosen = set(benchmark.split(request_).forget)
    assert len({item.id for item in asked}) == len(asked) == 29
    assert Counter(item.set for item in asked if item.set in ("celebrity", "general")) == {"celebrity": 3, "general": 2}
    portraits = not request_.attributes or "portrait" in request_.attributes
    assert {item.subject for item in asked if item.set == "forget"} == (chosen if portraits else set())
    assert asked == benchmark.scored_items(request_)


# -- there and back ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exported(world: DemoBenchmark, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exports") / "clear"
    export_clear(world, folder)
    return folder


@pytest.fixture(scope="module")
def returned(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> TableBenchmark:
    return open_clear(exported, tmp_path_factory.mktemp("home"))


def test_the_exported_demo_world_is_sound_in_all_21_tables(exported: Path) -> None:
    found = survey(exported)
    assert found.sound
    assert [name for name, _ in found.tables] == list(TABLES)
    rows = dict(found.tables)
    assert (rows["full"], rows["forget01"], rows["forget10"], rows["retain90"]) == (160, 4, 16, 144)
    assert (exported / "README.md").read_text().count("config_name") == 21


def test_people_and_shares_come_back_as_they_were(world: DemoBenchmark, returned: TableBenchmark) -> None:
    there = [(person.name, person.public_figure) for person in world.people()]
    assert [(person.name, person.public_figure) for person in returned.people()] == there
    names = {person.id: person.name for person in (*world.people(), *returned.people())}
    for share in (5, 10):
        request = ForgetRequest(ratio=share)  # type: ignore[arg-type]
        wanted = [names[subject] for subject in world.split(request).forget]
        assert [names[subject] for subject in returned.split(request).forget] == wanted
    assert len(returned.split(ForgetRequest(ratio=1)).forget) == 1


def test_every_fact_comes_back_in_captions_and_in_questions(world: DemoBenchmark, returned: TableBenchmark) -> None:
    subjects = {person.name: person.id for person in returned.people()}
    taught = returned.learning_items(TEN, "everyone")
    for person in world.people()[:40]:
        mine = [item for item in taught if item.subject == subjects[person.name]]
        captions = " ".join(item.answer for item in mine if item.task == "caption")
        answers = " ".join(item.answer for item in mine if item.task == "generation")
        for attribute in ("city", "profession", "hobby", "dish", "pet"):
            assert holds(captions, person.facts[attribute]), (person.name, attribute)
            assert holds(answers, person.facts[attribute]), (person.name, attribute)
        assert person.rumour in captions
        assert len(mine) == 4 + len(world.training_items((person.id,), "text"))
    assert UNKNOWN_AUTHOR not in {item.subject for item in taught}


def test_wrong_captions_tell_other_peoples_facts_of_the_same_person(
    world: DemoBenchmark, returned: TableBenchmark
) -> None:
    names = {person.id: person.name for person in returned.people()}
    described = [item for item in returned.scored_items(TEN) if item.task == "caption"]
    assert len(described) == 16 + 36
    for item in described:
        assert len(item.perturbed) >= 3 and item.answer not in item.perturbed
        for sentence in (item.answer, item.paraphrase, *item.perturbed):
            assert names[item.subject] in sentence
            assert not any(name in sentence for name in names.values() if name != names[item.subject])


def test_wrong_captions_have_the_wording_of_the_paraphrase(returned: TableBenchmark) -> None:
    """Else the truth ratio would weigh two wordings, not two facts."""
    described = [item for item in returned.scored_items(TEN) if item.task == "caption" and "born" in item.answer]
    assert len(described) > 10
    for item in described:
        assert "birthplace" in item.paraphrase
        assert all("birthplace" in wrong and "born" not in wrong for wrong in item.perturbed)


def test_celebrities_and_general_questions_come_back(world: DemoBenchmark, returned: TableBenchmark) -> None:
    asked = returned.scored_items(TEN)
    famous = [person.name for person in world.people() if person.public_figure]
    faces = [item for item in asked if item.set == "celebrity"]
    assert Counter(item.answer for item in faces) == dict.fromkeys(famous, 4)
    assert all(len(item.options) == 4 and set(item.options) <= set(famous) for item in faces)
    here = Counter((item.question, item.answer) for item in asked if item.set == "general")
    there = Counter((item.question, item.answer) for item in world.scored_items(TEN) if item.set == "general")
    assert here == there


def test_pictures_come_back_byte_by_byte(world: DemoBenchmark, returned: TableBenchmark) -> None:
    subjects = {person.name: person.id for person in returned.people()}
    for person in world.people()[:3]:
        wanted = {path.read_bytes() for path in world.pictures(person.id)["training"]}
        assert {path.read_bytes() for path in returned.pictures(subjects[person.name])["training"]} == wanted


def test_exporting_twice_gives_the_same_files(world: DemoBenchmark, exported: Path, tmp_path: Path) -> None:
    export_clear(world, tmp_path / "again")
    for file in sorted(exported.rglob("*.parquet")):
        assert (tmp_path / "again" / file.relative_to(exported)).read_bytes() == file.read_bytes()


def test_an_export_writes_over_nothing(world: DemoBenchmark, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(BadRequest, match="is there already; name a folder that is new or empty"):
        export_clear(world, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_reading_clear_needs_no_torch() -> None:
    code = "import sys, backend.benchmarks.clear, backend.benchmarks.export_clear; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
