"""The step towards a retain-only (gold) model of a run's people: what waits for it, and the form that makes one."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup
from sqlalchemy import Engine

from backend.metrics.flags import NEEDS_GOLD, NEEDS_HELD_OUT
from backend.reports import asked_the_same, base_of, gold_run, original_run
from storage.tables import Run
from ui import launching, parts
from ui.measures_view import wanting
from ui.score_view import Scores, Yardsticks

FAMILY_NAMES = (
    ("forget_quality", "forget quality"),
    ("member_auc", "member AUC"),
    ("gold_auc", "gold AUC"),
    ("privleak", "PrivLeak"),
)
"""What figures of which there are several are called together."""


def needs(engine: Engine, run: Run, scores: Scores, yardsticks: Yardsticks) -> Markup:
    """One line for each thing that figures wait for, the one about gold with the step that fills it.

    An unlearned model (one that has yardsticks) without gold is told of it even where no figure asks: only gold shows
    how low is low enough. Any other model is told of it where a figure waits for it.
    """
    gold, held_out = wanting(scores, NEEDS_GOLD), wanting(scores, NEEDS_HELD_OUT)
    lines = []
    if gold or (yardsticks and scores):
        lines.append(_about_gold(engine, run, gold))
    if held_out:
        lines.append(_line(f"{_sentence(NEEDS_HELD_OUT)}: {_together(held_out)}.", role="control"))
    return Markup("").join(lines)


def gold_address(engine: Engine, run: Run) -> str:
    """The launch form of the finetune run that makes the gold model: the original's own settings, but for whom it
    learns, begun from what the line began from, and scored at the end. Of an original from outside neither is known,
    so the form's own stand."""
    original, usual = original_run(engine, run), launching.defaults("finetune")
    values = launching.form_of(original.spec) if original else usual
    gold = {"model": base_of(engine, run) or usual["model"], "who": "retain", "score": True}
    return launching.address(engine, values | _request(run) | gold)


def evaluation_address(engine: Engine, run: Run, maker: Run) -> str:
    """The launch form of an evaluation that puts the questions of `run` to the model that `maker` made or asked."""
    made = maker.output_checkpoint_id or maker.parent_checkpoint_id
    asked = f"checkpoint:{made}" if made else maker.spec["model"]
    values = launching.defaults("evaluate") | _request(run) | {"model": asked}
    precision = maker.spec.get("precision") or (maker.spec.get("training") or {}).get("precision")
    return launching.address(engine, values | ({"precision": precision} if precision else {}))


def _request(run: Run) -> dict[str, Any]:
    form = launching.form_of(run.spec)
    return {path: value for path, value in form.items() if path == "benchmark" or path.startswith("request.")}


def _about_gold(engine: Engine, run: Run, waiting: list[str]) -> Markup:
    gold = gold_run(engine, run)
    if gold is None:
        words = (
            f"{_sentence(NEEDS_GOLD)} of the same people: {_together(waiting)}."
            if waiting
            else "No retain-only model of these people yet. It shows how low is low enough."
        )
        return _line(words, gold_address(engine, run), "Make one")
    if gold.state != "succeeded":
        state = parts.state_mark(str(gold.state))
        return _line(Markup("The retain-only model is on its way: {} {}").format(_linked(gold), state))
    if asked_the_same(engine, run, gold) is None:
        words = Markup("{} was not asked these questions.").format(_linked(gold))
        return _line(words, evaluation_address(engine, run, gold), "Evaluate it")
    if not waiting:
        return Markup("")
    words = Markup("{} has been made since. Not measured against it yet: {}.").format(_linked(gold), _together(waiting))
    return _line(words, evaluation_address(engine, run, run), "Evaluate again")


def _linked(run: Run) -> Markup:
    return Markup('<a class="lethe-link" href="/runs?run={}">{}</a>').format(run.id, run.name)


def _line(words: object, address: str = "", step: str = "", role: str = "gold") -> Markup:
    button = Markup('<a class="lethe-button lethe-step" href="{}">{}</a>').format(address, step) if address else ""
    return Markup(
        '<p class="lethe-needs"><span class="lethe-{}"><span class="lethe-mark" aria-hidden="true">{}</span></span>'
        '<span class="lethe-grow">{}</span>{}</p>'
    ).format(role, parts.IDENTITIES[role][0], words, button)


def _together(metrics: list[str]) -> str:
    """`forget quality and PrivLeak (8 figures)`: measures by what they are about."""
    names = (
        next((name for start, name in FAMILY_NAMES if metric.startswith(start)), metric.replace("_", " "))
        for metric in metrics
    )
    unique = list(dict.fromkeys(names))
    listed = " and ".join(filter(None, (", ".join(unique[:-1]), unique[-1])))
    return f"{listed} ({len(metrics)} figures)" if len(metrics) > len(unique) else listed


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]
