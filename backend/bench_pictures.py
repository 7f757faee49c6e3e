"""What pictures cost a training run: with a step's items drawn evenly and by picture, and features seen or read.

On the demo's own items and model, and on the larger LLaVA of `bench_training`. Two orders are two runs over different
items, so what is compared is seconds and tokens a step, in turns; a picture's features are the same either way.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers

from backend.bench_training import clip_llava, clip_sized
from backend.benchmarks.demo import DemoBenchmark, open_demo
from backend.models.demo import ensure_demo_model
from backend.models.encoding import Encoder
from backend.models.feature_files import seer_of
from backend.models.features import features_for, keep_on_disk
from backend.models.lineage import make_trainable
from backend.models.loading import load
from backend.models.packing import SHOWN, packs_of
from backend.objectives.objective import ObjectiveLoss
from backend.spec import ForgetRequest, Objective, Training
from backend.training.dealing import Deal, Traits
from backend.training.plan import EncodedItems, PairedPlan, collator, labelled

DEALS: tuple[Deal, ...] = ("even", "by_picture")
PICTURES = 24


@dataclass(frozen=True)
class Dealt:
    """Steps of `items` forget and as many retain items: median seconds of the processor, and means a step of the
    pictures shown, of the tokens that go through the language model, and of those that would with nothing shared."""

    model: str
    items: int
    deal: Deal
    busy_s: float
    pictures: float
    tokens: float
    apart: float


@dataclass(frozen=True)
class Seen:
    """Median milliseconds a picture: by the tower, by the tower and onto disk, and from disk in the next run; and the
    seconds that a run spends once on the digest of its tower."""

    tower_ms: float
    written_ms: float
    read_ms: float
    digest_s: float


def deals(folder: Path) -> Iterator[Dealt]:
    """Both orders on the demo's model, and on the larger one with fewer steps."""
    world = open_demo(folder)
    loaded = load(ensure_demo_model(folder, world), device=torch.device("cpu"))
    for size, steps in ((16, 12), (64, 6)):
        yield from _dealt("the demo's model", loaded.model, loaded.processor, world, size, steps)
        loaded = load(ensure_demo_model(folder, world), device=torch.device("cpu"))
    yield from _dealt("the larger LLaVA", clip_llava(clip_sized(loaded.processor)), loaded.processor, world, 16, 3)


def _dealt(name: str, model: Any, processor: Any, world: DemoBenchmark, size: int, steps: int) -> Iterator[Dealt]:
    model = make_trainable(model, Training(lora_dropout=0.0)).train()
    ways = {deal: _stepping(model, Encoder(processor), world, size, steps, deal) for deal in DEALS}
    found: dict[Deal, list[tuple[float, ...]]] = {deal: [] for deal in DEALS}
    for number in range(steps):
        for deal, step in ways.items():
            found[deal].append(step(number))
    for deal, rows in found.items():
        # The first step tries whether the model takes packs and features.
        busy, pictures, tokens, apart = zip(*rows[1:], strict=True)
        means = (statistics.mean(values) for values in (pictures, tokens, apart))
        yield Dealt(name, size, deal, statistics.median(busy), *means)


def _stepping(
    model: Any, encoder: Encoder, world: DemoBenchmark, size: int, steps: int, deal: Deal
) -> Callable[[int], tuple[float, ...]]:
    """A function that takes the n-th step: seconds, pictures, tokens, and tokens with nothing shared."""
    sets = world.forget_items(ForgetRequest()), world.retain_items(ForgetRequest())
    traits = [Traits.of(items) for items in sets]
    plan = PairedPlan(
        len(sets[0]),
        len(sets[1]),
        size * steps,
        seed=0,
        samples_per_step=size,
        forget_traits=traits[0],
        retain_traits=traits[1],
        deal=deal,
    )
    objective = ObjectiveLoss(Objective(forget="npo", retain="ce"), model)
    forget, retain = (EncodedItems(encoder, items) for items in sets)
    collate = collator(encoder, forget, retain)

    def step(number: int) -> tuple[float, ...]:
        batch = collate([plan[index] for index in range(number * size, (number + 1) * size)])
        batch["forget"]["reference_sums"] = objective.reference_sums(batch["forget"])
        model.zero_grad()
        began = time.process_time()
        for part in objective.parts(model, batch, number):
            part.loss.backward()
            del part
        seconds, halves = time.process_time() - began, list(batch.values())
        packs = [packs_of(half, half[SHOWN]) for half in halves]
        return (
            seconds,
            sum(len({id(one) for one in half[SHOWN].pictures if one is not None}) for half in halves),
            sum(pack.length for found in packs for pack in found),
            sum(int(half["attention_mask"].sum()) for half in halves),
        )

    return step


def features(folder: Path) -> Seen:
    """The larger LLaVA's features of some of the demo's pictures, in a first run and in a second."""
    world = open_demo(folder)
    processor = clip_sized(load(ensure_demo_model(folder, world), device=torch.device("cpu")).processor)
    with tempfile.TemporaryDirectory() as kept:
        first, digest_s = _looking(processor, world, Path(kept))
        again, _ = _looking(processor, world, Path(kept))
        bare, _ = _looking(processor, world, None)
    tower, written, read = (1000 * statistics.median(found) for found in (bare, first, again))
    return Seen(tower, written, read, digest_s)


def _looking(processor: Any, world: DemoBenchmark, home: Path | None) -> tuple[list[float], float]:
    """Seconds for each picture but the first, and for the digest of the tower."""
    model: Any = clip_llava(processor).eval().requires_grad_(False)
    if home is not None:
        keep_on_disk(model, home)
    encoder, found = Encoder(processor), []
    people = world.people()[: PICTURES + 2]
    rows = [encoder.encode("Who is this person?", f"{person.name}.", person.picture) for person in people]
    batch = labelled(encoder, rows)
    shown = batch.pop(SHOWN)
    kept = features_for(model, model, batch, shown)
    assert kept is not None
    pictures = [row.picture for row in rows if row.picture is not None]
    kept.of(pictures[1:2], batch)  # the first to be named, for which the tower is read
    began = time.perf_counter()
    seer_of(model)
    digest_s = time.perf_counter() - began
    for picture in pictures[2:]:
        began = time.perf_counter()
        kept.of([picture], batch)
        found.append(time.perf_counter() - began)
    return found, digest_s


def told(folder: Path) -> Iterator[str]:
    """What is measured, a sentence as soon as it is known."""
    yield said_of_features(features(folder))
    even: Dealt | None = None
    for one in deals(folder):
        even = one if one.deal == "even" or even is None else even
        yield said_of_deal(one, even)


def said_of_deal(one: Dealt, even: Dealt) -> str:
    return (
        f"NPO step on {one.model}, {one.items} items of each set, {one.deal}: {one.busy_s:.2f} s of the processor "
        f"({even.busy_s / one.busy_s:.1f}×), {one.pictures:.1f} pictures, {one.tokens:.0f} tokens of {one.apart:.0f} "
        "with nothing shared"
    )


def said_of_features(seen: Seen) -> str:
    return (
        f"Features of a picture, CLIP-B/16's size: by the tower {seen.tower_ms:.0f} ms, and onto disk "
        f"{seen.written_ms:.0f} ms, from disk in a second run {seen.read_ms:.1f} ms; {seen.digest_s:.1f} s once a run"
    )


def main() -> None:
    transformers.utils.logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as folder:
        for sentence in told(Path(folder)):
            print(sentence, flush=True)


if __name__ == "__main__":
    main()
