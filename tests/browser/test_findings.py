"""What the papers claim and what two models come to side by side, followed to the evidence and taken away as a file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from backend.queueing import queue
from backend.spec import UnlearnSpec
from storage import results, runs
from storage.tables import Run
from tests.browser.lab import RunningLab
from tests.browser.reading import visit

pytestmark = pytest.mark.timeout(600)
"""The first test may have the lab to wait for, and one run more."""
TEXT_ONLY = "Forgetting only the text leaves what the picture brings back"


@pytest.fixture(scope="module")
def text_only(lab: RunningLab) -> Iterator[Run]:
    """The scored run of the lab once more, on text alone; gone again for the tests that expect one such run."""
    spec = UnlearnSpec.model_validate(lab.named("NPO forget10")[0].spec)
    request = spec.request.model_copy(update={"modality": "text"})
    run = queue(lab.engine, spec.model_copy(update={"request": request}), "NPO text only")
    lab.wait_for_end(run.id)
    assert lab.state(run.id) == "succeeded", lab.run(run.id).error
    yield lab.run(run.id)
    runs.delete(lab.engine, run.id)


def accuracy(lab: RunningLab, run: Run, modality: str) -> str:
    """Of the forget set's open questions, as a page writes it."""
    (value,) = (
        row["value"]
        for row in results.score_dicts(lab.engine, run_id=run.id)
        if (row["set"], row["task"], row["modality"], row["metric"]) == ("forget", "generation", modality, "accuracy")
    )
    return f"{value:.2f}".removeprefix("0") if value < 1 else f"{value:.2f}"


def test_a_finding_has_its_figures_and_leads_to_the_run_they_are_of(
    lab: RunningLab, page: Page, text_only: Run
) -> None:
    visit(page, lab, "/findings")
    claims = page.locator(".lethe-findings")
    expect(claims).to_have_count(8)
    claim = claims.filter(has=page.get_by_role("heading", name=TEXT_ONLY))
    figures = f"picture {accuracy(lab, text_only, 'image_text')}, text {accuracy(lab, text_only, 'text')}"
    row = claim.get_by_role("table").locator("tbody tr")
    expect(row).to_have_count(1)
    expect(row).to_contain_text(f"{figures} after text-only unlearning")
    expect(claims.filter(has_text="needs a scored MMUnlearner run")).to_contain_text("cannot tell")
    row.get_by_role("link", name="NPO text only").click()
    expect(page).to_have_url(lab.url(f"/runs?run={text_only.id}"))
    expect(page.locator("h1:visible")).to_contain_text("NPO text only")


def test_a_comparison_of_two_models_is_the_same_in_another_browser_and_on_the_disk(
    lab: RunningLab, page: Page, text_only: Run, chromium: Browser, tmp_path: Path
) -> None:
    both = lab.named("NPO forget10")[0]
    visit(page, lab, "/compare")
    scores = page.get_by_role("table", name="scores of models")
    for side, name in (("A", "NPO forget10"), ("B", "NPO text only")):
        scores.locator("tr", has_text=name).locator(f"[data-pick={side.lower()}]").click()
        expect(page).to_have_url(re.compile(rf"[?&]{side.lower()}={(both if side == 'A' else text_only).id}"))
    page.get_by_role("button", name=re.compile("new answer, wrong")).click()
    expect(page).to_have_url(re.compile("[?&]kind="))
    pair = page.get_by_role("heading", name="A against B")
    expect(pair).to_contain_text(re.compile("NPO forget10.*NPO text only"))

    elsewhere = chromium.new_context(viewport={"width": 1440, "height": 900})
    other = elsewhere.new_page()
    other.goto(page.url)
    expect(other.get_by_role("heading", name="A against B")).to_contain_text(re.compile("NPO forget10.*NPO text only"))
    expect(other.get_by_role("button", name=re.compile("new answer, wrong"))).to_have_attribute("aria-pressed", "true")
    for part in (".lethe-changes", ".lethe-items", ".lethe-axis-y"):
        assert other.locator(part).first.inner_text() == page.locator(part).first.inner_text(), part
    assert other.url == page.url
    elsewhere.close()

    with page.expect_download() as download:
        page.get_by_role("button", name="Report on A and B").click()
    path = tmp_path / "report.html"
    download.value.save_as(path)
    page.goto(path.as_uri())
    for name in ("NPO forget10", "NPO text only"):
        expect(page.get_by_role("heading", name=name).first).to_be_visible()
