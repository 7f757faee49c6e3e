"""What every metric asks of its numbers, and of the process it runs in."""

import math
import subprocess
import sys

import numpy as np
import pytest

from backend.metrics.arrays import finite

MODULES = ("text", "letters", "memorisation", "clear", "forget_quality", "membership", "leak", "judge")


def test_numbers_come_back_as_one_row_of_floats() -> None:
    assert finite([1, 2], "scores").tolist() == [1.0, 2.0]
    assert finite(np.array([0.5], dtype=np.float32), "scores").dtype == np.float64


def test_none_nan_infinite_and_square_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="scores are empty"):
        finite([], "scores")
    with pytest.raises(ValueError, match="scores hold nan at place 1"):
        finite([0.0, math.nan], "scores")
    with pytest.raises(ValueError, match="scores hold -inf at place 0"):
        finite([-math.inf], "scores")
    with pytest.raises(ValueError, match=r"shape \(1, 2\)"):
        finite(np.ones((1, 2)), "scores")


def test_no_metric_needs_torch() -> None:
    asked = f"import sys, {', '.join(f'backend.metrics.{name}' for name in MODULES)}; print('torch' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"
