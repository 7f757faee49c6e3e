"""Reports, tables, models and specs from a terminal, in the process of the test."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from backend.benchmarks.demo import DemoBenchmark
from backend.cli import UNDERSTOOD, app
from storage import runs
from tests.backend.report.conftest import Filled

Terminal = Callable[..., Result]


@pytest.fixture
def terminal(filled: Filled, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("LETHE_HOME", str(filled.home))
    monkeypatch.delenv("HF_TOKEN", raising=False)

    def say(*words: str, typed: str = "") -> Result:
        return CliRunner().invoke(app, list(words), input=typed)

    return say


def refused(result: Result) -> str:
    assert result.exit_code == 1
    return str(result.exception) if isinstance(result.exception, UNDERSTOOD) else result.stderr


def test_a_report_is_written_whole(terminal: Terminal, filled: Filled, tmp_path: Path) -> None:
    done = terminal("report", filled.npo.id[:8], "gold", "--out", str(tmp_path / "new" / "report.html"))
    assert done.exit_code == 0, done.output
    html = (tmp_path / "new" / "report.html").read_text(encoding="utf-8")
    assert html.startswith("<!doctype html>") and filled.npo.id in html and filled.gold.id in html
    assert "No run has" in refused(terminal("report", "nobody", "--out", str(tmp_path / "x.html")))


def test_tables_are_written_by_the_ending_of_their_file(terminal: Terminal, tmp_path: Path) -> None:
    for words, ending in (
        (("scores", "gold"), "csv"), (("answers", "vanilla"), "parquet"), (("attacks", "quick attacks"), "json"),
        (("transcripts", "quick attacks"), "csv"), (("findings",), "json"), (("findings", "vanilla"), "csv"),
    ):  # fmt: skip
        file = tmp_path / f"{words[0]}.{ending}"
        done = terminal("export", *words, "--out", str(file))
        assert done.exit_code == 0, done.output
        assert file.stat().st_size > 0 and f"of {words[0]}" in done.output.replace("\n", " ")
    assert json.loads((tmp_path / "attacks.json").read_text())[0]["attack"] == "roleplay"
    assert "not as a file without an ending" in refused(
        terminal("export", "scores", "gold", "--out", str(tmp_path / "x"))
    )


def test_a_model_is_written_as_folder_or_zip(terminal: Terminal, tmp_path: Path, filled: Filled) -> None:
    npo = filled.npo.id
    assert terminal("export", "model", npo, "--as", "adapter", "--out", str(tmp_path / "a")).exit_code == 0
    assert (tmp_path / "a" / "README.md").is_file()
    assert terminal("export", "model", "gold", "--as", "merged", "--out", str(tmp_path / "gold.zip")).exit_code == 0
    assert (tmp_path / "gold.zip").is_file()
    assert "say where to" in refused(terminal("export", "model", npo, "--as", "adapter"))
    assert "not as 'gguf'" in refused(terminal("export", "model", npo, "--as", "gguf", "--out", str(tmp_path / "g")))


def test_a_token_is_asked_for_and_not_shown(
    terminal: Terminal, filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushed: list[tuple[str, str, bool]] = []

    def push(folder: Path, repository: str, token: str, *, private: bool) -> str:
        pushed.append((repository, token, private))
        return f"https://huggingface.co/{repository}"

    monkeypatch.setattr(sys.modules["backend.cli.export"], "push", push)
    words = ("export", "model", filled.npo.id, "--as", "adapter", "--push", "a/model")
    done = terminal(*words, typed="hf_typed\n")
    assert done.exit_code == 0 and "hf_typed" not in done.output
    monkeypatch.setenv("HF_TOKEN", "hf_env")
    assert terminal(*words, "--public").exit_code == 0
    assert pushed == [("a/model", "hf_typed", True), ("a/model", "hf_env", False)]
    everything = b"".join(path.read_bytes() for path in filled.home.rglob("*") if path.is_file())
    assert b"hf_typed" not in everything and b"hf_env" not in everything


def test_a_shown_spec_is_submitted_again_as_it_was(
    terminal: Terminal, filled: Filled, tmp_path: Path, world: DemoBenchmark, shared_home: Path
) -> None:
    if not (filled.home / "worlds").exists():
        os.symlink(shared_home / "worlds", filled.home / "worlds")
    shown = terminal("show", filled.npo.id, "--spec")
    assert yaml.safe_load(shown.output)["name"] == filled.npo.name
    file = tmp_path / "run.yaml"
    file.write_text(shown.output, encoding="utf-8")
    for words in ((str(file),), ("-",)):
        done = terminal("submit", "file", *words, "--json", typed=shown.output)
        assert done.exit_code == 0, done.output
        again = runs.get(filled.engine, json.loads(done.output)["id"])
        assert again.spec == filled.npo.spec and again.name == filled.npo.name and again.id != filled.npo.id
        assert again.parent_checkpoint_id == filled.vanilla.output_checkpoint_id
        runs.request_stop(filled.engine, again.id, "cancel")
    file.write_text("spec: [", encoding="utf-8")
    assert "no YAML" in refused(terminal("submit", "file", str(file)))
    assert "there is no file" in refused(terminal("submit", "file", str(tmp_path / "none")))
