"""The Data page: what an address shows, what a request takes, whom a search finds, and what may be added."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import gradio as gr
import pytest
from PIL import Image

from backend.benchmarks.contents import Contents, TableBenchmark
from backend.benchmarks.item import Item, Person
from backend.benchmarks.library import FORMATS, Library
from backend.benchmarks.survey import Survey
from backend.spec import ForgetRequest
from ui import data_adding, data_form, data_person, data_request, data_view, gallery, launch_views, launching
from ui.context import Lab
from ui.data_adding import Fault, Form
from ui.data_request import Listed, View
from ui.data_sections import sections
from ui.pictures import PictureRefused

IDS = ("ann", "ben", "cem", "dan")


def question(subject: str, attribute: str, task: str, modality: str, **given: object) -> Item:
    return Item(
        id=f"{subject}/{attribute}/{task}/{modality}{given.pop('end', '')}", subject=subject, set="forget",
        task=task, modality=modality, question=f"What {attribute}?", answer=f"It is {attribute}.", key=attribute,
        attribute=attribute, **given,
    )  # type: ignore[arg-type]  # fmt: skip


def small_world(folder: Path, people: tuple[Person, ...] | None = None) -> TableBenchmark:
    """Four private people and a famous one. Each private one is asked two facts as text and one with the picture,
    and the first fact once more as a test; the famous one is asked once."""
    picture = folder / "face.png"
    Image.new("RGB", (12, 8), "navy").save(picture)
    everyone = people or (
        *(Person(one, f"{one.title()} Åberg", picture, False, {"city": "Oslo"}) for one in IDS),
        Person("eve", "Eve Star", picture, True),
    )
    private = [person.id for person in everyone if not person.public_figure]
    known = tuple(
        item
        for one in private
        for item in (
            question(one, "city", "generation", "text"),
            question(one, "pet", "cloze", "text"),
            question(one, "city", "classification", "image_text", image=picture, options=("It is no.", "It is city.")),
        )
    )
    return TableBenchmark("small", "Small world", "demo", "abc", Contents(
        people=everyone,
        shares={5: tuple(private[:1])} if people is None else {},
        training=tuple(replace(item, id=f"{item.id}/train") for item in known),
        known=known,
        test=tuple(replace(question(one, "city", "generation", "text", end="/test"), set="test") for one in private),
        celebrity=(replace(question("eve", "city", "generation", "text"), set="celebrity"),) if people is None else (),
        pictures={one: {"training": (picture,)} for one in private},
    ))  # fmt: skip


@pytest.fixture
def small(tmp_path: Path) -> TableBenchmark:
    return small_world(tmp_path)


@pytest.fixture
def shown(lab: Lab, small: TableBenchmark) -> Lab:
    return replace(lab, benchmarks={"small": small})


def asked(*people: str, attributes: tuple[str, ...] = ()) -> ForgetRequest:
    return ForgetRequest(ratio=None, people=people, attributes=attributes)


# -- the address ---


@pytest.mark.parametrize(
    "view",
    [
        View(),
        View("small", "ann", 5),
        View("small", chosen=True),
        View("small", people=("a,b", "50%", "%2C", "ü&x=1"), chosen=True, attributes=("home, sweet",), page=3),
        View("small", text="a b & c"),
    ],
)  # fmt: skip
def test_an_address_brings_back_the_same_view(view: View) -> None:
    assert View.read(dict(parse_qsl(urlsplit(view.address()).query))) == view


def test_what_an_address_cannot_mean_is_passed_over() -> None:
    assert View.read({"forget": "ten", "page": "-3", "people": ",,"}) == View()
    assert View.read({"forget": "9999", "page": "٣"}) == View()


def test_a_request_is_carried_to_the_launch_form_whole(shown: Lab) -> None:
    small = shown.benchmarks["small"]
    view = View("small", people=("ann", "x,y"), chosen=True, attributes=("city",))
    query = dict(parse_qsl(urlsplit(view.launch_address(small)).query))
    values = launching.opening(shown.engine, query).values
    assert (values["benchmark"], values["request.people"]) == ("small", ("ann", "x,y"))
    assert (values["request.ratio"], values["request.attributes"]) == (launching.CHOSEN, ("city",))
    assert View("small", share=10).launch_address(replace_shares(small, 5, 10)).endswith("benchmark=small&forget=10")


def replace_shares(benchmark: TableBenchmark, *shares: int) -> TableBenchmark:
    contents = replace(benchmark._contents, shares={share: ("ann",) for share in shares})
    return TableBenchmark(benchmark.name, benchmark.title, "demo", "abc", contents)


# -- the request ---


def test_the_sets_of_chosen_people_are_counted(small: TableBenchmark) -> None:
    counts = data_request.figures(small, asked("ann", "ben"))
    assert counts.sets == {"forget": (2, 6), "test": (2, 2), "retain": (2, 6), "celebrity": (1, 1)}
    assert counts.trained == {"forget": 6, "retain": 6} and not counts.untrained
    assert {task: dict(by) for task, by in counts.tasks.items()} == {
        "generation": {"text": 4 + 2 + 1},
        "cloze": {"text": 4},
        "classification": {"image_text": 4},
    }


def test_with_attributes_only_those_are_forgotten_of_them(small: TableBenchmark) -> None:
    counts = data_request.figures(small, asked("ann", attributes=("pet",)))
    assert counts.sets == {"forget": (1, 1), "retain": (4, 11), "celebrity": (1, 1)}
    sets = {item.id: item.set for item in data_request.asked_of(small, asked("ann", attributes=("pet",)), "ann")}
    assert sets == {
        "ann/city/generation/text": "retain",
        "ann/pet/cloze/text": "forget",
        "ann/city/classification/image_text": "retain",
    }


def test_what_is_taught_says_whether_it_goes_or_stays(small: TableBenchmark) -> None:
    taught = data_request.taught_of(small, asked("ann", attributes=("pet",)), "ann")
    assert [where for _, where in taught] == ["retain", "forget", "retain"]
    assert {where for _, where in data_request.taught_of(small, asked("ann"), "dan")} == {"retain"}


def test_without_a_choice_the_first_published_share_is_shown(small: TableBenchmark) -> None:
    assert data_request.share_of(View("small"), replace_shares(small, 1, 5)) == 1
    assert data_request.share_of(View("small"), replace_shares(small, 5, 10)) == 10
    assert data_request.share_of(View("small", share=15), replace_shares(small, 5, 15)) == 15
    assert data_request.request_of(View("small"), replace_shares(small)) is None
    assert data_request.request_of(View("small", chosen=True), small) is None


def test_a_request_that_cannot_be_is_told_in_its_own_words(shown: Lab) -> None:
    for people, sentence in (
        (("eve",), "Eve Star is a public figure: the celebrity set must stay"),
        (IDS, "everyone is chosen; somebody must be left to retain"),
        (("zoe",), "nobody here has the id 'zoe'"),
        (("ann", "ann"), "the same person is chosen twice"),
    ):
        card = sections(shown, View("small", people=people, chosen=True))["request"]
        assert sentence in html.unescape(card) and "Carry into Launch" not in card


# -- people ---


def test_a_search_minds_neither_capitals_nor_accents_nor_order(small: TableBenchmark) -> None:
    people = small.people()
    assert [one.id for one in data_request.found(people, "ABERG ben")] == ["ben"]
    assert [one.id for one in data_request.found(people, "eve")] == ["eve"]
    assert len(data_request.found(people, " ")) == 5 and not data_request.found(people, "nobody")


def test_people_are_shown_sixty_at_a_time(tmp_path: Path) -> None:
    many = tuple(Person(f"s{n:03d}", f"No {n}", tmp_path / "face.png", False) for n in range(130))
    world = small_world(tmp_path, many)
    first, last = data_view.portraits(world, View("small")), data_view.portraits(world, View("small", page=9))
    assert first.count("lethe-tile-open") == 60 and "60 of 130 shown · page 1 of 3" in first
    assert last.count("lethe-tile-open") == 10 and "10 of 130 shown · page 3 of 3" in last
    assert data_request.page_of(many, 2) == (2, list(many[60:120]))


def test_a_person_is_shown_with_every_question_and_its_set(shown: Lab) -> None:
    here = sections(shown, View("small", "ann", people=("ann",), chosen=True))
    assert not here["portraits"] and "Ann Åberg" in here["person"] and "Will be forgotten" in here["person"]
    items = here["items"]
    assert "4 items" in items and items.count("lethe-set-test") == 1 and items.count("lethe-set-retain") == 0
    assert '<span aria-label="right">✓</span> It is city.' in items and "It is no." in items
    assert "Choose to forget" in sections(shown, View("small", "ben", people=("ann",), chosen=True))["person"]
    assert "must stay" in sections(shown, View("small", "eve"))["person"]
    assert "has the id zoe" in sections(shown, View("small", "zoe"))["person"]


def test_the_marks_of_the_sets_change_but_the_portraits_are_not_sent_again(shown: Lab) -> None:
    one, other = (sections(shown, View("small", people=(who,), chosen=True)) for who in ("ann", "ben"))
    assert one["portraits"] == other["portraits"] and (one["framed"], other["framed"]) == (["ann"], ["ben"])


def test_a_picture_is_shown_large_only_if_it_is_the_persons_own(small: TableBenchmark) -> None:
    address, caption = data_person.large(small, "ann", "training", 0)
    assert address.startswith("data:image/webp;base64,") and "face.png · 12 × 8" in caption
    for kind, place in (("training", 1), ("training", -1), ("../etc", 0), ("training", "0")):
        with pytest.raises(PictureRefused, match="not here any more"):
            data_person.large(small, "ann", kind, place)


def test_whose_picture_is_gone_is_shown_by_initials(tmp_path: Path) -> None:
    tile = gallery.picture(Person("x", "Ada Brandt", tmp_path / "gone.jpg", False), 64, 64, "")
    assert ">AB</span>" in tile and "gone.jpg cannot be read" in tile


def test_names_questions_and_ids_from_files_are_escaped(tmp_path: Path, lab: Lab) -> None:
    evil = '"><script>alert(1)</script>'
    people = tuple(Person(f"{evil}{n}", evil, tmp_path / "face.png", False, {evil: evil}) for n in range(2))
    world = small_world(tmp_path, people)
    world.title = evil
    hostile = replace(lab, benchmarks={"small": world})
    for view in (View("small"), View("small", f"{evil}0", people=(f"{evil}0",), chosen=True, attributes=(evil,))):
        here = sections(hostile, view)
        assert here.pop("framed") in ([], [f"{evil}0"]), "ids travel as data, not as markup"
        assert not [name for name, content in here.items() if "<script" in str(content)]
        assert "&lt;script" in "".join(map(str, here.values()))


# -- adding and removing ---


def table(folder: Path, rows: str) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "people.csv").write_text(f"subject,question,answer\n{rows}", encoding="utf-8")
    return str(folder)


def test_own_data_is_checked_added_listed_and_removed(lab: Lab, tmp_path: Path) -> None:
    lab = replace(lab, benchmarks=Library(lab.home))
    good = Form("custom", table(tmp_path / "good", "a,Who?,Ada\nb,Who?,Bo\n"), name="mine")
    assert "Everything is here and can be read" in data_adding.checked(good)
    assert "people.csv</td>" in data_adding.checked(good)
    assert "Added mine: 2 people, 0 public figures among them; 1 attribute." in data_adding.added(
        data_adding.add(lab, good)
    )
    here = sections(lab, View("mine"))
    assert here["removable"] and "own data" in here["about"] and "2 of 2 shown" in here["portraits"]
    assert "Nobody is chosen yet" in here["request"]
    assert "was removed" in data_adding.remove(lab, "mine")
    assert [one.name for one in data_request.listed(lab)] == ["demo"]
    assert "No data set called" in data_adding.remove(lab, "mine")


def test_a_set_whose_files_are_gone_is_listed_with_the_reason(lab: Lab, tmp_path: Path) -> None:
    lab = replace(lab, benchmarks=Library(lab.home))
    source = table(tmp_path / "good", "a,Who?,Ada\nb,Who?,Bo\n")
    data_adding.add(lab, Form("custom", source, name="mine"))
    (tmp_path / "good").rename(tmp_path / "moved")
    gone = data_request.listed(lab)[-1]
    assert gone.name == "mine" and "there is no folder or file" in gone.fault
    here = sections(lab, View("mine"))
    assert "mine is not open: there is no folder or file" in here["person"] and here["removable"]
    assert "There is no benchmark called other here." in sections(lab, View("other"))["person"]


@pytest.mark.parametrize(
    ("changes", "at", "sentence"),
    [
        ({"source": " "}, "source", "Name a folder or file of this machine, or a data set of the hub."),
        ({"source": "/no/such"}, "source", "There is no folder or file /no/such on this machine."),
        ({"name": "Big Name"}, "name", "A name has up to 40 small letters, digits, - and _, and begins"),
        ({"name": "demo"}, "name", "There is a benchmark called demo already; choose another name"),
        ({"columns": {"question": ""}}, "columns", "The column for question must not be empty."),
        ({"columns": {"answer": "reply"}}, "source", "reply"),
    ],
)
def test_a_fault_stands_at_its_field_and_nothing_is_kept(
    lab: Lab, tmp_path: Path, changes: dict[str, object], at: str, sentence: str
) -> None:
    form = Form("custom", table(tmp_path / "good", "a,Who?,Ada\nb,Who?,Bo\n"), name="mine")
    with pytest.raises(Fault) as caught:
        data_adding.add(lab, replace(form, **changes))  # type: ignore[arg-type]
    assert caught.value.at == at and sentence in str(caught.value)
    assert not list((lab.home / "data").glob("*"))


def test_every_broken_row_is_listed_by_its_number(tmp_path: Path) -> None:
    told = data_adding.checked(Form("custom", table(tmp_path / "bad", "a,<b>Who?,Ada\n,Who?,x\nc,,y\n")))
    assert "2 faults" in told and "row 2" in told and "row 3" in told and "Everything" not in told


def test_what_is_missing_is_said_with_the_reason() -> None:
    told = data_adding.survey_html(Survey((("forget_5", 25),), (("ft_Data", "<what> a model learns"),), None), [])
    assert "&lt;what&gt; a model learns" in told and "Everything" not in told


def test_what_is_published_and_not_there_is_said_with_what_serves_instead() -> None:
    absent = (("retain_95", "derived from Full_Set and <forget_5>"),)
    told = data_adding.survey_html(Survey((("forget_5", 25),), (), None, absent), [])
    assert "Everything that is needed is here and can be read; not all that is published is here." in told
    assert "retain_95" in told and "derived from Full_Set and &lt;forget_5&gt;" in told


def test_sets_of_one_title_are_told_apart_by_the_names_they_were_added_under() -> None:
    sets = [
        Listed("demo", "The demo"),
        Listed("clear", "CLEAR"),
        Listed("clear-<2>", "CLEAR"),
        Listed("off", "OFFSIDE"),
    ]
    chips = re.findall(r"<a [^>]*>(.*?)</a>", data_view.benchmarks(sets, View(benchmark="clear")))
    assert chips == [
        "The demo",
        'CLEAR <span class="lethe-muted">clear</span>',
        'CLEAR <span class="lethe-muted">clear-&lt;2&gt;</span>',
        "OFFSIDE",
    ]


def test_the_name_that_is_proposed_goes_with_the_format() -> None:
    proposed = {format: data_adding.name_example(format) for format in FORMATS}
    assert proposed == {"mllmu": "mllmu-2", "clear": "clear-2", "offside": "offside-2", "custom": "my-people"}
    with gr.Blocks() as page:
        adding = data_form.draw()
    (switched,) = [made for made in page.fns.values() if made.fn.__name__ == "on_kind"]
    told = switched.fn("custom", "folder")
    assert adding.name in switched.outputs and told[adding.name]["placeholder"] == "my-people"
    assert "value" not in told[adding.name], "what was typed stays"


def test_a_line_that_cannot_be_read_can_still_be_removed(lab: Lab) -> None:
    lab = replace(lab, benchmarks=Library(lab.home))
    (lab.home / "data").mkdir(parents=True)
    (lab.home / "data" / "odd.json").write_text(json.dumps([1]), encoding="utf-8")
    assert "cannot be read" in sections(lab, View("odd"))["person"]
    assert "was removed" in data_adding.remove(lab, "odd")


# -- the launch page follows the benchmark ---


def test_another_benchmark_brings_its_own_share_people_and_attributes(shown: Lab) -> None:
    small = shown.benchmarks["small"]
    form = launching.defaults("unlearn") | {
        "benchmark": "small", "request.attributes": ("city", "dish"), "request.people": ("ann", "p01"),
    }  # fmt: skip
    fit = launching.fitted(form, replace_shares(small, 1, 5), shown.engine)
    assert (fit["request.ratio"], fit["request.attributes"]) == (1, ("city",))
    assert fit["request.people"] == ("ann",)
    assert launching.fitted(form, replace_shares(small), shown.engine)["request.ratio"] == launching.CHOSEN
    assert launching.with_share(form, replace_shares(small, 5, 10))["request.ratio"] == 10
    assert launching.people_of(small, form) == (), "a share that is not there frames nobody"


def test_an_address_with_a_share_that_is_not_published_opens_with_the_first_and_says_so(shown: Lab) -> None:
    worlds = {"small": replace_shares(shown.benchmarks["small"], 1, 5)}
    opened = launching.opening(shown.engine, {"benchmark": "small", "forget": "15"}, worlds)
    assert opened.values["request.ratio"] == 1 and "small has no forget set of 15 %" in opened.notice
    assert not launching.opening(shown.engine, {"benchmark": "small"}, worlds).notice


def test_a_crowd_is_shown_in_part_with_those_to_be_forgotten_first(tmp_path: Path) -> None:
    crowd = [Person(f"s{n:03d}", f"No {n}", tmp_path / "no.jpg", n == 0) for n in range(80)]
    ids = [one.id for one in gallery.shown(crowd, ["s070", "s079"])]
    assert ids[:3] == ["s070", "s079", "s001"] and len(ids) == 60
    assert [one.id for one in gallery.shown(crowd[:61], ["s050"])][:2] == ["s001", "s002"]
    assert "60 of 79 people shown" in launch_views.unshown_html("a b", crowd)
    assert 'href="/data?benchmark=a+b"' in launch_views.unshown_html("a b", crowd)
    assert launch_views.unshown_html("a", crowd[:61]) == ""
