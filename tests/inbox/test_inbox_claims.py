"""Every landed event is handled once, whoever claims, delivers, commits or dies when."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from vixen_testkit import load_script, running_script, wait_until

from vixen_pipeline.clock import ManualClock, SystemClock
from vixen_pipeline.db.session import Database
from vixen_pipeline.inbox import LAND_SQL, Inbox

WORKER = Path(__file__).with_name("inbox_worker.py")
worker = load_script(WORKER)


@pytest.fixture
def clock(database: Database) -> ManualClock:
    with database.begin() as session:
        session.execute(text(worker.TABLE))
        return ManualClock(session.execute(text("SELECT now()")).scalar_one())


@pytest.fixture
def inbox(database: Database, clock: ManualClock) -> Inbox:
    return Inbox(database, clock)


def worked(database: Database) -> list[str]:
    with database.begin() as session:
        return list(session.execute(text("SELECT event FROM public.work ORDER BY 1")).scalars())


def at_once(times: int, action: Callable[[], object]) -> list[object]:
    results: list[object] = []
    barrier = threading.Barrier(times)

    def run() -> None:
        barrier.wait()
        results.append(action())

    threads = [threading.Thread(target=run) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_the_same_event_delivered_five_times_at_once_lands_once(inbox: Inbox) -> None:
    results = at_once(5, lambda: inbox.land("replicate", "evt-1", b"{}"))
    assert sorted(map(bool, results)) == [False] * 4 + [True]
    assert len(inbox.claim("replicate")) == 1


def test_the_same_id_of_two_providers_is_two_events(inbox: Inbox) -> None:
    assert inbox.land("replicate", "1", b"a")
    assert inbox.land("stripe", "1", b"b")
    (event,) = inbox.claim("stripe")
    assert (event.body, event.attempts) == (b"b", 1)


def test_threads_that_claim_together_get_disjoint_events(inbox: Inbox) -> None:
    for number in range(60):
        inbox.land("replicate", f"evt-{number}", b"{}")
    claims = at_once(6, lambda: [event.id for event in inbox.claim("replicate", limit=20)])
    ids = [event for claim in claims for event in claim]  # type: ignore[attr-defined]
    assert len(ids) == len(set(ids))
    rest = [event.id for event in inbox.claim("replicate")]
    assert len(set(ids) | set(rest)) == 60


def test_processes_that_drain_together_handle_each_event_once(
    database: Database, database_url: str, inbox: Inbox
) -> None:
    for number in range(100):
        inbox.land("replicate", f"evt-{number:03}", b"{}")
    arguments = (WORKER, database_url, "drain")
    with running_script(*arguments) as one, running_script(*arguments) as two:
        assert (one.wait(60), two.wait(60)) == (0, 0)
    assert worked(database) == [f"evt-{number:03}" for number in range(100)]


def test_a_row_committed_late_with_a_smaller_id_is_not_skipped(
    database: Database, inbox: Inbox
) -> None:
    with database.begin() as slow:
        row = {"provider": "replicate", "event_id": "first", "body": b"1"}
        slow.connection().exec_driver_sql(LAND_SQL, row)
        inbox.land("replicate", "second", b"2")
        (second,) = inbox.claim("replicate")
        with inbox.handling(second):
            pass
    (first,) = inbox.claim("replicate")
    assert first.event_id == "first"
    assert first.id < second.id


def test_events_are_claimed_oldest_first_up_to_the_limit(inbox: Inbox) -> None:
    for number in range(5):
        inbox.land("replicate", f"evt-{number}", b"{}")
    assert [event.event_id for event in inbox.claim("replicate", limit=3)] == [
        "evt-0",
        "evt-1",
        "evt-2",
    ]


def test_a_process_killed_while_handling_leaves_no_work_and_the_event_comes_back(
    database: Database, database_url: str, inbox: Inbox, clock: ManualClock
) -> None:
    inbox.land("replicate", "evt-1", b"{}")
    with running_script(WORKER, database_url, "die") as process:
        assert process.wait(60) == -signal.SIGKILL
    assert worked(database) == []
    assert inbox.claim("replicate") == [], "its lease has not run out"

    clock.advance(timedelta(minutes=2))
    # The server notices the dead client a moment later; until then the row is locked and skipped.
    (event,) = wait_until(lambda: inbox.claim("replicate"), seconds=10)
    assert event.attempts == 2
    with inbox.handling(event) as session:
        worker.work(session, event)
    assert worked(database) == ["evt-1"]


def test_an_event_being_handled_is_not_claimed_even_after_its_lease(
    inbox: Inbox, clock: ManualClock
) -> None:
    inbox.land("replicate", "evt-1", b"{}")
    (event,) = inbox.claim("replicate")
    handling = inbox.handling(event)
    with handling:
        clock.advance(timedelta(hours=1))
        assert inbox.claim("replicate") == []
    assert handling.outcome == "handled"


def test_who_lost_the_lease_changes_nothing(
    database: Database, inbox: Inbox, clock: ManualClock
) -> None:
    inbox.land("replicate", "evt-1", b"{}")
    (slow,) = inbox.claim("replicate")
    clock.advance(timedelta(hours=1))
    (fast,) = inbox.claim("replicate")
    late = inbox.handling(slow)
    with late as session:
        worker.work(session, slow)
    assert (late.outcome, worked(database)) == ("lost", [])
    with inbox.handling(fast) as session:
        worker.work(session, fast)
    after = inbox.handling(slow)
    with after as session:
        worker.work(session, slow)
        raise ZeroDivisionError
    assert (after.outcome, worked(database)) == ("lost", ["evt-1"])
    assert inbox.show(fast.id).state == "handled"


def test_landing_wakes_a_listener_at_once_and_only_for_new_events(database: Database) -> None:
    inbox = Inbox(database, SystemClock())
    with inbox.listening() as listener:
        inbox.land("replicate", "evt-1", b"{}")
        assert listener.wait(10) == {"replicate"}
        inbox.land("replicate", "evt-1", b"{}")
        assert listener.wait(0.05) == frozenset()
