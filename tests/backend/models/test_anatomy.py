"""The parts of a model, found by structure: names may change, places may not."""

from pathlib import Path

import pytest
import torch
from transformers import CLIPVisionConfig, CLIPVisionModel

from backend.models.anatomy import UnknownAnatomy, anatomy, linear_layers, parameters_of
from backend.models.lineage import make_trainable
from backend.models.loading import ModelRefused, load
from backend.spec import Training

CPU = torch.device("cpu")


def test_every_parameter_belongs_to_exactly_one_part(demo_folder: Path) -> None:
    model = load(demo_folder, device=CPU).model
    parts = {
        part: sum(1 for _ in parameters_of(model, (part,))) for part in ("language", "projector", "vision", "head")
    }
    assert sum(parts.values()) == sum(1 for _ in model.named_parameters())
    # Llama: embedding, 3 layers of 9, the last norm. Projector: 2 linear layers with bias. Head: one matrix.
    assert (parts["language"], parts["projector"], parts["head"]) == (1 + 3 * 9 + 1, 4, 1)
    assert parts["vision"] > 0


def test_lora_on_the_language_part_touches_no_tower_and_no_head(demo_folder: Path) -> None:
    model = load(demo_folder, device=CPU).model
    targets = linear_layers(model, ("language",))
    assert len(targets) == 3 * 7
    found = anatomy(model)
    assert {found.part_of(target) for target in targets} == {"language"}


@pytest.mark.parametrize("modules", ["language", "language+projector", "all"])
@pytest.mark.parametrize("adapter", ["lora", "full"])
def test_only_the_declared_parts_are_trainable(demo_folder: Path, modules: str, adapter: str) -> None:
    loaded = load(demo_folder, device=CPU).model
    found = anatomy(loaded)
    model = make_trainable(loaded, Training(adapter=adapter, modules=modules))
    trained = {
        found.part_of(name.removeprefix("base_model.model."))
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }
    expected = {
        "language": {"language"},
        "language+projector": {"language", "projector"},
        "all": {"language", "projector", "vision"},
    }
    assert trained - {"head"} == expected[modules]
    assert ("head" in trained) == (adapter == "full")


def test_a_tower_alone_is_refused() -> None:
    tower = CLIPVisionModel(
        CLIPVisionConfig(
            hidden_size=32,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            image_size=32,
            patch_size=16,
        )
    )
    with pytest.raises(UnknownAnatomy, match="no language model was found"):
        anatomy(tower)


def test_lora_without_a_single_target_is_refused(demo_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.models.lineage.linear_layers", lambda *_: [])
    with pytest.raises(ModelRefused, match="train nothing"):
        make_trainable(load(demo_folder, device=CPU).model, Training())
