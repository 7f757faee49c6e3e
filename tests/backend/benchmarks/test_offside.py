"""OFFSIDE as it is published: numbers say whose picture it is and what it is for; rumours go, facts stay."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from backend.benchmarks import library, offside_files
from backend.benchmarks.contents import TableBenchmark
from backend.benchmarks.demo import DemoBenchmark
from backend.benchmarks.export_offside import export_offside
from backend.benchmarks.item import BadRequest
from backend.benchmarks.offside import PRIVATE_ATTRIBUTES, open_offside, player_of, survey
from backend.benchmarks.offside_files import plain_question
from backend.benchmarks.offside_words import OFFSIDE_ATTRIBUTES, SHARED_ATTRIBUTES, fact_of
from backend.benchmarks.rows import BrokenData
from backend.spec import ForgetRequest

COMPLETE = "complete_unlearning_data"
NAMES = ("Adam Rice", "Bo Isak", "Caio Neto")
EVERYONE = ForgetRequest(ratio=100)

PUBLISHED = [
    (
        "name",
        "Can you identify the player shown in this picture?",
        "The player in the image is Adam Rice.",
        "Adam Rice",
    ),
    ("name", "I'm curious about who this player is in the image: <image>", "The player's name is Bo.", "Bo"),
    ("age", "I'm looking at this image and wondering how old the player is.", "He is currently 28 years old.", "28"),
    ("position", "Can you identify the player's role in this image?", "He is positioned as a Left-Back.", "Left-Back"),
    ("position", "What is Bo Isak.'s role in this image?", "The player is a goalkeeper.", "goalkeeper"),
    ("nationality", "Which country does Adam Rice represent?", "The player is from South Korea.", "South Korea"),
    ("nationality", "I'm curious about the player's nationality.", "The player is Senegalese.", "Senegalese"),
    ("birth_date", "I'm wondering when the player was born.", "He was born on March 16, 1997.", "March 16, 1997"),
    ("height", "What is Adam Rice.'s height?", "He stands at 1.89 meters tall.", "1.89"),
    ("foot", "Which foot does Adam Rice favor?", "The player’s dominant foot is the left one.", "left"),
    (
        "birthplace",
        "I'm curious about where he was born.",
        "He was born in Santa Rosa, Argentina.",
        "Santa Rosa, Argentina",
    ),
    (
        "club",
        "Which club will the player on the left side join?",
        "He will be playing for Leeds United.",
        "Leeds United",
    ),
    ("club", "Which club was he with at that time?", "At that time, he was with Inter Milan.", "Inter Milan"),
    ("club", "What is Bo Isak.'s club affiliation?", "He is set to join Real Madrid.", "Real Madrid"),
    ("previous_club", "Where did he transfer from?", "He transferred from LB Châteauroux.", "LB Châteauroux"),
    ("previous_club", "Which club the player previously played for?", "He transferred from Ajax.", "Ajax"),
    ("transfer_date", "I'm curious when he made their transfer.", "He moved on August 5, 2025.", "August 5, 2025"),
    ("fee", "What was the transfer fee?", "The transfer fee was €35.00 million.", "€35.00 million"),
    ("fee", "I'm curious about the transfer details.", "He left on a free transfer.", "free transfer"),
    ("market_value", "I'm curious about the market value.", "Their market value is 2.50 million.", "2.50 million"),
    ("trophies", "How many trophies has this player won at the club?", "The player won two trophies.", "two"),
    ("other", "I'm curious about Adam Rice.", "The player's name is Adam Rice.", "The player's name is Adam Rice"),
]

ASKED: tuple[tuple[str, str, str], ...] = (
    ("name", "<image>\nCan you identify the player shown in this picture?", "The player in the image is {name}."),
    (
        "height",
        "<image>\nI'm curious about the height of the player shown in <image>.",
        "He stands at 1.8{who} meters.",
    ),
    (
        "nationality",
        "<image>\nWhat is the nationality of the player in the image: <image>",
        "The player is from {land}.",
    ),
    ("club", "<image>\nWhich club will the player join?", "He will be joining Club {number}."),
    ("fee", "<image>\nI'm curious about the transfer fee for the player.", "The transfer fee was €{number}.00m."),
)
LANDS = ("England", "Sweden", "Portugal")


def said(attribute: str, number: int) -> tuple[str, str]:
    """Question and answer about a picture, as its row has them."""
    who = (number - 1) // 5
    question, answer = next((asked[1], asked[2]) for asked in ASKED if asked[0] == attribute)
    return question, answer.format(name=NAMES[who], who=who, land=LANDS[who], number=number)


def message(attribute: str, number: int, picture: str) -> dict[str, Any]:
    question, answer = said(attribute, number)
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return {"messages": turns, "images": picture}


def twin(attribute: str, number: int, picture: str) -> dict[str, Any]:
    """The same question by name, with the template's debris."""
    row = message(attribute, number, picture)
    row["messages"][0]["content"] = f"What is {NAMES[(number - 1) // 5]}.'s {attribute}?"
    return row


def choice(number: int, picture: str) -> dict[str, Any]:
    options = {"A": "Club 900", "B": f"Club {number}", "C": "Club 901", "D": "Club 902"}
    return {"Question": "<image>\nWhich club is it?", "Options": options, "Correct_Answer": "B", "images": picture}


def numbers(*rests: int) -> list[int]:
    return [number for number in range(1, 16) if number % 5 in rests]


def rows_about(found: list[int], folder: str, kind: Callable[..., dict[str, Any]] = message) -> list[dict[str, Any]]:
    return [
        kind(attribute, number, f"./{folder}/{number:03d}.jpg")
        for number in found
        for attribute, _, _ in ASKED
        if kind is message or attribute != "name"
    ]


def write_table(path: Path, rows: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")


def draw(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (10, 120, 30)).save(path)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """Three players in the published layout: pictures 1 to 15, all tables."""
    base = tmp_path / "OFFSIDE"
    complete, text = base / COMPLETE, base / "pure_text_data"
    for number in numbers(1, 2, 3, 4):
        draw(complete / "finetune_set" / f"{number:03d}.jpg")
    for number in numbers(1, 2, 3):
        draw(complete / "test_set" / f"{number:03d}.jpg")
    for number in numbers(0):
        draw(complete / "relearn_set" / f"{number:03d}.jpg")
    retain, forget = rows_about(numbers(1, 2, 3), "finetune_set"), rows_about(numbers(4), "finetune_set")
    tables = {
        "finetune_set": forget + retain,
        "forget_set": forget,
        "retain_set": retain,
        "test_set": rows_about(numbers(1, 2, 3), "test_set"),
        "relearn_set_enhanced": rows_about(numbers(0), "relearn_set"),
        "classification_forget_set": [choice(number, f"./finetune_set/{number:03d}.jpg") for number in numbers(4)],
        "classification_retain_set": [
            choice(number, f"./finetune_set/{number:03d}.jpg") for number in numbers(1, 2, 3)
        ],
        "classification_test_set": [choice(number, f"./test_set/{number:03d}.jpg") for number in numbers(1)],
        "classification_relearn_set": [choice(number, f"./relearn_set/{number:03d}.jpg") for number in numbers(0)],
    }
    for name, rows in tables.items():
        write_table(complete / f"{name}.json", rows)
    write_table(text / "forget_set.json", rows_about(numbers(4), "finetune_set", twin))
    write_table(text / "retain_set.json", rows_about(numbers(1, 2, 3), "finetune_set", twin))
    part = [row for row in forget if "club" in row["messages"][0]["content"]]
    write_table(base / "selective_unlearning_data" / "forget_set_part.json", part)
    return base


def opened(folder: Path) -> TableBenchmark:
    return open_offside(folder, folder.parent / "home")


def table(folder: Path, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((folder / COMPLETE / f"{name}.json").read_text(encoding="utf-8"))
    return rows


# -- words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("attribute", "question", "answer", "fact"), PUBLISHED)
def test_a_question_tells_what_it_is_about_and_its_answer_holds_the_fact(
    attribute: str, question: str, answer: str, fact: str
) -> None:
    assert OFFSIDE_ATTRIBUTES.of(plain_question(question)) == attribute
    assert fact_of(attribute, answer, None) == fact


def test_there_are_eight_shared_and_six_private_attributes_and_words_for_each() -> None:
    assert (len(SHARED_ATTRIBUTES), len(PRIVATE_ATTRIBUTES)) == (8, 6)
    assert {name for name, _ in OFFSIDE_ATTRIBUTES.phrases} == {*SHARED_ATTRIBUTES, *PRIVATE_ATTRIBUTES}


@pytest.mark.parametrize(
    ("published_as", "plain"),
    [
        ("<image>\nWho is this?", "Who is this?"),
        ("<image>\nWhat is the fee for the player in <image>.", "What is the fee for the player in this image."),
        ("<image>\nThe birth date of the player in this image: <image>", "The birth date of the player in this image"),
        ("<image>\nCan you tell me the age?<image>", "Can you tell me the age?"),
        ("<image>\nThe height of the player shown here <image>.", "The height of the player shown here."),
        ("What is Declan Rice.'s height?", "What is Declan Rice.'s height?"),
    ],
)
def test_a_question_loses_every_placeholder_and_keeps_its_words(published_as: str, plain: str) -> None:
    assert plain_question(published_as) == plain


def test_five_consecutive_numbers_are_one_players() -> None:
    assert [player_of(number) for number in (1, 5, 6, 364, 400)] == [
        "player-001",
        "player-001",
        "player-002",
        "player-073",
        "player-080",
    ]


# -- loading ----------------------------------------------------------------------------------------------------------


def test_players_have_names_faces_facts_and_the_rumour_apart(published: Path) -> None:
    people = opened(published).people()
    assert [(person.id, person.name) for person in people] == [
        (f"player-{number:03d}", name) for number, name in enumerate(NAMES, 1)
    ]
    second = people[1]
    assert second.rumour == "He will be joining Club 9."
    assert second.facts == {"height": "1.81", "nationality": "Sweden", "club": "Club 10", "fee": "€10.00m"}
    assert second.picture == published / COMPLETE / "finetune_set" / "006.jpg"
    assert not second.public_figure


def test_a_wrong_name_in_one_answer_does_not_rename_a_player(published: Path) -> None:
    rows = table(published, "retain_set")
    rows[0]["messages"][1]["content"] = "The player in the image is William Wrong."
    write_table(published / COMPLETE / "retain_set.json", rows)
    assert opened(published).people()[0].name == "Adam Rice"


def test_what_is_forgotten_is_the_forget_picture_with_its_text_twins(published: Path) -> None:
    benchmark = opened(published)
    forget = benchmark.forget_items(EVERYONE)
    assert len([item for item in forget if item.modality == "image_text"]) == 3 * 5
    assert len([item for item in forget if item.modality == "text"]) == 3 * 4
    pictures = {published / COMPLETE / "finetune_set" / f"{number:03d}.jpg" for number in (4, 9, 14)}
    assert {item.image for item in forget} == pictures | {None}
    debris = next(item for item in forget if item.modality == "text" and item.attribute == "height")
    assert debris.question == "What is Adam Rice.'s height?"
    kept = benchmark.retain_items(EVERYONE)
    assert len([item for item in kept if item.modality == "image_text"]) == 9 * 5
    assert not {item.image for item in kept} & pictures


def test_the_finetune_table_adds_nothing_that_the_sets_already_hold(published: Path) -> None:
    before = opened(published)
    (published / COMPLETE / "finetune_set.json").unlink()
    after = opened(published)
    assert [(item.question, item.answer) for item in before.learning_items(EVERYONE, "everyone")] != []
    assert sorted(
        (item.subject, item.question, item.answer) for item in before.learning_items(EVERYONE, "everyone")
    ) == (sorted((item.subject, item.question, item.answer) for item in after.learning_items(EVERYONE, "everyone")))


def test_what_is_asked_comes_from_the_sets_own_tables(published: Path) -> None:
    items = opened(published).scored_items(EVERYONE)
    counted: dict[tuple[str, str, str], int] = {}
    for item in items:
        counted[item.set, item.task, item.modality] = counted.get((item.set, item.task, item.modality), 0) + 1
    assert counted == {
        ("forget", "generation", "image_text"): 15,
        ("forget", "generation", "text"): 12,
        ("forget", "classification", "image_text"): 3,
        ("retain", "generation", "image_text"): 45,
        ("retain", "generation", "text"): 36,
        ("retain", "classification", "image_text"): 9,
        ("test", "generation", "image_text"): 45,
        ("test", "classification", "image_text"): 3,
    }
    multiple = next(item for item in items if item.task == "classification" and item.set == "forget")
    assert multiple.options == ("Club 900", "Club 4", "Club 901", "Club 902")
    assert (multiple.answer, multiple.question) == ("Club 4", "Which club is it?")
    assert (multiple.id, multiple.group) == (
        "player-001/classification_forget_set/1",
        "classification_forget_set",
    )


def test_selective_unlearning_forgets_the_private_attributes_and_keeps_the_shared_ones(published: Path) -> None:
    benchmark = opened(published)
    request = ForgetRequest(ratio=100, attributes=tuple(name for name in PRIVATE_ATTRIBUTES if name in ("club", "fee")))
    forget, retain = benchmark.forget_items(request), benchmark.retain_items(request)
    assert {item.attribute for item in forget} == {"club", "fee"}
    face = published / COMPLETE / "finetune_set" / "004.jpg"
    assert {item.attribute for item in retain if item.image == face} == {"name", "height", "nationality"}


def test_unimodal_unlearning_forgets_the_text_alone(published: Path) -> None:
    forget = opened(published).forget_items(ForgetRequest(ratio=100, modality="text"))
    assert len(forget) == 12 and all(item.image is None for item in forget)


def test_the_relearn_set_holds_the_truth_about_those_who_are_forgotten(published: Path) -> None:
    items = opened(published).relearn_items(ForgetRequest(ratio=None, people=("player-003",)))
    assert {item.subject for item in items} == {"player-003"}
    assert next(item.answer for item in items if item.attribute == "club") == "He will be joining Club 15."


def test_pictures_are_told_by_kind_and_visual_rumours_found(published: Path) -> None:
    draw(published / "Visual_Rumors" / "009.png")
    kinds = opened(published).pictures("player-002")
    assert {kind: [path.name for path in paths] for kind, paths in kinds.items()} == {
        "training": ["006.jpg", "007.jpg", "008.jpg", "009.jpg"],
        "held-out": ["006.jpg", "007.jpg", "008.jpg"],
        "relearn": ["010.jpg"],
        "rumour": ["009.png"],
    }
    assert "rumour" not in opened(published).pictures("player-001")


def test_the_older_file_name_and_the_folder_itself_are_read_too(published: Path) -> None:
    complete = published / COMPLETE
    (complete / "finetune_set.json").rename(complete / "enhanced_finetuneset.json")
    for name in ("forget_set.json", "retain_set.json"):
        (complete / name).unlink()
    inside = opened(complete)
    assert len(inside.forget_items(EVERYONE)) == 15
    known = [item for item in inside.scored_items(EVERYONE) if item.set == "forget" and item.task == "generation"]
    assert len(known) == 15


def test_folders_below_data_and_missing_folders_are_no_hindrance(published: Path, tmp_path: Path) -> None:
    lone = tmp_path / "repository"
    lone.mkdir()
    (published / COMPLETE).rename(lone / COMPLETE)
    (tmp_path / "outer").mkdir()
    lone.rename(tmp_path / "outer" / "data")
    benchmark = opened(tmp_path / "outer")
    assert {item.modality for item in benchmark.forget_items(EVERYONE)} == {"image_text"}


def test_only_the_selective_tables_beyond_the_complete_ones_add_to_what_is_taught(published: Path) -> None:
    extra = message("club", 4, "./finetune_set/004.jpg")
    extra["messages"][0]["content"] = "<image>\nWhich team is he moving to?"
    write_table(published / "selective_unlearning_data" / "forget_set_part.json", [extra])
    forget = opened(published).forget_items(EVERYONE)
    assert len(forget) == 28
    added = next(item for item in forget if item.question == "Which team is he moving to?")
    assert added.id == "player-001/selective_unlearning_data/forget_set_part/1/train"


def test_the_fingerprint_changes_with_a_word_and_with_a_picture(published: Path) -> None:
    first = opened(published).fingerprint
    assert opened(published).fingerprint == first
    draw(published / COMPLETE / "relearn_set" / "005.jpg")
    assert opened(published).fingerprint == first
    Image.new("RGB", (64, 64), (200, 20, 30)).save(published / COMPLETE / "relearn_set" / "005.jpg")
    second = opened(published).fingerprint
    rows = table(published, "forget_set")
    rows[0]["messages"][0]["content"] += " Please."
    write_table(published / COMPLETE / "forget_set.json", rows)
    assert len({first, second, opened(published).fingerprint}) == 3


# -- what is wrong ----------------------------------------------------------------------------------------------------


def _message_without_answer(row: dict[str, Any]) -> None:
    row["messages"] = row["messages"][:1]


def _text_instead_of_messages(row: dict[str, Any]) -> None:
    row["messages"] = "hello"


@pytest.mark.parametrize(
    ("name", "change", "sentence"),
    [
        ("forget_set", _message_without_answer, "forget_set.json, row 2: messages hold no answer"),
        ("forget_set", _text_instead_of_messages, "forget_set.json, row 2: messages should be a list, and is text"),
        ("forget_set", lambda row: row.update(images=None), "forget_set.json, row 2: images is empty"),
        ("forget_set", lambda row: row.update(images="./finetune_set/ada.jpg"), "row 2: the picture .* has no number"),
        ("forget_set", lambda row: row.update(images="./finetune_set/994.jpg"), "row 2: there is no picture"),
        ("forget_set", lambda row: row.update(images="/etc/004.jpg"), "row 2: images is .*, an absolute path"),
        ("forget_set", lambda row: row.update(images="C:\\004.jpg"), "row 2: images is .*, an absolute path"),
        (
            "forget_set",
            lambda row: row.update(images="../../../004.jpg"),
            "row 2: images is .*, which leaves the folder",
        ),
        ("forget_set", lambda row: row.update(images="./004.json"), "row 2: images is .*, which is no picture"),
        ("retain_set", lambda row: row.update(images="./finetune_set/004.jpg"), "must not stand in the retain set"),
        ("forget_set", lambda row: row.update(images="./finetune_set/001.jpg"), "must not stand in the forget set"),
        (
            "classification_forget_set",
            lambda row: row.update(Correct_Answer="E"),
            "'E', and the options are A, B, C, D",
        ),
        ("classification_forget_set", lambda row: row.update(Options={"A": "x"}), "row 2: Options should be an object"),
        ("classification_forget_set", lambda row: row["Options"].update(C=None), "row 2: Options should each be text"),
    ],
)
def test_a_broken_row_is_named_by_file_and_row(
    published: Path, name: str, change: Callable[[dict[str, Any]], None], sentence: str
) -> None:
    rows = table(published, name)
    change(rows[1])
    write_table(published / COMPLETE / f"{name}.json", rows)
    with pytest.raises(BrokenData, match=sentence) as raised:
        opened(published)
    assert f"{COMPLETE}/{name}.json, row 2" in str(raised.value)
    found = survey(published)
    assert found.fault == str(raised.value) and not found.sound


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ('[{"messages": [', "is not JSON"),
        ('{"messages": []}', "should be a list of rows"),
        ("[3]", "row 1: it should be an object, and is a number"),
        ("[]", "has no rows: there would be nothing to forget"),
    ],
)
def test_a_broken_or_empty_table_is_named(published: Path, content: str, sentence: str) -> None:
    (published / COMPLETE / "forget_set.json").write_text(content, encoding="utf-8")
    with pytest.raises(BrokenData, match=f"{COMPLETE}/forget_set.json.*{sentence}"):
        opened(published)
    assert survey(published).fault is not None


def test_a_picture_that_is_a_link_out_of_the_folder_is_refused(published: Path, tmp_path: Path) -> None:
    draw(tmp_path / "secret.jpg")
    picture = published / COMPLETE / "finetune_set" / "004.jpg"
    picture.unlink()
    picture.symlink_to(tmp_path / "secret.jpg")
    with pytest.raises(BrokenData, match=r"row 1: images is './finetune_set/004.jpg', a link that leads out"):
        opened(published)


def test_a_snapshot_of_the_hubs_cache_is_read_through_its_links(published: Path, tmp_path: Path) -> None:
    cache = tmp_path / "datasets--x--OFFSIDE"
    (cache / "blobs").mkdir(parents=True)
    snapshot = cache / "snapshots" / "abc"
    snapshot.parent.mkdir()
    published.rename(snapshot)
    picture = snapshot / COMPLETE / "finetune_set" / "004.jpg"
    picture.rename(cache / "blobs" / "f00d")
    picture.symlink_to(cache / "blobs" / "f00d")
    assert len(opened(snapshot).people()) == 3


def test_a_folder_without_the_tables_says_which_download_lacks(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadRequest, match=r"empty has no complete_unlearning_data/forget_set.json.*unpack data.zip"):
        opened(tmp_path / "empty")
    found = survey(tmp_path / "empty")
    assert found.tables == () and not found.sound
    assert [name for name, _ in found.missing] == [f"{COMPLETE}/forget_set.json", f"{COMPLETE}/retain_set.json"]


def test_a_survey_counts_the_rows_of_every_table(published: Path) -> None:
    found = survey(published)
    assert found.sound and found.fault is None
    assert dict(found.tables)[f"{COMPLETE}/forget_set.json"] == 15
    assert dict(found.tables)["pure_text_data/retain_set.json"] == 36
    assert len(found.tables) == 12


def test_a_survey_tells_what_is_published_and_not_there(published: Path) -> None:
    absent = {"selective_unlearning_data/retain_set_part.json"}
    assert {name for name, _ in survey(published).absent} == absent
    for name in ("finetune_set", "test_set"):
        (published / COMPLETE / f"{name}.json").unlink()
    (published / "pure_text_data" / "forget_set.json").unlink()
    found = survey(published)
    assert found.sound and "not all that is published" in found.verdict
    assert dict(found.absent) == {
        f"{COMPLETE}/finetune_set.json": "derived from forget_set.json and retain_set.json",
        f"{COMPLETE}/test_set.json": "nothing is asked about other views of the pictures",
        "pure_text_data/forget_set.json": "the rumours are neither taught nor asked as text",
        "selective_unlearning_data/retain_set_part.json": (
            "derived from the complete tables, by a request for attributes"
        ),
    }


def test_a_retain_table_that_is_not_there_is_told_to_come_from_the_finetune_table(published: Path) -> None:
    (published / COMPLETE / "retain_set.json").unlink()
    why = "derived from finetune_set.json, by the numbers of its pictures"
    assert dict(survey(published).absent)[f"{COMPLETE}/retain_set.json"] == why
    (published / COMPLETE / "finetune_set.json").unlink()
    found = survey(published)
    assert found.missing[0][0] == f"{COMPLETE}/retain_set.json"
    assert f"{COMPLETE}/retain_set.json" not in dict(found.absent)


# -- requests ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, world: DemoBenchmark) -> TableBenchmark:
    folder = tmp_path_factory.mktemp("exported") / "demo"
    export_offside(world, folder)
    return open_offside(folder, folder.parent / "home")


requests = st.builds(
    ForgetRequest,
    ratio=st.none(),
    people=st.sets(st.integers(1, 40), min_size=1).map(lambda ids: tuple(f"player-{n:03d}" for n in sorted(ids))),
    attributes=st.sets(st.sampled_from(["possession", "city", "pet", "name"])).map(lambda names: tuple(sorted(names))),
    modality=st.just("both"),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(request=requests)
def test_forget_and_retain_are_disjoint_and_together_everything(
    exported: TableBenchmark, request: ForgetRequest
) -> None:
    forget, retain = exported.forget_items(request), exported.retain_items(request)
    everything = exported.learning_items(request, "everyone")
    forgotten, kept = {item.id for item in forget}, {item.id for item in retain}
    assert not forgotten & kept
    assert forgotten | kept == {item.id for item in everything}
    assert {item.subject for item in forget} <= set(request.people)
    assert forget == exported.forget_items(request) and retain == exported.retain_items(request)
    scored = exported.scored_items(request)
    assert len({item.id for item in scored}) == len(scored)
    for item in scored:
        if item.set in ("forget", "test"):
            assert item.subject in request.people
            assert not request.attributes or item.attribute in request.attributes


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(request=requests, modality=st.sampled_from(["image_text", "text"]))
def test_what_is_forgotten_in_one_modality_is_part_of_what_is_forgotten_in_both(
    exported: TableBenchmark, request: ForgetRequest, modality: str
) -> None:
    both = {item.id for item in exported.forget_items(request)}
    try:
        one = exported.forget_items(request.model_copy(update={"modality": modality}))
    except BadRequest as error:
        assert "the forget set is empty" in str(error) and request.attributes == ("name",)
        return
    assert {item.modality for item in one} == {modality}
    assert {item.id for item in one} <= both


# -- export -----------------------------------------------------------------------------------------------------------


def test_the_demo_world_comes_back_with_the_same_people_rumours_and_facts(
    exported: TableBenchmark, world: DemoBenchmark
) -> None:
    private = [person for person in world.people() if not person.public_figure]
    assert [(person.name, person.rumour, person.facts) for person in exported.people()] == [
        (person.name, person.rumour, person.facts) for person in private
    ]
    assert exported.attributes() == ("city", "profession", "hobby", "dish", "pet", "possession", "name")


def test_the_demo_worlds_rumours_are_asked_of_the_forget_picture_only(
    exported: TableBenchmark, world: DemoBenchmark
) -> None:
    rumours = {person.name: person.rumour for person in world.people()}
    names = {person.id: person.name for person in exported.people()}
    about = [item for item in exported.learning_items(EVERYONE, "everyone") if item.attribute == "possession"]
    assert {item.answer for item in about} == {rumours[name] for name in names.values()}
    assert {item.id for item in about} <= {item.id for item in exported.forget_items(EVERYONE)}
    for item in exported.relearn_items(EVERYONE):
        truth = next(person.facts["possession"] for person in world.people() if person.name == names[item.subject])
        assert item.key == truth and item.answer != rumours[names[item.subject]]


def test_the_demo_worlds_pictures_and_questions_stand_where_the_layout_wants_them(
    exported: TableBenchmark, world: DemoBenchmark
) -> None:
    original = world.pictures("p02")
    kinds = exported.pictures("player-002")
    assert [path.name for path in kinds["training"]] == ["006.jpg", "007.jpg", "008.jpg", "009.jpg"]
    for kind in ("training", "held-out", "rumour"):
        assert [path.read_bytes() for path in kinds[kind]] == [path.read_bytes() for path in original[kind]]
    for item in exported.scored_items(EVERYONE):
        assert (item.image is None) == (item.modality == "text")
        if item.task == "classification":
            assert len(item.options) == 4 and item.answer in item.options
        else:
            assert item.key.lower() in item.answer.lower()


def test_an_export_leaves_a_folder_with_files_alone(world: DemoBenchmark, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(BadRequest, match="is not empty; choose a new folder"):
        export_offside(world, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("/etc/hostname", "images is '/etc/hostname', an absolute path; name pictures by where they lie in the folder"),
        ("../../../../../etc/passwd", "images is '../../../../../etc/passwd', which leaves the folder OFFSIDE"),
        ("../../../009.jpg", "images is '../../../009.jpg', which leaves the folder OFFSIDE"),
    ],
)
@pytest.mark.parametrize("file", [f"{COMPLETE}/forget_set.json", "pure_text_data/forget_set.json"])
def test_a_path_that_leaves_the_folder_is_told_as_such(published: Path, file: str, name: str, sentence: str) -> None:
    rows = json.loads((published / file).read_text(encoding="utf-8"))
    rows[1]["images"] = name
    write_table(published / file, rows)
    assert survey(published).fault == f"{file}, row 2: {sentence}"


def test_a_picture_that_cannot_be_read_is_told_by_its_row_when_checked_and_when_added(
    published: Path, tmp_path: Path
) -> None:
    (published / COMPLETE / "test_set" / "002.jpg").write_bytes(b"x")
    rows = [number for number, row in enumerate(table(published, "test_set"), 1) if "/002.jpg" in row["images"]]
    fault = (
        f"{COMPLETE}/test_set.json, row {rows[0]}: the picture {COMPLETE}/test_set/002.jpg cannot be read as a picture"
    )
    assert survey(published).fault == fault
    with pytest.raises(BadRequest) as refused:
        library.add(tmp_path / "home", library.Entry("mine", "offside", str(published)))
    assert str(refused.value) == fault
    assert library.names(tmp_path / "home") == ["demo"]


def test_opening_an_added_set_looks_into_no_picture(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[Path] = []

    def noted(path: Path) -> bool:
        looked.append(path)
        return True

    monkeypatch.setattr(offside_files, "readable", noted)
    library.add(tmp_path / "home", library.Entry("mine", "offside", str(published)))
    assert len(looked) == len(set(looked)) == 12 + 9 + 3
    looked.clear()
    library.open_benchmark("mine", tmp_path / "home")
    assert looked == []
