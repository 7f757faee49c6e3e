"""What a frozen vision tower and projector made of a picture, kept for the next time the picture is shown.

A picture comes up once an epoch and, with a reference to be asked, twice; a frozen tower says the same of it each time.
Kept in memory up to a number of bytes, by picture, and below that on disk for the runs to come (`feature_files.py`),
unless the disk turns out slower than the tower. Everything goes when a weight of the tower or the projector has been
written to. Nothing is kept where either is trained or carries an adapter, where the features hang on the language part
too, or where a family does not take what was kept and answer as it does to pixels: that is tried once a model.
"""

from __future__ import annotations

import inspect
import logging
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from weakref import ReferenceType, WeakKeyDictionary, ref

import torch
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutputWithPooling

from backend.models.anatomy import UnknownAnatomy, anatomy
from backend.models.feature_files import FeatureFiles, Form, Pace, form_of, seer_of
from backend.models.packing import Shown, bare_of, by_token, family, pixels, rows_of
from backend.models.picture import Picture
from backend.models.trial import Way, gives_the_same
from storage.kept_files import KeptFiles, kept_features

log = logging.getLogger("lethe.features")

BYTES_KEPT = 512 * 2**20
OUTPUTS = "mm_encoder_outputs"
"""The forward argument by which a family takes what its tower made."""
FIELDS = ("pooler_output", "deepstack_features")
"""What families read of it: one tensor or one a picture, and the same again for each level that is fed in deeper."""


class Features:
    """A model's kept pictures. `taken` is whether its answers are those to pixels; None until that was tried."""

    def __init__(self, bare: Any, kept_bytes: int = BYTES_KEPT) -> None:
        self.taken: bool | None = None
        self.files: KeptFiles | None = None
        self._bare: ReferenceType[Any] = ref(bare)
        self._budget = kept_bytes
        self._kept: OrderedDict[int, tuple[ReferenceType[Picture], dict[str, Any]]] = OrderedDict()
        self._written = -1
        self._form: Form | None = None
        self._on_disk: FeatureFiles | None = None
        self._pace = Pace()

    def of(self, pictures: Sequence[Picture], batch: Mapping[str, Tensor]) -> dict[str, Any]:
        """The forward's arguments for these pictures, in this order."""
        made = [self._one(picture, batch) for picture in pictures]
        outputs = BaseModelOutputWithPooling()
        for field in made[0]:
            outputs[field] = _joined([one[field] for one in made])
        small = {key: value for key, value in pixels(pictures, batch).items() if not key.startswith("pixel")}
        return {**small, OUTPUTS: {"image": outputs}}

    def refresh(self, frozen: Sequence[nn.Parameter]) -> None:
        """Lets everything go if any of these weights was written to since the last time."""
        # Torch counts in-place writes; a frozen weight has none.
        written = sum(weight._version for weight in frozen)
        if written != self._written:
            self._kept.clear()
            self._on_disk = None
        self._written = written

    def _one(self, picture: Picture, batch: Mapping[str, Tensor]) -> dict[str, Any]:
        known = self._kept.get(id(picture))
        if known is not None and known[0]() is picture:
            self._kept.move_to_end(id(picture))
            return known[1]
        made = self._found(picture, batch)
        self._kept[id(picture)] = (ref(picture), made)
        while len(self._kept) > 1 and sum(_bytes(one) for _, one in self._kept.values()) > self._budget:
            self._kept.popitem(last=False)
        return made

    def _found(self, picture: Picture, batch: Mapping[str, Tensor]) -> dict[str, Any]:
        """From disk, or by the tower and then on disk. Nothing is read before the tower has told the features' form."""
        bare: Any = self._bare()
        if self.files is None or self._form is None or not self.taken:
            return self._seen(picture, batch)
        if self._pace.disk_is_slower():
            log.info("features of pictures are not kept on disk: %s's tower is faster", family(bare))
            self.files = None
            return self._seen(picture, batch)
        on_disk = self._on_disk = self._on_disk or FeatureFiles(self.files, seer_of(bare))
        with self._pace.of_disk():
            name = on_disk.name(picture.tensors)
            known = on_disk.read(name, self._form)
            if known is not None:
                device = next(bare.parameters()).device
                return {field: _moved(value, device) for field, value in known.items()}
        made = self._seen(picture, batch)
        with self._pace.of_disk():
            on_disk.write(name, made)
        return made

    @torch.no_grad()
    def _seen(self, picture: Picture, batch: Mapping[str, Tensor]) -> dict[str, Any]:
        bare: Any = self._bare()
        given = inspect.signature(bare.get_image_features).parameters
        weight = next(bare.parameters())
        tensors = {
            key: value.to(weight.dtype) if value.is_floating_point() else value
            for key, value in pixels([picture], batch).items()
            if key in given
        }
        training = bare.training
        bare.eval()
        try:
            # Whoever asks, and in whatever precision they train: the same features.
            with self._pace.of_tower(weight.device), torch.autocast(weight.device.type, enabled=False):
                made = bare.get_image_features(**tensors, return_dict=True)
        finally:
            bare.train(training)
        found = {field: made[field] for field in FIELDS if made.get(field) is not None}
        self._form = form_of(found)
        return found


_models: WeakKeyDictionary[nn.Module, Features] = WeakKeyDictionary()


def keep_on_disk(model: nn.Module, home: Path) -> None:
    """From here on this model's features are kept below the lab's folder too, unless the lab keeps none."""
    _models.setdefault(model, Features(model)).files = kept_features(home)


def features_for(model: nn.Module, bare: Any, batch: Mapping[str, Tensor], shown: Shown) -> Features | None:
    """What is kept of a batch's pictures; None where pixels have to be looked at."""
    first = next((row for row, picture in enumerate(shown.pictures) if picture is not None), None)
    if first is None or OUTPUTS not in inspect.signature(type(bare).forward).parameters:
        return None
    frozen = _frozen(bare)
    if frozen is None:
        return None
    features = _models.setdefault(bare, Features(bare))
    features.refresh(frozen)
    if features.taken is None:
        one, of_it = rows_of(batch, shown, [first]), shown.of([first])
        ways = _two_ways(model, bare, features, one, of_it)
        # The tower may be run in another precision for what is kept, and its rounding is not the language part's.
        features.taken = gives_the_same(model, bare, *ways, sharp=False)
        if not features.taken:
            log.info("%s does not take a picture's kept features, so its tower looks at every picture", family(bare))
    return features if features.taken else None


def with_features(model: nn.Module, batch: Mapping[str, Tensor], shown: Shown) -> dict[str, Any]:
    """A collated batch as a model's inputs, labels apart: its pictures by what is kept of them, where that may be."""
    features = features_for(model, bare_of(model), batch, shown)
    if features is None:
        return {key: value for key, value in batch.items() if key != "labels"}
    pictures = [picture for picture in shown.pictures if picture is not None]
    return {**by_token(batch, shown), **features.of(pictures, batch)}


@contextmanager
def _listening(bare: Any) -> Iterator[list[bool]]:
    """Not empty once the language part has been asked: features that hang on its words change as it is trained."""
    spoken: list[bool] = []
    parts = (bare.get_input_embeddings(), bare.get_submodule(anatomy(bare).language))
    handles = [part.register_forward_hook(lambda *_: spoken.append(True)) for part in parts]
    try:
        yield spoken
    finally:
        for handle in handles:
            handle.remove()


def _two_ways(
    model: nn.Module, bare: Any, features: Features, batch: Mapping[str, Tensor], shown: Shown
) -> tuple[Way, Way]:
    """Ways to the logits of one row: by its pixels, and by what is kept of them."""
    pictures = [picture for picture in shown.pictures if picture is not None]
    words = {**by_token(batch, shown), "use_cache": False}

    def by_pixels() -> Tensor:
        logits: Tensor = model(**words, **pixels(pictures, batch)).logits
        return logits

    def by_features() -> Tensor:
        with _listening(bare) as spoken:
            kept = features.of(pictures, batch)
        if spoken:
            raise ValueError("what the tower makes of a picture hangs on the language part, which may be trained")
        logits: Tensor = model(**words, **kept).logits
        return logits

    return by_pixels, by_features


def _frozen(bare: Any) -> list[nn.Parameter] | None:
    """Weights of tower and projector; None where one is trained, or an adapter hangs on them."""
    try:
        parts = anatomy(bare)
    except UnknownAnatomy:
        return None
    found = []
    for name, weight in bare.named_parameters():
        if parts.part_of(name) in ("vision", "projector"):
            if weight.requires_grad or "lora_" in name:
                return None
            found.append(weight)
    return found


def _joined(values: Sequence[Any]) -> Any:
    """Tensors one after the other; lists of one a picture as one list; lists of levels level by level."""
    first = values[0]
    if isinstance(first, Tensor):
        return torch.cat(list(values))
    if first and isinstance(first[0], Tensor):
        return [one for value in values for one in value]
    return [_joined(level) for level in zip(*values, strict=True)]


def _moved(value: Any, device: torch.device) -> Any:
    return value.to(device) if isinstance(value, Tensor) else [_moved(one, device) for one in value]


def _bytes(value: Any) -> int:
    if isinstance(value, Tensor):
        return value.numel() * value.element_size()
    return sum(_bytes(one) for one in (value.values() if isinstance(value, dict) else value))
