"""The pages of `docs/` that the code writes say what the code says."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from backend import docs
from backend.benchmarks.demo import DemoBenchmark
from backend.metrics.memorisation import Panel
from backend.metrics.rules import RULES
from backend.metrics.score import TASKS
from backend.presets import PRESETS
from backend.spec import ForgetRequest


def test_the_pages_in_the_repository_are_current() -> None:
    assert docs.out_of_date(docs.FOLDER) == []


def test_a_page_that_was_changed_and_one_that_is_gone_are_found(tmp_path: Path) -> None:
    for name in docs.PAGES:
        shutil.copy(docs.FOLDER / name, tmp_path)
    page = tmp_path / "methods.md"
    page.write_text(page.read_text(encoding="utf-8").replace("NPO", "OPN"), encoding="utf-8")
    (tmp_path / "cli.md").unlink()
    assert docs.out_of_date(tmp_path) == ["methods.md", "cli.md"]


def test_a_stale_page_is_one_sentence_and_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(docs, "FOLDER", tmp_path)
    assert docs.main(["--check"]) == 1
    assert capsys.readouterr().err == ("docs/ is out of date (methods.md, metrics.md, cli.md): run `make docs`\n")
    assert docs.main([]) == 0
    assert docs.main(["--check"]) == 0


def test_every_method_stands_with_its_formula_and_source() -> None:
    page = docs.methods_page()
    assert len(PRESETS) >= 5
    for preset in PRESETS.values():
        assert f"## {preset.title} (`{preset.name}`)" in page
        assert preset.formula in page and preset.source in page and preset.published in page


def test_a_setting_stands_with_its_bounds_and_default() -> None:
    page = docs.methods_page()
    assert (
        "| `training.lora_rank` | LoRA rank | Width of the adapter. Usual: 8 to 64. "
        "| whole number from 1 to 1024 | `8` |" in page
    )
    assert "| `1`, `5`, `10`, `15`, `100` | `10` |" in page


def test_every_task_and_metric_that_is_scored_is_explained(world: DemoBenchmark) -> None:
    known = next(item for item in world.scored_items(ForgetRequest()) if item.task == "generation")
    items = [replace(known, task=task, options=("a", known.answer)) for task in TASKS]
    judged = {name for rules in RULES.values() for item in items for name in rules.judged(item, item.answer)}
    named = {name.strip() for measure in docs.MEASURES for name in measure.name.split(",")}
    scored = {name for name in judged | set(Panel.__dataclass_fields__) if not name.endswith("_as_coded")} - {"tokens"}
    assert {"accuracy", "probability", "parsed", "rougeL", "overall"} <= scored <= named, scored - named
    assert "…_as_coded" in named
    explained = " ".join(measure.where for measure in docs.MEASURES if measure.name == "accuracy")
    assert all(task in explained for task in TASKS)


def test_hidden_options_stay_hidden_and_sub_commands_carry_their_group() -> None:
    page = docs.cli_page()
    assert "## `submit unlearn`" in page and "## `probe`" in page
    assert "--parent" not in page
    assert "| `--models` | Two to four runs or checkpoints, comma-separated. | must be given |" in page


def test_the_pages_are_written_without_torch() -> None:
    asked = "import sys, backend.docs; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked], cwd=docs.FOLDER.parent, check=False).returncode == 0
