"""The score table and the attack matrix as HTML: shaded towards the good direction, every shade with its number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from backend.comparing.figures import Cell, Figure
from backend.comparing.matrix import Attacked, Worst, columns
from backend.comparing.models import Entry
from backend.comparing.table import ATTACK, NAME, Row
from ui import parts
from ui.compare_state import SHOWN, State
from ui.compare_words import address_of, bounds, in_common, in_heading, linked, on_axis, plain, signed, way_of
from ui.score_view import better

MOST_ROWS, MOST_ATTACKED = 100, 40
GREEN, ORANGE = 30, 34
"""How strong the best and the worst shade are, in per cent of their colour."""
Known = Mapping[str, Sequence[tuple[Cell, Figure]]]
"""By the key of an entry, the cells of which the original knew little."""


def scores(rows: Sequence[Row], shown: Sequence[Cell], state: State, known: Known) -> Markup:
    """The table, best first or as it was sorted, with what its figures are."""
    if not rows:
        return parts.empty("No model fits this search.", "/compare", "Show all models")
    attacked = any(row.worst for row in rows)
    head = [_header(NAME, "Model", state)]
    head += [_cell_header(cell, shown, rows, state) for cell in shown]
    head += [_header(ATTACK, "Worst attack (recovery)", state)]
    body = [_row(row, shown, state, known.get(row.entry.key, ())) for row in rows[:MOST_ROWS]]
    table = Markup(
        '<div class="lethe-scroll" tabindex="0" role="region" aria-label="scores of models"><table '
        'class="lethe-table lethe-shaded" aria-label="scores of models"><thead><tr>{}</tr></thead>'
        "<tbody>{}</tbody></table></div>"
    ).format(Markup("").join(head), Markup("").join(body))
    return Markup("{}{}").format(table, _foot(rows, state, attacked))


def scores_title(shown: Sequence[Cell]) -> Markup:
    """`Scores  accuracy, generation`: what all columns share stands in the title."""
    return Markup('<h2 class="lethe-card-title">Scores <small class="lethe-muted">{}</small></h2>').format(
        in_common(shown)
    )


def _header(key: str, words: object, state: State, small: object = "", *, number: bool = False) -> Markup:
    sort = {key: "ascending", f"-{key}": "descending"}.get(state.sort, "none")
    arrow = {"ascending": " ▴", "descending": " ▾", "none": ""}[sort]
    return Markup(
        '<th scope="col" aria-sort="{}"{}><button type="button" class="lethe-sort" data-sort="{}">{}{}</button>{}</th>'
    ).format(
        sort, Markup(' class="lethe-number"') if number else "", key, words, arrow,
        Markup("<small>{}</small>").format(small) if small else "",
    )  # fmt: skip


def _cell_header(cell: Cell, shown: Sequence[Cell], rows: Sequence[Row], state: State) -> Markup:
    name, apart = in_heading(cell, shown)
    numbers = sorted({row.figures[cell].n for row in rows if cell in row.figures})
    n = f"n {numbers[0]}" if len(numbers) == 1 else f"n {numbers[0]}–{numbers[-1]}" if numbers else ""
    words = Markup("{}{}").format(name, better(way_of(cell)))
    return _header(cell.address, words, state, parts.joined([apart, n]), number=True)


def _row(row: Row, shown: Sequence[Cell], state: State, known: Sequence[tuple[Cell, Figure]]) -> Markup:
    cells = [_cell(row, cell, state.show) for cell in shown]
    return Markup('<tr><th scope="row">{}</th>{}<td class="lethe-worst">{}</td></tr>').format(
        _name(row, state, known), Markup("").join(cells), _worst(row.worst)
    )


def _name(row: Row, state: State, known: Sequence[tuple[Cell, Figure]]) -> Markup:
    entry = row.entry
    flags = [parts.flag(flag) for flag in row.flags]
    flags += [
        Markup('<span title="{}">{}</span>').format(
            on_axis(cell), parts.flag(f"the original knew {plain(share.value)}")
        )
        for cell, share in known[:1]
    ]
    seeds = f"{len(entry.members)} seeds" if len(entry.members) > 1 else ""
    return Markup('<a class="lethe-quiet-link" href="{}">{}</a><small class="lethe-below">{}{}</small>').format(
        address_of(entry),
        parts.identity(entry.role, entry.name),
        _picks(entry, state),
        parts.joined([seeds, *flags], " "),
    )


def _picks(entry: Entry, state: State) -> Markup:
    """Buttons that make the entry A or B of the pair."""
    runs = {model.run for model in entry.members}
    return Markup('<span class="lethe-picks">{}</span>').format(
        Markup("").join(
            Markup(
                '<button type="button" class="lethe-pick" data-pick="{0}" data-run="{1}" aria-pressed="{2}" '
                'aria-label="Make {3} {4}" title="Make it {4}">{4}</button>'
            ).format(side, entry.key, "true" if getattr(state, side) in runs else "false", entry.name, side.upper())
            for side in ("a", "b")
        )
    )


def _cell(row: Row, cell: Cell, show: str) -> Markup:
    figure = row.figures.get(cell)
    if figure is None:
        return Markup('<td class="lethe-number">{}</td>').format(parts.NOTHING)
    asked = f"n {figure.n}, {figure.people} people"
    title = f"{row.entry.name}: {on_axis(cell)} {plain(figure.value)} {bounds(figure)}, {asked}"
    if show == "value":
        words: object = plain(figure.value)
        small = bounds(figure)
    else:
        above = row.above[show].get(cell)
        words, small = (parts.NOTHING if above is None else signed(above)), plain(figure.value)
    return Markup('<td class="lethe-number lethe-tint{}" style="{}" title="{}">{}<small>{}</small></td>').format(
        *_shade(row.good.get(cell)), title, words, small
    )


def _shade(good: float | None) -> tuple[str, str]:
    """A class and the strength of its colour: green towards the good end, orange towards the other."""
    if good is None:
        return "", ""
    strength = round(abs(good - 0.5) * 2 * (GREEN if good >= 0.5 else ORANGE))
    return (" lethe-towards" if good >= 0.5 else " lethe-away"), f"--tint:{strength}%"


def _worst(worst: Worst | None) -> Markup:
    if worst is None:
        return parts.NOTHING
    found = f"leak {parts.figure(worst.leak)}" if worst.recovery is None else plain(worst.recovery)
    held = f", control {parts.figure(worst.control)}" if worst.control is not None else ", no control"
    title = f"{worst.title} {worst.at}: leak {parts.figure(worst.leak)}{held}"
    return Markup('<a class="lethe-quiet-link" href="/runs?run={}" title="{}">{} <b>{}</b></a>').format(
        worst.run, title, worst.title, found
    )


def _foot(rows: Sequence[Row], state: State, attacked: bool) -> Markup:
    said = ["Shade: towards the good direction."]
    if not state.sort:
        said.append("Best first by the mean shade, collapsed models last: an order, not a finding.")
    if state.show == "value":
        said.append("Small: 95 % interval over people.")
    else:
        said.append(f"Shown: {SHOWN[state.show]}; small: the value.")
    if any(one.spread is not None for row in rows for one in row.figures.values()):
        said.append("Folded seeds: mean ± standard deviation.")
    if not attacked:
        said.append("No model here was attacked yet.")
    if len(rows) > MOST_ROWS:
        said.append(f"The first {MOST_ROWS} of {len(rows)}; search to see others.")
    return Markup('<p class="lethe-foot">{}</p>').format(" ".join(said))


# -- attacks ---


def matrix(found: Sequence[Attacked]) -> Markup:
    """Models by attacks: the recovery in bold, under it the leak and the control's; the worst case first both ways."""
    title = "Attacks"
    if not found:
        said = "What attacks bring back will stand here, model by attack, the worst case first."
        return parts.card(parts.empty(said, "/launch", "Launch an attack"), title)
    attacks = columns(found)
    rows = [_attacked(one, [name for name, _ in attacks]) for one in found[:MOST_ATTACKED]]
    heads = ("Model", *(words for _, words in attacks))
    head = Markup("").join(Markup('<th scope="col">{}</th>').format(words) for words in heads)
    table = Markup(
        '<div class="lethe-scroll" tabindex="0" role="region" aria-label="models by attacks"><table '
        'class="lethe-table lethe-shaded lethe-matrix" aria-label="models by attacks"><thead><tr>{}</tr></thead>'
        "<tbody>{}</tbody></table></div>"
    ).format(head, Markup("").join(rows))
    more = f" The first {MOST_ATTACKED} of {len(found)} models." if len(found) > MOST_ATTACKED else ""
    foot = Markup('<p class="lethe-foot">{}</p>').format(
        "Bold: the share of what was forgotten that came back (recovery), at the worst strength. Small: leak on the "
        "model, ○ on a control that never knew; only what is above the control is evidence. Worst first, by leak above "
        f"the control.{more}"
    )
    return parts.card(Markup("{}{}").format(table, foot), title, "each model's newest figures of each attack")


def _attacked(one: Attacked, attacks: Sequence[str]) -> Markup:
    cells = [_attack_cell(one.by_attack.get(name), name == one.worst.attack) for name in attacks]
    return Markup('<tr><th scope="row">{}</th>{}</tr>').format(linked(one.model), Markup("").join(cells))


def _attack_cell(worst: Worst | None, first: bool) -> Markup:
    if worst is None:
        return Markup("<td>{}</td>").format(parts.NOTHING)
    strength = round(min(1.0, max(0.0, worst.excess)) * ORANGE)
    control = "no control" if worst.control is None else f"○ {parts.figure(worst.control)}"
    found = parts.NOTHING if worst.recovery is None else plain(worst.recovery)
    return Markup(
        '<td class="lethe-tint lethe-away{}" style="--tint:{}%" title="{}"><a href="/runs?run={}">{}</a>'
        "<small>{} · {}</small>{}</td>"
    ).format(
        " lethe-first" if first else "", strength, f"{worst.title} {worst.at}".strip(), worst.run, found,
        parts.figure(worst.leak), control, Markup("<small>{}</small>").format(worst.at) if worst.at else "",
    )  # fmt: skip
