"""The cursor that a page hangs on: it moves when there is news, and only then."""

from __future__ import annotations

from collections.abc import Callable

from storage import workers
from storage.tables import Run
from ui.context import Lab
from ui.pulse import standing


def test_the_cursor_stands_still_while_nothing_happens(lab: Lab, queued: Callable[..., Run]) -> None:
    queued()
    assert standing(lab) == standing(lab)


def test_the_cursor_moves_with_a_run_with_a_worker_and_with_what_the_page_watches(
    lab: Lab, queued: Callable[..., Run]
) -> None:
    seen = [standing(lab)]
    queued()
    seen.append(standing(lab))
    worker = workers.register_worker(lab.engine, host="here", pid=1, pid_started_at=1.0, device="CPU, 2 cores")
    seen.append(standing(lab))
    seen.append(standing(lab, watched=7))
    workers.worker_down(lab.engine, worker.id)
    seen.append(standing(lab, watched=7))
    assert len(set(seen)) == len(seen)


def test_a_heartbeat_that_changes_nothing_moves_nothing(lab: Lab) -> None:
    worker = workers.register_worker(lab.engine, host="here", pid=1, pid_started_at=1.0, device="CPU, 2 cores")
    before = standing(lab)
    workers.worker_heartbeat(lab.engine, worker.id)
    assert standing(lab) == before
