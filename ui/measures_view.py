"""Every measure but the first ones, under its meaning, and which of them have no figure because something is missing.

Nothing here knows Gradio.
"""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from backend.metrics.flags import NEEDS_GOLD, NEEDS_HELD_OUT
from ui import parts
from ui.measure_words import AS_CODED, FAMILIES, MEANINGS, direction, meaning
from ui.score_view import CHECK, RULES, Scores, better, figure, named_set, pivot, set_order

NEEDS = (NEEDS_GOLD, NEEDS_HELD_OUT)
WHOLE = "table"
"""The task of figures that are of a whole evaluation, not of a cell."""
NO_WAY = Markup("")


def rest(scores: Scores) -> Scores:
    """What stands in this fold: all that has no table of its own, and is not just waiting for something."""
    return [score for score in scores if score["metric"] not in (*RULES, *CHECK) and not wants(score)]


def wants(score: dict[str, Any]) -> bool:
    """Whether a score has no value because something is missing that could be there."""
    return score["value"] is None and any(need in score["flags"] for need in NEEDS)


def wanting(scores: Scores, need: str) -> list[str]:
    """The names of the measures that wait for `need`, in their order."""
    return list(dict.fromkeys(one["metric"] for one in scores if one["value"] is None and need in one["flags"]))


def measures_table(scores: Scores) -> Markup:
    """Each measure's name, its meaning, and its figures by set and task with n and interval."""
    shown = sorted(rest(scores), key=_order)
    if not shown:
        return parts.empty("Nothing else was measured.")
    groups: dict[tuple[str, str], Scores] = {}
    for score in shown:
        groups.setdefault(_group(score), []).append(score)
    made = [_SECTIONS[kind](name, members) for (kind, name), members in groups.items()]
    return Markup('<div class="lethe-measures">{}</div>').format(Markup("").join(made))


def _group(score: dict[str, Any]) -> tuple[str, str]:
    """The section a score belongs to, by its kind and its name."""
    if score["task"] != WHOLE:
        return "cells", score["metric"]
    found = meaning(score["metric"])
    return ("series", found.series) if found and found.series else ("whole", "")


def _cells(name: str, scores: Scores) -> Markup:
    """One measure by set, task and modality."""
    return _section(name, _words(name), pivot(scores, name))


def _series(name: str, scores: Scores) -> Markup:
    """Figures of the whole evaluation that differ in the score they are made from alone."""
    rows = [(_by(one["metric"]), figure(one), one["n"]) for one in scores]
    table = parts.table(["Made from", "Value", "n"], rows, numbers=[2], label=name)
    first = scores[0]
    return _section(f"{name}_…", _words(first["metric"]), table, better(direction(first["metric"], first["set"])))


def _whole(name: str, scores: Scores) -> Markup:
    """Figures of the whole evaluation, each with a meaning of its own."""
    rows = [(_named(one), named_set(one["set"]), figure(one), one["n"]) for one in scores]
    table = parts.table(["Measure", "About", "Value", "n"], rows, numbers=[3], label="figures of the whole evaluation")
    return _section("", "Of the whole evaluation.", table)


_SECTIONS = {"cells": _cells, "series": _series, "whole": _whole}


def _section(name: str, words: str, table: Markup, way: Markup = NO_WAY) -> Markup:
    title = Markup('<code class="lethe-mono">{}</code>{} ').format(name, way) if name else Markup("")
    return Markup('<section class="lethe-measure"><h3>{}<span>{}</span></h3>{}</section>').format(title, words, table)


def _named(score: dict[str, Any]) -> Markup:
    return Markup('<code class="lethe-mono">{}</code>{}<br><small class="lethe-muted">{}</small>').format(
        score["metric"], better(direction(score["metric"], score["set"])), _words(score["metric"])
    )


def _by(metric: str) -> Markup:
    found = meaning(metric)
    return Markup('<code class="lethe-mono">{}</code>').format(found.by if found else metric)


def _words(metric: str) -> str:
    found = meaning(metric)
    return found.words[:1].upper() + found.words[1:] + "." if found else ""


def _order(score: dict[str, Any]) -> tuple[Any, ...]:
    """What is of the whole evaluation first; by family, by place in the glossary, by number: leak@4 before leak@16."""
    metric, found, known = score["metric"], meaning(score["metric"]), list(MEANINGS)
    plain = metric.removesuffix(AS_CODED)
    digits = "".join(letter for letter in plain if letter.isdigit())
    place = known.index(plain) if plain in known else len(known)
    series = found.series if found else ""
    family = FAMILIES.index(found.family if found else "")
    return score["task"] != WHOLE, family, place, series, int(digits or 0), metric, set_order(score)
