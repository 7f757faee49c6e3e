"""What the commands share: the lab's database, plain JSON, and the one sentence with which a command says no."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from sqlalchemy import Engine

from storage.database import connect, migrate

WAIT_S = 0.5
out = Console()

AsJson = Annotated[bool, typer.Option("--json", help="Plain JSON on standard output.")]
Benchmark = Annotated[str, typer.Option("--benchmark", help="demo, or a data set that was added: see `data list`.")]


def engine_at_hand() -> Engine:
    """The lab's database, brought up to date."""
    engine = connect()
    migrate(engine)
    return engine


def listed(text: str | None) -> tuple[str, ...]:
    """What stands between commas."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def print_json(data: Any) -> None:
    print(json.dumps(data, indent=2, ensure_ascii=False))


def fail(sentence: str) -> NoReturn:
    """The sentence on standard error, and exit code 1."""
    print(sentence, file=sys.stderr)
    raise SystemExit(1)


def text_of(file: str) -> str:
    """What a file holds, or standard input for `-`; ends the command with a sentence where that is no text."""
    if file == "-":
        return sys.stdin.read()
    try:
        return Path(file).read_text(encoding="utf-8")
    except FileNotFoundError:
        fail(f"there is no file {file}")
    except (OSError, UnicodeDecodeError):
        fail(f"{file} cannot be read as text")
