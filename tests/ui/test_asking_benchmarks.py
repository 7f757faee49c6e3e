"""The Probe page in a lab of several benchmarks: it shows the people of whom its models were made to forget."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from PIL import Image

from backend.benchmarks import library
from backend.benchmarks.demo import DemoBenchmark
from backend.benchmarks.export_mllmu import export_mllmu
from backend.benchmarks.item import Benchmark, Item
from backend.benchmarks.library import Entry, Library
from backend.presets import fill
from backend.spec import EvaluateSpec, FinetuneSpec, ForgetRequest
from storage import probes, runs
from storage.errors import NotFound
from storage.tables import Run
from tests.ui.probe_lab import Models, made, with_models
from ui import asking, exchange, gallery, people, probe_view, subjects
from ui.api import functions, probe_spec
from ui.api_said import Refused
from ui.askable import made_on, models_of, usual_models
from ui.asking import View
from ui.context import Lab
from ui.probe_view import Panel


@pytest.fixture(scope="module")
def exported(world: DemoBenchmark, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo world in the tables of a paper, where its people have the same ids."""
    folder = tmp_path_factory.mktemp("paper") / "MLLMU"
    export_mllmu(world, folder)
    return folder


@pytest.fixture
def both(lab: Lab, world: DemoBenchmark, shared_home: Path, exported: Path, tmp_path: Path) -> Models:
    """The four models of the demo world, and after them GA on 15 % of the people of a second benchmark, `paper`."""
    shutil.copytree(shared_home / "worlds", lab.home / "worlds")
    source = shutil.copytree(exported, tmp_path / "MLLMU")
    library.add(lab.home, Entry("paper", "mllmu", str(source)))
    models = with_models(lab, world)
    lab = replace(models.lab, benchmarks=Library(lab.home))
    newest = made(lab, "GA on paper", fill("ga", benchmark="paper", request={"ratio": 15}), models.original.id)
    return replace(models, lab=lab, newest=newest, older=models.newest)


@pytest.fixture
def paper(both: Models) -> Benchmark:
    return both.lab.benchmarks["paper"]


@pytest.fixture
def evaluated(both: Models) -> Run:
    """The demo's NPO model, asked the questions of the other benchmark."""
    spec = EvaluateSpec(model=f"checkpoint:{both.older.id}", benchmark="paper").model_dump(mode="json")
    return runs.submit(
        both.lab.engine, kind="evaluate", name="NPO, asked", spec=spec, parent_checkpoint_id=both.older.id
    )


def shown(lab: Lab, view: View) -> Panel:
    return probe_view.panel(lab, view, models_of(lab))


def arrived(lab: Lab, query: str) -> View:
    return probe_view.arrival(lab, dict(parse_qsl(query)))[0]


def a_question(benchmark: Benchmark, ratio: int, modality: str = "image_text") -> Item:
    """A generated question about the last of whom a share forgets, in the held-out words."""
    request = ForgetRequest(ratio=ratio)
    items = [item for item in benchmark.scored_items(request) if item.set == "test" and item.modality == modality]
    return [item for item in items if item.task == "generation"][-1]


# -- whose people are shown --------------------------------------------------------------------------------------------


def test_the_people_are_those_of_the_benchmark_the_newest_model_was_made_on(both: Models, paper: Benchmark) -> None:
    view = asking.opening(both.lab, models_of(both.lab))
    panel = shown(both.lab, view)
    forgotten = paper.split(ForgetRequest(ratio=15)).forget
    assert (view.benchmark, view.held) == ("paper", False)
    assert {one for _, one in panel.people[:6]} == set(forgotten) == set(panel.forgotten) and len(forgotten) == 6
    assert view.person in forgotten
    spec = asking.build_probe(both.lab, view, models_of(both.lab))
    assert spec.benchmark == "paper" and spec.item_id
    assert (spec.truth, spec.image) == (paper.item(spec.item_id).answer, str(paper.item(spec.item_id).image))
    assert Path(spec.image or "").is_relative_to(both.lab.home / "data" / "pictures")
    assert {name for _, name in panel.benchmarks} == {"demo", "paper"}


def test_other_models_bring_their_own_benchmark_with_them(both: Models, world: DemoBenchmark) -> None:
    models = models_of(both.lab)
    before = asking.opening(both.lab, models)
    npo = [model.choice for model in usual_models(models, run=both.older.run_id)]
    view = asking.follow(both.lab, replace(before, models=tuple(npo)), models)
    assert view.benchmark == "demo" and view.person in world.split(ForgetRequest(ratio=10)).forget
    was, now = asking.asked_item(both.lab, before), asking.asked_item(both.lab, view)
    assert was and now and was.attribute == now.attribute == "city"
    assert asking.follow(both.lab, replace(view, models=()), models).benchmark == "demo"


def test_of_models_from_different_benchmarks_the_first_unlearned_one_decides(both: Models) -> None:
    by_id = {model.checkpoint: model for model in models_of(both.lab)}
    original, npo, ga = (by_id[one.id] for one in (both.original, both.older, both.newest))
    assert made_on([original, npo, ga]) == "demo" and made_on([original, ga, npo]) == "paper"
    assert made_on([original]) == "demo" and made_on([]) == ""
    assert made_on([replace(npo, benchmark=""), ga]) == "paper"


def test_a_benchmark_that_a_person_chose_stays_until_that_of_the_models_is_chosen(both: Models) -> None:
    models = models_of(both.lab)
    view = asking.in_benchmark(both.lab, asking.opening(both.lab, models), "demo", models)
    assert (view.benchmark, view.held) == ("demo", True)
    fewer = asking.follow(both.lab, replace(view, models=(f"unlearned:{both.newest.id}",)), models)
    assert fewer.benchmark == "demo"
    back = asking.in_benchmark(both.lab, fewer, "paper", models)
    assert (back.benchmark, back.held) == ("paper", False)


def test_a_typed_question_and_an_uploaded_picture_stay_when_the_benchmark_changes(both: Models, tmp_path: Path) -> None:
    models = models_of(both.lab)
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    view = replace(asking.opening(both.lab, models), question="Who is it?")
    own, _ = probe_view.with_upload(both.lab, tmp_path / "a.png", view)
    moved = asking.in_benchmark(both.lab, own, "demo", models)
    assert (moved.person, moved.picture, moved.question) == (None, own.picture, "Who is it?")
    assert asking.in_benchmark(both.lab, view, "demo", models).question == "Who is it?"


# -- addresses -------------------------------------------------------------------------------------------------------


def test_the_link_ask_again_opens_on_the_run_s_own_benchmark_models_and_question(
    both: Models, paper: Benchmark
) -> None:
    demo = both.lab.benchmarks["demo"]
    for run, benchmark, ratio in ((both.older.run_id, demo, 10), (both.newest.run_id, paper, 15)):
        item = a_question(benchmark, ratio)
        view = arrived(both.lab, f"item={item.id}&run={run}")
        assert (view.benchmark, view.person, view.question) == (benchmark.name, item.subject, item.question)
        assert asking.picture_of(both.lab, view) == item.image
        assert run in {model.run for model in models_of(both.lab) if model.choice in view.models}


def test_the_link_of_an_evaluation_asks_the_model_that_it_asked(both: Models, evaluated: Run, paper: Benchmark) -> None:
    item = a_question(paper, 5, "text")
    view = arrived(both.lab, f"item={item.id}&run={evaluated.id}")
    assert (view.benchmark, view.held, view.person, view.by_name) == ("paper", True, item.subject, True)
    assert f"unlearned:{both.older.id}" in view.models and f"unlearned:{both.newest.id}" not in view.models


def test_an_address_brings_the_same_page_back(both: Models, evaluated: Run) -> None:
    models = models_of(both.lab)
    queries = ("", "benchmark=demo", "benchmark=paper", f"run={both.older.run_id}", f"run={evaluated.id}")
    for query in queries:
        view = arrived(both.lab, query)
        address = shown(both.lab, view).address
        assert "benchmark=" in address and arrived(both.lab, address) == view, query
    typed = replace(asking.opening(both.lab, models), question="Who is it?")
    assert shown(both.lab, typed).address == "benchmark=paper"


def test_a_lab_of_one_benchmark_has_no_choice_and_a_short_address(both: Models, world: DemoBenchmark) -> None:
    lab = replace(both.lab, benchmarks={"demo": world})
    library.remove(lab.home, "paper")
    runs.delete(lab.engine, both.newest.run_id)
    panel = shown(lab, asking.opening(lab, models_of(lab)))
    assert [name for _, name in panel.benchmarks] == ["demo"]
    assert dict(parse_qsl(panel.address)).keys() == {"item"}


def test_a_question_or_a_model_that_is_gone_is_said_and_the_page_opens(both: Models) -> None:
    view, sections = probe_view.arrival(both.lab, {"item": "p99/test", "benchmark": "paper"})
    assert "has no question p99/test" in sections["fault"] and view.person
    view, sections = probe_view.arrival(both.lab, {"run": "0" * 32})
    assert "cannot be asked" in sections["fault"] and view.models
    assert probe_view.arrival(both.lab, {"run": both.older.run_id})[1]["fault"] == ""


def test_a_kept_probe_brings_back_its_own_benchmark(both: Models, world: DemoBenchmark) -> None:
    models = models_of(both.lab)
    view = replace(arrived(both.lab, f"run={both.older.run_id}"), models=(f"unlearned:{both.newest.id}",), held=True)
    request = asking.build_probe(both.lab, view, models).model_dump(mode="json")
    probe = probes.save(both.lab.engine, request, [])
    assert arrived(both.lab, f"probe={probe.id}") == view
    assert view.benchmark == "demo" and view.person in world.split(ForgetRequest(ratio=10)).forget


# -- who was to forget ------------------------------------------------------------------------------------------------


def test_an_id_of_another_benchmark_is_not_the_person_who_was_forgotten(
    both: Models, world: DemoBenchmark, paper: Benchmark
) -> None:
    """The export keeps the ids, so each of the demo's forgotten people has a namesake in the paper."""
    by_id = {model.checkpoint: model for model in models_of(both.lab)}
    subject = next(iter(by_id[both.older.id].forgets))
    models = tuple(by_id[one.id].choice for one in (both.original, both.older))
    view = View(models=models, person=subject, benchmark="paper", held=True)
    words = shown(both.lab, view).subject
    assert "NPO 10 % · step 80 was made on demo" in words and "forgotten in" not in words
    item = next(item for item in paper.scored_items(ForgetRequest(ratio=15)) if item.subject == subject)
    request = {"benchmark": "paper", "item_id": item.id, "truth": item.answer, "key": item.key}
    assert both.older.id not in exchange.about(both.lab, request).forgotten_by
    there = f"{subject}/test/generation/image_text/city"
    assert both.older.id in exchange.about(both.lab, {"benchmark": "demo", "item_id": there}).forgotten_by


def test_the_gold_model_beside_an_unlearned_one_is_of_the_same_benchmark(both: Models) -> None:
    models = models_of(both.lab)
    npo = next(model for model in models if model.checkpoint == both.older.id)
    twin = replace(npo, checkpoint="twin", run="twin", benchmark="paper")
    assert both.gold.id in {model.checkpoint for model in usual_models([*models, twin], run=npo.run)}
    assert both.gold.id not in {model.checkpoint for model in usual_models([*models, twin], run="twin")}
    assert usual_models(models, benchmark="paper")[-1].checkpoint == both.newest.id
    assert usual_models(models, benchmark="nobody's") == usual_models(models)


def test_somebody_who_is_held_out_is_found_last_and_by_the_link(both: Models, world: DemoBenchmark) -> None:
    held_out = world.holdout_people()[0]
    item = next(
        item for item in world.scored_items(ForgetRequest(ratio=10))
        if item.subject == held_out.id and item.task == "generation" and item.modality == "image_text"
    )  # fmt: skip
    view = arrived(both.lab, f"item={item.id}&run={both.older.run_id}")
    panel = shown(both.lab, view)
    assert (view.person, view.question) == (held_out.id, item.question)
    assert "never taught to any model" in panel.subject and "kept in" not in panel.subject
    assert (f"{held_out.name} (held out)", held_out.id) in panel.people[-8:]


# -- benchmarks that are gone, large, or without pictures --------------------------------------------------------------


def test_a_benchmark_whose_folder_is_gone_is_one_sentence_and_the_rest_works(both: Models, tmp_path: Path) -> None:
    models = models_of(both.lab)
    before = asking.opening(both.lab, models)
    (tmp_path / "MLLMU").rename(tmp_path / "elsewhere")
    view = arrived(both.lab, "")
    panel = shown(both.lab, view)
    assert f"The benchmark paper cannot be opened: there is no folder or file {tmp_path / 'MLLMU'}" in panel.absent
    assert ("✕ paper", "paper") in panel.benchmarks and (panel.people, panel.questions) == ([], [])
    assert probe_view.portraits(both.lab, view) == ""
    typed = replace(view, by_name=True, question="Where does Anna live?")
    assert asking.build_probe(both.lab, typed, models).benchmark == "paper"
    demo = asking.in_benchmark(both.lab, before, "demo", models)
    assert demo.person and shown(both.lab, demo).absent == ""
    (tmp_path / "elsewhere").rename(tmp_path / "MLLMU")
    assert arrived(both.lab, "") == before


def test_a_benchmark_that_was_removed_is_still_named_where_its_model_stands(both: Models) -> None:
    library.remove(both.lab.home, "paper")
    panel = shown(both.lab, arrived(both.lab, ""))
    assert "There is no benchmark called &#39;paper&#39;; there are demo" in panel.absent
    assert [name for _, name in panel.benchmarks] == ["demo", "paper"]
    kept = {"models": [both.newest.id], "benchmark": "paper", "item_id": "p01/x", "image": None, "question": "Who?"}
    view = asking.view_of(both.lab, kept, models_of(both.lab))
    assert (view.benchmark, view.person, view.question) == ("paper", None, "Who?")


def a_crowd(folder: Path, *, pictured: bool) -> Entry:
    """653 people with a question each; one file is the picture of everybody but the last, whose own is broken."""
    folder.mkdir()
    Image.new("RGB", (64, 64), "navy").save(folder / "face.png")
    Image.new("RGB", (64, 64), "red").save(folder / "last.png")
    pictures = ["face.png"] * 652 + ["last.png"]
    rows = [f"s{number:03d},Where is it?,In town {number},{picture}" for number, picture in enumerate(pictures)]
    (folder / "people.csv").write_text("subject,question,answer,image\n" + "\n".join(rows), encoding="utf-8")
    columns = {"subject": "subject", "question": "question", "answer": "answer"}
    return Entry("crowd", "custom", str(folder), columns=columns | ({"image": "image"} if pictured else {}))


def test_of_a_crowd_sixty_portraits_are_shown_and_everyone_is_in_the_list(both: Models, tmp_path: Path) -> None:
    library.add(both.lab.home, a_crowd(tmp_path / "crowd", pictured=True))
    (tmp_path / "crowd" / "last.png").write_bytes(b"no picture any more")
    models = models_of(both.lab)
    view = asking.in_benchmark(both.lab, asking.opening(both.lab, models), "crowd", models)
    panel, portraits = shown(both.lab, view), probe_view.portraits(both.lab, view)
    assert len(panel.people) == 653
    assert portraits.count("<button") == gallery.MOST == 60 and "60 of 653 people shown" in portraits
    assert len(portraits) < 100_000
    last = asking.of_person(both.lab, view, "s652")
    portraits = probe_view.portraits(both.lab, last)
    assert portraits.count("<button") == 61 and 'data-person="s652"' in portraits
    assert "lethe-no-picture" in portraits and "cannot be read" in shown(both.lab, last).subject


def test_who_has_no_picture_is_asked_about_by_name(both: Models, tmp_path: Path) -> None:
    library.add(both.lab.home, a_crowd(tmp_path / "crowd", pictured=False))
    view = arrived(both.lab, "benchmark=crowd")
    assert (view.person, view.picture, view.by_name, view.question) == ("s000", None, True, "Where is it?")
    spec = asking.build_probe(both.lab, view, models_of(both.lab))
    assert (spec.benchmark, spec.image, spec.truth) == ("crowd", None, "In town 0")


def test_portraits_of_few_need_no_note(world: DemoBenchmark) -> None:
    few = people.thumbnails(world.people())
    assert few.count("<button") == 48 and "shown" not in few and people.thumbnails([]) == ""


def test_benchmarks_of_one_title_are_told_apart_by_name(both: Models, tmp_path: Path) -> None:
    source = shutil.copytree(tmp_path / "MLLMU", tmp_path / "copy")
    library.add(both.lab.home, Entry("again", "mllmu", str(source)))
    words = dict((name, text) for text, name in shown(both.lab, arrived(both.lab, "")).benchmarks)
    assert words["paper"] == f"{words['again'].removesuffix('again')}paper"


# -- before there is a model ------------------------------------------------------------------------------------------


def test_before_there_is_a_model_the_page_says_what_is_made_or_what_to_start(lab: Lab, world: DemoBenchmark) -> None:
    lab = replace(lab, benchmarks={"demo": world})

    def said() -> str:
        return shown(lab, arrived(lab, "")).nothing_yet

    assert 'href="/launch"' in said() and "make one first" in said()
    runs.submit(lab.engine, kind="evaluate", name="asked", spec=EvaluateSpec().model_dump(mode="json"))
    assert "make one first" in said(), "an evaluation makes no model"
    spec = FinetuneSpec().model_dump(mode="json")
    run = runs.submit(lab.engine, kind="finetune", name="<vanilla>", spec=spec)
    assert f'href="/runs?run={run.id}"' in said() and "is being made: &lt;vanilla&gt;, queued" in said()
    assert 'href="/launch"' not in said()
    runs.move(lab.engine, run.id, "first")
    assert runs.claim(lab.engine, "worker", "host", "CPU").id == run.id  # type: ignore[union-attr]
    runs.heartbeat(lab.engine, run.id, 1, step=75, steps=600, eta_s=9)
    assert "&lt;vanilla&gt;, step 75 of 600" in said()
    runs.finish(lab.engine, run.id, 1, "failed", error="no room")
    assert "make one first" in said()


def test_with_a_model_the_page_asks_to_choose_it_and_then_says_nothing(both: Models) -> None:
    models = models_of(both.lab)
    assert "choose one under Models" in probe_view.nothing_yet(both.lab, models, [])
    assert probe_view.nothing_yet(both.lab, models, models[:1]) == ""


# -- programs ---------------------------------------------------------------------------------------------------------


def test_a_program_names_the_benchmark_of_an_item_or_leaves_it_to_the_models(both: Models, paper: Benchmark) -> None:
    item = a_question(paper, 15)
    for benchmark in ("paper", ""):
        spec = probe_spec(both.lab, [both.newest.id], item.question, item_id=item.id, benchmark=benchmark)
        assert (spec.benchmark, spec.item_id, spec.truth) == ("paper", item.id, item.answer)
        assert spec.image == str(item.image)
    with pytest.raises(ValueError, match=f"no item {item.id!r} in demo"):
        probe_spec(both.lab, [both.newest.id], item.question, item_id=item.id)
    assert probe_spec(both.lab, [both.older.id[:12]], "Who?", benchmark="").benchmark == "demo"
    with pytest.raises(NotFound):
        probe_spec(both.lab, ["nobody"], "Who?", benchmark="")


def test_a_program_is_told_of_a_benchmark_that_is_not_here_or_not_open(both: Models, tmp_path: Path) -> None:
    api = {function.__name__: function for function in functions(both.lab)}
    with pytest.raises(Refused, match="no benchmark called 'mine'; there are demo, paper"):
        api["probe"]([both.newest.id], "Who?", benchmark="mine")
    (tmp_path / "MLLMU").rename(tmp_path / "elsewhere")
    for call in (
        lambda: api["probe"]([both.newest.id], "Who?", benchmark="paper"),
        lambda: api["submit_run"]({"kind": "unlearn", "benchmark": "paper"}),
    ):
        with pytest.raises(Refused, match="the benchmark paper cannot be opened: there is no folder or file"):
            call()


def test_a_program_s_run_takes_the_benchmark_that_is_open_already(
    both: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert both.lab.benchmarks["paper"] is subjects.opened(both.lab, "paper")
    read: list[str] = []
    monkeypatch.setattr(library, "open_benchmark", lambda name, home: read.append(name))
    api = {function.__name__: function for function in functions(both.lab)}
    spec = {
        "kind": "unlearn",
        "benchmark": "paper",
        "request": {"ratio": 15},
        "model": f"checkpoint:{both.original.id}",
    }
    assert api["submit_run"](spec, "again")["spec"]["benchmark"] == "paper"
    assert read == []
