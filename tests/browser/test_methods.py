"""A method on Launch and what comes of it: chosen, composed, kept as a preset, swept, and stopped by a guard."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from storage import metric_points, runs
from storage.tables import ENDED
from tests.browser.lab import RunningLab
from tests.browser.reading import shows_state, visit

SOURCE_OF_NPO = "Negative preference optimisation, Zhang et al. 2024"
BOUND = 7.0
"""Of the forget loss, in nats a token: this model begins with 5.3, and a dozen steps of ascent bring it to 8.5."""


@pytest.fixture(autouse=True)
def left_as_it_was(lab: RunningLab) -> Iterator[None]:
    """The lab has the runs and the presets of before: other pages count them."""
    before = {run.id for run in runs.listing(lab.engine)}
    yield
    for run in runs.listing(lab.engine):
        if run.id not in before:
            if run.state not in ENDED:
                lab.cancel(run.id)
            for path in runs.delete(lab.engine, run.id):
                shutil.rmtree(lab.home / path)
    for path in (lab.home / "presets").glob("*.yaml"):
        path.unlink()


def opened(page: Page, lab: RunningLab, **settings: object) -> Page:
    """The launch page with these training settings and without scores, once the server has filled its form."""
    typed = "".join(f"&training.{name}={value}" for name, value in settings.items())
    visit(page, lab, f"/launch?score=false{typed}" if typed else "/launch")
    expect(page.get_by_text("The same from a terminal")).to_be_visible()
    return page


def field(page: Page, label: str) -> Locator:
    return page.get_by_label(label, exact=True)


def choose(page: Page, label: str, choice: str) -> None:
    field(page, label).click()
    page.get_by_role("option", name=choice, exact=True).click()


def unfold(page: Page, title: str) -> None:
    page.locator(".lethe-more > button", has_text=title).click()


def fill(page: Page, label: str, path: str, text: str) -> None:
    """Types into a field, and waits until the server has taken it into the run that it would start."""
    field(page, label).fill(text)
    expect(this_run(page)).to_contain_text(f"--set {path}={text}")


def this_run(page: Page) -> Locator:
    return page.locator(".lethe-launch-run")


def formula(page: Page) -> Locator:
    return page.locator(".lethe-maths")


def about(page: Page) -> Locator:
    """Where the formula comes from."""
    return page.locator(".lethe-formula .lethe-muted")


def start(page: Page) -> Locator:
    """Starts what the form asks for; the line that says what was queued."""
    page.get_by_role("button", name="Start", exact=True).click()
    line = page.locator(".lethe-started").filter(has_text="Queued")
    expect(line).to_be_visible()
    return line


def test_a_method_brings_its_formula_its_source_and_the_settings_of_its_paper(lab: RunningLab, page: Page) -> None:
    launch = opened(page, lab)
    expect(about(launch)).to_contain_text(SOURCE_OF_NPO)
    expect(formula(launch)).to_have_text("−(2/β) log σ(−β (log πθ(y|x) − log πref(y|x))) forget + 3 · CE retain")
    choose(launch, "Method", "SimNPO")
    expect(formula(launch)).to_have_text("−(2/β) log σ(−β (mean log πθ(y|x) + δ)) forget + 3 · CE retain")
    expect(about(launch)).to_contain_text("SimNPO, Fan et al. 2024 (arXiv 2410.07163)")
    expect(about(launch)).not_to_contain_text(SOURCE_OF_NPO)

    choose(launch, "Method", "GradDiff")
    expect(formula(launch)).to_have_text("mean log πθ(y|x) forget + 3 · CE retain")
    launch.get_by_text("OFFSIDE: weighted 1 : 3", exact=True).click()
    expect(formula(launch)).to_have_text("0.25 · mean log πθ(y|x) forget + 0.75 · CE retain")
    expect(about(launch)).to_contain_text("OFFSIDE, Zheng et al. 2025 (arXiv 2510.22535)")
    expect(field(launch, "Steps")).to_have_value("60")

    launch.get_by_text("the paper's settings", exact=True).click()
    expect(launch.get_by_text("OFFSIDE: LoRA r8 α32 on q and v, learning rate 5e-5, 4 epochs, batch 4")).to_be_visible()
    # 4 passes over the 576 items of four people, 4 x 4 items a step
    expect(field(launch, "Steps")).to_have_value("144")
    expect(field(launch, "Learning rate")).to_have_value("0.00005")
    expect(this_run(launch)).to_contain_text("--preset graddiff:offside")
    expect(this_run(launch)).to_contain_text("in 144 steps")


def test_an_own_objective_is_composed_kept_loaded_and_carried_out(lab: RunningLab, page: Page) -> None:
    launch = opened(page, lab, steps=3, batch_size=2)
    unfold(launch, "Own objective")
    choose(launch, "Forget term", "gradient ascent")
    choose(launch, "Retain term", "KL to the reference")
    fill(launch, "Retain weight α", "objective.retain_weight", "2.5")
    expect(formula(launch)).to_have_text("mean log πθ(y|x) forget + 2.5 · KL(πref ‖ πθ) retain")
    expect(about(launch)).to_have_text("own objective, begun from NPO")

    unfold(launch, "Save, copy or load a preset")
    field(launch, "Preset name").fill("gentle")
    launch.get_by_role("button", name="Save as preset").click()
    expect(launch.get_by_text("Kept as gentle")).to_be_visible()
    kept = (lab.home / "presets" / "gentle.yaml").read_text(encoding="utf-8")
    shown = field(launch, "This method as text").input_value()
    assert "forget: ga\n" in kept and "retain_weight: 2.5\n" in kept and "steps: 3\n" in kept
    assert shown.partition("\n")[2] == kept.partition("\n")[2], "the text on the page is the preset, but for its name"

    choose(launch, "Method", "gentle (your own)")
    expect(about(launch)).to_contain_text("your own · begun from npo")
    field(launch, "A preset as text").fill(kept.replace("gentle", "harder").replace("2.5", "0.5"))
    launch.get_by_role("button", name="Load this text").click()
    expect(field(launch, "Method")).to_have_value("harder (your own)")
    expect(formula(launch)).to_have_text("mean log πθ(y|x) forget + 0.5 · KL(πref ‖ πθ) retain")
    expect(this_run(launch)).to_contain_text("--preset harder")

    start(launch).get_by_role("link").click()
    shows_state(launch, "succeeded")
    expect(launch.get_by_role("heading", level=1)).to_contain_text("harder")
    expect(launch.locator("dt", has_text=re.compile("^Method$")).locator("+ dd")).to_have_text("harder")
    expect(launch.locator("dt", has_text=re.compile("^Retain weight α$")).locator("+ dd")).to_have_text("0.5")


def test_a_sweep_of_two_rates_and_two_seeds_is_four_runs_of_two_combinations(lab: RunningLab, page: Page) -> None:
    launch = opened(page, lab, steps=2, batch_size=2)
    unfold(launch, "Sweep: a run for each combination")
    for number, setting, values in (
        (1, "Learning rate · training.learning_rate", "0.001, 0.002"),
        (2, "Seed · training.seed", "0, 1"),
    ):
        choose(launch, f"Setting {number}", setting)
        field(launch, f"Values {number}").fill(values)
    expect(launch.get_by_role("table", name="This run")).to_contain_text("4 runs")

    line = start(launch)
    expect(line).to_contain_text("Queued: 4 runs of")
    group = line.get_by_role("link").inner_text()
    started = runs.listing(lab.engine, group=group)
    for run in started:
        lab.wait_for_end(run.id)
    done = [lab.run(run.id) for run in started]
    assert [run.state for run in done] == ["succeeded"] * 4, [run.error for run in done]
    asked = sorted((run.spec["training"]["learning_rate"], run.spec["training"]["seed"]) for run in done)
    assert asked == [(0.001, 0), (0.001, 1), (0.002, 0), (0.002, 1)]

    line.get_by_role("link").click()
    expect(launch.get_by_role("heading", level=2, name=group)).to_be_visible()
    listed = launch.get_by_role("table", name="runs").locator("tbody tr")
    expect(listed).to_contain_text(["succeeded"] * 4)
    combinations = launch.get_by_role("table", name="combinations").locator("tbody tr")
    expect(combinations).to_have_count(2)
    for row, rate in zip(combinations.all(), ("0.001", "0.002"), strict=True):
        expect(row.locator("td").nth(0)).to_have_text(rate)
        expect(row.locator("td").nth(1)).to_contain_text("0, 1")


def test_a_guard_stops_ascent_that_runs_away_and_the_run_says_why(lab: RunningLab, page: Page) -> None:
    launch = opened(page, lab, steps=40, batch_size=2)
    choose(launch, "Method", "GA")
    expect(formula(launch)).to_have_text("mean log πθ(y|x) forget")
    fill(launch, "Learning rate", "training.learning_rate", "0.01")
    unfold(launch, "Guards")
    fill(launch, "Stop above forget loss", "guards.forget_loss_above", f"{BOUND:g}")
    start(launch).get_by_role("link").click()
    shows_state(launch, "succeeded")

    run = lab.run(launch.url.partition("run=")[2])
    assert 1 < run.step < 40
    losses = [loss for _, loss in metric_points.curve(lab.engine, run.id, ["forget_loss"])["forget_loss"]]
    assert losses[-1] > BOUND >= max(losses[:-1])
    expect(
        launch.get_by_text(
            f"Stopped at step {run.step} of 40: the forget loss {losses[-1]:.2f} passed the bound of {BOUND:g}; "
            "the model of that step is kept."
        ).first
    ).to_be_visible()
