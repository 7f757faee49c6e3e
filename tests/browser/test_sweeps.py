"""A 2 × 2 sweep from Launch to its table, and a guard that stops a diverging ascent, as one person sees them."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from storage import runs
from tests.browser.lab import RunningLab, wait_until
from tests.browser.reading import shows_state, visit


def launch(page: Page, lab: RunningLab, query: str) -> None:
    """The launch page with what an address fills in, once the server has filled its form."""
    visit(page, lab, f"/launch?{query}")
    expect(page.get_by_text("The same from a terminal")).to_be_visible()


def start(page: Page) -> Locator:
    page.get_by_role("button", name="Start", exact=True).click()
    told = page.locator(".lethe-started")
    expect(told).to_be_visible()
    return told


def choose(page: Page, label: str, words: str) -> None:
    box = page.get_by_label(label, exact=True)
    box.click()
    box.fill(words)
    page.get_by_role("option", name=words).first.click()


def test_a_two_by_two_sweep_is_queued_followed_and_compared(lab: RunningLab, page: Page) -> None:
    launch(page, lab, "training.steps=2&training.batch_size=2&score=false&training.save_every=0")
    page.get_by_role("button", name="Sweep: a run for each combination").click()
    choose(page, "Setting 1", "training.learning_rate")
    page.get_by_label("Values 1", exact=True).fill("0.001, -3")
    card = page.locator(".lethe-launch-run")
    expect(card.get_by_text("must be above 0 (it was -3)").first).to_be_visible()
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.locator(".lethe-launch-run").get_by_role("alert")).to_contain_text("nothing was queued")
    assert not any(run.group_id for run in runs.listing(lab.engine))

    page.get_by_label("Values 1", exact=True).fill("0.001, 0.003")
    choose(page, "Setting 2", "training.seed")
    page.get_by_label("Values 2", exact=True).fill("0, 1")
    expect(card).to_contain_text("4 runs")
    expect(card).to_contain_text("--sweep training.learning_rate=0.001,0.003 --sweep training.seed=0,1")
    page.get_by_label("Name", exact=True).fill("two by two")
    expect(card).to_contain_text('--name "two by two"')
    told = start(page)
    expect(told).to_contain_text("Queued: 4 runs of two by two")
    made = runs.listing(lab.engine, group="two by two")
    assert sorted(run.name for run in made) == [
        f"two by two · lr {rate} · seed {seed}" for rate in ("0.001", "0.003") for seed in (0, 1)
    ]

    told.get_by_role("link", name="two by two").click()
    expect(page).to_have_url(re.compile(r"/runs\?group=two\+by\+two$"))
    rows = page.get_by_role("table", name="combinations").locator("tbody tr")
    expect(rows).to_have_count(2)
    expect(page.get_by_role("table", name="runs").locator(".lethe-row-link")).to_have_count(4)
    for run in made:
        lab.wait_for_end(run.id)
        assert lab.state(run.id) == "succeeded", lab.run(run.id).error
    expect(page.get_by_role("table", name="runs").locator(".lethe-state-succeeded")).to_have_count(4)
    visit(page, lab, "/runs")
    expect(page.locator(".lethe-group").filter(has_text="two by two")).to_contain_text("4 runs: 4 succeeded")


def test_a_guard_stops_a_diverging_ascent_and_its_reason_stands_on_the_page(lab: RunningLab, page: Page) -> None:
    launch(
        page,
        lab,
        "preset=ga&training.steps=400&training.learning_rate=0.01&training.adapter=full&training.schedule=constant"
        "&training.batch_size=2&score=false&training.save_every=0",
    )
    page.get_by_role("button", name="Guards", exact=True).click()
    page.get_by_label("Stop above forget loss", exact=True).fill("9")
    expect(page.locator(".lethe-launch-run")).to_contain_text("--set guards.forget_loss_above=9")
    page.get_by_label("Name", exact=True).fill("diverging")
    start(page).get_by_role("link", name="diverging").click()
    shows_state(page, "succeeded")
    said = page.get_by_role("status").filter(has_text="Stopped at step")
    expect(said).to_contain_text(
        re.compile(r"Stopped at step \d+ of 400: the forget loss [\d.]+ passed the bound of 9")
    )
    (run,) = lab.named("diverging")
    wait_until(lambda: lab.state(run.id) == "succeeded", "the row says so too")
    assert lab.run(run.id).step < 400 and lab.run(run.id).message in (said.text_content() or "")
