"""A gallery of people in which those to be forgotten are framed, and can be chosen by mouse or keyboard.

Each portrait is a button that is pressed or not, with the person's name as its words; arrow keys walk from
one to the next. The pictures travel once, as small `data:` addresses; what is chosen travels alone, as a
list of ids.
"""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup

from backend.benchmarks.item import Person
from ui.pictures import preview

SIDE = 112
"""Pixels of a portrait as sent; it is shown at about 68, so it stays sharp on most fine screens."""


def portraits(people: Iterable[Person]) -> Markup:
    """The buttons, in the benchmark's order. Public figures are left out: they must stay."""
    button = Markup(
        '<button type="button" class="lethe-portrait" data-id="{}" aria-pressed="false" title="{}">'
        '<img src="{}" alt="{}" width="68" height="68" draggable="false"></button>'
    )
    return Markup("").join(
        button.format(person.id, f"{person.name} · {person.id}", preview(person.picture, SIDE), person.name)
        for person in people
        if not person.public_figure
    )


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
  props.value = buttons().filter((b) => b.getAttribute('aria-pressed') === 'true').map((b) => b.dataset.id);
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
