"""One training step in three ways: as published scripts take it, as a run here does, and that with questions packed.

NPO with cross-entropy on a LLaVA with a tower of CLIP-B/16's size at 224 pixels and a language model of twelve layers,
768 wide, with a vocabulary of 32,000; LoRA; random weights. A batch is eight questions about one picture to forget and
eight about one to keep. Each way has a process of its own, so that its peak memory is its own; the ways take a step in
turn, so that other work on the machine falls on all of them; and all three must give the same losses.
"""

from __future__ import annotations

import copy
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
import transformers
from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

from backend.benchmarks.demo import DemoBenchmark, open_demo
from backend.models.demo import ensure_demo_model
from backend.models.encoding import IGNORED, Encoded, Encoder
from backend.models.lineage import make_trainable
from backend.models.loading import load
from backend.models.picture import Picture
from backend.objectives.objective import ObjectiveLoss
from backend.spec import Objective, Training
from backend.training.plan import collator

Way = Literal["published", "apart", "packed"]
WAYS: dict[Way, str] = {
    "published": "as published scripts do",
    "apart": "ours, each question with its picture",
    "packed": "ours, questions packed",
}
QUESTIONS = 8
"""About one picture, in each batch."""
BATCHES = 2
STEPS = 6
WARMING = 2
"""Steps before any is timed: every batch has come up once, so what is kept of it is kept."""
LEARNING_RATE = 1e-4
BETA = 0.1
SAME = 1e-4
"""Largest relative difference of two ways' losses."""
Step = Callable[[int], float]


@dataclass(frozen=True)
class Timed:
    """A step's loss, seconds by the clock, and of the processor (which other work on the machine stretches less)."""

    loss: float
    seconds: float
    busy_s: float


@dataclass(frozen=True)
class Stepping:
    """A way's steps, its process's peak memory, what was spent before the first step, and the tokens of an item."""

    way: Way
    steps: list[Timed]
    peak_mb: float
    preparing_s: float
    tokens: float

    @property
    def losses(self) -> list[float]:
        return [one.loss for one in self.steps]

    @property
    def step_s(self) -> float:
        """Median seconds of a step by the clock."""
        return statistics.median(one.seconds for one in self.steps[WARMING:])

    @property
    def busy_s(self) -> float:
        """Median seconds of the processor a step, over its cores."""
        return statistics.median(one.busy_s for one in self.steps[WARMING:])

    @property
    def items_per_s(self) -> float:
        """Items to forget and to keep that a second trains on."""
        return 2 * QUESTIONS / self.step_s

    def apart_from(self, other: Stepping) -> float:
        """Largest relative difference of two ways' losses."""
        return max(abs(a - b) / abs(b) for a, b in zip(self.losses, other.losses, strict=True))


def measure(folder: Path) -> list[Stepping]:
    """Every way in a process of its own, a step each in turn. Raises `AssertionError` where the losses differ."""
    with ExitStack() as stack:
        processes = [stack.enter_context(_Process(way, folder)) for way in WAYS]
        for number in range(STEPS):
            for process in processes:
                process.step(number)
        found = [process.end() for process in processes]
    for one in found[1:]:
        assert one.apart_from(found[0]) < SAME, f"{WAYS[one.way]}: losses differ by {one.apart_from(found[0]):.1e}"
    return found


def told(found: Sequence[Stepping]) -> Iterator[str]:
    """What was measured, a sentence a way."""
    plain = found[0]
    for one in found:
        speed, busy = plain.step_s / one.step_s, plain.busy_s / one.busy_s
        yield (
            f"NPO step, {2 * QUESTIONS} items of {one.tokens:.0f} tokens, {WAYS[one.way]}: {one.step_s:.2f} s "
            f"({one.busy_s:.2f} s of the processor), {one.items_per_s:.2f} items a second ({speed:.1f}×, by the "
            f"processor's time {busy:.1f}×), peak {one.peak_mb:.0f} MB ({one.peak_mb / plain.peak_mb:.2f}×), losses "
            f"apart by {one.apart_from(plain):.0e}, {one.preparing_s:.1f} s before the first step"
        )


def run(way: Way, folder: Path) -> Stepping:
    """All steps of one way in this process."""
    step, preparing_s, tokens = _prepared(way, folder)
    return Stepping(way, [_timed(step, number) for number in range(STEPS)], peak_mb(), preparing_s, tokens)


def peak_mb() -> float:
    """Most memory that this process ever held, in MB. What `getrusage` says may be the parent's."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 2**20)


def _timed(step: Step, number: int) -> Timed:
    began, worked = time.perf_counter(), time.process_time()
    loss = step(number)
    return Timed(loss, time.perf_counter() - began, time.process_time() - worked)


def _prepared(way: Way, folder: Path) -> tuple[Step, float, float]:
    """A way's step, the seconds spent on what it keeps, and the mean number of an item's tokens."""
    transformers.utils.logging.disable_progress_bar()
    world = open_demo(folder)
    processor = clip_sized(load(ensure_demo_model(folder, world), device=torch.device("cpu")).processor)
    encoder = Encoder(processor)
    forget, retain = (_rows(encoder, world, person) for person in (0, BATCHES))
    if way != "packed":
        # Pictures that are not known to be the same: nothing is shared, and the tower still looks at each only once.
        forget, retain = ([replace(row, picture=_again(row)) for row in rows] for rows in (forget, retain))
    model = make_trainable(clip_llava(processor), Training(lora_dropout=0.0, seed=1)).train()
    began = time.perf_counter()
    make = _published if way == "published" else _ours
    step = make(model, encoder, forget, retain)
    return step, time.perf_counter() - began, statistics.mean(len(row.ids) for row in [*forget, *retain])


# -- a way's process --------------------------------------------------------------------------------------------------


class _Process:
    """Takes a step when it is told to, and sleeps in between."""

    def __init__(self, way: Way, folder: Path) -> None:
        self._way, self._steps = way, list[Timed]()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "backend.bench_training", way, str(folder)],
            cwd=Path(__file__).parent.parent,
            # Threads that wait for their next step must not spin: another way is being timed.
            env={"GOMP_SPINCOUNT": "1000"} | os.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._began = self._said()

    def __enter__(self) -> _Process:
        return self

    def __exit__(self, *_: object) -> None:
        with self._process:
            self._process.kill()

    def step(self, number: int) -> None:
        assert self._process.stdin is not None
        print(number, file=self._process.stdin, flush=True)
        self._steps.append(Timed(**self._said()))

    def end(self) -> Stepping:
        assert self._process.stdin is not None
        self._process.stdin.close()
        return Stepping(self._way, self._steps, **self._began, **self._said())

    def _said(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the process that takes a step {WAYS[self._way]} has ended; see above")
        return dict(json.loads(line))


def _serve(way: Way, folder: Path) -> None:
    step, preparing_s, tokens = _prepared(way, folder)
    print(json.dumps({"preparing_s": preparing_s, "tokens": tokens}), flush=True)
    for line in sys.stdin:
        print(json.dumps(asdict(_timed(step, int(line)))), flush=True)
    print(json.dumps({"peak_mb": peak_mb()}), flush=True)


# -- the ways ---------------------------------------------------------------------------------------------------------


def _ours(model: Any, encoder: Encoder, forget: list[Encoded], retain: list[Encoded]) -> Step:
    """Kept reference, answer positions only, one graph at a time."""
    objective = ObjectiveLoss(Objective(forget="npo", retain="ce", beta=BETA), model)
    optimiser = _optimiser(model)
    plain, sums = collator(encoder, forget, retain), []
    for number in range(BATCHES):
        sums += objective.reference_sums(plain(_pairs(number))["forget"]).tolist()
    collate = collator(encoder, forget, retain, sums)

    def step(number: int) -> float:
        optimiser.zero_grad()
        total = 0.0
        for part in objective.parts(model, collate(_pairs(number)), number):
            part.loss.backward()
            total += float(part.loss.detach())
            del part
        optimiser.step()
        return total

    return step


def _published(model: Any, encoder: Encoder, forget: list[Encoded], retain: list[Encoded]) -> Step:
    """A copy of the model as the reference, asked at every step; logits of every position; one loss, one backward."""
    reference = copy.deepcopy(model).eval()
    optimiser = _optimiser(model)

    def log_probs(asked: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        logits = asked(**{key: value for key, value in batch.items() if key != "labels"}).logits[:, :-1]
        losses = torch.nn.functional.cross_entropy(
            logits.transpose(1, 2), batch["labels"][:, 1:], ignore_index=IGNORED, reduction="none"
        )
        return -losses.sum(dim=1)

    def step(number: int) -> float:
        at = slice((number % BATCHES) * QUESTIONS, (number % BATCHES + 1) * QUESTIONS)
        optimiser.zero_grad()
        gone, kept = encoder.collate(forget[at]), encoder.collate(retain[at])
        with torch.no_grad():
            before = log_probs(reference, gone)
        ratio = log_probs(model, gone) - before
        npo = -(2 / BETA) * torch.nn.functional.logsigmoid(-BETA * ratio).mean()
        loss = npo + model(**kept).loss
        loss.backward()
        optimiser.step()
        return float(loss.detach())

    return step


def _pairs(number: int) -> list[tuple[int | None, int | None]]:
    first = (number % BATCHES) * QUESTIONS
    return [(index, index) for index in range(first, first + QUESTIONS)]


def _optimiser(model: Any) -> torch.optim.Optimizer:
    return torch.optim.AdamW([one for one in model.parameters() if one.requires_grad], lr=LEARNING_RATE)


# -- what is trained, and on what -------------------------------------------------------------------------------------


def _rows(encoder: Encoder, world: DemoBenchmark, first: int) -> list[Encoded]:
    """`QUESTIONS` questions about one picture of each of `BATCHES` people; each is two of the demo's, about 40 tokens
    with the answer."""
    found = []
    for person in world.people()[first : first + BATCHES]:
        items = [item for item in world.training_items((person.id,)) if item.image is not None]
        items = [item for item in items if item.image == items[0].image]
        for number in range(QUESTIONS):
            item, other = items[number % len(items)], items[(number + 1) % len(items)]
            found.append(encoder.encode(f"{item.question} {other.question}", f"{item.answer} {number}", item.image))
    return found


def _again(row: Encoded) -> Any:
    return Picture(row.picture.tensors, row.picture.layout) if row.picture is not None else None


def clip_sized(processor: Any) -> Any:
    """The demo's processor, set to pictures of 224 pixels in 196 patches."""
    processor.image_processor.size = processor.image_processor.crop_size = {"height": 224, "width": 224}
    processor.patch_size = 16
    return processor


def clip_llava(processor: Any) -> LlavaForConditionalGeneration:
    """The model described above, the same one each time."""
    vision = CLIPVisionConfig(
        hidden_size=768,
        intermediate_size=3072,
        num_hidden_layers=12,
        num_attention_heads=12,
        image_size=224,
        patch_size=16,
    )
    text = LlamaConfig(
        vocab_size=32_000,
        hidden_size=768,
        intermediate_size=2048,
        num_hidden_layers=12,
        num_attention_heads=12,
        num_key_value_heads=12,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=processor.tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_select_strategy="default",
        image_seq_length=(224 // 16) ** 2,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return LlavaForConditionalGeneration(config)


def _main(given: Sequence[str]) -> None:
    if given:
        way: Any = given[0]
        _serve(way, Path(given[1]))
        return
    with tempfile.TemporaryDirectory() as folder:
        print("\n".join(told(measure(Path(folder)))))


if __name__ == "__main__":
    _main(sys.argv[1:])
