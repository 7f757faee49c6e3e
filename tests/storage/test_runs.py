"""The queue: a run is claimed once, a row is never lost, and only who holds a run may write to it."""

import multiprocessing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, update
from sqlalchemy.dialects import postgresql

from storage import checkpoints, claims, database, estimates, metric_points, results, runs
from storage.errors import ClaimLost, NotFound, RunBusy
from storage.tables import Checkpoint, Run, RunState


def submit(engine: Engine, name: str = "a run", **more: Any) -> Run:
    return runs.submit(engine, **{"kind": "unlearn", "name": name, "spec": {}, **more})


def claim(engine: Engine, **more: Any) -> Run | None:
    return runs.claim(engine, "worker", "here", "CPU, 2 cores", **more)


def claimed(engine: Engine, **more: Any) -> Run:
    run = claim(engine, **more)
    assert run is not None
    return run


def ended(engine: Engine, name: str, state: str = "succeeded", **more: Any) -> Run:
    """A run of its own kind, so that no other run is claimed on the way."""
    run = submit(engine, name, kind=f"kind of {name}", **more)
    claimed(engine, kinds=[run.kind])
    return runs.finish(engine, run.id, 1, state)


def saved(engine: Engine, home: Path, run: Run, **more: Any) -> Checkpoint:
    facts = {"step": 1, "kind": "adapter", "role": "final", "base": "demo", **more}

    def write(folder: Path) -> None:
        (folder / "a.safetensors").write_bytes(b"weights")

    return checkpoints.save(engine, home, run_id=run.id, write=write, **facts)


def alive(_pid: int, _started: float) -> bool:
    return True


def gone(_pid: int, _started: float) -> bool:
    return False


def set_columns(engine: Engine, run_id: str, **values: Any) -> None:
    with database.writing(engine) as session:
        session.execute(update(Run).where(Run.id == run_id).values(**values))


# --- submitting and looking up


def test_a_submitted_run_waits_with_all_that_was_said_of_it(engine: Engine) -> None:
    spec = {"method": "npo", "optimiser": {"lr": 1e-5}}
    run = submit(engine, spec=spec, group_id="sweep", fingerprint="f" * 64, versions={"torch": "2.13"})
    spec["optimiser"]["lr"] = 1.0  # type: ignore[index]
    stored = runs.get(engine, run.id)
    assert stored.spec == run.spec == {"method": "npo", "optimiser": {"lr": 1e-5}}
    assert (stored.state, stored.attempt, stored.max_attempts, stored.requested_stop) == (
        "queued",
        0,
        3,
        "none",
    )
    assert (stored.group_id, stored.versions, stored.step) == ("sweep", {"torch": "2.13"}, 0)
    assert isinstance(stored.state, RunState) and len(run.id) == 32


def test_pressing_start_twice_makes_one_run(engine: Engine) -> None:
    first = submit(engine, "first", start_request_id="press-1")
    again = submit(engine, "again", start_request_id="press-1")
    assert (again.id, again.name) == (first.id, "first")
    assert len(runs.listing(engine)) == 1
    assert submit(engine, start_request_id="press-2").id != first.id


def test_a_run_cannot_build_on_what_is_not_there(engine: Engine) -> None:
    with pytest.raises(NotFound, match="no run gone"):
        submit(engine, depends_on="gone")
    with pytest.raises(NotFound, match="no checkpoint gone to start from"):
        submit(engine, parent_checkpoint_id="gone")
    assert runs.listing(engine) == []


def test_a_run_is_found_by_id_by_the_start_of_it_and_by_name(engine: Engine) -> None:
    old, new = submit(engine, "npo on ten people"), submit(engine, "npo on ten people")
    assert runs.find(engine, old.id).id == old.id
    assert runs.find(engine, f" {old.id[:8]} ").id == old.id
    assert runs.find(engine, "npo on ten people").id == new.id
    runs.request_stop(engine, new.id, "cancel")
    assert runs.find(engine, "npo on ten people").id == new.id
    assert runs.find(engine, "npo on ten people", with_model=True).id == old.id
    for text in ("npo", old.id[:3], "%%%%", ""):
        with pytest.raises(NotFound, match="No run has"):
            runs.find(engine, text)


def test_a_beginning_that_fits_several_ids_is_not_guessed_at(engine: Engine) -> None:
    for last in "ab":
        run = submit(engine, last)
        set_columns(engine, run.id, id="0123" + last * 28)
    with pytest.raises(NotFound, match="Several runs begin with “0123”"):
        runs.find(engine, "0123")
    assert runs.find(engine, "0123a").name == "a"


def test_a_listing_is_narrowed_and_ordered_as_asked(engine: Engine) -> None:
    submit(engine, "beta", kind="evaluate")
    submit(engine, "Alpha", priority=1)
    submit(engine, "100% gamma")
    claimed(engine)

    def names(**asked: Any) -> list[str]:
        return [run.name for run in runs.listing(engine, **asked)]

    assert names() == ["100% gamma", "Alpha", "beta"]
    assert names(order="oldest") == ["beta", "Alpha", "100% gamma"]
    assert names(order="name") == ["100% gamma", "Alpha", "beta"]
    assert names(order="state") == ["Alpha", "100% gamma", "beta"]
    assert names(order="queue") == ["Alpha", "beta", "100% gamma"]
    assert names(kind="evaluate") == ["beta"]
    assert names(states=["running"]) == ["Alpha"]
    assert names(states=[]) == []
    assert (names(text="ALPHA"), names(text="0% g"), names(text="%g")) == (["Alpha"], ["100% gamma"], [])
    assert names(limit=1, offset=1) == ["Alpha"]
    with pytest.raises(ValueError, match="not by 'size'"):
        names(order="size")


def test_counts_have_an_entry_for_every_state(engine: Engine) -> None:
    submit(engine)
    submit(engine)
    claimed(engine)
    expected = dict.fromkeys([state.value for state in RunState], 0) | {"queued": 1, "running": 1}
    assert runs.counts(engine) == expected


def test_children_wait_for_a_run_or_start_from_its_checkpoint(engine: Engine, home: Path) -> None:
    parent = submit(engine, "parent")
    waiting = submit(engine, "waiting", depends_on=parent.id)
    starting = submit(engine, "starting", parent_checkpoint_id=saved(engine, home, parent).id)
    submit(engine, "stranger")
    assert [run.id for run in runs.children(engine, parent.id)] == [waiting.id, starting.id]


def test_a_fingerprint_finds_the_newest_run_that_may_stand_for_it(engine: Engine) -> None:
    broken = ended(engine, "broken", "failed", fingerprint="same")
    assert (found := runs.by_fingerprint(engine, "same")) is not None and found.id == broken.id
    kept = ended(engine, "kept", fingerprint="same")
    ended(engine, "also broken", "cancelled", fingerprint="same")
    assert (found := runs.by_fingerprint(engine, "same")) is not None and found.id == kept.id
    waiting = submit(engine, fingerprint="same")
    assert (found := runs.by_fingerprint(engine, "same")) is not None and found.id == waiting.id
    assert runs.by_fingerprint(engine, "other") is None


# --- claiming


def test_claims_go_by_priority_and_then_by_turn(engine: Engine) -> None:
    for name, priority in (("first", 0), ("second", 0), ("urgent", 5)):
        submit(engine, name, priority=priority)
    assert [claimed(engine).name for _ in range(3)] == ["urgent", "first", "second"]
    assert claim(engine) is None


def test_a_claimed_run_is_running_on_a_lease(engine: Engine) -> None:
    submit(engine)
    run = claimed(engine, lease_s=60)
    assert (run.state, run.attempt, run.worker_id, run.host, run.device) == (
        "running",
        1,
        "worker",
        "here",
        "CPU, 2 cores",
    )
    assert run.lease_until is not None and run.started_at is not None
    assert run.lease_until - run.started_at == pytest.approx(60)
    assert runs.get(engine, run.id).rev == run.rev == runs.latest_rev(engine)


def test_a_worker_claims_only_the_kinds_it_asks_for(engine: Engine) -> None:
    submit(engine, kind="finetune")
    assert claim(engine, kinds=["evaluate", "attack"]) is None
    assert claim(engine, kinds=[]) is None
    assert claimed(engine, kinds=["finetune"]).kind == "finetune"


def test_looking_for_work_in_vain_does_not_move_the_cursor(engine: Engine) -> None:
    before = runs.latest_rev(engine)
    assert claim(engine) is None
    assert runs.latest_rev(engine) == before


def test_a_run_waits_until_what_it_depends_on_has_succeeded(engine: Engine) -> None:
    first = submit(engine, "vanilla")
    second = submit(engine, "unlearned", depends_on=first.id, priority=9)
    assert claimed(engine).id == first.id
    assert claim(engine) is None
    runs.finish(engine, first.id, 1, "succeeded")
    assert claimed(engine).id == second.id


@pytest.mark.parametrize(("state", "words"), [("failed", "which failed"), ("cancelled", "which was cancelled")])
def test_what_depends_on_a_run_that_came_to_nothing_fails_with_its_name(engine: Engine, state: str, words: str) -> None:
    first = submit(engine, "vanilla", priority=1)
    second = submit(engine, "unlearned", depends_on=first.id)
    third = submit(engine, "evaluated", depends_on=second.id)
    claimed(engine)
    runs.finish(engine, first.id, 1, state)
    assert claim(engine) is None
    stored = runs.get(engine, second.id)
    assert stored.state == "failed" and stored.finished_at is not None
    assert stored.error is not None and "“vanilla”" in stored.error and words in stored.error
    assert "“unlearned”, which failed" in (runs.get(engine, third.id).error or "")


def _claim_in_rounds(barrier: Any, found: Any, number: int, rounds: int) -> None:
    engine = database.connect()
    mine = []
    for _ in range(rounds):
        barrier.wait(60)
        run = runs.claim(engine, f"worker-{number}", "here", "CPU")
        mine.append((run.id, run.attempt) if run is not None else None)
    found.put(mine)
    engine.dispose()


def test_two_processes_racing_for_forty_runs_claim_each_run_once(engine: Engine) -> None:
    submitted = sorted(submit(engine, f"run {number}").id for number in range(40))
    spawn = multiprocessing.get_context("spawn")
    barrier, found = spawn.Barrier(2), spawn.SimpleQueue()
    # both start every round at the same moment, so that each of the forty claims is a race
    processes = [spawn.Process(target=_claim_in_rounds, args=(barrier, found, one, 20)) for one in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    claims_made = found.get() + found.get()
    assert sorted(run_id for run_id, _ in claims_made) == submitted
    assert {attempt for _, attempt in claims_made} == {1}
    stored = runs.listing(engine)
    assert {run.state for run in stored} == {RunState.RUNNING}
    assert [sum(run.worker_id == f"worker-{one}" for run in stored) for one in range(2)] == [20, 20]
    assert claim(engine) is None


def test_on_postgresql_a_claim_passes_by_the_rows_that_others_hold() -> None:
    statement = claims.claim_statement(["unlearn"], worker_id="w", host="h", device="d", lease_s=60)
    compiled = str(statement.compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]
    assert compiled.startswith("UPDATE runs SET state=")
    inner = compiled[compiled.index("(SELECT waiting.id") : compiled.index("RETURNING")]
    assert "ORDER BY waiting.priority DESC, waiting.position" in inner
    assert inner.rstrip().endswith("FOR UPDATE SKIP LOCKED)")


# --- working on a run


def test_a_heartbeat_writes_progress_renews_the_lease_and_tells_of_a_stop(engine: Engine) -> None:
    submit(engine)
    run = claimed(engine, lease_s=1)
    assert runs.heartbeat(engine, run.id, 1, step=3, steps=10, message="step 3", eta_s=7.5) == "none"
    stored = runs.get(engine, run.id)
    assert (stored.step, stored.steps, stored.message, stored.eta_s) == (3, 10, "step 3", 7.5)
    assert stored.lease_until is not None and run.lease_until is not None
    assert stored.lease_until - run.lease_until > 50
    runs.request_stop(engine, run.id, "save")
    assert runs.heartbeat(engine, run.id, 1, eta_s=None) == "save"
    stored = runs.get(engine, run.id)
    assert (stored.step, stored.message, stored.eta_s) == (3, "step 3", None)


def test_a_heartbeat_that_shows_nothing_new_does_not_move_the_cursor(engine: Engine) -> None:
    submit(engine)
    run = claimed(engine)
    runs.heartbeat(engine, run.id, 1, step=3)
    before = runs.latest_rev(engine)
    runs.heartbeat(engine, run.id, 1, step=3)
    assert runs.latest_rev(engine) == before
    runs.heartbeat(engine, run.id, 1, step=4)
    assert runs.get(engine, run.id).rev == runs.latest_rev(engine) == before + 1


def test_an_attempt_that_lost_its_claim_can_write_nothing(engine: Engine) -> None:
    submit(engine, "contested")
    run = claimed(engine)
    runs.reap(engine, "elsewhere", alive, now=(run.lease_until or 0) + 1)
    assert claimed(engine).attempt == 2
    for write in (
        lambda: runs.heartbeat(engine, run.id, 1, step=99),
        lambda: runs.attach(engine, run.id, 1, 5, 1.0),
        lambda: runs.note(engine, run.id, 1, versions={}),
        lambda: runs.finish(engine, run.id, 1, "succeeded"),
    ):
        with pytest.raises(ClaimLost, match="Attempt 1 lost the run “contested”, which is running at attempt 2"):
            write()
    assert (runs.get(engine, run.id).state, runs.get(engine, run.id).step) == ("running", 0)


def test_a_finished_run_is_finished_once(engine: Engine) -> None:
    submit(engine)
    run = claimed(engine)
    runs.finish(engine, run.id, 1, "failed", error="out of memory")
    with pytest.raises(ClaimLost):
        runs.finish(engine, run.id, 1, "succeeded")
    stored = runs.get(engine, run.id)
    assert (stored.state, stored.error, stored.lease_until, stored.pid) == (
        "failed",
        "out of memory",
        None,
        None,
    )
    assert stored.finished_at is not None


def test_a_run_finishes_only_in_a_state_that_is_an_end(engine: Engine) -> None:
    submit(engine)
    run = claimed(engine)
    with pytest.raises(ValueError, match="not as queued"):
        runs.finish(engine, run.id, 1, "queued")


def test_a_run_notes_where_it_went_on_from_and_nothing_that_is_not_its_own(engine: Engine, home: Path) -> None:
    submit(engine)
    run = claimed(engine)
    checkpoint = saved(engine, home, run, role="resume")
    runs.note(engine, run.id, 1, resumed_from=checkpoint.id, versions={"seed": 7})
    stored = runs.get(engine, run.id)
    assert (stored.resumed_from, stored.versions) == (checkpoint.id, {"seed": 7})
    with pytest.raises(ValueError, match="not state"):
        runs.note(engine, run.id, 1, state="succeeded")


# --- stopping


def test_a_waiting_run_is_cancelled_at_once(engine: Engine) -> None:
    run = runs.request_stop(engine, submit(engine).id, "cancel")
    assert run.state == "cancelled" and run.finished_at is not None
    assert claim(engine) is None


def test_a_waiting_run_that_is_asked_to_save_is_parked_until_it_is_resumed(engine: Engine) -> None:
    run = runs.request_stop(engine, submit(engine).id, "save")
    assert (run.state, run.requested_stop) == ("interrupted", "save")
    assert claim(engine) is None
    runs.resume(engine, run.id)
    assert claimed(engine).id == run.id


def test_a_running_run_stops_when_it_has_saved_and_stays_parked(engine: Engine) -> None:
    submit(engine)
    run = claimed(engine)
    stopping = runs.request_stop(engine, run.id, "save")
    assert (stopping.state, stopping.requested_stop) == ("stopping", "save")
    assert stopping.stop_requested_at is not None
    assert runs.finish(engine, run.id, 1, "interrupted").finished_at is None
    assert claim(engine) is None


def test_a_cancel_may_follow_a_save_and_not_the_reverse(engine: Engine) -> None:
    submit(engine)
    run = claimed(engine)
    asked = [runs.request_stop(engine, run.id, how).requested_stop for how in ("save", "cancel", "save")]
    assert asked == ["save", "cancel", "cancel"]
    with pytest.raises(ValueError, match="not with 'pause'"):
        runs.request_stop(engine, run.id, "pause")


def test_a_cancel_that_comes_while_the_run_saves_itself_is_a_cancel(engine: Engine) -> None:
    submit(engine)
    run = claimed(engine)
    runs.request_stop(engine, run.id, "save")
    runs.request_stop(engine, run.id, "cancel")
    assert runs.finish(engine, run.id, 1, "interrupted").state == "cancelled"


def test_a_parked_run_can_be_cancelled(engine: Engine) -> None:
    run = runs.request_stop(engine, submit(engine).id, "save")
    assert runs.request_stop(engine, run.id, "cancel").state == "cancelled"


def test_stopping_an_ended_run_changes_nothing(engine: Engine) -> None:
    run = ended(engine, "done")
    before = runs.latest_rev(engine)
    assert runs.request_stop(engine, run.id, "cancel").state == "succeeded"
    assert runs.latest_rev(engine) == before


# --- processes that are gone


def test_a_run_whose_process_is_gone_is_taken_up_again(engine: Engine) -> None:
    submit(engine)
    run = claimed(engine)
    runs.attach(engine, run.id, 1, 4711, 12.5)
    assert runs.reap(engine, "here", alive) == []
    asked: list[tuple[int, float]] = []
    (reaped,) = runs.reap(engine, "here", lambda pid, started: asked.append((pid, started)) or False)  # type: ignore[func-returns-value]
    assert asked[0] == (4711, 12.5)
    assert (reaped.state, reaped.pid, reaped.lease_until) == ("interrupted", None, None)
    again = claimed(engine)
    assert (again.id, again.attempt) == (run.id, 2)


def test_another_hosts_process_is_judged_by_its_lease_alone(engine: Engine) -> None:
    submit(engine)
    run = claimed(engine, lease_s=60)
    runs.attach(engine, run.id, 1, 4711, 12.5)
    assert run.lease_until is not None
    assert runs.reap(engine, "elsewhere", gone, now=run.lease_until - 1) == []
    assert [row.id for row in runs.reap(engine, "elsewhere", gone, now=run.lease_until + 1)] == [run.id]


def test_a_claim_without_a_process_yet_is_not_taken_for_dead(engine: Engine) -> None:
    submit(engine)
    claimed(engine)
    assert runs.reap(engine, "here", gone) == []


@pytest.mark.parametrize(("how", "state"), [("cancel", "cancelled"), ("save", "interrupted")])
def test_a_stopping_run_whose_process_is_gone_ends_as_was_asked(engine: Engine, how: str, state: str) -> None:
    submit(engine, max_attempts=1)
    run = claimed(engine)
    runs.attach(engine, run.id, 1, 4711, 12.5)
    runs.request_stop(engine, run.id, how)
    (reaped,) = runs.reap(engine, "here", gone)
    assert reaped.state == state
    assert claim(engine) is None


def test_after_three_attempts_without_a_word_the_run_is_given_up(engine: Engine) -> None:
    run = submit(engine)
    states = []
    for attempt in (1, 2, 3):
        claimed(engine)
        runs.attach(engine, run.id, attempt, 4711, 12.5)
        states += [row.state.value for row in runs.reap(engine, "here", gone)]
    assert states == ["interrupted", "interrupted", "failed"]
    stored = runs.get(engine, run.id)
    assert stored.error == "Gave up after 3 attempts; the last one ended without a word, see its log."
    assert claim(engine) is None


def test_a_heartbeat_between_the_look_and_the_reaping_saves_the_run(engine: Engine) -> None:
    submit(engine)
    run = claimed(engine, lease_s=-1)

    def wakes_up(_pid: int, _started: float) -> bool:
        runs.heartbeat(engine, run.id, 1)
        return False

    # a second run, whose process is asked about, gives the first one the time to wake up
    submit(engine)
    other = claimed(engine)
    runs.attach(engine, other.id, 1, 4711, 12.5)
    # under the lock nobody else writes, so only the look outside it may call back
    calls = iter([wakes_up, gone])
    reaped = runs.reap(engine, "here", lambda pid, started: next(calls)(pid, started))
    assert [row.id for row in reaped] == [other.id]
    assert runs.get(engine, run.id).state == "running"


def test_a_run_that_was_taken_up_again_tells_nothing_of_the_time_a_step_takes(engine: Engine) -> None:
    run = submit(engine)
    claimed(engine)
    runs.heartbeat(engine, run.id, 1, steps=10)
    runs.finish(engine, run.id, 1, "interrupted")
    claimed(engine)
    runs.finish(engine, run.id, 2, "succeeded")
    assert estimates.seconds_per_step(engine, "unlearn", {}) is None


# --- the time a run takes


def test_a_run_keeps_its_first_start_and_adds_up_its_attempts_without_the_waiting_between(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    monkeypatch.setattr(claims.time, "time", lambda: clock[0])

    def after(seconds: float) -> None:
        clock[0] += seconds

    run = submit(engine)
    claimed(engine)
    after(10)
    runs.heartbeat(engine, run.id, 1)
    after(25)
    runs.reap(engine, "here", gone, now=clock[0] + 1000)  # killed: nobody saw it at work in those 25 s
    first = runs.get(engine, run.id)
    assert (first.started_at, first.attempt_started_at, first.worked_s) == (1000.0, 1000.0, 10.0)
    after(3600)
    claimed(engine)
    after(7)
    runs.finish(engine, run.id, 2, "succeeded")
    second = runs.get(engine, run.id)
    assert (second.started_at, second.attempt_started_at, second.finished_at) == (1000.0, 4635.0, 4642.0)
    assert second.worked_s == 17.0


def test_a_run_that_was_parked_and_cancelled_much_later_took_only_the_time_it_was_at_work(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    monkeypatch.setattr(claims.time, "time", lambda: clock[0])
    run = submit(engine)
    claimed(engine)
    clock[0] = 1005.0
    runs.request_stop(engine, run.id, "save")
    runs.finish(engine, run.id, 1, "interrupted")
    clock[0] = 90_000.0
    cancelled = runs.request_stop(engine, run.id, "cancel")
    assert (cancelled.finished_at, cancelled.worked_s) == (90_000.0, 5.0)


# --- resuming, copying, moving, deleting


def test_a_resumed_run_waits_last_and_has_three_more_attempts(engine: Engine) -> None:
    failed = ended(engine, "failed", "failed")
    waiting = submit(engine, kind="kind of failed")
    resumed = runs.resume(engine, failed.id)
    assert (resumed.state, resumed.max_attempts, resumed.error, resumed.finished_at) == (
        "queued",
        4,
        None,
        None,
    )
    assert [claimed(engine).id for _ in range(2)] == [waiting.id, failed.id]
    assert runs.get(engine, failed.id).attempt == 2


def test_what_runs_or_has_succeeded_cannot_be_resumed_and_what_waits_just_waits(engine: Engine) -> None:
    done = ended(engine, "done")
    with pytest.raises(RunBusy, match="“done” has succeeded"):
        runs.resume(engine, done.id)
    waiting = submit(engine, "busy")
    assert runs.resume(engine, waiting.id).max_attempts == 3
    claimed(engine)
    with pytest.raises(RunBusy, match="“busy” is still running"):
        runs.resume(engine, waiting.id)


def test_a_retry_is_a_new_run_with_the_same_spec(engine: Engine) -> None:
    original = ended(engine, "original", "failed", spec={"lr": 1e-4}, group_id="sweep", fingerprint="f")
    copy = runs.retry(engine, original.id, start_request_id="press")
    assert copy.id != original.id
    assert (copy.state, copy.attempt, copy.spec, copy.group_id) == ("queued", 0, {"lr": 1e-4}, "sweep")
    assert runs.retry(engine, original.id, start_request_id="press").id == copy.id
    assert runs.get(engine, original.id).state == "failed"


def queue(engine: Engine) -> str:
    return "".join(run.name for run in runs.listing(engine, states=["queued"], order="queue"))


def test_waiting_runs_are_moved_and_claimed_in_the_new_order(engine: Engine) -> None:
    ids = {name: submit(engine, name).id for name in "abcd"}
    orders = []
    for name, where in (("c", "up"), ("a", "down"), ("d", "first"), ("d", "first"), ("c", "last")):
        runs.move(engine, ids[name], where)  # type: ignore[arg-type]
        orders.append(queue(engine))
    assert orders == ["acbd", "cabd", "dcab", "dcab", "dabc"]
    assert "".join(claimed(engine).name for _ in range(4)) == "dabc"


def test_a_run_that_passes_an_urgent_one_becomes_as_urgent(engine: Engine) -> None:
    urgent, plain = submit(engine, "u", priority=5), submit(engine, "p")
    assert runs.move(engine, plain.id, "up").priority == 5
    assert queue(engine) == "pu"
    runs.move(engine, urgent.id, "first")
    submit(engine, "z", priority=-1)
    assert runs.move(engine, urgent.id, "last").priority == -1
    assert queue(engine) == "pzu"


def test_only_waiting_runs_are_moved(engine: Engine) -> None:
    submit(engine, "busy")
    with pytest.raises(RunBusy, match="“busy” is running: only waiting runs"):
        runs.move(engine, claimed(engine).id, "first")


def test_a_deleted_run_takes_everything_along_and_names_its_folders(engine: Engine, home: Path) -> None:
    run = submit(engine)
    claimed(engine)
    first = saved(engine, home, run, role="resume")
    last = saved(engine, home, run, step=2, parent_id=first.id)
    metric_points.record(engine, run.id, [(1, "loss", 1.0)])
    score = {"set": "forget", "task": "generation", "modality": "text", "metric": "accuracy"}
    results.write_scores(engine, run.id, last.id, [score])
    runs.note(engine, run.id, 1, resumed_from=first.id)
    with pytest.raises(RunBusy, match="is running: stop it first"):
        runs.delete(engine, run.id)
    runs.finish(engine, run.id, 1, "succeeded", output_checkpoint_id=last.id)
    before = runs.latest_rev(engine)
    assert sorted(runs.delete(engine, run.id)) == sorted([first.path, last.path])
    assert runs.latest_rev(engine) > before
    with pytest.raises(NotFound):
        runs.get(engine, run.id)
    assert (results.scores(engine), checkpoints.listing(engine, role=None)) == ([], [])
    assert metric_points.names(engine, run.id) == []


def test_a_run_that_another_builds_on_is_not_deleted(engine: Engine, home: Path) -> None:
    needed = ended(engine, "needed")
    checkpoint = saved(engine, home, needed)
    for more in ({"depends_on": needed.id}, {"parent_checkpoint_id": checkpoint.id}):
        child = submit(engine, "child", **more)
        with pytest.raises(RunBusy, match="“needed” cannot be deleted: “child” builds on it"):
            runs.delete(engine, needed.id)
        runs.delete(engine, child.id)
    judge = submit(engine, "judge")
    score = {"set": "forget", "task": "generation", "modality": "text", "metric": "accuracy"}
    results.write_scores(engine, judge.id, checkpoint.id, [score])
    with pytest.raises(RunBusy, match="“judge” builds on it"):
        runs.delete(engine, needed.id)
    runs.delete(engine, judge.id)
    assert runs.delete(engine, needed.id) == [checkpoint.path]


# --- what past runs tell


def test_seconds_per_step_is_the_median_of_past_runs_alike(engine: Engine) -> None:
    like = {"model": {"name": "demo"}, "batch": 8}
    for seconds, spec in ((10, like), (20, like), (60, like), (500, {**like, "batch": 4})):
        run = submit(engine, spec=spec)
        claimed(engine)
        runs.heartbeat(engine, run.id, 1, steps=10)
        runs.finish(engine, run.id, 1, "succeeded")
        set_columns(engine, run.id, started_at=1000.0, finished_at=1000.0 + seconds)
    # 1, 2 and 6 seconds a step
    assert estimates.seconds_per_step(engine, "unlearn", {"model.name": "demo", "batch": 8}) == (2.0, 3)
    assert estimates.seconds_per_step(engine, "unlearn", {"batch": 4}) == (50.0, 1)
    assert estimates.seconds_per_step(engine, "unlearn", {"model.name.deeper": "demo"}) is None
    assert estimates.seconds_per_step(engine, "evaluate", {}) is None
