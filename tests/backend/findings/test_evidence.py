"""Findings from rows: which runs count, and what of them is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from backend.attack_report import unit_figures
from backend.findings import cases, findings
from backend.presets import fill
from backend.spec import AttackSpec, EvaluateSpec, FinetuneSpec
from storage import attacks, checkpoints, results, runs
from storage.database import connect, migrate
from storage.tables import Run


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.setenv("LETHE_HOME", str(tmp_path))
    made = connect()
    migrate(made)
    return made


def made(engine: Engine, home: Path, kind: str, name: str, spec: dict[str, Any], parent: Run | None = None) -> Run:
    """A run that has succeeded with a model."""
    above = parent.output_checkpoint_id if parent else None
    run = runs.submit(engine, kind=kind, name=name, spec=spec, parent_checkpoint_id=above)
    runs.claim(engine, "worker", "host", "CPU")
    runs.finish(engine, run.id, 1, "succeeded", output_checkpoint_id=saved(engine, home, run, above))
    return runs.get(engine, run.id)


def saved(engine: Engine, home: Path, run: Run, parent: str | None, role: str = "final") -> str:
    return checkpoints.save(
        engine, home, run_id=run.id, step=1, kind="adapter", role=role, base="demo", parent_id=parent,
        write=lambda folder: (folder / "adapter.safetensors").write_bytes(b"0"),
    ).id  # fmt: skip


def vanilla(engine: Engine, home: Path) -> Run:
    """The original, which knows everything there is about the forget set."""
    spec = FinetuneSpec(model="demo").model_dump(mode="json")
    run = made(engine, home, "finetune", "vanilla", spec)
    rows = [score("forget", modality, 1.0) for modality in ("text", "image_text")]
    results.write_scores(engine, run.id, run.output_checkpoint_id, rows)
    return run


def unlearned(engine: Engine, home: Path, name: str, parent: Run | None = None, **request: Any) -> Run:
    spec = fill("npo").model_dump(mode="json")
    spec["request"] |= request
    return made(engine, home, "unlearn", name, spec, parent)


def score(item_set: str, modality: str, value: float, metric: str = "accuracy") -> dict[str, Any]:
    place = {"item_set": item_set, "task": "generation", "modality": modality, "metric": metric}
    return place | {"value": value, "n": 10, "people": 4, "low": value - 0.05, "high": value + 0.05}


def test_runs_without_scores_are_no_case(engine: Engine, tmp_path: Path) -> None:
    unlearned(engine, tmp_path, "silent")
    assert cases(engine) == []
    assert {one.verdict for one in findings(engine)} == {"cannot tell"}


def attacked(engine: Engine, run: Run, checkpoint: str | None, **asked: Any) -> str:
    """The id of an attack run on a model of `run`."""
    spec = AttackSpec(model=f"run:{run.id}").model_dump(mode="json") | asked
    attack = runs.submit(engine, kind="attack", name="attack", spec=spec, parent_checkpoint_id=checkpoint)
    for role, leak in (("unlearned", 0.0), ("original", 1.0)):
        figures = unit_figures([("a", "text", leak), ("b", "text", leak)])
        attacks.write_unit(engine, attack.id, {"attack": "plain", "role": role, **figures})
    return attack.id


def evaluated(engine: Engine, checkpoint: str | None, value: float, **asked: Any) -> None:
    spec = EvaluateSpec(model="checkpoint").model_dump(mode="json") | asked
    run = runs.submit(engine, kind="evaluate", name="evaluation", spec=spec, parent_checkpoint_id=checkpoint)
    results.write_scores(engine, run.id, checkpoint, [score("forget", "text", value)])


OTHERS = {"request": {"ratio": 5, "people": [], "attributes": [], "modality": "both"}}


def test_a_run_is_one_case_however_often_and_wherever_its_models_were_asked(engine: Engine, tmp_path: Path) -> None:
    run = unlearned(engine, tmp_path, "asked a lot", vanilla(engine, tmp_path))
    last = run.output_checkpoint_id
    results.write_scores(engine, run.id, last, [score("forget", "text", 0.1)])
    midway = saved(engine, tmp_path, run, None, role="best")
    evaluated(engine, last, 0.2, shots=3)
    evaluated(engine, last, 0.3, **OTHERS)
    evaluated(engine, midway, 0.4)
    ours = attacked(engine, run, last)
    attacked(engine, run, last, **OTHERS)
    attacked(engine, run, last, benchmark="another")
    attacked(engine, run, midway)
    (case,) = cases(engine)
    assert case.base == run.parent_checkpoint_id
    assert case.run == run.id and case.mean("forget") == 0.1 and list(case.attacked) == [ours]


def test_a_run_that_was_asked_by_an_evaluation_alone_is_a_case(engine: Engine, tmp_path: Path) -> None:
    run = unlearned(engine, tmp_path, "scored later", vanilla(engine, tmp_path))
    evaluated(engine, run.output_checkpoint_id, 0.2, shots=3)
    assert [case.mean("forget") for case in cases(engine)] == [0.2], "better with solved examples than not at all"
    evaluated(engine, run.output_checkpoint_id, 0.3)
    assert [(case.run, case.mean("forget")) for case in cases(engine)] == [(run.id, 0.3)]
    assert cases(engine, [run.id]) == cases(engine) and cases(engine, ["another"]) == []


def test_a_scored_run_is_read_with_the_attacks_on_its_model(engine: Engine, tmp_path: Path) -> None:
    run = unlearned(engine, tmp_path, "text only", vanilla(engine, tmp_path), modality="text")
    rows = [score("forget", "text", 0.1), score("forget", "image_text", 0.8), score("forget", "text", 0.5, "rougeL")]
    results.write_scores(engine, run.id, run.output_checkpoint_id, rows)
    attack = attacked(engine, run, run.output_checkpoint_id)
    (case,) = cases(engine)
    assert case.asked_modality == "text" and case.mean("forget") == pytest.approx(0.45)
    assert list(case.attacked) == [attack] and case.attacked[attack][0]["name"] == "plain"
    by_key = {one.key: one for one in findings(engine)}
    assert by_key["text_only"].verdict == "supported"
    assert by_key["prompts"].words.startswith("needs ")
    assert findings(engine, ["another"])[0].verdict == "cannot tell"
