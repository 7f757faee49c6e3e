"""What code made a result: kept with every run."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

LETHE = "0.1.0"
LIBRARIES = ("torch", "transformers", "peft", "accelerate", "gradio", "sqlalchemy")


def versions() -> dict[str, str]:
    """Lethe's own version and those of the libraries that shape a result; what is not installed is left out."""
    found = {"lethe": LETHE}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found
