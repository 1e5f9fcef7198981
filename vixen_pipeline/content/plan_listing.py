"""The plans of an avatar, for people. Belongs here: one line per plan. Not: asking, planning."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from vixen_pipeline.db.base import Json
from vixen_pipeline.db.models import ContentPlan, ContentShot
from vixen_pipeline.identity.registry import avatar_ref

if TYPE_CHECKING:
    from vixen_pipeline.services import Services


@dataclass(frozen=True, slots=True)
class PlanLine:
    """One plan; `state` is asked, planned or completed, `shots` how many there are so far."""

    avatar: str
    number: int
    state: str
    count: int
    mix: Json
    platforms: list[str]
    formats: Json
    notes: str | None
    shots: int
    requested_by: str
    created_at: datetime

    def document(self) -> Json:
        return asdict(self)


def plan_lines(services: Services, key: str) -> list[PlanLine]:
    """Every plan of `key`, oldest first. Raises NotFound."""
    avatar = avatar_ref(services, key)
    shots = (
        select(func.count(ContentShot.id))
        .where(ContentShot.plan_id == ContentPlan.id)
        .scalar_subquery()
    )
    with services.database.begin() as session:
        rows = session.execute(
            select(ContentPlan, shots)
            .where(ContentPlan.avatar_id == avatar.id)
            .order_by(ContentPlan.number)
        ).all()
    return [_line(key, row[0], row[1]) for row in rows]


def _line(key: str, plan: ContentPlan, shots: int) -> PlanLine:
    state = "completed" if plan.completed_at else "planned" if plan.planned_at else "asked"
    return PlanLine(
        avatar=key,
        number=plan.number,
        state=state,
        count=plan.count,
        mix=plan.mix,
        platforms=plan.platforms,
        formats=plan.formats,
        notes=plan.notes,
        shots=shots,
        requested_by=plan.requested_by,
        created_at=plan.created_at,
    )
