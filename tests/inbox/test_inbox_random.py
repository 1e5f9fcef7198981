"""Any order, any duplication, any failures: each event's work is done exactly once."""

from __future__ import annotations

import itertools
from collections import Counter
from datetime import timedelta

from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import text

from vixen_pipeline.clock import ManualClock
from vixen_pipeline.db.session import Database
from vixen_pipeline.inbox import Inbox

_providers = itertools.count()


@hypothesis_settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    deliveries=st.lists(st.integers(0, 5), max_size=15),
    failures=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=6),
    claim_limits=st.lists(st.integers(1, 4), min_size=1, max_size=5),
    crashes=st.sets(st.integers(0, 8), max_size=3),
)
def test_each_event_is_worked_once(
    deliveries: list[int],
    failures: list[tuple[int, int]],
    claim_limits: list[int],
    crashes: set[int],
    database: Database,
) -> None:
    provider = f"p{next(_providers)}"
    left_to_fail = Counter(dict(failures))
    clock = ManualClock()
    inbox = Inbox(database, clock)
    with database.begin() as session:
        session.execute(text("CREATE TABLE IF NOT EXISTS public.done (provider text, event text)"))
    queue, handlings = list(deliveries), itertools.count()
    limits = itertools.cycle(claim_limits)
    while True:
        for _ in range(3):
            if queue:
                inbox.land(provider, str(queue.pop(0)), b"{}")
        for event in inbox.claim(provider, limit=next(limits), lease=timedelta(seconds=30)):
            if next(handlings) in crashes:
                continue  # the process died after claiming it
            with inbox.handling(event) as session:
                session.execute(
                    text("INSERT INTO public.done VALUES (:provider, :event)"),
                    {"provider": provider, "event": event.event_id},
                )
                if left_to_fail[int(event.event_id)] > 0:
                    left_to_fail[int(event.event_id)] -= 1
                    raise RuntimeError("not yet")
        summary = inbox.pending(provider)
        if not queue and summary.count == 0 and summary.next_retry_at is None:
            break
        clock.advance(timedelta(seconds=20))
    with database.begin() as session:
        done = session.execute(
            text("SELECT event FROM public.done WHERE provider = :p"), {"p": provider}
        ).scalars()
        assert sorted(done) == sorted({str(number) for number in deliveries})
