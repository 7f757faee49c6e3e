"""The Data page as HTML: which benchmark, its people, and the card that says what a forget request takes.

Controls carry what they change as data: `data-go` sets parts of the address, `data-toggle` puts one id into a list of
it or takes it out; the script in `ui/data_style.py` does so and asks for the page again. Everything is escaped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from markupsafe import Markup

from backend.benchmarks.item import Benchmark, Item, ItemSet, Person
from backend.benchmarks.library import FORMATS
from backend.spec import ForgetRequest
from ui import gallery, parts
from ui.data_request import A_PAGE, Listed, View, figures, found, page_of, share_of
from ui.launching import CHOSEN, joined_ids

TILE = 176
"""Pixels a side of a portrait as sent, up to twice what is shown."""
CHIPS = 12
SET_WORDS: dict[ItemSet, str] = {
    "forget": "asked as they were learnt",
    "test": "the same people, asked otherwise",
    "retain": "must stay",
    "celebrity": "public figures, must stay",
    "general": "sight and common sense, must stay",
    "holdout": "held-out people, never taught to any model",
    "relearn": "for the relearning attack",
}
MODALITIES = {"image_text": "with the picture", "text": "as text"}


def number(count: int) -> str:
    """`20 000`."""
    return f"{count:,}".replace(",", " ")


def counted(count: int, one: str, many: str) -> str:
    """`1 person`, `500 people`."""
    return f"{number(count)} {one if count == 1 else many}"


def go(**changes: str) -> Markup:
    """The attribute of a control that sets parts of the address; an empty text takes a part away."""
    return Markup(' data-go="{}"').format(urlencode(changes))


def toggle(name: str, one: str, pressed: bool) -> Markup:
    """The attributes of a button that puts one id into a list of the address, or takes it out."""
    return Markup(' data-toggle="{}" data-of="{}" aria-pressed="{}"').format(
        name, joined_ids([one]), "true" if pressed else "false"
    )


def set_mark(name: str) -> Markup:
    """A set by its name; the forget set with its mark and colour."""
    mark = Markup('<span aria-hidden="true">{}</span> ').format("●" if name in ("forget", "test") else "○")
    return Markup('<span class="lethe-set lethe-set-{}">{}{}</span>').format(name, mark, name)


def benchmarks(sets: Sequence[Listed], view: View) -> Markup:
    """The benchmarks of the lab, the one at hand marked; one that cannot be opened has a warning beside its name.

    Where several have the same title, the name under which each was added stands beside it.
    """
    titles = Counter(one.title for one in sets)
    clean = {"person": "", "people": "", "attributes": "", "page": "", "q": "", "forget": ""}
    links = [
        Markup('<a class="lethe-pill{}" href="{}"{}{}>{}{}{}</a>').format(
            " lethe-chosen" if one.name == view.benchmark else "",
            View(benchmark=one.name).address(),
            Markup(' aria-current="true"') if one.name == view.benchmark else "",
            go(benchmark=one.name, **clean),
            Markup('<span class="lethe-state-collapsed" aria-hidden="true">⚠&nbsp;</span>') if one.fault else "",
            one.title,
            Markup(' <span class="lethe-muted">{}</span>').format(one.name) if titles[one.title] > 1 else "",
        )
        for one in sets
    ]
    return Markup('<nav class="lethe-benchmarks" aria-label="Benchmarks">{}</nav>').format(Markup("").join(links))


def about(chosen: Listed | None) -> Markup:
    """Where an added data set lies and in which format; nothing for the demo."""
    if chosen is None or chosen.entry is None:
        return Markup("")
    entry = chosen.entry
    where = f"{entry.hub} on the hub" if entry.hub else entry.source
    return Markup(
        '<p class="lethe-about">{} <span class="lethe-muted">{}</span> <code class="lethe-mono">{}</code></p>'
    ).format(entry.name, FORMATS.get(entry.format, ""), where)


# -- people -----------------------------------------------------------------------------------------------------------


def portraits(benchmark: Benchmark, view: View) -> Markup:
    """A page of the people that the search finds, and the ways to the pages beside it."""
    everyone = benchmark.people()
    people = found(everyone, view.text)
    if not people:
        words = f"Nobody here is called {view.text[:60]}." if everyone else "Nobody is in this benchmark."
        return Markup('<div class="lethe-empty"><p>{}</p></div>').format(words)
    page, those = page_of(people, view.page)
    tiles = Markup("").join(_tile(benchmark, person) for person in those)
    return Markup('<ul class="lethe-people">{}</ul>{}').format(tiles, _pager(page, len(those), len(people)))


def _tile(benchmark: Benchmark, person: Person) -> Markup:
    button = Markup(
        '<button type="button" class="lethe-tick" aria-label="{}" title="Choose to forget"{}></button>'
    ).format(f"Forget {person.name}", toggle("people", person.id, False))
    return Markup(
        '<li class="lethe-tile"><a class="lethe-tile-open" href="{}"{}>{}<span class="lethe-tile-name">{}</span></a>'
        "{}</li>"
    ).format(
        View(benchmark=benchmark.name, person=person.id).address(),
        go(person=person.id),
        gallery.picture(person, TILE, 88, ""),
        person.name,
        Markup('<span class="lethe-tile-kind">public figure</span>') if person.public_figure else button,
    )  # fmt: skip


def _pager(page: int, here: int, of: int) -> Markup:
    """`60 of 500 shown`, with the pages before and after."""
    words = f"{number(here)} of {number(of)} shown"
    if here == of:
        return Markup('<p class="lethe-pager"><span class="lethe-muted">{}</span></p>').format(words)
    pages = -(-of // A_PAGE)

    def step(to: int, text: str) -> Markup:
        off = Markup(" disabled") if not 1 <= to <= pages else ""
        return Markup('<button type="button" class="lethe-button"{}{}>{}</button>').format(go(page=str(to)), off, text)

    return Markup(
        '<nav class="lethe-pager" aria-label="Pages of people"><span class="lethe-muted">{}</span>{}{}</nav>'
    ).format(f"{words} · page {page} of {pages}", step(page - 1, "‹ Previous"), step(page + 1, "Next ›"))


# -- the request ------------------------------------------------------------------------------------------------------


def request_card(
    view: View, benchmark: Benchmark, request: ForgetRequest | None, fault: str, framed: Sequence[str]
) -> Markup:
    """Whom and what the request takes, what is then asked, and the way into the launch form."""
    share = share_of(view, benchmark)
    pills = [_pill(f"{ratio} %", share == ratio, go(forget=str(ratio), people="")) for ratio in benchmark.ratios]
    pills.append(_pill("chosen people", share is None, go(forget=CHOSEN, people="")))
    attributes = [
        Markup('<button type="button" class="lethe-pill{}"{}>{}</button>').format(
            " lethe-chosen" if name in view.attributes else "",
            toggle("attributes", name, name in view.attributes),
            name,
        )
        for name in benchmark.attributes()
    ]
    what = Markup(
        '<h3 class="lethe-small-title" id="lethe-what">What of them</h3>'
        '<div class="lethe-pill-list" role="group" aria-labelledby="lethe-what">{}</div>'
        '<p class="lethe-hint">Nothing chosen is everything. Choose, and the rest of what is known of them stays.</p>'
    ).format(Markup("").join(attributes))
    body = Markup('<div class="lethe-pill-list" role="group" aria-label="Whom to forget">{}</div>{}{}{}').format(
        Markup("").join(pills),
        _chips(benchmark, framed) if share is None else "",
        what if attributes else "",
        _outcome(view, benchmark, request, fault),
    )
    holder = Markup('<div data-framed="{}">{}</div>').format(joined_ids(framed), body)
    return parts.card(holder, "Forget request")


def _pill(words: str, chosen: bool, change: Markup) -> Markup:
    return Markup('<button type="button" class="lethe-pill{}" aria-pressed="{}"{}>{}</button>').format(
        " lethe-chosen" if chosen else "", "true" if chosen else "false", change, words
    )


def _chips(benchmark: Benchmark, framed: Sequence[str]) -> Markup:
    """The chosen people by name, each to be taken out again."""
    names = {person.id: person.name for person in benchmark.people()}
    chips = [
        Markup(
            '<button type="button" class="lethe-chip" aria-label="{}"{}>{} <span aria-hidden="true">×</span></button>'
        ).format(f"Do not forget {names.get(one, one)}", toggle("people", one, True), names.get(one, one))
        for one in framed[:CHIPS]
    ]
    more = f"and {len(framed) - CHIPS} more" if len(framed) > CHIPS else ""
    return Markup('<div class="lethe-chips">{}<span class="lethe-muted">{}</span></div>').format(
        Markup("").join(chips), more
    )


def _outcome(view: View, benchmark: Benchmark, request: ForgetRequest | None, fault: str) -> Markup:
    if fault:
        return Markup('<p class="lethe-fault" role="alert">{}</p>').format(fault)
    if request is None:
        return Markup('<p class="lethe-sentence">Nobody is chosen yet. Press the ○ beside a portrait.</p>')
    counts = figures(benchmark, request)
    people = counted(len(counts.split.forget), "person", "people")
    what = f"{', '.join(request.attributes)} of {people}" if request.attributes else people
    stay = f"; {counted(len(counts.split.celebrity), 'public figure stays', 'public figures stay')}"
    sentence = Markup('<p class="lethe-sentence">Forgets <b class="lethe-whom">{}</b> and keeps {}{}{}.</p>').format(
        what, number(len(counts.split.retain)), " and the rest of theirs" if request.attributes else "",
        stay if counts.split.celebrity else "",
    )  # fmt: skip
    button = Markup(
        '<p class="lethe-carry"><a class="lethe-button lethe-main" href="{}">Carry into Launch</a></p>'
    ).format(view.launch_address(benchmark))
    return (
        sentence
        + set_table(counts.sets)
        + task_table(counts.tasks)
        + _training(counts.trained, counts.untrained)
        + button
    )


def set_table(sets: dict[ItemSet, tuple[int, int]]) -> Markup:
    """People and items of every set under the request."""
    rows = [
        (
            Markup('{}<small class="lethe-muted">{}</small>').format(set_mark(name), SET_WORDS[name]),
            number(people),
            number(items),
        )
        for name, (people, items) in sets.items()
    ]
    return parts.table(["Set", "People", "Items"], rows, numbers=(1, 2), label="items by set")


def task_table(tasks: dict[Any, Any]) -> Markup:
    """What is asked, by task and modality."""
    rows = [
        (task.capitalize(), *(number(counts[name]) if counts[name] else parts.NOTHING for name in MODALITIES))
        for task, counts in tasks.items()
    ]
    return parts.table(
        ["Task", "Picture + text", "Text only"], rows, numbers=(1, 2), label="items by task and modality"
    )


def _training(trained: dict[str, int], untrained: str) -> Markup:
    if untrained:
        return Markup('<p class="lethe-fault" role="alert">{}</p>').format(untrained)
    return Markup('<p class="lethe-hint">Trained on: {} to forget, {} to retain.</p>').format(
        counted(trained["forget"], "item", "items"), number(trained["retain"])
    )


def picture_words(kinds: dict[str, list[Any]]) -> dict[Any, tuple[str, int]]:
    """Where each picture of a person stands: its kind and its place, from 0."""
    return {path: (kind, place) for kind, paths in kinds.items() for place, path in enumerate(paths)}


def in_groups(items: Sequence[Item]) -> dict[tuple[str, str], list[Item]]:
    """Items by modality and task, with the picture first."""
    groups: dict[tuple[str, str], list[Item]] = {}
    for modality in MODALITIES:
        for item in items:
            if item.modality == modality:
                groups.setdefault((modality, item.task), []).append(item)
    return groups
