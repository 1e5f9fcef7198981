"""Locks are exclusive over processes and the server frees them when one dies."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from vixen_testkit import running_script, wait_until

from vixen_pipeline.db.session import Database
from vixen_pipeline.errors import Unavailable
from vixen_pipeline.locks import ProcessLocks, lock_number

WORKER = Path(__file__).with_name("slot_worker.py")

NewLocks = Callable[[], ProcessLocks]


@pytest.fixture
def new_locks(database: Database) -> Generator[NewLocks]:
    """Each call is what another process would have: its own connection."""
    made: list[ProcessLocks] = []

    def make() -> ProcessLocks:
        made.append(ProcessLocks(database))
        return made[-1]

    yield make
    for locks in made:
        locks.close()


def _terminate(database: Database, locks: ProcessLocks) -> None:
    assert locks._connection is not None
    with database.autocommit() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(%s, 5000)", (locks._connection.info.backend_pid,)
        )


def test_a_lock_is_refused_to_every_other_process_until_released(new_locks: NewLocks) -> None:
    ours, theirs = new_locks(), new_locks()
    assert ours.try_acquire("identity", 7)
    assert not theirs.try_acquire("identity", 7)
    assert theirs.try_acquire("identity", 8)
    assert theirs.try_acquire("effect", 7)
    ours.release("identity", 7)
    assert theirs.try_acquire("identity", 7)


def test_a_lock_is_not_reentrant_even_in_its_own_process(new_locks: NewLocks) -> None:
    locks = new_locks()
    with locks.hold("identity", 7) as outer, locks.hold("identity", 7) as inner:
        assert (outer, inner) == (True, False)
    with locks.hold("identity", 7) as again:
        assert again


def test_one_of_many_threads_gets_it(new_locks: NewLocks) -> None:
    locks = new_locks()
    got: list[bool] = []
    threads = [
        threading.Thread(target=lambda: got.append(locks.try_acquire("effect", 1)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == [False] * 7 + [True]


def test_the_lock_of_a_killed_process_is_free(database_url: str, new_locks: NewLocks) -> None:
    locks = new_locks()
    with running_script(WORKER, database_url, "hold", "identity", "7") as process:
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        assert not locks.try_acquire("identity", "7")
        process.kill()
        process.wait()
    wait_until(lambda: locks.try_acquire("identity", "7"), seconds=5)


def test_after_a_lost_connection_free_locks_are_taken_back(
    database: Database, new_locks: NewLocks
) -> None:
    locks = new_locks()
    locks.try_acquire("identity", 7)
    _terminate(database, locks)
    assert locks.still_held("identity", 7)
    assert not new_locks().try_acquire("identity", 7)
    locks.release("identity", 7)
    assert new_locks().try_acquire("identity", 7)


def test_a_lock_taken_by_another_while_the_connection_was_lost_is_reported_lost(
    database: Database, new_locks: NewLocks
) -> None:
    locks, thief = new_locks(), new_locks()
    locks.try_acquire("identity", 7)
    _terminate(database, locks)
    assert thief.try_acquire("identity", 7)
    assert not locks.still_held("identity", 7)
    locks.release("identity", 7)
    assert not new_locks().try_acquire("identity", 7), "the thief's lock must stay"


def test_releasing_over_a_lost_connection_is_no_error(
    database: Database, new_locks: NewLocks
) -> None:
    locks = new_locks()
    with locks.hold("identity", 7):
        _terminate(database, locks)
    assert new_locks().try_acquire("identity", 7)


def test_a_server_that_is_away_is_named_in_one_line() -> None:
    locks = ProcessLocks(Database("postgresql://nobody@127.0.0.1:1/none"))
    with pytest.raises(Unavailable, match="the database does not answer") as raised:
        locks.try_acquire("identity", 7)
    assert "\n" not in str(raised.value)


def test_lock_numbers_fit_a_signed_64_bit_column_and_differ_by_namespace() -> None:
    numbers = {lock_number(space, key) for space in ("a", "b") for key in range(1000)}
    assert len(numbers) == 2000
    assert all(-(2**63) <= number < 2**63 for number in numbers)
    assert lock_number("a", 1) == lock_number("a", "1")
