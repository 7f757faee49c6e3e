"""The probe: each answer comes from the weights its stamp names, together or one after the other."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from sqlalchemy import Engine
from starlette.testclient import TestClient

from backend.benchmarks import library
from backend.benchmarks.demo import DemoBenchmark
from backend.benchmarks.library import Entry
from backend.inference.generate import end_tokens, generate
from backend.inference.probe import Probe
from backend.inference.server import application
from backend.models.answers import read_answers
from backend.models.encoding import Encoder
from backend.models.lineage import make_trainable
from backend.models.loading import load
from backend.spec import Decoding, FinetuneSpec, ForgetRequest, ProbeSpec, Training, UnlearnSpec
from storage import checkpoints, probes, runs
from storage.database import connect, migrate
from storage.tables import Checkpoint

CPU = torch.device("cpu")


@dataclass
class Kept:
    """An original and three models made from it, kept as checkpoints; `models` are the very objects that were saved."""

    engine: Engine
    home: Path
    checkpoints: dict[str, Checkpoint]
    models: dict[str, Any]
    encoder: Encoder


def _shake(model: Any, seed: int) -> None:
    """Moves the trainable weights so far that every model answers differently."""
    drawn = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn(parameter.shape, generator=drawn) * 0.15)


@pytest.fixture(scope="module")
def kept(demo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    home = tmp_path_factory.mktemp("probe")
    engine = connect(f"sqlite:///{home}/lethe.db")
    migrate(engine)
    loaded = load(demo_folder, device=CPU)
    found, models = {}, {}

    def keep(name: str, model: Any, spec: Any, kind: str, parent: str | None = None) -> None:
        run = runs.submit(engine, kind=spec.kind, name=name, spec=spec.model_dump(mode="json"))

        def write(folder: Path) -> None:
            model.save_pretrained(folder)
            if kind == "full":
                loaded.processor.save_pretrained(folder)

        found[name] = checkpoints.save(
            engine,
            home,
            run_id=run.id,
            step=1,
            kind=kind,
            role="final",
            base="demo",
            write=write,
            parent_id=found[parent].id if parent else None,
        )
        models[name] = model.eval()

    def fresh(seed: int, training: Training) -> Any:
        torch.manual_seed(seed)
        base = load(demo_folder, device=CPU).model
        _shake(base, 1)
        model = make_trainable(base, training)
        _shake(model, seed)
        return model

    original = load(demo_folder, device=CPU).model
    _shake(original, 1)
    keep("vanilla", original, FinetuneSpec(), "full")
    keep("NPO", fresh(2, Training()), UnlearnSpec(), "adapter", "vanilla")
    keep("GA", fresh(3, Training(lora_rank=4)), UnlearnSpec(preset="ga"), "adapter", "vanilla")
    gold = load(demo_folder, device=CPU).model
    _shake(gold, 4)
    keep("gold", gold, FinetuneSpec(who="retain"), "full")
    keep("wide", fresh(5, Training(modules="all")), UnlearnSpec(), "adapter", "vanilla")
    return Kept(engine, home, found, models, Encoder(loaded.processor))


def alone(kept: Kept, name: str, question: str, image: Path | None, truth: str) -> tuple[str, float]:
    """What the saved object itself says, with nothing of the probe in between."""
    model, encoder = kept.models[name], kept.encoder
    base = model.get_base_model() if isinstance(model, PeftModel) else model
    batch = encoder.collate([encoder.encode(question, None, image)], side="left")
    ids = generate(model, batch, Decoding(max_new_tokens=10), end_tokens(base, encoder.tokenizer))[0]
    with torch.no_grad():
        likelihood = read_answers(model, encoder.collate([encoder.encode(question, truth, image)])).means.exp().item()
    return encoder.decode(ids), likelihood


def asked(kept: Kept, names: tuple[str, ...], **changes: Any) -> ProbeSpec:
    return ProbeSpec(
        models=tuple(kept.checkpoints[name].id for name in names),
        question="Where was this person born?",
        truth="Kofi was born in Hanoi.",
        key="Hanoi",
        decoding=Decoding(max_new_tokens=10),
        **changes,
    )


def ends(events: Iterator[dict[str, Any]]) -> list[dict[str, Any]]:
    seen = list(events)
    assert seen[0]["event"] == "start" and seen[-1]["event"] == "done", seen[-1]
    return [event for event in seen if event["event"] == "end"]


@pytest.mark.parametrize(
    "names", [("vanilla", "NPO", "GA", "gold"), ("gold", "GA", "vanilla"), ("vanilla", "wide", "NPO")]
)
def test_every_side_is_answered_by_the_weights_it_names(
    kept: Kept, world: DemoBenchmark, names: tuple[str, ...]
) -> None:
    image = world.people()[4].picture
    spec = asked(kept, names, image=str(image))
    answers = ends(Probe(kept.engine, kept.home, CPU).ask(spec))
    assert [answer["label"] for answer in answers] == list(names)
    for name, answer in zip(names, answers, strict=True):
        text, likelihood = alone(kept, name, spec.question, image, spec.truth or "")
        assert answer["text"] == text
        assert answer["likelihood"] == pytest.approx(likelihood, rel=1e-3)
        assert answer["stamp"]["sha256"] == kept.checkpoints[name].sha256
    assert len({answer["likelihood"] for answer in answers}) == len(names), "different models, different answers"


def test_models_of_one_lineage_share_their_base_and_are_answered_in_one_batch(kept: Kept) -> None:
    bases = Probe(kept.engine, kept.home, CPU).bases
    shared = bases.seats(tuple(kept.checkpoints[name].id for name in ("vanilla", "NPO", "GA")))
    assert len({id(seat.base) for seat in shared}) == 1 and shared[0].base.language_only
    wide = bases.seats((kept.checkpoints["wide"].id,))[0]
    assert not wide.base.language_only, "an adapter on the vision tower cannot be mixed within a batch"


def test_the_original_is_itself_again_after_an_unlearned_model_was_asked(kept: Kept) -> None:
    probe = Probe(kept.engine, kept.home, CPU)
    before = ends(probe.ask(asked(kept, ("vanilla",))))[0]
    unlearned = ends(probe.ask(asked(kept, ("NPO",))))[0]
    after = ends(probe.ask(asked(kept, ("vanilla",))))[0]
    assert (before["text"], before["likelihood"]) == (after["text"], after["likelihood"])
    assert unlearned["likelihood"] != before["likelihood"]
    assert before["stamp"]["adapter"] == "full weights" and after["stamp"]["adapter"] == "off"
    assert unlearned["stamp"]["adapter"] == "on ×1.00"


def test_roles_and_the_stamp_say_what_answered(kept: Kept) -> None:
    answers = ends(Probe(kept.engine, kept.home, CPU).ask(asked(kept, ("vanilla", "NPO", "gold"))))
    assert [answer["role"] for answer in answers] == ["original", "unlearned", "gold"]
    for answer in answers:
        assert answer["stamp"] | {"seconds": 0} == answer["stamp"] | {
            "seconds": 0,
            "decoding": "greedy",
            "seed": 0,
            "device": "cpu",
            "dtype": "fp32",
        }
        assert answer["stamp"]["seconds"] > 0 and answer["leaks"] is False


def test_a_probe_is_kept_and_reads_back_as_it_was_answered(kept: Kept) -> None:
    events = list(Probe(kept.engine, kept.home, CPU).ask(asked(kept, ("vanilla", "NPO"))))
    stored = probes.get(kept.engine, events[-1]["probe"])
    assert stored.request["question"] == "Where was this person born?"
    assert [answer["text"] for answer in stored.answers] == [
        event["text"] for event in events if event["event"] == "end"
    ]


def test_the_text_grows_token_by_token(kept: Kept) -> None:
    texts = [
        event["text"]
        for event in Probe(kept.engine, kept.home, CPU).ask(asked(kept, ("vanilla",)))
        if event["event"] == "text"
    ]
    assert len(texts) > 2 and all(later.startswith(earlier) for earlier, later in pairwise(texts))


def test_an_altered_checkpoint_is_not_asked(kept: Kept, tmp_path: Path) -> None:
    checkpoint = kept.checkpoints["GA"]
    weights = checkpoints.path_of(kept.home, checkpoint) / "adapter_model.safetensors"
    whole = weights.read_bytes()
    try:
        weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        events = list(Probe(kept.engine, kept.home, CPU).ask(asked(kept, ("GA",))))
    finally:
        weights.write_bytes(whole)
    assert [event["event"] for event in events] == ["error"] and "adapter_model.safetensors" in events[0]["message"]


def test_what_cannot_be_asked_is_one_sentence(kept: Kept) -> None:
    probe = Probe(kept.engine, kept.home, CPU)
    unknown = list(probe.ask(ProbeSpec(models=("nobody",), question="Who?")))
    assert unknown[0]["event"] == "error" and "\n" not in unknown[0]["message"]
    bait = list(probe.ask(ProbeSpec(models=(kept.checkpoints["gold"].id,), question="Who?", attack="first_letters")))
    assert "needs a question from the benchmark" in bait[0]["message"]


def test_an_attack_takes_its_words_from_the_benchmark_of_the_item(kept: Kept, tmp_path: Path) -> None:
    rows = ["subject,question,answer,about"]
    rows += [f"{one},Where does {one} live?,In {town}.,town" for one, town in (("Ann", "Riga"), ("Bob", "Lima"))]
    (tmp_path / "people.csv").write_text("\n".join(rows), encoding="utf-8")
    entry = Entry("mine", "custom", str(tmp_path / "people.csv"), columns={"attribute": "about"})
    item = next(iter(library.add(kept.home, entry).scored_items(ForgetRequest(ratio=None, people=("Ann",)))))
    assert item.subject == "Ann"
    try:
        for attack, words in (("correction", "I heard it is In Lima"), ("few_shot", "Where does Bob live? In Lima.")):
            asked_now = asked(kept, ("vanilla", "NPO"), benchmark="mine", item_id=item.id, attack=attack)
            done = list(Probe(kept.engine, kept.home, CPU).ask(asked_now))[-1]
            request = probes.get(kept.engine, done["probe"]).request
            assert words in request["asked"] and request["benchmark"] == "mine"
        nowhere = list(Probe(kept.engine, kept.home, CPU).ask(asked(kept, ("NPO",), benchmark="no", attack="few_shot")))
        assert nowhere == [{"event": "error", "message": "there is no benchmark called 'no'; there are demo, mine"}]
    finally:
        library.remove(kept.home, "mine")


@pytest.mark.parametrize("fault", [RuntimeError("CUDA error"), KeyError("adapter"), TypeError("no")])
def test_a_fault_of_the_probe_itself_ends_in_one_sentence(
    tmp_path: Path, fault: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    engine = connect(f"sqlite:///{tmp_path}/lethe.db")
    migrate(engine)
    probe = Probe(engine, tmp_path, CPU)

    def breaks_off(_: ProbeSpec) -> Iterator[dict[str, Any]]:
        yield {"event": "start", "answers": []}
        raise fault

    monkeypatch.setattr(probe, "_ask", breaks_off)
    events = list(probe.ask(ProbeSpec(models=("anyone",), question="Who?")))
    assert [event["event"] for event in events] == ["start", "error"]
    assert events[-1]["message"] == (
        f"the probe failed ({type(fault).__name__}); ask again, or see logs/probe.log for why"
    )
    assert caplog.records[-1].exc_info is not None and caplog.records[-1].exc_info[1] is fault
    engine.dispose()


def test_memory_is_given_back_and_comes_back_by_itself(kept: Kept) -> None:
    probe = Probe(kept.engine, kept.home, CPU)
    before = ends(probe.ask(asked(kept, ("NPO",))))[0]
    probe.bases.release()
    assert not probe.bases._bases
    assert ends(probe.ask(asked(kept, ("NPO",))))[0]["text"] == before["text"]


def test_the_service_asks_for_its_token_and_streams_lines(kept: Kept) -> None:
    client = TestClient(application(Probe(kept.engine, kept.home, CPU), "secret"))
    spec = asked(kept, ("vanilla",)).model_dump(mode="json")
    assert client.post("/ask", json=spec).status_code == 401
    assert client.post("/release").status_code == 401
    header = {"Authorization": "Bearer secret"}
    refused = client.post("/ask", json=spec | {"question": ""}, headers=header)
    assert refused.status_code == 422 and refused.json() == {"error": {"question": "must not be empty"}}
    lines = [json.loads(line) for line in client.post("/ask", json=spec, headers=header).text.splitlines()]
    assert [lines[0]["event"], lines[-1]["event"]] == ["start", "done"]
    assert client.post("/release", headers=header).json() == {"released": True}


@pytest.mark.parametrize("name", ["NPO", "wide"])
def test_an_adapter_turned_half_on_is_the_weights_with_half_of_it_added(
    kept: Kept, world: DemoBenchmark, name: str
) -> None:
    image = world.people()[4].picture
    answers = {}
    for scale in (0.0, 0.5, 1.0):
        spec = asked(kept, ("vanilla", name), image=str(image), scale=scale, keep=False)
        answers[scale] = ends(Probe(kept.engine, kept.home, CPU).ask(spec))
    original = answers[0.0][0]["likelihood"]
    assert [answers[scale][0]["likelihood"] for scale in answers] == [pytest.approx(original, rel=1e-6)] * 3
    assert answers[0.0][1]["likelihood"] == pytest.approx(original, rel=1e-4), "off, it is the original"
    assert answers[0.0][1]["text"] == answers[0.0][0]["text"]
    assert [answers[scale][1]["stamp"]["adapter"] for scale in answers] == ["on ×0.00", "on ×0.50", "on ×1.00"]
    half = copy.deepcopy(kept.models[name])
    for layer in half.modules():
        if getattr(layer, "lora_A", None):
            with torch.no_grad():
                layer.lora_B["default"].weight.mul_(0.5)
    halved = Kept(kept.engine, kept.home, kept.checkpoints, {name: half}, kept.encoder)
    text, likelihood = alone(halved, name, spec.question, image, spec.truth or "")
    assert answers[0.5][1]["text"] == text
    assert answers[0.5][1]["likelihood"] == pytest.approx(likelihood, rel=1e-3)


def test_a_turned_adapter_is_as_it_was_for_the_next_question(kept: Kept) -> None:
    probe = Probe(kept.engine, kept.home, CPU)
    before = ends(probe.ask(asked(kept, ("NPO",))))[0]["likelihood"]
    ends(probe.ask(asked(kept, ("NPO",), scale=1.5)))
    assert ends(probe.ask(asked(kept, ("NPO",))))[0]["likelihood"] == before


def test_what_is_not_to_be_kept_is_not(kept: Kept) -> None:
    count = len(probes.listing(kept.engine, limit=100))
    events = list(Probe(kept.engine, kept.home, CPU).ask(asked(kept, ("NPO",), keep=False)))
    assert events[-1] == {"event": "done", "probe": None}
    assert len(probes.listing(kept.engine, limit=100)) == count


def test_without_an_adapter_there_is_nothing_to_turn(kept: Kept) -> None:
    (error,) = Probe(kept.engine, kept.home, CPU).ask(asked(kept, ("vanilla", "gold"), scale=0.5))
    assert error["event"] == "error" and "adapter of its own" in error["message"]
