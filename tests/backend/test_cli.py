"""The command line as a script uses it: processes, exit codes, and JSON on standard output alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from backend.benchmarks.demo import DemoBenchmark
from backend.presets import PRESETS
from storage import runs
from storage.database import connect, migrate
from storage.workers import workers

REPO = Path(__file__).parents[2]
SUMMARY = {"id", "name", "kind", "state", "method", "progress", "created_at", "started_at", "finished_at"}
REPORT = {"id", "name", "kind", "state", "spec", "progress", "parent", "checkpoint", "scores"}
QUICK = ("--set", "score=false", "--set", "training.batch_size=4", "--set", "training.evaluate_every=0")


class Terminal:
    """`python -m backend …` in a lab of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def __call__(self, *words: str, seconds: float = 100) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "backend", *words],
            cwd=REPO,
            capture_output=True,
            text=True,
            timeout=seconds,
            env=os.environ | {"LETHE_HOME": str(self.home), "HF_HUB_OFFLINE": "1", "OMP_WAIT_POLICY": "PASSIVE"},
        )

    def json(self, *words: str) -> Any:
        done = self(*words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def refused(self, *words: str) -> str:
        """The one sentence with which a command says no."""
        done = self(*words)
        assert done.returncode == 1, done.stdout + done.stderr
        assert done.stdout == ""
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
        return done.stderr.strip()

    def queued(self, kind: str) -> int:
        """How many runs of a kind there are, as the database has it."""
        engine = connect(f"sqlite:///{self.home / 'lethe.db'}")
        migrate(engine)
        found = len(runs.listing(engine, kind=kind))
        engine.dispose()
        return found


@pytest.fixture(scope="module")
def terminal(
    shared_home: Path, world: DemoBenchmark, demo_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Terminal]:
    home = tmp_path_factory.mktemp("terminal")
    for part in ("worlds", "models"):
        shutil.copytree(shared_home / part, home / part)
    yield Terminal(home)
    engine = connect(f"sqlite:///{home / 'lethe.db'}")
    for worker in workers(engine, alive_within_s=60):
        try:
            process = psutil.Process(worker.pid)
            process.terminate()
            process.wait(60)
        except psutil.NoSuchProcess:
            continue
    engine.dispose()


@pytest.fixture(scope="module")
def finetuned(terminal: Terminal) -> dict[str, Any]:
    """What `submit finetune --wait --json` said of a run of three steps."""
    report: dict[str, Any] = terminal.json(
        *("submit", "finetune", "--name", "vanilla", "--set", "training.steps=3", "--wait", *QUICK)
    )
    return report


def test_the_methods_are_listed_with_what_they_minimise(terminal: Terminal) -> None:
    found = terminal.json("preset", "list")
    assert list(found) == list(PRESETS)
    assert {"title", "formula", "source", "differs", "published", "objective", "training"} < found["npo"].keys()
    assert found["npo"]["objective"]["beta"] == PRESETS["npo"].objective.beta
    assert found["npo"]["variants"]["offside"]["objective"]["beta"] == 0.9


def test_a_method_of_ones_own_is_kept_shown_carried_to_another_lab_and_listed(
    terminal: Terminal, tmp_path: Path
) -> None:
    other = Terminal(tmp_path)
    assert other("preset", "save", "mine", "--preset", "npo:offside", "--set", "objective.beta=0.5").returncode == 0
    shown = other("preset", "show", "mine").stdout
    assert "beta: 0.5" in shown and "minimise" in shown.splitlines()[0]
    text = tmp_path / "carried.yaml"
    text.write_text(shown.replace("name: mine", "name: carried"), encoding="utf-8")
    assert other("preset", "load", str(text)).returncode == 0
    assert list(other.json("preset", "list"))[-2:] == ["carried", "mine"]
    (tmp_path / "presets" / "mine.yaml").write_text("name: [", encoding="utf-8")
    listed = other("preset", "list", "--json")
    assert listed.returncode == 0 and "presets/mine.yaml cannot be used" in listed.stderr
    assert other.refused("preset", "load", str(tmp_path / "nowhere")) == f"there is no file {tmp_path / 'nowhere'}"
    assert "is a published method" in other.refused("preset", "save", "npo")


def test_doctor_finds_nothing_missing_here(terminal: Terminal) -> None:
    found = {finding["what"]: finding for finding in terminal.json("doctor")}
    assert {"Python", "torch", "device", "disk", "database", "worker"} <= found.keys()
    assert all(finding["good"] for finding in found.values())
    assert str(terminal.home) in found["database"]["said"]
    kept = terminal.home / "features" / "ab" / "abc"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(bytes(20_000_000))
    found = {finding["what"]: finding for finding in terminal.json("doctor")}
    assert found["picture features"]["said"].startswith("0.02 of at most ")
    assert f"1 files at {terminal.home / 'features'}" in found["picture features"]["said"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("submit", "unlearn", "--set", "training.learning_rate=-1"), "training.learning_rate must be above 0"),
        (("submit", "unlearn", "--set", "training.learning_rate"), "has no value; write it as training.steps=100"),
        (("submit", "unlearn", "--preset", "wishing"), "wishing"),
        (("submit", "unlearn", "--people", "p03,p99", "--model", "demo"), "p99"),
        (("submit", "unlearn", "--model", "run:nobody"), "nobody"),
        (("submit", "unlearn", "--model", "/no/such/folder"), "there is no folder /no/such/folder"),
        (("show", "nobody"), "nobody"),
        (("stop", "nobody"), "nobody"),
        (("probe", "--models", "nobody,nothing", "--question", "Who?"), "no"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "says",
)
def test_what_cannot_be_done_is_one_sentence_and_exit_code_1(
    terminal: Terminal, words: tuple[str, ...], sentence: str
) -> None:
    assert sentence in terminal.refused(*words)
    assert terminal.queued("unlearn") == 0


def test_a_run_that_is_waited_for_ends_with_the_report_that_show_gives(
    terminal: Terminal, finetuned: dict[str, Any]
) -> None:
    assert finetuned.keys() >= REPORT
    assert (finetuned["name"], finetuned["kind"], finetuned["state"]) == ("vanilla", "finetune", "succeeded")
    assert (finetuned["progress"]["step"], finetuned["progress"]["steps"]) == (3, 3)
    assert finetuned["spec"]["training"]["steps"] == 3 and finetuned["spec"]["score"] is False
    assert finetuned["parent"] is None and finetuned["scores"] == []
    assert (finetuned["checkpoint"]["kind"], finetuned["checkpoint"]["step"]) == ("full", 3)
    assert terminal.json("show", finetuned["id"][:8]) == terminal.json("show", "vanilla") == finetuned
    listed = next(run for run in terminal.json("runs") if run["id"] == finetuned["id"])
    assert listed.keys() == SUMMARY and listed == {key: finetuned[key] for key in SUMMARY}


def test_a_run_is_stopped_resumed_and_cancelled(world: DemoBenchmark, shared_home: Path, tmp_path: Path) -> None:
    shutil.copytree(shared_home / "worlds", tmp_path / "worlds")
    without_worker = Terminal(tmp_path)
    queued = without_worker.json("submit", "finetune", "--name", "patient")
    assert queued.keys() == SUMMARY and queued["state"] == "queued"
    for command, state in (
        (("stop", "patient"), "interrupted"),
        (("resume", "patient"), "queued"),
        (("stop", "patient", "--cancel"), "cancelled"),
    ):
        told = without_worker.json(*command)
        assert (told["id"], told["state"]) == (queued["id"], state)


def test_two_models_are_asked_the_same(terminal: Terminal, finetuned: dict[str, Any]) -> None:
    unlearned = terminal.json(
        *("submit", "unlearn", "--name", "forgetful", "--people", "p03", "--set", "training.steps=2", "--wait", *QUICK)
    )
    assert unlearned["parent"]["id"] == finetuned["checkpoint"]["id"]
    item = "p03/forget/generation/image_text/city"
    answers = terminal.json("probe", "--models", "vanilla,forgetful", "--item", item, "--attack", "role_override")
    assert [(answer["index"], answer["role"]) for answer in answers] == [(0, "original"), (1, "unlearned")]
    assert [answer["stamp"]["checkpoint"] for answer in answers] == [
        finetuned["checkpoint"]["id"],
        unlearned["checkpoint"]["id"],
    ]
    assert answers[1]["stamp"]["adapter"] == "on ×1.00" != answers[0]["stamp"]["adapter"]
    for answer in answers:
        assert 0 <= answer["likelihood"] <= 1
        assert (answer["stamp"]["decoding"], answer["stamp"]["seed"]) == ("greedy", 0)


def test_a_sweep_is_queued_as_one_group_or_not_at_all(terminal: Terminal) -> None:
    before = terminal.queued("unlearn")
    unlearn = ("submit", "unlearn", "--preset", "npo", "--model", "org/a-model", "--name", "swept")
    said = terminal.refused(*unlearn, "--sweep", "training.learning_rate=1e-3,0")
    assert said.endswith("training.learning_rate must be above 0 (it was 0)")
    assert terminal.queued("unlearn") == before
    axes = ("--sweep", "training.learning_rate=1e-3,3e-3", "--sweep", "training.seed=0,1")
    made = terminal.json(*unlearn, *axes)
    assert made["group"] == "swept" and [run["name"] for run in made["runs"]][1] == "swept · lr 0.001 · seed 1"
    report = terminal.json("show", "--group", "swept")
    assert [(row["settings"], row["seeds"]) for row in report["rows"]] == [
        ({"training.learning_rate": 0.001}, [0, 1]),
        ({"training.learning_rate": 0.003}, [0, 1]),
    ]
    assert "swept" in terminal("show", "--group", "swept").stdout
    assert "no group of runs called" in terminal.refused("show", "--group", "nobody")
    assert "name a run, or a group" in terminal.refused("show")
    for run in made["runs"]:
        assert terminal("stop", run["id"], "--cancel").returncode == 0
