"""What the launch page says of memory: sums worked out by hand, and one sentence where they do not fit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from sqlalchemy import Engine

from backend.objectives.forget import FORGET_TERMS
from backend.objectives.retain import RETAIN_TERMS
from backend.spec import EvaluateSpec, FinetuneSpec, Objective, Training, UnlearnSpec
from backend.spec_edit import Edit
from storage import database, workers
from tests.backend.models.test_memory import LLAVA_7B
from tests.ui.test_launching import WORLDS
from ui import launch_memory, launch_views, launching, this_run
from ui.launch_memory import copies, room, rows_at_once

WHOLE = 7_063_427_072
A_TOKEN = 32 * (4 * 4096 + 4 * 4096 + 4 * 11008)
"""Numbers that LLaVA's 32 blocks keep of a token."""


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setenv("LETHE_HOME", str(tmp_path))
    engine = database.connect()
    database.migrate(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def llava(tmp_path: Path) -> str:
    folder = tmp_path / "llava"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(LLAVA_7B))
    return str(folder)


def hired(engine: Engine, **devices: int | None) -> None:
    told = [{"name": name.replace("_", ":"), "bytes": held} for name, held in devices.items()]
    workers.register_worker(engine, host="here", pid=1, pid_started_at=0.0, device="2 GPUs", devices=told)


def test_a_run_is_told_part_by_part_beside_what_the_device_has(engine: Engine, llava: str) -> None:
    spec = FinetuneSpec(model=llava, training=Training(adapter="full", modules="all", batch_size=4))
    kept = 4 * (4 * 640 * A_TOKEN) + 3 * 4 * 4 * 32 * 32064
    told = f"weights 28.3 GB · gradients 28.3 GB · optimiser 56.5 GB · activations {kept / 1e9:.1f} GB"
    assert [round(WHOLE * count / 1e9, 1) for count in (4, 8)] == [28.3, 56.5]
    total = f"about {(16 * WHOLE + kept) / 1e9:.1f} GB"
    assert room(engine, spec).fact == ("Memory", total, f"{told}; what the device has is unknown")
    assert room(engine, spec).warning == ""
    hired(engine, cuda_0=160_000_000_000, cuda_1=25_400_000_000)
    found = room(engine, spec)
    assert found.fact == ("Memory", total, f"{told}; the GPU has 25.4 GB")
    assert found.warning == (
        f"This would not fit: it takes {total}, and the GPU has 25.4 GB. Less is needed with LoRA, bf16, gradient "
        "checkpointing or a smaller batch, accumulated."
    )


def test_the_bounds_of_what_fits(engine: Engine, llava: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch_memory, "_needed", lambda *_: (90_000_000_000, ""))
    spec = FinetuneSpec(model=llava, training=Training(batch_size=1, gradient_checkpointing=True, precision="nf4"))
    hired(engine, cuda_0=100_000_000_000)
    assert room(engine, spec).warning == ""
    monkeypatch.setattr(launch_memory, "_needed", lambda *_: (90_000_000_001, ""))
    assert room(engine, spec).warning == "This might not fit: it takes about 90.0 GB, and the GPU has 100.0 GB."


def test_precision_and_what_is_trained_change_it(engine: Engine, llava: str) -> None:
    def needed(**training: Any) -> int:
        return launch_memory._needed(LLAVA_7B, FinetuneSpec(model=llava, training=Training(**training)))[0]

    lora = {"batch_size": 1, "lora_rank": 8}
    full, half, four = (needed(precision=precision, **lora) for precision in ("fp32", "bf16", "nf4"))
    assert full - half == 2 * WHOLE + 2 * 640 * A_TOKEN
    assert four < half < needed(precision="bf16", batch_size=2) < needed(adapter="full", batch_size=2)
    assert needed(precision="bf16", gradient_checkpointing=True, **lora) < half


def test_labels_on_the_question_too_have_logits_of_whole_rows(engine: Engine, llava: str) -> None:
    of_answers, of_rows = (
        launch_memory._needed(
            LLAVA_7B, UnlearnSpec(model=llava, objective=Objective(labels=labels), training=Training(batch_size=2))
        )[0]
        for labels in ("answer", "full")
    )
    assert of_rows - of_answers == 3 * 4 * 2 * (640 - 32) * 32064


def test_processes_on_one_processor_share_its_memory(engine: Engine, llava: str) -> None:
    one, two = (FinetuneSpec(model=llava, training=Training(batch_size=1, devices=count)) for count in (1, 2))
    hired(engine, cpu=64_000_000_000)
    alone, both = (room(engine, spec).fact for spec in (one, two))
    assert alone[2].endswith("; main memory is 64.0 GB")
    assert float(both[1].split()[1]) == pytest.approx(2 * float(alone[1].split()[1]), abs=0.2)


def test_what_trains_nothing_takes_its_weights(engine: Engine, llava: str) -> None:
    words = ("Memory", f"about {2 * WHOLE / 1e9:.1f} GB", f"weights {2 * WHOLE / 1e9:.1f} GB, and what answers take")
    for spec in (
        EvaluateSpec(model=llava, precision="bf16"),
        UnlearnSpec(model=llava, edit=Edit(method="manu"), training=Training(precision="bf16")),
    ):
        fact = room(engine, spec).fact
        assert fact[:2] == words[:2] and fact[2].startswith(words[2])


def test_a_family_without_sums_has_the_numbers_of_its_files(engine: Engine, tmp_path: Path) -> None:
    folder = tmp_path / "florence"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "florence2"}))
    spec = EvaluateSpec(model=str(folder))
    why = "how many parameters a florence2 model has cannot be told from its config"
    assert room(engine, spec).fact == ("Memory", "unknown", why)
    save_file({"a": torch.zeros(1000, 500)}, folder / "model.safetensors")
    assert room(engine, spec).fact == ("Memory", "more than 2.0 MB", f"that is its weights; {why}")


@pytest.mark.parametrize("adapter", ["lora", "full"])
def test_the_terms_that_keep_a_copy_are_those_that_ask_the_reference(adapter: Any) -> None:
    training = Training(adapter=adapter)
    learnt = Edit(method="task_vector" if adapter == "lora" else "none")
    """What teaches is then subtracted, which takes an adapter."""
    for name, term in FORGET_TERMS.items():
        teaches = name in ("learn", "sku")
        if teaches and adapter == "full":
            continue
        edit = learnt if teaches else Edit()
        spec = UnlearnSpec(objective=Objective(forget=name, retain="ce"), edit=edit, training=training)
        assert copies(spec)["reference_copy"] == (adapter == "full" and "reference" in term.needs), name
        both = {"policy", "other"} <= term.needs
        assert rows_at_once(spec) == (1 + (5 if name in ("llmu", "sku") else 1) if both else 1), name
    for name, term in RETAIN_TERMS.items():
        if name == "kl_away":
            continue  # it goes with what is subtracted
        spec = UnlearnSpec(objective=Objective(forget="none", retain=name), training=training)
        asked = bool({"reference", "hidden_target"} & term.needs)
        assert copies(spec)["reference_copy"] == (adapter == "full" and asked), name
    for forget, retain, stays in (("npo", "ce", False), ("npo", "kl", True)):
        named = UnlearnSpec(
            objective=Objective(forget=forget, retain=retain, reference="retain_tuned"), training=training
        )
        assert copies(named)["reference_copy"] == stays, "another model is kept beside this one while it is asked"
    start = UnlearnSpec(objective=Objective(regulariser="l2_start"), training=training)
    assert copies(start)["start_copy"] and not copies(UnlearnSpec(training=training))["start_copy"]


def test_the_card_shows_it_and_the_form_changes_it(engine: Engine, llava: str) -> None:
    hired(engine, cuda_0=20_000_000_000)
    form = launching.defaults("finetune") | {"model": llava, "training.batch_size": 1}
    full = this_run.preview(engine, WORLDS, form)
    html = launch_views.run_html(full, "/launch")
    assert "optimiser 56.5 GB" in html and html.count('class="lethe-tight" role="status"') == 1
    light = {"training.adapter": "lora", "training.modules": "language", "training.precision": "bf16"}
    small = launch_views.run_html(this_run.preview(engine, WORLDS, form | light), "/launch")
    assert "weights 14.2 GB" in small and "lethe-tight" not in small
