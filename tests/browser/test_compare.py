"""Compare in a browser: what is chosen stands in the address, and an address brings it back."""

from __future__ import annotations

import re

from playwright.sync_api import Page, ViewportSize, expect

from tests.browser.lab import RunningLab
from tests.browser.reading import settle, visit


def test_what_is_chosen_survives_a_reload_and_another_browser(lab: RunningLab, page: Page) -> None:
    visit(page, lab, "/compare")
    across = page.locator(".lethe-axis-x")
    expect(across).to_contain_text("forget accuracy with picture, generation: lower is better")
    settle(page)
    expect(page.locator(".lethe-axis-y")).to_contain_text("retain accuracy with picture, generation: higher is better")
    expect(page.locator(".lethe-dot-unlearned")).to_have_count(1)
    page.get_by_role("button", name="Axes and columns").click()
    page.get_by_label("Across: set", exact=True).click()
    page.get_by_role("option", name="retain", exact=True).click()
    expect(across).to_contain_text("retain accuracy with picture, generation: higher is better")
    expect(page).to_have_url(re.compile(r"[?&]x=retain\.generation\.image_text\.accuracy"))
    page.get_by_role("table", name="scores of models").get_by_role("button", name="Model", exact=True).click()
    expect(page).to_have_url(re.compile(r"sort=name"))
    page.reload()
    expect(across).to_contain_text("retain accuracy with picture")
    sorted_by = page.get_by_role("table", name="scores of models").locator("th[aria-sort=ascending]")
    expect(sorted_by).to_contain_text("Model")


def test_a_point_says_what_it_is_and_leads_to_its_run(lab: RunningLab, page: Page) -> None:
    visit(page, lab, "/compare")
    dot = page.locator(".lethe-dot-unlearned")
    dot.focus()
    expect(page.locator(".lethe-tip")).to_contain_text("NPO forget10 (unlearned)")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"/runs.run={lab.named('NPO forget10')[0].id}"))


def test_a_narrow_window_scrolls_in_one_direction(lab: RunningLab, page: Page) -> None:
    page.set_viewport_size(ViewportSize(width=390, height=844))
    visit(page, lab, "/compare")
    expect(page.locator(".lethe-scatter")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
