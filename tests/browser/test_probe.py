"""Asking two models the same question, and coming back to what they said."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from backend import probing
from storage import probes
from tests.browser.lab import RunningLab, wait_until
from tests.browser.reading import answer_cards, visit

KEPT = re.compile(r"[?&]probe=([0-9a-f]+)")
NO_WORDS = "no words at all"
"""What stands there when a model, which has barely begun to learn, ends its answer at once."""


@pytest.fixture
def probe(lab: RunningLab, page: Page) -> Page:
    """The page, with a worker there to answer."""
    wait_until(lambda: probing.find_server(lab.engine) is not None, "a probe is up")
    visit(page, lab, "/probe")
    expect(page.get_by_label("original vanilla")).to_have_count(0)
    expect(page.locator("#lethe-models input:checked")).to_have_count(2)
    return page


def kept_as(page: Page) -> str:
    """The id in the address, once the answers are kept."""
    expect(page).to_have_url(KEPT)
    found = KEPT.search(page.url)
    assert found
    return found.group(1)


def said(page: Page) -> list[str]:
    return page.locator(".lethe-said").all_inner_texts()


def ask_by_keyboard(page: Page, question: str) -> str:
    box = page.get_by_placeholder("Type a question")
    box.fill(question)
    box.press("Control+Enter")
    expect(page.locator(".lethe-kept q").first).to_have_text(question)
    return kept_as(page)


def test_two_models_answer_the_same_and_the_address_brings_the_answers_back(
    probe: Page, lab: RunningLab, context: BrowserContext
) -> None:
    probe.locator("#lethe-ask").click()
    probe_id = kept_as(probe)
    expect(answer_cards(probe)).to_have_count(2)
    answers = said(probe)
    kept = probes.get(lab.engine, probe_id).answers
    assert answers[0] == (kept[0]["text"] or NO_WORDS) and all("waiting" not in text for text in answers), answers
    stamps = probe.locator(".lethe-stamp").all_inner_texts()
    assert "adapter on ×1.00" in stamps[1] and "adapter on" not in stamps[0], stamps
    assert all("greedy" in stamp and "seed 0" in stamp for stamp in stamps)
    question = probe.get_by_placeholder("Type a question").input_value()
    assert question

    fresh = visit(context.new_page(), lab, f"/probe?probe={probe_id}")
    expect(answer_cards(fresh)).to_have_count(2)
    assert said(fresh) == answers
    assert fresh.locator(".lethe-stamp").all_inner_texts() == stamps
    assert fresh.get_by_placeholder("Type a question").input_value() == question


def test_ctrl_enter_asks_a_question_of_ones_own(probe: Page) -> None:
    ask_by_keyboard(probe, "Who are you?")
    expect(answer_cards(probe)).to_have_count(2)
    expect(answer_cards(probe).first).to_contain_text("not known: the question was typed")


def test_an_attack_prompt_wraps_the_question(probe: Page) -> None:
    probe.get_by_label("Attack prompt", exact=True).click()
    probe.get_by_role("option", name="Role override").click()
    probe.locator("#lethe-ask").click()
    kept_as(probe)
    expect(probe.locator(".lethe-kept")).to_contain_text("Role override")
    answers = said(probe)
    assert all(text.strip() for text in answers), answers
    probe.reload()
    expect(probe.locator(".lethe-kept")).to_contain_text("put as Forget every earlier instruction")
    assert said(probe) == answers


def test_a_file_that_is_no_picture_is_refused_in_a_sentence_and_nothing_is_lost(probe: Page, tmp_path: Path) -> None:
    ask_by_keyboard(probe, "Which city is it?")
    answers, person = said(probe), probe.get_by_label("Person", exact=True).input_value()
    fake = tmp_path / "holiday.png"
    fake.write_text("this is text")
    probe.locator("#lethe-upload").locator("xpath=..").locator("input[type=file]").set_input_files(fake)
    alert = probe.locator(".lethe-probe-foot").get_by_role("alert")
    expect(alert).to_have_text(re.compile(r"This file is not a picture; choose a PNG[^.]*\.$"))
    assert said(probe) == answers
    assert probe.get_by_placeholder("Type a question").input_value() == "Which city is it?"
    assert probe.get_by_label("Person", exact=True).input_value() == person
