"""A gallery of people in which those to be forgotten are framed, and can be chosen by mouse or keyboard.

Each portrait is a button that is pressed or not, with the person's name as its words; arrow keys walk from
one to the next. The pictures travel once, as small `data:` addresses; what is chosen travels alone, as a
list of ids, and may name people whose portraits are not shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from markupsafe import Markup

from backend.benchmarks.item import Person
from ui.pictures import PictureRefused, preview

SIDE = 112
"""Pixels of a portrait as sent; it is shown at about 68, so it stays sharp on most fine screens."""


MOST = 60
"""Portraits in one gallery; who would not fit can be found on the Data page."""


def picture(person: Person, side: int, shown: int, alt: str) -> Markup:
    """A person's picture as small data; their initials where the file is gone or broken."""
    try:
        address = preview(person.picture, side)
    except PictureRefused as refusal:
        letters = "".join(word[0] for word in person.name.split()[:2]).upper()
        return Markup('<span class="lethe-no-picture" role="img" aria-label="{}" title="{}">{}</span>').format(
            alt or person.name, refusal, letters
        )
    return Markup('<img src="{}" alt="{}" width="{}" height="{}" draggable="false">').format(address, alt, shown, shown)


def portraits(people: Iterable[Person], first: Sequence[str] = ()) -> Markup:
    """The buttons of at most `MOST` people, in the benchmark's order; where that is not everyone, `first` come first.

    Public figures are left out: they must stay.
    """
    button = Markup(
        '<button type="button" class="lethe-portrait" data-id="{}" aria-pressed="false" title="{}">{}</button>'
    )
    return Markup("").join(
        button.format(person.id, f"{person.name} · {person.id}", picture(person, SIDE, 68, person.name))
        for person in shown(people, first)
    )


def shown(people: Iterable[Person], first: Sequence[str] = ()) -> list[Person]:
    """Whose portraits are in a gallery."""
    private = [person for person in people if not person.public_figure]
    if len(private) > MOST:
        before = set(first)
        private.sort(key=lambda person: person.id not in before)
    return private[:MOST]


TEMPLATE = (
    '<div class="lethe-gallery" role="group" aria-label="Whom to forget: press a person to choose them">'
    "${portraits}</div>"
)

SCRIPT = """
const buttons = () => [...element.querySelectorAll('.lethe-portrait')];
const show = () => {
  const chosen = new Set(props.value || []);
  buttons().forEach((b) => b.setAttribute('aria-pressed', String(chosen.has(b.dataset.id))));
};
element.addEventListener('click', (event) => {
  const pressed = event.target.closest('.lethe-portrait');
  if (!pressed) return;
  pressed.setAttribute('aria-pressed', String(pressed.getAttribute('aria-pressed') !== 'true'));
  const shown = new Set(buttons().map((b) => b.dataset.id));
  const unseen = (props.value || []).filter((id) => !shown.has(id));
  props.value = [...unseen,
    ...buttons().filter((b) => b.getAttribute('aria-pressed') === 'true').map((b) => b.dataset.id)];
  trigger('input');
});
element.addEventListener('keydown', (event) => {
  const step = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
  const all = buttons(), at = all.indexOf(document.activeElement);
  if (!step || at < 0) return;
  event.preventDefault();
  all[(at + step + all.length) % all.length].focus();
});
watch(['value', 'portraits'], show);
show();
"""

CSS = """
.lethe-gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(66px, 1fr)); gap: 9px;
  padding: 3px; }
.lethe-portrait { padding: 0; border: 0; background: none; border-radius: 7px; cursor: pointer;
  line-height: 0; }
.lethe-portrait img { width: 100%; height: auto; aspect-ratio: 1; margin: 0; border-radius: 7px;
  background: var(--lethe-well); }
.lethe-no-picture { display: grid; place-items: center; width: 100%; aspect-ratio: 1; border-radius: 7px;
  background: var(--lethe-well); color: var(--lethe-grey); font-size: 15px; line-height: 1; }
.lethe-portrait:hover { outline: 2px solid var(--lethe-line); outline-offset: 1px; }
.lethe-portrait[aria-pressed=true] { outline: 3px solid var(--lethe-unlearned); outline-offset: 1px; }
.lethe-portrait[aria-pressed=false] img { opacity: .82; }
.lethe-portrait:hover img { opacity: 1; }
.gradio-container .lethe-portrait:focus-visible { outline: 3px solid var(--lethe-accent);
  outline-offset: 1px; border-radius: 7px; }
.lethe-portrait[aria-pressed=true]:focus-visible { box-shadow: 0 0 0 5px var(--lethe-card), 0 0 0 8px
  var(--lethe-unlearned); }
@media (max-width: 720px) { .lethe-gallery { grid-template-columns: repeat(auto-fill, minmax(48px, 1fr));
  gap: 7px; } }
"""
