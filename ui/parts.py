"""The pieces every page is made of, as HTML.

Promises: text is escaped unless it is already `Markup`; a state is a mark *and* a word; a model keeps its
colour and its mark everywhere; a number comes with its interval.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import datetime

from markupsafe import Markup, escape

STATE_MARKS = {
    "queued": "◷",
    "running": "▶",
    "stopping": "❚❚",
    "interrupted": "↻",
    "succeeded": "✓",
    "failed": "✕",
    "cancelled": "⊘",
    "collapsed": "⚠",
}

IDENTITIES = {
    "original": ("■", "Original"),
    "unlearned": ("●", "Unlearned"),
    "gold": ("◆", "Gold"),
    "control": ("○", "Control"),
}

NOTHING = Markup('<span class="lethe-muted" aria-label="none">–</span>')


def state_mark(state: str, *, pill: bool = False) -> Markup:
    """A state as its mark and its word; `pill` puts a border round it."""
    return Markup(
        '<span class="lethe-state lethe-state-{}{}"><span class="lethe-glyph" aria-hidden="true">{}</span>{}</span>'
    ).format(state, " lethe-pill" if pill else "", STATE_MARKS.get(state, "·"), state)


def identity(role: str, label: str | None = None) -> Markup:
    """A model's mark in its colour, then `label`, or the role's own name. An unknown role is a control."""
    known = role if role in IDENTITIES else "control"
    mark, name = IDENTITIES[known]
    return Markup(
        '<span class="lethe-identity lethe-{}"><span class="lethe-mark" aria-hidden="true">{}</span>{}</span>'
    ).format(known, mark, name if label is None else label)


def flag(name: str) -> Markup:
    """A warning about a figure, such as `⚠ collapsed`."""
    return Markup(
        '<span class="lethe-state lethe-state-collapsed"><span class="lethe-glyph" aria-hidden="true">⚠</span>{}</span>'
    ).format(name)


def figure(value: float) -> str:
    """A rate with two decimals and no leading nought: `.11`, `1.00`, `−.04`."""
    text = f"{abs(value):.2f}"
    sign = "−" if value < 0 and float(text) else ""
    return sign + (text[1:] if text.startswith("0.") else text)


def rate(value: float | None, low: float | None = None, high: float | None = None) -> Markup:
    """`.11 .04–.22`, or `.02 −.05 to .09`: a rate and its interval; a dash where there is no figure."""
    if value is None:
        return NOTHING
    if low is None or high is None:
        return Markup('<span class="lethe-rate">{}</span>').format(figure(value))
    between = "–" if low >= 0 else " to "
    return Markup('<span class="lethe-rate">{} <small class="lethe-interval">{}{}{}</small></span>').format(
        figure(value), figure(low), between, figure(high)
    )


def duration(seconds: float) -> str:
    """`9 s`, `2 min 5 s`, `1 h 10 min`: at most two units."""
    whole = max(0, round(seconds))
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    if minutes:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{rest} s"


def size(count: float) -> str:
    """Bytes in decimal units: `512 B`, `3.9 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def progress_bar(
    step: int | None, steps: int | None, eta: float | None = None, label: str = "Progress", more: str = ""
) -> Markup:
    """A bar of measured progress, `step 75 of 120 · 9 s left` beside it. Empty while nothing was measured."""
    share = min(1.0, max(0.0, (step or 0) / steps)) if steps else 0.0
    words = [f"step {step or 0} of {steps}"] if steps else ["not measured yet"]
    if eta is not None:
        words.append(f"{duration(eta)} left")
    words += [more] * bool(more)
    return Markup(
        '<div class="lethe-progress"><div class="lethe-track" role="progressbar" aria-label="{}" '
        'aria-valuemin="0" '
        'aria-valuemax="100" aria-valuenow="{:.0f}" aria-valuetext="{}"><div class="lethe-fill" '
        'style="width:{:.1f}%"></div></div>'
        '<span class="lethe-progress-words">{}</span></div>'
    ).format(label, share * 100, " · ".join(words), share * 100, " · ".join(words))


def small_bar(share: float, words: str, label: str = "Progress") -> Markup:
    """A short bar for a row of a table, with its words under it."""
    percent = 100 * min(1.0, max(0.0, share))
    return Markup(
        '<div class="lethe-small-bar"><div class="lethe-track" role="progressbar" aria-label="{}" '
        'aria-valuemin="0" '
        'aria-valuemax="100" aria-valuenow="{:.0f}"><div class="lethe-fill" style="width:{:.1f}%"></div>'
        "</div><small>{}</small></div>"
    ).format(label, percent, percent, words)


def clock(at: float | None) -> Markup:
    """A moment as HH:MM. The browser puts it into its own zone, and adds the day where it is not today."""
    if at is None:
        return NOTHING
    return Markup('<time class="lethe-time" data-unix="{:.0f}">{}</time>').format(
        at, datetime.fromtimestamp(at).strftime("%H:%M")
    )


def ago_words(seconds: float) -> str:
    """`just now`, `3 min ago`, `2 h ago`, `5 days ago`."""
    if seconds < 60:
        return "just now"
    if seconds < 3600:
        return f"{int(seconds // 60)} min ago"
    if seconds < 86400:
        return f"{int(seconds // 3600)} h ago"
    days = int(seconds // 86400)
    return "1 day ago" if days == 1 else f"{days} days ago"


def ago(at: float | None, now: float | None = None) -> Markup:
    """How long ago; the browser keeps the words right while the page stands still."""
    if at is None:
        return NOTHING
    words = ago_words((time.time() if now is None else now) - at)
    return Markup('<time class="lethe-time" data-unix="{:.0f}" data-ago="1">{}</time>').format(at, words)


def table(
    headers: Sequence[str],
    rows: Iterable[Sequence[object] | Markup],
    *,
    numbers: Sequence[int] = (),
    label: str = "",
    head: bool = True,
) -> Markup:
    """A table. `numbers` are the columns set to the right; cells are escaped unless they are `Markup`. A row that is
    itself `Markup` is a heading over the rows that follow it.

    Each cell repeats its header as `data-label`, for style sheets that stack the cells on a narrow screen.
    """

    def cells(tag: str, values: Sequence[object]) -> Markup:
        return Markup("").join(
            Markup("<{}{}{}>{}</{}>").format(
                Markup(tag),
                Markup(' scope="col"') if tag == "th" else Markup(' data-label="{}"').format(headers[column]),
                Markup(' class="lethe-number"') if column in numbers else "",
                value,
                Markup(tag),
            )
            for column, value in enumerate(values)
        )

    def line(row: Sequence[object] | Markup) -> Markup:
        if isinstance(row, Markup):
            over = Markup('<tr class="lethe-group"><th scope="rowgroup" colspan="{}">{}</th></tr>')
            return over.format(len(headers), row)
        return Markup("<tr>{}</tr>").format(cells("td", row))

    body = Markup("").join(map(line, rows))
    top = Markup("<thead><tr>{}</tr></thead>").format(cells("th", headers)) if head else Markup("")
    return Markup(
        '<div class="lethe-scroll" tabindex="0" role="region" aria-label="{0}"><table '
        'class="lethe-table" aria-label="{0}">{1}<tbody>{2}</tbody></table></div>'
    ).format(label or "table", top, body)


def facts(pairs: Iterable[tuple[str, object]], *, wide: bool = False) -> Markup:
    """A readable list of names and values; `wide` sets it in columns where there is room."""
    rows = Markup("").join(Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(name, value) for name, value in pairs)
    return Markup('<dl class="lethe-facts{}">{}</dl>').format(" lethe-wide" if wide else "", rows)


def empty(sentence: str, address: str | None = None, words: str | None = None) -> Markup:
    """What will be here, and the step that fills it."""
    link = (
        Markup('<a class="lethe-button" href="{}">{}</a>').format(address, words or address) if address else Markup("")
    )
    return Markup('<div class="lethe-empty"><p>{}</p>{}</div>').format(sentence, link)


def error(sentence: str, what_to_do: str = "") -> Markup:
    """One box: what went wrong, and what to do about it."""
    more = Markup('<p class="lethe-error-step">{}</p>').format(what_to_do) if what_to_do else Markup("")
    return Markup('<div class="lethe-error" role="alert"><p><span aria-hidden="true">✕</span> {}</p>{}</div>').format(
        sentence, more
    )


def card(body: object, title: str = "", aside: object = "", *, classes: str = "") -> Markup:
    """A white card; `aside` stands small beside its title."""
    top = Markup('<h2 class="lethe-card-title">{}{}</h2>').format(
        title, Markup(' <small class="lethe-muted">{}</small>').format(aside) if aside else ""
    )
    return Markup('<section class="lethe-card {}">{}{}</section>').format(classes, top if title else "", body)


def page_title(title: object, sub: object = "") -> Markup:
    """A page's name and, under it, one line on what it is for."""
    below = Markup('<p class="lethe-sub">{}</p>').format(sub) if sub else Markup("")
    return Markup('<h1 class="lethe-page-title">{}</h1>{}').format(title, below)


def pill(text: object, *, chosen: bool = False) -> Markup:
    """A small rounded label."""
    return Markup('<span class="lethe-pill{}">{}</span>').format(" lethe-chosen" if chosen else "", text)


def short_hash(sha256: str | None) -> Markup:
    """`7f3a…c1`, with the whole of it as its title."""
    if not sha256:
        return NOTHING
    return Markup('<code class="lethe-mono" title="{}">{}…{}</code>').format(sha256, sha256[:6], sha256[-4:])


def run_link(run_id: str, name: str) -> Markup:
    """A run's name as a link to its page."""
    return Markup('<a class="lethe-link" href="/runs?run={}">{}</a>').format(run_id, name)


def log_lines(text: str, lines: int = 200) -> Markup:
    """The end of a log, escaped; it opens at its last line."""
    kept = "\n".join(text.splitlines()[-lines:])
    return Markup(
        '<div class="lethe-log" tabindex="0" role="log" aria-label="end of the log"><pre>{}</pre></div>'
    ).format(kept)


def joined(parts: Iterable[object], between: str = " · ") -> Markup:
    """Pieces with a mark between them; empty ones are left out."""
    return Markup(escape(between)).join(escape(part) for part in parts if part)


def notice(sentence: str) -> Markup:
    """One line that tells what was done."""
    return Markup('<div class="lethe-told" role="status"><span aria-hidden="true">✓</span> {}</div>').format(sentence)
