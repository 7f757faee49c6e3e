"""Attack suites from a terminal: list them, show one as text to copy, check a file, keep one of your own."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from backend.cli.shared import AsJson, out, print_json, text_of
from backend.suites import BUILT_IN, FAMILIES, OwnSuite, Suite, from_suite, parse, save, saved, to_text
from backend.suites import suite as known_suite

suite = typer.Typer(no_args_is_help=True, help="Attack suites, built in and your own.")
File = Annotated[str, typer.Argument(help="A file, or - for standard input.")]


@suite.command("list")
def list_suites(as_json: AsJson = False) -> None:
    """The suites there are, with how many attacks each makes."""
    own, broken = saved()
    known = [*(known_suite(name) for name in BUILT_IN), *(one.suite() for one in own)]
    if as_json:
        print_json({one.name: _described(one) for one in known})
    else:
        table = Table("name", "version", "attacks", "own prompts", "about")
        for one in known:
            counts = (str(one.version), str(len(one.attacks)), str(len(one.prompts) or ""))
            table.add_row(*map(escape, (one.name, *counts, one.about)))
        out.print(table)
    for sentence in broken:
        print(sentence, file=sys.stderr)


def _described(one: Suite) -> dict[str, Any]:
    attacks = {}
    for name, strengths in one.attacks.items():
        info = one.info(name)
        attacks[name] = {
            "title": info.title,
            "family": FAMILIES[info.family],
            "tests": info.tests,
            "caution": info.caution,
            "strengths": [info.at(strength) for strength in strengths] if info.strength else [],
        }
    return {"version": one.version, "about": one.about, "attacks": attacks}


@suite.command("show")
def show_suite(name: str, as_json: AsJson = False) -> None:
    """A suite as text that can be changed under a name of its own and added."""
    known = known_suite(name)
    if as_json:
        return print_json(_described(known))
    print(to_text(from_suite("mine" if name in BUILT_IN else name, known)), end="")


@suite.command("check")
def check_suite(file: File) -> None:
    """Read a file and say what it holds, or what is to be mended in it."""
    out.print(escape(_words(_read(file))))


@suite.command("add")
def add_suite(file: File) -> None:
    """Keep the suite that a file holds; a higher version takes the place of a lower one."""
    own = _read(file)
    save(own)
    out.print(escape(f"kept {_words(own)}"))


def _read(file: str) -> OwnSuite:
    return parse(text_of(file))


def _words(own: OwnSuite) -> str:
    attacks, prompts = len(own.suite().attacks) - len(own.prompts), len(own.prompts)
    return (
        f"{own.name}, version {own.version}: {attacks} known attack{'s' * (attacks != 1)} and "
        f"{prompts} prompt{'s' * (prompts != 1)} of its own"
    )
