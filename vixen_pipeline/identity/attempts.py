"""The last failure of a stage for an avatar. Belongs here: recording it, forgetting it, backoff.

Does not: deciding that something failed, or retrying. A permanent failure has no next attempt:
nothing tries again until a person acts (`clear_failure`) or the inputs change.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from vixen_pipeline.clock import Clock
from vixen_pipeline.db.models import StageAttempt

FIRST_BACKOFF = timedelta(seconds=5)
MAX_BACKOFF = timedelta(minutes=10)


def backoff(attempts: int) -> timedelta:
    """How long to wait after the `attempts`-th failure (1 is the first): 5 s, doubled, ≤ 10 min."""
    doublings = min(max(attempts - 1, 0), 20)
    return min(FIRST_BACKOFF * 2**doublings, MAX_BACKOFF)


def retry_command(stage: str, key: str) -> str:
    """What a person types to have a stage tried again that failed for good."""
    return f"vixen materialize {stage} --avatar {key} --retry-failed"


def record_failure(
    session: Session,
    avatar_id: int,
    stage: str,
    error: str,
    next_step: str | None,
    permanent: bool,
    clock: Clock,
    retry_at: datetime | None = None,
) -> datetime | None:
    """Count one failure of `stage`; returns when it may be tried again (None: never by itself).

    `retry_at` says when, where that is known; otherwise the backoff does.

    Part of the caller's transaction. The row is locked by the upsert, so concurrent failures are
    counted one by one.
    """
    now = clock.now()
    values = {"error": error, "next_step": next_step, "permanent": permanent, "updated_at": now}
    upsert = (
        insert(StageAttempt)
        .values(avatar_id=avatar_id, stage=stage, attempts=1, first_failed_at=now, **values)
        .on_conflict_do_update(
            index_elements=[StageAttempt.avatar_id, StageAttempt.stage],
            set_={**values, "attempts": StageAttempt.attempts + 1},
        )
        .returning(StageAttempt.attempts)
    )
    attempts = session.execute(upsert).scalar_one()
    next_attempt_at = None if permanent else retry_at or now + backoff(attempts)
    row = session.get_one(StageAttempt, (avatar_id, stage), populate_existing=True)
    row.next_attempt_at = next_attempt_at
    return next_attempt_at


def clear_failure(session: Session, avatar_id: int, stage: str) -> None:
    """Forget the failures of `stage`: it is complete, its inputs changed, or a person asked."""
    session.execute(
        delete(StageAttempt).where(StageAttempt.avatar_id == avatar_id, StageAttempt.stage == stage)
    )


def failures(session: Session, avatar_ids: Sequence[int], stage: str) -> dict[int, StageAttempt]:
    """The recorded failures of `stage`, by avatar id."""
    rows = session.scalars(
        select(StageAttempt).where(
            StageAttempt.stage == stage, StageAttempt.avatar_id.in_(avatar_ids)
        )
    )
    return {row.avatar_id: row for row in rows}
