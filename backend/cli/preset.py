"""Methods from a terminal: list them, show one as text to copy, keep one of your own, take one from a file."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from backend import formula
from backend.cli.runs import Set, _with
from backend.cli.shared import AsJson, engine_at_hand, fail, out, print_json, text_of
from backend.presets import Preset, every_preset, fill, from_spec, parse, save, to_text
from backend.presets import preset as known_preset
from backend.spec import UnlearnSpec
from storage import runs

preset = typer.Typer(no_args_is_help=True, help="Methods, published and your own.")


@preset.command("list")
def list_presets(as_json: AsJson = False) -> None:
    """The methods there are, with what they minimise or do, their variants and their sources."""
    known, broken = every_preset()
    if as_json:
        print_json({one.name: _described(one) for one in known})
    else:
        table = Table("name", "method", "minimises, or does", "variants", "source")
        for one in known:
            table.add_row(*map(escape, (one.name, one.title, one.formula, ", ".join(one.variants), one.source)))
        out.print(table)
    for sentence in broken:
        print(sentence, file=sys.stderr)


def _described(one: Preset) -> dict[str, Any]:
    variants = {
        name: {"title": variant.title, "differs": variant.differs, "objective": dict(variant.objective)}
        for name, variant in one.variants.items()
    }
    return {
        "title": one.title,
        "formula": one.formula,
        "source": one.source,
        "differs": one.differs,
        "published": one.published,
        "edit": one.edit.model_dump(),
        "objective": one.objective.model_dump(),
        "training": dict(one.training),
        "guards": dict(one.guards),
        "variants": variants,
    }


@preset.command("show")
def show_preset(name: str) -> None:
    """A method as text that can be kept, changed and loaded. NAME may name a variant, as in npo:offside."""
    spec = fill(name)
    about = known_preset(name).about
    begin = "minimise " if formula.minimises(spec.edit) else ""
    print(f"# {begin}{formula.written(spec.objective, spec.edit)}")
    print(to_text(from_spec("mine", spec, about)), end="")


@preset.command("save")
def save_preset(
    name: str,
    run: Annotated[str | None, typer.Option(help="The run whose method to keep.")] = None,
    preset: Annotated[str, typer.Option(help="Or the method or variant to begin from.")] = "npo",
    about: Annotated[str, typer.Option(help="A line about it.")] = "",
    set_: Set = None,
) -> None:
    """Keep a method of your own under NAME: that of a run, or a preset with changes."""
    if run is None:
        values = fill(preset).model_dump()
    else:
        found = runs.find(engine_at_hand(), run)
        if found.kind != "unlearn":
            fail(f"{found.name} is no unlearning run, so it has no method to keep")
        values = found.spec
    spec = UnlearnSpec.model_validate(_with(dict(values), set_))
    out.print(f"kept {name} in {save(from_spec(name, spec, about))}")


@preset.command("load")
def load_preset(file: Annotated[str, typer.Argument(help="A file, or - for standard input.")]) -> None:
    """Keep the method that a file holds."""
    own = parse(text_of(file))
    out.print(f"kept {own.name} in {save(own)}")
