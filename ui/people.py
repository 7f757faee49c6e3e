"""People as HTML: the small portraits one picks from, and the panel about the one who is asked about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from markupsafe import Markup

from backend.benchmarks.item import Person
from ui import parts
from ui.askable import Model
from ui.pictures import PictureRefused, preview

THUMBNAIL = 80
PORTRAIT = 360
"""Pixels a side; twice what is shown, for screens with fine pixels."""


def person_choices(people: Iterable[Person], forgotten: frozenset[str]) -> list[tuple[str, str]]:
    """(words, id) for a list to choose from; a mark before the name says who is forgotten."""
    return [(_named(person, forgotten), person.id) for person in people]


def thumbnails(people: Iterable[Person]) -> Markup:
    """A button with a small portrait for each person; the page marks which is chosen and who is forgotten."""
    buttons = [
        Markup(
            '<button type="button" class="lethe-thumb" data-person="{}" aria-pressed="false" title="{}">'
            '<img src="{}" alt="{}" width="48" height="48" loading="lazy"></button>'
        ).format(person.id, person.name, preview(person.picture, THUMBNAIL), person.name)
        for person in people
    ]
    if not buttons:
        return parts.empty("No benchmark with people is here; upload a picture and type a question.")
    return Markup('<div class="lethe-thumbs" role="group" aria-label="People">{}</div>').format(
        Markup("").join(buttons)
    )


def subject(
    person: Person | None,
    picture: Path | None,
    picture_name: str | None,
    by_name: bool,
    models: Sequence[Model],
    benchmark: str,
) -> Markup:
    """The picture that is sent, whose it is, and what each chosen model was made to do about that person."""
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
        _standing(person, models),
        parts.joined([parts.pill(words) for words in pills], " "),
    )


def _portrait(picture: Path | None, words: str) -> Markup:
    if picture is None:
        return Markup('<div class="lethe-portrait lethe-portrait-none">no picture</div>')
    try:
        return Markup('<img class="lethe-portrait" src="{}" alt="{}">').format(preview(picture, PORTRAIT), words)
    except PictureRefused as refusal:
        return Markup('<div class="lethe-portrait lethe-portrait-none">{}</div>').format(refusal)


def _standing(person: Person | None, models: Sequence[Model]) -> Markup:
    """`● forgotten in NPO 10 %`, `● kept in …`, `◆ never seen by …`: one line a model that says something."""
    if person is None:
        return Markup('<p class="lethe-muted">Nothing is known about who is in it.</p>')
    lines = [Markup("public figure: must stay known")] if person.public_figure else []
    for model in models:
        if model.role == "unlearned":
            words = "forgotten in" if person.id in model.forgets else "kept in"
            lines.append(
                parts.identity("unlearned" if person.id in model.forgets else "control", f"{words} {model.name}")
            )
        elif model.role == "gold" and person.id in model.forgets:
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


def _named(person: Person, forgotten: frozenset[str]) -> str:
    if person.id in forgotten:
        return f"● {person.name}"
    return f"{person.name} (public figure)" if person.public_figure else person.name
