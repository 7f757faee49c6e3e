"""Numbers as the metrics want them: one row, not empty, every one finite. Numpy only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Numbers = Sequence[float] | NDArray[np.floating]


def finite(values: Numbers, name: str) -> Floats:
    """`values` as an (n,) array of floats; `name` is what an error calls them.

    Raises `ValueError` when there are none, when they stand in more than one row, or when one is NaN or infinite.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"{name} must be one row of numbers, not an array of shape {array.shape}")
    if array.size == 0:
        raise ValueError(f"{name} are empty: there is nothing to measure")
    if not np.isfinite(array).all():
        at = int(np.flatnonzero(~np.isfinite(array))[0])
        raise ValueError(f"{name} hold {array[at]} at place {at}: the model's output is not a number there")
    return array
