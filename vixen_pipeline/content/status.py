"""Where an avatar stands with its content, derived from what exists. Belongs here: questions people
ask about it.

Does not: typed-in status: there is none. What can be done now is work.py's question.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, text

from vixen_pipeline.content.work import STAGE_OF_STATUS

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

_STATUS = text(
    """
    SELECT s.*, f.error, f.next_step, COALESCE(f.permanent, false) AS permanent,
           f.next_attempt_at, f.first_failed_at, f.stage AS failed_stage
    FROM report.content_status s
    LEFT JOIN LATERAL (
      SELECT * FROM vixen.stage_attempts t
      WHERE t.avatar_id = s.avatar_id AND t.stage = CASE s.status
        WHEN 'exam' THEN 'weights_exams' WHEN 'plan' THEN 'content_plans'
        ELSE 'content_' || s.status END
    ) f ON true
    WHERE CAST(:keys AS text[]) IS NULL OR s.avatar = ANY(CAST(:keys AS text[]))
    ORDER BY s.avatar_id
    """
)

_PIECES = text(
    """
    SELECT a.key, c.format, c.tier, c.state, count(*) AS pieces
    FROM vixen.content_pieces c JOIN vixen.avatars a ON a.id = c.avatar_id
    WHERE c.replaced_at IS NULL
      AND (CAST(:keys AS text[]) IS NULL OR a.key = ANY(CAST(:keys AS text[])))
    GROUP BY 1, 2, 3, 4
    """
)

_COSTS = text(
    """
    SELECT a.key, sum(c.usd) FROM vixen.cost_entries c JOIN vixen.avatars a ON a.id = c.avatar_id
    WHERE c.batch = ANY(:stages)
      AND (CAST(:keys AS text[]) IS NULL OR a.key = ANY(CAST(:keys AS text[])))
    GROUP BY 1
    """
)

_AT_STAGE = text(
    "SELECT avatar, status FROM report.content_status"
    " WHERE status NOT IN ('archived', 'identity') ORDER BY avatar_id"
)

READY_STATES = ("approved", "auto_approved")


@dataclass(frozen=True, slots=True)
class PieceCounts:
    """An avatar's pieces, without those that were replaced; the breakdowns are of the ready ones.

    Ready: approved by policy or by a person.
    """

    ready: int = 0
    pending_review: int = 0
    rejected: int = 0
    formats: Mapping[str, int] = field(default_factory=dict[str, int])
    tiers: Mapping[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True, slots=True)
class ContentStatus:
    """One avatar. `status` is what is missing first (see report.content_status), `stage` makes it.

    `shots` and `images` are those of open plans; `usd` is what content has cost so far.
    """

    avatar: str
    status: str
    stage: str | None
    waits_for: str | None
    since: datetime | None
    error: str | None
    next_step: str | None
    permanent: bool
    next_attempt_at: datetime | None
    plans: int
    plans_open: int
    shots: int
    images: int
    pieces: PieceCounts
    usd: Decimal


def content_statuses(
    services: Services, keys: Sequence[str] | None = None
) -> dict[str, ContentStatus]:
    """The status of these avatars (None: of all), oldest first; unknown keys are left out."""
    parameters: dict[str, Any] = {"keys": None if keys is None else list(keys)}
    stages = list(STAGE_OF_STATUS.values())
    with services.database.begin() as session:
        rows = session.execute(_STATUS, parameters).all()
        pieces = session.execute(_PIECES, parameters).all()
        costs: dict[str, Decimal] = {
            row[0]: row[1] for row in session.execute(_COSTS, {**parameters, "stages": stages})
        }
    counted = _counts(pieces)
    return {
        row.avatar: _status(
            row, counted.get(row.avatar, PieceCounts()), costs.get(row.avatar, Decimal(0))
        )
        for row in rows
    }


def completed_stages(services: Services) -> Mapping[str, Sequence[str]]:
    """Per stage, the avatars that have its product: those whose next stage is a later one."""
    order = list(STAGE_OF_STATUS)
    done: dict[str, list[str]] = {stage: [] for stage in STAGE_OF_STATUS.values()}
    with services.database.begin() as session:
        for avatar, status in session.execute(_AT_STAGE).tuples():
            behind = len(order) if status == "ready" else order.index(status)
            for earlier in order[:behind]:
                done[STAGE_OF_STATUS[earlier]].append(avatar)
    return done


def _counts(rows: Sequence[Row[Any]]) -> dict[str, PieceCounts]:
    found: dict[str, PieceCounts] = {}
    for avatar in {row.key for row in rows}:
        own = [row for row in rows if row.key == avatar]
        ready = [row for row in own if row.state in READY_STATES]
        found[avatar] = PieceCounts(
            ready=sum(row.pieces for row in ready),
            pending_review=sum(row.pieces for row in own if row.state == "pending_review"),
            rejected=sum(row.pieces for row in own if row.state == "rejected"),
            formats=_sums((row.format, row.pieces) for row in ready),
            tiers=_sums((row.tier, row.pieces) for row in ready),
        )
    return found


def _sums(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for name, count in sorted(pairs):
        sums[name] = sums.get(name, 0) + count
    return sums


def _status(row: Row[Any], pieces: PieceCounts, usd: Decimal) -> ContentStatus:
    stage = STAGE_OF_STATUS.get(row.status)
    waits_for, since = _waiting(row, stage)
    return ContentStatus(
        avatar=row.avatar,
        status=row.status,
        stage=stage,
        waits_for=waits_for,
        since=since,
        error=row.error,
        next_step=row.next_step,
        permanent=row.permanent,
        next_attempt_at=row.next_attempt_at,
        plans=row.plans,
        plans_open=row.plans_open,
        shots=row.open_shots,
        images=row.open_images,
        pieces=pieces,
        usd=usd,
    )


def _waiting(row: Row[Any], stage: str | None) -> tuple[str | None, datetime | None]:
    if row.failed_stage is not None:
        if row.permanent:
            return "a person to act", row.first_failed_at
        return f"its next try at {row.next_attempt_at:%H:%M:%S} UTC", row.first_failed_at
    if stage is not None:
        return "a run that makes it", None
    return ("trained weights", None) if row.status == "identity" else (None, None)
