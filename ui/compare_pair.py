"""A against B as HTML: what changed, in bars; item by item, with pictures and word marks; where their specs differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from markupsafe import Markup
from pydantic import BaseModel

from backend.benchmarks.item import Benchmark
from backend.comparing.models import Model
from backend.comparing.pair import FORGOTTEN, KEPT, KINDS, LEARNT, LOST, MADE_UP, STILL, Both, Counted, kinds_of
from backend.spec import KINDS as SPECS
from storage.tables import Answer
from ui import parts
from ui.compare_words import linked
from ui.pictures import PictureRefused, preview
from ui.subjects import item_called
from ui.wording import compare, marked

PAGE = 10
PICTURE = 96
WORDS = {
    FORGOTTEN: "forgotten, as asked",
    STILL: "still known",
    LOST: "overly forgotten (retain)",
    MADE_UP: "new answer, wrong",
    KEPT: "kept",
    LEARNT: "newly right",
}
BARS = {FORGOTTEN: "good", STILL: "unlearned", LOST: "bad", MADE_UP: "control", KEPT: "good", LEARNT: "control"}
MEANT = (
    "Of what A answered rightly: the forget and test set should be wrong in B, everything else right. A new answer is "
    "one that A did not give; it is wrong and claims something, so it may be a forgotten one too."
)
MARKS = {FORGOTTEN: "✓", STILL: "✕", LOST: "✕", MADE_UP: "≠", KEPT: "✓", LEARNT: "+"}


def heading(a: Model | None, b: Model | None) -> Markup:
    """`A against B  ■ original → ● NPO`."""
    pair = Markup(" → ").join(linked(one) for one in (a, b) if one)
    return Markup('<h2 class="lethe-card-title">A against B <small>{}</small></h2>').format(pair)


def unanswered(model: Model) -> str:
    """Why a model has no answers here, and what would give them."""
    if model.noted:
        return "The original was only asked in passing. Evaluate it, and it can be held against others item by item."
    return f"No answers of {model.name} to these questions were kept. Evaluate it once more."


def changes(found: Mapping[str, Counted], chosen: str, alone: tuple[int, int]) -> Markup:
    """The kinds with their counts and bars; pressing one shows its items."""
    rows = Markup("").join(_change(kind, found[kind], kind == chosen) for kind in KINDS)
    left = [f"{number} items only {side} was asked" for side, number in zip("AB", alone, strict=True) if number]
    more = f" {' and '.join(left)}: left out." if left else ""
    return Markup('<div class="lethe-changes">{}</div><p class="lethe-foot">{}{}</p>').format(rows, MEANT, more)


def _change(kind: str, counted: Counted, chosen: bool) -> Markup:
    number = f"{counted.count} of {counted.of}" if counted.of else "none known"
    return Markup(
        '<button type="button" class="lethe-change" data-kind="{}" aria-pressed="{}"><span>{}</span>'
        '<span class="lethe-rate">{}</span><span class="lethe-track" aria-hidden="true"><span class="lethe-fill '
        'lethe-bar-{}" style="width:{:.1f}%"></span></span></button>'
    ).format(kind, "true" if chosen else "false", WORDS[kind], number, BARS[kind], 100 * counted.share)


def items_table(
    shown: Sequence[Both],
    said: tuple[Mapping[str, Answer], Mapping[str, Answer]],
    models: tuple[Model, Model],
    benchmark: Benchmark | None,
) -> Markup:
    """A row an item: its picture, the question with the truth, what A said, and B's answer marked against it."""
    rows = [
        _item(one, said[0][one.item], said[1][one.item], models[1], benchmark)
        for one in shown
        if one.item in said[0] and one.item in said[1]
    ]
    heads = ["", "Question", "A said", "B said", "What changed", ""]
    return parts.table(heads, rows, label="answers of A and B")


def _item(one: Both, a: Answer, b: Answer, asking: Model, benchmark: Benchmark | None) -> tuple[object, ...]:
    item = item_called(benchmark, one.item)
    asked = "with picture" if b.modality == "image_text" else "as text"
    place = parts.joined([b.item_set, b.task, asked, b.subject])
    again = Markup('<a class="lethe-link lethe-nowrap" href="/probe?item={}&amp;run={}">Ask again</a>').format(
        quote(one.item, safe="/"), asking.maker or asking.run
    )
    as_before = "as before" if a.text == b.text else "in other words"
    # every piece of marked() is escaped where it is made
    words = Markup(marked(compare(a.text, b.text, item.key if item else None)))
    return (
        _picture(item.image if item else None),
        Markup('{}<small class="lethe-beneath">{}</small><small class="lethe-beneath">{}</small>').format(
            b.question, f"true: {b.truth}", place
        ),
        Markup("{}{}").format(a.text or parts.NOTHING, _likelihood(a)),
        Markup("{}{}").format(words or parts.NOTHING, _likelihood(b)),
        Markup("<br>").join(_kind(kind, one) for kind in KINDS if kind in kinds_of(one)) or as_before,
        again,
    )


def _kind(kind: str, one: Both) -> Markup:
    return Markup('<span class="lethe-nowrap lethe-kind-{}"><span aria-hidden="true">{}</span> {}</span>').format(
        BARS[kind], MARKS[kind], WORDS[kind].removesuffix(" (retain)")
    )


def _likelihood(answer: Answer) -> Markup:
    if answer.probability is None:
        return Markup("")
    return Markup('<small class="lethe-beneath">p(true) {:.2f}</small>').format(answer.probability)


def _picture(path: Any) -> Markup:
    if path is None:
        return Markup("")
    try:
        return Markup('<img class="lethe-item-picture" src="{}" alt="" width="48" height="48">').format(
            preview(path, PICTURE)
        )
    except PictureRefused:
        return Markup("")


# -- where the specs differ ---


def spec_table(a: Model, b: Model, differing: Sequence[tuple[str, Any, Any]]) -> Markup:
    """Only the settings in which A and B differ, by the titles of the form."""
    if not differing:
        return parts.empty("A and B were asked for with the same settings.")
    both = [one for one in differing if None not in one[1:]]
    alone = [one for one in differing if None in one[1:]]
    shown = _settings(both, a, b) if both else Markup("")
    folded = Markup("<details><summary>{} that only one of them has</summary>{}</details>").format(
        "One setting" if len(alone) == 1 else f"{len(alone)} settings", _settings(alone, a, b)
    )
    return Markup('<div class="lethe-settings">{}{}</div>').format(shown, folded if alone else "")


def _settings(differing: Sequence[tuple[str, Any, Any]], a: Model, b: Model) -> Markup:
    rows = [
        (_title(path, a, b), *(parts.NOTHING if value is None else _readable(value) for value in values))
        for path, *values in differing
    ]
    return parts.table(["Setting", f"A: {a.name}", f"B: {b.name}"], rows, label="settings that differ")


def _title(path: str, *models: Model) -> str:
    for model in models:
        found = title_of(path, SPECS.get(str(model.spec.get("kind"))))
        if found:
            return found
    return path


def title_of(path: str, spec: type[BaseModel] | None) -> str | None:
    """The form's title of a setting, by its dotted path; None where the spec has no such setting."""
    name, _, rest = path.partition(".")
    field = spec.model_fields.get(name) if spec else None
    if field is None:
        return None
    if not rest:
        return field.title or name.replace("_", " ")
    inner = field.annotation
    return title_of(rest, inner if isinstance(inner, type) and issubclass(inner, BaseModel) else None)


def _readable(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    return (", ".join(map(str, value)) or "none") if isinstance(value, list | tuple) else str(value)
