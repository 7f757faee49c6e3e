"""A question as tensors: the kept picture against the processor's own work, and where the answer lies."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from backend.benchmarks.demo import DemoBenchmark
from backend.models.encoding import IGNORED, AnswerCut, Encoder
from backend.models.loading import load

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def encoder(demo_folder: Path) -> Encoder:
    return Encoder(load(demo_folder, device=CPU).processor)


def test_a_kept_picture_gives_what_the_processor_gives(encoder: Encoder, world: DemoBenchmark) -> None:
    for item in world.training_items(("p05",), "image_text")[::17]:
        assert item.image is not None
        row = encoder.encode(item.question, item.answer, item.image)
        messages = [
            {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": item.question}]},
            {"role": "assistant", "content": [{"type": "text", "text": item.answer}]},
        ]
        text = encoder.processor.apply_chat_template(messages, tokenize=False)
        direct = encoder.processor(
            text=[text], images=[Image.open(item.image)], return_tensors="pt", add_special_tokens=False
        )
        assert list(row.ids) == direct["input_ids"][0].tolist()
        batch = encoder.collate([row])
        assert torch.equal(batch["pixel_values"], direct["pixel_values"])


def test_the_labels_are_the_answer_and_its_end_and_nothing_else(encoder: Encoder, world: DemoBenchmark) -> None:
    items = world.training_items(("p01",))[::13]
    batch = encoder.collate([encoder.encode(item.question, item.answer, item.image) for item in items])
    image_token = encoder.tokenizer.convert_tokens_to_ids("<image>")
    for labels, item in zip(batch["labels"], items, strict=True):
        kept = labels[labels != IGNORED]
        assert encoder.decode(kept) == item.answer
        assert kept[-1] == encoder.tokenizer.eos_token_id
        assert image_token not in kept


def test_padding_on_the_left_ends_every_prompt_at_the_same_place(encoder: Encoder, world: DemoBenchmark) -> None:
    rows = [encoder.encode(question) for question in ("Who?", "Where was this person born, and when, and why?")]
    batch = encoder.collate(rows, side="left")
    assert batch["attention_mask"][:, -1].tolist() == [1, 1]
    assert batch["attention_mask"][0, 0] == 0
    assert (batch["labels"] == IGNORED).all()


def test_a_prefix_stands_before_the_answer_and_is_no_part_of_it(encoder: Encoder) -> None:
    row = encoder.encode("Where?", "Bergen", prefix="Sure, the answer is")
    assert encoder.decode(row.ids[row.start :]) == "Bergen"
    prompt = encoder.encode("Where?", prefix="Sure, the answer is")
    assert row.ids[: row.start] == prompt.ids


def test_an_answer_without_a_token_is_refused(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder, "_chat", lambda *_, **__: "<s>same")
    with pytest.raises(AnswerCut, match="no token"):
        encoder.encode("Where?", "")


def test_kept_pictures_stay_within_their_budget(demo_folder: Path, world: DemoBenchmark) -> None:
    small = Encoder(load(demo_folder, device=CPU).processor, kept_bytes=60_000)
    for person in world.people()[:5]:
        small.encode("Who?", "x", person.picture)
    assert len(small._kept) == 1  # one picture is 3 * 64 * 64 * 4 = 49 152 bytes


def test_any_text_can_be_asked(encoder: Encoder) -> None:
    for question in ("Где?", "🙂" * 50, "<image>", "", "a" * 5000):
        assert len(encoder.encode(question).ids) > 2
