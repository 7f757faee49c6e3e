"""A report as one file of HTML: of a run, of a pair, or of as many as one likes.

It opens without a network and without a script: a policy in its head forbids both to whatever stands in it, and all
that comes from runs is escaped. It is written anew from rows each time, and keeps nothing.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup
from sqlalchemy import Engine

from backend.findings import Finding
from backend.report import pieces
from backend.report.comparing import comparison, letter
from backend.report.gathering import Gathered, found, gather
from backend.report.sections import section
from backend.versions import LETHE

CSS = (Path(__file__).parent / "report.css").read_text("utf-8")
MOST = 20
"""So many runs a report holds at most."""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
VERDICTS = {"supported": ("✓", "good"), "not supported": ("✕", "bad"), "cannot tell": ("◐", "warn")}


class NoReport(ValueError):
    """There is nothing to report on; the message says what to name."""


def report_html(engine: Engine, home: Path, run_ids: Sequence[str], *, now: float | None = None) -> str:
    """The report of these runs, in their order, each once; `now` in unix seconds is when it was written.

    Raises `NoReport` for none or more than `MOST`, storage's `NotFound` for a run that is not there.
    """
    named = list(dict.fromkeys(run_ids))
    if not 0 < len(named) <= MOST:
        raise NoReport(f"name one to {MOST} runs to report on")
    gathered = [gather(engine, home, run_id) for run_id in named]
    return page(gathered, found(engine, gathered), time.time() if now is None else now)


def page(gathered: Sequence[Gathered], findings: Sequence[Finding], now: float) -> str:
    """The page of what was gathered."""
    title = " and ".join(one.run.name for one in gathered) if len(gathered) < 3 else f"{len(gathered)} runs"
    several = len(gathered) > 1
    body = [
        Markup("<h1>{}</h1>").format(title),
        pieces.note(f"A report of Lethe {LETHE}, written {pieces.moment(now)} from what was measured then."),
        _contents(gathered) if several else "",
        comparison(gathered) if several else "",
        *(section(one) for one in gathered),
        _findings(findings),
        _how_to_read(),
    ]
    html = Markup(
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" content="{}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="generator" content="Lethe {}">\n<title>{} · Lethe</title>\n<style>{}</style>\n</head>\n'
        "<body>\n<main>\n{}\n</main>\n</body>\n</html>\n"
    ).format(Markup(POLICY), LETHE, title, Markup(CSS), Markup("\n").join(body))
    return str(html)


def file_name(names: Sequence[str], ending: str = "html", what: str = "") -> str:
    """A name for the file that is safe anywhere: what it holds, then letters, digits and dashes of the runs' names."""
    joined = f"{what} {'-and-'.join(names) if len(names) < 3 else f'{len(names)}-runs'}"
    words = re.sub(r"[^A-Za-z0-9]+", "-", joined).strip("-").lower()
    return f"lethe-{words[:80].strip('-') or 'run'}.{ending}"


def _contents(gathered: Sequence[Gathered]) -> Markup:
    rows = (
        Markup('<li>{} · <a href="#run-{}">{}</a></li>').format(letter(at), one.run.id, one.run.name)
        for at, one in enumerate(gathered)
    )
    return Markup("<ul>{}</ul>").format(Markup("").join(rows))


def _findings(findings: Sequence[Finding]) -> Markup:
    if not findings:
        return Markup("")
    rows = [
        (
            Markup("{} <small>{}</small>").format(one.claim, one.source),
            Markup('<span class="{}">{} {}</span>').format(
                VERDICTS[one.verdict][1], VERDICTS[one.verdict][0], one.verdict
            ),
            Markup("{} <small>{}</small>").format(one.words, one.rule),
        )
        for one in findings
    ]
    caption = "Published claims, put to the runs of this report alone; each row says by which rule."
    return Markup("<h2>Findings</h2>") + pieces.part(
        "What the papers claim", pieces.table(["Claim", "Here", "Figures and rule"], rows, caption)
    )


def _how_to_read() -> Markup:
    return Markup("<footer><p>{}</p><p>{}</p></footer>").format(
        "A written answer is right when the fact stands in it as whole words; a choice is right when the true option "
        "is the likeliest of four, so .25 is chance. Original: the model before it unlearned. Gold: a model that never "
        "saw the forget set. Forget set: whom it was to forget; test: the same people in other pictures and words; "
        "retain, celebrity and general: what should stay; holdout: people whom no model was taught.",
        "Leak: the share of answers in which the forgotten fact stands. An interval that holds one value only comes "
        "from people who all answered alike; it is no proof of certainty.",
    )
