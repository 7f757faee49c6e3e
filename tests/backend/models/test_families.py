"""Every family of models, through the same doors: what is found in it, asked of it, taught to it, kept of it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel, set_peft_model_state_dict
from PIL import Image
from safetensors.torch import load_file

from backend.inference import prefix
from backend.inference.generate import end_tokens, generate
from backend.models.anatomy import anatomy, language_blocks, vision_blocks
from backend.models.answers import answers_at, read_answers
from backend.models.encoding import IGNORED, Encoder
from backend.models.lineage import load_weights, make_trainable
from backend.models.loading import load
from backend.objectives.objective import ObjectiveLoss
from backend.spec import Decoding, Objective, Training
from backend.training.state import load_optimiser, save_state
from tests.backend.models.families import FAMILIES, Family
from tests.backend.models.tiny import ANSWERS, CPU, QUESTIONS, TALL, WIDE, Built, drawn, one_step, plain_name

# -- what is found ----------------------------------------------------------------------------------------------------


def test_every_parameter_lies_in_the_part_where_the_family_keeps_it(built: Built) -> None:
    found, family = anatomy(built.model), built.family
    for name, _ in built.model.named_parameters():
        expected = (
            "projector"
            if name.startswith(family.projector)
            else "language"
            if name.startswith(("model.language_model.", "model.text_model."))
            else "head"
            if name.startswith("lm_head.")
            else "vision"
        )
        assert found.part_of(name) == expected, name
    for part in family.projector:
        assert any(name.startswith(part) for name, _ in built.model.named_parameters()), f"there is no {part}"


def test_the_blocks_are_as_many_as_the_config_says(built: Built) -> None:
    config, vision = built.model.config, built.model.config.vision_config
    assert len(language_blocks(built.model)) == config.get_text_config().num_hidden_layers == 2
    depth = getattr(vision, "depth", None) or vision.num_hidden_layers + getattr(vision, "num_global_layers", 0)
    assert len(vision_blocks(built.model)) == depth
    assert not set(language_blocks(built.model)) & set(vision_blocks(built.model))


def test_the_picture_is_seen_without_torchvision(built: Built) -> None:
    assert type(built.loaded.processor.image_processor).__name__.endswith("Pil")
    rows = [built.encoder.encode(QUESTIONS[0], ANSWERS[0], picture) for picture in (WIDE, drawn(40, 72, 9))]
    first, second = (read_answers(built.model, built.encoder.collate([row])).sums.item() for row in rows)
    assert abs(first - second) > 1e-2


# -- what is asked ----------------------------------------------------------------------------------------------------


def direct(built: Built, question: str, answer: str | None, picture: Image.Image | None) -> dict[str, torch.Tensor]:
    """What the library itself makes of a question and its answer."""
    processor = built.loaded.processor
    if processor.chat_template is None:
        made: dict[str, torch.Tensor] = processor(
            text=["<image>" + question], images=[picture], suffix=[answer] if answer else None, return_tensors="pt"
        )
        return made
    messages = [{"role": "user", "content": [{"type": "text", "text": question}]}]
    if picture is not None:
        messages[0]["content"].insert(0, {"type": "image"})  # type: ignore[attr-defined]
    if answer is not None:
        messages.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
    text = processor.apply_chat_template(messages, add_generation_prompt=answer is None, tokenize=False)
    begins = bool(processor.tokenizer.bos_token) and text.startswith(processor.tokenizer.bos_token)
    return processor(  # type: ignore[no-any-return]
        text=[text],
        images=[picture] if picture is not None else None,
        return_tensors="pt",
        add_special_tokens=not begins,
    )


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # transformers' own, in one processor
def test_a_question_about_a_picture_is_what_the_library_makes_of_it(built: Built) -> None:
    for picture in (WIDE, TALL):
        for question in QUESTIONS:
            row, made = built.encoder.encode(question, None, picture), direct(built, question, None, picture)
            assert list(row.ids) == made["input_ids"][0].tolist()
            batch = built.encoder.collate([row])
            assert set(batch) - {"labels"} == set(made) - {"labels"}
            for key in set(made) - {"labels"}:
                assert torch.equal(batch[key], made[key]), key


def test_a_question_without_a_picture_is_what_the_library_makes_of_it(built: Built) -> None:
    row = built.encoder.encode(QUESTIONS[1])
    if built.name == "paligemma":  # its processor refuses text alone; the published prompt is <bos>, the text, an end
        expected = built.encoder.tokenizer("<bos>" + QUESTIONS[1] + "\n", add_special_tokens=False)["input_ids"]
    else:
        expected = direct(built, QUESTIONS[1], None, None)["input_ids"][0].tolist()
    assert list(row.ids) == expected


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_questions_answer_is_what_the_library_makes_of_it(built: Built) -> None:
    row, made = built.encoder.encode(QUESTIONS[0], ANSWERS[0], WIDE), direct(built, QUESTIONS[0], ANSWERS[0], WIDE)
    whole = made["input_ids"][0].tolist()
    # LLaVA's template leaves the turn open, after a space; others write a line end behind the end of the turn.
    closed = list(row.ids[:-1]) if built.name == "llava" else list(row.ids)
    assert whole[: len(closed)] == closed
    assert built.encoder.decode(whole[len(closed) :]) == ""
    for name, values in row.kinds.items():
        assert torch.equal(values, made[name][0][: len(row.ids)]), name


def test_the_labels_are_the_answer_and_no_picture(built: Built) -> None:
    encoder, rows = built.encoder, built.rows()
    assert len({len(row.ids) for row in rows}) > 1
    batch = encoder.collate(rows)
    ends = end_tokens(built.model, encoder.tokenizer)
    pictured = encoder.image_tokens
    for labels, ids, answer in zip(
        batch["labels"], batch["input_ids"], (ANSWERS[0], ANSWERS[1], ANSWERS[0]), strict=True
    ):
        kept = labels[labels != IGNORED]
        assert encoder.decode(kept) == answer
        assert int(kept[-1]) in ends
        assert not pictured & set(kept.tolist())
        assert torch.equal(ids[labels != IGNORED], kept)
    assert [bool(pictured & set(row.ids)) for row in rows] == [True, True, False]


def test_a_prefix_is_no_part_of_the_answer(built: Built) -> None:
    row = built.encoder.encode(QUESTIONS[0], "Bergen", WIDE, prefix="She works in")
    prompt = built.encoder.encode(QUESTIONS[0], None, WIDE, prefix="She works in")
    assert row.ids[: row.start] == prompt.ids
    assert built.encoder.decode(row.ids[row.start :]) == "Bergen"
    assert built.encoder.decode(prompt.ids).endswith("She works in")


def test_a_row_in_a_batch_is_the_row_alone(built: Built) -> None:
    """Mixed, too: questions about a picture and about none in one batch."""
    rows = built.rows()
    with torch.no_grad():
        together = read_answers(built.model, built.encoder.collate(rows))
        for number, row in enumerate(rows):
            alone = read_answers(built.model, built.encoder.collate([row]))
            here = together.mask[number].bool()
            assert torch.allclose(
                together.logits[number][here], alone.logits[0][alone.mask[0].bool()], atol=1e-4, rtol=1e-4
            )
            assert together.sums[number].item() == pytest.approx(alone.sums.item(), abs=1e-3)


@pytest.mark.parametrize("pictured", [True, False], ids=["picture", "text"])
def test_an_answer_written_in_a_batch_is_the_librarys_written_alone(built: Built, pictured: bool) -> None:
    encoder, model = built.encoder, built.model
    pictures = (WIDE, TALL) if pictured else (None, None)
    if not pictured:  # the state that a picture leaves behind must not reach the next question
        generate(model, encoder.collate([encoder.encode("Who?", None, WIDE)] * 2), Decoding(max_new_tokens=2), [-1])
    rows = [encoder.encode(question, None, picture) for question, picture in zip(QUESTIONS, pictures, strict=True)]
    together = generate(model, encoder.collate(rows, side="left"), Decoding(max_new_tokens=6), [-1])
    for row, ours in zip(rows, together, strict=True):
        alone = {key: value for key, value in encoder.collate([row]).items() if key != "labels"}
        theirs = model.generate(**alone, max_new_tokens=6, do_sample=False, eos_token_id=-1)
        assert ours == theirs[0, len(row.ids) :].tolist()


def test_what_was_read_once_is_gone_on_from_or_the_log_says_that_it_is_not(
    built: Built, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prefix, "_told", set())
    encoder = built.encoder
    picture = encoder._process(WIDE)
    monkeypatch.setattr(encoder, "_picture", lambda _: picture)
    rows = [encoder.encode(question, answer, WIDE) for question, answer in zip(QUESTIONS, ANSWERS, strict=True)]
    with caplog.at_level(logging.INFO, logger="lethe.prefix"):
        found = [prefix.is_exact(built.model, encoder, rows) for _ in range(2)]
    assert found == [built.family.exact] * 2
    said = [record for record in caplog.records if record.name == "lethe.prefix"]
    assert len(said) == (0 if built.family.exact else 1)
    if not built.family.exact:
        return
    with torch.no_grad():
        beginnings, lengths = prefix.read_beginnings(built.model, encoder, [rows])
        tails = prefix.endings(encoder, rows, lengths * 2, built.model, side="right")
        keep = prefix.keep_for(tails["labels"])
        once = answers_at(prefix.go_on(built.model, beginnings, [0, 0], tails, keep), tails["labels"], keep)
        plain = read_answers(built.model, encoder.collate(rows))
    assert lengths[0] > len(picture.tensors) and torch.allclose(once.sums, plain.sums, atol=1e-3)


# -- what is taught ---------------------------------------------------------------------------------------------------

FINETUNE = Objective(forget="none", retain="ce")
DECLARED = {
    "language": {"language", "head"},
    "language+projector": {"language", "projector", "head"},
    "all": {"language", "projector", "vision", "head"},
}


@pytest.mark.parametrize(
    ("adapter", "modules"), [(adapter, modules) for adapter in ("lora", "full") for modules in DECLARED]
)
def test_a_step_moves_exactly_the_declared_parameters(built: Built, adapter: str, modules: str) -> None:
    model = make_trainable(built.fresh(), Training(adapter=adapter, modules=modules, lora_rank=2))
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    one_step(model, ObjectiveLoss(FINETUNE, model), {"retain": built.encoder.collate(built.rows())})

    found = anatomy(built.model)
    moved = {name for name, one in model.named_parameters() if not torch.equal(one, before[name])}
    steered = {name for name, one in model.named_parameters() if one.grad is not None and bool(one.grad.any())}
    assert moved and moved <= {name for name, one in model.named_parameters() if one.requires_grad}
    assert moved == steered
    parts = {found.part_of(plain_name(name)) for name in moved}
    there = {found.part_of(name) for name, _ in built.model.named_parameters()}
    if adapter == "lora":
        # LoRA never touches the head, and starts with its second matrix at zero, so that one moves first.
        assert all(".lora_B." in name for name in moved)
        there -= {"head"}
        if built.name == "llava_next":
            assert not any("image_newline" in name for name in moved)
    assert parts == DECLARED[modules] & there


def test_gradient_checkpointing_gives_the_same_gradients(built: Built) -> None:
    found = []
    batch = built.encoder.collate(built.rows())
    for checkpointing in (False, True):
        model = make_trainable(built.fresh(), Training(modules="all", lora_rank=2))
        generator = torch.Generator().manual_seed(3)
        for parameter in model.parameters():
            if parameter.requires_grad:  # away from zero, so that both matrices have a gradient
                parameter.data.copy_(torch.randn(parameter.shape, generator=generator) * 0.05)
        if checkpointing:
            model.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
            assert any(getattr(module, "gradient_checkpointing", False) for module in model.modules())
        model.train()
        (-read_answers(model, batch).sums.sum()).backward()
        found.append({name: one.grad for name, one in model.named_parameters() if one.grad is not None})
    plain, checkpointed = found
    assert plain.keys() == checkpointed.keys() and len(plain) > 8
    for name, gradient in plain.items():
        assert torch.allclose(gradient, checkpointed[name], rtol=1e-4, atol=1e-5), name


# -- what is kept -----------------------------------------------------------------------------------------------------


def logits(model: Any, built: Built) -> torch.Tensor:
    with torch.no_grad():
        return read_answers(model.eval(), built.encoder.collate(built.rows())).logits


def test_what_is_saved_loads_again_with_equal_logits(built: Built, tmp_path: Path) -> None:
    batch = {"retain": built.encoder.collate(built.rows())}
    tuned = make_trainable(built.fresh(), Training(modules="language+projector", lora_rank=2))
    one_step(tuned, ObjectiveLoss(FINETUNE, tuned), batch)
    tuned.save_pretrained(tmp_path / "adapter")
    again = PeftModel.from_pretrained(load(built.folder, device=CPU).model, str(tmp_path / "adapter"))
    assert not torch.allclose(logits(tuned, built), logits(built.model, built), atol=1e-3)
    assert torch.allclose(logits(again, built), logits(tuned, built), atol=1e-5)

    full = tuned.merge_and_unload()
    full.save_pretrained(tmp_path / "full")
    built.loaded.processor.save_pretrained(tmp_path / "full")
    loaded = load(tmp_path / "full", device=CPU)
    assert torch.equal(logits(loaded.model, built), logits(full, built))
    encoder = Encoder(loaded.processor)
    assert encoder.encode(QUESTIONS[0], ANSWERS[0], WIDE).ids == built.rows()[0].ids
    assert not [file for file in (tmp_path / "full").iterdir() if file.suffix in (".bin", ".pt", ".pkl")]


@pytest.mark.parametrize("adapter", ["lora", "full"])
def test_a_run_resumed_from_its_files_is_the_run_uninterrupted(built: Built, tmp_path: Path, adapter: str) -> None:
    training = Training(adapter=adapter, modules="all", lora_rank=2)
    batch = {"retain": built.encoder.collate(built.rows())}

    def start() -> tuple[Any, Any, Any]:
        model = make_trainable(built.fresh(), training)
        optimiser = torch.optim.AdamW([one for one in model.parameters() if one.requires_grad], lr=1e-2)
        return model, optimiser, torch.optim.lr_scheduler.ConstantLR(optimiser)

    model, optimiser, schedule = start()
    one_step(model, ObjectiveLoss(FINETUNE, model), batch, optimiser)
    model.save_pretrained(tmp_path)
    save_state(tmp_path, optimiser, schedule)
    one_step(model, ObjectiveLoss(FINETUNE, model), batch, optimiser)

    resumed, optimiser, schedule = start()
    if adapter == "lora":
        kept: Any = set_peft_model_state_dict(resumed, load_file(tmp_path / "adapter_model.safetensors"))
        assert not kept.unexpected_keys
    else:
        resumed.load_state_dict(load_weights(tmp_path))
    load_optimiser(tmp_path, optimiser, schedule)
    one_step(resumed, ObjectiveLoss(FINETUNE, resumed), batch, optimiser)
    for (name, one), (_, other) in zip(model.named_parameters(), resumed.named_parameters(), strict=True):
        assert torch.equal(one, other), name


def test_the_table_of_families_names_every_family() -> None:
    """`docs/families.md` says what was tried on each, and by which test."""
    text = (Path(__file__).parents[3] / "docs" / "families.md").read_text(encoding="utf-8")
    for name, family in FAMILIES.items():
        line = next(line for line in text.splitlines() if line.startswith(f"| `{name}`"))
        assert ("read once" in line) == _reads_once(family)


def _reads_once(family: Family) -> bool:
    return family.exact
