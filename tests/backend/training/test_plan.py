"""The plan of batches: everything is seen, nothing twice in a pass, and the seed alone decides."""

import random
from collections import Counter

from backend.training.plan import PairedPlan, shuffled_passes


def test_passes_are_whole_and_the_last_one_is_cut() -> None:
    drawn = shuffled_passes(5, 12, random.Random(0))
    assert sorted(drawn[:5]) == sorted(drawn[5:10]) == [0, 1, 2, 3, 4]
    assert len(drawn) == 12 and len(set(drawn[10:])) == 2


def test_a_plan_is_a_matter_of_its_seed_alone() -> None:
    plans = [PairedPlan(7, 30, 40, seed) for seed in (3, 3, 4)]
    rows = [[plan[index] for index in range(len(plan))] for plan in plans]
    assert rows[0] == rows[1] != rows[2]
    assert max(Counter(forget for forget, _ in rows[0]).values()) == 6, "40 draws of 7 are five passes and a bit"


def test_a_set_that_is_not_needed_is_none_throughout() -> None:
    plan = PairedPlan(None, 3, 5, 0)
    assert [plan[index][0] for index in range(5)] == [None] * 5
