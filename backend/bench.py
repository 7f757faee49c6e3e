"""`python -m backend.bench` times two ways of doing the same thing, side by side in one run: ratios.

Each comparison is one function. The two ways take turns, so that other work on the machine falls on both,
and medians are compared. The model is the demo's with random weights: ratios carry over, seconds do not. Last, every
preset is put to the demo (`bench_presets.py`), which takes longer than all the rest.
"""

from __future__ import annotations

import copy
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from PIL import Image
from rich.console import Console
from rich.table import Table
from transformers import LlavaForConditionalGeneration

from backend import bench_comparing, bench_pictures, bench_presets, bench_training
from backend.bench_reading import measure
from backend.benchmarks.demo import DemoBenchmark, open_demo
from backend.benchmarks.item import Item
from backend.inference.generate import stream
from backend.inference.items import answer_items
from backend.metrics.rules import rules_of
from backend.models.demo import ensure_demo_model
from backend.models.encoding import Encoded, Encoder
from backend.models.lineage import make_trainable
from backend.models.loading import load
from backend.objectives.objective import ObjectiveLoss
from backend.spec import Decoding, Objective, Training
from backend.worker import PRELOAD

REPETITIONS = 7
STARTS = 3
"""Fresh processes are slow to start; three of each kind tell enough."""
BATCH = 16
ANSWER_TOKENS = 16
NEVER = (-1,)
"""No token ends an answer, so that both ways draw the same number of tokens."""

Way = Callable[[], object]


@dataclass(frozen=True)
class Comparison:
    """Median seconds of two ways of doing `what`."""

    what: str
    one: str
    other: str
    one_s: float
    other_s: float

    @property
    def ratio(self) -> float:
        """How many times as long the other way takes."""
        return self.other_s / self.one_s


@dataclass
class Bench:
    """What the comparisons share: a world, its untrained model with LoRA on it, items of two people."""

    world: DemoBenchmark
    processor: Any
    model: Any
    forget: list[Encoded]
    retain: list[Encoded]


def compare(what: str, one: tuple[str, Way], other: tuple[str, Way], repetitions: int = REPETITIONS) -> Comparison:
    """Both ways once unmeasured, then in turns; `one` and `other` are (words, function)."""
    (one_words, one_way), (other_words, other_way) = one, other
    one_way(), other_way()
    pairs = [(_seconds(one_way), _seconds(other_way)) for _ in range(repetitions)]
    ones, others = zip(*pairs, strict=True)
    return Comparison(what, one_words, other_words, statistics.median(ones), statistics.median(others))


def reference(bench: Bench) -> Comparison:
    """An NPO step with the reference's log-probabilities kept, and with them asked of the model anew."""
    objective = ObjectiveLoss(Objective(forget="npo", retain="ce"), bench.model)
    encoder = Encoder(bench.processor)
    forget, retain = encoder.collate(bench.forget), encoder.collate(bench.retain)
    sums = objective.reference_sums(forget)

    def step(reference_sums: torch.Tensor) -> None:
        bench.model.train()
        bench.model.zero_grad()
        batch = {"forget": {**forget, "reference_sums": reference_sums}, "retain": retain}
        for part in objective.parts(bench.model, batch, step=0):
            part.loss.backward()

    return compare(
        "reference of an NPO step",
        ("kept", lambda: step(sums)),
        ("asked anew", lambda: step(objective.reference_sums(forget))),
    )


def pictures(bench: Bench) -> Comparison:
    """A person's items encoded with each picture processed once, and processed for each question."""
    items = [item for item in bench.world.training_items(("p01",)) if item.image is not None][:48]

    def kept() -> None:
        encoder = Encoder(bench.processor)
        for item in items:
            encoder.encode(item.question, item.answer, item.image)

    def anew() -> None:
        for item in items:
            Encoder(bench.processor).encode(item.question, item.answer, item.image)

    return compare(f"pictures of {len(items)} questions", ("kept", kept), ("processed anew", anew))


def side_by_side(bench: Bench) -> Comparison:
    """One question to original and unlearned: two rows of one batch, and one model after the other."""
    encoder, model = Encoder(bench.processor), bench.model.eval()
    row = encoder.encode("Who is this person?", None, bench.world.people()[0].picture)
    decoding = Decoding(max_new_tokens=ANSWER_TOKENS)
    alone, both = encoder.collate([row], side="left"), encoder.collate([row, row], side="left")
    adapter = model.active_adapter

    def batched() -> None:
        list(stream(model, both, decoding, NEVER, adapter_names=["__base__", adapter]))

    def in_turn() -> None:
        with model.disable_adapter():
            list(stream(model, alone, decoding, NEVER))
        list(stream(model, alone, decoding, NEVER))

    return compare("original and unlearned answer", ("one batch", batched), ("one after the other", in_turn))


def process_start(_: Bench) -> Comparison:
    """A process with torch, transformers and peft imported, from start to end: forked, and started fresh."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)

    def forked() -> None:
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=sender.send, args=("ready",))  # nothing of this module is imported there
        with _without_a_main_module():
            process.start()
        receiver.recv()
        process.join()

    def fresh() -> None:
        subprocess.run(
            [sys.executable, "-c", f"import {', '.join(PRELOAD)}"],
            check=True,
            cwd=Path(__file__).parent.parent,
        )

    return compare("a run's process, start to end", ("forked", forked), ("started fresh", fresh), STARTS)


def evaluation(bench: Bench) -> Comparison:
    """The demo model: items answered as an evaluation does, and as the papers' scripts do, one `generate` an item."""
    return _evaluated("evaluation, demo model", bench.model.get_base_model(), bench.processor, bench.world)


def evaluation_of_a_larger_model(bench: Bench) -> Comparison:
    """The same with a vision tower of CLIP-B/16's size at 224 pixels and a language model of twelve layers."""
    config = copy.deepcopy(bench.model.get_base_model().config)
    vision, text = config.vision_config, config.text_config
    vision.hidden_size, vision.intermediate_size, vision.num_hidden_layers = 768, 3072, 12
    vision.num_attention_heads, vision.image_size, vision.patch_size = 12, 224, 16
    text.hidden_size, text.intermediate_size, text.num_hidden_layers = 512, 1376, 12
    text.num_attention_heads = text.num_key_value_heads = 8
    text.head_dim = 64
    config.image_seq_length = (224 // 16) ** 2
    processor = copy.deepcopy(bench.processor)
    processor.image_processor.size = processor.image_processor.crop_size = {"height": 224, "width": 224}
    processor.patch_size = 16
    model = LlavaForConditionalGeneration(config).eval()
    model.generation_config = bench.model.get_base_model().generation_config
    return _evaluated("evaluation, CLIP-B/16 tower, 12 layers", model, processor, bench.world, people=2, repetitions=2)


def _evaluated(
    what: str, model: Any, processor: Any, world: DemoBenchmark, people: int = 6, repetitions: int = 3
) -> Comparison:
    """Raises `AssertionError` where the two ways do not give the same answers."""
    chosen = tuple(person.id for person in world.people()[:people])
    items = [item for item in world.training_items(chosen) if item.image is not None and item.image.stem.endswith("0")]
    answers: dict[str, dict[str, str]] = {}

    def together() -> None:
        asked = answer_items(model, Encoder(processor), items, batch_size=256, quick=True)
        answers["together"] = {one.item.id: one.text for batch in asked for one in batch}

    def one_by_one() -> None:
        answers["one by one"] = {item.id: _as_scripts_do(model, processor, item) for item in items}

    found = compare(
        f"{what}, {len(items)} items", ("batched", together), ("one generate an item", one_by_one), repetitions
    )
    differing = sum(answers["together"][key] != text for key, text in answers["one by one"].items())
    assert differing == 0, f"{differing} of {len(items)} answers differ"
    return found


@torch.no_grad()
def _as_scripts_do(model: Any, processor: Any, item: Item) -> str:
    """One item: the picture opened and processed, the prompt rendered, `generate` called."""
    assert item.image is not None
    messages = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": item.question}]}]
    prompt = processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    with Image.open(item.image) as opened:
        inputs = processor(text=[prompt], images=[opened.convert("RGB")], return_tensors="pt", add_special_tokens=False)
    drawn = model.generate(**inputs, max_new_tokens=rules_of("demo").longest(item), do_sample=False)
    return str(processor.tokenizer.decode(drawn[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)).strip()


COMPARISONS: Sequence[Callable[[Bench], Comparison]] = (
    reference,
    pictures,
    side_by_side,
    evaluation,
    evaluation_of_a_larger_model,
    process_start,
)


def prepare(home: Path) -> Bench:
    """Draws the world and writes its untrained model under `home` (a few seconds)."""
    transformers.utils.logging.disable_progress_bar()
    torch.manual_seed(0)
    world = open_demo(home)
    loaded = load(ensure_demo_model(home, world), device=torch.device("cpu"))
    encoder = Encoder(loaded.processor)

    def rows(subject: str) -> list[Encoded]:
        items = [item for item in world.training_items((subject,)) if item.image is not None][:BATCH]
        return [encoder.encode(item.question, item.answer, item.image) for item in items]

    return Bench(world, loaded.processor, make_trainable(loaded.model, Training()), rows("p01"), rows("p02"))


def main() -> None:
    """Runs every comparison and prints the table."""
    with tempfile.TemporaryDirectory() as folder:
        bench = prepare(Path(folder))
        found = [one(bench) for one in COMPARISONS]
        stepping = bench_training.measure(Path(folder))
        pictured = list(bench_pictures.told(Path(folder)))
        size_gb, first, again = measure(Path(folder))
        comparing = bench_comparing.measure(Path(folder))
    table = Table(
        "what",
        "one way",
        "ms",
        "the other way",
        "ms",
        "ratio",
        title=f"torch {torch.__version__}, CPU, {torch.get_num_threads()} threads, medians in turns",
    )
    for one in found:
        table.add_row(
            one.what,
            one.one,
            f"{1000 * one.one_s:.1f}",
            one.other,
            f"{1000 * one.other_s:.1f}",
            f"{one.ratio:.1f}×",
        )
    Console().print(table)
    for sentence in (*bench_training.told(stepping), *pictured, *bench_comparing.told(comparing)):
        Console().print(sentence)
    Console().print(
        f"MLLMU-Bench's format, {first.people} people, {size_gb:.2f} GB on disk: opened in {first.opening_s:.1f} s the "
        f"first time (peak {first.peak_mb:.0f} MB), in {again.opening_s + again.listing_s:.2f} s again with everybody "
        f"listed; {again.items} items walked, {again.pictures} pictures opened, peak {again.peak_mb:.0f} MB"
    )
    bench_presets.main([])


def _seconds(way: Way) -> float:
    began = time.perf_counter()
    way()
    return time.perf_counter() - began


@contextmanager
def _without_a_main_module() -> Iterator[None]:
    """A new process imports the module that was run; not so a package's `__main__`, which is what the worker's is."""
    main = sys.modules["__main__"]
    kept = {name: getattr(main, name, None) for name in ("__spec__", "__file__")}
    for name in kept:
        setattr(main, name, None)
    try:
        yield
    finally:
        for name, value in kept.items():
            setattr(main, name, value)


if __name__ == "__main__":
    main()
