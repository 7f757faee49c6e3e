"""How near is an answer's wording to the true answer: ROUGE, BLEU and the rules that papers build on them.

The counting is done by `rouge_score` and `nltk`; what is ours is which of their settings each benchmark uses. Nothing
here downloads anything. All scores lie in [0, 1]; an empty answer scores 0, an empty true answer is an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

from nltk.tokenize.destructive import NLTKWordTokenizer
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu
from rouge_score.rouge_scorer import RougeScorer

_ROUGE = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)
_SMOOTHING = SmoothingFunction().method1
_WORDS = NLTKWordTokenizer()
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


def rouge(answer: str, truth: str) -> dict[str, float]:
    """ROUGE-1, ROUGE-2 and ROUGE-L F-measure, and ROUGE-L recall, of one answer.

    Formula: with m the n-grams that both share (ROUGE-L: the length of the longest common subsequence),
    P = m/|answer|, R = m/|truth|, F = 2PR/(P+R). Words are lower-cased, [a-z0-9] only, and stemmed (Porter).
    Keys: `rouge1`, `rouge2`, `rougeL` (F) and `rougeL_recall`.
    Source: MLLMU-Bench (arXiv 2410.22108, generation task) and OFFSIDE report the three F-measures; CLEAR
    (arXiv 2410.18057) reports `rougeL_recall`, with the same stemmer.
    Raises `ValueError` when the true answer holds no word that ROUGE counts.
    """
    _refuse_blank(truth)
    if not re.search("[a-z0-9]", truth.lower()):
        raise ValueError(f"ROUGE counts only a-z and 0-9, and the true answer {truth!r} has neither")
    scores = _ROUGE.score(truth, answer)
    measured = {name: float(scores[name].fmeasure) for name in ("rouge1", "rouge2", "rougeL")}
    return {**measured, "rougeL_recall": float(scores["rougeL"].recall)}


def bleu(answer: str, truth: str, tokens: Literal["whitespace", "words"] = "whitespace") -> float:
    """Sentence BLEU of one answer, to 4-grams, smoothed by NLTK's method 1 (0.1 where no n-gram is shared).

    Formula: BP · exp(¼ Σ_n log p_n), BP = min(1, exp(1 − |truth|/|answer|)).
    `tokens`: `whitespace` keeps case and punctuation (MLLMU-Bench, arXiv 2410.22108, generation task); `words`
    lower-cases and splits off punctuation (OFFSIDE, `eval_generation.py`).
    Answers under four tokens have no 4-grams, so even a perfect one scores under 1: 0.18 for one token, 0.32 for two,
    0.56 for three.
    Differs: OFFSIDE's script finds sentences with NLTK's trained splitter, which must be downloaded and keeps a known
    abbreviation (`Dr. Lind`) in one sentence; here a sentence ends at . ! or ? before a blank.
    Raises `ValueError` when the true answer is empty.
    """
    _refuse_blank(truth)
    split = _SPLITTERS[tokens]
    return float(sentence_bleu([split(truth)], split(answer), smoothing_function=_SMOOTHING))


def offside_overall(answer: str, truth: str) -> float:
    """OFFSIDE's overall score of one answer: the mean of BLEU on words and the F-measures of ROUGE-1, -2 and -L.

    Source: OFFSIDE, `eval_generation.py`. Theirs is the mean of four averages over answers, which is the same as the
    average of this. Raises `ValueError` as `rouge` and `bleu` do.
    """
    measured = rouge(answer, truth)
    return (bleu(answer, truth, "words") + measured["rouge1"] + measured["rouge2"] + measured["rougeL"]) / 4


def cloze_as_coded(answer: str, truth: str) -> bool:
    """MLLMU-Bench's cloze rule: the true answer is a substring of the answer, case aside.

    Source: MLLMU-Bench (arXiv 2410.22108), `eval.py`. Differs: `backend.metrics.answers.holds` wants whole words, so
    that `Art` is not found in `Martha`. Raises `ValueError` when the true answer is empty.
    """
    _refuse_blank(truth)
    return truth.lower() in answer.lower()


def _words(text: str) -> list[str]:
    return [word for sentence in _SENTENCE_END.split(text.lower()) for word in _WORDS.tokenize(sentence)]


_SPLITTERS: dict[str, Callable[[str], list[str]]] = {"whitespace": str.split, "words": _words}


def _refuse_blank(truth: str) -> None:
    if not truth.strip():
        raise ValueError("the true answer is empty: there is nothing to compare an answer with")
