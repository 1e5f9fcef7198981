"""The SQL of effects. Belongs here: every statement on vixen.effects. Not: decisions, waiting.

Every change of state is one conditional UPDATE: it names the state it expects and, once
dispatched, the attempt it belongs to. Who comes late changes nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, null, select, text, update
from sqlalchemy.orm import Session

from vixen_pipeline.db.base import Json
from vixen_pipeline.db.models import Avatar, EffectRow
from vixen_pipeline.effects.model import (
    OPEN_STATES,
    Accepted,
    Done,
    Effect,
    EffectListing,
    EffectState,
    Intent,
    Outcome,
)

CALLED: tuple[EffectState, ...] = ("dispatched", "unknown")
_DEADLINE = EffectRow.deadline_s * text("interval '1 second'")

_INTEND = text(
    """
    INSERT INTO vixen.effects (kind, key, provider, request, request_digest, avatar_id,
                               deadline_s, deadline, intended_at, updated_at)
    SELECT kind, key, provider, request, request_digest, avatar_id, deadline_s,
           :now + make_interval(secs => deadline_s), :now, :now
    FROM jsonb_to_recordset(CAST(:rows AS jsonb))
      AS r(kind text, key text, provider text, request jsonb, request_digest text,
           avatar_id bigint, deadline_s bigint)
    ON CONFLICT (key) DO NOTHING
    """
)


def request_digest(request: Json) -> str:
    """SHA-256 of the request as canonical JSON."""
    canonical = json.dumps(request, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def insert_missing(session: Session, intents: Sequence[Intent], now: datetime) -> None:
    """Insert those intents whose key is new, all in one statement."""
    rows = [
        {
            "kind": intent.kind,
            "key": intent.key,
            "provider": intent.provider,
            "request": intent.request,
            "request_digest": request_digest(intent.request),
            "avatar_id": intent.avatar_id,
            "deadline_s": _seconds(intent.deadline),
        }
        # In one order everywhere, so that two processes with the same keys cannot deadlock.
        for intent in sorted(intents, key=lambda intent: intent.key)
    ]
    session.execute(_INTEND, {"rows": json.dumps(rows), "now": now})


def _seconds(deadline: timedelta) -> int:
    return max(1, int(deadline.total_seconds()))


def by_keys(session: Session, keys: Sequence[str]) -> dict[str, tuple[Effect, str]]:
    """key → (effect, request digest), for those that exist."""
    rows = session.scalars(select(EffectRow).where(EffectRow.key == func.any(list(keys))))
    return {row.key: (_effect(row), row.request_digest) for row in rows}


def get(session: Session, effect_id: int) -> Effect | None:
    row = session.get(EffectRow, effect_id, populate_existing=True)
    return _effect(row) if row is not None else None


def by_remote(session: Session, provider: str, remote_id: str) -> Effect | None:
    row = session.scalars(
        select(EffectRow)
        .where(EffectRow.provider == provider, EffectRow.remote_id == remote_id)
        .order_by(EffectRow.id)
        .limit(1)
    ).first()
    return _effect(row) if row is not None else None


def dispatch(session: Session, effect_id: int, now: datetime) -> Effect | None:
    """intended → dispatched, one more attempt. None when it is not intended (any more)."""
    return _change(
        session,
        (EffectRow.id == effect_id, EffectRow.state == "intended"),
        state="dispatched",
        attempts=EffectRow.attempts + 1,
        dispatched_at=now,
        deadline=now + _DEADLINE,
        updated_at=now,
    )


def save_outcome(
    session: Session, called: Effect, outcome: Outcome, now: datetime
) -> Effect | None:
    """Keep what the provider said about this attempt. None when the attempt is over already."""
    values: dict[str, Any] = {"updated_at": now, "error": None}
    if isinstance(outcome, Accepted):
        values |= {"state": "dispatched", "remote_id": outcome.remote_id}
    else:
        values |= {"settled_at": now}
        values["remote_id"] = func.coalesce(outcome.remote_id, EffectRow.remote_id)
        if isinstance(outcome, Done):
            values |= {"state": "confirmed", "result": outcome.result}
        else:
            values |= {"state": "failed", "error": outcome.error}
    return _change(session, _same_attempt(called), **values)


def mark_unknown(session: Session, called: Effect, error: str, now: datetime) -> Effect | None:
    """dispatched → unknown: it may have happened."""
    return _change(
        session,
        (*_same_attempt(called), EffectRow.remote_id.is_(None)),
        state="unknown",
        error=error,
        deadline=now + _DEADLINE,
        updated_at=now,
    )


def put_back(session: Session, called: Effect, error: str, now: datetime) -> Effect | None:
    """dispatched or unknown → intended: it surely did not happen."""
    return _change(
        session,
        (*_same_attempt(called), EffectRow.remote_id.is_(None)),
        state="intended",
        error=error,
        deadline=now + _DEADLINE,
        updated_at=now,
    )


def settle(
    session: Session, effect_id: int, result: Json | None, error: str | None, now: datetime
) -> bool:
    """dispatched or unknown → confirmed or failed. False when it was not open."""
    settled = _change(
        session,
        (EffectRow.id == effect_id, EffectRow.state.in_(CALLED)),
        state="confirmed" if error is None else "failed",
        result=result if result is not None else null(),
        error=error,
        settled_at=now,
        updated_at=now,
    )
    return settled is not None


def give_up(session: Session, effect_id: int, error: str, now: datetime) -> bool:
    """intended → failed. False when it was not intended (any more)."""
    given_up = _change(
        session,
        (EffectRow.id == effect_id, EffectRow.state == "intended"),
        state="failed",
        error=error,
        settled_at=now,
        updated_at=now,
    )
    return given_up is not None


def reopen(session: Session, effect_id: int, now: datetime) -> Effect | None:
    """failed, never taken by the provider → intended. None when it is not that."""
    return _change(
        session,
        (
            EffectRow.id == effect_id,
            EffectRow.state == "failed",
            EffectRow.remote_id.is_(None),
        ),
        state="intended",
        settled_at=None,
        deadline=now + _DEADLINE,
        updated_at=now,
    )


def overdue(session: Session, now: datetime, limit: int) -> list[Effect]:
    """Open effects past their deadline, most overdue first."""
    rows = session.scalars(
        select(EffectRow)
        .where(EffectRow.state.in_(OPEN_STATES), EffectRow.deadline < now)
        .order_by(EffectRow.deadline)
        .limit(limit)
    )
    return [_effect(row) for row in rows]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a listing is narrowed to. `avatar` is the partition key, `key_part` part of the key."""

    id: int | None = None
    state: str | None = None
    kind: str | None = None
    provider: str | None = None
    avatar: str | None = None
    key_part: str | None = None
    overdue: bool = False


def listing(session: Session, now: datetime, wanted: Wanted, limit: int) -> list[EffectListing]:
    """Newest first."""
    equal = (
        (EffectRow.id, wanted.id),
        (EffectRow.state, wanted.state),
        (EffectRow.kind, wanted.kind),
        (EffectRow.provider, wanted.provider),
        (Avatar.key, wanted.avatar),
    )
    conditions: list[ColumnElement[bool]] = [
        column == value for column, value in equal if value is not None
    ]
    if wanted.key_part is not None:
        conditions.append(EffectRow.key.contains(wanted.key_part, autoescape=True))
    if wanted.overdue:
        conditions += [EffectRow.state.in_(OPEN_STATES), EffectRow.deadline < now]
    statement = (
        select(EffectRow, Avatar.key)
        .outerjoin(Avatar, Avatar.id == EffectRow.avatar_id)
        .where(*conditions)
        .order_by(EffectRow.id.desc())
        .limit(limit)
    )
    return [_listing(row, avatar, now) for row, avatar in session.execute(statement)]


def _listing(row: EffectRow, avatar: str | None, now: datetime) -> EffectListing:
    return EffectListing(
        effect=_effect(row),
        avatar=avatar,
        intended_at=row.intended_at,
        settled_at=row.settled_at,
        updated_at=row.updated_at,
        overdue=row.state in OPEN_STATES and row.deadline < now,
    )


def _same_attempt(called: Effect) -> tuple[Any, ...]:
    return (
        EffectRow.id == called.id,
        EffectRow.attempts == called.attempts,
        EffectRow.state.in_(CALLED),
    )


def _change(session: Session, conditions: Sequence[Any], **values: Any) -> Effect | None:
    statement = update(EffectRow).where(*conditions).values(**values).returning(EffectRow)
    row = session.scalars(
        statement, execution_options={"synchronize_session": False, "populate_existing": True}
    ).first()
    return _effect(row) if row is not None else None


def _effect(row: EffectRow) -> Effect:
    state: Any = row.state
    return Effect(
        id=row.id,
        kind=row.kind,
        key=row.key,
        provider=row.provider,
        state=state,
        remote_id=row.remote_id,
        request=row.request,
        result=row.result,
        attempts=row.attempts,
        error=row.error,
        deadline=row.deadline,
        avatar_id=row.avatar_id,
        dispatched_at=row.dispatched_at,
    )
