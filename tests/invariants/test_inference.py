"""Two ways of asking that must give the same answer: our loop and the library's, alone and in a batch, side by side and
one after the other."""

from pathlib import Path

import pytest
import torch

from backend.benchmarks.demo import DemoBenchmark
from backend.benchmarks.export_mllmu import export_mllmu
from backend.benchmarks.mllmu import open_mllmu
from backend.inference import prefix
from backend.inference.generate import end_tokens, generate
from backend.inference.items import Asker, answer_items
from backend.inference.prefix import is_exact
from backend.metrics.rules import rules_of
from backend.metrics.shots import with_shots
from backend.models.encoding import Encoder
from backend.models.loading import Loaded, load
from backend.spec import Decoding, ForgetRequest

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def loaded(demo_folder: Path) -> Loaded:
    return load(demo_folder, device=CPU)


def test_greedy_decoding_is_the_librarys_own(loaded: Loaded, world: DemoBenchmark) -> None:
    encoder = Encoder(loaded.processor)
    items = [item for item in world.scored_items(ForgetRequest()) if item.task == "generation"][::70]
    batch = encoder.collate([encoder.encode(item.question, None, item.image) for item in items], side="left")
    ends = end_tokens(loaded.model, encoder.tokenizer)
    ours = generate(loaded.model, batch, Decoding(max_new_tokens=8), ends)
    plain = {key: value for key, value in batch.items() if key != "labels"}
    theirs = loaded.model.generate(**plain, max_new_tokens=8, do_sample=False)[:, batch["input_ids"].shape[1] :]
    for mine, other in zip(ours, theirs.tolist(), strict=True):
        cut = next((at for at, token in enumerate(other) if token in ends), len(other))
        assert mine == other[:cut]


def test_answers_do_not_depend_on_the_batch(loaded: Loaded, world: DemoBenchmark) -> None:
    encoder = Encoder(loaded.processor)
    items = world.scored_items(ForgetRequest(ratio=5))[::97]
    alone = {a.item.id: a for batch in answer_items(loaded.model, encoder, items, batch_size=1) for a in batch}
    together = {a.item.id: a for batch in answer_items(loaded.model, encoder, items, batch_size=16) for a in batch}
    assert alone.keys() == together.keys() == {item.id for item in items}
    for item_id, answer in alone.items():
        assert answer.text == together[item_id].text
        assert answer.probability == pytest.approx(together[item_id].probability, rel=1e-4)


def test_reading_a_picture_once_gives_the_answers_of_reading_it_each_time(loaded: Loaded, world: DemoBenchmark) -> None:
    encoder = Encoder(loaded.processor)
    items = [item for item in world.scored_items(ForgetRequest(ratio=5)) if item.subject in ("p01", "p02")]
    answers = []
    for reuses in (None, False):
        asker = Asker(loaded.model, encoder, rules_of("demo"), 64, reuses=reuses)
        answers.append({one.item.id: one for batch in asker.ask(items, quick=False) for one in batch})
        assert asker.reuses is (reuses is None), "this model's keys and values can be gone on from"
    once, plain = answers
    assert once.keys() == plain.keys() == {item.id for item in items}
    for item_id, answer in plain.items():
        assert once[item_id].text == answer.text
        for name, value in answer.measures.items():
            assert once[item_id].measures[name] == pytest.approx(value, rel=1e-3, abs=1e-4), (item_id, name)


def test_a_family_that_cannot_go_on_from_a_beginning_is_asked_the_plain_way(
    loaded: Loaded, world: DemoBenchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = Encoder(loaded.processor)
    rows = [encoder.encode(item.question, None, item.image) for item in world.training_items(("p01",))[:2]]
    assert is_exact(loaded.model, encoder, rows)
    honest = prefix.go_on
    monkeypatch.setattr(prefix, "go_on", lambda *given: honest(*given) + 0.1)
    assert not is_exact(loaded.model, encoder, rows)


def test_a_sampled_answer_depends_on_its_seed_and_not_on_its_neighbours(loaded: Loaded) -> None:
    encoder = Encoder(loaded.processor)
    ends = end_tokens(loaded.model, encoder.tokenizer)
    decoding = Decoding(sample=True, temperature=1.5, top_p=0.9, seed=3, max_new_tokens=6)
    one = encoder.collate([encoder.encode("Who is this person?")], side="left")
    three = encoder.collate([encoder.encode("Who is this person?")] * 3, side="left")
    alone = generate(loaded.model, one, decoding, ends)
    assert generate(loaded.model, three, decoding, ends) == alone * 3
    other = decoding.model_copy(update={"seed": 4})
    assert generate(loaded.model, one, other, ends) != alone


def test_solved_examples_are_read_once_with_their_picture_and_change_no_answer(
    loaded: Loaded, world: DemoBenchmark, tmp_path: Path
) -> None:
    export_mllmu(world, tmp_path / "mllmu")
    asked = open_mllmu(tmp_path / "mllmu", tmp_path).scored_items(ForgetRequest())
    rules = with_shots(rules_of("mllmu"), asked, 3, seed=0)
    of = [item for item in asked if item.task == "classification" and item.image is not None and item.set == "forget"]
    items = [item for item in of if item.subject in {one.subject for one in of[:6]}][:6]
    encoder, answers = Encoder(loaded.processor), []
    for reuses in (None, False):
        asker = Asker(loaded.model, encoder, rules, 64, reuses=reuses)
        answers.append({one.item.id: one for batch in asker.ask(items, quick=False) for one in batch})
        assert asker.reuses is (reuses is None)
    once, plain = answers
    assert once.keys() == plain.keys() == {item.id for item in items} and len(items) == 6
    for item_id, answer in plain.items():
        assert (once[item_id].text, once[item_id].detail["prompt"]) == (answer.text, answer.detail["prompt"])
        assert answer.detail["prompt"].count("Correct Answer: ") == 3
