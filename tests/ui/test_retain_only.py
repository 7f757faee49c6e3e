"""What waits for a retain-only model, and the form that makes one: followed back through the launch page."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from markupsafe import Markup
from sqlalchemy import update

from backend.presets import fill
from backend.reports import yardsticks
from backend.spec import EvaluateSpec, FinetuneSpec, ForgetRequest, Training
from storage import results, runs
from storage.database import writing
from storage.tables import Checkpoint, Run
from ui import launching
from ui.context import Lab
from ui.measures_view import NEEDS_GOLD, NEEDS_HELD_OUT
from ui.retain_only import evaluation_address, gold_address, needs

Save = Callable[..., Checkpoint]
REQUEST = ForgetRequest(ratio=None, people=("p01", "p02"), attributes=("city",), modality="text")
TAUGHT = Training(adapter="full", modules="all", learning_rate=0.004, steps=321, batch_size=8, precision="bf16")


def row(metric: str, **given: Any) -> dict[str, Any]:
    usual = {"set": "forget", "task": "table", "modality": "both", "metric": metric, "value": None, "n": 0}
    return usual | {"people": 0, "low": None, "high": None, "flags": [NEEDS_GOLD]} | given


def words(html: object) -> str:
    return Markup(str(html)).striptags()


def linked(html: str) -> str:
    return unescape(re.search(r'class="lethe-button lethe-step" href="([^"]+)"', html)[1])  # type: ignore[index]


def followed(lab: Lab, address: str) -> launching.Opening:
    """The form with which the launch page opens at an address."""
    return launching.opening(lab.engine, dict(parse_qsl(urlsplit(address).query)))


@pytest.fixture
def finetuned(lab: Lab, saved: Save) -> Callable[..., Run]:
    """A finetune run that has ended, with a checkpoint."""

    def make(name: str, spec: FinetuneSpec, state: str = "succeeded") -> Run:
        made = runs.submit(lab.engine, kind="finetune", name=name, spec=spec.model_dump(mode="json"))
        kept = saved(made).id if state == "succeeded" else None
        with writing(lab.engine) as session:
            session.execute(update(Run).where(Run.id == made.id).values(state=state, output_checkpoint_id=kept))
        return runs.get(lab.engine, made.id)

    return make


@pytest.fixture
def vanilla(finetuned: Callable[..., Run]) -> Run:
    return finetuned("vanilla", FinetuneSpec(model="org/base", training=TAUGHT, score=False))


@pytest.fixture
def unlearned(lab: Lab, vanilla: Run, saved: Save) -> Run:
    spec = fill("npo", model=f"run:{vanilla.id}").model_copy(update={"request": REQUEST})
    made = runs.submit(
        lab.engine, kind="unlearn", name="NPO", spec=spec.model_dump(mode="json"),
        parent_checkpoint_id=vanilla.output_checkpoint_id,
    )  # fmt: skip
    kept = saved(made, parent_id=vanilla.output_checkpoint_id)
    with writing(lab.engine) as session:
        session.execute(update(Run).where(Run.id == made.id).values(state="succeeded", output_checkpoint_id=kept.id))
    return runs.get(lab.engine, made.id)


def told(lab: Lab, run: Run, scores: list[dict[str, Any]]) -> str:
    return needs(lab.engine, run, scores, yardsticks(lab.engine, run))


def test_what_needs_gold_is_said_once_with_the_step_that_makes_it(lab: Lab, unlearned: Run) -> None:
    waiting = [row(f"privleak_{name}") for name in ("loss", "zlib", "min_k_20")] + [row("forget_quality_ks")]
    html = told(lab, unlearned, [*waiting, row("member_auc_loss", flags=[NEEDS_HELD_OUT])])
    assert words(html) == (
        "◆Needs a retain-only model of the same people: PrivLeak and forget quality (4 figures).Make one"
        "○Needs held-out people: member AUC."
    )
    assert html.count("lethe-button") == 1


def test_make_one_opens_the_form_of_the_original_with_the_forget_set_left_out(
    lab: Lab, unlearned: Run, vanilla: Run
) -> None:
    opened = followed(lab, linked(told(lab, unlearned, [row("privleak_loss")])))
    spec, faults = launching.forms.check(launching.draft(opened.values))
    assert (opened.notice, faults) == ("", {})
    assert spec == FinetuneSpec(model="org/base", who="retain", request=REQUEST, training=TAUGHT, score=True)


def test_a_share_of_people_is_carried_over_as_a_share(lab: Lab, vanilla: Run) -> None:
    spec = fill("npo").model_copy(update={"request": ForgetRequest(ratio=5)}).model_dump(mode="json")
    run = Run(kind="unlearn", parent_checkpoint_id=vanilla.output_checkpoint_id, spec=spec)
    values = followed(lab, gold_address(lab.engine, run)).values
    assert (values["request.ratio"], values["request.people"], values["who"]) == (5, (), "retain")


def test_an_original_from_outside_leaves_the_forms_own_settings(lab: Lab) -> None:
    run = Run(kind="unlearn", parent_checkpoint_id=None, spec=fill("npo", model="org/vanilla").model_dump(mode="json"))
    spec, _ = launching.forms.check(launching.draft(followed(lab, gold_address(lab.engine, run)).values))
    assert spec == FinetuneSpec(who="retain")


def test_without_gold_an_unlearned_model_is_told_of_it_though_no_figure_waits(lab: Lab, unlearned: Run) -> None:
    assert words(told(lab, unlearned, [row("loss", value=1.0, flags=[])])).startswith("◆No retain-only model of these")
    assert told(lab, unlearned, []) == ""


def test_a_run_that_unlearned_nothing_is_offered_nothing(lab: Lab, vanilla: Run) -> None:
    assert told(lab, vanilla, [row("loss", value=1.0, flags=[])]) == ""


def test_where_a_figure_waits_for_gold_a_model_that_unlearned_nothing_has_the_step_too(
    lab: Lab, vanilla: Run, finetuned: Callable[..., Run]
) -> None:
    html = told(lab, vanilla, [row("privleak_loss")])
    assert words(html) == "◆Needs a retain-only model of the same people: PrivLeak.Make one"
    spec, _ = launching.forms.check(launching.draft(followed(lab, linked(html)).values))
    assert spec == FinetuneSpec(model="org/base", who="retain", training=TAUGHT, score=True)
    gold = finetuned("gold", FinetuneSpec(model="org/base", who="retain"))
    results.write_scores(lab.engine, gold.id, gold.output_checkpoint_id, [row("loss", value=1.0, flags=[])])
    html = told(lab, vanilla, [row("privleak_loss")])
    assert words(html) == "◆gold has been made since. Not measured against it yet: PrivLeak.Evaluate again"


def test_the_gold_of_a_relearned_model_begins_where_its_line_began(lab: Lab, unlearned: Run, saved: Save) -> None:
    above, spec = unlearned.output_checkpoint_id, FinetuneSpec(model=f"run:{unlearned.id}", request=REQUEST)
    run = runs.submit(
        lab.engine, kind="finetune", name="relearned", spec=spec.model_dump(mode="json"), parent_checkpoint_id=above
    )
    opened = followed(lab, linked(told(lab, run, [row("privleak_loss")])))
    made, _ = launching.forms.check(launching.draft(opened.values))
    assert made == FinetuneSpec(model="org/base", who="retain", request=REQUEST, training=TAUGHT, score=True)


def test_a_model_from_outside_that_was_evaluated_is_evaluated_again(lab: Lab, finetuned: Callable[..., Run]) -> None:
    spec = EvaluateSpec(model="org/vanilla", request=REQUEST, precision="bf16")
    run = runs.submit(lab.engine, kind="evaluate", name="asked", spec=spec.model_dump(mode="json"))
    assert linked(told(lab, run, [row("privleak_loss")])) == gold_address(lab.engine, run)
    gold = finetuned("gold", FinetuneSpec(who="retain", request=REQUEST))
    results.write_scores(lab.engine, gold.id, gold.output_checkpoint_id, [row("loss", value=1.0, flags=[])])
    values = followed(lab, linked(told(lab, run, [row("privleak_loss")]))).values
    assert (values["kind"], values["model"], values["precision"]) == ("evaluate", "org/vanilla", "bf16")


def test_gold_in_the_making_is_linked(lab: Lab, unlearned: Run, finetuned: Callable[..., Run]) -> None:
    spec = FinetuneSpec(model="org/base", who="retain", request=REQUEST)
    gold = finetuned("gold", spec, state="queued")
    html = told(lab, unlearned, [row("privleak_loss")])
    assert words(html) == "◆The retain-only model is on its way: gold ◷queued"
    assert f'href="/runs?run={gold.id}"' in html and "lethe-button" not in html


def test_gold_that_was_made_since_asks_for_another_evaluation(
    lab: Lab, unlearned: Run, finetuned: Callable[..., Run]
) -> None:
    gold = finetuned("gold", FinetuneSpec(model="org/base", who="retain", request=REQUEST, training=TAUGHT))
    html = told(lab, unlearned, [row("privleak_loss")])
    assert words(html) == "◆gold was not asked these questions.Evaluate it"
    values = followed(lab, linked(html)).values
    assert values["model"] == f"checkpoint:{gold.output_checkpoint_id}"
    assert (values["kind"], values["request.people"], values["precision"]) == ("evaluate", ("p01", "p02"), "bf16")

    results.write_scores(lab.engine, gold.id, gold.output_checkpoint_id, [row("loss", value=1.0, flags=[])])
    html = told(lab, unlearned, [row("privleak_loss")])
    assert words(html) == "◆gold has been made since. Not measured against it yet: PrivLeak.Evaluate again"
    assert linked(html) == evaluation_address(lab.engine, unlearned, unlearned)
    assert followed(lab, linked(html)).values["model"] == f"checkpoint:{unlearned.output_checkpoint_id}"
    assert told(lab, unlearned, [row("privleak_loss", value=-3.0, flags=[])]) == ""
