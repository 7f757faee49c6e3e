"""Every page fits a narrow window and a wide one, in light and in dark, and can be used without eyes or mouse."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, ViewportSize, expect

from backend import probing
from backend.spec import ProbeSpec
from storage.tables import Run
from tests.browser.conftest import PATIENCE_MS, WIDE
from tests.browser.lab import RunningLab, wait_until
from tests.browser.reading import visit

PATHS = {
    "/": ("home", "Newest results"),
    "/data": ("data", "Carry into Launch"),
    "/data?person=p04&people=p04,p05&attributes=pet": ("a person", "Asked about them"),
    "/launch": ("launch", "The same from a terminal"),
    "/launch?training.learning_rate=-1": ("launch at fault", "Not ready to start:"),
    "/runs": ("runs", "NPO forget10"),
    "/runs?run=RUN": ("a run", "95 % interval"),
    "/probe": ("probe", "The answer will stand here."),
    "/probe?probe=PROBE": ("a kept probe", "Kept"),
    "/attack": ("attack", "two attacks"),
    "/attack?run=ATTACK": ("an attack run", "What was said"),
    "/findings": ("findings", "Prompt attacks work"),
    "/compare": ("compare", "Item by item"),
}
"""Address, name, and words that stand there once the page is drawn."""
THEMES = ("light", "dark")
WIDTHS = {1440: 900, 390: 844}


@pytest.fixture(scope="module")
def kept_probe(lab: RunningLab) -> str:
    """The id of a question that both models have answered."""
    models = tuple(str(lab.named(name)[0].output_checkpoint_id) for name in ("vanilla", "NPO forget10"))
    wait_until(lambda: probing.find_server(lab.engine) is not None, "a probe is up")
    address = probing.find_server(lab.engine)
    assert address is not None
    *_, last = probing.ask(address, ProbeSpec(models=models, question="Where does Anna live?"))
    return str(last["probe"])


def _called(parameter: tuple[str, str]) -> str:
    return f"{PATHS[parameter[0]][0]}, {parameter[1]}"


@pytest.fixture(scope="module", params=[(path, theme) for path in PATHS for theme in THEMES], ids=_called)
def shown(
    request: pytest.FixtureRequest, lab: RunningLab, kept_probe: str, attacked: Run, chromium: Browser
) -> Iterator[Page]:
    """A page in a theme, opened once for all that is looked at."""
    path, theme = request.param
    _, words = PATHS[path]
    for kind, at in (("RUN", lab.named("NPO forget10")[0].id), ("PROBE", kept_probe), ("ATTACK", attacked.id)):
        path = path.replace(kind, at)
    context = chromium.new_context(viewport=WIDE, reduced_motion="reduce")
    context.set_default_timeout(PATIENCE_MS)
    page = visit(context.new_page(), lab, f"{path}{'&' if '?' in path else '?'}__theme={theme}")
    expect(page.get_by_text(words).first).to_be_visible()
    yield page
    context.close()


def test_no_page_is_wider_than_its_window(shown: Page) -> None:
    for width, height in WIDTHS.items():
        shown.set_viewport_size(ViewportSize(width=width, height=height))
        wide = shown.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, f"{shown.url} is {wide} pixels wide in a window of {width}"


def test_no_page_has_a_serious_fault_of_access(shown: Page) -> None:
    shown.set_viewport_size(WIDE)
    found = faults_of_access(shown)
    print(*found, sep="\n")
    assert not [fault for fault in found if fault.startswith(("serious", "critical"))]


def faults_of_access(page: Page) -> list[str]:
    """Every element that axe finds at fault: how grave it is, which rule it breaks, and its markup."""
    rules = Axe().run(page).response["violations"]
    return [f"{rule['impact']} {rule['id']}: {node['html'][:300]}" for rule in rules for node in rule["nodes"]]


def test_a_fault_of_access_would_be_noticed(page: Page) -> None:
    page.set_content("<html lang=en><title>t</title><body><img src='data:,'><p style='color:#ccc'>pale</p>")
    found = [fault.split(":")[0] for fault in faults_of_access(page)]
    assert {"critical image-alt", "serious color-contrast"} <= set(found)


@pytest.mark.parametrize(("path", "button"), [("/launch", "Start"), ("/probe", "Ask")])
def test_the_tab_key_reaches_the_button_that_matters(lab: RunningLab, page: Page, path: str, button: str) -> None:
    visit(page, lab, path)
    expect(page.get_by_role("button", name=button, exact=True)).to_be_enabled()
    reached: list[str] = []
    for _ in range(200):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.innerText || document.activeElement.ariaLabel || ''"))
        if reached[-1].strip() == button:
            return
    pytest.fail(f"{button} was not reached: {reached}")
