"""A model card: what was made, from what, whom it was to forget, by id alone, what it scored, and what that is not.

It names nobody: people stand under the ids of their benchmark, or under a digest where the id has a name in it or may
have; and no question, no answer, no name of a run or of an own prompt and no folder of this machine is in it. The
metrics are also in its head, in the Hugging Face model-index form.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from huggingface_hub import EvalResult, ModelCardData

from backend.metrics.answers import words
from backend.report import pieces
from backend.report.gathering import Attacked, Gathered, asked_of, method_of, minimised, source_of
from backend.report.limits import limits
from backend.report.sections import YARDSTICKS, cell_name, cell_order
from backend.spec_objective import settings_in_use
from backend.suites import KNOWN
from storage.tables import Checkpoint

Form = Literal["adapter", "merged"]
FORMS: tuple[Form, ...] = ("adapter", "merged")
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
LONG_ENOUGH = 3
"""Letters of a word that is looked for inside others."""
UNTOLD = "what it needs was not there"
MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|!~])")


def card_text(one: Gathered, form: Form, names: Mapping[str, str] | None = None) -> str:
    """The README.md of a model in one of its forms. `names` are those of the benchmark's people by their ids; where
    they are not known (None), every id may be a name."""
    one = replace(one, attacked=[_nameless(attacked) for attacked in one.attacked])
    title = f"{method_of(one.run.spec) or one.run.kind}: {asked_of(one.run.spec) or 'knows everyone'}"
    parts = [
        f"# {plain(title)}",
        _what(one, form),
        "## Load it",
        _load(one, form),
        "## What was asked for",
        _asked(one, names),
        "## What it scores",
        _scores(one),
        "## Under attack",
        _attacks(one),
        "## What this does not show",
        "\n".join(f"- {plain(sentence)}" for sentence in limits(one, merged=form == "merged")),
        "## Made with",
        _made_with(one),
    ]
    return f"---\n{_head(one, form, title).to_yaml()}\n---\n\n" + "\n\n".join(part for part in parts if part) + "\n"


def plain(text: object) -> str:
    """Words in Markdown that mean nothing but themselves, on one line."""
    return MARKDOWN.sub(r"\\\1", " ".join(str(text).split()))


def code(text: object) -> str:
    """A code span of Markdown, also in a table, where nothing but a backtick and a bar has a meaning."""
    line = " ".join(str(text).split()).replace("|", r"\|")
    fence = "`" * (max(map(len, re.findall("`+", line)), default=0) + 1)
    return f"{fence} {line} {fence}" if "`" in line else f"{fence}{line}{fence}"


def by_id(person: str, names: Mapping[str, str] | None) -> str:
    """A person's id; its digest where a word of anybody's name stands in it, or where names are not known. The same id
    has the same digest, so that who holds the data can tell who is meant."""
    return person if names is not None and not _named(person, names.values()) else f"sha256:{digest(person)}"


def _named(person: str, names: Iterable[str]) -> bool:
    """Whether a word of a name is one of the id's, or stands in it as it does in `adalovelace`."""
    parts = words(person)
    known = {word for name in names for word in words(name) if not word.isdigit()}
    return any(word in parts or (len(word) >= LONG_ENOUGH and word in "".join(parts)) for word in known)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _nameless(attacked: Attacked) -> Attacked:
    """The attack's table with own prompts under a digest: their titles and what is told of them may name anybody."""
    rows = []
    for row in attacked.rows:
        if row["name"] not in KNOWN:
            title = f"Own prompt {digest(row['title'])[:6]}"
            row = {**row, "title": title, "caution": "", "tests": "", "note": "" if row["note"] is None else UNTOLD}
        rows.append(row)
    return replace(attacked, rows=rows)


def hub_id(model: object) -> str | None:
    """`org/name` where a model is named so and is no folder here; else None."""
    text = str(model)
    return text if HUB_ID.fullmatch(text) and not Path(text).exists() else None


def _head(one: Gathered, form: Form, title: str) -> ModelCardData:
    results = [_result(one, cell, score) for cell, score in sorted(one.accuracies().items(), key=_by_cell)]
    results += [
        _attack_result(one, row) for attacked in one.attacked for row in attacked.rows if row["unlearned"] is not None
    ]
    unlearned = one.run.kind == "unlearn"
    return ModelCardData(
        base_model=hub_id(_root(one)),
        library_name="peft" if form == "adapter" else "transformers",
        pipeline_tag="image-text-to-text",
        tags=["lethe", *(["machine-unlearning"] if unlearned else [])],
        model_name=title if results else None,
        eval_results=results or None,
    )


def _by_cell(pair: tuple[Any, Any]) -> Any:
    return cell_order(pair[0])


def _result(one: Gathered, cell: tuple[str, str, str], score: Mapping[str, Any]) -> EvalResult:
    between = "" if score["low"] is None else f", 95 % {score['low']:.3f} to {score['high']:.3f}"
    flags = "".join(f", {flag}" for flag in score["flags"])
    return EvalResult(
        **_where(one, cell[0]),
        metric_type="accuracy",
        metric_value=round(float(score["value"]), 4),
        metric_name=f"{cell_name(cell)} (n {score['n']}, {score['people']} people{between}{flags})",
    )


def _attack_result(one: Gathered, row: Mapping[str, Any]) -> EvalResult:
    known = "no control" if row["control"] is None else f"control {row['control']:.3f}"
    at = f" {row['at']}" if row["at"] else ""
    return EvalResult(
        **_where(one, "forget"),
        metric_type="leak",
        metric_value=round(float(row["unlearned"]), 4),
        metric_name=f"leak · {row['title']}{at} (n {row['n']}, {row['people']} people, {known})",
    )


def _where(one: Gathered, item_set: str) -> dict[str, Any]:
    benchmark = str(one.run.spec.get("benchmark"))
    return {
        "task_type": "visual-question-answering",
        "task_name": "Visual Question Answering",
        "dataset_type": f"lethe/{benchmark}",
        "dataset_name": f"{benchmark}, {item_set} set",
        "dataset_split": item_set,
    }


def _what(one: Gathered, form: Form) -> str:
    made = "An adapter (LoRA)" if form == "adapter" else "A vision-language model"
    told = {
        "unlearn": f"{made} made to forget part of what it was taught, in the lab Lethe.",
        "finetune": f"{made} taught the people of a benchmark in the lab Lethe.",
    }[one.run.kind]
    if form == "adapter":
        told += (
            " **It is not unlearned by itself: without the adapter the model below it is the original, which knows "
            "everything. To give an unlearned model away, give merged weights.**"
        )
    if any(saved.kind == "instruction" for saved, _ in one.weights):
        told += " An instruction stood before every question when it was measured; it names people and is not here."
    return told


def _load(one: Gathered, form: Form) -> str:
    if form == "merged":
        lines = [
            "from transformers import AutoModelForImageTextToText, AutoProcessor",
            "",
            'model = AutoModelForImageTextToText.from_pretrained("PATH")',
            'processor = AutoProcessor.from_pretrained("PATH")',
        ]
        return _code("python", lines)
    below = one.weights[-2][0] if len(one.weights) > 1 else None
    base = hub_id(_root(one)) if below is None else None
    where = base or "BASE"
    lines = [
        "from peft import PeftModel",
        "from transformers import AutoModelForImageTextToText",
        "",
        f'base = AutoModelForImageTextToText.from_pretrained("{where}")',
        'model = PeftModel.from_pretrained(base, "PATH")',
    ]
    return _code("python", lines) + ("" if base else f"\n\n{_base_words(below)}")


def _base_words(below: Checkpoint | None) -> str:
    if below is None:
        return "BASE is the model from outside with which the run began; it is not on the Hub."
    return (
        f"BASE is what this adapter was trained on: the model of run `{below.run_id}` (checkpoint `{below.id}`, "
        f"SHA-256 of its manifest `{below.sha256}`). In the lab that made it: "
        f"`python -m backend export model {below.run_id} --as merged --out BASE`."
    )


def _code(language: str, lines: Iterable[str]) -> str:
    return f"```{language}\n" + "\n".join(lines) + "\n```"


def _asked(one: Gathered, names: Mapping[str, str] | None) -> str:
    spec = one.run.spec
    request = spec.get("request") or {}
    people = ", ".join(code(by_id(person, names)) for person in request.get("people") or ())
    pairs: list[tuple[str, Any]] = [
        ("benchmark", spec.get("benchmark")),
        ("request", asked_of(spec)),
        ("people, by id", people),
        ("attributes", ", ".join(request.get("attributes") or ())),
        ("forget data", request.get("modality", "both") if spec.get("kind") == "unlearn" else ""),
        ("method", method_of(spec)),
        ("source", source_of(spec)),
        ("minimises", minimised(spec)),
    ]
    objective = spec.get("objective") or {}
    used = settings_in_use(objective) if spec.get("kind") == "unlearn" and objective else ()
    training = dict(spec.get("training") or {})
    both = set(training) & set(used)  # the objective's turns and the learning rate's course are both a schedule
    settings = {f"objective {name}" if name in both else name: objective[name] for name in objective if name in used}
    settings |= {f"training {name}" if name in both else name: value for name, value in training.items()}
    told = [(name, value if name == "people, by id" else plain(value)) for name, value in pairs if value]
    rows = [(name.replace("_", " "), plain(value)) for name, value in settings.items()]
    return _table(("", ""), told) + "\n\n" + _table(("setting", "value"), rows)


def _scores(one: Gathered) -> str:
    known = one.accuracies()
    if not known:
        return "Nothing was scored."
    roles = [role for role in YARDSTICKS if one.accuracies_of(role)]
    rows = []
    for cell in sorted(known, key=cell_order):
        score = known[cell]
        others = [one.accuracies_of(role).get(cell) for role in roles]
        rows.append(
            (
                cell_name(cell), _figure(score), *(_figure(other) if other else "–" for other in others),
                score["n"], score["people"], plain(", ".join(map(str, score["flags"]))),
            )
        )  # fmt: skip
    head = ("accuracy", "this model", *roles, "n", "people", "flags")
    return "With a 95 % interval over people; original and gold were asked the same.\n\n" + _table(head, rows)


def _figure(score: Mapping[str, Any]) -> str:
    return pieces.in_words(score["value"], score["low"], score["high"])


def _attacks(one: Gathered) -> str:
    tables = [_attack_table(attacked.rows) for attacked in one.attacked if attacked.rows]
    return "\n\n".join(tables) or "No attack was made on it."


def _attack_table(rows: Sequence[Mapping[str, Any]]) -> str:
    body = []
    for row in rows:
        name = f"{row['title']}{' · ' if row['at'] else ''}{row['at']}"
        if row["unlearned"] is None:
            body.append((plain(name), "not made", "", "", "", "", ""))
            continue
        control = "no control" if row["control"] is None else pieces.figure(row["control"])
        body.append(
            (
                plain(name), pieces.in_words(row["unlearned"], row["low"], row["high"]), pieces.figure(row["original"]),
                control, pieces.in_words(row["recovery"], row["recovery_low"], row["recovery_high"]),
                pieces.in_words(row["gap"], row["gap_low"], row["gap_high"]), row["n"],
            )
        )  # fmt: skip
    head = ("attack, worst first", "leak", "original", "control", "recovered", "over control", "n")
    told = "Leak: the share of answers in which the forgotten fact stands. Only what is over the control is evidence."
    return f"{told}\n\n{_table(head, body)}"


def _made_with(one: Gathered) -> str:
    run = one.run
    pairs: list[tuple[str, Any]] = [("run", f"`{run.id}`"), ("began from", _began_from(one))]
    pairs += [("finished", pieces.moment(run.finished_at))]
    pairs += [(str(name), plain(value)) for name, value in (run.versions or {}).items() if value is not None]
    rows = [(saved.kind, saved.step, f"`{saved.id}`", f"`{saved.sha256}`") for saved, _ in one.weights]
    lines = _table(("checkpoint, root first", "step", "id", "SHA-256 of its manifest"), rows) if rows else ""
    return _table(("", ""), [pair for pair in pairs if pair[1]]) + "\n\n" + lines


def _root(one: Gathered) -> str:
    """The model from outside with which everything began."""
    return str(one.weights[0][0].base if one.weights else one.run.spec.get("model"))


def _began_from(one: Gathered) -> str:
    root = _root(one)
    if root == "demo":
        return "the untrained demo model of Lethe"
    return f"`{root}`" if hub_id(root) else "a model in a folder of the lab"


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
