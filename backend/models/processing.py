"""A family's processor, pictures only: without torchvision the PIL image processors serve, and videos are left out.

Some families' processors want a video processor, which cannot be made without torchvision, and one of them a package
that counts a video's frames in words. No video is ever read here, so stand-ins take their places. They keep the
settings they were given: a processor that is saved can be loaded by others, videos and all.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from transformers import AutoProcessor, ProcessorMixin
from transformers.models.auto.video_processing_auto import AutoVideoProcessor
from transformers.utils import is_torchvision_available
from transformers.video_processing_utils import VideoProcessorMixin

NUMBER_WORDS = "transformers.models.smolvlm.processing_smolvlm"


def load_processor(source: str) -> Any:
    """The processor of a folder or hub id. Raises what transformers raises."""
    with pictures_only():
        return AutoProcessor.from_pretrained(source)


class NoVideo(VideoProcessorMixin):  # type: ignore[misc]
    """In a video processor's place: keeps its settings and refuses videos."""

    num_frames = fps = None

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self._settings = settings

    def preprocess(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError("videos are not read here")

    def to_dict(self) -> dict[str, Any]:
        return dict(self._settings)

    @classmethod
    def in_place_of(cls, source: str, **named: Any) -> NoVideo:
        """With the settings that lie in the folder, if any do."""
        try:
            settings, _ = cls.get_video_processor_dict(source, **named)
        except (OSError, ValueError):
            settings = {}
        return cls(**settings)


@contextmanager
def pictures_only() -> Iterator[None]:
    """Within it processors are made without what they need for videos alone."""
    words = importlib.import_module(NUMBER_WORDS)
    find = ProcessorMixin.get_possibly_dynamic_module

    def found(name: str) -> Any:
        # Without torchvision transformers does not show this class, against which it checks every video processor.
        return VideoProcessorMixin if name == VideoProcessorMixin.__name__ else find(name)

    with ExitStack() as stack:
        if words.num2words is None:
            stack.enter_context(_replaced(words, "num2words", str))
        if not is_torchvision_available():
            stack.enter_context(_replaced(AutoVideoProcessor, "from_pretrained", NoVideo.in_place_of))
            stack.enter_context(_replaced(ProcessorMixin, "get_possibly_dynamic_module", staticmethod(found)))
        yield


@contextmanager
def _replaced(owner: Any, name: str, stand_in: Any) -> Iterator[None]:
    kept = owner.__dict__[name]
    setattr(owner, name, stand_in)
    try:
        yield
    finally:
        setattr(owner, name, kept)
