"""The figures that the lab shows, one by one, and the rules behind them: what `docs/metrics.md` is written from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from backend.metrics import (
    against_gold,
    clear,
    clear_table,
    forget_quality,
    four_way,
    judge,
    leak,
    letters,
    membership,
    memorisation,
    shots,
    text,
)


@dataclass(frozen=True)
class Measure:
    """A figure the lab shows: its name, where it stands, what it is, its range, and what guessing gives."""

    name: str
    where: str
    measured: str
    span: str
    chance: str


MEASURES = (
    Measure(
        name="accuracy",
        where="generation, cloze, caption, name",
        measured="share of greedy answers that hold the fact, as whole words; left out where an item names no fact",
        span="0 to 1",
        chance="see the lists below",
    ),
    Measure(
        name="accuracy",
        where="classification",
        measured="share of questions whose true option is the likeliest of four (demo, CLEAR, own data: options "
        "are ranked by log π(option|question), a tie goes to the first), or whose letter is right (the other two)",
        span="0 to 1",
        chance="0.25",
    ),
    Measure(
        name="probability",
        where="every task",
        measured="mean of exp(log π(y|x) / |y|): the true answer's likelihood a token, a geometric mean",
        span="0 to 1",
        chance="about 0",
    ),
    Measure(
        name="option_accuracy, option_probability",
        where="classification, names with wrong names beside them",
        measured="the true option is the likeliest; p(true) / (p(true) + Σ p(false)) with p = exp(−loss)",
        span="0 to 1",
        chance="1 / options",
    ),
    Measure(
        name="parsed",
        where="classification by letter",
        measured="share of answers a letter could be read from; the rest count as wrong",
        span="0 to 1",
        chance="–",
    ),
    Measure(
        name="…_as_coded",
        where="where a paper's script does otherwise",
        measured="the same figure by the published script's rule, to be put beside the paper's",
        span="0 to 1",
        chance="as its twin",
    ),
    Measure(
        name="loss",
        where="every task",
        measured="−log π(y|x) / |y| of the true answer, in nats a token, from one teacher-forced forward",
        span="0 and up",
        chance="log of the vocabulary's size",
    ),
    Measure(
        name="exact_memorisation, extraction_strength",
        where="every task",
        measured="share of the true answer's tokens that are the likeliest; share of it that follows by itself from "
        "the shortest beginning (0 when nothing does)",
        span="0 to 1",
        chance="about 0",
    ),
    Measure(
        name="zlib, min_k_20, min_k_40, min_k_plus_20, min_k_plus_40",
        where="every task",
        measured="membership scores of the true answer: loss over compressed length; the mean of its 20 or 40 % least "
        "likely tokens, plain and in units of the vocabulary's spread",
        span="any number",
        chance="–",
    ),
    Measure(
        name="rouge1, rouge2, rougeL, rougeL_recall, bleu, overall",
        where="written answers of MLLMU-Bench, CLEAR, OFFSIDE and own data",
        measured="words in common with the true answer; `overall` is OFFSIDE's mean of BLEU and three ROUGE",
        span="0 to 1",
        chance="not 0: usual words are shared",
    ),
    Measure(
        name="truth_ratio",
        where="CLEAR",
        measured="exp(mean loss of wrong answers − loss of the paraphrased true one); over 1 when the model knows",
        span="0 and up",
        chance="1",
    ),
    Measure(
        name="real, retain, forget, model_utility",
        where="CLEAR, task `table`",
        measured="harmonic means of probability, truth ratio (and ROUGE) over the paper's tasks; each column also as "
        "coded",
        span="0 to 1",
        chance="–",
    ),
    Measure(
        name="mean_of_sets_accuracy, mean_of_sets_overall, mean_of_sets_bleu, mean_of_sets_rouge1, "
        "mean_of_sets_rouge2, mean_of_sets_rougeL, mean_of_sets_factuality",
        where="OFFSIDE, task `table`, set `all`",
        measured="plain mean of a measure over forget, test and retain set, with pictures: accuracy of classification, "
        "the others of generation",
        span="as its measure's",
        chance="–",
    ),
    Measure(
        name="forget_quality_ks, forget_quality_1_minus_js",
        where="CLEAR, task `table`",
        measured="how like a retain-only model's truth ratios the forget set's are; no number without such a model",
        span="0 to 1",
        chance="–",
    ),
    Measure(
        name="member_auc_…",
        where="forget set, task `table`, where there are held-out people",
        measured="how often a forget item looks more like something taught than a held-out person's item of the same "
        "task and modality does; one row for loss, zlib and each min_k",
        span="0 to 1",
        chance="0.5",
    ),
    Measure(
        name="privleak_…",
        where="forget set, task `table`, where there are held-out people and a retain-only model",
        measured="`member_auc_…` set against the retain-only model's (MUSE), in per cent: 0 is ideal, −100 nothing "
        "forgotten, over 0 forgotten so hard that it shows",
        span="−100 and up",
        chance="0",
    ),
    Measure(
        name="gold_auc_…",
        where="forget set, task `table`, where there is a retain-only model",
        measured="how often a forget item looks more like something taught to this model than one does under the "
        "retain-only model: over 0.5 still a member, under 0.5 forgotten so hard that it shows",
        span="0 to 1",
        chance="0.5",
    ),
    Measure(
        name="leak@k",
        where="open questions of the forget and test sets, in an evaluate run that draws samples",
        measured="chance that one of k answers drawn at temperature 1 holds the fact, from n samples; k is 1, 4, 16, … "
        "and n",
        span="0 to 1",
        chance="1 − (1 − c)^k where one guess is right with chance c",
    ),
    Measure(
        name="factuality, judge_failed",
        where="generation and caption, in an evaluate run with a judge",
        measured="mean mark of another model, of the answers it marked; the share that it could not mark",
        span="1 to 10 (OFFSIDE: 0 to 10); 0 to 1",
        chance="–",
    ),
    Measure(
        name="known_before",
        where="results of unlearning",
        measured="share of the items that the original answered rightly: what it did not know cannot be forgotten",
        span="0 to 1",
        chance="–",
    ),
    Measure(
        name="accuracy_of_known",
        where="results of unlearning",
        measured="accuracy over the items that the original answered rightly, and those alone; n is their number",
        span="0 to 1",
        chance="as for accuracy",
    ),
    Measure(
        name="accuracy/SET",
        where="curves",
        measured="accuracy on a fixed sample of the set's generation questions, asked during training",
        span="0 to 1",
        chance="as for generation",
    ),
    Measure(
        name="forget_loss, retain_loss",
        where="curves",
        measured="cross-entropy of the batch's answers, in nats a token; a mean over samples of their means",
        span="0 and up",
        chance="log of the vocabulary's size",
    ),
    Measure(
        name="loss",
        where="curves",
        measured="what is minimised: γ · forget term + α · retain term",
        span="any number",
        chance="–",
    ),
    Measure(
        name="p(true)",
        where="probe",
        measured="exp(log π(y|x) / |y|) of the true answer to the question as it was put, under each model",
        span="0 to 1",
        chance="about 0",
    ),
    Measure(
        name="leak",
        where="probe",
        measured="whether the answer holds the fact, as whole words",
        span="yes or no",
        chance="see the lists below",
    ),
)
"""In the order in which a person meets them."""


PAPER_RULES: tuple[Callable[..., Any], ...] = (
    letters.letter,
    letters.first_letter,
    letters.strict_letter,
    text.cloze_as_coded,
    text.rouge,
    text.bleu,
    text.offside_overall,
    memorisation.exact_memorisation,
    memorisation.extraction_strength,
    memorisation.extraction_strength_as_coded,
    memorisation.zlib_ratio,
    memorisation.min_k,
    memorisation.min_k_plus,
    clear.probability_with_options,
    clear.truth_ratio,
    clear.truth_ratios_as_coded,
    clear.truth_ratio_forget,
    clear.truth_ratio_utility,
    clear.model_utility,
    clear.table,
    forget_quality.ks_p_value,
    forget_quality.one_minus_js,
    forget_quality.one_minus_js_as_coded,
    membership.auc,
    membership.privleak,
    membership.s_mia,
    against_gold.member_auc,
    against_gold.privleak_of,
    against_gold.gold_auc,
    leak.leak_at_k,
    clear_table.quality_rows,
    four_way.four_way_rows,
    judge.judge,
    judge.offside_mark_as_coded,
    shots.with_shots,
)
"""Each paper's rules and the common panel, in the words of their own docstrings."""
