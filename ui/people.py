"""People as HTML: the small portraits one picks from, and the panel about the one who is asked about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from markupsafe import Markup

from backend.benchmarks.item import Person
from ui import gallery, parts
from ui.askable import Model
from ui.pictures import PictureRefused, preview

THUMBNAIL = 80
PORTRAIT = 360
"""Pixels a side; twice what is shown, for screens with fine pixels."""


def person_choices(
    people: Iterable[Person], forgotten: frozenset[str], held_out: frozenset[str]
) -> list[tuple[str, str]]:
    """(words, id) for a list to choose from; a mark before the name says who is forgotten."""
    return [(_named(person, forgotten, held_out), person.id) for person in people]


def thumbnails(people: Sequence[Person], chosen: str | None = None) -> Markup:
    """A button with a small portrait for each of the first `gallery.MOST` people, and for whom is chosen; the page
    marks which that is and who is forgotten.
    """
    if not people:
        return Markup("")
    shown = [person for place, person in enumerate(people) if place < gallery.MOST or person.id == chosen]
    buttons = [
        Markup(
            '<button type="button" class="lethe-thumb" data-person="{}" aria-pressed="false" title="{}">{}</button>'
        ).format(person.id, person.name, gallery.picture(person, THUMBNAIL, 48, person.name))
        for person in shown
    ]
    few = f"{len(shown)} of {len(people)} people shown; everyone is in the list “Person”."
    return Markup('<div class="lethe-thumbs" role="group" aria-label="People">{}</div>{}').format(
        Markup("").join(buttons),
        Markup('<p class="lethe-few lethe-muted">{}</p>').format(few) if len(shown) < len(people) else "",
    )


def subject(
    person: Person | None,
    picture: Path | None,
    picture_name: str | None,
    by_name: bool,
    models: Sequence[Model],
    benchmark: str,
    held_out: bool = False,
) -> Markup:
    """The picture that is sent, whose it is, and what each chosen model was made to do about that person, who may be
    held out of a benchmark.
    """
    name = person.name if person else "Your picture" if picture else "Nobody chosen"
    kind = "" if not picture_name or picture_name.startswith("upload:") else picture_name
    where = parts.joined(["Picture", benchmark if person else "uploaded" if picture else "", kind], " › ")
    pills = _kind_pills(kind) if person else ["uploaded"] if picture else []
    return Markup(
        '<div class="lethe-subject{}"><p class="lethe-caption">{}</p>'
        '<div class="lethe-subject-row">{}<div class="lethe-subject-words">'
        '<p class="lethe-subject-name">{}</p>{}<p class="lethe-subject-pills">{}</p></div></div></div>'
    ).format(
        " lethe-unsent" if by_name else "",
        Markup("Picture <b>not sent</b>: asked by name") if by_name else where,
        _portrait(picture, f"Portrait of {name}, {kind}" if person else "The picture you uploaded"),
        name,
        _standing(person, models, benchmark, held_out) if person or picture else "",
        parts.joined([parts.pill(words) for words in pills], " "),
    )


def _portrait(picture: Path | None, words: str) -> Markup:
    if picture is None:
        return Markup('<div class="lethe-portrait lethe-portrait-none">no picture</div>')
    try:
        return Markup('<img class="lethe-portrait" src="{}" alt="{}">').format(preview(picture, PORTRAIT), words)
    except PictureRefused as refusal:
        return Markup('<div class="lethe-portrait lethe-portrait-none">{}</div>').format(refusal)


def _standing(person: Person | None, models: Sequence[Model], benchmark: str, held_out: bool) -> Markup:
    """`● forgotten in NPO 10 %`, `● kept in …`, `◆ never seen by …`: one line a model that says something.

    Of a model made on another benchmark just that is said: the same id means another person there.
    """
    if person is None:
        return Markup('<p class="lethe-muted">Nothing is known about who is in it.</p>')
    lines = [Markup("public figure: must stay known")] if person.public_figure else []
    lines += [parts.identity("control", "held out: never taught to any model")] if held_out else []
    for model in models:
        if model.role == "original":
            continue
        if model.benchmark != benchmark:
            lines.append(parts.identity("control", f"{model.name} was made on {model.benchmark or 'other data'}"))
        elif model.role == "unlearned" and not held_out:
            words = "forgotten in" if person.id in model.forgets else "kept in"
            lines.append(
                parts.identity("unlearned" if person.id in model.forgets else "control", f"{words} {model.name}")
            )
        elif person.id in model.forgets:
            lines.append(parts.identity("gold", f"never seen by {model.name}"))
    return Markup('<ul class="lethe-standing">{}</ul>').format(
        Markup("").join(Markup("<li>{}</li>").format(line) for line in lines)
    )


def _kind_pills(kind: str) -> list[str]:
    """`held-out view 5` as the set it belongs to and the view."""
    if kind.startswith("held-out"):
        return ["test set", kind.removeprefix("held-out ")]
    if kind.startswith("training"):
        return ["training set", kind.removeprefix("training ")]
    return [kind] if kind else []


def _named(person: Person, forgotten: frozenset[str], held_out: frozenset[str]) -> str:
    if person.id in forgotten:
        return f"● {person.name}"
    kind = "public figure" if person.public_figure else "held out" if person.id in held_out else ""
    return f"{person.name} ({kind})" if kind else person.name
