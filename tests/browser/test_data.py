"""The Data page as a person with a mouse or a keyboard uses it: browse, search, choose, carry into Launch, add."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.lab import RunningLab
from tests.browser.reading import visit

PRESSED = ".lethe-tick[aria-pressed=true]"
TILES = ".lethe-tile"


def opened(page: Page, lab: RunningLab, path: str = "/data") -> Page:
    """The page, once it shows whom the request takes."""
    visit(page, lab, path)
    expect(page.get_by_role("heading", name="Forget request")).to_be_visible()
    return page


def test_people_are_searched_opened_and_left_again(lab: RunningLab, page: Page) -> None:
    opened(page, lab)
    expect(page.locator(TILES)).to_have_count(48)
    expect(page.locator(PRESSED)).to_have_count(4)
    name = page.locator(".lethe-tile-name").nth(9).inner_text()
    search = page.get_by_label("Search people")
    search.fill(name.upper())
    expect(page.locator(TILES)).to_have_count(1)
    page.get_by_role("link", name=name).press("Enter")
    heading = page.get_by_role("heading", name=name)
    expect(heading).to_be_focused()
    expect(page.get_by_role("table", name="generation, with the picture")).to_be_visible()
    page.get_by_title("Show it large").first.click()
    expect(page.get_by_role("dialog")).to_contain_text(re.compile(r"training 1 .* 256 × 256"))
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.reload()
    expect(heading).to_be_visible()
    page.get_by_role("link", name="← Everyone").click()
    expect(page.locator(TILES)).to_have_count(1)
    page.go_back()
    expect(heading).to_be_visible()
    page.get_by_role("link", name="← Everyone").click()
    search.fill("")
    expect(page.locator(TILES)).to_have_count(48)


def test_a_request_of_three_people_is_carried_into_launch(lab: RunningLab, page: Page) -> None:
    opened(page, lab)
    page.get_by_role("button", name="chosen people").click()
    expect(page.get_by_text("Nobody is chosen yet.")).to_be_visible()
    for place in (0, 2, 5):  # faster than the server answers: none may be lost
        page.locator(".lethe-tick").nth(place).click()
    sentence = page.locator(".lethe-sentence")
    expect(sentence).to_contain_text("Forgets 3 people and keeps 37")
    expect(page.get_by_role("row", name=re.compile("forget asked as they were learnt"))).to_contain_text("111")
    expect(page).to_have_url(re.compile("people=p01,p03,p06$"))
    page.get_by_role("button", name="pet", exact=True).click()
    expect(sentence).to_contain_text("Forgets pet of 3 people")
    page.reload()
    expect(sentence).to_contain_text("Forgets pet of 3 people")
    expect(page.locator(PRESSED)).to_have_count(3)
    page.get_by_role("button", name="pet", exact=True).click()
    expect(sentence).to_contain_text("Forgets 3 people")
    page.get_by_role("link", name="Carry into Launch").click()
    expect(page.locator(".lethe-launch-run")).to_contain_text("forgets 3 people")
    expect(page.locator(".lethe-portrait[aria-pressed=true]")).to_have_count(3)


def test_own_data_is_checked_added_used_and_removed(lab: RunningLab, page: Page, tmp_path: Path) -> None:
    rows = "".join(f"s{n:03d},Who is it?,No {n}\n" for n in range(70))
    (tmp_path / "people.csv").write_text(f"subject,question,answer\n{rows}", encoding="utf-8")
    (tmp_path / "broken.csv").write_text("subject,question,answer\n,Who?,x\n", encoding="utf-8")
    opened(page, lab)
    page.get_by_role("button", name="Add a data set").click()
    page.get_by_text("own data", exact=True).click()
    source = page.get_by_label("Folder or hub id")
    source.fill(str(tmp_path / "broken.csv"))
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("row 1")
    source.fill(str(tmp_path / "people.csv"))
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("A name has up to 40 small letters")
    page.get_by_label("Name in this lab").fill("crowd")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("Added crowd: 70 people")).to_be_visible()
    expect(page.get_by_text("60 of 70 shown · page 1 of 2")).to_be_visible()
    expect(page).to_have_url(re.compile(r"/data\?benchmark=crowd$"))
    page.get_by_role("button", name="Next ›").click()
    expect(page.locator(TILES)).to_have_count(10)

    page.get_by_role("link", name="Carry into Launch").click()
    expect(page.get_by_text("60 of 70 people shown")).to_be_visible()
    expect(page.locator(".lethe-portrait[aria-pressed=true]")).to_have_count(7)
    page.get_by_label("Benchmark").click()
    page.get_by_role("option", name="Demo world").click()
    expect(page.locator(".lethe-portrait")).to_have_count(40)
    expect(page.locator(".lethe-launch-run")).to_contain_text("forgets 4 people")

    opened(page, lab, "/data?benchmark=crowd")
    page.get_by_role("button", name="Remove…").click()
    page.get_by_role("button", name="Remove it").click()
    expect(page.get_by_text("crowd was removed from this lab")).to_be_visible()
    expect(page.get_by_role("link", name="crowd")).to_have_count(0)
