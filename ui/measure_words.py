"""What each measure says, in one line, and which way is better in the set it stands in.

Promises: a direction is given only where it is beyond doubt. What a model knows should be gone from the forget and the
test set and stay in the others; of held-out people nothing was ever known, so no way is better there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

Best = Literal["knows", "knows not", "high", "low", "nought", "half", ""]
"""A high figure means that the model knows, that it does not; or high, low, 0 or .5 is best wherever it stands."""

GONE = ("forget", "test")
STAYS = ("retain", "celebrity", "general")
HIGHER, LOWER, NOUGHT, HALF = "↑", "↓", "→0", "→.5"
SPOKEN = {HIGHER: "higher is better", LOWER: "lower is better", NOUGHT: "0 is best", HALF: "0.5 is best"}


@dataclass(frozen=True)
class Meaning:
    """`words` are one line without a full stop. Measures of one `family` stand together; those of one `series` differ
    in the score they are made from alone, and `by` says which it is. `coded` is what differs in its twin `…_as_coded`,
    by the published script's rule; empty where it has none."""

    family: str
    words: str
    best: Best = ""
    series: str = ""
    by: str = ""
    coded: str = ""


MEMORY, TEXT, CHOICE = "How firmly the truth sits", "The written answer", "The choice"
SAMPLED, JUDGED, WHOLE = "Sampled answers", "The judge", "The whole evaluation"
CHECK, LIKE_MEMBERS = "What the original knew", "Membership"
FAMILIES = (WHOLE, MEMORY, TEXT, CHOICE, SAMPLED, JUDGED, LIKE_MEMBERS, CHECK, "")

GLOBAL_MEAN = "in the truth ratio the wrong answers' loss is averaged over all questions at once"

MEANINGS: dict[str, Meaning] = {
    "exact_memorisation": Meaning(MEMORY, "share of the true answer's tokens that are the likeliest", "knows"),
    "extraction_strength": Meaning(
        MEMORY,
        "share of the true answer that follows by itself from its shortest beginning",
        "knows",
        coded="an answer of n tokens whose last is wrong scores 1/n, not 0",
    ),
    "loss": Meaning(MEMORY, "mean surprise at the true answer, in nats a token", "knows not"),
    "zlib": Meaning(MEMORY, "loss set against how far the true answer's wording can be compressed", "knows not"),
    "min_k_20": Meaning(MEMORY, "mean log-probability of the true answer's 20 % least likely tokens", "knows"),
    "min_k_40": Meaning(MEMORY, "mean log-probability of the true answer's 40 % least likely tokens", "knows"),
    "min_k_plus_20": Meaning(MEMORY, "as min_k_20, in units of the vocabulary's spread", "knows"),
    "min_k_plus_40": Meaning(MEMORY, "as min_k_40, in units of the vocabulary's spread", "knows"),
    "truth_ratio": Meaning(
        MEMORY,
        "how much likelier the paraphrased truth is than wrong answers; over 1 when the model knows",
        "knows",
        coded="the wrong answers' loss is averaged over all questions at once, so each ratio depends on the others",
    ),
    "rouge1": Meaning(TEXT, "single words in common with the true answer", "knows"),
    "rouge2": Meaning(TEXT, "pairs of words in common with the true answer", "knows"),
    "rougeL": Meaning(TEXT, "longest run of words in common with the true answer, in order", "knows"),
    "rougeL_recall": Meaning(TEXT, "share of the true answer's words that come back in order", "knows"),
    "bleu": Meaning(TEXT, "runs of one to four words in common with the true answer", "knows"),
    "overall": Meaning(TEXT, "OFFSIDE's mean of BLEU and three ROUGE", "knows"),
    "accuracy": Meaning(
        TEXT,
        "share of answers that are right",
        "knows",
        coded="MLLMU-Bench takes the first character for the letter and a fact inside a longer word for the fact, "
        "OFFSIDE reads a letter out of two fixed forms alone",
    ),
    "probability": Meaning(MEMORY, "the true answer's likelihood a token", "knows"),
    "option_accuracy": Meaning(CHOICE, "share of questions whose true option is the likeliest", "knows"),
    "option_probability": Meaning(CHOICE, "the true option's share of the probability of all options", "knows"),
    "parsed": Meaning(CHOICE, "share of answers from which a letter could be read; the rest count as wrong", "high"),
    "factuality": Meaning(
        JUDGED,
        "the judge's mark for how true the answer is, 10 at most",
        "knows",
        coded="an answer that got no mark counts as 0",
    ),
    "judge_failed": Meaning(JUDGED, "share of answers that got no mark", "low"),
    "known_before": Meaning(CHECK, "share of the items that the original answered rightly"),
    "accuracy_of_known": Meaning(CHECK, "accuracy over what the original answered rightly", "knows"),
    "model_utility": Meaning(WHOLE, "CLEAR: harmonic mean over all that should stay", "high"),
    "real": Meaning(
        WHOLE, "CLEAR: probability and truth ratio on real faces and the real world", "high", coded=GLOBAL_MEAN
    ),
    "retain": Meaning(WHOLE, "CLEAR: probability and truth ratio on the retain set", "high", coded=GLOBAL_MEAN),
    "forget": Meaning(
        WHOLE, "CLEAR: probability and truth ratio that are left on the forget set", "low", coded=GLOBAL_MEAN
    ),
}

SETS_AVERAGED = ("accuracy", "bleu", "rouge1", "rouge2", "rougeL", "overall", "factuality")
MEANINGS |= {
    f"mean_of_sets_{name}": Meaning(
        WHOLE,
        f"OFFSIDE: plain mean of {name} over forget, test and retain set, with pictures; relearn is not asked",
        coded=MEANINGS[name].coded,
    )
    for name in SETS_AVERAGED
}

PATTERNS: tuple[tuple[str, Meaning], ...] = (
    (r"leak@(\d+)", Meaning(SAMPLED, "chance that at least one of {} sampled answers gives the fact away", "knows")),
    (
        r"member_auc_(.+)",
        Meaning(
            LIKE_MEMBERS,
            "how often a forget item looks more like taught than a held-out person's; 1: always, .5: cannot be told",
            series="member_auc",
        ),
    ),
    (
        r"gold_auc_(.+)",
        Meaning(
            LIKE_MEMBERS,
            "how often a forget item looks more like taught here than under the retain-only model; .5: as there",
            "half",
            series="gold_auc",
        ),
    ),
    (
        r"privleak_(.+)",
        Meaning(
            LIKE_MEMBERS,
            "membership AUC set against the retain-only model's, in per cent; −100: all is known, over 0: it shows",
            "nought",
            series="privleak",
        ),
    ),
    (
        r"forget_quality_ks",
        Meaning(WHOLE, "p-value that the forget answers are a retain-only model's; over .05: not told apart", "high"),
    ),
    (
        r"forget_quality_1_minus_js",
        Meaning(
            WHOLE,
            "how like a retain-only model's the forget answers are; 1: alike",
            "high",
            coded="the ratios are compared question by question as if they were probabilities, not as histograms",
        ),
    ),
)
"""Measures of which there are several, by the pattern of their names; what the pattern catches goes into the words."""

AS_CODED = "_as_coded"


def meaning(metric: str) -> Meaning | None:
    """What a measure says; None for one that is not known here. `…_as_coded` is its twin by the paper's script, and
    known where it is said what differs."""
    found = MEANINGS.get(metric) or _by_pattern(metric)
    if found is not None:
        return found
    plain = metric.removesuffix(AS_CODED)
    twin = meaning(plain) if plain != metric else None
    return replace(twin, words=f"{twin.words}; as coded: {twin.coded}") if twin and twin.coded else None


def _by_pattern(metric: str) -> Meaning | None:
    for pattern, rule in PATTERNS:
        if caught := re.fullmatch(pattern, metric):
            by = caught[1] if rule.series else ""
            return replace(rule, words=rule.words.format(*caught.groups()), by=by)
    return None


def direction(metric: str, item_set: str) -> str:
    """`↑` or `↓` for what is better in that set, `→0` or `→.5` for what is best; empty where it cannot be said."""
    found = meaning(metric)
    best = found.best if found else ""
    if best in ("knows", "knows not"):
        if item_set not in (*GONE, *STAYS):
            return ""
        return HIGHER if (item_set in STAYS) == (best == "knows") else LOWER
    return {"high": HIGHER, "low": LOWER, "nought": NOUGHT, "half": HALF}.get(best, "")
