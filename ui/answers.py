"""Answers as HTML: a card for each model, side by side.

Promises: text from a person or a model is always escaped; a card keeps its height from the first word to the
last; words are marked against the original's answer only once both have ended; a leak is a mark and a word.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from storage.tables import Probe
from ui import parts
from ui.askable import Model
from ui.wording import compare, marked, says

ANSWER_ROLES = ("original", "unlearned", "gold")
LEAK = Markup('<span class="lethe-leak"><span aria-hidden="true">▲</span> leak</span>')


@dataclass(frozen=True, slots=True)
class About:
    """What is known of the question: the true answer (or the `reason` why not), the fact in it, and which
    checkpoints should not know it."""

    truth: str | None = None
    fact: str | None = None
    forgotten_by: frozenset[str] = frozenset()
    reason: str = "the question was typed"

    def leaks(self, answer: Mapping[str, Any]) -> bool:
        """Whether an unlearned model said a fact that it was made to forget."""
        return answer["role"] == "unlearned" and self.told(answer)

    def told(self, answer: Mapping[str, Any]) -> bool:
        """Whether a model that should not know the fact said it, a gold model by chance included."""
        said = answer.get("leaks")
        return answer["checkpoint"] in self.forgotten_by and (says(answer["text"], self.fact) if said is None else said)


# -- from events to answers ------------------------------------------------------------------------


def expected(models: Iterable[Model]) -> list[dict[str, Any]]:
    """An empty answer for each model, so that the cards stand before the first word."""
    return [
        {
            "index": index,
            "checkpoint": model.checkpoint,
            "role": model.role,
            "label": model.name,
            "text": "",
            "ended": False,
        }
        for index, model in enumerate(models)
    ]


def fold(answers: Sequence[dict[str, Any]], event: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The answers after one more event of the stream; what an event does not say stays as it was."""
    now = [dict(answer) for answer in answers]
    kind = event["event"]
    if kind == "start":
        before = {answer["checkpoint"]: answer for answer in now}
        started = [{**_told(told), **_named(before.get(told["checkpoint"]))} for told in event["answers"]]
        return [{"text": "", "ended": False, **answer} for answer in started]
    if kind in ("text", "end"):
        answer = next(answer for answer in now if answer["index"] == event["index"])
        answer.update({key: value for key, value in event.items() if key != "event"})
        answer["ended"] = kind == "end"
    return now


def kept(probe: Probe, models: Iterable[Model] = ()) -> list[dict[str, Any]]:
    """The answers of a kept probe, as if their stream had just ended.

    Models that are still there give their names.
    """
    names = {model.checkpoint: {"label": model.name} for model in models}
    asked = probe.request.get("models", [])
    answers = []
    for index, answer in enumerate(probe.answers):
        checkpoint = answer.get("checkpoint") or (asked[index] if index < len(asked) else "")
        told = {**_told(answer), **names.get(checkpoint, {})}
        answers.append({**told, "index": index, "checkpoint": checkpoint, "ended": True, "probe": probe.id})
    return answers


def _named(expected_answer: Mapping[str, Any] | None) -> dict[str, Any]:
    """The name under which the page announced a model stays on its card."""
    return {"label": expected_answer["label"]} if expected_answer else {}


def _told(answer: Mapping[str, Any]) -> dict[str, Any]:
    """A model that is none of the three identities is shown as a control."""
    role = answer.get("role")
    return {**answer, "role": role if role in ANSWER_ROLES else "control", "label": answer.get("label") or ""}


# -- cards -----------------------------------------------------------------------------------------


def cards(answers: Sequence[Mapping[str, Any]], about: About, *, note: object = "", stopped: bool = False) -> Markup:
    """The cards side by side; `note` stands under them and says what they answer."""
    said = [_card(answer, _reference(answer, answers), about, stopped) for answer in answers]
    busy = any(not answer["ended"] for answer in answers) and not stopped
    return Markup('<div class="lethe-answers lethe-answers-{}" aria-live="polite" aria-busy="{}">{}</div>{}').format(
        len(said), "true" if busy else "false", Markup("").join(said), _note(note)
    )


def blank(models: Sequence[Model], note: str = "Nothing asked yet.") -> Markup:
    """What will be here, with a card for each model that is going to answer; nothing without any."""
    if not models:
        return Markup("")
    waiting = Markup("").join(
        Markup(
            '<article class="lethe-answer lethe-edge-{}">{}<p class="lethe-said lethe-muted">{}</p></article>'
        ).format(model.role, _head(model.role, model.name, ""), "The answer will stand here.")
        for model in models
    )
    return Markup('<div class="lethe-answers lethe-answers-{}">{}</div>{}').format(len(models), waiting, _note(note))


def _note(words: object) -> Markup:
    return Markup('<p class="lethe-kept lethe-muted">{}</p>').format(words)


def _reference(answer: Mapping[str, Any], answers: Sequence[Mapping[str, Any]]) -> str | None:
    """The original's answer, once it and this one have ended; an original is compared with nothing."""
    original = next((other for other in answers if other["role"] == "original"), None)
    if original is None or original is answer or answer["role"] == "original":
        return None
    return original["text"] if original["ended"] and answer["ended"] else None


def _card(answer: Mapping[str, Any], reference: str | None, about: About, stopped: bool) -> Markup:
    # every piece of marked() is escaped where it is made
    text = Markup(marked(compare(reference, answer["text"], about.fact)))
    ended = answer["ended"]
    if not text:
        text = Markup('<span class="lethe-muted">{}</span>').format(
            "no words at all" if ended else "stopped" if stopped else "waiting for the first word"
        )
    elif not ended and not stopped:
        text += Markup('<span class="lethe-caret" aria-hidden="true"></span>')
    seconds = (answer.get("stamp") or {}).get("seconds")
    return Markup(
        '<article class="lethe-answer lethe-edge-{}" aria-label="{}">{}'
        '<div class="lethe-said" tabindex="0" role="group" aria-label="answer">{}</div>'
        '<p class="lethe-verdict">{}</p>{}{}</article>'
    ).format(
        answer["role"],
        f"{answer['role']} {answer['label']}",
        _head(answer["role"], answer["label"], f"{seconds:.1f} s" if seconds is not None else ""),
        text,
        _verdict(answer, about) if ended else "",
        _likelihood(answer, about, stopped),
        Markup('<p class="lethe-stamp">{}</p>').format(stamp(answer)),
    )


def _head(role: str, label: str, seconds: str) -> Markup:
    name = parts.IDENTITIES[role if role in parts.IDENTITIES else "control"][1]
    shown = label if not label.lower().startswith(name.lower()) else label[len(name) :].strip(" ·,-")
    return Markup(
        '<header class="lethe-answer-head"><span><b>{}</b> {}</span><span class="lethe-seconds">{}</span></header>'
    ).format(parts.identity(role), shown, seconds)


def _verdict(answer: Mapping[str, Any], about: About) -> Markup | str:
    if about.leaks(answer):
        return Markup("{} <span>{}</span>").format(LEAK, "it says what it was made to forget")
    if about.told(answer):
        return Markup('<span class="lethe-muted">the control says it too, without having seen it</span>')
    return ""


def _likelihood(answer: Mapping[str, Any], about: About, stopped: bool) -> Markup:
    """The bar of the true answer's likelihood, from 0 to 1; the reason where there is no figure."""
    value = answer.get("likelihood")
    words = "likelihood of the true answer"
    if value is None:
        reason = (
            f"not known: {about.reason}"
            if about.truth is None
            else "not measured"
            if answer["ended"] or stopped
            else ""
        )
        return Markup('<div class="lethe-likelihood"><span class="lethe-muted">{}</span>{}</div>').format(
            words,
            Markup('<p class="lethe-muted">{}</p>').format(reason) if reason else _EMPTY_BAR,
        )
    return Markup(
        '<div class="lethe-likelihood"><span class="lethe-muted">{}</span><div class="lethe-bar-row">'
        '<div class="lethe-track" role="img" aria-label="{}">'
        '<div class="lethe-fill lethe-fill-{}" style="width:{:.1f}%"></div></div>'
        "<b>{}</b></div></div>"
    ).format(words, f"{words}: {value:.2f}", answer["role"], min(1.0, max(0.0, value)) * 100, f"{value:.2f}")


_EMPTY_BAR = Markup('<div class="lethe-bar-row"><div class="lethe-track"></div><b>&nbsp;</b></div>')


def stamp(answer: Mapping[str, Any]) -> Markup | str:
    """What produced an answer: `ckpt 7f3a…c1 · adapter on ×1.00 · greedy · seed 0 · cpu fp32 · 0.4 s`."""
    made = answer.get("stamp") or {}
    if not made:
        return ""
    checkpoint, sha = made.get("checkpoint") or answer["checkpoint"], made.get("sha256") or ""
    adapter, seconds, seed = made.get("adapter"), made.get("seconds"), made.get("seed")
    short = f"{sha[:4]}…{sha[-2:]}" if sha else str(checkpoint)[:8]
    pieces = [
        Markup('ckpt <span title="{}">{}</span>').format(f"checkpoint {checkpoint}, sha256 {sha}", short),
        f"adapter {adapter}" if adapter and adapter.startswith(("on", "off")) else adapter,
        made.get("decoding"),
        f"seed {seed}" if seed is not None else None,
        " ".join(str(made[key]) for key in ("device", "dtype") if made.get(key)),
        f"{seconds:.1f} s" if seconds is not None else None,
    ]
    return parts.joined(Markup('<span class="lethe-whole">{}</span>').format(piece) for piece in pieces if piece)
