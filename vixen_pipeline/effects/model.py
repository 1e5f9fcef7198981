"""The values of effects. Belongs here: what callers pass in and get back. Not: SQL, locks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from vixen_pipeline.db.base import Json

EffectState = Literal["intended", "dispatched", "confirmed", "failed", "unknown"]
OPEN_STATES: tuple[EffectState, ...] = ("intended", "dispatched", "unknown")


@dataclass(frozen=True, slots=True)
class Intent:
    """What is to be done, once ever per `key`.

    `key` comes from the business fact (dataset digest, shot, attempt), never from time or chance.
    `request` is what is sent, without secrets and presigned URLs. `deadline` is how long each
    state may last before a check goes red.
    """

    kind: str
    key: str
    provider: str
    request: Json
    avatar_id: int | None
    deadline: timedelta


@dataclass(frozen=True, slots=True)
class Effect:
    """One effect as the database has it. `attempts` counts dispatches."""

    id: int
    kind: str
    key: str
    provider: str
    state: EffectState
    remote_id: str | None
    request: Json
    result: Json | None
    attempts: int
    error: str | None
    deadline: datetime
    avatar_id: int | None
    dispatched_at: datetime | None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider took it under `remote_id`; it ends later, by `Effects.settle`."""

    remote_id: str


@dataclass(frozen=True, slots=True)
class Done:
    """The provider finished it. `result` is kept: small JSON, no presigned URLs."""

    remote_id: str | None
    result: Json


@dataclass(frozen=True, slots=True)
class Failed:
    """The provider took it and it ended without a product; it stays failed for ever."""

    remote_id: str | None
    error: str


@dataclass(frozen=True, slots=True)
class NotDone:
    """Read back: surely never taken, nor can it be any more (the provider takes a request id once,
    so that repeating it is safe). It may be dispatched again without waiting for the grace."""


Outcome = Accepted | Done | Failed


@dataclass(frozen=True, slots=True)
class EffectListing:
    """An effect as `vixen effects list|show` prints it. `avatar` is the partition key."""

    effect: Effect
    avatar: str | None
    intended_at: datetime
    settled_at: datetime | None
    updated_at: datetime
    overdue: bool
