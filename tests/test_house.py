"""The rooms and their floors: imports point down, in no circle, and the web process never meets torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPO = Path(__file__).parents[1]
FLOORS: dict[str, float] = {
    "app": 7,
    "backend.cli": 7,
    "backend.__main__": 8,
    "backend.docs": 8,
    "backend.bench": 7,
    "backend.bench_presets": 6,
    "backend.bench_comparing": 6,
    "backend.bench_reading": 6,
    "backend.bench_training": 6,
    "backend.bench_pictures": 6.5,
    "backend.worker": 6,
    "backend.devices": 5.5,
    "backend.slots": 5.5,
    "backend.launcher": 6,
    "backend.doctor": 6.5,
    "backend.runs": 5,
    "backend.training": 4,
    "ui": 3,
    "backend.inference": 2.9,
    "backend.attacks": 3,
    "backend.objectives": 3,
    "backend.metrics": 2,
    "backend.models": 2,
    "backend.presets": 2,
    "backend.formula": 0.5,
    "backend.attack_prompts": 1.2,
    "backend.suites": 1.5,
    "backend.attack_report": 2.1,
    "backend.attack_words": 1.6,
    "backend.queueing": 2.3,
    "backend.reports": 2.2,
    "backend.findings": 2.5,
    "backend.report": 2.6,
    "backend.groups": 2.3,
    "backend.sweeps": 2.5,
    "backend.comparing": 2.4,
    "backend.probing": 2,
    "backend.demo_runs": 2.5,
    "storage": 1,
    "backend.benchmarks": 1,
    "backend.spec": 0.5,
    "backend.spec_objective": 0.4,
    "backend.spec_guards": 0.4,
    "backend.spec_edit": 0.4,
    "backend.spec_use": 0.45,
    "backend.spec_training": 0.4,
    "backend.spec_base": 0.3,
    "backend.versions": 1,
    "backend.liveness": 1,
    "backend.forked": 2,
}
HEAVY = ("torch", "transformers", "peft", "accelerate", "tokenizers")


def modules() -> dict[str, Path]:
    found = {"app": REPO / "app.py"}
    for room in ("backend", "storage", "ui"):
        for path in (REPO / room).rglob("*.py"):
            name = ".".join(path.relative_to(REPO).with_suffix("").parts).removesuffix(".__init__")
            found[name] = path
    return found


def imports(path: Path, *, late: bool = True) -> Iterator[str]:
    """Every module a file imports; `late` counts those inside functions too."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = ast.walk(tree) if late else iter(tree.body)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(module: str) -> str | None:
    parts = module.split(".")
    names = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((name for name in names if name in FLOORS), None)


MODULES = modules()


@pytest.mark.parametrize("name", sorted(MODULES))
def test_an_import_only_ever_points_down(name: str) -> None:
    here = room_of(name)
    if here is None:
        assert name in ("backend",), f"{name} stands on no floor"
        return
    for target in imports(MODULES[name]):
        there = room_of(target)
        if there is not None and there != here:
            doors = name == "backend.forked"  # enters the rooms above, inside the forked process
            assert FLOORS[there] < FLOORS[here] or doors, (
                f"{name} (floor {FLOORS[here]}) imports {target} (floor {FLOORS[there]})"
            )


def test_there_is_no_circle() -> None:
    graph = {
        name: {t for t in imports(path, late=False) if t in MODULES and t != name} for name, path in MODULES.items()
    }
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " → ".join([*trail[trail.index(name) :], name])
        if name not in done:
            for target in graph[name]:
                visit(target, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_nothing_below_the_pages_knows_gradio() -> None:
    for name, path in MODULES.items():
        if name.startswith(("backend", "storage")):
            assert not [target for target in imports(path) if target.split(".")[0] == "gradio"], name


def test_nothing_is_unpickled_and_no_remote_code_is_trusted() -> None:
    for name, path in MODULES.items():
        text = path.read_text(encoding="utf-8")
        assert "pickle.load" not in text and "torch.load(" not in text, name
        assert "trust_remote_code=" not in text, name


def test_the_web_process_never_imports_torch() -> None:
    code = (
        "import sys; import app; from ui.lab import page_modules; page_modules(); "
        f"print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
