"""`python -m backend.docs` writes those pages of `docs/` that repeat the code; `--check` finds stale ones.

Methods come from `backend.presets`, settings from `backend.spec`, rules of scoring from the docstrings of
`backend.metrics`, commands from `backend.cli`. Nothing here imports torch.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from backend.docs.commands import cli_page
from backend.docs.measures import MEASURES
from backend.docs.methods import methods_page
from backend.docs.metrics import metrics_page

__all__ = ["FOLDER", "MEASURES", "PAGES", "cli_page", "main", "methods_page", "metrics_page", "out_of_date"]

FOLDER = Path(__file__).parents[2] / "docs"
PAGES: dict[str, Callable[[], str]] = {
    "methods.md": methods_page,
    "metrics.md": metrics_page,
    "cli.md": cli_page,
}


def main(arguments: Sequence[str]) -> int:
    """The exit code: 1 where `--check` finds a page missing or out of date, 2 for an unknown argument."""
    if list(arguments) == ["--check"]:
        stale = out_of_date(FOLDER)
        if stale:
            print(f"docs/ is out of date ({', '.join(stale)}): run `make docs`", file=sys.stderr)
        return 1 if stale else 0
    if arguments:
        print("python -m backend.docs takes --check or nothing", file=sys.stderr)
        return 2
    FOLDER.mkdir(exist_ok=True)
    for name, write in PAGES.items():
        (FOLDER / name).write_text(write(), encoding="utf-8")
    return 0


def out_of_date(folder: Path) -> list[str]:
    """Names of the pages that are missing from `folder` or say something else than the code."""
    found = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.md")}
    return [name for name, write in PAGES.items() if found.get(name) != write()]
