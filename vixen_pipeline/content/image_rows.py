"""Plans, their shots and images as the images stage reads them. Belongs here: the queries.

Does not: choosing (image_choice.py), what to make next (image_shots.py). All queries are for many
avatars at once and look at open plans, or at the last completed one: never at the whole history.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import select, text
from sqlalchemy.orm import Session, defer

from vixen_pipeline.db.models import ContentPlan, ContentShot, RenderedImage

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

_LAST_COMPLETED = text(
    """
    SELECT DISTINCT ON (p.avatar_id) p.id FROM vixen.content_plans p
    WHERE p.avatar_id = ANY(:avatars) AND p.completed_at IS NOT NULL
    ORDER BY p.avatar_id, p.number DESC
    """
)
_BASELINES = text(
    """
    SELECT p.avatar_id, avg(i.identity_score) AS mean, max(p.number) AS number
    FROM unnest(CAST(:avatars AS bigint[]), CAST(:before AS bigint[])) AS q(avatar_id, before)
    CROSS JOIN LATERAL (
      SELECT c.id, c.avatar_id, c.number FROM vixen.content_plans c
      WHERE c.avatar_id = q.avatar_id AND c.number < q.before AND c.completed_at IS NOT NULL
      ORDER BY c.number DESC LIMIT 1
    ) p
    JOIN vixen.content_shots s ON s.plan_id = p.id
    JOIN vixen.rendered_images i ON i.shot_id = s.id AND i.selected AND i.identity_scorer = :scorer
    GROUP BY p.avatar_id
    """
)
_EXAM_MEANS = text(
    """
    SELECT DISTINCT ON (e.avatar_id) e.avatar_id, e.identity_mean FROM vixen.weights_exams e
    WHERE e.avatar_id = ANY(:avatars) AND e.chosen AND e.scorer = :scorer
      AND e.identity_mean IS NOT NULL
    ORDER BY e.avatar_id, e.id DESC
    """
)


@dataclass
class PlanImages:
    """What an avatar's described plans have: shots in order, and their images by shot."""

    plans: list[ContentPlan] = field(default_factory=list[ContentPlan])
    shots: list[ContentShot] = field(default_factory=list[ContentShot])
    images: dict[int, list[RenderedImage]] = field(default_factory=dict[int, list[RenderedImage]])

    @property
    def rows(self) -> list[RenderedImage]:
        """All images, in the order of shots and attempts."""
        return [row for shot in self.shots for row in self.images.get(shot.id, ())]


@dataclass(frozen=True, slots=True)
class Baseline:
    """The identity that a plan is compared with: its mean, and what it is the mean of."""

    mean: float
    of: str


def open_plans(session: Session, avatar_ids: Iterable[int]) -> list[ContentPlan]:
    """Plans that are asked for and not completed, planned or not."""
    return list(
        session.scalars(
            select(ContentPlan)
            .where(ContentPlan.avatar_id.in_(list(avatar_ids)), ContentPlan.completed_at.is_(None))
            .order_by(ContentPlan.avatar_id, ContentPlan.number)
        )
    )


def last_completed(session: Session, avatar_ids: Iterable[int]) -> list[ContentPlan]:
    """The newest completed plan of each avatar."""
    ids = session.execute(_LAST_COMPLETED, {"avatars": list(avatar_ids)}).scalars().all()
    return list(session.scalars(select(ContentPlan).where(ContentPlan.id.in_(ids))))


def load_images(services: Services, plans: Sequence[ContentPlan]) -> dict[int, PlanImages]:
    """Shots and images of these plans, by avatar id."""
    found: dict[int, PlanImages] = {}
    for plan in plans:
        found.setdefault(plan.avatar_id, PlanImages()).plans.append(plan)
    ids = [plan.id for plan in plans]
    with services.database.begin() as session:
        shots = session.scalars(
            select(ContentShot)
            .options(defer(ContentShot.embedding))
            .where(ContentShot.plan_id.in_(ids))
            .order_by(ContentShot.plan_id, ContentShot.position)
        )
        for shot in shots:
            found[shot.avatar_id].shots.append(shot)
        rows = session.scalars(
            select(RenderedImage)
            .join(ContentShot, ContentShot.id == RenderedImage.shot_id)
            .where(ContentShot.plan_id.in_(ids))
            .order_by(RenderedImage.shot_id, RenderedImage.attempt)
        )
        for row in rows:
            found[row.avatar_id].images.setdefault(row.shot_id or 0, []).append(row)
    return found


def baselines(session: Session, first_numbers: dict[int, int], scorer: str) -> dict[int, Baseline]:
    """What each avatar's plans are compared with, by avatar id: the mean identity of the last plan
    completed before number `first_numbers[avatar_id]`, else that of the weights' exam. Left out
    where neither was measured by `scorer`."""
    ids = list(first_numbers)
    exams = session.execute(_EXAM_MEANS, {"avatars": ids, "scorer": scorer})
    found = {row.avatar_id: Baseline(float(row.identity_mean), "the exam") for row in exams}
    values = {"avatars": ids, "before": list(first_numbers.values()), "scorer": scorer}
    for row in session.execute(_BASELINES, values):
        if row.mean is not None:
            found[row.avatar_id] = Baseline(float(row.mean), f"plan {row.number}")
    return found
