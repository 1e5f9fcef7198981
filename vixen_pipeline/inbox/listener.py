"""Waiting for the next delivery without polling. Belongs here: LISTEN. Not: claiming.

For a run that lingers: a busy stream is then handled in well under a second, an idle one costs
nothing. A missed notification loses nothing, because rows are claimed by their state.
"""

from __future__ import annotations

from types import TracebackType

import psycopg
from psycopg import sql

from vixen_pipeline.db.session import Database
from vixen_pipeline.errors import Unavailable
from vixen_pipeline.inbox.model import CHANNEL
from vixen_pipeline.locks import direct_connection


class InboxListener:
    """`with inbox.listening() as listener:` first, then claim until empty, then `wait`.

    In this order nothing that lands in between is waited for.
    """

    def __init__(self, database: Database) -> None:
        self._connection = direct_connection(database, "inbox listener")
        self._connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(CHANNEL)))

    def wait(self, timeout_s: float) -> frozenset[str]:
        """The providers that landed something new; empty when `timeout_s` went by without."""
        try:
            first = list(self._connection.notifies(timeout=timeout_s, stop_after=1))
            rest = list(self._connection.notifies(timeout=0)) if first else []
        except psycopg.OperationalError as error:
            raise Unavailable(f"the database does not answer ({error}).") from error
        return frozenset(notification.payload for notification in [*first, *rest])

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> InboxListener:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
