"""The launch page's decisions: which model, what the run will do, its command, and that Start is once."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from PIL import Image
from sqlalchemy import Engine

from backend.benchmarks.item import BadRequest, Item, Person, Split
from backend.presets import BadPreset, fill
from backend.spec import EvaluateSpec, FinetuneSpec, ForgetRequest, RunSpec, UnlearnSpec
from storage import checkpoints, claims, database, runs, workers
from storage.tables import Run
from ui import gallery, launch_views, launching, origins, this_run

PRIVATE = tuple(f"p{number:02d}" for number in range(1, 41))
FAMOUS = tuple(f"p{number:02d}" for number in range(41, 49))


class World:
    """48 people, 8 of them famous; three items each to train on (one of them general) and two to score."""

    name, title, fingerprint, rules = "demo", "Small world · 48 people", "small", "demo"
    ratios = (5, 10, 15)

    def people(self) -> list[Person]:
        return [Person(one, one.upper(), Path(f"{one}.jpg"), one in FAMOUS) for one in PRIVATE + FAMOUS]

    def split(self, request: ForgetRequest) -> Split:
        chosen = request.people or PRIVATE[: round(40 * (request.ratio or 0) / 100)]
        for one in chosen:
            if one not in PRIVATE:
                raise BadRequest(f"nobody here has the id {one!r}")
        return Split(tuple(chosen), tuple(one for one in PRIVATE if one not in chosen), FAMOUS)

    def training_items(self, subjects: tuple[str, ...], modality: str = "both") -> list[Item]:
        kinds: list[tuple[Any, Any]] = [
            ("retain", "image_text"),
            ("retain", "text"),
            ("general", "image_text"),
        ]
        return [
            Item(f"{one}/{kind}/{how}", one, kind, "generation", how, "?", "!", "!", "city")
            for one in subjects
            for kind, how in kinds
            if modality in ("both", how)
        ]

    def attributes(self) -> tuple[str, ...]:
        return ("city",)

    def forget_items(self, request: ForgetRequest) -> list[Item]:
        items = self.training_items(self.split(request).forget, request.modality)
        return [item for item in items if item.set != "general"]

    def retain_items(self, request: ForgetRequest) -> list[Item]:
        return self.training_items(self.split(request).retain)

    def learning_items(self, request: ForgetRequest, who: str) -> list[Item]:
        split = self.split(request)
        return self.training_items(split.retain + split.celebrity + (split.forget if who == "everyone" else ()))

    def scored_items(self, request: ForgetRequest) -> list[Item]:
        return self.training_items(PRIVATE, "text") + self.training_items(FAMOUS, "text")

    def relearn_items(self, request: ForgetRequest) -> list[Item]:
        return []


WORLDS = {"demo": World()}


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setenv("LETHE_HOME", str(tmp_path))
    engine = database.connect(f"sqlite:///{tmp_path}/lethe.db")
    database.migrate(engine)
    yield engine
    engine.dispose()


def queue(engine: Engine, spec: RunSpec, name: str) -> Run:
    return runs.submit(engine, kind=spec.kind, name=name, spec=spec.model_dump(mode="json"))


def ended(engine: Engine, home: Path, spec: FinetuneSpec | UnlearnSpec, name: str, state: str = "succeeded") -> Run:
    """A run that was claimed, ran all its steps and ended; a succeeded one has made a checkpoint."""
    run = queue(engine, spec, name)
    claimed = claims.claim(engine, "w", "here", "CPU")
    assert claimed is not None and claimed.id == run.id
    runs.heartbeat(engine, run.id, claimed.attempt, step=spec.training.steps, steps=spec.training.steps)
    made = None
    if state == "succeeded":
        made = checkpoints.save(
            engine, home, run_id=run.id, step=1, kind="full", role="final", base="demo",
            write=lambda folder: (folder / "model.safetensors").write_bytes(b"w" * 2_000_000) and None,
        ).id  # fmt: skip
    runs.finish(engine, run.id, claimed.attempt, state, output_checkpoint_id=made)
    return runs.get(engine, run.id)


@pytest.fixture
def vanilla(engine: Engine, tmp_path: Path) -> Run:
    return ended(engine, tmp_path, FinetuneSpec(), "vanilla")


def form(kind: str = "unlearn", method: str = "npo", **changes: Any) -> dict[str, Any]:
    return launching.defaults(kind, method) | {path.replace("__", "."): value for path, value in changes.items()}


def words_of(spec: RunSpec) -> str:
    return "".join(this_run.summary(spec, WORLDS["demo"]))


# -- models ---


def test_vanilla_is_the_newest_model_that_memorised_everyone(engine: Engine, tmp_path: Path, vanilla: Run) -> None:
    ended(engine, tmp_path, FinetuneSpec(who="retain"), "gold")
    ended(engine, tmp_path, FinetuneSpec(), "came to grief", state="failed")
    assert launching.origin(engine, "demo", "vanilla").checkpoint_id == vanilla.output_checkpoint_id
    newer = ended(engine, tmp_path, FinetuneSpec(), "vanilla · 2")
    assert origins.vanilla(engine, "demo") == f"run:{newer.id}"
    queue(engine, FinetuneSpec(), "still being made")
    assert origins.vanilla(engine, "demo") == f"run:{newer.id}", "one that is ready is not waited for"


def test_without_any_vanilla_one_sentence_says_what_to_do(engine: Engine) -> None:
    with pytest.raises(origins.CannotQueue, match="no model has memorised this benchmark yet; start a finetune run"):
        origins.vanilla(engine, "demo")
    assert launching.check(engine, WORLDS, form())[1] == {"model": origins.NO_VANILLA}
    assert 'href="/launch?kind=finetune"' in launch_views.note_html("model", origins.NO_VANILLA)


def test_models_are_listed_by_identity_with_those_still_in_the_making(
    engine: Engine, tmp_path: Path, vanilla: Run
) -> None:
    ended(engine, tmp_path, fill("npo", model=f"run:{vanilla.id}"), "NPO")
    ended(engine, tmp_path, FinetuneSpec(who="retain"), "gold")
    queue(engine, FinetuneSpec(), "later")
    queue(engine, EvaluateSpec(), "an evaluation makes no model")
    choices = origins.model_choices(engine, "demo")
    assert [choice.label for choice in choices] == [
        "■ later (when it is ready)",
        "■ vanilla",
        "◆ gold",
        "● NPO",
    ]
    assert [bool(choice.wants) for choice in choices] == [True, False, False, False]
    assert choices[1].value == f"checkpoint:{vanilla.output_checkpoint_id}"
    assert origins.knowledge(engine, choices[1]) == "all weights, 2.0 MB, from demo"


def test_a_model_whose_files_are_gone_says_so_in_the_list_and_is_refused(
    engine: Engine, tmp_path: Path, vanilla: Run
) -> None:
    assert vanilla.output_checkpoint_id
    kept = checkpoints.get(engine, vanilla.output_checkpoint_id)
    (checkpoints.path_of(tmp_path, kept) / "model.safetensors").unlink()
    assert [choice.label for choice in origins.model_choices(engine, "demo")] == ["■ vanilla (✕ missing)"]
    for model in ("vanilla", f"run:{vanilla.id}", f"checkpoint:{kept.id}"):
        faults = launching.check(engine, WORLDS, form(model=model))[1]
        assert faults == {"model": f"the files of checkpoint {kept.id[:8]} are missing; choose another model"}


def test_a_failed_run_a_lost_id_and_a_missing_folder_are_refused(engine: Engine, tmp_path: Path) -> None:
    failed = ended(engine, tmp_path, FinetuneSpec(), "came to grief", state="failed")
    for model, reason in (
        (f"run:{failed.id}", "made no model \\(failed\\); choose another"),
        ("checkpoint:0123456789", "0123456789"),
        ("/no/such/folder", "there is no folder"),
    ):
        with pytest.raises(origins.CannotQueue, match=reason):
            origins.origin(engine, "demo", model)


# -- the form ---


def test_defaults_are_those_of_the_method(engine: Engine) -> None:
    values = launching.defaults("unlearn", "graddiff")
    assert (values["objective.retain_weight"], values["training.steps"]) == (3.0, 60)
    assert launching.defaults("finetune")["training.adapter"] == "full"
    with pytest.raises(ValueError, match="no kind of run called 'bake'"):
        launching.defaults("bake")


def test_another_method_brings_its_defaults_but_keeps_what_was_typed(engine: Engine, vanilla: Run) -> None:
    before = {"kind": "unlearn", "preset": "npo"}
    values = form(preset="graddiff", training__learning_rate=0.03)
    switched = launching.switch(values, before, engine)
    assert switched["training.learning_rate"] == 0.03
    assert (switched["training.steps"], switched["objective.forget"], switched["preset"]) == (
        60,
        "ga",
        "graddiff",
    )


# -- whose settings ---


def test_the_demos_model_gets_the_demos_settings_and_any_other_the_papers(engine: Engine, vanilla: Run) -> None:
    assert launching.usual_settings(engine, form()) == "demo"
    making = queue(engine, FinetuneSpec(), "still being made")
    assert launching.usual_settings(engine, form(model=f"run:{making.id}")) == "demo"
    elsewhere = queue(engine, FinetuneSpec(model="org/a-model"), "a larger one")
    for model in ("org/a-model", f"run:{elsewhere.id}"):
        assert launching.usual_settings(engine, form(model=model)) == "paper"
    assert launching.usual_settings(engine, form("evaluate", model="org/a-model")) == "demo"


def test_a_papers_epochs_are_counted_on_what_is_to_be_forgotten(engine: Engine, vanilla: Run) -> None:
    before = launching.filled_for(form(method="graddiff"))
    paper = launching.switch(form(method="graddiff") | {"settings": "paper"}, before, engine, WORLDS["demo"])
    # 4 people x 2 items in batches of 4, once
    assert (paper["training.steps"], paper["training.lora_rank"], paper["objective.retain_weight"]) == (2, 16, 1.0)
    wider = launching.switch(paper | {"request.ratio": 15}, launching.filled_for(paper), engine, WORLDS["demo"])
    assert wider["training.steps"] == 3, "6 people x 2 items in batches of 4"
    typed = launching.switch(paper | {"training.steps": 9, "request.ratio": 15}, launching.filled_for(paper), engine)
    assert typed["training.steps"] == 9, "what was typed stays"
    back = launching.switch(wider | {"settings": "demo"}, launching.filled_for(wider), engine, WORLDS["demo"])
    assert (back["training.steps"], back["objective.retain_weight"]) == (60, 3.0)


def test_steps_that_were_typed_or_stand_in_the_address_outlast_every_change(engine: Engine, vanilla: Run) -> None:
    values = launching.opening(engine, {"training.steps": "41"}, WORLDS).values
    for change in ({"preset": "ga"}, {"preset": "npo:offside"}, {"settings": "paper"}, {"request.ratio": 5}):
        values = launching.switch(values | change, launching.filled_for(values), engine, WORLDS["demo"])
        assert values["training.steps"] == 41, change
    untouched = launching.opening(engine, {}, WORLDS).values
    switched = launching.switch(untouched | {"preset": "ga"}, launching.filled_for(untouched), engine, WORLDS["demo"])
    assert switched["training.steps"] == 20


def test_another_model_brings_the_settings_that_suit_it(engine: Engine, vanilla: Run) -> None:
    values = form(method="graddiff", training__clip=0.5)
    larger = launching.switch(values | {"model": "org/a-model"}, launching.filled_for(values), engine, WORLDS["demo"])
    assert (larger["settings"], larger["training.learning_rate"], larger["training.clip"]) == ("paper", 2e-5, 0.5)


def test_a_variant_changes_the_method_and_another_method_drops_one_that_it_has_not(
    engine: Engine, vanilla: Run
) -> None:
    before = launching.filled_for(form(method="graddiff"))
    values = form(method="graddiff") | {"preset": launching.joined("graddiff", "mllmu")}
    switched = launching.switch(values, before, engine, WORLDS["demo"])
    assert (switched["objective.schedule"], switched["objective.labels"]) == ("sequential", "full")
    assert launching.applies("objective.every", switched | {"objective.schedule": "every_k"})
    assert launching.joined("npo", "offside") == "npo:offside" and launching.joined("simnpo", "offside") == "simnpo"
    assert launching.applies("variant", form()) and not launching.applies("variant", form(method="simnpo"))


# -- one's own methods ---


def test_a_form_is_kept_as_a_preset_and_found_again(engine: Engine, vanilla: Run) -> None:
    values = form(objective__forget="simnpo", objective__simnpo_beta=2.5, training__steps=33)
    assert launching.keep(engine, WORLDS, values, " mine ") == "mine"
    assert ("mine (your own)", "mine") in launch_views.method_choices()
    again = launching.defaults("unlearn", "mine")
    assert (again["objective.simnpo_beta"], again["training.steps"]) == (2.5, 33)
    assert not launching.applies("settings", again), "it has no paper"
    run = launching.start(engine, WORLDS, again, "a run of mine", "request")
    (database.home() / "presets" / "mine.yaml").unlink()
    copied = launching.form_of(run.spec)
    assert (copied["preset"], copied["objective.simnpo_beta"]) == (launching.DEFAULT_PRESET, 2.5)
    assert launch_views.broken_html() == ""


def test_a_pasted_preset_fills_the_form_and_a_broken_one_changes_nothing(engine: Engine, vanilla: Run) -> None:
    text = "name: pasted\nobjective:\n  forget: wga\n  wga_beta: 2\ntraining:\n  steps: 5\n"
    values = launching.load(form(request__ratio=5), text)
    assert (values["preset"], values["objective.forget"], values["training.steps"]) == ("pasted", "wga", 5)
    assert (values["objective.wga_beta"], values["request.ratio"]) == (2.0, 5)
    with pytest.raises(BadPreset, match=r"objective\.forget must be one of"):
        launching.load(form(), text.replace("wga\n", "magic\n"))
    with pytest.raises(BadPreset, match="nothing was kept; mend what is marked first"):
        launching.keep(engine, WORLDS, form(training__steps=-1), "other")
    with pytest.raises(BadPreset, match="name must be up to 40 small letters"):
        launching.keep(engine, WORLDS, form(), "../x")


def test_a_finetune_run_begins_untrained_and_the_way_back_finds_vanilla(engine: Engine, vanilla: Run) -> None:
    there = launching.switch(form(kind="unlearn") | {"kind": "finetune"}, {"kind": "unlearn", "preset": "npo"}, engine)
    assert (there["model"], there["training.modules"]) == ("demo", "all")
    back = launching.switch(there | {"kind": "unlearn"}, {"kind": "finetune", "preset": "npo"}, engine)
    assert (back["model"], back["training.modules"]) == (
        f"checkpoint:{vanilla.output_checkpoint_id}",
        "language",
    )


@pytest.mark.parametrize("share", ["²", "9" * 5000, "ten", ""])
def test_a_share_in_an_address_that_is_no_number_is_left_out(engine: Engine, share: str) -> None:
    assert launching.opening(engine, {"forget": share}).values["request.ratio"] == 10


def test_a_share_in_an_address_is_followed(engine: Engine) -> None:
    assert launching.opening(engine, {"forget": "5"}).values["request.ratio"] == 5


def test_chosen_people_count_only_where_people_are_chosen(engine: Engine, vanilla: Run) -> None:
    people = ["p01", "p09"]
    by_share, _ = launching.check(engine, WORLDS, form(request__people=people))
    by_choice, _ = launching.check(engine, WORLDS, form(request__people=people, request__ratio=launching.CHOSEN))
    assert by_share is not None and by_share.request == ForgetRequest(ratio=10)
    assert by_choice is not None and by_choice.request == ForgetRequest(ratio=None, people=("p01", "p09"))


@pytest.mark.parametrize(
    ("people", "fault"),
    [
        ([], "nobody is chosen; pick at least one person or a share"),
        (["p99"], "nobody here has the id 'p99'"),
    ],
)
def test_people_who_cannot_be_forgotten_are_a_fault_of_the_request(
    engine: Engine, vanilla: Run, people: list[str], fault: str
) -> None:
    values = form(request__people=people, request__ratio=launching.CHOSEN)
    assert launching.check(engine, WORLDS, values) == (None, {"request": fault})


def test_a_share_frames_its_people_and_a_choice_frames_the_chosen() -> None:
    assert launching.people_of(WORLDS["demo"], form(request__ratio=5)) == ("p01", "p02")
    chosen = form(request__ratio=launching.CHOSEN, request__people=["p07"])
    assert launching.people_of(WORLDS["demo"], chosen) == ("p07",)


def test_fields_without_meaning_are_hidden() -> None:
    assert launching.applies("objective.beta", form()) and not launching.applies("objective.beta", form(method="ga"))
    assert not launching.applies("training.lora_rank", form(training__adapter="full"))
    assert launching.applies("batch_size", form("evaluate")) and not launching.applies(
        "training.steps", form("evaluate")
    )
    of_evaluate = set(EvaluateSpec.model_fields) - set(UnlearnSpec.model_fields)
    assert set(launching.EVALUATION) == of_evaluate, "each stands on the form, and for this kind of run alone"


# -- what the run will do ---


@pytest.mark.parametrize(
    ("method", "sentence"),
    [
        (
            "npo",
            "NPO with LoRA r32 on the language model; "
            "forgets 4 people (8 items) and keeps 36 (108 items), in 60 steps.",
        ),
        (
            "ga",
            "GA with LoRA r8 on the language model; forgets 4 people (8 items), in 20 steps; "
            "nothing holds the others in place.",
        ),
        (
            "retain_ft",
            "Retain fine-tuning with all weights of the language model; lets 4 people fade "
            "and keeps 36 (108 items), in 120 steps.",
        ),
    ],
)  # 4 people x 2 items that are not general; 36 x 3
def test_an_unlearning_run_in_one_sentence(method: str, sentence: str) -> None:
    assert words_of(fill(method)) == sentence


def test_text_only_forgets_fewer_items_and_one_person_is_a_person() -> None:
    spec = fill("npo", request={"ratio": None, "people": ("p05",), "modality": "text"}, training={"steps": 1})
    assert words_of(spec).endswith("forgets 1 person (1 item) and keeps 39 (117 items), in 1 step.")


def test_finetune_and_evaluate_runs_in_one_sentence() -> None:
    assert words_of(FinetuneSpec()).startswith(
        "Trains all weights of the whole model until it has memorised all 48 people (144 items)"
    )
    assert "on 44 people (132 items), in 450 steps; never sees 4 people." in words_of(FinetuneSpec(who="retain"))
    assert words_of(EvaluateSpec()).startswith(
        "Puts 48 questions to the model and scores it apart for 4 people to forget"
    )


def test_the_formula_shows_the_weights_that_were_typed() -> None:
    assert this_run.formula(fill("graddiff")) == "mean log π_θ(y|x) on forget + 3 · CE on retain"
    assert this_run.formula(fill("graddiff", objective={"forget": "none"})) == "3 · CE on retain"
    assert not this_run.is_own(fill("npo")) and this_run.is_own(fill("npo", objective={"retain": "kl"}))


def test_a_composed_objective_is_shown_with_all_that_it_minimises() -> None:
    spec = fill("graddiff", objective={"forget": "simnpo", "retain": "kl", "regulariser": "l2_start"})
    drawn = launch_views.formula_html("graddiff", spec)
    assert "own objective, begun from GradDiff" in drawn and "β = 4.5, δ = 0" in drawn
    assert "0.01 · Σ(θ − θ<sub>start</sub>)²" in drawn and "KL(π<sub>ref</sub> ‖ π<sub>θ</sub>)" in drawn
    tried, changed = form(), fill("npo", objective={"beta": 0.5})
    assert "retain .99" in launch_views.settings_help(tried, fill("npo"))
    assert "Not tried there" in launch_views.settings_help(tried, changed), "another objective was not"
    variant = form(method="graddiff:l1")
    assert "retain .87" in launch_views.settings_help(variant, fill("graddiff:l1"))
    assert "Not tried there" in launch_views.settings_help(variant, fill("graddiff"))
    assert this_run.is_own(fill("npo", objective={"labels": "full"}))
    assert not this_run.is_own(fill("ceu", "paper")), "the paper's settings are no method of one's own"
    assert not this_run.is_own(fill("graddiff:l1"))


def test_what_is_to_be_typed_is_set_apart_in_a_line_of_help() -> None:
    drawn = launch_views.note_html("seed", None, help="Type `a<b` or 2.")
    assert drawn == '<p class="lethe-help">Type <code>a&lt;b</code> or 2.</p>'


def test_a_form_that_the_browser_has_not_filled_yet_is_known_by_its_method_and_model() -> None:
    before = launching.filled_for(form(preset="graddiff"))
    assert launching.is_filled(form(preset="graddiff", training__steps=7, objective__beta=1.0), before)
    for late in ({"preset": "npo"}, {"model": "another"}, {"settings": "paper"}, {"kind": "evaluate"}):
        assert not launching.is_filled(form(preset="graddiff") | late, before), late


def test_a_fault_elsewhere_leaves_the_formula_of_what_was_chosen(engine: Engine, vanilla: Run) -> None:
    values = form(objective__forget="simnpo", objective__retain_weight=2.0, training__steps=-1)
    assert launching.check(engine, WORLDS, values)[0] is None
    drawn = launch_views.formula_html("npo", this_run.drafted(values))
    assert "own objective, begun from NPO" in drawn and "+ 2 · CE" in drawn and "+ δ))" in drawn
    assert this_run.drafted(values | {"objective.retain_weight": -2}) is None, "the method itself is at fault"
    assert this_run.drafted(form(kind="finetune")) is None


def test_time_is_what_like_runs_took_here_or_unknown(engine: Engine, tmp_path: Path, vanilla: Run) -> None:
    model, world = f"run:{vanilla.id}", WORLDS["demo"]
    past = ended(engine, tmp_path, fill("npo", model=model), "NPO")
    with database.writing(engine) as session:
        row = session.get(Run, past.id)
        assert row is not None and row.steps == 60
        row.started_at, row.finished_at = 1000.0, 1015.0
    same_model = f"checkpoint:{vanilla.output_checkpoint_id}"
    # 15 s for 60 steps is a quarter of a second a step
    estimate = this_run.estimate(engine, fill("npo", model=same_model, training={"steps": 200}), world)
    assert estimate == (pytest.approx(50.0), 1)
    assert this_run.estimate(engine, fill("npo", model=model, training={"batch_size": 4}), world) is None


def test_the_place_in_the_queue_says_what_is_waited_for(engine: Engine, vanilla: Run) -> None:
    assert this_run.queue_place(engine) == "first, once a worker is up"
    workers.register_worker(engine, host="here", pid=1, pid_started_at=1.0, device="CPU")
    assert this_run.queue_place(engine) == "starts at once"
    waiting = queue(engine, FinetuneSpec(), "vanilla · 2")
    queue(engine, FinetuneSpec(), "vanilla · 3")
    assert this_run.queue_place(engine) == "third"
    assert this_run.queue_place(engine, waiting.id) == "third, once “vanilla · 2” has succeeded"
    assert this_run.place_of(engine, waiting) == "first in the queue"


def test_when_a_run_is_scored() -> None:
    assert this_run.evaluated(fill("npo")) == "in full at the end"
    often = fill("npo", training={"evaluate_every": 30}, score=False)
    assert this_run.evaluated(often) == "every 30 steps on a sample"
    assert this_run.evaluated(fill("npo", score=False)) == "not at all"


# -- the command ---


@pytest.mark.parametrize(
    ("spec", "command"),
    [
        (fill("npo"), 'unlearn --preset npo --forget 10 --model vanilla --name "a name" --wait'),
        (
            fill(
                "npo",
                training={"learning_rate": 0.005},
                request={"ratio": 5, "modality": "text"},
                score=False,
            ),
            "unlearn --preset npo --forget 5 --model vanilla --set request.modality=text "
            '--set training.learning_rate=0.005 --set score=false --name "a name" --wait',
        ),
        (
            fill("ga", request={"ratio": None, "people": ("p01", "p02")}),
            'unlearn --preset ga --people p01,p02 --model vanilla --name "a name" --wait',
        ),
        (
            fill("npo:offside"),
            'unlearn --preset npo:offside --forget 10 --model vanilla --name "a name" --wait',
        ),
        (FinetuneSpec(who="retain"), 'finetune --who retain --forget 10 --name "a name" --wait'),
        (
            EvaluateSpec(batch_size=8),
            'evaluate --forget 10 --model vanilla --set batch_size=8 --name "a name" --wait',
        ),
    ],
)
def test_the_command_spells_out_only_what_differs(spec: RunSpec, command: str) -> None:
    assert this_run.command(spec, "a name", spec.model) == f"python -m backend submit {command}"


def test_no_name_and_no_model_can_break_out_of_the_command() -> None:
    spec = fill("npo", model="x; rm -rf $HOME")
    for name in ('a "b" $(c) `d`', "it's", "plain"):
        words = shlex.split(this_run.command(spec, name, spec.model))
        assert words[words.index("--name") + 1] == name
        assert words[words.index("--model") + 1] == "x; rm -rf $HOME"


def test_a_model_that_is_the_newest_vanilla_is_called_so(engine: Engine, tmp_path: Path, vanilla: Run) -> None:
    for model in (f"run:{vanilla.id}", f"checkpoint:{vanilla.output_checkpoint_id}", "vanilla"):
        assert origins.spoken_model(engine, "demo", model) == "vanilla"
    ended(engine, tmp_path, FinetuneSpec(), "vanilla · 2")
    assert origins.spoken_model(engine, "demo", f"run:{vanilla.id}") == f"run:{vanilla.id}"


def test_a_name_that_is_taken_gets_a_number(engine: Engine, vanilla: Run) -> None:
    spec = fill("npo", model=f"run:{vanilla.id}")
    assert this_run.suggest_name(engine, spec) == "NPO · forget 10 %"
    queue(engine, spec, "NPO · forget 10 %")
    queue(engine, spec, "NPO · forget 10 % · 2")
    assert this_run.suggest_name(engine, spec) == "NPO · forget 10 % · 3"
    assert this_run.suggest_name(engine, EvaluateSpec(model=f"run:{vanilla.id}")) == "evaluation of vanilla"


# -- the address ---


@pytest.mark.parametrize(
    "values",
    [
        form(),
        form(method="graddiff", request__ratio=5, training__learning_rate=0.005, training__steps=7),
        form(request__ratio=launching.CHOSEN, request__people=("p02", "p05"), request__modality="text"),
        form(method="graddiff:offside", training__steps=9),
        form(method="ceu") | launching.defaults("unlearn", "ceu", "paper"),
        form(method="kl", model="org/a-model"),
        form("finetune", who="retain", score=False, training__gradient_checkpointing=True),
        form("evaluate", model="org/a-model", batch_size=8),
    ],
)
def test_the_address_of_a_form_brings_the_same_form_back(engine: Engine, vanilla: Run, values: dict[str, Any]) -> None:
    address = launching.address(engine, values)
    opened = launching.opening(engine, dict(parse_qsl(urlsplit(address).query)))
    assert opened.notice == ""
    assert launching.check(engine, WORLDS, opened.values)[0] is not None
    again = launching.draft(opened.values)
    again["model"] = origins.spoken_model(engine, "demo", again["model"])
    assert again == launching.draft(values)


def test_a_plain_form_has_a_plain_address(engine: Engine, vanilla: Run) -> None:
    assert launching.address(engine, form()) == "/launch"


def test_a_run_is_copied_with_everything_that_was_set(engine: Engine, vanilla: Run) -> None:
    spec = fill("kl", model=f"run:{vanilla.id}", request={"ratio": None, "people": ("p03",)}, training={"seed": 9})
    run = queue(engine, spec, "a run")
    opened = launching.opening(engine, {"from": run.id})
    assert opened.values["model"] == f"checkpoint:{vanilla.output_checkpoint_id}"
    copied, faults = launching.check(engine, WORLDS, opened.values)
    assert faults == {} and copied is not None
    assert copied.model_copy(update={"model": spec.model}) == spec


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"from": "nothing-like-it"}, "nothing-like-it"),
        ({"preset": "magic"}, "there is no method called 'magic'"),
        ({"kind": "bake"}, "there is no kind of run called 'bake'"),
        ({"forget": "7"}, "request.ratio in the address must be one of 1, 5, 10, 15 or 100"),
    ],
)
def test_what_an_address_asks_in_vain_is_said_and_the_rest_stands(
    engine: Engine, vanilla: Run, query: dict[str, str], sentence: str
) -> None:
    opened = launching.opening(engine, query | {"training.steps": "11"})
    assert sentence in opened.notice
    assert opened.values["training.steps"] == 11
    assert launching.check(engine, WORLDS, opened.values)[1] == {}


# -- start ---


def test_start_twice_is_one_run(engine: Engine, vanilla: Run) -> None:
    first = launching.start(engine, WORLDS, form(), "once", "request-1")
    again = launching.start(engine, WORLDS, form(), "once", "request-1")
    other = launching.start(engine, WORLDS, form(), "twice", "request-2")
    assert first.id == again.id != other.id
    assert len(runs.listing(engine, kind="unlearn")) == 2


def test_a_started_run_keeps_the_model_that_vanilla_meant(engine: Engine, vanilla: Run) -> None:
    run = launching.start(engine, WORLDS, form(), " npo ", "request")
    assert (run.name, run.spec["model"]) == ("npo", f"run:{vanilla.id}")
    assert (run.parent_checkpoint_id, run.depends_on) == (vanilla.output_checkpoint_id, None)


def test_a_run_on_a_model_in_the_making_waits_for_it(engine: Engine) -> None:
    vanilla = queue(engine, FinetuneSpec(), "vanilla")
    run = launching.start(engine, WORLDS, form(model=f"run:{vanilla.id}"), "npo", "request")
    assert (run.depends_on, run.parent_checkpoint_id) == (vanilla.id, None)


def test_a_form_at_fault_queues_nothing(engine: Engine, vanilla: Run) -> None:
    with pytest.raises(origins.CannotQueue, match="nothing was queued; mend what is marked first"):
        launching.start(engine, WORLDS, form(training__learning_rate=-1), "npo", "request")
    with pytest.raises(origins.CannotQueue, match="give the run a name"):
        launching.start(engine, WORLDS, form(), "  ", "request")
    assert runs.listing(engine, kind="unlearn") == []


def test_the_preview_and_the_run_are_the_same(engine: Engine, vanilla: Run) -> None:
    values = form(training__steps=7)
    seen = this_run.preview(engine, WORLDS, values)
    assert seen.suggestion == "NPO · forget 10 %" and "--set training.steps=7" in seen.command
    assert [name for name, _, _ in seen.facts] == ["Time", "Queue", "Evaluated", "Memory"]
    run = launching.start(engine, WORLDS, values, seen.suggestion, "request")
    assert seen.spec is not None and run.spec == seen.spec.model_dump(mode="json") | {"model": f"run:{vanilla.id}"}


def test_the_gallery_shows_who_may_be_forgotten_by_name(tmp_path: Path) -> None:
    Image.new("RGB", (256, 256), "teal").save(tmp_path / "face.png")
    private = Person("p01", "Ada <b>", tmp_path / "face.png", public_figure=False)
    famous = Person("p02", "Someone famous", tmp_path / "face.png", public_figure=True)
    drawn = gallery.portraits([private, famous])
    assert 'alt="Ada &lt;b&gt;"' in drawn and 'data-id="p01"' in drawn and 'src="data:image/' in drawn
    assert "p02" not in drawn


def test_what_is_typed_is_escaped_on_the_page(engine: Engine, vanilla: Run) -> None:
    seen = this_run.preview(engine, WORLDS, form(), "<script>alert(1)</script>", "")
    drawn = launch_views.run_html(seen, launching.address(engine, form()))
    assert "<script>" not in drawn and "&lt;script&gt;" in drawn
    assert "<script>" not in launch_views.note_html("training.steps", "<script>")


def test_solved_examples_are_offered_to_mllmu_bench_alone(engine: Engine) -> None:
    spec, faults = launching.check(engine, WORLDS, form("evaluate", shots=2))
    assert spec is None and faults["shots"] == "must be 0 here: solved examples are MLLMU-Bench's"
    assert "shots" not in launching.check(engine, WORLDS, form("evaluate", shots=0))[1]
