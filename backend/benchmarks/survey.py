"""What lies in a benchmark's folder: its tables with their rows, what is missing, and the first broken thing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Survey:
    """`tables` are what is there, with their rows; `missing` what is needed and is not, each with the reason why.

    `fault` is the first broken thing as a sentence that names file and row; None where everything can be read.
    """

    tables: tuple[tuple[str, int], ...]
    missing: tuple[tuple[str, str], ...]
    fault: str | None

    @property
    def sound(self) -> bool:
        """Nothing is broken, and nothing that is needed is missing."""
        return self.fault is None and not self.missing
