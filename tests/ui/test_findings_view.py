"""Findings as a page shows them: a mark and a word, the figures, the way to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from backend.findings import Finding, Witness
from backend.presets import fill
from backend.spec import FinetuneSpec
from storage import checkpoints, results, runs
from storage.tables import Checkpoint, Run
from ui import findings_view
from ui.context import Lab


def test_every_claim_stands_there_even_where_nobody_can_tell(lab: Lab) -> None:
    shown = findings_view.block(lab)
    assert shown.count("cannot tell") == 8 and "needs a scored MMUnlearner run" in shown
    assert findings_view.of_run(lab, "0" * 32) == ""


def test_a_single_witness_is_a_link_and_words_are_escaped() -> None:
    witness = Witness("r1", "a <b>", "picture .74", 1, "/runs?run=r1")
    finding = Finding("k", "Claim <1>", "OFFSIDE 1", "rule", "supported", "picture .74", (witness,))
    shown = findings_view.table([finding])
    assert "Claim &lt;1&gt;" in shown and 'href="/runs?run=r1">picture .74' in shown
    assert "lethe-finding-supported" in shown and "✓" in shown


@pytest.fixture
def text_only(lab: Lab, saved: Callable[..., Checkpoint]) -> Run:
    """A run on text alone from a model that knew everything, both scored."""

    def scored(kind: str, spec: dict[str, Any], text: float, picture: float, parent: Checkpoint | None = None) -> Run:
        above = parent.id if parent else None
        run = runs.submit(lab.engine, kind=kind, name=kind, spec=spec, parent_checkpoint_id=above)
        runs.claim(lab.engine, "worker", "host", "CPU")
        made = saved(run, parent_id=above).id
        runs.finish(lab.engine, run.id, 1, "succeeded", output_checkpoint_id=made)
        rows: list[dict[str, Any]] = [
            {"item_set": "forget", "task": "generation", "modality": modality, "metric": "accuracy", "value": value,
             "n": 10, "people": 4, "low": value - 0.05, "high": value + 0.05}
            for modality, value in (("text", text), ("image_text", picture))
        ]  # fmt: skip
        results.write_scores(lab.engine, run.id, made, rows)
        return runs.get(lab.engine, run.id)

    vanilla = scored("finetune", FinetuneSpec(model="demo").model_dump(mode="json"), 1.0, 1.0)
    spec = fill("npo").model_dump(mode="json")
    spec["request"] |= {"modality": "text"}
    return scored("unlearn", spec, 0.1, 0.8, checkpoints.get(lab.engine, vanilla.output_checkpoint_id or ""))


def test_a_run_says_what_it_alone_bears_out(lab: Lab, text_only: Run) -> None:
    shown = findings_view.of_run(lab, text_only.id)
    assert shown.count("<tr>") == 2 and "Forgetting only the text" in shown
    assert "✓ for it" in findings_view.evidence(lab)
