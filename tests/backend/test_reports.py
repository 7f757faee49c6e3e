"""A run as JSON, and what its model is held against: only what was asked the very same questions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, update

from backend.presets import fill
from backend.reports import base_of, gold_run, is_gold, original_run, run_report, same_people, yardsticks
from backend.spec import EvaluateSpec, FinetuneSpec, ForgetRequest, Spec
from storage import checkpoints, results, runs
from storage.database import connect, migrate, writing
from storage.tables import Run

TEN, FIVE = ForgetRequest(ratio=10), ForgetRequest(ratio=5)
Make = Callable[..., Run]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = connect(f"sqlite:///{tmp_path / 'lethe.db'}")
    migrate(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def ended(engine: Engine, tmp_path: Path) -> Make:
    """A run that has succeeded. One that trains has a checkpoint; `accuracy` is its score in one cell."""

    def make(name: str, spec: Spec, parent: Run | None = None, accuracy: float | None = None, data: str = "a") -> Run:
        fields = spec.model_dump(mode="json")
        above = (parent.output_checkpoint_id or parent.parent_checkpoint_id) if parent else None
        made = runs.submit(engine, kind=fields["kind"], name=name, spec=fields, parent_checkpoint_id=above)
        kept = None
        if fields["kind"] != "evaluate":
            kept = checkpoints.save(
                engine, tmp_path, run_id=made.id, step=1, kind="full", role="final", base="demo", parent_id=above,
                write=lambda folder: (folder / "model.safetensors").write_bytes(b"0"),
            ).id  # fmt: skip
        values = {"state": "succeeded", "output_checkpoint_id": kept, "versions": {"data": data}}
        with writing(engine) as session:
            session.execute(update(Run).where(Run.id == made.id).values(**values))
        if accuracy is not None:
            results.write_scores(engine, made.id, kept or above, [row(accuracy)])
        return runs.get(engine, made.id)

    return make


def row(value: float, metric: str = "accuracy") -> dict[str, Any]:
    cell = {"set": "forget", "task": "generation", "modality": "text", "metric": metric, "value": value}
    return cell | {"n": 60, "people": 5, "low": None, "high": None, "flags": []}


def unlearn(request: ForgetRequest = TEN, **given: Any) -> Spec:
    return fill("npo", **given).model_copy(update={"request": request})


def held(engine: Engine, run: Run) -> dict[str, list[float]]:
    return {role: [score["value"] for score in found.scores] for role, found in yardsticks(engine, run).items()}


def test_an_unlearned_model_is_held_against_its_original_and_gold(engine: Engine, ended: Make) -> None:
    vanilla = ended("vanilla", FinetuneSpec(request=TEN), accuracy=0.97)
    run = ended("NPO", unlearn(), vanilla, accuracy=0.11)
    assert held(engine, run) == {"original": [0.97]}
    ended("gold", FinetuneSpec(who="retain", request=TEN), accuracy=0.07)
    assert held(engine, run) == {"original": [0.97], "gold": [0.07]}
    asked_again = ended("again", EvaluateSpec(request=TEN), run, accuracy=0.12)
    assert held(engine, asked_again) == {"original": [0.97], "gold": [0.07]}
    assert original_run(engine, asked_again).name == "vanilla"  # type: ignore[union-attr]


def test_a_model_that_has_unlearned_nothing_is_held_against_nothing(engine: Engine, ended: Make) -> None:
    vanilla = ended("vanilla", FinetuneSpec(request=TEN), accuracy=0.97)
    for run in (vanilla, ended("asked", EvaluateSpec(request=TEN), vanilla), ended("hub", EvaluateSpec(model="org/x"))):
        assert yardsticks(engine, run) == {}
        assert run_report(engine, run.id)["yardsticks"] == {"original": None, "gold": None}


def test_scores_about_other_people_or_other_data_are_no_yardstick(engine: Engine, ended: Make) -> None:
    vanilla = ended("vanilla", FinetuneSpec(request=TEN), accuracy=0.97)
    assert held(engine, ended("five", unlearn(FIVE), vanilla)) == {"original": []}
    assert held(engine, ended("newer data", unlearn(), vanilla, data="b")) == {"original": []}
    ended("gold of ten", FinetuneSpec(who="retain", request=TEN), accuracy=0.07)
    assert "gold" not in held(engine, ended("five again", unlearn(FIVE), vanilla))


def test_an_evaluation_of_the_original_about_the_same_people_stands_in(engine: Engine, ended: Make) -> None:
    vanilla = ended("vanilla", FinetuneSpec(request=TEN), accuracy=0.97)
    ended("older", EvaluateSpec(request=FIVE), vanilla, accuracy=0.90)
    ended("newer", EvaluateSpec(request=FIVE), vanilla, accuracy=0.91)
    assert held(engine, ended("five", unlearn(FIVE), vanilla)) == {"original": [0.91]}


def test_an_original_from_outside_is_known_by_its_evaluations(engine: Engine, ended: Make) -> None:
    ended("other", EvaluateSpec(model="org/other", request=TEN), accuracy=0.5)
    ended("asked", EvaluateSpec(model="org/vanilla", request=TEN), accuracy=0.9)
    run = ended("NPO", unlearn(model="org/vanilla"), accuracy=0.1)
    assert held(engine, run) == {"original": [0.9]}
    assert original_run(engine, run) is None
    assert run_report(engine, run.id)["yardsticks"]["original"] == {"run": None, "name": None, "scores": [row(0.9)]}


def test_what_was_noted_before_unlearning_is_the_originals_accuracy(engine: Engine, ended: Make) -> None:
    vanilla = ended("vanilla", FinetuneSpec(request=TEN))
    first = ended("NPO", unlearn(), vanilla)
    results.write_scores(engine, first.id, first.output_checkpoint_id, [row(0.1), row(0.95, "known_before")])
    assert held(engine, first) == {"original": [0.95]}
    assert yardsticks(engine, first)["original"].scores[0]["metric"] == "accuracy"
    second = ended("NPO twice", unlearn(), first)
    results.write_scores(engine, second.id, second.output_checkpoint_id, [row(0.1), row(0.2, "known_before")])
    assert held(engine, second) == {"original": [0.2]}, "what it noted down is of the original too"


def test_the_original_is_what_stood_before_the_first_unlearning(engine: Engine, ended: Make) -> None:
    older = ended("vanilla", FinetuneSpec(request=TEN, model="org/base"))
    vanilla = ended("taught more", FinetuneSpec(request=TEN, model=f"run:{older.id}"), older)
    once = ended("NPO", unlearn(), vanilla)
    again = ended("relearned", FinetuneSpec(request=TEN, model=f"run:{once.id}"), once)
    for run in (vanilla, once, again, ended("NPO twice", unlearn(), once), ended("NPO of relearned", unlearn(), again)):
        assert original_run(engine, run).id == vanilla.id  # type: ignore[union-attr]
        assert base_of(engine, run) == "org/base"
    outside = ended("NPO of a model from outside", unlearn(model="org/vanilla"))
    relearned = ended("relearned", FinetuneSpec(request=TEN, model=f"run:{outside.id}"), outside)
    assert (original_run(engine, relearned), base_of(engine, relearned)) == (None, None)


def test_a_retain_finetune_of_a_model_that_was_taught_everyone_is_no_gold(engine: Engine, ended: Make) -> None:
    vanilla = ended("vanilla", FinetuneSpec(request=TEN, model="demo"))
    run = ended("NPO", unlearn(), vanilla, accuracy=0.1)
    tuned = ended("tuned", FinetuneSpec(who="retain", request=TEN, model=f"run:{vanilla.id}"), vanilla, accuracy=0.9)
    outside = ended("outside", unlearn(model="org/vanilla"))
    assert (is_gold(engine, tuned), gold_run(engine, run), gold_run(engine, outside)) == (False, None, None)
    gold = ended("gold", FinetuneSpec(who="retain", request=TEN, model="demo"))
    assert is_gold(engine, gold) and gold_run(engine, tuned).id == gold.id  # type: ignore[union-attr]
    assert gold_run(engine, outside).id == gold.id, "its base is not known"  # type: ignore[union-attr]


def test_a_model_is_gold_of_the_people_whom_it_never_saw_alone(engine: Engine, ended: Make) -> None:
    gold = ended("gold", FinetuneSpec(who="retain", request=TEN))
    assert is_gold(engine, ended("asked", EvaluateSpec(request=TEN), gold))
    assert not is_gold(engine, ended("asked about others", EvaluateSpec(request=FIVE), gold))


def test_gold_is_of_the_same_people_and_made_from_the_same_base(engine: Engine, ended: Make) -> None:
    vanilla = ended("vanilla", FinetuneSpec(request=TEN, model="org/base"))
    run = ended("NPO", unlearn(), vanilla)
    ended("of another base", FinetuneSpec(who="retain", request=TEN, model="org/other"))
    assert gold_run(engine, run) is None
    wanted = FinetuneSpec(who="retain", request=TEN.model_copy(update={"modality": "text"}), model="org/base")
    made = ended("gold", wanted)
    runs.submit(engine, kind="finetune", name="newer, queued", spec=wanted.model_dump(mode="json"))
    assert gold_run(engine, run).id == made.id  # type: ignore[union-attr]


def test_the_same_people_in_another_order_are_the_same() -> None:
    one = {"benchmark": "demo", "request": {"people": ["a", "b"], "attributes": [], "ratio": None, "modality": "text"}}
    other = {"benchmark": "demo", "request": {"people": ["b", "a"], "ratio": None, "modality": "both"}}
    assert same_people(one, other)
    assert not same_people(one, {**other, "benchmark": "clear"})
    assert not same_people(one, {**other, "request": {**other["request"], "attributes": ["city"]}})  # type: ignore[dict-item]


def test_a_report_names_the_yardsticks_with_their_scores(engine: Engine, ended: Make) -> None:
    vanilla = ended("vanilla", FinetuneSpec(request=TEN), accuracy=0.97)
    run = ended("NPO", unlearn(), vanilla, accuracy=0.11)
    assert run_report(engine, run.id)["yardsticks"] == {
        "original": {"run": vanilla.id, "name": "vanilla", "scores": [row(0.97)]},
        "gold": None,
    }


def test_scores_of_questions_with_solved_examples_are_a_yardstick_of_their_like_alone(
    engine: Engine, ended: Make
) -> None:
    vanilla = ended("vanilla", FinetuneSpec(request=TEN), accuracy=0.97)
    run = ended("NPO", unlearn(), vanilla)
    ended("after two of seed 4", EvaluateSpec(request=TEN, shots=2, seed=4), vanilla, accuracy=0.6)
    assert held(engine, run) == {"original": [0.97]}
    for shots, seed, wanted in ((2, 4, [0.6]), (2, 5, []), (1, 4, []), (0, 4, [0.97])):
        asked = ended(f"{shots} {seed}", EvaluateSpec(request=TEN, shots=shots, seed=seed), run)
        assert held(engine, asked) == {"original": wanted}, (shots, seed)
