"""What can be asked for. One declaration serves the form, the command line, the check and the stored run.

Every field carries its title, its help and its bounds. A spec is frozen when a run is queued and kept as JSON.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from backend.spec_base import Spec
from backend.spec_edit import (
    CUTTING_NEEDS_ROWS,
    EDIT_NEEDS_NO_MASK,
    LEARNING_NEEDS_NEGATION,
    NEGATION_NEEDS_LEARNING,
    NEGATION_NEEDS_LORA,
    NOTHING_TO_GUARD,
    Edit,
    trains,
)
from backend.spec_guards import NEEDS_EVALUATIONS, NEEDS_FORGET_TERM, Guards
from backend.spec_objective import L1_NEEDS_LORA, MASK_NEEDS_FULL, MASK_NEEDS_NO_DECAY, Objective
from backend.spec_training import MEMORISING, Training


class ForgetRequest(Spec):
    """Whom to forget: a share of the private people, or chosen ones; never both."""

    ratio: Literal[1, 5, 10, 15, 100] | None = Field(
        10,
        title="Share of people",
        description="Per cent of the private people: 5, 10 or 15 as MLLMU-Bench has it, 1 as CLEAR, 100 as OFFSIDE.",
    )
    people: tuple[str, ...] = Field(
        (), title="Chosen people", description="Ids of the people to forget; used instead of a share."
    )
    attributes: tuple[str, ...] = Field(
        (), title="Attributes", description="What of them to forget, by attribute; nothing chosen is everything."
    )
    modality: Literal["both", "image_text", "text"] = Field(
        "both",
        title="Forget data",
        description="What the forget term is trained on: questions with the picture, by name as text, or both.",
    )

    @model_validator(mode="after")
    def _one_way_of_choosing(self) -> ForgetRequest:
        if self.people and self.ratio is not None:
            raise ValueError("give either a share or chosen people, not both")
        if not self.people and self.ratio is None:
            raise ValueError("nobody is chosen; pick at least one person or a share")
        if len(set(self.people)) != len(self.people):
            raise ValueError("the same person is chosen twice")
        return self

    def words(self) -> str:
        """`forget 10 %` or `forget 3 people`."""
        what = f"{', '.join(self.attributes)} of " if self.attributes else ""
        if self.people:
            return f"forget {what}{len(self.people)} {'person' if len(self.people) == 1 else 'people'}"
        return f"forget {what}{self.ratio} %"


BENCHMARK_NAME = r"^[a-z0-9][a-z0-9_-]{0,39}$"


def _benchmark() -> Any:
    return Field(
        "demo",
        pattern=BENCHMARK_NAME,
        title="Benchmark",
        description="`demo`, or the name under which a data set was added.",
    )


class FinetuneSpec(Spec):
    """Make a model memorise people: everyone (the vanilla model) or all but the forget set (gold, retain-only)."""

    kind: Literal["finetune"] = "finetune"
    model: str = Field(
        "demo", min_length=1, max_length=500, title="Model", description="A hub id, a folder, or `demo`."
    )
    benchmark: str = _benchmark()
    who: Literal["everyone", "retain"] = Field(
        "everyone", title="Whom to learn", description="`retain` leaves the forget set out: the gold model."
    )
    request: ForgetRequest = Field(default_factory=ForgetRequest, title="Whom to forget")
    training: Training = Field(MEMORISING, title="Training")
    score: bool = Field(True, title="Score at the end")


class UnlearnSpec(Spec):
    """Make a model forget people it has memorised."""

    kind: Literal["unlearn"] = "unlearn"
    model: str = Field(
        "vanilla",
        min_length=1,
        max_length=500,
        title="Model",
        description="`vanilla`, `run:ID`, `checkpoint:ID`, a folder or a hub id: the model that remembers.",
    )
    benchmark: str = _benchmark()
    preset: str = Field("npo", max_length=100, title="Method")
    request: ForgetRequest = Field(default_factory=ForgetRequest, title="Whom to forget")
    objective: Objective = Field(default_factory=Objective, title="Objective")
    edit: Edit = Field(default_factory=Edit, title="Beside the objective", validate_default=True)
    training: Training = Field(default_factory=Training, title="Training")
    guards: Guards = Field(default_factory=Guards, title="Guards")
    reference: str = Field(
        "",
        max_length=500,
        title="Retain-tuned reference",
        description="The model that π_ref is where it is to be retain-tuned: `run:ID`, `checkpoint:ID`, a folder or a "
        "hub id, such as the gold model.",
    )
    score: bool = Field(True, title="Score at the end")

    @property
    def needs_reference(self) -> bool:
        """Whether π_ref is to be a model that `reference` names."""
        asked = self.objective.reference == "retain_tuned" and "reference" in self.objective.in_use
        return asked and trains(self.edit.method)

    @field_validator("edit")
    @classmethod
    def _edit_fits_the_objective(cls, edit: Edit, info: ValidationInfo) -> Edit:
        objective = info.data.get("objective")
        if objective is None:
            return edit
        if edit.method != "none" and objective.mask != "none":
            raise ValueError(EDIT_NEEDS_NO_MASK)
        if edit.method == "task_vector" and not objective.teaches:
            raise ValueError(NEGATION_NEEDS_LEARNING)
        if edit.method == "none" and (objective.teaches or objective.retain == "kl_away"):
            raise ValueError(LEARNING_NEEDS_NEGATION)
        return edit

    @field_validator("training")
    @classmethod
    def _weights_fit_the_method(cls, training: Training, info: ValidationInfo) -> Training:
        objective, edit = info.data.get("objective"), info.data.get("edit")
        if edit is not None and edit.method == "task_vector" and training.adapter != "lora":
            raise ValueError(NEGATION_NEEDS_LORA)
        if edit is not None and edit.method == "manu" and training.precision == "nf4":
            raise ValueError(CUTTING_NEEDS_ROWS)
        if objective is None or edit is None or not trains(edit.method):
            return training
        if objective.regulariser == "l1_lora" and training.adapter != "lora":
            raise ValueError(L1_NEEDS_LORA)
        if objective.mask != "none" and training.adapter == "lora":
            raise ValueError(MASK_NEEDS_FULL)
        if objective.mask != "none" and training.weight_decay > 0:
            raise ValueError(MASK_NEEDS_NO_DECAY)
        return training

    @field_validator("guards")
    @classmethod
    def _guards_have_something_to_go_by(cls, guards: Guards, info: ValidationInfo) -> Guards:
        objective, training, edit = (info.data.get(name) for name in ("objective", "training", "edit"))
        if edit is not None and not trains(edit.method) and guards.active:
            raise ValueError(NOTHING_TO_GUARD)
        if training is not None and guards.need_evaluations and not training.evaluate_every:
            raise ValueError(NEEDS_EVALUATIONS)
        if objective is not None and guards.forget_loss_above and not objective.forgets:
            raise ValueError(NEEDS_FORGET_TERM)
        return guards


class EvaluateSpec(Spec):
    """Put a benchmark's questions to a model, whatever it went through."""

    kind: Literal["evaluate"] = "evaluate"
    model: str = Field("vanilla", min_length=1, max_length=500, title="Model")
    benchmark: str = _benchmark()
    request: ForgetRequest = Field(default_factory=ForgetRequest, title="Whom to forget")
    batch_size: int = Field(64, ge=1, le=4096, title="Batch size")
    precision: Literal["fp32", "bf16", "nf4"] = Field(
        "fp32",
        title="Precision",
        description="nf4 rounds the weights to four bits, adapters and all; it needs bitsandbytes.",
    )
    samples: int = Field(
        0,
        ge=0,
        le=128,
        title="Sampled answers",
        description="Answers drawn at temperature 1 for each open question of the forget set and the test set; leak@k "
        "is measured from them. 0 is none.",
    )
    shots: int = Field(
        0,
        ge=0,
        le=5,
        title="Solved examples",
        description="MLLMU-Bench only: so many solved questions of one person of the retain set stand before each "
        "multiple-choice question. 0 is zero-shot.",
    )
    seed: int = Field(
        0, ge=0, le=2**31 - 1, title="Seed", description="Of the sampled answers, and of who is a solved example."
    )
    judge: bool = Field(
        False,
        title="Factuality judge",
        description="Another model marks each written answer; needs LETHE_JUDGE_URL.",
    )


class AttackSpec(Spec):
    """Try to bring back what an unlearned model should have forgotten."""

    kind: Literal["attack"] = "attack"
    model: str = Field(
        min_length=1, max_length=500, title="Model", description="`run:ID` or `checkpoint:ID`: the unlearned model."
    )
    benchmark: str = _benchmark()
    request: ForgetRequest = Field(default_factory=ForgetRequest, title="Whom it was to forget")
    suite: str = Field("quick", min_length=1, max_length=60, title="Suite", description="Which attacks, how hard.")
    attacks: tuple[str, ...] = Field(
        (), title="Only these", description="Names of attacks; nothing chosen is the whole suite."
    )
    own_suite: dict[str, Any] | None = Field(
        None, title="Own suite", description="A suite of your own as it stood when the run was queued."
    )
    items: int = Field(
        24,
        ge=1,
        le=100_000,
        title="Questions",
        description="At most so many of each modality, spread over people. More narrows the intervals.",
    )
    control: Literal["auto", "gold", "holdout", "none"] = Field(
        "auto",
        title="Control",
        description="A model that never knew: the retain-only model, or people nobody was taught about. Without one a "
        "leak may be a guess.",
    )
    batch_size: int = Field(64, ge=1, le=4096, title="Batch size")
    precision: Literal["fp32", "bf16"] = Field("fp32", title="Precision")
    seed: int = Field(0, ge=0, le=2**31 - 1, title="Seed")
    anew: bool = Field(
        False,
        title="Ask all anew",
        description="Put the attacks to the original and the control too where an earlier run put the very same "
        "questions to the very same checkpoints. Off: its answers are taken over.",
    )


class Decoding(Spec):
    """How an answer is drawn."""

    sample: bool = Field(False, title="Sample", description="Off is greedy: the likeliest token each time.")
    temperature: float = Field(1.0, gt=0, le=5, title="Temperature")
    top_p: float = Field(1.0, gt=0, le=1, title="Top p")
    max_new_tokens: int = Field(32, ge=1, le=1024, title="Longest answer", description="In tokens.")
    seed: int = Field(0, ge=0, le=2**31 - 1, title="Seed")


LONGEST_QUESTION = 4000


class ProbeSpec(Spec):
    """One question put to two to four models, with the same picture."""

    models: tuple[str, ...] = Field(
        min_length=1, max_length=4, title="Models", description="Checkpoint ids, in the order of the cards."
    )
    benchmark: str = _benchmark()
    question: str = Field(min_length=1, max_length=LONGEST_QUESTION, title="Question")
    image: str | None = Field(
        None, title="Picture", description="Path of a picture on this machine, or none to ask as text."
    )
    item_id: str | None = Field(
        None, title="Item", description="The benchmark item the question came from, when it did."
    )
    truth: str | None = Field(
        None,
        max_length=LONGEST_QUESTION,
        title="True answer",
        description="When known: its likelihood is shown.",
    )
    key: str | None = Field(
        None,
        max_length=LONGEST_QUESTION,
        title="Fact",
        description="The part of the true answer that counts.",
    )
    attack: str | None = Field(None, title="Attack prompt")
    scale: float = Field(
        1.0,
        ge=0,
        le=2,
        title="Adapter strength",
        description="How hard the adapter of an unlearned model is turned on: 1 as it was trained, 0 off.",
    )
    keep: bool = Field(True, title="Keep", description="Whether the answers get a line in the history.")
    decoding: Decoding = Field(default_factory=Decoding)


LaunchSpec = FinetuneSpec | UnlearnSpec | EvaluateSpec
"""What the Launch page's form is drawn for."""
RunSpec = LaunchSpec | AttackSpec
KINDS: dict[str, type[Spec]] = {
    "finetune": FinetuneSpec,
    "unlearn": UnlearnSpec,
    "evaluate": EvaluateSpec,
    "attack": AttackSpec,
}


def read_spec(data: dict[str, Any]) -> RunSpec:
    """The stored or submitted JSON as a spec.

    Raises `ValueError` for an unknown kind, pydantic's error for a bad field.
    """
    kind = data.get("kind")
    if kind not in KINDS:
        raise ValueError(f"there is no kind of run called {kind!r}; there are {', '.join(KINDS)}")
    return KINDS[kind].model_validate(data)  # type: ignore[return-value]


def faults(error: ValidationError) -> dict[str, str]:
    """A validation error as `{"training.learning_rate": "must be above 0"}`: one clear phrase a field."""
    found: dict[str, str] = {}
    for fault in error.errors():
        place = ".".join(str(part) for part in fault["loc"]) or "request"
        found.setdefault(place, _phrase(fault["type"], fault.get("ctx") or {}, fault["msg"]))
    return found


def _phrase(kind: str, context: dict[str, Any], message: str) -> str:
    phrases = {
        "greater_than": "must be above {gt}",
        "greater_than_equal": "must be at least {ge}",
        "less_than": "must be below {lt}",
        "less_than_equal": "must be at most {le}",
        "finite_number": "must be an ordinary number",
        "int_parsing": "must be a whole number",
        "int_type": "must be a whole number",
        "int_from_float": "must be a whole number",
        "float_parsing": "must be a number",
        "float_type": "must be a number",
        "string_too_long": "is too long; at most {max_length} characters",
        "string_too_short": "must not be empty",
        "string_pattern_mismatch": "must be up to 40 small letters, digits, - and _, a letter or digit first",
        "literal_error": "must be one of {expected}",
        "extra_forbidden": "is not a setting here",
        "missing": "is missing",
        "model_type": "must be a group of settings",
    }
    if kind in phrases:
        shown = {name: f"{bound:g}" if isinstance(bound, float) else bound for name, bound in context.items()}
        return phrases[kind].format(**shown)
    return message.removeprefix("Value error, ")
