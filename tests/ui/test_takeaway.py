"""What a page gives away as a file."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import gradio as gr
import pytest
import yaml

from storage import runs
from storage.tables import Checkpoint, Run
from tests.backend.report import lab as made
from ui import takeaway
from ui.context import Lab


@pytest.fixture
def npo(lab: Lab) -> Run:
    return made.unlearned(lab.engine, lab.home, made.vanilla(lab.engine, lab.home))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_report_a_table_and_a_spec_have_names_and_contents(lab: Lab, npo: Run) -> None:
    name, content = takeaway.report_file(lab, [npo.id])
    assert name == "lethe-npo-script-alert-1-script.html" and content.startswith(b"<!doctype html>")
    name, content = takeaway.table_file("scores", "csv")(lab, [npo.id])
    assert name == "lethe-scores-npo-script-alert-1-script.csv"
    assert len(list(csv.DictReader(io.StringIO(content.decode())))) == 3
    name, content = takeaway.spec_file(lab, [npo.id])
    assert name.endswith(".yaml") and yaml.safe_load(content)["spec"] == npo.spec


def test_a_file_lies_in_gradios_own_cache_under_a_fresh_name(cache: Path) -> None:
    first, second = takeaway.kept("a.csv", b"1"), takeaway.kept("a.csv", b"2")
    assert first != second and Path(first).read_bytes() == b"1"
    assert Path(first).is_relative_to(cache) and Path(first).name == "a.csv"


def test_a_small_model_is_a_zip_and_a_large_one_a_command(lab: Lab, npo: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(takeaway.model_zip(lab, npo.id)) as archive:
        assert {Path(name).name for name in archive.namelist()} >= {"adapter_model.safetensors", "README.md"}
    words = takeaway.model_words(lab, npo)
    assert "can be taken off again" in words and f"export model {npo.id[:8]} --as merged" in words
    monkeypatch.setattr(takeaway, "LARGEST_ZIP", 10)
    with pytest.raises(takeaway.CannotTake, match="take it from a terminal"):
        takeaway.model_zip(lab, npo.id)


def test_a_run_without_weights_says_so(lab: Lab, queued: Callable[..., Run]) -> None:
    assert "made no weights" in takeaway.model_words(lab, queued())


def test_full_weights_need_no_warning(lab: Lab, queued: Callable[..., Run], saved: Callable[..., Checkpoint]) -> None:
    origin = made.vanilla(lab.engine, lab.home)
    assert "can be taken off" not in takeaway.model_words(lab, runs.get(lab.engine, origin.id))


def test_a_refusal_is_a_message_and_is_escaped(lab: Lab) -> None:
    def refuse() -> str:
        raise takeaway.NoTable("<b>no</b>")

    with pytest.raises(gr.Error, match="&lt;b&gt;no&lt;/b&gt;"):
        takeaway._or_error(refuse)


def test_a_button_gives_what_its_writer_writes(lab: Lab, npo: Run) -> None:
    with gr.Blocks() as page:
        named = gr.State(npo.id)
        takeaway.offer(lab, gr.Button("Report"), named, takeaway.report_file)
        takeaway.table_buttons(lab, "scores", named)
        takeaway.fold(lab, named, ("answers",))
    clicks = [event for event in page.fns.values() if event.fn and event.targets[0][1] == "click"]
    # a report, three forms of each table, the spec and the model
    assert len(clicks) == 1 + 3 + 3 + 1 + 1
    assert all(event.api_visibility == "private" for event in page.fns.values())
    assert Path(str(clicks[0].fn(npo.id))).read_bytes().startswith(b"<!doctype html>")  # type: ignore[misc]
    assert "name one to 20 runs" in _refused(lambda: clicks[0].fn([]))  # type: ignore[misc]


def _refused(act: Callable[[], object]) -> str:
    with pytest.raises(gr.Error) as refused:
        act()
    return str(refused.value)
