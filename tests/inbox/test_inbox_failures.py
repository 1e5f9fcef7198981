"""A receipt outlives a failed handler: retried with backoff, then dead, then replayed by hand."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from vixen_pipeline.clock import ManualClock
from vixen_pipeline.db.session import Database
from vixen_pipeline.errors import NotFound, Permanent, Unavailable
from vixen_pipeline.inbox import Inbox, LandedEvent
from vixen_pipeline.inbox.service import MAX_ATTEMPTS, backoff

TABLE = """
CREATE TABLE public.work (event text PRIMARY KEY);
CREATE TABLE public.later (event text REFERENCES public.work DEFERRABLE INITIALLY DEFERRED);
"""


@pytest.fixture
def clock(database: Database) -> ManualClock:
    with database.begin() as session:
        session.execute(text(TABLE))
        return ManualClock(session.execute(text("SELECT now()")).scalar_one())


@pytest.fixture
def inbox(database: Database, clock: ManualClock) -> Inbox:
    inbox = Inbox(database, clock)
    inbox.land("replicate", "evt-1", b"{}")
    return inbox


def claim_one(inbox: Inbox) -> LandedEvent:
    (event,) = inbox.claim("replicate")
    return event


def fail(inbox: Inbox, error: Exception) -> str:
    handling = inbox.handling(claim_one(inbox))
    with handling:
        raise error
    return handling.outcome


def work(session: Session) -> None:
    session.execute(text("INSERT INTO public.work VALUES ('evt-1')"))


def work_done(database: Database) -> int:
    with database.begin() as session:
        return session.execute(text("SELECT count(*) FROM public.work")).scalar_one()


def test_a_failed_handler_is_rolled_back_and_its_receipt_keeps_the_error(
    database: Database, inbox: Inbox, clock: ManualClock
) -> None:
    event = claim_one(inbox)
    with inbox.handling(event) as session:
        work(session)
        raise RuntimeError("no avatar yet")
    assert work_done(database) == 0
    kept = inbox.show(event.id)
    assert (kept.state, kept.error) == ("pending", "RuntimeError: no avatar yet")
    assert kept.available_at == clock.now() + timedelta(seconds=5)
    assert kept.body == b"{}"


def test_a_failed_event_comes_back_only_after_its_backoff(inbox: Inbox, clock: ManualClock) -> None:
    fail(inbox, RuntimeError())
    before = inbox.pending("replicate")
    assert (before.count, inbox.claim("replicate")) == (0, [])
    assert before.next_retry_at == clock.now() + timedelta(seconds=5)
    clock.advance(timedelta(seconds=5))
    assert inbox.pending("replicate").count == 1
    assert claim_one(inbox).attempts == 2


def test_backoff_doubles_up_to_ten_minutes() -> None:
    assert [backoff(n).total_seconds() for n in range(1, 9)] == [5, 10, 20, 40, 80, 160, 320, 600]
    assert backoff(10_000) == timedelta(minutes=10)


def test_after_the_last_try_it_is_dead_and_replay_brings_it_back(
    database: Database, inbox: Inbox, clock: ManualClock
) -> None:
    outcomes: list[str] = []
    for _ in range(MAX_ATTEMPTS):
        outcomes.append(fail(inbox, RuntimeError("still no avatar")))
        clock.advance(timedelta(minutes=10))
    assert outcomes == ["retry"] * (MAX_ATTEMPTS - 1) + ["dead"]
    assert inbox.claim("replicate") == []
    with database.begin() as session:
        dead = session.execute(text("SELECT event_id, error FROM report.dead_letters")).all()
    assert [tuple(row) for row in dead] == [("evt-1", "RuntimeError: still no avatar")]

    (listed,) = inbox.list(state="dead")
    assert inbox.replay([listed.id]) == [listed.id]
    assert claim_one(inbox).attempts == 1


def test_a_permanent_failure_is_dead_at_once(inbox: Inbox) -> None:
    assert fail(inbox, Permanent("replicate", "no such training")) == "dead"


def test_an_outage_of_our_own_goes_on_up_and_uses_no_try(inbox: Inbox, clock: ManualClock) -> None:
    for _ in range(MAX_ATTEMPTS * 2):
        with pytest.raises(Unavailable):
            fail(inbox, Unavailable("the object store does not answer."))
        clock.advance(timedelta(minutes=10))
    assert inbox.list()[0].state == "pending"


def test_a_commit_that_fails_counts_as_a_failed_try(database: Database, inbox: Inbox) -> None:
    handling = inbox.handling(claim_one(inbox))
    with handling as session:
        session.execute(text("INSERT INTO public.later VALUES ('missing')"))
    assert handling.outcome == "retry"
    assert "ForeignKeyViolation" in (inbox.show(handling.event.id).error or "")


def test_a_statement_that_fails_in_the_work_counts_as_a_failed_try(
    database: Database, inbox: Inbox
) -> None:
    handling = inbox.handling(claim_one(inbox))
    with handling as session:
        work(session)
        work(session)
    assert handling.outcome == "retry"
    assert IntegrityError.__name__ in (inbox.show(handling.event.id).error or "")
    assert work_done(database) == 0


def test_ctrl_c_is_not_swallowed_and_the_lease_brings_the_event_back(
    inbox: Inbox, clock: ManualClock
) -> None:
    with pytest.raises(KeyboardInterrupt), inbox.handling(claim_one(inbox)):
        raise KeyboardInterrupt
    clock.advance(timedelta(minutes=2))
    assert claim_one(inbox).attempts == 2


def test_an_event_that_kills_its_process_every_time_ends_up_dead(
    inbox: Inbox, clock: ManualClock
) -> None:
    for _ in range(MAX_ATTEMPTS):
        claim_one(inbox)  # and never handled
        clock.advance(timedelta(minutes=2))
    assert inbox.claim("replicate") == []
    (dead,) = inbox.list(state="dead")
    assert dead.error == "the process that handled it died each time"


def test_the_digest_changes_exactly_when_there_is_something_new_to_do(
    inbox: Inbox, clock: ManualClock
) -> None:
    first = inbox.pending("replicate")
    assert inbox.pending("replicate") == first
    fail(inbox, RuntimeError())
    clock.advance(timedelta(seconds=5))
    retried = inbox.pending("replicate")
    assert (retried.count, retried.newest_id) == (1, first.newest_id)
    assert retried.attempts_digest != first.attempts_digest
    inbox.land("replicate", "evt-2", b"{}")
    assert inbox.pending("replicate").attempts_digest != retried.attempts_digest


def test_replaying_what_is_not_dead_changes_nothing(inbox: Inbox) -> None:
    fail(inbox, Permanent("replicate", "gone"))
    (dead,) = inbox.list(state="dead")
    with pytest.raises(NotFound, match="not dead letters: 999; nothing was replayed"):
        inbox.replay([dead.id, 999])
    assert inbox.show(dead.id).state == "dead"
    assert inbox.replay(provider="stripe") == []
    assert inbox.replay() == [dead.id]
    with pytest.raises(NotFound, match="there is no event 999"):
        inbox.show(999)


def test_listing_filters_by_state_and_provider_newest_first(inbox: Inbox) -> None:
    inbox.land("stripe", "evt-2", b"12345")
    assert [event.event_id for event in inbox.list()] == ["evt-2", "evt-1"]
    (stripe,) = inbox.list(provider="stripe", state="pending")
    assert (stripe.bytes, stripe.body) == (5, None)
    assert inbox.list(state="dead") == []
