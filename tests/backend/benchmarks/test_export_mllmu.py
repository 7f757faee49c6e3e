"""The demo world written in MLLMU-Bench's format and read back: the same people, questions and answers.

On what is read back, forget requests of every kind are tried: nothing is lost, nothing is in both sets.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.benchmarks.contents import Contents, TableBenchmark
from backend.benchmarks.demo import DemoBenchmark
from backend.benchmarks.export_mllmu import TASKS, export_mllmu
from backend.benchmarks.item import BadRequest, Item
from backend.benchmarks.mllmu import open_mllmu, survey
from backend.metrics.answers import holds
from backend.spec import ForgetRequest


@pytest.fixture(scope="module")
def folder(world: DemoBenchmark, tmp_path_factory: pytest.TempPathFactory) -> Path:
    written = tmp_path_factory.mktemp("export") / "mllmu"
    export_mllmu(world, written)
    return written


@pytest.fixture(scope="module")
def read_back(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> TableBenchmark:
    return open_mllmu(folder, tmp_path_factory.mktemp("home"))


def questions(items: list[Item]) -> Counter[tuple[object, ...]]:
    """What the format holds of items, as it holds it: a cloze has the blank `[Blank]` and is answered with the word."""
    return Counter(
        (
            item.subject,
            item.set,
            item.task,
            item.modality,
            item.question.replace("__", "[Blank]"),
            item.key if item.task == "cloze" else item.answer,
            item.options,
            item.attribute,
        )
        for item in items
        if item.task in TASKS and item.set not in ("general", "holdout")
    )


def test_the_tables_are_those_of_the_published_tree(folder: Path) -> None:
    found = survey(folder)
    assert found.sound
    rows = dict(found.tables)
    assert [rows[f"forget_{share}"] for share in (5, 10, 15)] == [2, 4, 6]
    assert [rows[f"retain_{share}"] for share in (95, 90, 85)] == [38, 36, 34]
    assert (rows["Full_Set"], rows["Test_Set"], rows["Retain_Set"]) == (40, 40, 8)
    assert [path.name for path in sorted((folder / "Test_Set").iterdir())] == [
        "train-00000-of-00002.parquet",
        "train-00001-of-00002.parquet",
    ]
    columns = parquet.read_schema(folder / "Full_Set" / "train-00000-of-00001.parquet").names
    assert columns == [
        "image",
        "ID",
        "Directory",
        "biography",
        "question",
        "answer",
        "Classification_Task",
        "Generation_Task",
        "Mask_Task",
    ]


def test_the_blank_of_a_cloze_is_written_as_published(folder: Path, world: DemoBenchmark) -> None:
    row = next(parquet.ParquetFile(folder / "Full_Set" / "train-00000-of-00001.parquet").iter_batches()).to_pylist()[0]
    city = next(person.facts["city"] for person in world.people() if person.id == row["ID"])
    assert row["Mask_Task"][0] == {
        "Ground_Truth": city,
        "Question": "Fill in: This person was born in __.",
        "Type": "Image_Textual",
    }


def test_the_people_come_back_with_their_rumour_as_a_fact(world: DemoBenchmark, read_back: TableBenchmark) -> None:
    for ours, theirs in zip(world.people(), read_back.people(), strict=True):
        rumour = theirs.facts["rumour"]
        assert holds(ours.rumour, rumour)
        assert replace(ours, picture=theirs.picture, rumour="", facts=ours.facts | {"rumour": rumour}) == theirs
        assert ours.picture.read_bytes() == theirs.picture.read_bytes()


@pytest.mark.parametrize("ratio", [5, 10, 15])
def test_the_same_questions_come_back_with_options_answers_and_attributes(
    world: DemoBenchmark, read_back: TableBenchmark, ratio: int
) -> None:
    request = ForgetRequest.model_validate({"ratio": ratio})
    assert read_back.split(request) == world.split(request)
    assert questions(read_back.scored_items(request)) == questions(world.scored_items(request))


def test_every_test_question_shows_the_picture_that_it_showed(world: DemoBenchmark, read_back: TableBenchmark) -> None:
    def shown(benchmark: DemoBenchmark | TableBenchmark) -> Counter[tuple[str, str, str, bytes]]:
        return Counter(
            (item.subject, item.task, item.question.replace("__", "[Blank]"), item.image.read_bytes())
            for item in benchmark.scored_items(ForgetRequest(ratio=5))
            if item.set == "test" and item.image and item.task in TASKS
        )

    assert shown(read_back) == shown(world) != Counter()


def test_every_training_pair_comes_back_with_its_picture(world: DemoBenchmark, read_back: TableBenchmark) -> None:
    people = {person.id: person for person in world.people()}

    def taught(items: list[Item]) -> Counter[tuple[str, str, str, bytes]]:
        return Counter(
            (item.subject, item.question, item.answer, (item.image or people[item.subject].picture).read_bytes())
            for item in items
            if item.set != "general"
        )

    items = read_back.training_items(tuple(people))
    assert taught(items) == taught(world.training_items(tuple(people)))
    attributes = {(item.subject, item.question): item.attribute for item in world.training_items(tuple(people))}
    for item in items:
        assert item.attribute.lower() == attributes[item.subject, item.question], "names are filed under `Name`"


def test_what_was_written_can_be_written_again(read_back: TableBenchmark, tmp_path: Path) -> None:
    export_mllmu(read_back, tmp_path / "again")
    again = open_mllmu(tmp_path / "again", tmp_path / "home")
    request = ForgetRequest(ratio=10)
    assert questions(again.scored_items(request)) == questions(read_back.scored_items(request))
    assert [person.facts for person in again.people()] == [person.facts for person in read_back.people()]


def test_a_folder_that_holds_something_is_left_alone(world: DemoBenchmark, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("done")
    with pytest.raises(BadRequest, match="is there already and holds something; name a new folder"):
        export_mllmu(world, tmp_path / "mine")
    assert [path.name for path in tmp_path.rglob("*")] == ["mine", "thesis.txt"]


def altered(world: DemoBenchmark, **changes: object) -> TableBenchmark:
    """Two people of the demo world, with every item changed."""
    people = tuple(world.people()[:2])
    items = [
        replace(item, set="retain")
        for item in world.scored_items(ForgetRequest(ratio=5))
        if item.subject in ("p01", "p02") and item.set in ("forget", "retain") and item.task in TASKS
    ]
    items = [replace(item, **changes) for item in items]  # type: ignore[arg-type]
    contents = Contents(people, {5: ("p01",)}, training=tuple(items), known=tuple(items))
    return TableBenchmark("small", "Small", "demo", "f", contents)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"task": "cloze", "question": "Who?"}, "has no blank: Who[?]"),
        ({"task": "classification", "options": tuple("abcde"), "answer": "a"}, "has 5 options, and this format"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_left_behind(
    world: DemoBenchmark, tmp_path: Path, changes: dict[str, object], sentence: str
) -> None:
    with pytest.raises(BadRequest, match=sentence):
        export_mllmu(altered(world, **changes), tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_benchmark_without_the_published_shares_and_an_id_that_is_no_file_name_are_refused(
    world: DemoBenchmark, tmp_path: Path
) -> None:
    person = world.people()[0]
    with pytest.raises(BadRequest, match="Small has no forget set of 5, 10 or 15 %"):
        export_mllmu(TableBenchmark("s", "Small", "demo", "f", Contents((person,), {1: ("p01",)})), tmp_path / "out")
    with pytest.raises(BadRequest, match="the id 'p 1' does not fit"):
        odd = Contents((replace(person, id="p 1"),), {5: ("p 1",)})
        export_mllmu(TableBenchmark("s", "Small", "demo", "f", odd), tmp_path / "out")


# -- forget requests --------------------------------------------------------------------------------------------------

PRIVATE = tuple(f"p{number:02d}" for number in range(1, 41))
ATTRIBUTES = ("city", "profession", "hobby", "dish", "pet", "rumour", "Name")


@st.composite
def requests(draw: st.DrawFn) -> ForgetRequest:
    ratio = draw(st.sampled_from((5, 10, 15, None)))
    people = () if ratio else tuple(draw(st.sets(st.sampled_from(PRIVATE), min_size=1, max_size=39)))
    return ForgetRequest(
        ratio=ratio,
        people=people,
        attributes=tuple(draw(st.sets(st.sampled_from(ATTRIBUTES)))),
        modality=draw(st.sampled_from(("both", "image_text"))),
    )


@settings(max_examples=40, deadline=None)
@given(request=requests())
def test_whatever_is_asked_forget_and_retain_are_disjoint_and_together_everything(
    read_back: TableBenchmark, request: ForgetRequest
) -> None:
    forget, retain = read_back.forget_items(request), read_back.retain_items(request)
    ids = [item.id for item in (*forget, *retain)]
    assert len(ids) == len(set(ids))
    assert set(ids) == {item.id for item in read_back.learning_items(request, "everyone")}
    assert {item.set for item in forget} == {"forget"} and {item.set for item in retain} == {"retain"}
    pairs = {(item.subject, item.image, item.question) for item in forget}
    assert not pairs & {(item.subject, item.image, item.question) for item in retain}


@settings(max_examples=40, deadline=None)
@given(request=requests())
def test_whatever_is_asked_the_forget_set_is_about_who_and_what_was_asked_and_about_nobody_else(
    read_back: TableBenchmark, request: ForgetRequest
) -> None:
    split = read_back.split(request)
    together = [*split.forget, *split.retain, *split.celebrity]
    assert len(together) == len(set(together)) == len(read_back.people())
    if request.people:
        assert set(split.forget) == set(request.people)
    for item in read_back.forget_items(request):
        assert item.subject in split.forget
        assert not request.attributes or item.attribute in request.attributes
    asked = read_back.scored_items(request)
    assert len({item.id for item in asked}) == len(asked)
    belongs = {"forget": split.forget, "test": split.forget, "celebrity": split.celebrity}
    for item in asked:
        assert item.subject in belongs.get(item.set, (*split.retain, *split.forget))
        if item.set == "retain" and item.subject in split.forget:
            assert request.attributes and item.attribute not in request.attributes


@settings(max_examples=15, deadline=None)
@given(request=requests())
def test_the_same_request_gives_the_same_lists(read_back: TableBenchmark, request: ForgetRequest) -> None:
    assert read_back.forget_items(request) == read_back.forget_items(request)
    assert read_back.retain_items(request) == read_back.retain_items(request)
    assert read_back.scored_items(request) == read_back.scored_items(request)


def test_forget_data_of_text_alone_is_refused_as_every_pair_has_a_picture(read_back: TableBenchmark) -> None:
    with pytest.raises(BadRequest, match="the forget set is empty"):
        read_back.forget_items(ForgetRequest(modality="text"))
