"""What operators ask of the inbox: list, show, replay. Not: claiming and handling (service.py)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, text

from vixen_pipeline.clock import Clock
from vixen_pipeline.db.session import Database
from vixen_pipeline.errors import NotFound
from vixen_pipeline.inbox.model import EventListing

_COLUMNS = (
    "id, provider, event_id, state, attempts, received_at, available_at, handled_at, error,"
    " length(body) AS bytes"
)

_LIST = text(
    f"""
    SELECT {_COLUMNS} FROM landing.webhook_events
    WHERE (CAST(:state AS text) IS NULL OR state = :state)
      AND (CAST(:provider AS text) IS NULL OR provider = :provider)
    ORDER BY id DESC LIMIT :limit
    """
)

_SHOW = text(f"SELECT {_COLUMNS}, body FROM landing.webhook_events WHERE id = :id")

_REPLAY = text(
    """
    UPDATE landing.webhook_events
    SET state = 'pending', attempts = 0, available_at = :now, error = NULL
    WHERE state = 'dead' AND (CAST(:ids AS bigint[]) IS NULL OR id = ANY(CAST(:ids AS bigint[])))
      AND (CAST(:provider AS text) IS NULL OR provider = :provider)
    RETURNING id
    """
)


class InboxQueries:
    """Reads for people, and the replay of dead letters."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def list(
        self, *, state: str | None = None, provider: str | None = None, limit: int = 100
    ) -> list[EventListing]:
        """Newest first, without bodies."""
        parameters = {"state": state, "provider": provider, "limit": limit}
        with self._database.begin() as session:
            return [_listing(row) for row in session.execute(_LIST, parameters)]

    def show(self, event: int) -> EventListing:
        """One event with its body. Raises NotFound."""
        with self._database.begin() as session:
            row = session.execute(_SHOW, {"id": event}).first()
        if row is None:
            raise NotFound(f"there is no event {event}.", next_step="See `vixen inbox list`.")
        return _listing(row)

    def replay(
        self, events: Sequence[int] | None = None, *, provider: str | None = None
    ) -> Sequence[int]:
        """Bring dead letters back, with their full number of tries; None means all of them.

        Returns the ids brought back. Raises NotFound for a named event that is not dead.
        """
        parameters = {
            "ids": list(events) if events is not None else None,
            "provider": provider,
            "now": self._clock.now(),
        }
        with self._database.begin() as session:
            replayed: list[int] = sorted(session.execute(_REPLAY, parameters).scalars())
            missing = sorted(set(events or ()) - set(replayed))
            if missing:
                raise NotFound(
                    f"not dead letters: {', '.join(map(str, missing))}; nothing was replayed.",
                    next_step="See `vixen inbox list --state dead`.",
                )
        return replayed


def _listing(row: Row[Any]) -> EventListing:
    return EventListing(**row._mapping)  # pyright: ignore[reportPrivateUsage]
