"""The values of the inbox. Belongs here: what callers get back. Not: SQL, handling."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

CHANNEL = "vixen_inbox"
"""Notified with the provider's name when a new event lands."""

EventState = Literal["pending", "claimed", "handled", "dead"]


@dataclass(frozen=True, slots=True)
class LandedEvent:
    """One claimed delivery. `body` is the raw bytes; `attempts` counts claims, this one included.

    `lease_owner` proves whose it is: a lease that was lost cannot mark anything handled.
    """

    id: int
    provider: str
    event_id: str
    body: bytes
    attempts: int
    received_at: datetime
    lease_owner: str


@dataclass(frozen=True, slots=True)
class PendingSummary:
    """What could be claimed now. `attempts_digest` changes whenever that set or its tries do, so a
    run key made from it is new exactly when there is something new to do."""

    count: int
    oldest: datetime | None
    newest_id: int | None
    attempts_digest: str
    next_retry_at: datetime | None


@dataclass(frozen=True, slots=True)
class EventListing:
    """An event as `vixen inbox list|show` prints it; `body` only when shown, never when listed."""

    id: int
    provider: str
    event_id: str
    state: EventState
    attempts: int
    received_at: datetime
    available_at: datetime
    handled_at: datetime | None
    error: str | None
    bytes: int
    body: bytes | None = None
