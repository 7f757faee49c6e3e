"""One run for each combination of values: a grid over numeric settings and seeds, queued as one group.

Promises: every combination is a spec that was checked before the first is queued; equal specs are queued once; a group
has a name of its own, under which it is found again. No torch.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from sqlalchemy import Engine

from backend.queueing import CannotQueue, origin, queue
from backend.spec import RunSpec, UnlearnSpec, faults
from backend.spec_edit import EDIT_SETTINGS, WITHOUT_TRAINING, trains
from backend.spec_objective import SETTINGS_OF, settings_in_use
from backend.spec_use import meaningful, training_in_use
from storage import runs
from storage.tables import Run

MOST = 64
LONGEST_GROUP = 56
SHORT = {
    "training.learning_rate": "lr",
    "training.batch_size": "batch",
    "training.lora_rank": "rank",
    "objective.forget_weight": "γ",
    "objective.retain_weight": "α",
    "objective.beta": "β",
}
"""How a setting is called in a run's name; any other by the last part of its path."""

Axes = Sequence[tuple[str, str]]
"""Path of a setting, and its values as they were typed: `0.001, 0.003`."""


class SweepRefused(CannotQueue):
    """The sweep cannot be queued; the message says what to change."""


@dataclass(frozen=True)
class Point:
    """One combination: its spec, and the values in which it differs from the others, by path."""

    spec: RunSpec
    settings: dict[str, float]

    def words(self) -> str:
        """`lr 0.001 · seed 0`."""
        return " · ".join(f"{short(path)} {value:.12g}" for path, value in self.settings.items())


def short(path: str) -> str:
    """A setting as a run's name has it."""
    return SHORT.get(path, path.rpartition(".")[2].replace("_", " "))


def numeric_fields(spec: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """The paths of a spec's numbers, those of its groups included."""
    for name, field in spec.model_fields.items():
        if field.annotation in (int, float):
            yield f"{prefix}{name}"
        elif isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from numeric_fields(field.annotation, f"{prefix}{name}.")


def parted(text: str) -> tuple[str, str]:
    """`training.seed=0,1` as path and values. Raises `SweepRefused`."""
    path, found, values = text.partition("=")
    if not found:
        raise SweepRefused(f"--sweep {text} has no values; write it as training.seed=0,1")
    return path.strip(), values


def split_values(text: str) -> list[str]:
    """The words of a list, whether commas, semicolons or spaces part them."""
    return [word for word in re.split(r"[,;\s]+", text) if word]


def grid(spec: RunSpec, axes: Axes) -> list[Point]:
    """Every combination, the last axis turning fastest; just the spec itself without axes.

    Raises `SweepRefused` for an unknown or unused setting, a value that is none or out of bounds, more than `MOST`, and
    combinations that would be the same run.
    """
    names = [path for path, _ in axes]
    twice = next((path for path in names if names.count(path) > 1), None)
    if twice:
        raise SweepRefused(f"{twice} is swept twice; put all its values into one list")
    lists = [_values(spec, path, text) for path, text in axes]
    number = 1
    for values in lists:
        number *= len(values)
    if number > MOST:
        raise SweepRefused(f"these are {number} runs; at most {MOST} are queued in one go")
    points: list[Point] = []
    for combination in itertools.product(*lists):
        settings = dict(zip(names, combination, strict=True))
        point = Point(_changed(spec, settings), settings)
        points += [point] if all(point.spec != other.spec for other in points) else []
    _check_apart(points)
    return points


def queue_grid(engine: Engine, points: Sequence[Point], name: str, start_request_id: str | None = None) -> list[Run]:
    """Queues a run a point, named by what sets it apart, under one group. The same `start_request_id` gives the same
    runs. Raises `CannotQueue`, before anything is queued, when there is no such model."""
    place = origin(engine, points[0].spec.benchmark, points[0].spec.model)
    group = group_name(engine, name)
    made: list[Run] = []
    for number, point in enumerate(points):
        run = queue(
            engine,
            point.spec.model_copy(update={"model": place.model}),
            f"{name} · {point.words()}",
            f"{start_request_id}:{number}" if start_request_id else None,
            group_id=made[0].group_id if made else group,
        )
        made.append(run)
    return made


def group_name(engine: Engine, name: str) -> str:
    """A name for a group that no other has, with a number where it is taken."""
    base = name if len(name) <= LONGEST_GROUP else f"{name[: LONGEST_GROUP - 1].rstrip()}…"
    found, number = base, 2
    while runs.listing(engine, group=found, limit=1):
        found, number = f"{base} · {number}", number + 1
    return found


def _values(spec: RunSpec, path: str, text: str) -> list[float]:
    if path not in set(numeric_fields(type(spec))):
        raise SweepRefused(f"{path or 'nothing'} is no number among the settings of this kind of run")
    _check_used(spec, path)
    words = split_values(text)
    if not words:
        raise SweepRefused(f"{path} has no values to sweep; write them as 0.001, 0.003")
    return list(dict.fromkeys(_number(path, word) for word in words))


def _check_used(spec: RunSpec, path: str) -> None:
    if isinstance(spec, UnlearnSpec) and not _means_something(spec, path):
        raise SweepRefused(f"{path} means nothing to this method, so sweeping it would make equal models")
    group, _, name = path.partition(".")
    method = spec.edit.method if isinstance(spec, UnlearnSpec) else "none"
    training = spec.model_dump().get("training")
    if group == "training" and training and name not in training_in_use(training, method):
        raise SweepRefused(f"{path} means nothing as this run trains, so sweeping it would make equal models")


def _check_apart(points: Sequence[Point]) -> None:
    """Raises `SweepRefused` where two points differ in nothing that means anything to them."""
    seen: dict[str, Point] = {}
    for point in points:
        one = seen.setdefault(json.dumps(_used(point.spec), sort_keys=True), point)
        if one is not point:
            raise SweepRefused(f"{one.words()} and {point.words()} would be the same run; sweep them one by one")


def _used(spec: RunSpec) -> dict[str, Any]:
    """A spec without what means nothing in it, the settings of a term without weight among that."""
    tree = meaningful(spec.model_dump(mode="json"))
    if isinstance(spec, UnlearnSpec) and "objective" in tree:
        in_use = spec.objective.in_use
        tree["objective"] = {name: value for name, value in tree["objective"].items() if name in in_use}
    return tree


def _means_something(spec: UnlearnSpec, path: str) -> bool:
    group, _, name = path.partition(".")
    if group == "edit":
        return name in EDIT_SETTINGS[spec.edit.method]
    if group in ("objective", "guards", "training") and not trains(spec.edit.method):
        return group == "training" and name in WITHOUT_TRAINING[spec.edit.method]
    chosen = {term: getattr(spec.objective, term) for term in SETTINGS_OF}
    return group != "objective" or name in settings_in_use(chosen)


def _number(path: str, word: str) -> float:
    try:
        return int(word)
    except ValueError:
        pass
    try:
        value = float(word)
    except ValueError:
        raise SweepRefused(f"{word} is no number; {path} takes a list such as 0.001, 0.003") from None
    return int(value) if value.is_integer() else value


def _changed(spec: RunSpec, settings: dict[str, float]) -> RunSpec:
    tree: dict[str, Any] = spec.model_dump()
    for path, value in settings.items():
        *groups, name = path.split(".")
        place = tree
        for group in groups:
            place = place[group]
        place[name] = value
    try:
        return type(spec).model_validate(tree)
    except ValidationError as error:
        place_at, phrase = next(iter(faults(error).items()))
        was = f" (it was {settings[place_at]:.12g})" if place_at in settings else ""
        raise SweepRefused(f"{place_at} {phrase}{was}") from None
