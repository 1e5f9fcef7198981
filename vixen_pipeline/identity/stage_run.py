"""What all media stages share: who takes part, one result per avatar, failures kept.

Belongs here: the frame around a stage's body. Does not: any stage. One avatar is in one stage of
one process at a time (advisory lock); one avatar's failure never touches another's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import func, select

from vixen_pipeline.db.models import CostEntry, Persona
from vixen_pipeline.errors import (
    BudgetExceeded,
    Permanent,
    PolicyRefused,
    StageFailed,
    Unavailable,
    UserError,
    VixenError,
)
from vixen_pipeline.identity.attempts import (
    clear_failure,
    failures,
    record_failure,
    retry_command,
)
from vixen_pipeline.identity.registry import AvatarRef, avatar_refs, not_found
from vixen_pipeline.stages import Check, Meta, Outcome, StageResult

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

LOCK = "identity"


@dataclass
class StageRun:
    """One run of one stage. `avatars` are those that take part; `results` fills up by key."""

    services: Services
    stage: str
    avatars: list[AvatarRef]
    results: dict[str, StageResult] = field(default_factory=dict[str, StageResult])

    def still_open(self, avatars: Iterable[AvatarRef]) -> list[AvatarRef]:
        """Those of `avatars` without a result yet."""
        return [avatar for avatar in avatars if avatar.key not in self.results]

    def complete(
        self,
        avatar: AvatarRef,
        outcome: Outcome,
        metadata: dict[str, Meta],
        checks: Sequence[Check] = (),
    ) -> None:
        """The product is there; failures of before are forgotten."""
        with self.services.database.begin() as session:
            clear_failure(session, avatar.id, self.stage)
        self.results[avatar.key] = StageResult(avatar.key, outcome, metadata, tuple(checks))

    def fail(
        self,
        avatar: AvatarRef,
        error: VixenError,
        *,
        checks: Sequence[Check] = (),
        metadata: dict[str, Meta] | None = None,
    ) -> None:
        """Keep the failure, with when it may be tried again (never by itself when permanent)."""
        permanent = is_permanent(error)
        next_step = error.next_step or (self.by_hand(avatar) if permanent else None)
        with self.services.database.begin() as session:
            record_failure(
                session,
                avatar.id,
                self.stage,
                error.message,
                next_step,
                permanent,
                self.services.clock,
                error.retry_at if isinstance(error, BudgetExceeded) else None,
            )
        log.warning(
            "stage.failed",
            stage=self.stage,
            avatar=avatar.key,
            error=error.message,
            permanent=permanent,
        )
        self.results[avatar.key] = StageResult(
            avatar.key,
            "failed",
            metadata or {},
            tuple(checks),
            error=error.message,
            next_step=next_step,
            permanent=permanent,
        )

    def fail_all(self, avatars: Sequence[AvatarRef], error: VixenError) -> None:
        for avatar in avatars:
            self.fail(avatar, error)

    def wait(
        self,
        avatar: AvatarRef,
        waits_for: str,
        since: datetime | None,
        metadata: dict[str, Meta] | None = None,
    ) -> None:
        self.results[avatar.key] = StageResult(
            avatar.key, "waiting", metadata or {}, waits_for=waits_for, since=since
        )

    def block(self, avatar: AvatarRef, waits_for: str) -> None:
        """An earlier stage is missing."""
        self.results[avatar.key] = StageResult(avatar.key, "blocked", waits_for=waits_for)

    def refuse_failed(self, avatars: Sequence[AvatarRef]) -> list[AvatarRef]:
        """Those of `avatars` that may be tried: a permanent failure stands until a person acts."""
        with self.services.database.begin() as session:
            stored = failures(session, [avatar.id for avatar in avatars], self.stage)
        for avatar in avatars:
            row = stored.get(avatar.id)
            if row is not None and row.permanent:
                self.results[avatar.key] = StageResult(
                    avatar.key,
                    "failed",
                    error=row.error,
                    next_step=row.next_step,
                    permanent=True,
                    since=row.first_failed_at,
                )
        return self.still_open(avatars)

    def require_persona(self, avatars: Sequence[AvatarRef]) -> None:
        """Block those without a current persona."""
        digests = {avatar.id: avatar.persona_digest for avatar in avatars}
        with self.services.database.begin() as session:
            rows = session.execute(
                select(Persona.avatar_id, Persona.input_digest).where(
                    Persona.avatar_id.in_(digests)
                )
            ).all()
        current = {row[0] for row in rows if digests[row[0]] == row[1]}
        for avatar in avatars:
            if avatar.id not in current:
                self.block(avatar, "personas")

    def stage_cost(self, avatar: AvatarRef) -> Decimal:
        """What this stage has cost for the avatar so far, USD."""
        with self.services.database.begin() as session:
            return session.scalars(
                select(func.coalesce(func.sum(CostEntry.usd), Decimal(0))).where(
                    CostEntry.avatar_id == avatar.id, CostEntry.batch == self.stage
                )
            ).one()

    def by_hand(self, avatar: AvatarRef) -> str:
        return f"`{retry_command(self.stage, avatar.key)}` tries it again."


def is_permanent(error: VixenError) -> bool:
    """Whether only a person can change the outcome."""
    if isinstance(error, StageFailed):
        return error.permanent
    if isinstance(error, BudgetExceeded):
        return error.retry_at is None
    return isinstance(error, (Permanent, PolicyRefused, UserError))


def run_stage(
    services: Services,
    stage: str,
    keys: Sequence[str],
    body: Callable[[StageRun], None],
    *,
    lock: str = LOCK,
) -> list[StageResult]:
    """Run `body` for the avatars of `keys` that nobody else works on; one result per key.

    Raises what `body` raises (Unavailable and the like); failures of single avatars are results.
    What Unavailable says is kept for every avatar that it hit, so that people find it there.
    """
    run = StageRun(services, stage, [])
    locked: list[int] = []
    try:
        refs = avatar_refs(services, keys)
        for key in dict.fromkeys(keys):
            _admit(run, key, refs.get(key), locked, lock)
        _read_again(run)
        if run.avatars:
            body(run)
    except Unavailable as error:
        with suppress(Unavailable):  # when it is the database, there is nowhere to keep it
            run.fail_all(run.still_open(run.avatars), error)
        raise
    finally:
        for avatar_id in locked:
            services.locks.release(lock, avatar_id)
    return [run.results[key] for key in keys]


def _admit(run: StageRun, key: str, avatar: AvatarRef | None, locked: list[int], lock: str) -> None:
    """Let it take part, or say why not; the ids whose lock is then held are added to `locked`."""
    if avatar is None:
        error = not_found(run.services, key)
        run.results[key] = StageResult(
            key, "failed", error=error.message, next_step=error.next_step, permanent=True
        )
    elif avatar.status != "active":
        run.block(avatar, "being brought back: it is archived")
    elif run.services.locks.try_acquire(lock, avatar.id):
        locked.append(avatar.id)
        run.avatars.append(avatar)
    else:
        run.wait(avatar, "another run that works on it", run.services.clock.now())


def _read_again(run: StageRun) -> None:
    """Before its lock was held, another run may have taken in a newer spec and worked from it."""
    if not run.avatars:
        return
    refs = avatar_refs(run.services, [avatar.key for avatar in run.avatars])
    admitted, run.avatars = run.avatars, []
    for avatar in admitted:
        now = refs[avatar.key]  # avatars are never deleted
        if now.status == "active":
            run.avatars.append(now)
        else:
            run.block(now, "being brought back: it is archived")
