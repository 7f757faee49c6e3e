"""Which questions a model is attacked with: open ones that name a fact, spread evenly over people and attributes."""

from __future__ import annotations

from collections import Counter, defaultdict
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
    """So many items, each next one about the attribute and then the person that were asked about least so far: the
    people of a control are then asked about the same attributes as those to be forgotten."""
    if len(items) <= most:
        return list(items)
    left: dict[tuple[str, str], list[Item]] = defaultdict(list)
    for item in reversed(items):
        left[item.attribute, item.subject].append(item)
    places = {pair: place for place, pair in enumerate(reversed(left))}
    asked: Counter[tuple[str, str]] = Counter()
    found: list[Item] = []
    while len(found) < most:
        pair = min(left, key=lambda one: (asked["attribute", one[0]], asked["person", one[1]], places[one]))
        found.append(left[pair].pop())
        asked["attribute", pair[0]] += 1
        asked["person", pair[1]] += 1
        if not left[pair]:
            del left[pair]
    return found
