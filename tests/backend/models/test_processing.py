"""Processors without what they need for videos: published names find their PIL image processors, settings survive."""

import json
from pathlib import Path
from typing import Any

import pytest
from transformers.models.auto.video_processing_auto import AutoVideoProcessor
from transformers.utils import is_torchvision_available

from backend.models.processing import NoVideo, load_processor, pictures_only
from tests.backend.models.families import FAMILIES

pytestmark = pytest.mark.skipif(is_torchvision_available(), reason="with torchvision there is nothing to leave out")
VIDEO = {"video_processor_type": "Qwen2VLVideoProcessor", "max_frames": 7}


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A Qwen2-VL folder as the hub has it: one file a processor, the image processor under its plain name."""
    with pictures_only():
        config, processor = FAMILIES["qwen2_vl"].make()
    config.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    settings: dict[str, Any] = json.loads((tmp_path / "processor_config.json").read_text())
    (tmp_path / "processor_config.json").unlink()
    images = settings["image_processor"] | {
        "image_processor_type": "Qwen2VLImageProcessor",
        "processor_class": "Qwen2VLProcessor",
    }
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(images))
    (tmp_path / "video_preprocessor_config.json").write_text(json.dumps(VIDEO))
    return tmp_path


def test_a_published_folder_loads_with_its_pil_image_processor(published: Path) -> None:
    processor = load_processor(str(published))
    assert type(processor.image_processor).__name__ == "Qwen2VLImageProcessorPil"
    assert isinstance(processor.video_processor, NoVideo)
    with pytest.raises(NotImplementedError, match="videos are not read"):
        processor.video_processor([])


def test_the_settings_for_videos_are_kept_for_others(published: Path, tmp_path: Path) -> None:
    load_processor(str(published)).save_pretrained(tmp_path / "again")
    kept = json.loads((tmp_path / "again" / "processor_config.json").read_text())["video_processor"]
    assert {key: kept[key] for key in VIDEO} == VIDEO


def test_the_library_is_left_as_it_was(published: Path) -> None:
    before = AutoVideoProcessor.__dict__["from_pretrained"]
    load_processor(str(published))
    with pytest.raises(OSError):
        load_processor(str(published / "nowhere"))
    assert AutoVideoProcessor.__dict__["from_pretrained"] is before
