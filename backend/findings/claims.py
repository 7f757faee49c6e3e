"""The claims of the four papers that a lab's own runs can bear out or deny. Sources: OFFSIDE (arXiv 2510.22535),
MLLMU-Bench (arXiv 2410.22108), MMUnlearner (arXiv 2502.11051), CLEAR (arXiv 2410.18057).

Two figures differ only where their intervals over people lie apart, or, between two runs, by more than `CLEARLY`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice, product
from typing import Any

import numpy as np

from backend.findings.evidence import RELEARNT, RUMOUR, Case, Cell, Table
from backend.findings.finding import Claim, Verdict, Witness
from backend.suites import PLAIN

CLEARLY = 0.1
HALF = 0.5
CHANCE = 0.05
"""How often the best of attacks that change nothing may pass for one that works."""
FEWEST_RUNS = 5
FORGOT = 0.05
"""A run that lost less of its forget set than this has forgotten nothing."""
DRAWS = 2000


def figure(value: float, places: int = 2) -> str:
    """A rate as pages write it."""
    return f"{value:.{places}f}".removeprefix("0") if 0 <= value < 1 else f"{value:.{places}f}"


def _witness(case: Case, words: str, speaks: int, page: str = "") -> Witness:
    return Witness(case.run, case.name, words, speaks, page or f"/runs?run={case.run}")


def _above(high: Cell, low: Cell) -> bool:
    """Whether one figure is above the other with their intervals apart; without intervals, by more than `CLEARLY`."""
    if high["low"] is None or low["high"] is None:
        return bool(high["value"] - low["value"] > CLEARLY)
    return bool(high["low"] > low["high"])


def text_leaves_the_picture(cases: Sequence[Case]) -> Iterator[Witness]:
    """Runs that unlearned from text only, and did forget the text."""
    for case in cases:
        picture, text = case.open("forget", "image_text"), case.open("forget", "text")
        if case.asked_modality != "text" or not picture or not text or text["value"] > HALF:
            continue
        words = f"picture {figure(picture['value'])}, text {figure(text['value'])} after text-only unlearning"
        yield _witness(case, f"{words}; {_at_first(case, 'text')}", _one_went(case, "text", "image_text"))


def _at_first(case: Case, modality: str) -> str:
    was, name = case.at_first("forget", modality), "text" if modality == "text" else "picture"
    return f"the original's {name} {figure(was['value'])}" if was else f"the original's {name} is not known"


def _one_went(case: Case, gone: str, kept: str) -> int:
    """For it where one modality of the forget set was lost against the original, and more of it than of the other,
    which now lies above it; against it where both were lost and the other is no higher by `CLEARLY`. Where nothing was
    lost, or nobody knows, neither way."""
    low, high = case.open("forget", gone), case.open("forget", kept)
    first, held = case.at_first("forget", gone), case.at_first("forget", kept)
    if low is None or high is None or first is None or held is None or not _above(first, low):
        return 0
    if high["value"] - low["value"] < CLEARLY:
        return -1 if _above(held, high) else 0
    fell_further = first["value"] - low["value"] > held["value"] - high["value"]
    return 1 if fell_further and _above(high, low) else 0


def forgetting_against_keeping(cases: Sequence[Case]) -> Iterator[Witness]:
    """Every run whose original is known: what was lost of the forget set and of the retain set."""
    for case in cases:
        lost = {name: _lost(case, name) for name in ("forget", "retain")}
        if lost["forget"] is not None and lost["retain"] is not None:
            words = f"lost {figure(max(0, lost['forget']))} of forget and {figure(max(0, lost['retain']))} of retain"
            yield _witness(case, words, 0)


def _lost(case: Case, item_set: str) -> float | None:
    before, now = case.mean(item_set, before=True), case.mean(item_set)
    return None if before is None or now is None else before - now


def correlated(cases: Sequence[Case]) -> tuple[Verdict, str]:
    """Pearson's r of the two losses over runs that forgot something, with a bootstrap over runs; runs that differ in
    their seed alone are one. A run that lost nothing of either would only draw the line through the origin."""
    by_settings: dict[str, list[tuple[float, float]]] = {}
    for case in cases:
        forget, retain = _lost(case, "forget"), _lost(case, "retain")
        if forget is not None and retain is not None:
            by_settings.setdefault(_but(case, "training", ("seed",)), []).append((forget, retain))
    folded = [np.mean(pairs, axis=0) for pairs in by_settings.values()]
    known = np.array([pair for pair in folded if pair[0] >= FORGOT], dtype=float)
    if len(known) < FEWEST_RUNS:
        return "cannot tell", f"needs {FEWEST_RUNS} scored runs that forgot something, there are {len(known)}"
    if (known.std(axis=0) < 1e-9).any():
        return "cannot tell", f"all {len(known)} runs lost the same, so nothing can go together"
    value = float(np.corrcoef(known.T)[0, 1])
    drawn = np.random.default_rng(0).integers(0, len(known), size=(DRAWS, len(known)))
    values = [np.corrcoef(known[draw].T)[0, 1] for draw in drawn if (known[draw].std(axis=0) > 1e-9).all()]
    low, high = np.percentile(values, [2.5, 97.5])
    words = f"r = {value:.2f} ({low:.2f} to {high:.2f}), {len(known)} runs"
    if low > 0:
        return "supported", words
    return ("not supported", words) if high < HALF else ("cannot tell", words)


def brought_back(cases: Sequence[Case], wanted: Any, enough: float) -> Iterator[Witness]:
    """Attacks of a kind on each model, one witness a model however often it was attacked.

    For the claim where one brought back at least `enough` of what was forgotten, with an interval above nothing, leaked
    more than the control, interval and all, and gained more over the plain question than the best of as many attacks
    that change nothing; against it where every interval of what came back ends below `enough`.
    """
    for case in cases:
        tables = [(run, _tried(table, wanted)) for run, table in case.attacked.items()]
        tables = [(run, tried) for run, tried in tables if tried]
        tried = [(run, row) for run, rows in tables for row in rows]
        if not tried:
            continue
        telling = [(run, row) for run, row in tried if _tells(row, enough, len(tables))]
        attack_run, worst = max(telling or tried, key=lambda pair: pair[1]["recovery"])
        below = all(row["recovery_high"] is not None and row["recovery_high"] < enough for _, row in tried)
        speaks = 1 if telling else -1 if below else 0
        yield _witness(case, _recovered(worst), speaks, f"/attack?run={attack_run}")


def _tried(table: Table, wanted: Any) -> list[Mapping[str, Any]]:
    return [row for row in table if row["name"] != PLAIN.name and row["recovery"] is not None and wanted(row)]


def _tells(row: Mapping[str, Any], enough: float, runs: int) -> bool:
    """Whether an attack speaks for itself; a model attacked by several `runs` had as many chances."""
    chance = row["chance"]
    above = (row["recovery_low"] or 0) > 0 and (row["gap_low"] or 0) > 0
    return bool(row["recovery"] >= enough and above and chance is not None and chance * runs <= CHANCE)


def _recovered(row: Mapping[str, Any]) -> str:
    half = row.get("half_at")
    where = f" ({row['at']})" if row["at"] else ""
    control = f", control {figure(row['control'])}" if row["control"] is not None else ", no control"
    share = f"{100 * row['recovery']:.0f} %" if row["recovery"] > 0 else "nothing"
    chance = f", p {figure(row['chance'], 3)} over {row['tried']} tried" if row["chance"] is not None else ""
    back = f"{row['title']}{where}: {share} came back{control}{chance}"
    return f"{back}; half of it after {half:.3g} steps" if half is not None else back


def visual_rumours(cases: Sequence[Case]) -> Iterator[Witness]:
    """Pictures with the claim printed into them."""
    yield from brought_back(cases, lambda row: row["name"] == RUMOUR, CLEARLY)


def relearning(cases: Sequence[Case]) -> Iterator[Witness]:
    """A few steps on some of what was forgotten, asked about the rest."""
    yield from brought_back(cases, lambda row: row["name"] in RELEARNT, HALF)


def prompts(cases: Sequence[Case]) -> Iterator[Witness]:
    """Any attack by words."""
    yield from brought_back(cases, lambda row: row["family"] == "prompt", CLEARLY)


def text_against_picture(cases: Sequence[Case]) -> Iterator[Witness]:
    """Pairs of runs alike in all but their forget data: one on text only, the other on pictured questions."""
    alike, differs = partial(_but, group="request", settings=("modality",)), lambda one: one.asked_modality
    yield from _pairs(cases, alike, differs, ("text", "image_text"), _modalities_apart)


def _modalities_apart(text: Case, picture: Case) -> Witness | None:
    open_text, open_picture = text.mean("forget"), picture.mean("forget")
    chosen = [case.cell("forget", "classification", "image_text") for case in (text, picture)]
    if open_text is None or open_picture is None or chosen[0] is None or chosen[1] is None:
        return None
    in_open, in_choice = open_picture - open_text, chosen[0]["value"] - chosen[1]["value"]
    words = (
        f"open questions {figure(open_text)} after text, {figure(open_picture)} after pictures; classification "
        f"{figure(chosen[0]['value'])} and {figure(chosen[1]['value'])}"
    )
    speaks = 1 if min(in_open, in_choice) > CLEARLY else -1 if min(in_open, in_choice) < -CLEARLY else 0
    return _witness(text, words, speaks, f"/compare?a={text.run}&b={picture.run}")


def picture_gone_text_kept(cases: Sequence[Case]) -> Iterator[Witness]:
    """Runs under MMUnlearner's mask."""
    for case in cases:
        picture, text = case.open("forget", "image_text"), case.open("forget", "text")
        if (case.spec.get("objective") or {}).get("mask") != "mmunlearner" or not picture or not text:
            continue
        words = f"picture {figure(picture['value'])}, text {figure(text['value'])}; {_at_first(case, 'image_text')}"
        speaks = _one_went(case, "image_text", "text") if picture["value"] <= HALF else 0
        yield _witness(case, words, speaks)


def l1_keeps_more(cases: Sequence[Case]) -> Iterator[Witness]:
    """Pairs of runs alike in all but l1 on the LoRA weights, that forgot alike."""
    alike = partial(_but, group="objective", settings=("regulariser", "regulariser_weight"), preset=False)
    yield from _pairs(cases, alike, _regulariser, ("l1_lora", "none"), _kept_at_equal_forgetting)


def _kept_at_equal_forgetting(with_l1: Case, without: Case) -> Witness | None:
    forgotten, kept = ([case.mean(name) for case in (with_l1, without)] for name in ("forget", "retain"))
    if None in (*forgotten, *kept) or abs(forgotten[0] - forgotten[1]) > CLEARLY:  # type: ignore[operator]
        return None
    gained = kept[0] - kept[1]  # type: ignore[operator]
    words = f"retain {figure(kept[0])} with l1, {figure(kept[1])} without"  # type: ignore[arg-type]
    speaks = 1 if gained > CLEARLY / 2 else -1 if gained < -CLEARLY / 2 else 0
    return _witness(with_l1, words, speaks, f"/compare?a={with_l1.run}&b={without.run}")


def _regulariser(case: Case) -> str:
    return str((case.spec.get("objective") or {}).get("regulariser", "none"))


def _but(case: Case, group: str, settings: Sequence[str], *, preset: bool = True) -> str:
    """All that made a model but these settings of a group: its whole spec, what it began from, and its data. Without
    `preset` its name goes too, where that follows from a setting."""
    kept = {name: value for name, value in (case.spec.get(group) or {}).items() if name not in settings}
    spec = {**case.spec, group: kept, "model": case.base, "preset": case.spec.get("preset") if preset else ""}
    return json.dumps([spec, case.data], sort_keys=True)


def _pairs(
    cases: Sequence[Case],
    alike: Callable[[Case], str],
    differs: Callable[[Case], str],
    sides: tuple[str, str],
    tell: Callable[[Case, Case], Witness | None],
) -> Iterator[Witness]:
    """What the newest pair of each kind that can tell anything tells: two runs alike, one of each side. A pair is as
    new as the older of the two."""
    seen: dict[str, tuple[list[Case], list[Case]]] = {}
    for case in cases:
        if differs(case) in sides:
            seen.setdefault(alike(case), ([], []))[sides.index(differs(case))].append(case)
    age = {id(case): at for at, case in enumerate(cases)}
    for both in seen.values():
        newest_first = sorted(product(*both), key=lambda pair: sorted((age[id(one)] for one in pair), reverse=True))
        yield from islice((told for pair in newest_first if (told := tell(*pair)) is not None), 1)


NOTHING_WENT = (
    "nothing was lost for certain, the original is not known, or the two accuracies are too near to tell apart"
)
MAY_BE_CHANCE = (
    "too little came back, or it may be chance (with fewer than five people it always may), or the control told as "
    "much, or there is none"
)
TOO_NEAR = "the two differ by too little"
OFFSIDE, MLLMU, MMUNLEARNER, CLEAR = "OFFSIDE", "MLLMU-Bench", "MMUnlearner", "CLEAR"

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "text_only",
        "Forgetting only the text leaves what the picture brings back",
        f"{OFFSIDE} 1",
        "After unlearning from text, the text's accuracy on the forget set lies below the original's and below the "
        "picture's, intervals apart, and fell further.",
        "needs a scored run whose forget data is text only, and which forgot the text",
        text_leaves_the_picture,
        NOTHING_WENT,
    ),
    Claim(
        "collapse",
        "Forgetting is collapse in disguise",
        f"{OFFSIDE} 2",
        "Over runs that forgot something, seeds of one setting being one, what is lost of the forget set and of the "
        "retain set goes together: r above 0 with its interval.",
        f"needs {FEWEST_RUNS} scored runs that forgot something and whose original is known",
        forgetting_against_keeping,
        weigh=correlated,
    ),
    Claim(
        "visual_rumours",
        "Rumours printed into the picture survive",
        f"{OFFSIDE} 3",
        "A printed claim brings back a tenth or more of what was forgotten, beyond the plain question and the control, "
        "with p at most .05 by flipping people's signs.",
        "needs an attack run with visual rumours",
        visual_rumours,
        MAY_BE_CHANCE,
    ),
    Claim(
        "relearning",
        "Relearning brings it back",
        f"{OFFSIDE} 4",
        "Relearning on some of it brings back half or more of the rest, beyond the plain question and a control "
        "relearned alike, with p at most .05 over all step counts tried.",
        "needs an attack run with relearning",
        relearning,
        MAY_BE_CHANCE,
    ),
    Claim(
        "prompts",
        "Prompt attacks work",
        f"{OFFSIDE} 5",
        "Some prompt brings back a tenth or more of what was forgotten, beyond the plain question and the control, "
        "with p at most .05 over all prompts tried.",
        "needs an attack run with prompts",
        prompts,
        MAY_BE_CHANCE,
    ),
    Claim(
        "modality",
        "Text methods forget more in generation and cloze, multimodal ones in classification",
        MLLMU,
        "Of two runs alike in all but their forget data, that on text has the lower open accuracy, that on pictures "
        "the lower classification.",
        "needs a run on text and one on pictures, alike in every other setting, model and data, both scored",
        text_against_picture,
        TOO_NEAR,
        "pair",
    ),
    Claim(
        "visual_link",
        "The visual link goes, the text stays",
        MMUNLEARNER,
        "Under the mask, accuracy with the picture is at most a half and lies below the original's and below that as "
        "text, intervals apart, and fell further.",
        "needs a scored MMUnlearner run",
        picture_gone_text_kept,
        NOTHING_WENT,
    ),
    Claim(
        "l1",
        "l1 on the LoRA weights protects the retain set",
        CLEAR,
        "Of two runs alike in all but l1, that forgot alike, that with l1 keeps more of the retain set.",
        "needs two scored runs alike in every other setting, model and data, with and without l1, that forgot alike",
        l1_keeps_more,
        TOO_NEAR,
        "pair",
    ),
)
