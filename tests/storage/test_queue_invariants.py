"""Whatever people and workers do in whatever order: no row is lost, and no attempt is held twice."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from storage import database, runs
from storage.errors import ClaimLost, RunBusy
from storage.tables import ACTIVE, ENDED, Run, RunState


class Queue(RuleBasedStateMachine):
    """Submits, claims, writes, stops, loses, resumes, moves and deletes runs, in any order.

    The machine remembers only what it did: which runs there must be, and which attempt of a run is held.
    """

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.engine = database.connect(f"sqlite:///{Path(self.folder.name) / 'lethe.db'}")
        database.migrate(self.engine)
        self.there: list[str] = []
        self.held: dict[str, int] = {}
        self.attempts: dict[str, int] = {}
        self.rev = 0

    def teardown(self) -> None:
        self.engine.dispose()
        self.folder.cleanup()

    def pick(self, number: int) -> str:
        return self.there[number % len(self.there)]

    def have_runs(self) -> bool:
        return bool(self.there)

    @rule(priority=st.integers(0, 2), parent=st.none() | st.integers(0, 99), attempts=st.integers(1, 2))
    def submit(self, priority: int, parent: int | None, attempts: int) -> None:
        depends_on = None if parent is None or not self.there else self.pick(parent)
        run = runs.submit(
            self.engine,
            kind="unlearn",
            name="run",
            spec={},
            priority=priority,
            depends_on=depends_on,
            max_attempts=attempts,
        )
        self.there.append(run.id)
        self.attempts[run.id] = 0

    @rule()
    def claim(self) -> None:
        before = {run.id: run for run in runs.listing(self.engine, limit=1000)}
        run = runs.claim(self.engine, "worker", "here", "CPU")
        ready = [row for row in before.values() if self.may_be_claimed(row, before)]
        if run is None:
            assert ready == []
            return
        assert run.id not in self.held, "a run was claimed while another attempt held it"
        assert run.id == min(ready, key=lambda row: (-row.priority, row.position, row.id)).id
        assert run.attempt == self.attempts[run.id] + 1
        self.held[run.id] = self.attempts[run.id] = run.attempt
        runs.attach(self.engine, run.id, run.attempt, 4711, 1.0)

    @staticmethod
    def may_be_claimed(run: Run, by_id: dict[str, Run]) -> bool:
        again = run.state == "interrupted" and run.requested_stop == "none" and run.attempt < run.max_attempts
        ready = run.depends_on is None or by_id[run.depends_on].state == "succeeded"
        return (run.state == "queued" or again) and ready

    @precondition(have_runs)
    @rule(number=st.integers(0, 99), off=st.sampled_from([0, -1, 1]), step=st.integers(0, 9))
    def heartbeat(self, number: int, off: int, step: int) -> None:
        run_id, attempt = self.near_a_claim(number, off)
        self.only_the_holder(run_id, attempt, lambda: runs.heartbeat(self.engine, run_id, attempt, step=step))

    @precondition(have_runs)
    @rule(
        number=st.integers(0, 99),
        off=st.sampled_from([0, 0, -1]),
        state=st.sampled_from(["succeeded", "failed", "cancelled", "interrupted"]),
    )
    def finish(self, number: int, off: int, state: str) -> None:
        run_id, attempt = self.near_a_claim(number, off)
        if self.only_the_holder(run_id, attempt, lambda: runs.finish(self.engine, run_id, attempt, state)):
            del self.held[run_id]

    def near_a_claim(self, number: int, off: int) -> tuple[str, int]:
        """A run, one that is held where there is one, and an attempt at or next to its latest."""
        choice = sorted(self.held) if self.held and number % 4 else self.there
        run_id = choice[number % len(choice)]
        return run_id, self.attempts[run_id] + off

    def only_the_holder(self, run_id: str, attempt: int, write: Callable[[], object]) -> bool:
        try:
            write()
        except ClaimLost:
            assert self.held.get(run_id) != attempt, "the holder was refused"
            return False
        assert self.held.get(run_id) == attempt, "an attempt that holds nothing could write"
        return True

    @precondition(have_runs)
    @rule(number=st.integers(0, 99), how=st.sampled_from(["save", "cancel"]))
    def stop(self, number: int, how: str) -> None:
        runs.request_stop(self.engine, self.pick(number), how)

    @rule()
    def lose_every_process(self) -> None:
        reaped = runs.reap(self.engine, "here", lambda pid, started: False)
        assert {run.id for run in reaped} == set(self.held)
        self.held.clear()

    @precondition(have_runs)
    @rule(number=st.integers(0, 99))
    def resume(self, number: int) -> None:
        run_id = self.pick(number)
        try:
            assert runs.resume(self.engine, run_id).state == "queued"
        except RunBusy:
            assert runs.get(self.engine, run_id).state in ACTIVE | {RunState.SUCCEEDED}

    @precondition(have_runs)
    @rule(number=st.integers(0, 99), where=st.sampled_from(["up", "down", "first", "last"]))
    def move(self, number: int, where: Any) -> None:
        try:
            runs.move(self.engine, self.pick(number), where)
        except RunBusy:
            return
        waiting = runs.listing(self.engine, states=["queued"], order="queue", limit=1000)
        assert len({run.position for run in waiting}) == len(waiting)

    @precondition(have_runs)
    @rule(number=st.integers(0, 99))
    def delete(self, number: int) -> None:
        run_id = self.pick(number)
        needed = bool(runs.children(self.engine, run_id))
        try:
            runs.delete(self.engine, run_id)
        except RunBusy:
            assert needed or run_id in self.held
            return
        assert not needed and run_id not in self.held
        self.there.remove(run_id)

    @invariant()
    def no_row_is_lost(self) -> None:
        assert {run.id for run in runs.listing(self.engine, limit=1000)} == set(self.there)

    @invariant()
    def a_run_is_active_exactly_while_an_attempt_holds_it(self) -> None:
        rows = runs.listing(self.engine, limit=1000)
        assert {run.id: run.attempt for run in rows if run.state in ACTIVE} == self.held
        for run in rows:
            assert (run.lease_until is not None) == (run.state in ACTIVE)
            assert (run.finished_at is not None) == (run.state in ENDED)

    @invariant()
    def the_cursor_never_goes_back_and_no_row_is_ahead_of_it(self) -> None:
        latest = runs.latest_rev(self.engine)
        assert latest >= self.rev
        assert all(run.rev <= latest for run in runs.listing(self.engine, limit=1000))
        self.rev = latest


TestQueue = Queue.TestCase
TestQueue.settings = settings(max_examples=20, stateful_step_count=30, deadline=None)
