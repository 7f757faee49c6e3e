"""What is left when the web process is killed: everything but the pages."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.browser.lab import MANY, RunningLab
from tests.browser.reading import shows_state, visit, wait_for_step


def test_a_run_goes_on_without_the_web_process_and_is_shown_by_the_next_one(lab: RunningLab, page: Page) -> None:
    vanilla = lab.named("vanilla")[0]
    run = lab.queue_unlearning(vanilla, "survivor", steps=MANY, score=False)
    visit(page, lab, f"/runs?run={run.id}")
    seen = wait_for_step(page, above=0)

    lab.kill_web()
    alone = lab.wait_for_step(run.id, above=lab.run(run.id).step + 5)
    assert alone > seen and lab.state(run.id) == "running"

    lab.start_web()
    visit(page, lab, f"/runs?run={run.id}")
    shows_state(page, "running")
    assert wait_for_step(page, above=alone) > alone
    assert lab.run(run.id).attempt == 1, "it was never interrupted"
    lab.cancel(run.id)
    shows_state(page, "cancelled")
