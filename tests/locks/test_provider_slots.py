"""At most n at a time over all processes; who waits is woken, and nobody waits for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from sqlalchemy import text
from vixen_testkit import load_script, running_script, wait_until

from vixen_pipeline.db.session import Database
from vixen_pipeline.errors import Unavailable
from vixen_pipeline.locks import KILLED_HOLDER_CHECK_S, ProcessLocks, ProviderSlots

WORKER = Path(__file__).with_name("slot_worker.py")

NewSlots = Callable[[int], ProviderSlots]


class CountingLocks(ProcessLocks):
    """Counts how often a free slot is looked for."""

    looks = 0

    def try_acquire_any(self, namespace: str, keys: object) -> str | int | None:
        self.looks += 1
        return super().try_acquire_any(namespace, keys)  # type: ignore[arg-type]


@pytest.fixture
def new_slots(database: Database) -> Generator[NewSlots]:
    """Each call is what another process would have: its own connections."""
    made: list[tuple[ProcessLocks, ProviderSlots]] = []

    def make(limit: int) -> ProviderSlots:
        locks = CountingLocks(database)
        made.append((locks, ProviderSlots(locks, {"fake": limit})))
        return made[-1][1]

    yield make
    for locks, slots in made:
        slots.close()
        locks.close()


def _waiting_for_turn_or_slot(database: Database) -> int:
    with database.begin() as session:
        return session.execute(
            text(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'vixen slots'"
                " AND datname = current_database() AND query ILIKE ANY(ARRAY['LISTEN%', '%lock%'])"
                " AND (state = 'active' OR query LIKE 'LISTEN%')"
            )
        ).scalar_one()


def _hold_in_thread(slots: ProviderSlots, log: list[float]) -> threading.Thread:
    def run() -> None:
        with slots.hold("fake"):
            log.append(time.monotonic())

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_two_processes_with_many_threads_never_pass_the_limit(
    database: Database, database_url: str
) -> None:
    with database.begin() as session:
        session.execute(text(load_script(WORKER).TABLE))
    arguments = (database_url, "work", "3", "5", "12")
    with running_script(WORKER, *arguments) as one, running_script(WORKER, *arguments) as two:
        assert (one.wait(60), two.wait(60)) == (0, 0)
    with database.begin() as session:
        counts = session.execute(
            text("SELECT sum(change) OVER (ORDER BY at, id) FROM public.holders ORDER BY at, id")
        ).scalars()
        levels = list(counts)
    assert len(levels) == 2 * 5 * 12 * 2
    assert max(levels) == 3
    assert levels[-1] == 0


def test_a_waiter_wakes_when_another_process_releases_and_not_by_polling(
    database: Database, new_slots: NewSlots
) -> None:
    holder, waiter = new_slots(1), new_slots(1)
    woken: list[float] = []
    with holder.hold("fake"):
        thread = _hold_in_thread(waiter, woken)
        wait_until(lambda: _waiting_for_turn_or_slot(database) == 1)
        released = time.monotonic()
    thread.join(10)
    assert woken[0] - released < KILLED_HOLDER_CHECK_S / 2
    looks = waiter._locks
    assert isinstance(looks, CountingLocks)
    assert looks.looks <= 4


def test_only_one_waiter_of_all_looks_for_a_slot(database: Database, new_slots: NewSlots) -> None:
    holder, *others = (new_slots(1) for _ in range(4))
    with holder.hold("fake"):
        threads = [_hold_in_thread(slots, []) for slots in others for _ in range(3)]
        wait_until(lambda: _waiting_for_turn_or_slot(database) == 3)
        looked = [slots._locks.looks for slots in others]  # type: ignore[attr-defined]
        assert sorted(map(bool, looked)) == [False, False, True]
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def test_a_process_in_line_comes_before_more_threads_of_another(
    database: Database, new_slots: NewSlots
) -> None:
    order: list[str] = []
    crowd, single = new_slots(1), new_slots(1)

    def work(name: str, slots: ProviderSlots, rounds: int) -> None:
        for _ in range(rounds):
            with slots.hold("fake"):
                order.append(name)

    with crowd.hold("fake"):
        threads = [threading.Thread(target=work, args=("crowd", crowd, 10)) for _ in range(4)]
        threads.append(threading.Thread(target=work, args=("single", single, 1)))
        for thread in threads:
            thread.start()
        wait_until(lambda: _waiting_for_turn_or_slot(database) == 2)
    for thread in threads:
        thread.join(30)
    assert order.index("single") <= 1
    assert order.count("crowd") == 40


def test_the_slot_of_a_killed_process_is_freed(
    database: Database, database_url: str, new_slots: NewSlots
) -> None:
    slots, woken = new_slots(1), list[float]()
    with running_script(WORKER, database_url, "slot", "1") as process:
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        thread = _hold_in_thread(slots, woken)
        wait_until(lambda: _waiting_for_turn_or_slot(database) == 1)
        process.kill()
        process.wait()
        killed = time.monotonic()
        thread.join(10)
    assert woken[0] - killed < 3 * KILLED_HOLDER_CHECK_S


def test_a_slot_is_given_back_when_the_work_fails(new_slots: NewSlots) -> None:
    slots = new_slots(1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), slots.hold("fake"):
            raise ZeroDivisionError
    with slots.hold("fake"):
        pass


def test_who_waits_when_the_server_goes_away_is_told_and_the_next_call_works(
    database: Database, new_slots: NewSlots
) -> None:
    holder, waiter = new_slots(1), new_slots(1)
    errors: list[Unavailable] = []

    def run() -> None:
        try:
            with waiter.hold("fake"):
                raise AssertionError("there is no free slot")
        except Unavailable as error:
            errors.append(error)

    with holder.hold("fake"):
        thread = threading.Thread(target=run)
        thread.start()
        wait_until(lambda: _waiting_for_turn_or_slot(database) == 1)
        with database.autocommit() as connection:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE application_name = 'vixen slots' AND datname = current_database()"
            )
        thread.join(10)
    assert len(errors) == 1
    with waiter.hold("fake"):
        pass


def test_a_provider_without_a_limit_is_named(new_slots: NewSlots) -> None:
    with pytest.raises(ValueError, match="no slot limit for 'other'"), new_slots(1).hold("other"):
        pass
