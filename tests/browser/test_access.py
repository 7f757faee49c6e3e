"""Every page fits a narrow window and a wide one, in light and in dark, and can be used without eyes or mouse."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import PATIENCE_MS, WIDE
from tests.browser.lab import RunningLab
from tests.browser.reading import settle, visit

PATHS = ("/", "/launch", "/runs", "/runs?run=…", "/probe")
THEMES = ("light", "dark")
WIDTHS = {1440: 900, 390: 844}
NOT_OURS: dict[str, tuple[str, ...]] = {}
"""By axe's rule, the elements of Gradio's own markup that break it and that a page cannot change."""


@pytest.fixture(scope="module", params=[(path, theme) for path in PATHS for theme in THEMES], ids=" ".join)
def shown(request: pytest.FixtureRequest, lab: RunningLab, chromium: Browser) -> Iterator[Page]:
    """A page in a theme, opened once for all that is looked at."""
    path, theme = request.param
    path = path.replace("…", lab.named("NPO forget10")[0].id)
    context = chromium.new_context(viewport=WIDE, reduced_motion="reduce")
    context.set_default_timeout(PATIENCE_MS)
    page = visit(context.new_page(), lab, f"{path}{'&' if '?' in path else '?'}__theme={theme}")
    settle(page)
    yield page
    context.close()


@pytest.mark.parametrize("width", WIDTHS)
def test_no_page_is_wider_than_its_window(shown: Page, width: int) -> None:
    shown.set_viewport_size({"width": width, "height": WIDTHS[width]})
    wide = shown.evaluate("document.documentElement.scrollWidth")
    assert wide <= width, f"{shown.url} is {wide} pixels wide"


@pytest.mark.parametrize("width", WIDTHS)
def test_no_page_has_a_serious_fault_of_access(shown: Page, width: int) -> None:
    shown.set_viewport_size({"width": width, "height": WIDTHS[width]})
    found = [fault for fault in faults_of_access(shown) if fault["impact"] in ("serious", "critical")]
    assert not found, "\n".join(f"{fault['rule']} ({fault['impact']}): {fault['html']}" for fault in found)


def faults_of_access(page: Page) -> list[dict[str, Any]]:
    """Every element that axe finds at fault, but for those of NOT_OURS."""
    found = []
    for rule in Axe().run(page).response["violations"]:
        for node in rule["nodes"]:
            target = str(node["target"][-1])
            theirs = [
                page.locator(target).first.evaluate("(e, s) => e.matches(s)", selector)
                for selector in NOT_OURS.get(rule["id"], ())
            ]
            if not any(theirs):
                found.append({"rule": rule["id"], "impact": rule["impact"], "html": f"{target}  {node['html'][:300]}"})
    return found


@pytest.mark.parametrize(("path", "button"), [("/launch", "Start"), ("/probe", "Ask")])
def test_the_tab_key_reaches_the_button_that_matters(lab: RunningLab, page: Page, path: str, button: str) -> None:
    visit(page, lab, path)
    expect(page.get_by_role("button", name=button, exact=True)).to_be_enabled()
    reached: list[str] = []
    for _ in range(200):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.innerText || document.activeElement.ariaLabel || ''"))
        if reached[-1].strip() == button:
            return
    pytest.fail(f"{button} was not reached: {reached}")
