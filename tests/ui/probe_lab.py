"""A lab with an original, two unlearned models and a gold one, and a probe that answers by script."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from backend.benchmarks.demo import DemoBenchmark
from backend.presets import fill
from backend.probing import Address
from backend.spec import FinetuneSpec, ProbeSpec, Spec
from storage import checkpoints, probes, runs
from storage.tables import Checkpoint
from ui.context import Lab


@dataclass(frozen=True)
class Models:
    """The lab, and its checkpoints in the order in which they were made."""

    lab: Lab
    original: Checkpoint
    gold: Checkpoint
    older: Checkpoint
    newest: Checkpoint


def with_models(lab: Lab, world: DemoBenchmark) -> Models:
    """vanilla, retain-only (10 %), GA on 5 % and NPO on 10 % of the people; both grown from vanilla."""
    lab = replace(lab, benchmarks={"demo": world})
    original = made(lab, "vanilla", FinetuneSpec())
    gold = made(lab, "retain-only", FinetuneSpec(who="retain"))
    older = made(lab, "GA 5 %", fill("ga", request={"ratio": 5}), original.id)
    newest = made(lab, "NPO 10 %", fill("npo"), original.id)
    return Models(lab, original, gold, older, newest)


def made(lab: Lab, name: str, spec: Spec, parent: str | None = None) -> Checkpoint:
    """What a run that has succeeded ended with."""
    kind = spec.model_dump()["kind"]
    runs.submit(lab.engine, kind=kind, name=name, spec=spec.model_dump(mode="json"))
    run = runs.claim(lab.engine, "worker", "host", "CPU")
    assert run is not None

    def write(folder: Path) -> None:
        (folder / "model.safetensors").write_bytes(name.encode())

    made = checkpoints.save(
        lab.engine,
        lab.home,
        run_id=run.id,
        step=80,
        kind="full",
        role="final",
        base="demo",
        write=write,
        parent_id=parent,
    )
    runs.finish(lab.engine, run.id, run.attempt, "succeeded", output_checkpoint_id=made.id)
    return made


class Script:
    """Stands in for the probe: says what it is told to, and keeps it as the real one does."""

    def __init__(self, models: Models, said: dict[str, str], **wrong: str) -> None:
        self._models, self._said, self._wrong = models, said, wrong
        self.asked: list[ProbeSpec] = []

    def find_server(self, engine: Any) -> Address | None:
        return None if "absent" in self._wrong else Address("http://probe", "token")

    def ask(self, address: Address, spec: ProbeSpec) -> Iterator[dict[str, Any]]:
        self.asked.append(spec)
        if spec.attack and spec.attack in self._wrong:
            yield {"event": "error", "message": self._wrong[spec.attack]}
            return
        if "plain" in self._wrong and spec.attack is None:
            yield {"event": "error", "message": self._wrong["plain"]}
            return
        heads = [{"index": at, "checkpoint": made, **self._role(made)} for at, made in enumerate(spec.models)]
        yield {"event": "start", "answers": heads}
        ends = []
        for head in heads:
            text = self._said[head["role"]]
            yield {"event": "text", "index": head["index"], "text": text[:4]}
            leaks = spec.key.lower() in text.lower() if spec.key else None
            stamp = {"checkpoint": head["checkpoint"], "sha256": "7f3a" + "0" * 58 + "c1", "adapter": "off"}
            end = {"index": head["index"], "text": text, "likelihood": 0.25, "leaks": leaks, "stamp": stamp}
            yield {"event": "end", **end}
            ends.append({**head, **end})
        if "cut" in self._wrong:
            return
        request = spec.model_dump(mode="json") | {"asked": spec.question, "prefix": "", "attack_version": 1}
        yield {"event": "done", "probe": probes.save(self._models.lab.engine, request, ends).id}

    def _role(self, checkpoint: str) -> dict[str, str]:
        if checkpoint == self._models.original.id:
            return {"role": "original", "label": "vanilla"}
        if checkpoint == self._models.gold.id:
            return {"role": "gold", "label": "retain-only"}
        return {"role": "unlearned", "label": "unlearned"}
