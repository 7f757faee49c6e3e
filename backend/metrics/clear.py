"""CLEAR's scores (arXiv 2410.18057), most of them TOFU's (arXiv 2401.06121): probability with options, truth ratio,
model utility, and the three columns of its table.

Losses are mean negative log-likelihoods a token, in nats. The truth ratio here is R = exp(mean loss of the perturbed
answers − loss of the paraphrased one): over 1 when the model prefers the truth. TOFU's paper writes 1/R.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from backend.metrics.arrays import Floats, Numbers, finite

GROUPS = {
    "real": ("real_faces", "real_world"),
    "retain": ("retain", "retain_name"),
    "forget": ("forget", "forget_name"),
}
"""The table's columns and the tasks behind them; `_name` is the face recognition task (FaceRec)."""

COLLAPSE_LINE = 0.4
"""CLEAR greys a row whose retain column lies under this: such a model has lost what it should keep."""

LARGEST_EXPONENT = 700.0


@dataclass(frozen=True)
class TaskScores:
    """One task's three averages, each in [0, 1]; `truth_ratio` by the aggregate that fits the task."""

    probability: float
    truth_ratio: float
    rouge: float | None = None


def probability_with_options(truth_loss: float, option_losses: Numbers) -> float:
    """p(truth) / (p(truth) + Σ_i p(option_i)) with p = exp(−loss), in [0, 1], for one question.

    `option_losses` (k,): losses of the false options only. Source: CLEAR, `calculate_metrics.py` (real faces, real
    world and names); TOFU, section 2.2. Raises `ValueError` on empty or non-finite losses.
    """
    losses = np.concatenate([finite([truth_loss], "truth_loss"), finite(option_losses, "option_losses")])
    weights = np.exp(losses.min() - losses)
    return float(weights[0] / weights.sum())


def truth_ratio(paraphrased_loss: float, perturbed_losses: Numbers) -> float:
    """R = exp(mean_i loss(perturbed_i) − loss(paraphrased)) of one question; over 1 when the model knows.

    `perturbed_losses` (k,). Source: TOFU, section 2.2, upside down. Differs: see `truth_ratios_as_coded`. The
    exponent is held within ±700 so that R is finite. Raises `ValueError` on empty or non-finite losses.
    """
    truth = finite([paraphrased_loss], "paraphrased_loss")[0]
    return float(_exp(finite(perturbed_losses, "perturbed_losses").mean() - truth))


def truth_ratios_as_coded(paraphrased_losses: Numbers, perturbed_losses: Sequence[Numbers]) -> Floats:
    """R of n questions as CLEAR's `calculate_metrics.py` has it, (n,).

    `paraphrased_losses` (n,), `perturbed_losses` n rows. Differs: the mean of the perturbed losses is taken over all
    questions at once and not for each question, so that a question's R depends on which others were asked.
    Raises `ValueError` on empty or unequal input.
    """
    truths = finite(paraphrased_losses, "paraphrased_losses")
    if len(perturbed_losses) != truths.size:
        raise ValueError(f"{truths.size} paraphrased losses but {len(perturbed_losses)} rows of perturbed ones")
    rows = [finite(row, "perturbed_losses") for row in perturbed_losses]
    return np.asarray(_exp(np.concatenate(rows).mean() - truths))


def truth_ratio_forget(ratios: Numbers) -> float:
    """mean min(R, 1/R) over questions of the forget set: 1 when truth and falsehood are equally likely, 0 when either
    is certain.

    `ratios` (n,). Source: TOFU, section 2.2; CLEAR, `calculate_metrics.py`. Raises `ValueError` on empty input or a
    ratio that is not over 0.
    """
    ratios = _ratios(ratios)
    return float(np.minimum(ratios, 1 / ratios).mean())


def truth_ratio_utility(ratios: Numbers) -> float:
    """mean max(0, 1 − 1/R) over questions of any other set: 1 when the truth is certain, 0 when R is 1 or less.

    `ratios` (n,). Source: TOFU, section 2.2; CLEAR, `calculate_metrics.py`. Raises `ValueError` on empty input or a
    ratio that is not over 0.
    """
    return float(np.maximum(0.0, 1 - 1 / _ratios(ratios)).mean())


def harmonic_mean(values: Numbers) -> float:
    """n / Σ 1/x, and 0 when any x is 0. Raises `ValueError` on empty or negative values."""
    array = finite(values, "values")
    least = float(array.min())
    if least < 0:
        raise ValueError(f"a harmonic mean needs values of 0 or more, and one is {least:g}")
    return 0.0 if least == 0 else float(least * array.size / (least / array).sum())


def model_utility(tasks: Mapping[str, TaskScores]) -> float:
    """Harmonic mean of {ROUGE-L recall, probability, truth ratio} x {real faces, real world, retain, retain name}.

    Source: CLEAR, `calculate_metrics.py`; TOFU has nine of the kind. Differs: their ROUGE is of answers generated
    without the picture (the pixels are not handed on), and their table's own utility adds the forget tasks.
    Tasks of the forget group are not looked at. Raises `ValueError` when one of the four tasks or its ROUGE is missing.
    """
    wanted = (*GROUPS["real"], *GROUPS["retain"])
    if missing := [name for name in wanted if name not in tasks or tasks[name].rouge is None]:
        raise ValueError(f"model utility needs all three scores of {', '.join(missing)}")
    scores = [tasks[name] for name in wanted]
    return harmonic_mean([value for task in scores for value in (task.rouge or 0.0, *_pair(task))])


def table(tasks: Mapping[str, TaskScores]) -> dict[str, float | None]:
    """CLEAR's columns `real`, `retain` and `forget`: the harmonic mean of probability and truth ratio of two tasks.

    None for a column of which a task was not measured. Source: CLEAR, `build_vllm_table.py`. High is good in real and
    retain; in forget it is what is left.
    """
    return {
        column: harmonic_mean([value for name in names for value in _pair(tasks[name])])
        if all(name in tasks for name in names)
        else None
        for column, names in GROUPS.items()
    }


def below_collapse_line(retain: float) -> bool:
    """True when `table`'s retain column is under 0.4. Source: CLEAR, `build_vllm_table.py`."""
    return retain < COLLAPSE_LINE


def _pair(task: TaskScores) -> tuple[float, float]:
    return task.probability, task.truth_ratio


def _exp(exponents: Floats | np.floating) -> Floats:
    return np.exp(np.clip(exponents, -LARGEST_EXPONENT, LARGEST_EXPONENT))


def _ratios(values: Numbers) -> Floats:
    array = finite(values, "truth ratios")
    if (array <= 0).any():
        raise ValueError(f"a truth ratio is over 0, and one is {array.min():g}")
    return array
