"""A run from the inside: its row, its log, its progress, and the wish to stop.

A thread of its own renews the lease, so that loading a large model is not taken for death. When the lease is lost, or
the worker that started the run is gone, the process ends at once: somebody else has the run now, or soon will.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from storage import metric_points, runs
from storage.errors import ClaimLost, NotFound
from storage.tables import Run

PULSE_S = 5.0
WATCH_S = 0.5
WRITE_EVERY_S = 0.5
RATE_WINDOW = 30

log = logging.getLogger("lethe.run")


class Stopped(BaseException):
    """The run was asked to end: `how` is `save` or `cancel`. No `except Exception` on the way may swallow it."""

    def __init__(self, how: str) -> None:
        super().__init__(f"asked to stop ({how})")
        self.how = how


class Clock:
    """Time left, measured: the rate of the last `RATE_WINDOW` steps, and nothing before the second step."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque(maxlen=RATE_WINDOW)

    def left(self, step: int, steps: int) -> float | None:
        self._seen.append((time.monotonic(), step))
        (first_at, first), (last_at, last) = self._seen[0], self._seen[-1]
        if last <= first or last_at <= first_at:
            return None
        return (steps - step) * (last_at - first_at) / (last - first)


@dataclass
class Job:
    """What the code of a run is handed. `wish` is what it should do: go on (`none`), `save` and end, or `cancel`.

    Of a run on several devices one process `leads`: it calls the others when it is ready to train, and dismisses them.
    """

    leads: ClassVar[bool] = True

    engine: Engine
    home: Path
    run: Run
    worker_alive: Callable[[], bool] = lambda: True
    call: Callable[[], None] = lambda: None
    dismiss: Callable[[], None] = lambda: None
    _asked: str = "none"
    _told: str = "none"
    saving: bool = False
    _clock: Clock = field(default_factory=Clock)
    _written_at: float = 0.0
    _points: list[tuple[int, str, float]] = field(default_factory=list)

    @property
    def wish(self) -> str:
        """What the row asks for; failing that, what the worker told this process by a signal."""
        return self._asked if self._asked != "none" else self._told

    def tell(self, *_: object) -> None:
        """SIGTERM: the worker is leaving, so save and go. A second telling, or one to a run that should have stopped,
        ends it.

        Raises `Stopped` in the latter case. Fit to be a signal handler.
        """
        if self.wish == "none" or self.saving:
            self._told = "save"
            return
        raise Stopped(self.wish)

    @property
    def id(self) -> str:
        return self.run.id

    def start_pulse(self) -> None:
        threading.Thread(target=self._pulse, daemon=True, name="pulse").start()

    def _pulse(self) -> None:
        beaten_at = 0.0
        while True:
            if not self.worker_alive():
                log.error("the worker is gone; this process ends and the run goes on under another")
                os._exit(70)
            if time.monotonic() - beaten_at >= PULSE_S:
                try:
                    self._asked = runs.heartbeat(self.engine, self.id, self.run.attempt)
                    beaten_at = time.monotonic()
                except (ClaimLost, NotFound):
                    log.error("this run has ended, was deleted or was taken up by another process; this one ends")
                    os._exit(71)
                except SQLAlchemyError as error:
                    log.warning("the database did not take the heartbeat, tried again: %s", error)
            time.sleep(WATCH_S)

    def say(self, message: str) -> None:
        """One line to the log, and to the run's row."""
        log.info(message)
        self._asked = runs.heartbeat(self.engine, self.id, self.run.attempt, message=message)

    def progress(self, done: int, of: int, doing: str, *, counts: bool = True) -> str:
        """Tells how far the run is, at most twice a second and once at the end. Answers the wish to stop.

        What `counts` is the run's steps; anything else (scoring after training) is told in words beside them.
        """
        left = self._clock.left(done, of)
        if done >= of or time.monotonic() - self._written_at >= WRITE_EVERY_S:
            self.flush()
            self._asked = runs.heartbeat(
                self.engine,
                self.id,
                self.run.attempt,
                step=done if counts else None,
                steps=of if counts else None,
                message=doing if counts else f"{doing}: {done} of {of} items",
                eta_s=left,
            )
            self._written_at = time.monotonic()
        return self.wish

    def reached(self, step: int, steps: int) -> None:
        """The step at which training ended, which need not be its last nor the one that was told last."""
        self._asked = runs.heartbeat(self.engine, self.id, self.run.attempt, step=step, steps=steps)

    def new_phase(self) -> None:
        """The rate of what came before says nothing about what comes next."""
        self._clock = Clock()

    def measured(self, step: int, figures: dict[str, float]) -> None:
        """Points of the run's curves; written together with the next progress."""
        self._points += [(step, name, value) for name, value in figures.items()]

    def flush(self) -> None:
        points, self._points = self._points, []
        if points:
            metric_points.record(self.engine, self.id, points, attempt=self.run.attempt)

    def note(self, **columns: Any) -> None:
        runs.note(self.engine, self.id, self.run.attempt, **columns)

    def raise_if_stopped(self) -> None:
        if self.wish != "none":
            raise Stopped(self.wish)
