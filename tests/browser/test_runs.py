"""The list of runs, narrowed while one types and while one deletes."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.lab import RunningLab
from tests.browser.reading import visit


def test_the_list_follows_every_letter_that_is_typed_and_every_one_that_is_deleted(lab: RunningLab, page: Page) -> None:
    visit(page, lab, "/runs")
    names = page.get_by_role("table", name="runs").locator(".lethe-row-link")
    everyone = names.count()
    assert everyone >= 2
    search = page.get_by_label("Search", exact=True)
    search.press_sequentially("NPO forget10?")
    expect(page.get_by_text("No run fits this filter.")).to_be_visible()
    search.press("Backspace")
    expect(names).to_have_text([re.compile("NPO forget10")])
    expect(page).to_have_url(re.compile(r"[?&]q=NPO\+forget10$"))
    page.reload()
    expect(search).to_have_value("NPO forget10")
    expect(names).to_have_count(1)
    search.press("Control+A")
    search.press("Backspace")
    expect(names).to_have_count(everyone)
    expect(page).to_have_url(lab.url("/runs"))


def test_a_run_stays_on_its_page_though_its_address_names_a_search(lab: RunningLab, page: Page) -> None:
    run = lab.named("vanilla")[0]
    visit(page, lab, f"/runs?run={run.id}&q=NPO")
    expect(page.locator("h1:visible")).to_contain_text("vanilla")
    page.wait_for_timeout(1000)
    expect(page).to_have_url(re.compile(f"run={run.id}"))
