"""Methods that do more, or less, than minimise on the launch page, and the reference that a method asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from sqlalchemy import Engine

from backend.presets import fill
from backend.spec import FinetuneSpec, ForgetRequest, UnlearnSpec
from storage import checkpoints, claims, runs
from storage.tables import Run
from tests.ui import test_launching
from tests.ui.test_launching import WORLDS, ended, form, queue, words_of
from ui import launch_views, launching, origins, this_run

engine, vanilla = test_launching.engine, test_launching.vanilla


def test_manu_is_chosen_like_any_other_method_and_shows_its_own_settings_alone(engine: Engine, vanilla: Run) -> None:
    assert {("MANU", "manu"), ("Task vector", "task_vector"), ("SKU", "sku"), ("Prompting", "prompt")} <= set(
        launch_views.method_choices()
    )
    switched = launching.switch(
        form() | launching.chosen({"preset": "manu"}, None), launching.filled_for(form()), engine
    )
    assert (switched["preset"], switched["edit.method"]) == ("manu", "manu")
    shown = {path for path in switched if path.startswith(("edit.", "training.")) and launching.applies(path, switched)}
    assert shown == {
        *("edit.prune_share", "edit.fires_above", "edit.prune_samples"),
        *("training.modules", "training.batch_size", "training.precision", "training.seed"),
    }
    assert not any(launching.applies(place, switched) for place in ("own", "guards", "objective.beta", "reference"))
    assert all(launching.applies(place, form(method="sku")) for place in ("own", "guards", "edit.negation"))
    spec, faults = launching.check(engine, WORLDS, switched)
    assert isinstance(spec, UnlearnSpec) and spec.edit == fill("manu").edit, faults
    assert this_run.suggest_name(engine, spec) == "MANU · forget 10 %"
    assert this_run.command(spec, "a", "vanilla").startswith(
        "python -m backend submit unlearn --preset manu --forget 10"
    )
    assert this_run.estimate(engine, spec, WORLDS["demo"]) is None


def test_what_it_does_is_told_in_mathematics_with_its_source(engine: Engine) -> None:
    said = launch_views.formula_html("manu", fill("manu"))
    assert "θ<sub>j</sub> ← 0" in said and "I<sub>forget</sub>(j) / I<sub>retain</sub>(j)" in said
    assert "arXiv 2502.15910" in said and "minimise</span>" not in said
    learnt = launch_views.formula_html("sku", fill("sku"))
    assert "θ − κ (θ* − θ), θ* minimising 2.5 · (CE" in learnt and "κ = " in learnt
    assert words_of(fill("task_vector", edit={"negation": 2})).endswith(
        "in 60 steps, and takes away 2 times what it learnt."
    )
    assert words_of(fill("prompt")).endswith("no weight changes; the instruction s stands before every question.")


def test_a_stored_run_opens_under_the_method_that_it_was(engine: Engine, vanilla: Run) -> None:
    pruned = fill("manu", edit={"prune_share": 0.3}).model_dump(mode="json")
    for name in ("manu", "npo", "a preset that is gone"):
        opened = launching.form_of(pruned | {"preset": name})
        assert (opened["preset"], opened["edit.method"], opened["edit.prune_share"]) == ("manu", "manu", 0.3)
    assert launching.form_of(fill("sku:clear").model_dump())["preset"] == "sku:clear"
    address = launching.address(engine, form(method="manu", edit__prune_share=0.3))
    assert address == "/launch?preset=manu&edit.prune_share=0.3"
    query = dict(parse_qsl(urlsplit(address).query))
    assert launching.opening(engine, query, WORLDS).values["edit.prune_share"] == 0.3
    hidden = launching.opening(engine, {"edit.method": "prompt"}, WORLDS).values
    assert (hidden["preset"], hidden["edit.method"]) == ("npo", "none"), "what a method does goes by its name"


def test_a_pasted_preset_brings_what_it_does_beside_an_objective(engine: Engine, vanilla: Run) -> None:
    values = launching.load(
        form(), "name: less\nedit:\n  method: manu\n  prune_share: 0.4\ntraining:\n  modules: all\n"
    )
    assert (values["preset"], values["edit.method"], values["edit.prune_share"]) == ("less", "manu", 0.4)
    assert launching.chosen(values, None) == {"preset": "less", "edit.method": "manu"}
    spec, _ = launching.check(engine, WORLDS, values)
    assert spec is not None and this_run.summary(spec, WORLDS["demo"])[0] == "less is to take away "


def test_a_term_that_teaches_is_a_fault_of_the_method_unless_it_is_subtracted(engine: Engine, vanilla: Run) -> None:
    faults = launching.check(engine, WORLDS, form(objective__forget="learn"))[1]
    assert list(faults) == ["edit"] and "choose the method task_vector or sku" in faults["edit"]


def test_a_retain_tuned_reference_is_asked_for_and_the_gold_model_is_put_there(
    engine: Engine, tmp_path: Path, vanilla: Run
) -> None:
    coded = launching.switch(form() | {"preset": "npo:mllmu"}, launching.filled_for(form()), engine)
    assert launching.applies("reference", coded) and not launching.applies("reference", form())
    assert "name it as the reference" in launching.check(engine, WORLDS, coded)[1]["reference"]
    ended(engine, tmp_path, FinetuneSpec(who="retain", request=ForgetRequest(ratio=5)), "gold of others")
    gold = ended(engine, tmp_path, FinetuneSpec(who="retain"), "gold")
    chosen = launching.switch(form() | {"preset": "npo:mllmu"}, launching.filled_for(form()), engine)
    assert chosen["reference"] == f"checkpoint:{gold.output_checkpoint_id}"
    spec, faults = launching.check(engine, WORLDS, chosen)
    assert isinstance(spec, UnlearnSpec) and spec.reference == chosen["reference"], faults
    opened = launching.opening(engine, {"preset": "npo:mllmu"}, WORLDS).values
    assert opened["reference"] == chosen["reference"]
    assert f"--set reference={chosen['reference']}" in this_run.command(spec, "a", "vanilla")


def test_gold_of_another_base_is_no_reference(engine: Engine, tmp_path: Path, vanilla: Run) -> None:
    asked = {"benchmark": "demo", "model": "vanilla", "request": ForgetRequest().model_dump()}
    larger = ended(engine, tmp_path, FinetuneSpec(model="org/llava-13b", who="retain"), "gold of 13B")
    assert origins.gold_of(engine, asked) == ""
    gold = ended(engine, tmp_path, FinetuneSpec(who="retain"), "gold")
    ended(engine, tmp_path, FinetuneSpec(model="org/llava-13b", who="retain"), "a newer gold of 13B")
    assert origins.gold_of(engine, asked) == f"checkpoint:{gold.output_checkpoint_id}"
    unlearning = queue(engine, fill("ga"), "still to come")
    later = asked | {"model": f"run:{unlearning.id}"}
    assert origins.gold_of(engine, later) == f"checkpoint:{gold.output_checkpoint_id}"
    made = queue(engine, FinetuneSpec(model="org/llava-13b"), "13B, still to come")
    assert origins.gold_of(engine, asked | {"model": f"run:{made.id}"}) != origins.gold_of(engine, asked)
    assert origins.gold_of(engine, asked | {"model": f"run:{larger.id}"}) != origins.gold_of(engine, asked)


def test_the_gold_model_in_the_form_follows_the_people_and_one_that_was_chosen_stays(
    engine: Engine, tmp_path: Path, vanilla: Run
) -> None:
    made = {
        share: f"checkpoint:{ended(engine, tmp_path, spec, f'gold {share}').output_checkpoint_id}"
        for share in (5, 10)
        for spec in [FinetuneSpec(who="retain", request=ForgetRequest(ratio=share))]
    }

    def at_share(values: dict[str, Any], share: int, **typed: Any) -> dict[str, Any]:
        asked = values | {"request.ratio": share} | typed
        return launching.switch(asked, launching.filled_for(values), engine, WORLDS["demo"])

    ten = launching.opening(engine, {"preset": "npo:mllmu"}, WORLDS).values
    five = at_share(ten, 5)
    assert (ten["reference"], five["reference"]) == (made[10], made[5])
    assert at_share(five, 10)["reference"] == made[10]
    none = at_share(five, 15)
    assert none["reference"] == "" and at_share(none, 5)["reference"] == made[5]
    elsewhere = launching.switch(five | {"preset": "npo"}, launching.filled_for(five), engine, WORLDS["demo"])
    back = at_share(elsewhere, 10, preset="npo:mllmu")
    assert back["reference"] == made[10]
    typed = at_share(ten, 10, reference="org/tuned")
    assert at_share(typed, 5)["reference"] == "org/tuned", "what was typed stays"
    reloaded = launching.opening(engine, {"preset": "npo:mllmu", "forget": "5", "reference": made[5]}, WORLDS).values
    assert at_share(reloaded, 10)["reference"] == made[10], "an address tells of the gold model that was filled in"


def test_an_instruction_is_no_weights(engine: Engine, tmp_path: Path, vanilla: Run) -> None:
    run = queue(engine, fill("prompt", model=f"run:{vanilla.id}"), "told")
    claimed = claims.claim(engine, "w", "here", "CPU")
    assert claimed is not None and claimed.id == run.id
    made = checkpoints.save(
        engine, tmp_path, run_id=run.id, step=0, kind="instruction", role="final", base="demo",
        write=lambda folder: (folder / "instruction.txt").write_text("Say nothing.") and None,
        parent_id=vanilla.output_checkpoint_id, meta={"instruction": "Say nothing."},
    )  # fmt: skip
    runs.finish(engine, run.id, claimed.attempt, "succeeded", output_checkpoint_id=made.id)
    [told] = [choice for choice in origins.model_choices(engine, "demo") if choice.run_id == run.id]
    assert told.detail == "an instruction, no weights, from demo"


@pytest.mark.parametrize(
    ("method", "changes", "hidden"),
    [
        ("kl:offside", {"objective.retain": "none"}, ("objective.schedule", "joint")),
        ("mmunlearner", {"objective.forget": "none"}, ("objective.mask", "none")),
        ("mmunlearner", {"objective.forget": "none"}, ("objective.schedule", "joint")),
        ("manu", {"guards.keep": "best", "guards.forget_loss_above": 5.0}, ("guards.keep", "last")),
        ("prompt", {"training.adapter": "full", "training.precision": "nf4"}, ("training.adapter", "lora")),
    ],
)
def test_nothing_that_is_hidden_is_at_fault_or_asked_for(
    engine: Engine, vanilla: Run, method: str, changes: dict[str, Any], hidden: tuple[str, str]
) -> None:
    values = form(method=method) | changes
    path, none = hidden
    assert not launching.applies("guards" if path.startswith("guards.") else path, values)
    assert launching.draft(values)[path] == none
    _, faults = launching.forms.check(launching.draft(values))
    assert faults == {}
    shown = form(method="kl:offside")
    assert launching.draft(shown)["objective.schedule"] == "alternate", "what is shown is asked for"


@pytest.mark.parametrize(
    ("method", "changes", "tried"),
    [
        ("npo", {}, True),
        ("npo", {"training": {"seed": 3, "save_every": 7, "evaluate_every": 20}}, True),
        ("npo", {"training": {"steps": 20}}, False),
        ("npo", {"training": {"learning_rate": 1e-4}}, False),
        ("npo", {"training": {"batch_size": 8}}, False),
        ("npo", {"guards": {"forget_loss_above": 9.0}}, False),
        ("task_vector", {}, True),
        ("task_vector", {"edit": {"negation": 1.0}}, False),
        ("manu", {"training": {"steps": 20}}, True),
        ("manu", {"edit": {"prune_share": 0.1}}, False),
        ("manu", {"training": {"modules": "language"}}, False),
    ],
)
def test_what_came_of_the_settings_is_told_of_those_that_were_tried(
    method: str, changes: dict[str, Any], tried: bool
) -> None:
    said = launch_views.settings_help(form(method=method), fill(method, **changes))
    assert ("There: " in said, "Not tried there" in said) == (tried, not tried)
