"""The gateway's one write: a delivery becomes a row, or the sender is told to come again.

Belongs here: the pool, the insert. Does not: HTTP, signatures.
"""

from __future__ import annotations

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg_pool import AsyncConnectionPool

from vixen_pipeline.db.siblings import plain_url
from vixen_pipeline.inbox import LAND_SQL

POOL_TIMEOUT_S = 3.0
MAX_WAITING = 500
STATEMENT_TIMEOUT_MS = 5_000


class DatabaseAwayError(Exception):
    """The row is not stored, or nobody knows; the provider must deliver again."""


class Landing:
    """Inserts deliveries. Open it in the server's event loop."""

    def __init__(self, database_url: str, *, connections: int = 10) -> None:
        self.pool = AsyncConnectionPool(
            make_conninfo(
                plain_url(database_url),
                application_name="vixen gateway",
                connect_timeout=5,
                options=f"-c statement_timeout={STATEMENT_TIMEOUT_MS}",
            ),
            kwargs={"autocommit": True},
            min_size=2,
            max_size=connections,
            timeout=POOL_TIMEOUT_S,
            max_waiting=MAX_WAITING,
            max_idle=60,
            # Given up early, so that the next delivery asks at once instead of after a backoff.
            reconnect_timeout=3,
            open=False,
        )

    async def open(self) -> None:
        """Start the pool; does not wait for the database, which may come later."""
        await self.pool.open(wait=False)

    async def close(self) -> None:
        await self.pool.close(timeout=5)

    async def land(self, provider: str, event_id: str, body: bytes) -> bool:
        """Store one verified delivery. True when new, False when it had landed before.

        Tried twice, because the server may have been restarted under an idle connection; the
        insert is safe to repeat. Raises DatabaseAwayError.
        """
        row = {"provider": provider, "event_id": event_id, "body": body}
        try:
            return await self._insert(row)
        except psycopg.OperationalError:
            try:
                await self.pool.check()
                return await self._insert(row)
            except psycopg.Error as error:
                raise DatabaseAwayError(_first_line(error)) from error
        except psycopg.Error as error:
            raise DatabaseAwayError(_first_line(error)) from error

    async def _insert(self, row: dict[str, str | bytes]) -> bool:
        async with self.pool.connection() as connection:
            cursor = await connection.execute(LAND_SQL, row, prepare=True)
            return await cursor.fetchone() is not None

    async def answers(self) -> str | None:
        """None when the database answers and has our table; else what is wrong, in one line."""
        try:
            async with self.pool.connection(timeout=2) as connection:
                cursor = await connection.execute("SELECT to_regclass('landing.webhook_events')")
                found = await cursor.fetchone()
        except psycopg.Error as error:
            return _first_line(error)
        return None if found and found[0] else "the schema is missing: run `vixen db upgrade`"


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
