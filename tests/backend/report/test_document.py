"""A report: one file that needs nothing, in which every figure is the row's and nothing from a run is code."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from sqlalchemy import Engine

from backend.report import figures
from backend.report.document import NoReport, file_name, report_html
from backend.report.gathering import gather
from backend.report.limits import limits
from storage import runs
from storage.errors import NotFound
from tests.backend.report import lab as made
from tests.backend.report.conftest import Filled

EMPTY = {"meta", "line", "rect", "circle", "path", "polyline", "br", "link", "img"}


class Reader(HTMLParser):
    """What tags and addresses a page has, whether its tags close, and its tables as rows of words."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.open: list[str] = []
        self.rows: list[list[str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "action", "data")]
        assert not [name for name, _ in attrs if name.startswith("on")], "no handler of an event"
        if tag not in EMPTY:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag not in EMPTY:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    assert reader.open == []
    return reader


@pytest.fixture(scope="module")
def html(filled: Filled) -> str:
    return report_html(filled.engine, filled.home, [filled.npo.id], now=0)


def test_it_needs_nothing_from_anywhere_and_runs_nothing(html: str) -> None:
    page = read(html)
    assert not {"script", "link", "img", "iframe", "object", "form", "base"} & set(page.tags)
    assert all(address.startswith("#") for address in page.addresses)
    assert "default-src 'none'" in html and "@import" not in html and "url(" not in html
    assert "http" not in html.lower().replace("http-equiv", "")


def test_what_comes_from_a_run_is_text(html: str) -> None:
    assert made.EVIL not in html
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;") > 5, "in the title, an answer, a question, a transcript"


def test_the_scores_stand_beside_original_and_gold(html: str) -> None:
    rows = read(html).rows
    forget = next(row for row in rows if row[:3] == ["forget", "generation", "with picture"])
    assert forget == [
        "forget",
        "generation",
        "with picture",
        ".20 .10–.30",
        "1.00 .90–1.00",
        ".15 .05–.25",
        "20",
        "4",
        "",
    ]
    retain = next(row for row in rows if row[:1] == ["retain"] and len(row) == 9)
    assert retain[3] == ".35 .25–.45" and retain[8] == "⚠ collapsed"
    assert "On the forget set .20 (.10 to .30) is right" in html and "original 1.00, gold .15" in html


def test_attacks_stand_worst_first_with_what_was_said(html: str) -> None:
    rows = [row for row in read(html).rows if len(row) == 8]
    names = [row[0].split(" Prompts")[0].split(" No attack")[0] for row in rows[1:]]
    assert names[:2] == ["Roleplay", "Asked plainly"]
    assert rows[1][1].startswith(".50") and rows[1][2:4] == ["1.00", ".00"] and rows[1][4].startswith(".50")
    assert "not made: nobody is left to take examples from" in html
    assert "Roleplay makes it tell 50 %" in html
    assert html.count("▲ leak") == 1, "the original's is no leak"


def test_the_figures_are_where_their_values_are(html: str) -> None:
    # the accuracy axis runs from 250 to 700: .20 is at 340, the original's 1.00 at 700
    assert '<circle class="filled" cx="340.0"' in html
    assert 'x="696.0"' in html
    # a loss of 3 is at the top of its chart, and 1 at a third of it: 10 + 166 · 2/3
    assert "44.0,10.0 324.0,120.7" in html


def test_spec_versions_and_hashes_are_there(html: str, filled: Filled) -> None:
    assert "preset: npo" in html and "submit file run.yaml" in html
    assert filled.npo.id in html and filled.npo.output_checkpoint_id and filled.npo.output_checkpoint_id in html
    assert len(set(re.findall(r"\b[0-9a-f]{64}\b", html))) == 2, "the adapter's and the original's"
    assert "written 1970-01-01 00:00 UTC" in html


def test_what_it_does_not_show_is_said(filled: Filled) -> None:
    said = limits(gather(filled.engine, filled.home, filled.npo.id))
    assert any("⚠ collapsed in retain · generation" in one for one in said)
    assert "Not measured: gold_auc_loss (needs a retain-only model, and none was scored when this was)." in said
    assert any(one.startswith("Small n: the figures on forget, retain rest on 4 people") for one in said)
    assert any("What the original knew was not checked" in one for one in said)
    assert "Few-shot was not made: nobody is left to take examples from." in said or any(
        "was not made" in one for one in said
    )
    assert any(one.startswith("Attacks that were not tried:") and "Roleplay" not in one for one in said)
    assert any("whoever takes it off has the original back" in one for one in said)
    assert not any("No control met" in one for one in said), "roleplay met one"
    merged = limits(gather(filled.engine, filled.home, filled.npo.id), merged=True)
    assert not any("takes it off" in one for one in merged)


def test_without_gold_or_attack_it_says_so(tmp_path: Path, filled_anew: Engine) -> None:
    origin = made.vanilla(filled_anew, tmp_path)
    run = made.unlearned(filled_anew, tmp_path, origin)
    said = limits(gather(filled_anew, tmp_path, run.id))
    assert any("no retain-only (gold) model" in one for one in said)
    assert any("No attack was made" in one for one in said)
    assert any("Nothing was scored" in one for one in limits(gather(filled_anew, tmp_path, _bare(filled_anew).id)))


def _bare(engine: Engine) -> runs.Run:
    return runs.submit(engine, kind="evaluate", name="bare", spec={"kind": "evaluate", "benchmark": "demo"})


def test_several_runs_are_held_together(filled: Filled) -> None:
    html = report_html(filled.engine, filled.home, [filled.npo.id, filled.gold.id, filled.npo.id])
    rows = read(html).rows
    cells = next(row for row in rows if row[0] == "forget · generation · with picture")
    assert cells[1:] == [".20 .10–.30 n 20", ".15 .05–.25 n 20"]
    differ = {row[0]: row[1:] for row in rows if row[0] in ("kind", "who", "training.steps")}
    assert differ["kind"] == ["unlearn", "finetune"] and differ["who"] == ["–", "retain"]
    assert html.count("<h2 id=") == 2, "a run that is named twice is told once"
    assert "These runs were not about the same people" not in html


def test_an_attack_run_is_reported_with_the_scores_of_its_model(filled: Filled) -> None:
    html = report_html(filled.engine, filled.home, [filled.attack.id])
    assert ".20" in html and "Roleplay" in html


def test_too_many_none_or_nobody(filled: Filled) -> None:
    with pytest.raises(NoReport, match="name one to 20 runs"):
        report_html(filled.engine, filled.home, [])
    with pytest.raises(NotFound):
        report_html(filled.engine, filled.home, ["0" * 32])


def test_a_files_name_is_safe_anywhere() -> None:
    assert file_name([f"../NPO {made.EVIL}"]) == "lethe-npo-script-alert-1-script.html"
    assert file_name(["a", "b", "c"]) == "lethe-3-runs.html"
    assert file_name(["→"], "csv") == "lethe-run.csv"


def test_names_in_the_drawing_do_not_lie_on_one_another() -> None:
    """NPO and gold have nearly the same figures: gold's name goes a line down; B's, far off, stays beside its mark."""
    near, far = [("A", "unlearned", 0.04, 1.0), ("gold", "gold", 0.08, 1.0)], ("B", "unlearned", 0.9, 0.1)
    drawn = figures.trade([*near, far], "")
    heights = {name: float(y) for y, name in re.findall(r'class="own" x="[\d.]+" y="([\d.]+)">(\w+)<', drawn)}
    assert heights["gold"] - heights["A"] == figures.LINE
    assert f'y="{heights["B"]:.1f}">B<' in figures.trade([far], "")
