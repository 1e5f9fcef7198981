"""Is the daemon alive? Read from Dagster's own tables by plain SQL; Dagster is never imported.

Belongs here: the age of the last heartbeat and tick. Does not: judging whether that is too old.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import psycopg

CACHE_S = 1.0

# Ages are computed by the server: its clock wrote nothing here, but it is the one clock all share.
# The heartbeat's own time is in its body as an epoch, free of session time zones.
_QUERY = """
SELECT (SELECT extract(epoch FROM now()) - max((body::json ->> 'timestamp')::float8)
        FROM daemon_heartbeats WHERE daemon_type = 'SENSOR')::float8,
       (SELECT extract(epoch FROM now()::timestamp - update_timestamp)
        FROM job_ticks ORDER BY id DESC LIMIT 1)::float8
"""


@dataclass(frozen=True, slots=True)
class DaemonAge:
    """Seconds since the sensor daemon's last heartbeat and last tick; None: never or not known."""

    heartbeat_s: float | None
    tick_s: float | None
    error: str | None = None


class DaemonProbe:
    """Asks at most once per second, however often it is asked."""

    def __init__(self, dagster_url: str) -> None:
        self._url = dagster_url
        self._lock = asyncio.Lock()
        self._known: tuple[float, DaemonAge] | None = None

    async def age(self) -> DaemonAge:
        """The ages now, at most a second old. Never raises: not knowing is an answer."""
        async with self._lock:
            now = time.monotonic()
            if self._known is None or now - self._known[0] > CACHE_S:
                self._known = (now, await self._read())
            return self._known[1]

    async def _read(self) -> DaemonAge:
        try:
            async with await psycopg.AsyncConnection.connect(
                self._url,
                autocommit=True,
                connect_timeout=2,
                application_name="vixen readiness",
                options="-c statement_timeout=2000",
            ) as connection:
                cursor = await connection.execute(_QUERY)
                row = await cursor.fetchone()
        except psycopg.Error as error:
            return DaemonAge(None, None, str(error).splitlines()[0])
        heartbeat, tick = row if row is not None else (None, None)
        return DaemonAge(heartbeat, tick)
