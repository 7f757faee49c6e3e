"""An adapter merged into the weights below it, written as an ordinary Hugging Face folder. The one part with torch."""

from __future__ import annotations

from pathlib import Path

import torch
from sqlalchemy import Engine

from backend.models.lineage import open_model
from backend.report.taking import Merge
from storage.tables import Checkpoint


def merger(engine: Engine, home: Path, precision: str) -> Merge:
    """Merges on the processor in `precision` (fp32 or bf16), which is also how the weights are written."""

    def merge(checkpoint: Checkpoint, folder: Path) -> None:
        opened = open_model(
            engine, home, f"checkpoint:{checkpoint.id}", precision=precision, device=torch.device("cpu")
        )
        opened.model.save_pretrained(folder)
        opened.processor.save_pretrained(folder)
        for file in folder.iterdir():
            file.chmod(0o644)  # weights come readable to their owner alone, the rest to everybody

    return merge
