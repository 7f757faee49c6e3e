"""`python -m backend.docs` writes those pages of `docs/` that repeat the code; `--check` finds stale ones.

Methods come from `backend.presets`, settings from `backend.spec`, rules of scoring from the docstrings of
`backend.metrics`, commands from `backend.cli`. Nothing here imports torch.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from pydantic import BaseModel

from backend import cli
from backend.attack_prompts import ATTACKS, VERSION, AttackPrompt
from backend.benchmarks import demo_words
from backend.metrics import (
    against_gold,
    clear,
    clear_table,
    forget_quality,
    four_way,
    judge,
    leak,
    letters,
    membership,
    memorisation,
    shots,
    text,
)
from backend.metrics.answers import collapsed, holds
from backend.metrics.interval import over_people
from backend.metrics.score import flag_collapse
from backend.presets import PRESETS, Preset
from backend.spec import Decoding, EvaluateSpec, FinetuneSpec, ForgetRequest, Objective, Training, UnlearnSpec
from backend.spec_edit import Edit
from backend.spec_guards import Guards

FOLDER = Path(__file__).parent.parent / "docs"
PROGRAM = "python -m backend"
HEAD = "<!-- Written by `python -m backend.docs`; do not change it here. -->\n\n"


@dataclass(frozen=True)
class Measure:
    """A figure the lab shows: its name, where it stands, what it is, its range, and what guessing gives."""

    name: str
    where: str
    measured: str
    span: str
    chance: str


MEASURES = (
    Measure(
        name="accuracy",
        where="generation, cloze, caption, name",
        measured="share of greedy answers that hold the fact, as whole words; left out where an item names no fact",
        span="0 to 1",
        chance="see the lists below",
    ),
    Measure(
        name="accuracy",
        where="classification",
        measured="share of questions whose true option is the likeliest of four (demo, CLEAR, own data: options "
        "are ranked by log π(option|question), a tie goes to the first), or whose letter is right (the other two)",
        span="0 to 1",
        chance="0.25",
    ),
    Measure(
        name="probability",
        where="every task",
        measured="mean of exp(log π(y|x) / |y|): the true answer's likelihood a token, a geometric mean",
        span="0 to 1",
        chance="about 0",
    ),
    Measure(
        name="option_accuracy, option_probability",
        where="classification, names with wrong names beside them",
        measured="the true option is the likeliest; p(true) / (p(true) + Σ p(false)) with p = exp(−loss)",
        span="0 to 1",
        chance="1 / options",
    ),
    Measure(
        name="parsed",
        where="classification by letter",
        measured="share of answers a letter could be read from; the rest count as wrong",
        span="0 to 1",
        chance="–",
    ),
    Measure(
        name="…_as_coded",
        where="where a paper's script does otherwise",
        measured="the same figure by the published script's rule, to be put beside the paper's",
        span="0 to 1",
        chance="as its twin",
    ),
    Measure(
        name="loss",
        where="every task",
        measured="−log π(y|x) / |y| of the true answer, in nats a token, from one teacher-forced forward",
        span="0 and up",
        chance="log of the vocabulary's size",
    ),
    Measure(
        name="exact_memorisation, extraction_strength",
        where="every task",
        measured="share of the true answer's tokens that are the likeliest; share of it that follows by itself from "
        "the shortest beginning (0 when nothing does)",
        span="0 to 1",
        chance="about 0",
    ),
    Measure(
        name="zlib, min_k_20, min_k_40, min_k_plus_20, min_k_plus_40",
        where="every task",
        measured="membership scores of the true answer: loss over compressed length; the mean of its 20 or 40 % least "
        "likely tokens, plain and in units of the vocabulary's spread",
        span="any number",
        chance="–",
    ),
    Measure(
        name="rouge1, rouge2, rougeL, rougeL_recall, bleu, overall",
        where="written answers of MLLMU-Bench, CLEAR, OFFSIDE and own data",
        measured="words in common with the true answer; `overall` is OFFSIDE's mean of BLEU and three ROUGE",
        span="0 to 1",
        chance="not 0: usual words are shared",
    ),
    Measure(
        name="truth_ratio",
        where="CLEAR",
        measured="exp(mean loss of wrong answers − loss of the paraphrased true one); over 1 when the model knows",
        span="0 and up",
        chance="1",
    ),
    Measure(
        name="real, retain, forget, model_utility",
        where="CLEAR, task `table`",
        measured="harmonic means of probability, truth ratio (and ROUGE) over the paper's tasks; each column also as "
        "coded",
        span="0 to 1",
        chance="–",
    ),
    Measure(
        name="mean_of_sets_accuracy, mean_of_sets_overall, mean_of_sets_bleu, mean_of_sets_rouge1, "
        "mean_of_sets_rouge2, mean_of_sets_rougeL, mean_of_sets_factuality",
        where="OFFSIDE, task `table`, set `all`",
        measured="plain mean of a measure over forget, test and retain set, with pictures: accuracy of classification, "
        "the others of generation",
        span="as its measure's",
        chance="–",
    ),
    Measure(
        name="forget_quality_ks, forget_quality_1_minus_js",
        where="CLEAR, task `table`",
        measured="how like a retain-only model's truth ratios the forget set's are; no number without such a model",
        span="0 to 1",
        chance="–",
    ),
    Measure(
        name="member_auc_…",
        where="forget set, task `table`, where there are held-out people",
        measured="how often a forget item looks more like something taught than a held-out person's item of the same "
        "task and modality does; one row for loss, zlib and each min_k",
        span="0 to 1",
        chance="0.5",
    ),
    Measure(
        name="privleak_…",
        where="forget set, task `table`, where there are held-out people and a retain-only model",
        measured="`member_auc_…` set against the retain-only model's (MUSE), in per cent: 0 is ideal, −100 nothing "
        "forgotten, over 0 forgotten so hard that it shows",
        span="−100 and up",
        chance="0",
    ),
    Measure(
        name="gold_auc_…",
        where="forget set, task `table`, where there is a retain-only model",
        measured="how often a forget item looks more like something taught to this model than one does under the "
        "retain-only model: over 0.5 still a member, under 0.5 forgotten so hard that it shows",
        span="0 to 1",
        chance="0.5",
    ),
    Measure(
        name="leak@k",
        where="open questions of the forget and test sets, in an evaluate run that draws samples",
        measured="chance that one of k answers drawn at temperature 1 holds the fact, from n samples; k is 1, 4, 16, … "
        "and n",
        span="0 to 1",
        chance="1 − (1 − c)^k where one guess is right with chance c",
    ),
    Measure(
        name="factuality, judge_failed",
        where="generation and caption, in an evaluate run with a judge",
        measured="mean mark of another model, of the answers it marked; the share that it could not mark",
        span="1 to 10 (OFFSIDE: 0 to 10); 0 to 1",
        chance="–",
    ),
    Measure(
        name="known_before",
        where="results of unlearning",
        measured="share of the items that the original answered rightly: what it did not know cannot be forgotten",
        span="0 to 1",
        chance="–",
    ),
    Measure(
        name="accuracy_of_known",
        where="results of unlearning",
        measured="accuracy over the items that the original answered rightly, and those alone; n is their number",
        span="0 to 1",
        chance="as for accuracy",
    ),
    Measure(
        name="accuracy/SET",
        where="curves",
        measured="accuracy on a fixed sample of the set's generation questions, asked during training",
        span="0 to 1",
        chance="as for generation",
    ),
    Measure(
        name="forget_loss, retain_loss",
        where="curves",
        measured="cross-entropy of the batch's answers, in nats a token; a mean over samples of their means",
        span="0 and up",
        chance="log of the vocabulary's size",
    ),
    Measure(
        name="loss",
        where="curves",
        measured="what is minimised: γ · forget term + α · retain term",
        span="any number",
        chance="–",
    ),
    Measure(
        name="p(true)",
        where="probe",
        measured="exp(log π(y|x) / |y|) of the true answer to the question as it was put, under each model",
        span="0 to 1",
        chance="about 0",
    ),
    Measure(
        name="leak",
        where="probe",
        measured="whether the answer holds the fact, as whole words",
        span="yes or no",
        chance="see the lists below",
    ),
)
"""In the order in which a person meets them."""


PAPER_RULES: tuple[Callable[..., Any], ...] = (
    letters.letter,
    letters.first_letter,
    letters.strict_letter,
    text.cloze_as_coded,
    text.rouge,
    text.bleu,
    text.offside_overall,
    memorisation.exact_memorisation,
    memorisation.extraction_strength,
    memorisation.extraction_strength_as_coded,
    memorisation.zlib_ratio,
    memorisation.min_k,
    memorisation.min_k_plus,
    clear.probability_with_options,
    clear.truth_ratio,
    clear.truth_ratios_as_coded,
    clear.truth_ratio_forget,
    clear.truth_ratio_utility,
    clear.model_utility,
    clear.table,
    forget_quality.ks_p_value,
    forget_quality.one_minus_js,
    forget_quality.one_minus_js_as_coded,
    membership.auc,
    membership.privleak,
    membership.s_mia,
    against_gold.member_auc,
    against_gold.privleak_of,
    against_gold.gold_auc,
    leak.leak_at_k,
    clear_table.quality_rows,
    four_way.four_way_rows,
    judge.judge,
    judge.offside_mark_as_coded,
    shots.with_shots,
)
"""Each paper's rules and the common panel, in the words of their own docstrings."""


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


# -- methods -------------------------------------------------------------------------------------------


def methods_page() -> str:
    """The presets, then every setting of a run."""
    parts = [
        "# Methods and settings\n",
        "A method minimises γ · **forget term** + α · **retain term** over the weights that may move. "
        "π_θ is the model being changed, π_ref the model as it was, y the answer, x the question with its "
        "picture. Defaults are those of the demo model.\n",
        *[_method(preset) for preset in PRESETS.values()],
        "# Settings\n",
        "A path is what `--set` takes on the command line: `--set training.steps=200`.\n",
        _settings("Objective", Objective, "objective."),
        _settings("Instead of an objective", Edit, "edit."),
        _settings("Training", Training, "training."),
        _settings("Guards", Guards, "guards."),
        _settings("Whom to forget", ForgetRequest, "request."),
        _settings("Finetune runs", FinetuneSpec),
        _settings("Unlearn runs", UnlearnSpec),
        _settings("Evaluate runs", EvaluateSpec),
        _settings("How the probe draws an answer", Decoding, "decoding."),
    ]
    return HEAD + "\n".join(parts)


def _method(preset: Preset) -> str:
    return (
        f"## {preset.title} (`{preset.name}`)\n\n"
        f"{preset.about}\n\n"
        f"- **Minimises** {preset.formula}\n"
        f"- **Source** {preset.source}\n"
        f"- **Defaults** {', '.join(f'`{path}={_plain(value)}`' for path, value in _defaults(preset))}\n"
        f"- **As published** {preset.published}\n"
        f"- **What differs** {preset.differs}\n"
    )


def _defaults(preset: Preset) -> Iterable[tuple[str, Any]]:
    """The weights that count in this objective, and the training settings it changes."""
    chosen = preset.objective
    if chosen.forget != "none":
        yield "objective.forget_weight", chosen.forget_weight
    if chosen.forget == "npo":
        yield "objective.beta", chosen.beta
    if chosen.retain != "none":
        yield "objective.retain_weight", chosen.retain_weight
    yield from ((f"training.{name}", value) for name, value in preset.training.items())


def _settings(title: str, spec: type[BaseModel], prefix: str = "") -> str:
    """A table of a spec's own fields; fields that are specs themselves have tables of their own."""
    rows = [
        (
            f"`{prefix}{name}`",
            field.get("title", ""),
            field.get("description", ""),
            _allowed(field),
            f"`{json.dumps(field['default'], ensure_ascii=False)}`" if "default" in field else "",
        )
        for name, field in spec.model_json_schema()["properties"].items()
        if name != "kind" and "$ref" not in field
    ]
    return f"## {title}\n\n{_table(('path', 'title', 'help', 'allowed', 'default'), rows)}"


KINDS = {
    "boolean": "on or off",
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "array": "list",
}
BOUNDS = {
    "minimum": "from",
    "exclusiveMinimum": "above",
    "maximum": "to",
    "exclusiveMaximum": "below",
}


def _allowed(field: dict[str, Any]) -> str:
    """The choices of a field's JSON schema, or its kind and bounds in words."""
    choices = [
        value
        for option in (field, *field.get("anyOf", ()))
        for value in option.get("enum", [option["const"]] if "const" in option else ())
    ]
    if choices:
        return ", ".join(f"`{choice}`" for choice in choices)
    bounds = [f"{word} {_plain(field[bound])}" for bound, word in BOUNDS.items() if bound in field]
    return " ".join([KINDS.get(field.get("type", ""), ""), *bounds]).strip()


def _plain(value: Any) -> str:
    return f"{value:.12g}" if isinstance(value, int | float) else str(value)


# -- metrics -------------------------------------------------------------------------------------------


def metrics_page() -> str:
    """What is measured, by which rule, and what guessing gives."""
    measures = [(f"`{one.name}`", one.where, one.measured, one.span, one.chance) for one in MEASURES]
    attributes = demo_words.ATTRIBUTES | {"rumour": demo_words.RUMOUR}
    lists = [(name, len(set(about.values))) for name, about in attributes.items()]
    parts = [
        "# What is measured\n",
        "Scores stand by set (forget, test, retain, celebrity, general, holdout), task and modality, each with its "
        "number of questions n and a 95 % interval over people. Low on forget and test and high on the rest "
        "is the aim; how low is low enough, only a retain-only (gold) model can tell. Held-out people were never "
        "taught to any model, so nobody can know them: they are what not knowing looks like.\n",
        _table(("name", "where", "what is measured", "range", "chance"), measures),
        "## Guessing in the demo world\n",
        "Who has forgotten a person can still know which answers are usual. A guess from the list of an "
        "attribute's values is right this often. Names are on no list; the general questions on glasses and "
        "hats have two answers, so a guess is right about half the time.\n",
        _table(
            ("attribute", "values", "chance"),
            [(name, str(count), f"{1 / count:.2f}") for name, count in lists],
        ),
        "## Rules\n",
        _rule("The fact is in the answer", holds),
        _rule("The 95 % interval", over_people),
        _rule("⚠ collapsed", collapsed),
        _rule("⚠ below the collapse line", flag_collapse),
        *(_rule(f"`{rule.__name__}`", rule) for rule in PAPER_RULES),
        f"## Attack prompts, version {VERSION}\n",
        "Each wraps the plain question; nothing of the true answer enters one except where it says so.\n",
        _table(
            ("name", "title", "what a leak would show", "prompt"),
            [(f"`{one.name}`", one.title, one.tests, _prompt(one)) for one in ATTACKS.values()],
        ),
    ]
    return HEAD + "\n".join(parts)


def _rule(title: str, function: Callable[..., Any]) -> str:
    return f"### {title}\n\n{inspect.getdoc(function)}\n"


def _prompt(attack: AttackPrompt) -> str:
    return f"{attack.template} → {attack.prefix} …" if attack.prefix else attack.template


# -- commands ------------------------------------------------------------------------------------------


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
    table = f"\n{_table(('option', 'what it does', 'default'), rows)}" if rows else ""
    return f"## `{name}`\n\n{inspect.cleandoc(command.help or '')}\n\n```\n{usage}\n```\n{table}"


def _option_default(option: Any) -> str:
    if option.required:
        return "must be given"
    return "" if option.default is None or option.is_flag else f"`{option.default}`"


# -- tables --------------------------------------------------------------------------------------------


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; a bar inside a cell is escaped, a line break becomes a space."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(_cell(text) for text in line)} |\n" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


PAGES: dict[str, Callable[[], str]] = {
    "methods.md": methods_page,
    "metrics.md": metrics_page,
    "cli.md": cli_page,
}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
