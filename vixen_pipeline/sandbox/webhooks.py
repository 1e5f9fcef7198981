"""Signed webhooks (Standard Webhooks) out of a table. Belongs here: queueing, signing, delivering.

Does not: what a body says. A delivery is a row with a due time, so it survives a kill; the same
`webhook-id` travels on every retry and on every ordered duplicate.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import random
import secrets
import time
from datetime import datetime, timedelta
from typing import Any

import httpx
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    DateTime,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    func,
    select,
)

from vixen_pipeline.sandbox.state import SandboxState, metadata

RETRY_SECONDS = (0.5, 1.0, 2.0)  # few and short: providers give up, clients must poll
BATCH = 100

deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("webhook_id", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("due_at", DateTime(timezone=True), nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("state", Text, nullable=False),  # due | delivered | dropped | given_up
    Column("last_error", Text),
)
Index(
    "ix_webhook_deliveries_due", deliveries.c.due_at, postgresql_where=deliveries.c.state == "due"
)


def sign(secret: str, webhook_id: str, timestamp: int, body: bytes) -> str:
    """The `webhook-signature` header value."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def queue(connection: Connection, state: SandboxState, *, event: str, url: str, body: str) -> None:
    """Add one event in the caller's transaction, as the standing webhook order says."""
    controls = state.controls
    now = state.clock.now()
    mode = controls.webhook_mode
    copies = controls.webhook_times if mode in ("duplicate", "reorder") else 1
    row = {
        "webhook_id": f"msg_{secrets.token_hex(12)}",
        "event": event,
        "url": url,
        "body": body,
        "state": "dropped" if mode == "drop" else "due",
    }
    delays = [_delay(mode, event, controls.webhook_seconds, copy) for copy in range(copies)]
    rows = [{**row, "due_at": now + timedelta(seconds=delay)} for delay in delays]
    connection.execute(deliveries.insert(), rows)


def _delay(mode: str, event: str, seconds: float, copy: int) -> float:
    """Seconds until a copy is due. Reordered: whatever is not the end arrives after the end."""
    if mode == "delay":
        return seconds
    if mode == "reorder":
        return random.uniform(0, seconds / 2) + (0 if event == "completed" else seconds)
    return 0.05 * copy


class Deliverer:
    """The background worker: delivers what is due, retries what failed, gives up after a few."""

    def __init__(self, state: SandboxState) -> None:
        self._state = state

    async def step(self) -> datetime | None:
        """Deliver all that is due now; returns when the next one is due, None if there is none."""
        rows, following = await self._state.run(lambda c: (self._due(c), self._next(c)))
        if not rows:
            return following
        await asyncio.gather(*(self._deliver(dict(row)) for row in rows))
        return await self._state.run(self._next)

    def _due(self, connection: Connection) -> list[Any]:
        query = (
            select(deliveries)
            .where(deliveries.c.state == "due", deliveries.c.due_at <= self._state.clock.now())
            .order_by(deliveries.c.due_at, deliveries.c.id)
            .limit(BATCH)
        )
        return list(connection.execute(query).mappings())

    def _next(self, connection: Connection) -> datetime | None:
        query = select(func.min(deliveries.c.due_at)).where(deliveries.c.state == "due")
        return connection.execute(query).scalar_one()

    async def _deliver(self, row: dict[str, Any]) -> None:
        error = await self._post(row)
        attempts = int(row["attempts"]) + 1
        values: dict[str, Any] = {"attempts": attempts, "last_error": error}
        if error is None:
            values["state"] = "delivered"
        elif attempts > len(RETRY_SECONDS):
            values["state"] = "given_up"
        else:
            wait = timedelta(seconds=RETRY_SECONDS[attempts - 1])
            values["due_at"] = self._state.clock.now() + wait
        statement = deliveries.update().where(deliveries.c.id == row["id"]).values(**values)
        await self._state.run(lambda connection: connection.execute(statement) and None)

    async def _post(self, row: dict[str, Any]) -> str | None:
        """Send it; the reason when it did not arrive. The stamp is real time: receivers check."""
        body = row["body"].encode()
        now = int(time.time())
        headers = {
            "content-type": "application/json",
            "user-agent": "Replicate/1",
            "webhook-id": row["webhook_id"],
            "webhook-timestamp": str(now),
            "webhook-signature": sign(
                self._state.config.webhook_secret, row["webhook_id"], now, body
            ),
        }
        try:
            response = await self._state.http.post(row["url"], content=body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return f"{type(error).__name__}: {error}"
        return None if response.is_success else f"status {response.status_code}"


def count_deliveries(connection: Connection) -> dict[str, Any]:
    """Deliveries by state, for the control API."""
    query = select(deliveries.c.state, func.count()).group_by(deliveries.c.state)
    return {"webhooks": {row.state: row.count for row in connection.execute(query)}}
