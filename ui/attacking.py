"""What the Attack page's form asks for: which models can be attacked, what a run would do, and starting it. No Gradio.

A model is named by the run that made it, because a run says whom it was to forget.
"""

from __future__ import annotations

import shlex
import uuid
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from backend.queueing import CannotQueue, attack_values, queue
from backend.reports import gold_run, original_model
from backend.spec import AttackSpec, faults
from backend.suites import BUILT_IN, FAMILIES, KNOWN, PLAIN, BadSuite, Suite, chosen, saved
from storage import estimates, runs
from storage.errors import NotFound
from storage.tables import Run
from ui import parts
from ui.context import Lab
from ui.origins import model_choices

CONTROLS = (
    ("whichever there is", "auto"),
    ("the gold model", "gold"),
    ("held-out people", "holdout"),
    ("none", "none"),
)
ADAPTER = (
    "This model is an adapter: whoever has the files can take it off and has the original back. Merge it before it "
    "leaves the house."
)


@dataclass(frozen=True)
class Plan:
    """A filled form: the run it would be, in words and as a command; or what is wrong with it, by field."""

    spec: AttackSpec | None
    name: str = ""
    words: str = ""
    beware: str = ""
    command: str = ""
    fault: str = ""


def models(lab: Lab) -> list[tuple[str, str]]:
    """Label and run id of every model that can be attacked, unlearned ones first, of all benchmarks."""
    found = []
    for benchmark in lab.benchmarks:
        for choice in model_choices(lab.engine, benchmark):
            where = f" · {benchmark}" if len(lab.benchmarks) > 1 else ""
            found.append((choice.role != "unlearned", f"{choice.label}{where}", choice.run_id))
    return [(label, run_id) for _, label, run_id in sorted(found, key=lambda one: one[0])]


def suites() -> list[tuple[str, str]]:
    """The suites to choose from, built in and one's own."""
    return [(name, name) for name in (*BUILT_IN, *(own.name for own in saved()[0]))]


def attack_choices() -> list[tuple[str, str]]:
    """Every attack by its title, with its family."""
    return [(f"{FAMILIES[one.family]}: {one.title}", name) for name, one in KNOWN.items() if name != PLAIN.name]


def plan(lab: Lab, run_id: str, suite: str, only: list[str], items: float | None, control: str) -> Plan:
    """What the form asks for; never raises for what a person may have filled in."""
    if not run_id:
        return Plan(None, fault="Choose the model to attack.")
    try:
        about = runs.get(lab.engine, run_id)
        asked = {"suite": suite, "attacks": only or (), "items": items, "control": control}
        spec = AttackSpec.model_validate(attack_values(about) | asked)
        members = chosen(spec.suite, spec.attacks)
    except (NotFound, CannotQueue, BadSuite) as error:
        return Plan(None, fault=str(error))
    except ValidationError as error:
        place, phrase = next(iter(faults(error).items()))
        return Plan(None, fault=f"{AttackSpec.model_fields[place.split('.')[0]].title or place} {phrase}")
    what = f"{len(spec.attacks)} attack{'s' * (len(spec.attacks) > 1)}" if spec.attacks else f"{spec.suite} attacks"
    name = _new_name(lab, f"{what} · {about.name}")
    return Plan(spec, name, _words(lab, about, spec, members), _beware(about), _command(about, spec))


def _new_name(lab: Lab, name: str) -> str:
    """The name, with the next number behind it where a run is called so already."""
    taken = {run.name for run in runs.listing(lab.engine, kind="attack", text=name, limit=1000)}
    numbered = (f"{name} · {number}" for number in range(2, len(taken) + 3))
    return name if name not in taken else next(one for one in numbered if one not in taken)


def _words(lab: Lab, about: Run, spec: AttackSpec, members: Suite) -> str:
    """What the run would do: what the suite is, unless it is narrowed, and how much of it meets which models."""
    attacks, units = len(members.attacks), sum(map(len, members.attacks.values()))
    whole = f"{members.about.strip()} " if members.about.strip() and not spec.attacks else ""
    against = ["the unlearned model"]
    probe = Run(kind="unlearn", spec=about.spec, parent_checkpoint_id=about.parent_checkpoint_id)
    against += ["its original"] if original_model(lab.engine, probe) else []
    gold = gold_run(lab.engine, probe)
    ready = gold is not None and gold.state == "succeeded"
    if spec.control != "none":
        against += ["the gold model" if ready and spec.control != "holdout" else "held-out people"]
    tried = f"{attacks} attacks" if attacks == units else f"{attacks} attacks at {units} strengths"
    models = " and ".join([", ".join(against[:-1])] * bool(against[:-1]) + against[-1:])
    asked = f"{whole}{tried} on {models}, up to {spec.items} questions of each modality."
    return f"{asked} {_time(lab, spec, units * len(against))}"


def _time(lab: Lab, spec: AttackSpec, steps: int) -> str:
    """About how long it takes, by runs like it; what is taken over from earlier runs makes it shorter."""
    like = {field: getattr(spec, field) for field in ("benchmark", "suite", "items")}
    found = estimates.seconds_per_step(lab.engine, "attack", like)
    if found is None:
        return "How long it takes is not known: no run like it has ended here."
    seconds, runs_alike = found
    ended = "one run" if runs_alike == 1 else f"{runs_alike} runs"
    return f"About {parts.duration(seconds * steps)}, by {ended} like it."


def _beware(about: Run) -> str:
    """Said of every LoRA model: what an attack of the weights would find at once."""
    training = about.spec.get("training") or {}
    if about.kind == "unlearn" and training.get("adapter") == "lora":
        return ADAPTER
    return ""


def _command(about: Run, spec: AttackSpec) -> str:
    words = ["submit", "attack", about.name, "--suite", spec.suite]
    words += ["--attacks", ",".join(spec.attacks)] if spec.attacks else []
    usual = AttackSpec(model=spec.model)
    for field in ("items", "control"):
        if getattr(spec, field) != getattr(usual, field):
            words += ["--set", f"{field}={getattr(spec, field)}"]
    return " ".join(["python -m backend", *map(shlex.quote, words), "--wait"])


def start(lab: Lab, asked: Plan, name: str, request_id: str) -> Run:
    """Queues the attack. Raises `CannotQueue`, with the form's fault where it has one."""
    if asked.spec is None:
        raise CannotQueue(asked.fault)
    return queue(lab.engine, asked.spec, name.strip() or asked.name, request_id)


def fresh_request() -> str:
    """One Start, however often it is pressed."""
    return uuid.uuid4().hex


def shown_run(lab: Lab, query: dict[str, Any]) -> Run | None:
    """The attack run that an address names, or None."""
    try:
        run = runs.get(lab.engine, str(query.get("run", "")))
    except NotFound:
        return None
    return run if run.kind == "attack" else None
