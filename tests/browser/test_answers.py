"""From an answer on a run's page to the same question on the Probe page, asked once more."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from backend import probing
from backend.benchmarks.demo import DemoBenchmark
from storage import probes, results
from storage.tables import Answer
from tests.browser.lab import RunningLab, wait_until
from tests.browser.reading import answer_cards, visit


def read_answers(page: Page, lab: RunningLab, run_id: str) -> Locator:
    """The rows of the answers on a run's page, once the fold is open."""
    visit(page, lab, f"/runs?run={run_id}")
    page.get_by_role("button", name="Read the answers").click()
    rows = page.get_by_role("table", name="answers").locator("tbody tr")
    expect(rows).to_have_count(20)
    return rows


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_label(label, exact=True).click()
    page.get_by_role("option", name=option, exact=True).click()


def kept_answer(lab: RunningLab, run_id: str, item_id: str) -> Answer:
    found = [row for row in results.answers(lab.engine, run_id=run_id, limit=100_000) if row.item_id == item_id]
    assert len(found) == 1
    return found[0]


def test_an_answer_of_a_run_is_asked_again_with_its_own_question_person_and_models(
    lab: RunningLab, page: Page, world: DemoBenchmark
) -> None:
    wait_until(lambda: probing.find_server(lab.engine) is not None, "a probe is up")
    run_id = lab.named("NPO forget10")[0].id
    rows = read_answers(page, lab, run_id)
    choose(page, "Set", "test")
    choose(page, "Task", "generation")
    choose(page, "Asked", "with the picture")
    choose(page, "Right or wrong", "wrong")
    for words in ("test", "generation · with picture", "✕ wrong"):
        expect(rows.filter(has_not_text=words)).to_have_count(0)
    link = rows.last.get_by_role("link", name="Ask again")
    found = re.search(r"item=([^&]+)&run=", link.get_attribute("href") or "")
    assert found
    asked = kept_answer(lab, run_id, found.group(1))
    assert (asked.item_set, asked.task, asked.modality, asked.correct) == ("test", "generation", "image_text", False)

    link.click()
    expect(page.get_by_placeholder("Type a question")).to_have_value(asked.question)
    name = next(person.name for person in world.people() if person.id == asked.subject)
    expect(page.get_by_label("Person", exact=True)).to_have_value(re.compile(rf"{re.escape(name)}$"))
    chosen = page.locator("#lethe-models label:has(input:checked)")
    expect(chosen).to_have_text([re.compile("vanilla"), re.compile("NPO forget10")])
    page.locator("#lethe-ask").click()
    expect(page).to_have_url(re.compile(r"[?&]probe=[0-9a-f]+"))
    expect(page.locator(".lethe-kept q").first).to_have_text(asked.question)
    expect(answer_cards(page)).to_have_count(2)
    expect(answer_cards(page).nth(1)).to_contain_text("NPO forget10")
    likelihoods = page.locator(".lethe-likelihood [role=img]")
    expect(likelihoods).to_have_count(2)

    kept = probes.get(lab.engine, page.url.split("probe=")[1].split("&")[0])
    assert kept.request["item_id"] == asked.item_id and kept.request["truth"] == asked.truth
    # greedy, of the same weights, with the same picture: the run's own answer comes again, or more of it
    original, unlearned = (answer["text"] for answer in kept.answers)
    assert unlearned.startswith(asked.text or "") and bool(unlearned) == bool(asked.text)
    expect(page.locator(".lethe-said").first).to_have_text(original or "no words at all")


def test_a_fold_of_answers_says_where_nothing_is_like_what_is_asked_for(lab: RunningLab, page: Page) -> None:
    rows = read_answers(page, lab, lab.named("NPO forget10")[0].id)
    choose(page, "Set", "celebrity")
    expect(rows.filter(has_text="celebrity")).to_have_count(20)
    choose(page, "Task", "caption")
    expect(page.get_by_text("No answer is like this; choose otherwise.")).to_be_visible()
