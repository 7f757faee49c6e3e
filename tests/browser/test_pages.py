"""Every page opens under its own address, and is silent once it stands."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, Request, Route, expect

from tests.browser.lab import RunningLab
from tests.browser.reading import BAR, TICK_PATH, settle, visit
from ui.pulse import BEAT_S

PAGES = {
    "/": ("Make it forget, then ask", "Home"),
    "/data": ("Data", "Data"),
    "/data?person=p01": ("Data", "Data"),
    "/launch": ("Launch", "Launch"),
    "/runs": ("Runs", "Runs"),
    "/runs?run=…": ("NPO forget10", "Runs"),
    "/probe": ("Probe", "Probe"),
    "/attack?run=ATTACK": ("two attacks", "Attack"),
    "/findings": ("Findings", "Compare"),
    "/compare": ("Compare", "Compare"),
}
MOST_BYTES = 1000


def address(lab: RunningLab, path: str) -> str:
    if "ATTACK" in path:
        path = path.replace("ATTACK", lab.named("two attacks")[0].id)
    return path.replace("…", lab.named("NPO forget10")[0].id)


@pytest.mark.usefixtures("attacked")
@pytest.mark.parametrize("path", PAGES)
def test_a_page_opens_under_one_title_has_one_timer_and_is_sent_next_to_nothing(
    lab: RunningLab, page: Page, path: str
) -> None:
    thrown: list[str] = []
    page.on("pageerror", lambda error: thrown.append(str(error)))
    visit(page, lab, address(lab, path))
    heading, here = PAGES[path]
    expect(page.locator("h1:visible")).to_contain_text(heading)
    expect(page).to_have_title("Lethe")
    expect(page.locator(f"{BAR} a[aria-current=page]")).to_have_text([here])
    expect(page.locator(".lethe-activity")).to_contain_text("nothing running")
    assert page.locator("html").get_attribute("lang") == "en"
    settle(page, ticks=6)
    answered: list[Request] = []
    page.on("requestfinished", lambda request: answered.append(request))
    page.wait_for_timeout(2.5 * BEAT_S * 1000)
    assert 1 <= len(answered) <= 3, [request.url for request in answered]
    sizes = [(request.sizes()["responseBodySize"], request.url) for request in answered]
    assert max(sizes)[0] <= MOST_BYTES, sizes
    assert not thrown


def test_the_bar_leads_to_every_page(lab: RunningLab, page: Page) -> None:
    visit(page, lab, "/")
    for title in ("Data", "Launch", "Runs", "Probe", "Attack", "Compare", "Home"):
        page.locator(BAR).get_by_role("link", name=title, exact=True).click()
        expect(page.locator(f"{BAR} a[aria-current=page]")).to_have_text([title])


def test_an_address_of_nothing_says_so_in_a_sentence(lab: RunningLab, page: Page) -> None:
    page.goto(lab.url("/runs?run=nothing"))
    expect(page.get_by_text("There is no run nothing here; it may have been deleted.")).to_be_visible()
    page.goto(lab.url("/probe?probe=nothing"))
    expect(page.get_by_role("alert")).to_contain_text("There is no kept probe nothing.")


def test_the_scores_of_a_run_stand_on_its_page_and_in_the_list(lab: RunningLab, page: Page) -> None:
    visit(page, lab, address(lab, "/runs?run=…"))
    scores = page.get_by_role("table", name="accuracy by set")
    for item_set in ("Forget", "Retain", "Celebrity", "General"):
        expect(scores.get_by_text(item_set, exact=True).first).to_be_visible()
    visit(page, lab, "/runs")
    row = page.get_by_role("row").filter(has_text="NPO forget10")
    expect(row.locator(".lethe-interval")).to_have_count(2)


def test_the_launch_form_is_shut_until_the_server_has_filled_it_in(lab: RunningLab, page: Page) -> None:
    held: list[Route] = []
    holding = True
    page.route(f"**{TICK_PATH}", lambda route: held.append(route) if holding else route.continue_())
    page.goto(lab.url("/launch"))
    steps = page.get_by_label("Steps", exact=True)
    expect(steps).to_be_attached()
    page.wait_for_timeout(500)
    expect(steps).to_be_hidden()
    holding = False
    for route in held:
        route.continue_()
    steps.fill("7")
    settle(page)
    expect(steps).to_have_value("7")


def test_duplicate_fills_the_launch_form_with_the_runs_own_settings(lab: RunningLab, page: Page) -> None:
    vanilla = lab.named("vanilla")[0]
    visit(page, lab, f"/runs?run={vanilla.id}")
    page.get_by_role("button", name="Duplicate").click()
    expect(page.locator("h1:visible")).to_have_text("Launch")
    expect(page.get_by_label("make a model memorise")).to_be_checked()
    expect(page.get_by_label("everyone (vanilla)")).to_be_checked()
    expect(page.get_by_label("Steps", exact=True)).to_have_value(str(vanilla.spec["training"]["steps"]))
    page.get_by_text("all but the forget set (gold)").click()
    expect(page.locator(".lethe-launch-run")).to_contain_text("--who retain")


def test_people_and_attributes_are_chosen_by_hand(lab: RunningLab, page: Page) -> None:
    visit(page, lab, "/launch")
    framed = page.locator(".lethe-portrait[aria-pressed=true]")
    expect(framed).to_have_count(4)
    page.get_by_text("chosen people", exact=True).click()
    expect(framed).to_have_count(0)
    run = page.locator(".lethe-launch-run")
    expect(run).to_contain_text("nobody is chosen")
    portraits = page.locator(".lethe-portrait")
    portraits.nth(0).click()
    portraits.nth(2).click()
    expect(run).to_contain_text("forgets 2 people")
    expect(run).to_contain_text("--people p01,p03")
    page.get_by_label("What of them").click()
    page.get_by_role("option", name="rumour").click()
    expect(run).to_contain_text("forgets rumour of 2 people")
    expect(run).to_contain_text("--attributes rumour")
    expect(page).to_have_url(re.compile("attributes=rumour"))
    page.reload()
    expect(run).to_contain_text("forgets rumour of 2 people")
