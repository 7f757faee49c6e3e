"""One person of a benchmark as HTML: who it is, every picture, and every question with the set it is in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup
from PIL import Image

from backend.benchmarks.item import BadRequest, Benchmark, Item, Person
from backend.spec import ForgetRequest
from ui import gallery, parts
from ui.data_request import View, any_request, asked_of, found, taught_of
from ui.data_view import MODALITIES, counted, go, in_groups, picture_words, set_mark, toggle
from ui.pictures import PictureRefused, preview

PORTRAIT = 320
THUMBNAIL = 176
FULL = 1600
"""Longest side of a picture that is looked at by itself."""
MOST_ROWS = 200
FEW_ROWS = 12
"""So few items stand open all at once; of more, the first group does."""
MOST_PICTURES = 40


def one_person(benchmark: Benchmark, person: Person, view: View, framed: Sequence[str]) -> Markup:
    """Name, facts, pictures, and the toggles that put the person and what is known of them into the request."""
    head = Markup(
        '<div class="lethe-who">{}<div class="lethe-who-words">'
        '<h2 class="lethe-who-name" tabindex="-1" data-heading="{}">{}</h2><p class="lethe-muted">{}</p>{}</div></div>'
    ).format(
        gallery.picture(person, PORTRAIT, 132, f"Portrait of {person.name}"),
        person.id,
        person.name,
        person.id,
        _standing(person, person.id in framed),
    )
    body = Markup("{}{}{}{}").format(
        _ways(benchmark, person, view), head, _facts(benchmark, person, view), _pictures(benchmark, person)
    )
    return _about(benchmark, person, parts.card(body))


def _about(benchmark: Benchmark, person: Person, body: Markup) -> Markup:
    """Says whose pictures are meant by those inside."""
    return Markup('<div data-benchmark="{}" data-person="{}">{}</div>').format(benchmark.name, person.id, body)


def _ways(benchmark: Benchmark, person: Person, view: View) -> Markup:
    """Back to everyone, and the person before and after, of those that the search finds."""
    ids = [one.id for one in found(benchmark.people(), view.text)]
    at = ids.index(person.id) if person.id in ids else -1

    def link(other: str, words: str) -> Markup:
        address = View(benchmark=benchmark.name, person=other).address()
        return Markup('<a class="lethe-link" href="{}"{}>{}</a>').format(address, go(person=other), words)

    before = link(ids[at - 1], "‹ Previous") if at > 0 else ""
    after = link(ids[at + 1], "Next ›") if 0 <= at < len(ids) - 1 else ""
    return Markup('<nav class="lethe-ways" aria-label="People">{}<span>{} {}</span></nav>').format(
        link("", "← Everyone"), before, after
    )


def _standing(person: Person, forgotten: bool) -> Markup:
    if person.public_figure:
        return Markup("<p>{}</p>").format(parts.pill("public figure: must stay"))
    return Markup('<p><button type="button" class="lethe-button lethe-choose"{}>{}</button></p>').format(
        toggle("people", person.id, forgotten),
        Markup('<span aria-hidden="true">●</span> Will be forgotten')
        if forgotten
        else Markup('<span aria-hidden="true">○</span> Choose to forget'),
    )


def _facts(benchmark: Benchmark, person: Person, view: View) -> Markup:
    facts = dict(person.facts) | ({"rumour": person.rumour} if person.rumour else {})
    if not facts:
        return Markup("")
    there = benchmark.attributes() if not person.public_figure else ()
    rows = Markup("").join(
        Markup('<div><dt>{}</dt><dd>{}</dd><dd class="lethe-fact-act">{}</dd></div>').format(
            name, value, _forget_this(name, name in view.attributes) if name in there else ""
        )
        for name, value in facts.items()
    )
    return Markup('<h3 class="lethe-small-title">Known of them</h3><dl class="lethe-known">{}</dl>').format(rows)


def _forget_this(attribute: str, chosen: bool) -> Markup:
    return Markup('<button type="button" class="lethe-pill{}" aria-label="{}"{}>forget this</button>').format(
        " lethe-chosen" if chosen else "", f"Forget {attribute}", toggle("attributes", attribute, chosen)
    )


# -- pictures ---------------------------------------------------------------------------------------------------------


def _pictures(benchmark: Benchmark, person: Person) -> Markup:
    kinds = benchmark.pictures(person.id)
    groups = [
        Markup(
            '<div class="lethe-kind"><h3 class="lethe-small-title">{} <small class="lethe-muted">{}</small></h3>'
            '<div class="lethe-views">{}</div></div>'
        ).format(
            kind.capitalize(),
            counted(len(paths), "picture", "pictures") + (", the first shown" if len(paths) > MOST_PICTURES else ""),
            Markup("").join(_view(person, kind, place, path) for place, path in enumerate(paths[:MOST_PICTURES])),
        )
        for kind, paths in kinds.items()
        if paths
    ]
    return Markup('<div class="lethe-kinds">{}</div>').format(Markup("").join(groups))


def _view(person: Person, kind: str, place: int, path: Path) -> Markup:
    words = f"{person.name}, {kind} {place + 1}"
    try:
        address = preview(path, THUMBNAIL)
    except PictureRefused as refusal:
        return Markup('<span class="lethe-view lethe-no-picture" title="{}">gone</span>').format(refusal)
    return Markup(
        '<button type="button" class="lethe-view" data-large="{}" data-kind="{}" title="Show it large">'
        '<img src="{}" alt="{}" width="88" height="88"></button>'
    ).format(place, kind, address, words)


def large(benchmark: Benchmark | None, subject: str, kind: str, place: object) -> tuple[str, str]:
    """One picture large, as a `data:` address, and its caption. Raises `PictureRefused`.

    Only a picture of the benchmark's own can be asked for.
    """
    paths = benchmark.pictures(subject).get(kind, []) if benchmark is not None else []
    if benchmark is None or not isinstance(place, int) or not 0 <= place < len(paths):
        raise PictureRefused("This picture is not here any more; reload the page.")
    address = preview(paths[place], FULL)
    with Image.open(paths[place]) as opened:
        size = f"{opened.width} × {opened.height}"
    name = next((person.name for person in benchmark.people() if person.id == subject), subject)
    return address, f"{name} · {kind} {place + 1} · {paths[place].name} · {size}"


# -- items ------------------------------------------------------------------------------------------------------------


def items_of(benchmark: Benchmark, person: Person, request: ForgetRequest | None) -> Markup:
    """All that is asked about a person, by modality and task, and what a model is taught of them."""
    by = request or any_request(benchmark)
    if by is None:
        return Markup("")
    pictures = picture_words(benchmark.pictures(person.id))
    try:
        asked = asked_of(benchmark, by, person.id)
    except BadRequest as error:
        return parts.card(parts.error(str(error)), "Asked about them")
    groups = Markup("").join(
        _group(modality, task, items, pictures, with_sets=request is not None, open=not place or len(asked) <= FEW_ROWS)
        for place, ((modality, task), items) in enumerate(in_groups(asked).items())
    )
    taught = _taught(benchmark, person, by, pictures, with_sets=request is not None)
    body = groups or Markup('<p class="lethe-hint">Nothing is asked about them under this request.</p>')
    asked_card = parts.card(body, "Asked about them", counted(len(asked), "item", "items"))
    return _about(benchmark, person, asked_card + taught)


def _group(
    modality: str, task: str, items: Sequence[Item], pictures: dict[Path, tuple[str, int]], with_sets: bool, open: bool
) -> Markup:
    rows = [_row(item, set_mark(item.set) if with_sets else "", pictures) for item in items[:MOST_ROWS]]
    table = parts.table(["Question", "Answer", "Set"], rows, label=f"{task}, {MODALITIES[modality]}")
    return Markup(
        '<details class="lethe-group"{}><summary>{} {} <small class="lethe-muted">{}</small></summary>{}</details>'
    ).format(Markup(" open") if open else "", task.capitalize(), MODALITIES[modality], _how_many(items), table)


def _taught(
    benchmark: Benchmark, person: Person, request: ForgetRequest, pictures: dict[Path, tuple[str, int]], with_sets: bool
) -> Markup:
    """What a model is taught about a person, folded away: it can be long."""
    taught = taught_of(benchmark, request, person.id)
    if not taught:
        return Markup("")
    rows = [
        _row(item, (set_mark(where) if where else "not trained on") if with_sets else "", pictures)
        for item, where in taught[:MOST_ROWS]
    ]
    table = parts.table(["Question", "Answer", "Set"], rows, label="what a model is taught about them")
    return Markup(
        '<details class="lethe-card lethe-taught"><summary>Taught about them <small class="lethe-muted">{}</small>'
        "</summary>{}</details>"
    ).format(_how_many([item for item, _ in taught]), table)


def _how_many(items: Sequence[Item]) -> str:
    words = counted(len(items), "item", "items")
    return f"{words}, the first {MOST_ROWS} shown" if len(items) > MOST_ROWS else words


def _row(item: Item, where: object, pictures: dict[Path, tuple[str, int]]) -> tuple[Markup, Markup, object]:
    about = [Markup('<span class="lethe-muted">{}</span>').format(item.attribute)]
    if item.image is not None and item.image in pictures:
        kind, place = pictures[item.image]
        button = '<button type="button" class="lethe-link lethe-small-link" data-large="{}" data-kind="{}">{}</button>'
        about.append(Markup(button).format(place, kind, f"{kind} {place + 1}"))
    question = Markup('<span class="lethe-asked">{}</span><small>{}</small>').format(item.question, parts.joined(about))
    return question, _answer(item), where


def _answer(item: Item) -> Markup:
    """The answer with its fact in bold; of a classification every option, the right one marked."""
    if not item.options:
        before, fact, after = item.answer.partition(item.key) if item.key else (item.answer, "", "")
        return Markup("{}<b>{}</b>{}").format(before, fact, after)
    options = Markup("").join(
        Markup('<li class="lethe-right"><span aria-label="right">✓</span> {}</li>').format(option)
        if option == item.answer
        else Markup("<li>{}</li>").format(option)
        for option in item.options
    )
    return Markup('<ul class="lethe-options">{}</ul>').format(options)
