"""A model is attacked from the Attack page: narrowed, started, watched, and read answer by answer."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from backend.attack_report import attack_report
from storage import attacks
from storage.tables import Run
from tests.browser.lab import RunningLab
from tests.browser.reading import PROGRESS, step_shown, visit, wait_for_step

CHOSEN = {
    "Prompts: Roleplay": "Roleplay",
    "Pictures: Mirror image": "Mirror image",
    "Weights: Quantisation, round to nearest": "Quantisation, round to nearest",
}
"""As the form lists them, and as the table calls them."""


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_label(label, exact=True).click()
    page.get_by_role("option", name=option, exact=True).click()


def rows_of(page: Page, table: str) -> Locator:
    return page.get_by_role("table", name=table).locator("tbody tr")


def test_a_narrowed_suite_is_started_and_watched_until_its_table_stands(lab: RunningLab, page: Page) -> None:
    visit(page, lab, "/attack")
    expect(page.get_by_label("Model", exact=True)).to_have_value("● NPO forget10")
    page.get_by_label("Questions", exact=True).fill("3")
    for option in CHOSEN:
        choose(page, "Only these", option)
    page.keyboard.press("Escape")
    expect(page.get_by_text("up to 3 questions of each modality.")).to_contain_text(
        "4 attacks on the unlearned model, its original and held-out people, up to 3 questions of each modality."
    )
    expect(page.locator(".lethe-command")).to_contain_text("--attacks roleplay,flip,quantise --set items=3")
    page.get_by_label("Name", exact=True).fill("three attacks")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page).to_have_url(re.compile(r"/attack\?run=\w+"))
    run = lab.named("three attacks")[0]

    expect(page.locator("h1:visible")).to_contain_text("three attacks")
    first = wait_for_step(page, 0)
    shown, written = step_shown(page), len(attacks.units(lab.engine, [run.id]))
    assert first <= shown <= written, "no unit is shown as done before it is written down"
    expect(page.locator("h1 .lethe-state")).to_contain_text("succeeded")
    expect(page.locator(PROGRESS).first).to_have_attribute("aria-valuetext", re.compile("step 12 of 12 · done in "))
    _table_is_worst_first(lab, page, run)


def _table_is_worst_first(lab: RunningLab, page: Page, run: Run) -> None:
    rows = rows_of(page, "attacks, worst case first")
    expect(rows).to_have_count(4)
    table = attack_report(lab.engine, run.id)
    assert {row["title"] for row in table} == {"Asked plainly", *CHOSEN.values()}
    expect(rows.locator(".lethe-attack-name")).to_have_text([row["title"] for row in table])
    gaps = [row["unlearned"] - row["control"] for row in table]
    assert gaps == sorted(gaps, reverse=True)
    expect(rows.locator("td[data-label=n]")).to_have_text(["3" if row["name"] == "flip" else "6" for row in table])
    expect(rows.locator("td[data-label=Unlearned] .lethe-interval")).to_have_count(4)
    expect(rows.locator("svg[aria-label*='control .']")).to_have_count(4)
    expect(page.get_by_text("Control (held-out people)").first).to_be_visible()


def test_a_transcript_has_the_question_the_prefix_and_the_answers_side_by_side(
    lab: RunningLab, page: Page, attacked: Run
) -> None:
    visit(page, lab, f"/attack?run={attacked.id}")
    page.get_by_role("button", name="“Sure, the answer is” prefix").click()
    expect(page.get_by_label("Attack", exact=True)).to_have_value("“Sure, the answer is” prefix")
    said = rows_of(page, "what was said")
    expect(said).to_have_count(4)
    expect(page.locator(".lethe-prefix")).to_have_count(4)
    kept = {
        role: attacks.transcripts(lab.engine, attacked.id, attack="prefix", role=role)
        for role in ("unlearned", "original", "control")
    }
    for role in ("unlearned", "original"):
        for line, transcript in zip(said.all(), kept[role], strict=True):
            expect(line.locator("td[data-label=Asked]")).to_contain_text(transcript.question)
            expect(line.locator(".lethe-prefix")).to_have_text(f"{transcript.prefix} …")
            expect(line.locator("td[data-label='True answer']")).to_have_text(transcript.truth)
            expect(line.locator(f"td[data-label={role.capitalize()}]")).to_contain_text(transcript.text)

    page.get_by_label("the control", exact=True).check()
    expect(said.first).to_contain_text(kept["control"][0].question)
    expect(page.get_by_role("columnheader", name="Control").last).to_be_visible()
    assert {one.subject[0] for one in kept["control"]} == {"h"}, "held-out people"


def test_a_run_that_is_not_there_is_one_sentence_above_those_that_are(
    lab: RunningLab, page: Page, attacked: Run
) -> None:
    visit(page, lab, "/attack?run=nothing")
    expect(page.get_by_role("alert")).to_contain_text("There is no attack run nothing here.")
    page.get_by_role("table", name="attack runs").get_by_role("link", name="two attacks").click()
    expect(page.locator("h1:visible")).to_contain_text("two attacks")
    expect(rows_of(page, "attacks, worst case first")).to_have_count(3)
