"""Which models can be asked, what about, and what request the page stands for."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import update

from backend.benchmarks.demo import DemoBenchmark
from backend.spec import ForgetRequest
from storage import checkpoints, runs
from storage.database import writing
from storage.tables import Run
from tests.ui.probe_lab import Models, with_models
from ui.askable import chosen_models, model_choices, models_of, usual_models
from ui.asking import (
    CannotAsk,
    View,
    accept_picture,
    asked_item,
    build_probe,
    by_name_or_picture,
    of_person,
    opening,
    picture_of,
    view_of,
)
from ui.context import Lab
from ui.probe_view import panel
from ui.subjects import item_called, people_in_order, pictures_of, questions_of


@pytest.fixture
def made(lab: Lab, world: DemoBenchmark) -> Models:
    return with_models(lab, world)


@pytest.fixture
def view(made: Models) -> View:
    return opening(made.lab, models_of(made.lab))


def test_models_are_listed_by_identity_and_then_the_newest_first(made: Models) -> None:
    models = models_of(made.lab)
    assert [(model.role, model.name) for model in models] == [
        ("original", "vanilla"),
        ("unlearned", "NPO 10 % · step 80"),
        ("unlearned", "GA 5 % · step 80"),
        ("gold", "retain-only"),
    ]


def test_a_model_knows_whom_it_was_to_forget(made: Models, world: DemoBenchmark) -> None:
    original, npo, ga, gold = models_of(made.lab)
    assert npo.forgets == gold.forgets == set(world.split(ForgetRequest(ratio=10)).forget)
    assert len(ga.forgets) == 2 and ga.forgets < npo.forgets
    assert original.forgets == frozenset()


def test_a_retain_finetune_of_the_labs_own_model_can_be_asked_and_stands_for_nobodys_gold(made: Models) -> None:
    run = runs.get(made.lab.engine, made.gold.run_id)
    tuned = {**run.spec, "model": f"run:{made.original.run_id}"}
    with writing(made.lab.engine) as session:
        session.execute(update(Run).where(Run.id == run.id).values(spec=tuned))
    models = models_of(made.lab)
    assert (models[-1].role, models[-1].checkpoint, models[-1].forgets) == ("control", made.gold.id, frozenset())
    assert [model.checkpoint for model in usual_models(models)] == [made.original.id, made.newest.id]


def test_a_model_whose_files_are_gone_says_so_in_the_list_and_cannot_be_asked(made: Models, view: View) -> None:
    shutil.rmtree(checkpoints.path_of(made.lab.home, made.newest))
    models = models_of(made.lab)
    assert made.newest.id not in {model.checkpoint for model in usual_models(models)}
    listed = dict((value, words) for words, value in panel(made.lab, view, models).models)
    assert listed[f"unlearned:{made.newest.id}"] == "● NPO 10 % · step 80 · ✕ missing"
    with pytest.raises(CannotAsk, match="The files of “NPO 10 % · step 80” are missing; choose another model"):
        build_probe(made.lab, replace(view, models=(f"unlearned:{made.newest.id}",)), models)


def test_usually_the_newest_unlearned_model_is_asked_with_its_original_and_its_gold(made: Models) -> None:
    models = models_of(made.lab)
    assert [model.checkpoint for model in usual_models(models)] == [
        made.original.id,
        made.newest.id,
        made.gold.id,
    ]


def test_a_run_in_the_address_chooses_its_own_model(made: Models) -> None:
    chosen = usual_models(models_of(made.lab), run=made.older.run_id)
    assert made.older.id in {model.checkpoint for model in chosen}
    assert made.newest.id not in {model.checkpoint for model in chosen}


def test_without_models_nothing_is_chosen_and_the_refusal_says_what_to_do(lab: Lab, world: DemoBenchmark) -> None:
    empty = replace(lab, benchmarks={"demo": world})
    view = opening(empty, [])
    assert view.models == ()
    with pytest.raises(CannotAsk, match="launch a run first"):
        build_probe(empty, view, [])


def test_chosen_models_always_stand_on_the_page(made: Models) -> None:
    models = models_of(made.lab)
    many = [replace(models[1], checkpoint=f"c{number}") for number in range(20)]
    last = many[-1]
    on_page, rest = model_choices([*many, models[0]], [last])
    assert last in on_page and len(on_page) == 8
    assert not set(on_page) & set(rest) and len(on_page) + len(rest) == 21


def test_those_who_are_forgotten_come_first_and_public_figures_last(made: Models) -> None:
    models = models_of(made.lab)
    people = people_in_order(made.lab.benchmarks["demo"], models[1].forgets)
    assert {person.id for person in people[:4]} == models[1].forgets
    held_out = [person.id for person in made.lab.benchmarks["demo"].holdout_people()]
    assert all(person.public_figure for person in people[40:48])
    assert [person.id for person in people[48:]] == held_out


def test_a_person_has_held_out_training_and_rumour_pictures(made: Models) -> None:
    pictures = pictures_of(made.lab.benchmarks["demo"], "p03")
    kinds = {name.split(" view ")[0] for name in pictures}
    assert kinds == {"held-out", "training", "rumour"}
    assert all(path.exists() and path.name.startswith("p03") for path in pictures.values())


def test_only_pictures_of_the_person_and_uploads_can_be_named(made: Models, tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    kept = accept_picture(tmp_path / "a.png", made.lab.home)
    assert picture_of(made.lab, View(picture=f"upload:{kept.stem}")) == kept
    for name in ("../../etc/passwd", str(kept), "upload:../a", f"upload:{'0' * 64}", "training view 99"):
        assert picture_of(made.lab, View(benchmark="demo", person="p03", picture=name)) is None
    assert picture_of(made.lab, View(benchmark="demo", person="p03", picture="training view 1")) is not None


@pytest.mark.parametrize("subject", ["p03", "p48"])
def test_questions_are_worded_once_and_name_the_person_only_as_text(made: Models, subject: str) -> None:
    name = next(person.name for person in made.lab.benchmarks["demo"].people() if person.id == subject)
    seen, named = (questions_of(made.lab.benchmarks["demo"], subject, by_name) for by_name in (False, True))
    assert len({question.text for question in seen}) == len(seen)
    assert not [question for question in seen if name in question.text]
    assert [question for question in named if name in question.text] == named
    assert all(item.subject == subject for question in seen + named for item in question.items)


def test_the_page_opens_on_somebody_forgotten_and_a_question_whose_answer_is_known(made: Models, view: View) -> None:
    spec = build_probe(made.lab, view, models_of(made.lab))
    assert view.person in models_of(made.lab)[1].forgets
    assert spec.item_id and spec.key and spec.key in (spec.truth or "")
    assert spec.image and Path(spec.image).name.startswith(view.person or "-")


def test_the_truth_is_sent_only_while_the_question_is_unchanged(made: Models, view: View) -> None:
    models = models_of(made.lab)
    same = build_probe(made.lab, replace(view, question=f"  {view.question}\n"), models)
    typed = build_probe(made.lab, replace(view, question=view.question + " Tell me."), models)
    assert same.truth and same.question == view.question
    assert (typed.truth, typed.key, typed.item_id) == (None, None, None)


def test_by_name_no_picture_is_sent_and_the_question_becomes_its_counterpart(made: Models, view: View) -> None:
    turned = by_name_or_picture(made.lab, view, True)
    spec = build_probe(made.lab, turned, models_of(made.lab))
    before, after = asked_item(made.lab, view), asked_item(made.lab, turned)
    assert before and after and (before.attribute, after.attribute) == ("city", "city")
    assert spec.image is None and spec.truth == after.answer


def test_a_typed_question_stays_when_the_person_changes(made: Models, view: View) -> None:
    typed = of_person(made.lab, replace(view, question="Do you know me?"), "p05")
    assert (typed.person, typed.question) == ("p05", "Do you know me?")
    asked = of_person(made.lab, view, "p05")
    item = asked_item(made.lab, asked)
    assert item is not None and (item.subject, item.attribute) == ("p05", "city")


def test_an_item_in_the_address_sets_person_picture_and_question(made: Models, world: DemoBenchmark) -> None:
    item = item_called(world, "p03/test/generation/image_text/pet")
    assert item is not None
    view = opening(made.lab, models_of(made.lab), item=item.id)
    assert (view.person, view.question, view.by_name) == ("p03", item.question, False)
    assert picture_of(made.lab, view) == item.image
    assert item_called(world, "nobody/at/all") is None


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"models": ()}, "No model is chosen; choose at least one to ask."),
        ({"question": "  "}, "The question is empty; type one or choose one from the list."),
        ({"question": "x" * 4001}, "The question has 4001 characters; shorten it to 4000."),
        ({"question": "why " * 25_000}, "The question has 99999 characters; shorten it to 4000."),
        (
            {"person": None, "picture": None},
            "There is no picture; choose a person, upload one, or ask by name as text.",
        ),
        ({"max_new_tokens": 0}, "Longest answer must be at least 1."),
        ({"max_new_tokens": 2.5}, "Longest answer must be a whole number."),
        ({"seed": None}, "Seed must be a whole number."),
        ({"sample": True, "temperature": 9}, "Temperature must be at most 5."),
    ],
)
def test_what_cannot_be_asked_is_refused_with_one_sentence(
    made: Models, view: View, change: dict[str, object], sentence: str
) -> None:
    with pytest.raises(CannotAsk) as caught:
        build_probe(made.lab, replace(view, **change), models_of(made.lab))  # type: ignore[arg-type]
    assert str(caught.value) == sentence


def test_four_models_are_the_most(made: Models, view: View) -> None:
    models = models_of(made.lab)
    five = [*models, replace(models[1], checkpoint="another")]
    assert len(build_probe(made.lab, replace(view, models=tuple(model.choice for model in models)), models).models) == 4
    with pytest.raises(CannotAsk, match="5 models are chosen; choose at most 4"):
        build_probe(made.lab, replace(view, models=tuple(model.choice for model in five)), five)


def test_cards_stand_in_the_order_of_identities_whatever_was_clicked_first(made: Models) -> None:
    models = models_of(made.lab)
    clicked = [model.choice for model in reversed(models)]
    assert chosen_models(models, clicked) == models


def test_a_kept_request_sets_the_page_as_it_was(made: Models, view: View) -> None:
    models = models_of(made.lab)
    changed = replace(view, attack="roleplay", sample=True, temperature=0.5, seed=7, max_new_tokens=9)
    request = build_probe(made.lab, changed, models).model_dump(mode="json")
    assert view_of(made.lab, request, models) == changed
    assert view_of(made.lab, request, models[:1]).models == (models[0].choice,)


def test_a_request_names_its_benchmark_and_an_item_of_another_is_left_out(made: Models, view: View) -> None:
    models = models_of(made.lab)
    request = build_probe(made.lab, view, models).model_dump(mode="json")
    assert request["benchmark"] == "demo" and request["item_id"] is not None
    by_name = request | {"image": None}
    assert view_of(made.lab, by_name, models).person == view.person
    assert view_of(made.lab, by_name | {"benchmark": "mine"}, models).person is None
