"""Questions about one picture read as one sequence, and pictures whose features are kept: the same answers, gradients
and training as each question with its picture, on the demo, on a tower of CLIP-B/16's size and on every family."""

import copy
import logging
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

from backend import bench_training
from backend.benchmarks.demo import DemoBenchmark
from backend.models import features, packing
from backend.models.answers import Answers, read_answers
from backend.models.encoding import Encoded, Encoder
from backend.models.lineage import make_trainable
from backend.models.loading import load
from backend.models.packing import SHOWN, Pack, Shown, packs_of
from backend.objectives.objective import ObjectiveLoss
from backend.spec import Objective, Training
from backend.training.dealing import Traits
from backend.training.plan import PairedPlan, collator, labelled
from backend.training.trainer import LetheTrainer
from tests.backend.models.families import FAMILIES, PACK_TAKERS, write
from tests.backend.models.test_families import ANSWERS, QUESTIONS, TALL, WIDE
from tests.invariants.test_training import Notebook, weights

CPU = torch.device("cpu")
NPO = Objective(forget="npo", retain="ce")


def demo_rows(encoder: Encoder, world: DemoBenchmark) -> list[Encoded]:
    """Seven questions about three pictures and two about none, mixed."""
    items = [item for person in ("p01", "p02") for item in world.training_items((person,))]
    by_picture: dict[Path, list[Any]] = {}
    for item in items:
        if item.image is not None:
            by_picture.setdefault(item.image, []).append(item)
    first, second, third = list(by_picture.values())[:3]
    plain = [item for item in items if item.image is None]
    chosen = [first[0], second[0], plain[0], first[1], third[0], second[1], plain[5], first[2], first[3]]
    return [encoder.encode(item.question, item.answer, item.image) for item in chosen]


class Watch:
    """Counts what the language model is given: sequences, and whether a mask of four dimensions came with them."""

    def __init__(self, model: Any) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self.masks: list[int] = []
        self.pixels = 0
        model.register_forward_pre_hook(self._note, with_kwargs=True)

    def _note(self, _model: Any, _given: Any, named: dict[str, Any]) -> None:
        self.shapes.append(tuple(named["input_ids"].shape))
        self.masks.append(named["attention_mask"].ndim)
        self.pixels += "pixel_values" in named

    def clear(self) -> None:
        self.shapes, self.masks, self.pixels = [], [], 0


def plain(batch: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in batch.items() if key != SHOWN}


def assert_same(one: Answers, other: Answers, tolerance: float) -> None:
    assert one.logits.shape == other.logits.shape and torch.equal(one.labels, other.labels)
    assert torch.equal(one.mask, other.mask)
    assert float((one.token_log_probs - other.token_log_probs).abs().max()) < tolerance
    asked = one.mask.bool()
    assert float((one.logits - other.logits)[asked].abs().max()) < tolerance * float(one.logits[asked].abs().max())


def gradients(model: Any, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
    model.zero_grad()
    (-read_answers(model, batch).means.sum()).backward()
    named = model.named_parameters()
    return {name: weight.grad.clone() for name, weight in named if weight.requires_grad and weight.grad is not None}


def relative_difference(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    """The largest over weights of ‖a − b‖ / ‖b‖; where b is but rounding (the bias of keys, which attention does not
    see), against a thousandth of the whole gradient."""
    assert one.keys() == other.keys() and len(one) > 3
    floor = 1e-3 * torch.stack([gradient.norm() for gradient in other.values()]).norm()
    return max(float((one[name] - other[name]).norm() / other[name].norm().clamp(min=floor)) for name in one)


@pytest.fixture
def demo(demo_folder: Path) -> tuple[Any, Encoder]:
    loaded = load(demo_folder, device=CPU)
    return loaded.model, Encoder(loaded.processor)


def clip_llava(processor: Any) -> tuple[Any, Encoder]:
    """A LLaVA with a tower as wide as CLIP-B/16 at 224 pixels, two layers deep, and a language model of two layers."""
    processor = copy.deepcopy(processor)
    processor.image_processor.size = processor.image_processor.crop_size = {"height": 224, "width": 224}
    processor.patch_size = 16
    vision = CLIPVisionConfig(
        hidden_size=768,
        intermediate_size=3072,
        num_hidden_layers=2,
        num_attention_heads=12,
        image_size=224,
        patch_size=16,
    )
    text = LlamaConfig(
        vocab_size=len(processor.tokenizer),
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
    )
    torch.manual_seed(0)
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=processor.tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        image_seq_length=196,
    )
    return LlavaForConditionalGeneration(config), Encoder(processor)


def moved_adapter(model: Any) -> Any:
    """LoRA whose second half is no longer zero, so that both halves have gradients."""
    model = make_trainable(model, Training(adapter="lora", lora_dropout=0.0))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.02, generator=torch.Generator().manual_seed(len(name)))
    return model.train()


def test_packs_hold_each_token_once_and_the_head_once_a_picture(
    demo: tuple[Any, Encoder], world: DemoBenchmark
) -> None:
    _, encoder = demo
    rows = demo_rows(encoder, world)
    batch = labelled(encoder, rows)
    packs = packs_of(batch, batch[SHOWN])
    assert sorted(pack.rows for pack in packs) == [(0, 3, 7, 8), (1, 5), (2,), (4,), (6,)]
    for pack in packs:
        made = [rows[row].ids[column] for row, column, _ in pack.places()]
        assert len(made) == pack.length == pack.head + sum(len(rows[row].ids) - pack.head for row in pack.rows)
        assert sum(token in encoder.image_tokens for token in made) == (16 if pack.rows[0] not in (2, 6) else 0)
        for number, row in enumerate(pack.rows, start=1):
            own = [rows[at].ids[column] for at, column, tail in pack.places() if tail in (0, number)]
            assert tuple(own) == rows[row].ids, "head and own tail are the row itself"


def test_a_sequence_that_grows_too_long_goes_on_in_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "LONGEST", 9)
    ids = torch.tensor([[1, 7, 2, 3, 4], [1, 7, 2, 5, 5], [1, 7, 2, 6, 6], [1, 7, 2, 8, 8]])
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    picture: Any = object()
    packs = packs_of(batch, Shown((picture,) * 4, frozenset({7})))
    assert packs == [Pack((0, 1, 2), (5, 5, 5), 3), Pack((3,), (5,), 3)]
    apart = packs_of(
        {**batch, "input_ids": torch.tensor([[1, 2, 7], [1, 3, 7]]), "attention_mask": torch.ones(2, 3).long()},
        Shown((picture,) * 2, frozenset({7})),
    )
    assert [pack.rows for pack in apart] == [(0,), (1,)], "a picture behind its question is not shared"


@pytest.mark.parametrize("labels", ["answer", "full"])
@pytest.mark.parametrize("kernel", ["sdpa", "eager"])
def test_packed_answers_are_the_padded_batchs(
    demo: tuple[Any, Encoder], world: DemoBenchmark, kernel: str, labels: Any
) -> None:
    model, encoder = demo
    model.set_attn_implementation(kernel)
    batch = labelled(encoder, demo_rows(encoder, world), labels)
    watch = Watch(model)
    with torch.no_grad():
        packed = read_answers(model.eval(), batch)
        watch.clear()
        again = read_answers(model, batch)
        assert watch.masks == [4] * len(watch.masks) and sum(rows for rows, _ in watch.shapes) == 5
        assert_same(packed, read_answers(model, plain(batch)), 1e-5)
    assert torch.equal(packed.logits, again.logits)


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("adapter", ["lora", "full"])
@pytest.mark.parametrize("size", ["demo", "clip"])
def test_packed_gradients_are_those_of_separate_sequences(
    demo: tuple[Any, Encoder], world: DemoBenchmark, size: str, adapter: str, checkpointing: bool
) -> None:
    model, encoder = demo if size == "demo" else clip_llava(demo[1].processor)
    if adapter == "lora":
        model = moved_adapter(model)
    else:
        model = make_trainable(model, Training(adapter="full", modules="all")).train()
    if checkpointing:
        model.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
    batch = labelled(encoder, demo_rows(encoder, world))
    watch = Watch(model)
    found = gradients(model, batch)
    assert 4 in watch.masks
    assert (watch.pixels <= 2) == (adapter == "lora"), "a tower that is trained looks again, a frozen one is tried once"
    assert relative_difference(found, gradients(model, plain(batch))) < 3e-6


def test_the_reference_is_read_packed_too(demo: tuple[Any, Encoder], world: DemoBenchmark) -> None:
    model, encoder = demo
    model = moved_adapter(model)
    batch = labelled(encoder, demo_rows(encoder, world))
    loss = ObjectiveLoss(NPO, model)
    assert torch.allclose(loss.reference_sums(batch), loss.reference_sums(plain(batch)), atol=1e-5)


@pytest.mark.parametrize("forget", ["npo", "rmu", "kl", "pdu", "idk"])
def test_every_kind_of_term_has_the_loss_it_has_without_packing(
    demo: tuple[Any, Encoder], world: DemoBenchmark, forget: Any
) -> None:
    model, encoder = demo
    model = moved_adapter(model)
    objective = ObjectiveLoss(Objective(forget=forget, retain="ce" if forget == "pdu" else "kl", layer=1), model)
    batch = labelled(encoder, demo_rows(encoder, world))
    sums = objective.reference_sums(plain(batch))

    def losses(one: dict[str, Any]) -> list[float]:
        sets = {"forget": {**one, "reference_sums": sums}, "retain": one, "other": {**one, "reference_sums": sums}}
        return [float(part.loss.detach()) for part in objective.parts(model, sets, 0)]

    assert losses(batch) == pytest.approx(losses(plain(batch)), rel=1e-5, abs=1e-6)


def test_a_plan_puts_a_steps_items_about_one_picture_together_and_moves_none_to_another_step() -> None:
    pictures = [number // 5 for number in range(20)]
    apart = PairedPlan(20, 20, 48, 3, samples_per_step=8)
    traits = Traits(pictures, [0] * 20)
    together = PairedPlan(20, 20, 48, 3, samples_per_step=8, forget_traits=traits, retain_traits=traits)
    for at in range(0, 48, 8):
        one, other = ([plan[index] for index in range(at, at + 8)] for plan in (apart, together))
        for side in (0, 1):
            assert sorted(pair[side] or 0 for pair in one) == sorted(pair[side] or 0 for pair in other)
            shown = [pictures[pair[side] or 0] for pair in other]
            assert sum(left != right for left, right in pairwise(shown)) == len(set(shown)) - 1
    assert [together[index] for index in range(48)] != [apart[index] for index in range(48)]


@pytest.mark.parametrize(
    ("adapter", "checkpointing"),
    [("lora", False), ("lora", True), ("full", False)],
    ids=["lora", "checkpointed", "full"],
)
def test_a_run_with_packing_has_the_loss_curve_of_one_without(
    demo_folder: Path,
    world: DemoBenchmark,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    adapter: Any,
    checkpointing: bool,
) -> None:
    training = Training(
        adapter=adapter,
        steps=5,
        batch_size=4,
        accumulation=2,
        learning_rate=1e-3,
        lora_dropout=0.0,
        gradient_checkpointing=checkpointing,
    )

    def run(packed: bool) -> tuple[dict[int, float], dict[str, torch.Tensor], list[int]]:
        loaded = load(demo_folder, device=CPU)
        encoder, model = Encoder(loaded.processor), make_trainable(loaded.model, training)
        sets = [[item for item in world.training_items((who,)) if item.image][:12] for who in ("p01", "p02")]
        forget, retain = ([encoder.encode(one.question, one.answer, one.image) for one in items] for items in sets)
        objective = ObjectiveLoss(NPO, model, seed=training.seed)
        sums = objective.reference_sums(encoder.collate(forget)).tolist()
        traits = [Traits.of(items) for items in sets]
        grouped = {"forget_traits": traits[0], "retain_traits": traits[1]} if packed else {}
        notebook, watch = Notebook(tmp_path), Watch(model)
        make, words = collator(encoder, forget, retain, sums), ("forget", "retain")
        LetheTrainer(
            model=model,
            objective=objective,
            plan=PairedPlan(12, 12, training.steps * 8, training.seed, samples_per_step=8, **grouped),
            collate=make if packed else lambda pairs: {word: plain(make(pairs)[word]) for word in words},
            training=training,
            folder=tmp_path / "trainer",
            watcher=notebook,
            use_cpu=True,
        ).train()
        return notebook.losses, weights(model), watch.masks

    losses, trained, masks = run(packed=True)
    plain_losses, plainly_trained, plain_masks = run(packed=False)
    assert 4 in masks and 4 not in plain_masks
    assert losses == pytest.approx(plain_losses, rel=1e-4)
    assert len(set(losses.values())) == 5
    assert max(float((trained[name] - plainly_trained[name]).abs().max()) for name in trained) < 1e-4


def test_the_three_ways_that_are_timed_give_the_same_losses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_training, "clip_llava", lambda processor: clip_llava(processor)[0])
    monkeypatch.setattr(bench_training, "STEPS", 3)
    monkeypatch.setattr(bench_training, "LEARNING_RATE", 1e-2)
    plain, *ours = [bench_training.run(way, tmp_path) for way in bench_training.WAYS]
    assert len({round(loss, 3) for loss in plain.losses}) == 3, "and they move"
    for one in ours:
        assert one.losses == pytest.approx(plain.losses, rel=bench_training.SAME)


def test_a_run_in_bf16_packs_too(demo_folder: Path, world: DemoBenchmark, tmp_path: Path) -> None:
    training = Training(steps=1, batch_size=8, precision="bf16", lora_dropout=0.0)
    loaded = load(demo_folder, precision="bf16", device=CPU)
    encoder, model = Encoder(loaded.processor), make_trainable(loaded.model, training)
    items = [item for item in world.training_items(("p01",)) if item.image][:8]
    rows = [encoder.encode(item.question, item.answer, item.image) for item in items]
    curves = []
    make = collator(encoder, [], rows)
    for packed in (False, True):
        watch, notebook = Watch(model), Notebook(tmp_path)
        LetheTrainer(
            model=model,
            objective=ObjectiveLoss(Objective(forget="none", retain="ce"), model),
            plan=PairedPlan(None, 8, 8, 0),
            collate=make if packed else lambda pairs: {"retain": plain(make(pairs)["retain"])},
            training=training.model_copy(update={"learning_rate": 1e-12}),
            folder=tmp_path / "trainer",
            watcher=notebook,
            use_cpu=True,
        ).train()
        assert (4 in watch.masks) == packed
        curves.append(notebook.losses[1])
    assert curves[0] == pytest.approx(curves[1], rel=1e-2)
    assert all(kept.taken for bare, kept in features._models.items() if bare is model.get_base_model())


# -- families ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(FAMILIES))
def test_every_family_answers_as_without_packing_and_those_that_cannot_pack_say_so(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    loaded = load(write(FAMILIES[name], tmp_path / name), device=CPU)
    model, encoder = loaded.model.eval(), Encoder(loaded.processor)
    wide, tall = (_saved(picture, tmp_path / f"{number}.png") for number, picture in enumerate((WIDE, TALL)))
    rows = [
        encoder.encode(QUESTIONS[0], ANSWERS[0], wide),
        encoder.encode(QUESTIONS[1], ANSWERS[1], tall),
        encoder.encode(QUESTIONS[1], ANSWERS[0]),
        encoder.encode(QUESTIONS[1], ANSWERS[1], wide),
        encoder.encode(QUESTIONS[0], ANSWERS[1], wide),
        encoder.encode(QUESTIONS[0], ANSWERS[0], tall),
    ]
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    batch = labelled(encoder, rows)
    with torch.no_grad(), caplog.at_level(logging.INFO, "lethe"):
        found, again = read_answers(model, batch), read_answers(model, batch)
        watch = Watch(model)
        assert_same(read_answers(model, batch), read_answers(model, plain(batch)), 2e-4)
    assert torch.equal(found.logits, again.logits)
    assert (4 in watch.masks) == (name in PACK_TAKERS)
    said = [record.message for record in caplog.records if "several questions in one sequence" in record.message]
    assert len(said) == (name not in PACK_TAKERS and name != "mllama"), "once, though it was asked twice"


def _saved(picture: Any, path: Path) -> Path:
    picture.save(path)
    return path


def test_rows_longer_than_a_window_that_slides_are_read_apart(demo: tuple[Any, Encoder], world: DemoBenchmark) -> None:
    model, encoder = demo
    batch = labelled(encoder, demo_rows(encoder, world))
    watch, longest = Watch(model), batch["input_ids"].shape[1]
    for window, packs in ((longest, True), (longest - 1, False), (longest, True)):
        model.config.get_text_config().sliding_window = window
        with torch.no_grad():
            read_answers(model.eval(), batch)
        assert (4 in watch.masks) == packs
        watch.clear()


def test_layers_without_attention_and_kernels_without_masks_are_never_tried(demo: tuple[Any, Encoder]) -> None:
    model, _ = demo
    text = model.config.get_text_config()
    assert packing._takes_masks(model, {})
    text.layer_types = ["full_attention", "linear_attention", "full_attention"]
    assert not packing._takes_masks(model, {})
    text.layer_types = ["full_attention", "sliding_attention", "full_attention"]
    assert packing._takes_masks(model, {})
    text._attn_implementation = "flash_attention_2"
    assert not packing._takes_masks(model, {})


# -- kept features ----------------------------------------------------------------------------------------------------


def looked(model: Any) -> Callable[[], int]:
    """How often the tower has run since."""
    count = [0]
    tower = next(module for name, module in model.named_modules() if name.endswith("vision_tower"))
    tower.register_forward_hook(lambda *_: count.__setitem__(0, count[0] + 1))
    return lambda: count[0]


def test_a_frozen_tower_looks_at_each_picture_once(demo: tuple[Any, Encoder], world: DemoBenchmark) -> None:
    model, encoder = demo
    model = moved_adapter(model)
    batch, looks = labelled(encoder, demo_rows(encoder, world)), looked(model)
    read_answers(model, batch)
    before = looks()
    read_answers(model, batch)
    assert looks() == before, "nothing new to see"
    tower = next(weight for name, weight in model.named_parameters() if "vision_tower" in name and weight.ndim > 1)
    with torch.no_grad():
        tower.mul_(1.5)
        moved = read_answers(model, batch)
        assert looks() == before + 3, "a weight was written to, so each of three pictures is looked at anew"
        assert_same(moved, read_answers(model, plain(batch)), 1e-5)


@pytest.mark.parametrize("training", [Training(adapter="full", modules="all"), Training(modules="all", adapter="lora")])
def test_a_tower_that_is_trained_or_adapted_is_looked_through_each_time(
    demo: tuple[Any, Encoder], world: DemoBenchmark, training: Training
) -> None:
    model, encoder = demo
    model = make_trainable(model, training)
    batch, looks = labelled(encoder, demo_rows(encoder, world)), looked(model)
    read_answers(model, batch)
    before = looks()
    read_answers(model, batch)
    assert looks() > before


def test_features_beyond_the_budget_are_let_go_and_made_again(demo: tuple[Any, Encoder], world: DemoBenchmark) -> None:
    model, encoder = demo
    batch, looks = labelled(encoder, demo_rows(encoder, world)), looked(model)
    pictures = list(dict.fromkeys(picture for picture in batch[SHOWN].pictures if picture is not None))
    kept = features.Features(model, kept_bytes=1)
    for picture in [*pictures, pictures[-1], pictures[0]]:
        kept.of([picture], batch)
    assert looks() == 4, "only the newest is kept"


def test_a_family_that_answers_otherwise_to_features_is_given_pixels(
    demo: tuple[Any, Encoder], world: DemoBenchmark, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    model, encoder = demo
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    seen = features.Features._seen
    monkeypatch.setattr(
        features.Features,
        "_seen",
        lambda *given: {field: [one + 0.5 for one in value] for field, value in seen(*given).items()},
    )
    batch = labelled(encoder, demo_rows(encoder, world))
    with torch.no_grad(), caplog.at_level(logging.INFO, "lethe.features"):
        assert_same(read_answers(model.eval(), batch), read_answers(model, plain(batch)), 1e-5)
    assert "does not take a picture's kept features" in caplog.text
