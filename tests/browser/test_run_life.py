"""A run from Start to Delete, as one person with a mouse sees it."""

from __future__ import annotations

import re

from playwright.sync_api import BrowserContext, Page, expect

from storage import results, runs
from tests.browser.lab import MANY, RunningLab, wait_until
from tests.browser.reading import shows_state, step_shown, visit, wait_for_step

NAME = "a long run"


def launch(page: Page, lab: RunningLab) -> None:
    """The launch page, once the server has filled its form."""
    visit(page, lab, "/launch")
    expect(page.get_by_text("The same from a terminal")).to_be_visible()


def test_a_field_at_fault_says_so_beside_it_and_nothing_is_queued(lab: RunningLab, page: Page) -> None:
    before = len(runs.listing(lab.engine))
    launch(page, lab)
    rate = page.get_by_label("Learning rate", exact=True)
    rate.fill("-1")
    fault = page.locator(".lethe-field", has=rate).last.get_by_role("alert")
    expect(fault).to_contain_text("must be above 0")
    expect(rate).to_have_attribute("aria-invalid", "true")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_enabled()
    expect(page.locator(".lethe-started")).to_have_count(0)
    assert len(runs.listing(lab.engine)) == before
    rate.fill("0.001")
    expect(fault).to_have_count(0)


def test_a_run_is_started_followed_stopped_resumed_cancelled_and_deleted(
    lab: RunningLab, page: Page, context: BrowserContext
) -> None:
    launch(page, lab)
    page.get_by_label("Steps", exact=True).fill(str(MANY))
    page.get_by_label("Batch size", exact=True).fill("2")
    page.get_by_label("Name", exact=True).fill(NAME)
    expect(page.locator(".lethe-launch-run")).to_contain_text("--set training.batch_size=2")
    page.get_by_role("button", name="Start", exact=True).dblclick()
    link = page.locator(".lethe-started").get_by_role("link", name=NAME)
    expect(link).to_be_visible()
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_enabled()
    assert len(lab.named(NAME)) == 1, "a double click makes one run"
    run_id = lab.named(NAME)[0].id

    link.click()
    expect(page).to_have_url(re.compile(rf"/runs\?run={run_id}$"))
    expect(page.locator("h1:visible")).to_contain_text(NAME)
    shows_state(page, "running")
    wait_for_step(page, above=wait_for_step(page, above=0))

    page.reload()
    shows_state(page, "running")
    seen = wait_for_step(page, above=0)
    other = visit(context.new_page(), lab, f"/runs?run={run_id}")
    shows_state(other, "running")
    assert wait_for_step(other, above=0) >= seen
    other.close()

    page.get_by_role("button", name="Stop and save").click()
    shows_state(page, "interrupted")
    expect(page.get_by_text("Stopped and saved.")).to_be_visible()
    stopped_at = lab.run(run_id).step
    assert step_shown(page) == stopped_at > 0
    page.get_by_role("button", name="Resume").click()
    shows_state(page, "running")
    wait_for_step(page, above=stopped_at)
    expect(page.get_by_role("log")).to_contain_text(f"going on from step {stopped_at}")

    page.get_by_role("button", name="Cancel").click()
    shows_state(page, "cancelled")
    page.get_by_role("button", name="Delete", exact=True).click()
    question = page.get_by_role("alert").filter(has_text=f"Delete “{NAME}”")
    expect(question).to_contain_text("This cannot be undone.")
    page.get_by_role("button", name="Keep it").click()
    expect(question).to_be_hidden()
    assert lab.state(run_id) == "cancelled", "asking deletes nothing"
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_role("status").filter(has_text=f"“{NAME}” is deleted.")).to_be_visible()
    expect(page).to_have_url(lab.url("/runs"))
    expect(page.get_by_role("table", name="runs").get_by_text(NAME)).to_have_count(0)
    assert lab.named(NAME) == []
    wait_until(lambda: not any((lab.home / "checkpoints").glob(f"*{run_id}*")), "its checkpoints are gone")


def test_the_answers_follow_every_letter_of_a_person_typed_or_taken_away(lab: RunningLab, page: Page) -> None:
    run_id = lab.named("NPO forget10")[0].id
    person = results.answers(lab.engine, run_id=run_id, item_set="retain", limit=1)[0].subject
    assert person
    visit(page, lab, f"/runs?run={run_id}")
    page.get_by_role("button", name="Read the answers").click()
    rows = page.get_by_role("table", name="answers").locator("tbody tr")
    expect(rows).to_have_count(20)
    box = page.get_by_label("Person", exact=True)
    box.click()
    page.keyboard.type(f"{person}x")
    expect(page.get_by_text("No answer is like this; choose otherwise.")).to_be_visible()
    page.keyboard.press("Backspace")
    expect(rows.first).to_be_visible()
    expect(rows.filter(has_text=person)).to_have_count(rows.count())
