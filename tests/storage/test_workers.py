"""Workers: a row is a sign of life."""

import pytest
from sqlalchemy import Engine, update

from storage import database, runs, workers
from storage.errors import NotFound
from storage.tables import Worker


def register(engine: Engine, **more: object) -> Worker:
    facts = {"host": "here", "pid": 7, "pid_started_at": 1.5, "device": "CPU, 2 cores", **more}
    return workers.register_worker(engine, **facts)  # type: ignore[arg-type]


def test_a_registered_worker_is_listed_until_it_says_that_it_is_down(engine: Engine) -> None:
    worker = register(engine, probe_url="http://127.0.0.1:9", probe_token="secret", versions={"torch": "2"})
    (listed,) = workers.workers(engine)
    assert (listed.id, listed.device, listed.versions) == (worker.id, "CPU, 2 cores", {"torch": "2"})
    workers.worker_down(engine, worker.id)
    assert workers.workers(engine) == []


def test_a_worker_that_was_silent_too_long_is_not_listed_and_comes_back_with_a_heartbeat(
    engine: Engine,
) -> None:
    worker = register(engine)
    with database.writing(engine) as session:
        session.execute(update(Worker).values(heartbeat_at=worker.heartbeat_at - 31))
    assert workers.workers(engine) == []
    assert len(workers.workers(engine, alive_within_s=3600)) == 1
    workers.worker_heartbeat(engine, worker.id)
    assert len(workers.workers(engine)) == 1


def test_a_heartbeat_moves_the_cursor_only_when_the_probe_address_changes(engine: Engine) -> None:
    worker = register(engine)
    before = runs.latest_rev(engine)
    workers.worker_heartbeat(engine, worker.id)
    assert runs.latest_rev(engine) == before
    workers.worker_heartbeat(engine, worker.id, probe_url="http://127.0.0.1:9", probe_token="secret")
    assert runs.latest_rev(engine) == before + 1
    workers.worker_heartbeat(engine, worker.id)
    (listed,) = workers.workers(engine)
    assert (listed.probe_url, listed.probe_token, listed.rev) == ("http://127.0.0.1:9", "secret", before + 1)


def test_a_worker_that_is_down_has_no_probe_address_and_is_up_again_with_a_heartbeat(engine: Engine) -> None:
    worker = register(engine, probe_url="http://127.0.0.1:9", probe_token="secret")
    workers.worker_down(engine, worker.id)
    workers.worker_heartbeat(engine, worker.id)
    (listed,) = workers.workers(engine)
    assert (listed.state, listed.probe_url, listed.probe_token) == ("up", None, None)


def test_registering_with_a_known_id_takes_the_row_over(engine: Engine) -> None:
    first = register(engine)
    register(engine, worker_id=first.id, pid=8)
    assert [worker.pid for worker in workers.workers(engine)] == [8]


def test_an_unknown_worker_is_not_found(engine: Engine) -> None:
    for call in (workers.worker_heartbeat, workers.worker_down):
        with pytest.raises(NotFound, match="no worker nobody"):
            call(engine, "nobody")
