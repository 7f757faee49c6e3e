"""Forgetting without a forget term: MLP neurons that are cut (MANU), what was learnt of the forget set subtracted, or
an instruction not to know.

None touches the model it starts from: cut weights are a checkpoint of their own, what is subtracted is an adapter that
can be switched off, and an instruction has no weights.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from backend.benchmarks.item import Benchmark, Item
from backend.models.anatomy import anatomy, parts_named
from backend.models.encoding import Encoder, place
from backend.models.lineage import Opened
from backend.models.pruning import Activity, Mlp, Watch, cut, importance, mlps, most_forgettable
from backend.objectives.seen import ObjectiveRefused
from backend.runs.job import Job, log
from backend.spec import UnlearnSpec
from storage import runs


def subtract(model: nn.Module, times: float) -> None:
    """Turns an adapter into minus `times` what it adds, in place: θ + τ becomes θ − α τ (arXiv 2212.04089).

    Raises `ObjectiveRefused` when the model has no adapter.
    """
    found = [weight for name, weight in model.named_parameters() if "lora_B" in name]
    if not found:
        raise ObjectiveRefused("there is no adapter whose weights could be subtracted")
    with torch.no_grad():
        for weight in found:
            weight.mul_(-times)


def instruction(spec: UnlearnSpec, benchmark: Benchmark) -> str:
    """What the model is told before every question: the spec's sentence, with the names of the forget set in it."""
    forgotten = set(benchmark.split(spec.request).forget)
    names = [person.name for person in benchmark.people() if person.id in forgotten]
    return spec.edit.instruction.replace("{people}", ", ".join(names))


def prune_neurons(job: Job, spec: UnlearnSpec, benchmark: Benchmark, opened: Opened, encoder: Encoder) -> Any:
    """The opened model without the MLP neurons that matter to the forget set and not to the retain set, in the parts
    that `training.modules` names (MANU, arXiv 2502.15910, `backend/models/pruning.py`).

    Each question with a picture is read twice, with it and as text, up to its last token. The published code names
    what it prunes by labels that no model has and so prunes nothing; here the run fails where nothing was cut.
    """
    found = mlps(opened.model, parts_named(spec.training.modules))
    if not found:
        raise ObjectiveRefused(f"no MLP was found in {spec.training.modules}, so there is nothing to prune")
    total = sum(mlp.neurons for mlp in found.values())
    if not round(spec.edit.prune_share * total):
        raise ObjectiveRefused(f"{spec.edit.prune_share:.3%} of {total} neurons is none; prune a larger share")
    sets = {
        "forget": _pictured(spec, benchmark.forget_items(spec.request), "forget"),
        "retain": _pictured(spec, benchmark.retain_items(spec.request), "retain"),
    }
    watched = _Watched(job, spec, opened.model, encoder, found, 2 * sum(map(len, sets.values())))
    scores = {name: watched.scores(items) for name, items in sets.items()}
    chosen = most_forgettable(scores["forget"], scores["retain"], spec.edit.prune_share)
    count = cut(found, chosen)
    if not count:
        raise ObjectiveRefused("the neurons that would be pruned do nothing already; prune a larger share")
    _tell(job, opened.model, {name: (len(chosen[name]), mlp.neurons) for name, mlp in found.items()}, count)
    return opened.model


def _pictured(spec: UnlearnSpec, items: Sequence[Item], which: str) -> list[Item]:
    pictured = [item for item in items if item.image is not None]
    if not pictured:
        raise ObjectiveRefused(f"the {which} set has no question with a picture, and MANU compares those with text")
    random.Random(f"{spec.training.seed} neurons {which}").shuffle(pictured)
    return pictured[: spec.edit.prune_samples or None]


class _Watched:
    """Reads items with and without their pictures, and scores every neuron by what it did."""

    def __init__(
        self, job: Job, spec: UnlearnSpec, model: Any, encoder: Encoder, found: dict[str, Mlp], readings: int
    ) -> None:
        self._job, self._spec, self._model, self._encoder, self._found = job, spec, model, encoder, found
        part_of = anatomy(model).part_of
        self._tokens = frozenset(name for name in found if part_of(name) == "language")
        self._done, self._of = 0, readings
        job.new_phase()
        job.say("watching the neurons")

    def scores(self, items: list[Item]) -> dict[str, torch.Tensor]:
        """By MLP, (neurons,)."""
        pictured, plain = self._activity(items, pictured=True), self._activity(items, pictured=False)
        return {name: importance(pictured[name], plain[name]) for name in self._found}

    def _activity(self, items: list[Item], *, pictured: bool) -> dict[str, Activity]:
        watch = Watch(self._found, self._tokens, self._spec.edit.fires_above)
        size = self._spec.training.batch_size
        device = next(self._model.parameters()).device
        bf16 = self._spec.training.precision == "bf16"
        self._model.eval()
        with torch.no_grad(), watch.watching(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            for at in range(0, len(items), size):
                some = items[at : at + size]
                self._read(watch, some, pictured)
                self._done += len(some)
                self._job.progress(self._done, self._of, "watching the neurons", counts=False)
                self._job.raise_if_stopped()
        return watch.activity

    def _read(self, watch: Watch, items: list[Item], pictured: bool) -> None:
        rows = [self._encoder.encode(item.question, None, item.image if pictured else None) for item in items]
        batch = place(self._encoder.collate(rows), self._model)
        watch.at = torch.tensor([len(row.ids) - 1 for row in rows])
        inputs = {key: value for key, value in batch.items() if key != "labels"}
        self._model(**inputs, logits_to_keep=1, use_cache=False)


def _tell(job: Job, model: Any, by_mlp: dict[str, tuple[int, int]], count: int) -> None:
    """Writes to the run's row and its log how many neurons were cut, of how many, in which part."""
    part_of, told = anatomy(model).part_of, {"neurons cut": str(count)}
    for part in ("language", "vision"):
        pairs = [pair for name, pair in by_mlp.items() if part_of(name) == part]
        if pairs:
            told[f"neurons cut, {part}"] = f"{sum(one for one, _ in pairs)} of {sum(total for _, total in pairs)}"
    log.info("%s", " · ".join(f"{name} {value}" for name, value in told.items()))
    job.note(versions=dict(runs.get(job.engine, job.id).versions) | told)
