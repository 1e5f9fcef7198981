"""Signed deliveries for gateway tests: what Replicate would send, and the ways it can be wrong."""

from __future__ import annotations

import base64
import os
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime

import psycopg
from standardwebhooks.webhooks import Webhook


def new_secret() -> str:
    return "whsec_" + base64.b64encode(os.urandom(24)).decode()


def signed(
    body: bytes,
    secret: str | Iterable[str],
    *,
    event_id: str | None = None,
    at: datetime | None = None,
) -> dict[str, str]:
    """Standard Webhooks headers over `body`; several secrets sign as a rotating sender does."""
    at = at or datetime.now(UTC)
    event_id = event_id or f"msg_{uuid.uuid4().hex}"
    secrets = [secret] if isinstance(secret, str) else list(secret)
    signatures = [Webhook(s).sign(event_id, at, body.decode("utf-8", "replace")) for s in secrets]
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
        "content-type": "application/json",
    }


def landed(database_url: str) -> list[tuple[str, str, bytes]]:
    """(provider, event id, body) of every row, oldest first."""
    with psycopg.connect(database_url.replace("+psycopg", "")) as connection:
        return connection.execute(
            "SELECT provider, event_id, body FROM landing.webhook_events ORDER BY id"
        ).fetchall()
