"""A running lab with two small models and a real Chromium, shared by every test of this folder.

Both end with the folder: Playwright keeps an event loop in the main thread, which other tests want for themselves.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect, sync_playwright

from backend.benchmarks.demo import DemoBenchmark
from storage import runs
from storage.tables import ENDED, Run
from tests.browser.lab import RunningLab

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
WIDE = ViewportSize(width=1440, height=900)
PATIENCE_MS = 60_000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first test of the folder pays for the lab, whichever it is."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(300))


@pytest.fixture(scope="package")
def lab(
    shared_home: Path, world: DemoBenchmark, demo_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningLab]:
    """`python app.py` and its worker; *vanilla* and *NPO forget10* are made, the latter with scores."""
    home = tmp_path_factory.mktemp("lab")
    before = os.environ.get("LETHE_HOME")
    os.environ["LETHE_HOME"] = str(home)
    for part in ("worlds", "models"):
        shutil.copytree(shared_home / part, home / part)
    lab = RunningLab(home)
    try:
        vanilla = lab.queue_vanilla()
        unlearned = lab.queue_unlearning(vanilla, "NPO forget10", steps=4, score=True)
        lab.start_web()
        for run in (vanilla, unlearned):
            lab.wait_for_end(run.id)
            assert lab.state(run.id) == "succeeded", lab.run(run.id).error
        yield lab
    finally:
        lab.stop()
        os.environ.pop("LETHE_HOME")
        os.environ.update({"LETHE_HOME": before} if before else {})


@pytest.fixture(scope="package")
def attacked(lab: RunningLab) -> Run:
    """An attack run that has ended: two attacks by words on *NPO forget10*."""
    run = lab.queue_attack(lab.named("NPO forget10")[0], "two attacks", ("prefix", "roleplay"), items=2)
    lab.wait_for_end(run.id)
    assert lab.state(run.id) == "succeeded", lab.run(run.id).error
    return lab.run(run.id)


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    wanted = [os.environ.get("LETHE_CHROMIUM"), *NAMES]
    path = next((found for name in wanted if name and (found := shutil.which(name))), None)
    if path is None:
        pytest.fail("The browser tests need Chromium: install it, or name one with LETHE_CHROMIUM=/path/to/chromium.")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(autouse=True)
def quiet_afterwards(lab: RunningLab) -> Iterator[None]:
    """No test leaves a run at work to the next one."""
    yield
    for run in runs.listing(lab.engine):
        if run.state not in ENDED:
            lab.cancel(run.id)


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """A browser that remembers nothing of the test before."""
    context = chromium.new_context(viewport=WIDE, reduced_motion="reduce")
    context.set_default_timeout(PATIENCE_MS)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()
