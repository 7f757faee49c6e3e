"""Which questions a model is attacked with: open ones that name a fact, spread evenly over people and attributes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from backend.benchmarks.item import Benchmark, Item
from backend.inference.sampling import is_leak
from backend.metrics.rules import Rules
from backend.spec import AttackSpec


def questions(benchmark: Benchmark, rules: Rules, spec: AttackSpec, item_set: str) -> tuple[Item, ...]:
    """Open questions of a set whose true answer tells the fact, at most `spec.items` of each modality."""
    by_kind: dict[tuple[str, str], list[Item]] = defaultdict(list)
    for item in benchmark.scored_items(spec.request):
        if item.set != item_set or item.task == "classification" or not rules.written(item):
            continue
        if is_leak(rules, item, item.answer):  # what no answer could be seen to tell would never leak
            by_kind[item.modality, item.task].append(item)
    found: list[Item] = []
    for modality in ("image_text", "text"):
        tasks = [members for (kind, _), members in by_kind.items() if kind == modality]
        main = max(tasks, key=lambda members: (members[0].task == "generation", len(members)), default=[])
        found += spread(main, spec.items)
    return tuple(found)


def spread(items: Sequence[Item], most: int) -> list[Item]:
    """So many items: person after person in turn, each beginning with another of their questions, so that the people
    of a control are asked about the same attributes as those to be forgotten."""
    by_person: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        by_person[item.subject].append(item)
    turns = [
        ((place - number) % len(members), number, item)
        for number, members in enumerate(by_person.values())
        for place, item in enumerate(members)
    ]
    return [item for _, _, item in sorted(turns, key=lambda turn: turn[:2])][:most]
