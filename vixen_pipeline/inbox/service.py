"""Landed webhook deliveries: land, claim, mark handled, replay.

Belongs here: the life of a receipt. Does not: signatures (gateway), what a delivery means.

    pending ──claim, leased──▶ claimed ──work and mark in one transaction──▶ handled
       ▲                          │
       ├──failed: error kept, backoff ─┤
       └──lease ran out (crash) ──┘ after MAX_ATTEMPTS: dead, until `replay`

Rows are claimed by state, `FOR UPDATE SKIP LOCKED`, never by a cursor over ids: a row whose
transaction commits late has a smaller id and is not skipped.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from types import TracebackType
from typing import Literal

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from vixen_pipeline.clock import Clock
from vixen_pipeline.db.session import Database
from vixen_pipeline.errors import Permanent, Unavailable
from vixen_pipeline.inbox.listener import InboxListener
from vixen_pipeline.inbox.model import CHANNEL, LandedEvent, PendingSummary
from vixen_pipeline.inbox.queries import InboxQueries

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

LAND_SQL = f"""
WITH landed AS (
  INSERT INTO landing.webhook_events (provider, event_id, body)
  VALUES (%(provider)s, %(event_id)s, %(body)s)
  ON CONFLICT (provider, event_id) DO NOTHING
  RETURNING provider
)
SELECT pg_notify('{CHANNEL}', provider) FROM landed
"""
"""The one way an event lands; psycopg parameters. Returns one row when it is new, none when not."""

MAX_ATTEMPTS = 8
FIRST_BACKOFF = timedelta(seconds=5)
MAX_BACKOFF = timedelta(minutes=10)
DEFAULT_LEASE = timedelta(minutes=1)
"""How long a claimed event may wait for its handling to begin. While it is handled its row is
locked, so the lease need not cover the work; after a kill it is all that delays the next try."""

# Never tried events are available at once, whatever the clocks of the two machines say.
_CLAIMABLE = """
  provider = :provider
  AND ((state = 'pending' AND (attempts = 0 OR available_at <= :now))
       OR (state = 'claimed' AND leased_until <= :now))
"""

_BURY = text(
    f"""
    UPDATE landing.webhook_events
    SET state = 'dead', leased_until = NULL, lease_owner = NULL,
        error = COALESCE(error, 'the process that handled it died each time')
    WHERE {_CLAIMABLE} AND attempts >= :max_attempts
    """
)

# MATERIALIZED: chosen and locked once, whatever plan the planner makes of the join.
_CLAIM = text(
    f"""
    WITH due AS MATERIALIZED (
      SELECT id FROM landing.webhook_events WHERE {_CLAIMABLE} AND attempts < :max_attempts
      ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    UPDATE landing.webhook_events AS e
    SET state = 'claimed', attempts = e.attempts + 1, leased_until = :until, lease_owner = :owner,
        available_at = :now
    FROM due WHERE e.id = due.id
    RETURNING e.id, e.provider, e.event_id, e.body, e.attempts, e.received_at
    """
)

_LOCK = text(
    """
    SELECT 1 FROM landing.webhook_events
    WHERE id = :id AND state = 'claimed' AND lease_owner = :owner FOR UPDATE
    """
)

_HANDLED = text(
    """
    UPDATE landing.webhook_events
    SET state = 'handled', handled_at = :now, error = NULL, leased_until = NULL, lease_owner = NULL
    WHERE id = :id AND state = 'claimed' AND lease_owner = :owner
    """
)

_FAILED = text(
    """
    UPDATE landing.webhook_events
    SET state = :state, attempts = :attempts, error = :error, available_at = :available_at,
        leased_until = NULL, lease_owner = NULL
    WHERE id = :id AND state = 'claimed' AND lease_owner = :owner
    """
)

_PENDING = text(
    f"""
    SELECT count(*), min(received_at), max(id),
           md5(concat_ws('-', count(*), sum(id), sum(attempts),
                         sum(extract(epoch FROM available_at))))
    FROM landing.webhook_events WHERE {_CLAIMABLE}
    """
)

_NEXT_RETRY = text(
    """
    SELECT min(CASE state WHEN 'claimed' THEN leased_until ELSE available_at END)
    FROM landing.webhook_events
    WHERE provider = :provider AND state IN ('pending', 'claimed') AND attempts > 0
    """
)

HandlingOutcome = Literal["open", "handled", "retry", "dead", "lost"]


class Inbox(InboxQueries):
    """`landing.webhook_events` as a service."""

    def land(self, provider: str, event_id: str, body: bytes) -> bool:
        """Store one verified delivery. True when it is new, False when it had landed before."""
        with self._database.begin() as session:
            landed = session.connection().exec_driver_sql(
                LAND_SQL, {"provider": provider, "event_id": event_id, "body": body}
            )
            return landed.first() is not None

    def claim(
        self, provider: str, *, limit: int = 100, lease: timedelta = DEFAULT_LEASE
    ) -> list[LandedEvent]:
        """Lease up to `limit` events, oldest first, that nobody else holds.

        Each claim counts as an attempt, so that an event which kills its process ends up dead
        instead of killing for ever.
        """
        now, owner = self._clock.now(), uuid.uuid4().hex
        common = {"provider": provider, "now": now, "max_attempts": MAX_ATTEMPTS}
        with self._database.begin() as session:
            buried = session.connection().execute(_BURY, common).rowcount
            rows = session.execute(
                _CLAIM, {**common, "until": now + lease, "owner": owner, "limit": limit}
            ).all()
        if buried:
            log.error("inbox.dead", provider=provider, count=buried)
        events = [LandedEvent(*row, lease_owner=owner) for row in rows]
        return sorted(events, key=lambda event: event.id)

    def handling(self, event: LandedEvent) -> Handling:
        """`with inbox.handling(event) as session:` does the work and marks it, in one go."""
        return Handling(self._database, self._clock, event)

    def listening(self) -> InboxListener:
        """Wakes when something lands; made before claiming, so that nothing is overlooked."""
        return InboxListener(self._database)

    def pending(self, provider: str) -> PendingSummary:
        """What could be claimed now, and when the next retry is due."""
        parameters = {"provider": provider, "now": self._clock.now()}
        with self._database.begin() as session:
            count, oldest, newest, digest = session.execute(_PENDING, parameters).one()
            next_retry: datetime | None = session.execute(_NEXT_RETRY, parameters).scalar_one()
        return PendingSummary(
            count=int(count),
            oldest=oldest,
            newest_id=newest,
            attempts_digest=digest,
            next_retry_at=next_retry,
        )


class Handling:
    """One event's transaction. `outcome` tells afterwards what became of it.

    The only place that writes 'handled', on success, with the work. When the body raises, the work
    is rolled back, and the receipt keeps the error and is retried later, or is dead after the
    last try (at once when the error is Permanent); the exception is logged and goes no further, so
    that one bad event stops no others. `Unavailable` does go further: nobody could be helped now.
    """

    def __init__(self, database: Database, clock: Clock, event: LandedEvent) -> None:
        self._database = database
        self._clock = clock
        self._transaction = database.begin()
        self._session: Session | None = None
        self._mine = False
        self.event = event
        self.outcome: HandlingOutcome = "open"

    def __enter__(self) -> Session:
        self._session = self._transaction.__enter__()
        # Held until the end: nobody can claim it meanwhile, even if the lease runs out.
        found = self._session.execute(_LOCK, self._identity()).first()
        self._mine = found is not None
        return self._session

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        cause = error if error is not None else self._mark()
        try:
            if cause is None:
                self._transaction.__exit__(None, None, None)
            else:
                self._transaction.__exit__(type(cause), cause, cause.__traceback__)
        except (SQLAlchemyError, Unavailable) as raised:  # the commit, or the connection, failed
            cause = raised
        if cause is None:
            self.outcome = "handled"
            return True
        return self._failed(cause, own=cause is error)

    def _mark(self) -> Exception | None:
        """Mark it handled in the transaction of the work; else the reason to roll that back."""
        assert self._session is not None
        if not self._mine:
            return _LeaseLostError()
        try:
            self._session.execute(_HANDLED, {**self._identity(), "now": self._clock.now()})
        except SQLAlchemyError as error:
            return error
        return None

    def _failed(self, error: BaseException, *, own: bool) -> bool:
        """Keep the receipt. True swallows the exception, False lets the body's own one go on."""
        if not isinstance(error, Exception):
            return False
        if not self._mine:
            self.outcome = "lost"
            log.warning("inbox.lease_lost", landed=self.event.id, provider=self.event.provider)
            return True
        self._keep_error(error)
        if isinstance(error, Unavailable):
            if own:
                return False
            raise error
        return True

    def _keep_error(self, error: Exception) -> None:
        ours = isinstance(error, Unavailable)
        spent = self.event.attempts >= MAX_ATTEMPTS and not ours
        dead = spent or isinstance(error, Permanent)
        self.outcome = "dead" if dead else "retry"
        # An outage of our own uses up no tries: it must not bury what arrived during it.
        attempts = max(1, self.event.attempts - 1) if ours else self.event.attempts
        with self._database.begin() as session:
            session.execute(
                _FAILED,
                {
                    **self._identity(),
                    "state": "dead" if dead else "pending",
                    "attempts": attempts,
                    "error": f"{type(error).__name__}: {error}"[:2000],
                    "available_at": self._clock.now() + backoff(attempts),
                },
            )
        log.warning(
            "inbox.failed",
            landed=self.event.id,
            provider=self.event.provider,
            attempts=self.event.attempts,
            outcome=self.outcome,
            error=f"{type(error).__name__}: {error}",
        )

    def _identity(self) -> dict[str, object]:
        return {"id": self.event.id, "owner": self.event.lease_owner}


class _LeaseLostError(Exception):
    """Rolls the work back when the event is somebody else's by now."""


def backoff(attempts: int) -> timedelta:
    """How long after the failure of try number `attempts` the next one comes."""
    return min(MAX_BACKOFF, FIRST_BACKOFF * 2 ** min(max(attempts - 1, 0), 20))
