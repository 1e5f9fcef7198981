"""Where an avatar stands, derived from what exists. Belongs here: questions people ask.

Does not: typed-in status: there is none. What can be done now is work.py's question.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, text

from vixen_pipeline.identity.registry import not_found
from vixen_pipeline.identity.work import NEXT_STAGE

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

_STATUS = text(
    f"""
    SELECT s.avatar, s.status, s.since, {NEXT_STAGE} AS next_stage, s.training_status,
           tr.remote_id AS training_id, tr.created_at AS submitted_at, a.created_at,
           f.stage AS failed_stage, f.error, f.next_step, f.permanent, f.next_attempt_at,
           f.first_failed_at,
           COALESCE(i.made, 0) AS made, COALESCE(i.accepted, 0) AS accepted,
           COALESCE((SELECT sum(c.usd) FROM vixen.cost_entries c
                     WHERE c.avatar_id = s.avatar_id), 0) AS usd
    FROM report.identity_status s
    JOIN vixen.avatars a ON a.id = s.avatar_id
    LEFT JOIN vixen.lora_trainings tr ON tr.id = s.training_id
    LEFT JOIN LATERAL (
      SELECT * FROM vixen.stage_attempts t
      WHERE t.avatar_id = s.avatar_id AND t.stage IN ('avatars', {NEXT_STAGE})
      ORDER BY t.stage = 'avatars' DESC LIMIT 1) f ON true
    LEFT JOIN LATERAL (
      SELECT count(*) AS made, count(*) FILTER (WHERE g.selected) AS accepted
      FROM vixen.generated_images g
      WHERE g.avatar_id = s.avatar_id AND g.purpose = 'dataset'
        AND g.input_digest = (
          SELECT n.input_digest FROM vixen.generated_images n
          WHERE n.avatar_id = s.avatar_id AND n.purpose = 'dataset' ORDER BY n.id DESC LIMIT 1)
    ) i ON true
    WHERE CAST(:keys AS text[]) IS NULL OR s.avatar = ANY(CAST(:keys AS text[]))
    ORDER BY s.avatar_id
    """
)

_COMPLETED = text(
    """
    SELECT s.avatar, s.persona_id IS NOT NULL, s.portrait_id IS NOT NULL,
           s.dataset_id IS NOT NULL,
           COALESCE(s.training_status IN ('submitted', 'processing', 'succeeded'), false),
           s.weights_id IS NOT NULL AND s.weights_failure IS NULL,
           NOT EXISTS (SELECT FROM vixen.stage_attempts r
                       WHERE r.avatar_id = s.avatar_id AND r.stage = 'avatars')
    FROM report.identity_status s WHERE s.status <> 'archived' ORDER BY s.avatar_id
    """
)
_COMPLETED_STAGES = (
    "personas", "reference_portraits", "training_datasets", "lora_trainings", "lora_weights",
    "avatars",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class AvatarStatus:
    """One avatar. `status` is what exists (described … ready, archived), `stage` what is next.

    `waits_for` and `since` say what the next stage waits for; both are None when it is ready.
    Images are those of the newest dataset begun; `usd` is everything booked for the avatar.
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
    training_id: str | None
    training_status: str | None
    images_made: int
    images_accepted: int
    images_rejected: int
    usd: Decimal
    created_at: datetime


def avatar_status(services: Services, key: str) -> AvatarStatus:
    """The status of one avatar. Raises NotFound."""
    found = avatar_statuses(services, [key])
    if not found:
        raise not_found(services, key)
    return found[0]


def avatar_statuses(services: Services, keys: Sequence[str] | None = None) -> list[AvatarStatus]:
    """The status of these avatars (None: of all), oldest first; unknown keys are left out."""
    parameters = {"keys": list(keys) if keys is not None else None}
    with services.database.begin() as session:
        return [_status(row) for row in session.execute(_STATUS, parameters)]


def completed_stages(services: Services) -> Mapping[str, Sequence[str]]:
    """Per stage, the avatars that have its product."""
    done: dict[str, list[str]] = {stage: [] for stage in _COMPLETED_STAGES}
    with services.database.begin() as session:
        for avatar, *flags in session.execute(_COMPLETED):
            for stage, complete in zip(_COMPLETED_STAGES, flags, strict=True):
                if complete:
                    done[stage].append(avatar)
    return done


def _status(row: Row[Any]) -> AvatarStatus:
    waits_for, since = _waiting(row)
    return AvatarStatus(
        avatar=row.avatar,
        status=row.status,
        stage=_stage(row),
        waits_for=waits_for,
        since=since,
        error=row.error,
        next_step=row.next_step,
        permanent=bool(row.permanent),
        next_attempt_at=row.next_attempt_at,
        training_id=row.training_id,
        training_status=row.training_status,
        images_made=row.made,
        images_accepted=row.accepted,
        images_rejected=row.made - row.accepted,
        usd=row.usd,
        created_at=row.created_at,
    )


def _stage(row: Row[Any]) -> str | None:
    if row.status in ("ready", "archived"):
        return None
    return row.failed_stage or row.next_stage or "lora_weights"


def _waiting(row: Row[Any]) -> tuple[str | None, datetime | None]:
    if row.status in ("ready", "archived"):
        return None, None
    if row.failed_stage is not None:
        if row.permanent:
            return "a person to act", row.first_failed_at
        return f"its next try at {row.next_attempt_at:%H:%M:%S} UTC", row.first_failed_at
    if row.next_stage is None:
        return f"training {row.training_id} at Replicate ({row.training_status})", row.submitted_at
    return "a run that makes it", row.since
