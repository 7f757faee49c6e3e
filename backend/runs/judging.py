"""The judge's part of an evaluation: written answers are marked by another model once all of them are in.

MLLMU-Bench and OFFSIDE publish a scale each, and their answers are marked on it. All other answers (demo, CLEAR, own
data) are marked on MLLMU-Bench's, from 1 to 10: OFFSIDE's takes marks off for any language but English, which own data
need not be in. Marks are kept in the folder `judge` of the lab's home, so an evaluation that was resumed asks for none
twice.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from backend.benchmarks.item import Item
from backend.metrics.judge import Answer, Endpoint, Verdict, from_environment, judge, offside_mark_as_coded
from backend.metrics.rules import Rules
from backend.metrics.score import Answered
from backend.runs.job import Job, log

JUDGED_TASKS = ("generation", "caption")
PORTION = 32
"""Answers put to the judge between two looks at whether the run should stop."""


class CannotJudge(ValueError):
    """The judge was asked for and cannot be reached as things are; the message says what to set."""


def endpoint_at_hand() -> Endpoint:
    """The judge that the environment names. Raises `CannotJudge` where it names none, or one that cannot be."""
    try:
        endpoint = from_environment()
    except ValueError as error:
        raise CannotJudge(str(error)) from None
    if endpoint is None:
        raise CannotJudge(
            "the judge is asked for and LETHE_JUDGE_URL is not set; "
            "set it where the lab is started, or leave the judge out"
        )
    return endpoint


def scale_of(rules: Rules) -> Literal["mllmu", "offside"]:
    """The scale on which answers to these rules are marked."""
    return "offside" if rules.name == "offside" else "mllmu"


def is_judged(rules: Rules, item: Item) -> bool:
    """Whether the item's answer is written, and is a sentence that a judge can weigh."""
    return item.task in JUDGED_TASKS and rules.written(item)


def judged(job: Job, endpoint: Endpoint, rules: Rules, answered: Sequence[Answered]) -> list[Answered]:
    """The answers with `factuality` (None where the judge failed) and `judge_failed` among the measures of those that
    are judged, and the judge's reason beside them; OFFSIDE's with `factuality_as_coded` too.

    The rest are not asked where a portion got no mark because the endpoint is closed. A portion that got none because
    its answers cannot be marked, as a collapsed model's, ends nothing. Raises `Stopped` between portions.
    """
    logging.getLogger("httpx").setLevel(logging.WARNING)  # else it writes a line for every mark
    asked = [one for one in answered if is_judged(rules, one.item)]
    found: dict[str, Verdict] = {}
    job.new_phase()
    for at in range(0, len(asked), PORTION):
        portion = asked[at : at + PORTION]
        texts = [Answer(one.item.question, one.item.answer, one.text) for one in portion]
        verdicts = judge(texts, scale_of(rules), endpoint, job.home / "judge")
        found |= {one.item.id: verdict for one, verdict in zip(portion, verdicts, strict=True)}
        job.progress(at + len(portion), len(asked), "judging", counts=False)
        job.raise_if_stopped()
        if all(verdict.score is None for verdict in verdicts) and any(verdict.closed for verdict in verdicts):
            why = next(verdict.reason for verdict in verdicts if verdict.closed)
            rest = Verdict(None, f"not asked: {why.removeprefix('not asked: ')}", closed=True)
            found |= {one.item.id: rest for one in asked[at + PORTION :]}
            break
    _tell(found)
    return [_marked(rules, one, found[one.item.id]) if one.item.id in found else one for one in answered]


def _marked(rules: Rules, answer: Answered, verdict: Verdict) -> Answered:
    marks = {"factuality": verdict.score, "judge_failed": float(verdict.score is None)}
    if scale_of(rules) == "offside":
        marks["factuality_as_coded"] = offside_mark_as_coded(verdict)
    words = {"score": verdict.score, "reason": verdict.reason}
    return replace(answer, measures={**answer.measures, **marks}, detail={**answer.detail, "judge": words})


def _tell(found: dict[str, Verdict]) -> None:
    failed = [verdict.reason for verdict in found.values() if verdict.score is None]
    log.info("judged %d answers, %d of them marked before", len(found), sum(one.cached for one in found.values()))
    if failed:
        log.warning("the judge failed on %d of %d answers: %s", len(failed), len(found), failed[0])
