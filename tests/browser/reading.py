"""How the tests read a page: what a person sees of it, by its words."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, Request, expect

from tests.browser.lab import RunningLab

BAR = "nav[aria-label=Pages]"
TICK_PATH = "/run/predict"
PROGRESS = "[role=progressbar]:visible"


def visit(page: Page, lab: RunningLab, path: str) -> Page:
    """Opens an address and answers once the page is drawn and its bar has heard from the server."""
    page.goto(lab.url(path))
    expect(page.locator("h1:visible")).to_have_count(1)
    expect(page.locator(".lethe-activity")).not_to_be_empty()
    return page


def is_tick(request: Request) -> bool:
    """Whether a timer's question to the server, which goes past the queue."""
    return TICK_PATH in request.url


def settle(page: Page, ticks: int = 2) -> None:
    """Waits until the page's timers have asked the server, and been answered, so many times."""
    for _ in range(ticks):
        page.wait_for_event("requestfinished", is_tick)


def shows_state(page: Page, state: str) -> None:
    expect(page.locator("h1 .lethe-state")).to_contain_text(state)


def step_shown(page: Page) -> int:
    words = page.locator(PROGRESS).first.get_attribute("aria-valuetext") or ""
    found = re.match(r"step (\d+) of", words)
    return int(found.group(1)) if found else 0


def wait_for_step(page: Page, above: int) -> int:
    """The step on the page, once it is higher than `above`."""
    page.wait_for_function(
        """(above) => {
          const bar = [...document.querySelectorAll('[role=progressbar]')].find((one) => one.offsetParent);
          const found = bar && /^step (\\d+) of/.exec(bar.getAttribute('aria-valuetext'));
          return found && Number(found[1]) > above;
        }""",
        arg=above,
    )
    return step_shown(page)


def answer_cards(page: Page) -> Locator:
    return page.locator(".lethe-answer")
