"""Sweeps: every combination once and checked before any is queued; and a group's table, reckoned by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from backend.groups import group_report
from backend.presets import fill
from backend.spec import FinetuneSpec
from backend.sweeps import SweepRefused, grid, group_name, numeric_fields, parted, queue_grid
from storage import results, runs
from storage.database import connect, migrate
from storage.errors import NotFound
from storage.tables import Run

SPEC = fill("npo", model="org/a-model")
RATES_AND_SEEDS = [("training.learning_rate", "1e-3, 3e-3"), ("training.seed", "0 1")]


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setenv("LETHE_HOME", str(tmp_path))
    found = connect(f"sqlite:///{tmp_path / 'lethe.db'}")
    migrate(found)
    yield found
    found.dispose()


def test_a_grid_has_every_combination_and_changes_nothing_else() -> None:
    points = grid(SPEC, RATES_AND_SEEDS)
    assert [(p.spec.training.learning_rate, p.spec.training.seed) for p in points] == [  # type: ignore[union-attr]
        (0.001, 0), (0.001, 1), (0.003, 0), (0.003, 1)
    ]  # fmt: skip
    assert [point.words() for point in points][:2] == ["lr 0.001 · seed 0", "lr 0.001 · seed 1"]
    back = {"learning_rate": SPEC.training.learning_rate, "seed": SPEC.training.seed}
    assert all(
        point.spec.model_copy(update={"training": point.spec.training.model_copy(update=back)}) == SPEC  # type: ignore[union-attr]
        for point in points
    )


def test_equal_specs_are_one_run() -> None:
    assert len(grid(SPEC, [("training.learning_rate", "1e-3,0.001,0.0010")])) == 1
    assert len(grid(SPEC, [("training.steps", "60,60.0,1e2")])) == 2


@pytest.mark.parametrize(
    ("axes", "sentence"),
    [
        ([("training.learning_rate", "1e-3,-1")], r"training.learning_rate must be above 0 \(it was -1\)"),
        ([("training.learning_rate", "fast")], "fast is no number"),
        ([("training.seed", " , ")], "training.seed has no values"),
        ([("training.seed", "0,1.5")], r"training.seed must be a whole number \(it was 1.5\)"),
        ([("training.seed", "nan")], "is no number|ordinary number"),
        ([("training.schedule", "1")], "training.schedule is no number among the settings"),
        ([("objective.layer", "1,2")], "objective.layer means nothing to this method"),
        ([("training.seed", "0"), ("training.seed", "1")], "training.seed is swept twice"),
        ([("training.seed", ",".join(map(str, range(65))))], "these are 65 runs; at most 64"),
        (
            [("training.seed", ",".join(map(str, range(13)))), ("training.steps", "1,2,3,4,5")],
            "these are 65 runs; at most 64",
        ),
    ],
)
def test_what_cannot_be_swept_is_one_sentence(axes: list[tuple[str, str]], sentence: str) -> None:
    with pytest.raises(SweepRefused, match=sentence) as refused:
        grid(SPEC, axes)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "axes", "sentence"),
    [
        (
            {},
            [("objective.forget_weight", "0,1"), ("objective.beta", ".1,.2")],
            "γ 0 · β 0.1 and γ 0 · β 0.2 would be the same run; sweep them one by one",
        ),
        ({"objective": {"forget_weight": 0}}, [("objective.beta", ".1,.2")], "β 0.1 and β 0.2 would be the same run"),
        (
            {"training": {"adapter": "full"}},
            [("training.lora_rank", "4,8")],
            "training.lora_rank means nothing as this run trains, so sweeping it would make equal models",
        ),
        (
            {"training": {"schedule": "constant"}},
            [("training.warmup", "0,.1")],
            "training.warmup means nothing as this run trains",
        ),
    ],
)
def test_combinations_that_make_equal_runs_are_refused(
    changes: dict[str, Any], axes: list[tuple[str, str]], sentence: str
) -> None:
    with pytest.raises(SweepRefused) as refused:
        grid(fill("npo", **changes), axes)
    assert str(refused.value).startswith(sentence)
    assert len(grid(SPEC, [("objective.forget_weight", "0,1"), ("training.lora_rank", "4,8")])) == 4


def test_sixty_four_are_not_too_many() -> None:
    assert len(grid(SPEC, [("training.seed", ",".join(map(str, range(64))))])) == 64


def test_a_word_of_the_command_line_is_a_path_and_its_values() -> None:
    assert parted("training.seed=0,1") == ("training.seed", "0,1")
    with pytest.raises(SweepRefused, match=r"write it as training\.seed=0,1"):
        parted("training.seed")


def test_numbers_of_every_group_can_be_swept_and_nothing_else() -> None:
    paths = set(numeric_fields(type(SPEC)))
    assert {"training.seed", "objective.beta", "guards.retain_below"} <= paths
    assert not {"preset", "score", "training.adapter", "request.ratio"} & paths
    assert "objective.beta" not in set(numeric_fields(FinetuneSpec))


def test_the_runs_are_one_group_and_a_second_press_makes_no_more(engine: Engine) -> None:
    points = grid(SPEC, RATES_AND_SEEDS)
    first = queue_grid(engine, points, "NPO", "request")
    again = queue_grid(engine, points, "NPO", "request")
    assert [run.id for run in again] == [run.id for run in first]
    assert {run.group_id for run in runs.listing(engine)} == {"NPO"} and len(runs.listing(engine)) == 4
    assert [run.name for run in first][2] == "NPO · lr 0.003 · seed 0"
    other = queue_grid(engine, points, "NPO")
    assert {run.group_id for run in other} == {"NPO · 2"}
    assert len(runs.listing(engine, group="NPO")) == 4


def test_a_long_name_is_cut_to_what_a_group_can_hold(engine: Engine) -> None:
    assert group_name(engine, "x" * 200) == "x" * 55 + "…"


# -- a group's table ---


def scored(engine: Engine, run: Run, forget: float, retain: float, test: float | None = None) -> None:
    claimed = runs.claim(engine, "worker", "here", "cpu")
    assert claimed is not None and claimed.id == run.id
    values = {"forget": forget, "retain": retain} | ({"test": test} if test is not None else {})
    rows: list[dict[str, Any]] = [
        {"set": name, "task": "generation", "modality": "image_text", "metric": "accuracy", "value": value, "n": 60}
        for name, value in values.items()
    ]
    results.write_scores(engine, run.id, None, rows)
    runs.finish(engine, run.id, 1, "succeeded")


def test_a_row_is_mean_and_spread_over_seeds_and_rows_stand_by_the_rule(engine: Engine) -> None:
    queued = queue_grid(engine, grid(SPEC, RATES_AND_SEEDS), "NPO")
    for run, figures in zip(queued, [(0.4, 0.8), (0.2, 0.6), (0.1, 0.9), (0.3, 0.8)], strict=True):
        scored(engine, run, *figures, test=0.5)
    report = group_report(engine, "NPO")
    assert report["settings"] == ["training.learning_rate"] and len(report["runs"]) == 4
    best, other = report["rows"]
    assert (best["settings"], best["seeds"]) == ({"training.learning_rate": 0.003}, [0, 1])
    assert best["accuracies"]["forget"]["mean"] == pytest.approx(0.2)
    assert best["accuracies"]["forget"]["spread"] == pytest.approx(0.02**0.5)  # deviations ±.1, over n − 1
    assert best["balance"] == pytest.approx(2 * 0.8 * 0.85 / 1.65)
    assert other["balance"] == pytest.approx(2 * 0.7 * 0.7 / 1.4) and other["accuracies"]["test"]["spread"] == 0
    assert best["measured"] == 2 and "celebrity" not in best["accuracies"]


def test_what_is_not_measured_yet_stands_last_and_one_seed_has_no_spread(engine: Engine) -> None:
    queued = queue_grid(engine, grid(SPEC, [("training.learning_rate", "1e-3,3e-3")]), "NPO")
    scored(engine, queued[0], 0.5, 0.5)
    first, last = group_report(engine, "NPO")["rows"]
    assert first["accuracies"]["forget"] == {
        "mean": 0.5, "spread": None, "n": 1, "task": "generation", "modality": "image_text"
    }  # fmt: skip
    assert (last["balance"], last["measured"], last["accuracies"]) == (None, 0, {})


def test_a_run_done_once_more_is_not_counted_twice(engine: Engine) -> None:
    (run, _) = queue_grid(engine, grid(SPEC, [("training.seed", "0,1")]), "NPO")
    scored(engine, run, 0.5, 0.5)
    runs.retry(engine, run.id)
    (row,) = group_report(engine, "NPO")["rows"]
    assert row["seeds"] == [0, 1] and row["runs"][0] == run.id and row["measured"] == 1


def test_an_unknown_group_is_not_found(engine: Engine) -> None:
    with pytest.raises(NotFound, match="no group of runs called “nobody”"):
        group_report(engine, "nobody")
