"""`docs/cli.md`: every command with its arguments and options."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

import typer

from backend import cli
from backend.docs.tables import HEAD, table

PROGRAM = "python -m backend"


def cli_page() -> str:
    """Every command with its arguments and options."""
    commands = "\n".join(_command(name, command) for name, command in _commands(typer.main.get_command(cli.app)))
    return f"{HEAD}# The command line\n\n{inspect.getdoc(cli)}\n\n{commands}"


def _commands(group: Any, above: str = "") -> Iterable[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, f"{above}{name} ")
        elif not command.hidden:
            yield f"{above}{name}", command


def _command(name: str, command: Any) -> str:
    shown = [one for one in command.params if not getattr(one, "hidden", False)]
    arguments = [one.name.upper() for one in shown if one.param_type_name == "argument"]
    options = [one for one in shown if one.param_type_name == "option"]
    usage = " ".join([PROGRAM, name, *arguments, *(["[OPTIONS]"] if options else [])])
    rows = [(f"`{', '.join(one.opts)}`", one.help or "", _option_default(one)) for one in options]
    options_table = f"\n{table(('option', 'what it does', 'default'), rows)}" if rows else ""
    return f"## `{name}`\n\n{inspect.cleandoc(command.help or '')}\n\n```\n{usage}\n```\n{options_table}"


def _option_default(option: Any) -> str:
    if option.required:
        return "must be given"
    return "" if option.default is None or option.is_flag else f"`{option.default}`"
