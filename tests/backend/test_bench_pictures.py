"""What the bench of pictures counts is what the two orders do, and its second run reads what the first one wrote."""

from pathlib import Path
from typing import Any

import pytest
import torch

from backend import bench_pictures
from backend.benchmarks.demo import DemoBenchmark
from backend.models.encoding import Encoder
from backend.models.lineage import make_trainable
from backend.models.loading import load
from backend.spec import Training


def test_by_picture_shows_fewer_pictures_and_fewer_tokens(demo_folder: Path, world: DemoBenchmark) -> None:
    loaded = load(demo_folder, device=torch.device("cpu"))
    model = make_trainable(loaded.model, Training(lora_dropout=0.0)).train()
    seen: dict[str, tuple[float, ...]] = {}
    for deal in bench_pictures.DEALS:
        step = bench_pictures._stepping(model, Encoder(loaded.processor), world, 8, 2, deal)
        busy, *seen[deal] = map(sum, zip(step(0), step(1), strict=True))
        assert busy > 0
    (pictures, tokens, apart), (fewer_pictures, fewer_tokens, other_apart) = seen["even"], seen["by_picture"]
    # 16 items of each set, a quarter of them text: nearly each has a picture of its own, or eight have one.
    assert pictures >= 16 and fewer_pictures <= 10
    assert fewer_tokens < 0.8 * other_apart and tokens > 0.9 * apart


def test_a_second_run_reads_and_the_sentences_say_so(
    demo_folder: Path, world: DemoBenchmark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def small(_: Any) -> Any:
        return load(demo_folder, device=torch.device("cpu")).model

    monkeypatch.setattr(bench_pictures, "clip_llava", small)
    monkeypatch.setattr(bench_pictures, "clip_sized", lambda processor: processor)
    monkeypatch.setattr(bench_pictures, "PICTURES", 2)
    found = bench_pictures.features(tmp_path)
    assert min(found.tower_ms, found.written_ms, found.read_ms, found.digest_s) > 0
    assert f"from disk in a second run {found.read_ms:.1f} ms" in bench_pictures.said_of_features(found)


def test_a_deal_is_said_with_its_gain_over_the_even_one() -> None:
    even, other = (
        bench_pictures.Dealt("m", 16, deal, seconds, 2, 30, 60)
        for deal, seconds in zip(bench_pictures.DEALS, (3, 2), strict=True)
    )
    assert "by_picture: 2.00 s of the processor (1.5×), 2.0 pictures, 30 tokens of 60" in bench_pictures.said_of_deal(
        other, even
    )
