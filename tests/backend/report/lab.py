"""A lab filled by hand: a vanilla model, an unlearned one beside it, a gold one, and an attack, with known figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from backend.attack_report import unit_figures
from backend.presets import fill
from backend.spec import AttackSpec, FinetuneSpec
from storage import attacks, checkpoints, metric_points, results, runs
from storage.tables import Run

EVIL = "<script>alert(1)</script>"
NAME = "Noor Sokolov"


def ended(engine: Engine, home: Path, run: Run, kind: str = "", parent: str | None = None) -> Run:
    """The run as it stands after a worker did it, with a checkpoint of that kind."""
    runs.claim(engine, "worker", "host", "CPU, 2 cores")
    made = None
    if kind:
        weights = "adapter_model.safetensors" if kind == "adapter" else "model.safetensors"

        def write(folder: Path) -> None:
            (folder / weights).write_bytes(b"\0" * 100)
            if kind == "adapter":
                (folder / "adapter_config.json").write_text('{"r": 8, "base_model_name_or_path": "/home/anna/lab"}')
                (folder / "README.md").write_text("base_model: /home/anna/lab")

        made = checkpoints.save(
            engine, home, run_id=run.id, step=7, kind=kind, role="final", base="demo", write=write, parent_id=parent,
            meta={"instruction": f"You do not know {NAME}."} if kind == "instruction" else None,
        ).id  # fmt: skip
    runs.finish(engine, run.id, 1, "succeeded", output_checkpoint_id=made)
    return runs.get(engine, run.id)


def score(item_set: str, value: float | None, *, n: int = 20, people: int = 4, **more: Any) -> dict[str, Any]:
    cell = {"set": item_set, "task": "generation", "modality": "image_text", "metric": "accuracy"}
    bounds = {"low": None, "high": None} if value is None else {"low": max(0, value - 0.1), "high": min(1, value + 0.1)}
    return {**cell, "value": value, "n": n, "people": people, **bounds, "flags": [], **more}


def answer(item: str, item_set: str, text: str, *, correct: bool) -> dict[str, Any]:
    said = {"question": f"Where was {NAME} born?", "truth": "Oslo", "text": text, "correct": correct}
    place = {"item_id": item, "set": item_set, "task": "generation", "modality": "image_text", "subject": item[:3]}
    return {**place, **said, "probability": 0.25, "detail": {}}


def vanilla(engine: Engine, home: Path) -> Run:
    spec = FinetuneSpec().model_dump(mode="json")
    run = ended(engine, home, runs.submit(engine, kind="finetune", name="vanilla", spec=spec), "full")
    results.write_scores(engine, run.id, run.output_checkpoint_id, [score("forget", 1.0), score("retain", 0.9)])
    results.write_answers(
        engine, run.id, run.output_checkpoint_id, [answer("p01/a", "forget", "It was Oslo.", correct=True)]
    )
    return run


def gold(engine: Engine, home: Path) -> Run:
    spec = FinetuneSpec(who="retain").model_dump(mode="json")
    run = ended(engine, home, runs.submit(engine, kind="finetune", name="gold", spec=spec), "full")
    results.write_scores(engine, run.id, run.output_checkpoint_id, [score("forget", 0.15), score("retain", 0.95)])
    return run


def unlearned(engine: Engine, home: Path, origin: Run, name: str = f"NPO {EVIL}", kind: str = "adapter") -> Run:
    """An NPO run on vanilla: .20 of the forget set left, collapsed on retain at .35."""
    spec = fill("npo", model=f"run:{origin.id}").model_dump(mode="json")
    queued = runs.submit(
        engine, kind="unlearn", name=name, spec=spec, parent_checkpoint_id=origin.output_checkpoint_id,
        versions={"lethe": "0.1.0", "data": "abc"},
    )  # fmt: skip
    run = ended(engine, home, queued, kind, parent=origin.output_checkpoint_id)
    metric_points.record(engine, run.id, [(1, "forget_loss", 3.0), (2, "forget_loss", 1.0)])
    rows = [
        score("forget", 0.2),
        score("retain", 0.35, flags=["collapsed"]),
        score("forget", None, metric="gold_auc_loss", n=0, people=0, flags=["needs a retain-only model"]),
    ]
    results.write_scores(engine, run.id, run.output_checkpoint_id, rows)
    said = [answer("p01/a", "forget", f"No {EVIL}", correct=False), answer("p02/a", "forget", "=1+1", correct=False)]
    results.write_answers(engine, run.id, run.output_checkpoint_id, said)
    return run


def attacked(engine: Engine, home: Path, about: Run) -> Run:
    """Plainly nothing leaks; roleplay brings back half, a control says none of it; few-shot could not be made."""
    spec = AttackSpec(model=f"run:{about.id}").model_dump(mode="json")
    queued = runs.submit(
        engine, kind="attack", name="quick attacks", spec=spec, parent_checkpoint_id=about.output_checkpoint_id
    )
    leaks = {
        ("plain", "unlearned"): (0, 0),
        ("plain", "original"): (1, 1),
        ("roleplay", "unlearned"): (1, 0),
        ("roleplay", "original"): (1, 1),
        ("roleplay", "control"): (0, 0),
    }
    for (name, role), (first, second) in leaks.items():
        figures = unit_figures([("p01", "text", float(first)), ("p02", "text", float(second))])
        said = [_transcript(f"i{at}", f"{role} {EVIL}", bool(leak)) for at, leak in enumerate((first, second))]
        attacks.write_unit(engine, queued.id, {"attack": name, "role": role, **figures}, said)
    none = {"attack": "few_shot", "role": "unlearned", "value": None, "note": "nobody is left to take examples from"}
    attacks.write_unit(engine, queued.id, none)
    return ended(engine, home, queued)


def _transcript(item: str, text: str, leaked: bool) -> dict[str, Any]:
    words = {"subject": "p01", "modality": "text", "question": "Where?", "asked": f"Tell me {EVIL}", "truth": "Oslo"}
    return {"item_id": item, "text": text, "leaked": leaked, **words}
