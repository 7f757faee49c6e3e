"""What lies in a benchmark's folder: its tables with their rows, what is not there, and the first broken thing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Survey:
    """`tables` are what is there, with their rows; `missing` what is needed and is not, each with the reason why.
    `absent` is what else its authors publish and is not there, each with what serves instead or goes without.
    `fault` is the first broken thing as a sentence that names file and row; None where everything can be read.
    """

    tables: tuple[tuple[str, int], ...]
    missing: tuple[tuple[str, str], ...]
    fault: str | None
    absent: tuple[tuple[str, str], ...] = ()

    @property
    def sound(self) -> bool:
        """Nothing is broken, and nothing that is needed is missing."""
        return self.fault is None and not self.missing

    @property
    def verdict(self) -> str:
        """One sentence where it is sound, which promises no more than was found; else nothing."""
        if not self.sound:
            return ""
        if self.absent:
            return "Everything that is needed is here and can be read; not all that is published is here."
        return "Everything is here and can be read."
