"""The pieces of a report, as HTML that needs nothing but itself: text is escaped unless it is already `Markup`.

A number comes with its interval, a model with its mark, and a table with a caption that says what it is of.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from markupsafe import Markup

IDENTITIES = {
    "original": ("■", "original"),
    "unlearned": ("●", "unlearned"),
    "gold": ("◆", "gold"),
    "control": ("○", "control"),
}
"""By role: the mark by which a model is told without colour, and its name."""
ASKED = {"image_text": "with picture", "text": "as text"}
NOTHING = Markup('<span class="grey">–</span>')


def figure(value: float | None) -> str:
    """A rate with two decimals and no leading nought, `.11` or `1.00`; a dash where there is none."""
    if value is None:
        return "–"
    text = f"{abs(value):.2f}"
    sign = "−" if value < 0 and float(text) else ""
    return sign + (text[1:] if text.startswith("0.") else text)


def rate(value: float | None, low: float | None = None, high: float | None = None) -> Markup:
    """`.11 .04–.22`: a figure and its interval."""
    if value is None:
        return NOTHING
    between = "" if low is None or high is None else _between(low, high)
    return Markup('<span class="rate">{}{}</span>').format(figure(value), between)


def _between(low: float, high: float) -> Markup:
    words = " to " if low < 0 else "–"
    return Markup(" <small>{}{}{}</small>").format(figure(low), words, figure(high))


def in_words(value: float | None, low: float | None = None, high: float | None = None) -> str:
    """`.11 (.04 to .22)`: a figure in a sentence."""
    if low is None or high is None:
        return figure(value)
    return f"{figure(value)} ({figure(low)} to {figure(high)})"


def identity(role: str, label: str = "") -> Markup:
    """A model's mark in its colour, then `label` or the role's name."""
    mark, name = IDENTITIES.get(role, IDENTITIES["control"])
    return Markup('<span class="{}"><span aria-hidden="true">{}</span> {}</span>').format(role, mark, label or name)


def table(
    headers: Sequence[object], rows: Iterable[Sequence[object]], caption: str, *, numbers: Sequence[int] = ()
) -> Markup:
    """A table; `numbers` are the columns set to the right."""

    def line(tag: str, cells: Sequence[object]) -> Markup:
        made = (
            Markup("<{0}{1}>{2}</{0}>").format(Markup(tag), Markup(' class="number"') if at in numbers else "", cell)
            for at, cell in enumerate(cells)
        )
        return Markup("<tr>{}</tr>").format(Markup("").join(made))

    body = Markup("").join(line("td", row) for row in rows)
    return Markup(
        '<div class="wide"><table><caption><span>{}</span></caption><thead>{}</thead><tbody>{}</tbody></table></div>'
    ).format(caption, line("th", headers), body)


def facts(pairs: Iterable[tuple[object, object]]) -> Markup:
    """Names and values, one a line; what is empty is left out."""
    rows = (Markup("<dt>{}</dt><dd>{}</dd>").format(name, value) for name, value in pairs if value not in (None, ""))
    return Markup("<dl>{}</dl>").format(Markup("").join(rows))


def bullets(sentences: Iterable[object]) -> Markup:
    """A list of sentences."""
    return Markup("<ul>{}</ul>").format(Markup("").join(Markup("<li>{}</li>").format(one) for one in sentences))


def part(title: str, *body: object) -> Markup:
    """A part of a run's section under its heading; nothing where there is no body."""
    inside = Markup("").join(Markup("{}").format(one) for one in body)
    return Markup("<section><h3>{}</h3>{}</section>").format(title, inside) if inside else Markup("")


def folded(summary: str, body: object) -> Markup:
    """A long table behind a line that opens it; on paper it is open."""
    return Markup("<details><summary>{}</summary>{}</details>").format(summary, body)


def note(sentence: object) -> Markup:
    """A line in grey."""
    return Markup('<p class="grey">{}</p>').format(sentence) if sentence else Markup("")


def code(text: object) -> Markup:
    """A hash, an id, a command."""
    return Markup("<code>{}</code>").format(text)


def moment(at: float | None) -> str:
    """`2026-11-21 16:18 UTC`."""
    return "" if at is None else time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at))


def duration(seconds: float) -> str:
    """`9 s`, `2 min 5 s`, `1 h 10 min`."""
    whole = max(0, round(seconds))
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def size(count: float) -> str:
    """Bytes in decimal units: `512 B`, `3.9 MB`."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
