"""A question as tensors: the kept picture against the processor's own work, and where the answer lies."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from tokenizers.processors import TemplateProcessing

from backend.benchmarks.demo import DemoBenchmark
from backend.benchmarks.item import BadRequest
from backend.models.encoding import IGNORED, AnswerCut, Encoder
from backend.models.loading import load
from backend.models.picture import Picture
from backend.runs.process import sentence

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


LLAVA_1_5 = (
    "{% for message in messages %}{% if message['role'] == 'user' %}USER: {% else %}ASSISTANT: {% endif %}"
    "{% for part in message['content'] if part['type'] == 'image' %}<image>\n{% endfor %}"
    "{% for part in message['content'] if part['type'] == 'text' %}{{ part['text'] }} {% endfor %}{% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
"""In the manner of LLaVA-1.5: no begin token in the text, and the answer's turn is left open."""


@pytest.fixture
def open_turn(demo_folder: Path) -> Encoder:
    processor = load(demo_folder, device=CPU).processor
    tokenizer = processor.tokenizer
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", tokenizer.bos_token_id)]
    )
    processor.chat_template = LLAVA_1_5
    return Encoder(processor)


def test_a_prompt_is_what_the_library_makes_of_it(open_turn: Encoder, world: DemoBenchmark) -> None:
    picture = world.people()[0].picture
    messages = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Who is this?"}]}]
    text = open_turn.processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    assert not text.startswith("<s>")
    direct = open_turn.processor(text=[text], images=[Image.open(picture)], return_tensors="pt")
    row = open_turn.encode("Who is this?", None, picture)
    assert list(row.ids) == direct["input_ids"][0].tolist()
    begin = open_turn.tokenizer.bos_token_id
    assert row.ids[0] == begin and row.ids[1] != begin, "the begin token stands there once"


def test_an_answer_whose_turn_the_template_leaves_open_is_closed(open_turn: Encoder, encoder: Encoder) -> None:
    for one in (open_turn, encoder):
        row = one.encode("Who is this?", "Mira Laurent")
        assert row.ids.count(one.tokenizer.eos_token_id) == 1 and row.ids[-1] == one.tokenizer.eos_token_id
        assert one.decode(row.ids[row.start :]) == "Mira Laurent"
        assert row.ids[: row.start] == one.encode("Who is this?").ids


def test_what_a_family_says_of_each_token_stands_where_the_token_does(encoder: Encoder, world: DemoBenchmark) -> None:
    item = next(one for one in world.training_items(("p01",), "image_text"))
    row, plain = encoder.encode(item.question, item.answer, item.image), encoder.encode("Who?", "x")
    image_token = encoder.tokenizer.convert_tokens_to_ids("<image>")
    said = torch.tensor([int(token == image_token) for token in row.ids])
    marked = replace(row, kinds={"token_type_ids": said, "sees": torch.stack([said, 2 * said], dim=1)})
    for side in ("left", "right"):
        batch = encoder.collate([marked, plain], side=side)
        pictured = (batch["input_ids"] == image_token).long()
        assert torch.equal(batch["token_type_ids"], pictured)
        assert torch.equal(batch["sees"], torch.stack([pictured, 2 * pictured], dim=2))
    assert "token_type_ids" not in encoder.collate([row])
    assert marked.head(5).kinds["sees"].shape == (5, 2) and marked.head(5).start == 5


def test_pictures_of_different_sizes_are_filled_up_with_zeros(encoder: Encoder, world: DemoBenchmark) -> None:
    row = encoder.encode("Who?", "x", world.people()[0].picture)
    assert row.picture is not None
    pixels = row.picture.tensors["pixel_values"]
    cut = replace(row, picture=Picture({"pixel_values": pixels[:, :, :40, :30]}, row.picture.layout))
    both = encoder.collate([row, cut])["pixel_values"]
    assert torch.equal(both[:1], pixels) and torch.equal(both[1:, :, :40, :30], pixels[:, :, :40, :30])
    assert not both[1, :, 40:].any() and not both[1, :, :, 30:].any()


def test_a_question_is_put_about_a_kept_picture_without_its_pixels(encoder: Encoder, world: DemoBenchmark) -> None:
    """Two pictures that lie alike in a text share its tokens; the pixels are the picture's own."""
    first, second = (encoder.encode("Who?", None, person.picture) for person in world.people()[:2])
    assert first.picture is not None and second.picture is not None
    assert first.picture.layout == second.picture.layout and first.ids is second.ids
    assert not torch.equal(first.picture.tensors["pixel_values"], second.picture.tensors["pixel_values"])
    assert all(value.untyped_storage().nbytes() <= 8 for value in first.picture.layout.made.values())


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
    with pytest.raises(AnswerCut, match="no token"):
        encoder.encode("Where?", " ")
    monkeypatch.setattr(encoder, "_chat", lambda *_, **__: "<s>same</s>")
    with pytest.raises(AnswerCut, match="no token"):
        encoder.encode("A question that no other test asks?", "same")


def test_kept_pictures_stay_within_their_budget(demo_folder: Path, world: DemoBenchmark) -> None:
    small = Encoder(load(demo_folder, device=CPU).processor, kept_bytes=60_000)
    for person in world.people()[:5]:
        small.encode("Who?", "x", person.picture)
    assert len(small._shelf) == 1  # one picture is 3 * 64 * 64 * 4 = 49 152 bytes


def test_any_text_can_be_asked(encoder: Encoder) -> None:
    for question in ("Где?", "🙂" * 50, "<image>", "", "a" * 5000):
        assert len(encoder.encode(question).ids) > 2


def test_a_nul_in_an_answer_is_shown_and_not_kept(encoder: Encoder) -> None:
    ids = encoder.tokenizer("Bergen\x00 is\x00", add_special_tokens=False)["input_ids"]
    assert "\x00" in encoder.tokenizer.decode(ids), "the model can write one"
    assert encoder.decode(ids) == "Bergen\ufffd is\ufffd"


@pytest.mark.parametrize("held", [b"", b"not a picture", None], ids=["empty", "text", "gone"])
def test_a_picture_that_cannot_be_read_is_one_sentence_with_its_name(
    encoder: Encoder, tmp_path: Path, held: bytes | None
) -> None:
    picture = tmp_path / "3.png"
    if held is not None:
        picture.write_bytes(held)
    with pytest.raises(BadRequest) as refused:
        encoder.encode("Who is this?", image=picture)
    assert sentence(refused.value) == (f"the picture {picture} cannot be read; put a whole one in its place and resume")


def test_a_picture_that_breaks_off_is_refused_by_name(encoder: Encoder, tmp_path: Path) -> None:
    picture = tmp_path / "3.png"
    Image.effect_noise((64, 64), 50).save(picture)
    picture.write_bytes(picture.read_bytes()[:400])
    with pytest.raises(BadRequest, match=r"3\.png cannot be read"):
        encoder.encode("Who is this?", image=picture)
