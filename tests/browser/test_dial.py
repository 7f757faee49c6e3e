"""The adapter dial on the Probe page: moved by keys, each strength asked for, the curve drawn from the answers."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from backend import probing
from tests.browser.lab import RunningLab, wait_until
from tests.browser.reading import visit


def test_the_dial_asks_again_at_its_strength_and_draws_what_was_answered(lab: RunningLab, page: Page) -> None:
    wait_until(lambda: probing.find_server(lab.engine) is not None, "a probe is up")
    visit(page, lab, "/probe")
    expect(page.locator("#lethe-models input:checked")).to_have_count(2)
    expect(page.get_by_text("At 0 the adapter is off and the original answers")).to_be_visible()
    question = page.get_by_placeholder("Type a question").input_value()
    dial = page.locator("#lethe-scale input[type=range]")
    dial.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    card = page.locator(".lethe-attacks:has(#lethe-scale)")
    expect(card.locator("q")).to_have_text(question)
    expect(card.locator("p b")).to_have_text("×0.5")
    expect(card.locator(".lethe-held, .lethe-told")).to_have_count(1)

    page.get_by_role("button", name="Ask at all").click()
    expect(card.locator(".lethe-held, .lethe-told")).to_have_count(7)
    card.get_by_text("Figures", exact=True).click()
    rows = card.get_by_role("table", name="answers by adapter strength").locator("tbody tr")
    strengths = [f"×{at}" for at in ("0", "0.25", "0.5", "0.75", "1", "1.25", "1.5")]
    expect(rows.locator("td:first-child")).to_have_text(strengths)
    likely = rows.locator("td[data-label='p(true)']").all_inner_texts()
    assert all(re.fullmatch(r"\.\d\d|1\.00", one.strip()) for one in likely), likely
