"""The first page as HTML: what is running, what came out last, and where to go."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from storage import results, runs
from storage.tables import Run
from ui import parts
from ui.context import Lab, method_of, role_of
from ui.runs_view import headline_rate, named

WHAT = (
    "Lethe is a lab for making vision-language models forget people, and for finding out whether they really did.",
    "Start a run, watch what it forgets and what it harms, then question the original and the unlearned "
    "model side by side.",
)
WAYS = (
    ("/data", "Data", "See who is in a benchmark and choose whom to forget; add data of your own."),
    ("/launch", "Launch", "Choose a model, whom to forget and by which method."),
    ("/runs", "Runs", "Every run with its progress, curves, scores and checkpoints."),
    ("/probe", "Probe", "Put one question to original and unlearned at once."),
    ("/attack", "Attack", "Try to bring back what should be gone, and see what a model that never knew would say."),
    ("/compare", "Compare", "Every model as a point, in a table, two of them item by item, all of them under attack."),
)
NEWEST = 3


def intro() -> Markup:
    """What this is, in two sentences."""
    return Markup('<h1 class="lethe-page-title">Make it forget, then ask</h1><p class="lethe-lead">{} {}</p>').format(
        *WHAT
    )


def ways() -> Markup:
    """A way into each page."""
    links = [
        Markup('<a class="lethe-door" href="{}"><b>{}</b><span>{}</span></a>').format(address, title, words)
        for address, title, words in WAYS
    ]
    return Markup('<nav class="lethe-doors" aria-label="Ways in">{}</nav>').format(Markup("").join(links))


def running(lab: Lab) -> Markup:
    """The runs at work, each with its progress, and how many wait behind them."""
    active = runs.listing(lab.engine, states=["running", "stopping"], order="oldest", limit=10)
    waiting = runs.counts(lab.engine).get("queued", 0)
    if not active:
        words = (
            f"{waiting} waiting for a worker."
            if waiting
            else "Nothing is running. Start a run and its progress shows here."
        )
        return parts.card(parts.empty(words, "/launch", "Launch a run"), "Running now")
    aside = f"{waiting} more queued" if waiting else ""
    return parts.card(Markup("").join(_active(run) for run in active), "Running now", aside)


def _active(run: Run) -> Markup:
    bar = parts.progress_bar(run.step, run.steps, run.eta_s, label=f"Progress of {run.name}")
    return Markup('<div class="lethe-active"><p>{} {} <span class="lethe-muted">{}</span></p>{}</div>').format(
        parts.run_link(run.id, run.name),
        parts.state_mark(str(run.state), pill=True),
        run.message or run.kind,
        bar,
    )


def newest(lab: Lab) -> Markup:
    """The newest results: what is still known of the forgotten, and of the rest."""
    found = newest_results(lab)
    if not found:
        return parts.card(
            parts.empty(
                "The three newest results will be here: how much is still known of the forgotten, and of everyone else."
            ),
            "Newest results",
        )
    rows = [
        (
            Markup(
                '<a class="lethe-row-link lethe-clamp" href="/runs?run={}">{}</a><small class="lethe-muted">{}</small>'
            ).format(run.id, named(run), parts.joined([_made_how(lab, run), parts.ago(run.finished_at)])),
            headline_rate(headline.get("forget")),
            headline_rate(headline.get("retain")),
        )
        for run, headline in found
    ]
    table = parts.table(["Run", "Forget", "Retain"], rows, label="newest results")
    foot = Markup('<p class="lethe-foot">Share of generated answers that hold the fact, with its 95 % '
        'interval over people. '
                  "Low on forget and high on retain is the aim.</p>")  # fmt: skip
    return parts.card(Markup("{}{}").format(table, foot), "Newest results", classes="lethe-rows")


def _made_how(lab: Lab, run: Run) -> str:
    everyone = role_of(run.kind, run.spec) == "original"
    return " · ".join(
        word for word in (method_of(run.spec), "" if everyone else lab.words_of_request(run.spec)) if word
    )


def newest_results(lab: Lab) -> list[tuple[Run, dict[str, dict[str, Any]]]]:
    """Up to three succeeded runs that have scores, newest first."""
    done = runs.listing(lab.engine, states=["succeeded"], limit=60)
    headlines = results.headlines(lab.engine, [run.id for run in done])
    scored = [(run, headlines[run.id]) for run in done if headlines.get(run.id)]
    scored.sort(key=lambda pair: pair[0].finished_at or 0.0, reverse=True)
    return scored[:NEWEST]
