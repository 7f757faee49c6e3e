"""A run's spec as a file, and a file's spec as a run: what `show --spec` wrote, `submit file` starts again."""

from __future__ import annotations

from typing import Annotated

import typer

from backend.cli.runs import Name, Wait, _queue
from backend.cli.shared import AsJson, text_of
from backend.report.spec_file import read_spec_text


def submit_file(
    file: Annotated[str, typer.Argument(help="A file that `show RUN --spec` wrote, or - for standard input.")],
    name: Name = None,
    wait: Wait = False,
    as_json: AsJson = False,
) -> None:
    """Queue the run that a file of YAML asks for, setting by setting."""
    text = text_of(file)
    written, spec = read_spec_text(text)
    _queue(spec, name or written or spec.kind, wait, as_json)
