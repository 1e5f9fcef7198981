"""What can be done now. Belongs here: cheap questions over all avatars at once.

Does not: doing it (advance.py), telling people about one avatar (status.py). One statement over the
products says which stage is next for each avatar, and leaves out who waits: for a person, for the
time of the next try, for a training at the provider.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.orm import Session

from vixen_pipeline.clock import Clock
from vixen_pipeline.identity.landed_specs import pending_specs, unusable_specs
from vixen_pipeline.inbox import Inbox

if TYPE_CHECKING:
    from datetime import datetime

    from vixen_pipeline.db.session import Database

NEXT_STAGE = """
    CASE
      WHEN s.persona_id IS NULL THEN 'personas'
      WHEN s.portrait_id IS NULL THEN 'reference_portraits'
      WHEN s.dataset_id IS NULL THEN 'training_datasets'
      WHEN s.training_id IS NULL OR s.training_status IN ('failed', 'canceled', 'aborted')
        THEN 'lora_trainings'
      WHEN s.training_status <> 'succeeded' THEN NULL
      WHEN s.weights_id IS NULL THEN 'lora_weights'
      WHEN s.weights_failure IS NULL THEN NULL
      WHEN EXISTS (SELECT FROM vixen.stage_attempts r
                   WHERE r.avatar_id = s.avatar_id AND r.stage = 'lora_weights')
       AND NOT EXISTS (SELECT FROM vixen.stage_attempts r
                       WHERE r.avatar_id = s.avatar_id AND r.stage = 'lora_trainings')
        THEN 'lora_trainings'
      ELSE 'lora_weights'
    END
"""
"""SQL over report.identity_status as `s`: the stage whose product is missing; NULL when none is,
or when it is under way at a provider. Of refused weights, either the same are fetched again, or
another training is paid for: see vixen_pipeline.identity.trainings."""

_DOABLE = text(
    f"""
    SELECT n.stage, n.avatar, COALESCE(t.attempts, 0)
    FROM (SELECT s.avatar, s.avatar_id, {NEXT_STAGE} AS stage
          FROM report.identity_status s WHERE s.status <> 'archived') n
    LEFT JOIN vixen.stage_attempts t ON t.avatar_id = n.avatar_id AND t.stage = n.stage
    WHERE n.stage IS NOT NULL
      AND (t.avatar_id IS NULL OR (NOT t.permanent AND t.next_attempt_at <= :now))
      AND NOT EXISTS (SELECT FROM vixen.stage_attempts r
                      WHERE r.avatar_id = n.avatar_id AND r.stage = 'avatars' AND r.permanent)
    ORDER BY n.avatar_id
    """
)

_POLLS = text(
    """
    SELECT remote_id || ' due ' || LEAST(next_poll_at, deadline)
    FROM vixen.lora_trainings
    WHERE status IN ('submitted', 'processing') AND remote_id IS NOT NULL
      AND (next_poll_at <= :now OR deadline <= :now)
    ORDER BY next_poll_at
    """
)


@dataclass(frozen=True, slots=True)
class IdentityWork:
    """What a run would find to do now. `tries` counts the failures so far of a stage's avatar."""

    specs: tuple[str, ...]
    events: int
    events_digest: str
    polls: tuple[str, ...]
    stages: Mapping[str, tuple[str, ...]]
    tries: Mapping[tuple[str, str], int]

    def __bool__(self) -> bool:
        return bool(self.specs or self.events or self.polls or self.stages)

    def lines(self) -> list[str]:
        """One line for each thing to do; a line changes with each try."""
        lines = [f"spec {spec}" for spec in self.specs]
        if self.events:
            lines.append(f"replicate events {self.events} {self.events_digest}")
        lines += [f"training {poll}" for poll in self.polls]
        for stage, avatars in self.stages.items():
            lines += [f"{stage} {key} after {self.tries[stage, key]} failures" for key in avatars]
        return lines


def work_available(database: Database, clock: Clock) -> IdentityWork:
    """Everything that could be done now, for all avatars."""
    events = Inbox(database, clock).pending("replicate")
    now = clock.now()
    with database.begin() as session:
        stages, tries = _doable(session, now)
        return IdentityWork(
            specs=_specs(session),
            events=events.count,
            events_digest=events.attempts_digest,
            polls=tuple(session.scalars(_POLLS, {"now": now})),
            stages=stages,
            tries=tries,
        )


def _specs(session: Session) -> tuple[str, ...]:
    """Landed specs to register; nothing can be done about one that does not validate."""
    unusable = unusable_specs(session)
    return tuple(
        f"{row.avatar_key} version {row.version}"
        for row in pending_specs(session)
        if row.avatar_key not in unusable
    )


def _doable(
    session: Session, now: datetime
) -> tuple[dict[str, tuple[str, ...]], dict[tuple[str, str], int]]:
    stages: dict[str, list[str]] = {}
    tries: dict[tuple[str, str], int] = {}
    for stage, avatar, attempts in session.execute(_DOABLE, {"now": now}):
        stages.setdefault(stage, []).append(avatar)
        tries[stage, avatar] = int(attempts)
    return {stage: tuple(avatars) for stage, avatars in stages.items()}, tries


def avatars_for(database: Database, clock: Clock, stage: str) -> tuple[str, ...]:
    """The avatars whose next stage is `stage` and can be done now, oldest first."""
    with database.begin() as session:
        return _doable(session, clock.now())[0].get(stage, ())
