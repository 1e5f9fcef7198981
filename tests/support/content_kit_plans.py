"""Plumbing of the tests of content plans. Belongs here: set-up, reading rows. Not: assertions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from content_kit_ring import give_exam, give_weights
from sqlalchemy import select, update
from vixen_identity import add_avatars

from vixen_pipeline.content.plans import run_content_plans
from vixen_pipeline.db.models import ContentPlan, ContentShot, WeightsExam
from vixen_pipeline.identity.registry import AvatarRef
from vixen_pipeline.providers.fakes import FakeEmbedder, FakeModerator
from vixen_pipeline.providers.ports import ModerationResult
from vixen_pipeline.services import Services
from vixen_pipeline.stages import StageResult, no_progress

KEY = "fitness:luna"
PASSED: dict[str, Any] = {
    "images": 8,
    "identity_mean": 0.99,
    "identity_p10": 0.99,
    "diversity": 25.0,
    "nearest_training": 20,
    "scores": {"asked": 8, "nearest": [20] * 8, "flagged": []},
}
SMALL = {"content_pieces": 12, "content_carousels": 5, "content_slideshows": 5}


def ready_avatars(services: Services, *handles: str, **changes: Any) -> list[AvatarRef]:
    """Registered avatars `fitness:<handle>` with a persona and examined weights."""
    avatars = add_avatars(services, *handles, **changes)
    for avatar in avatars:
        give_weights(services, avatar)
        with services.database.begin() as session:
            give_exam(services, session, avatar)
            session.execute(
                update(WeightsExam).where(WeightsExam.avatar_id == avatar.id).values(**PASSED)
            )
    return avatars


class ScoringModerator(FakeModerator):
    """The fake with every score that the real client insists on."""

    def moderate_texts(self, texts: Sequence[str]) -> list[ModerationResult]:
        return [
            replace(each, scores={"sexual/minors": 0.0, **each.scores})
            for each in super().moderate_texts(texts)
        ]


def with_fakes(settings: Any, database: Any, **changes: Any) -> Services:
    """The real core with fakes of moderation and embeddings; `changes` are settings or fakes."""
    parts = {"moderator": ScoringModerator(), "embedder": FakeEmbedder()}
    parts |= {name: changes.pop(name) for name in list(changes) if name in parts}
    return Services(settings.model_copy(update={**SMALL, **changes}), database=database, **parts)


def run_plans(services: Services, *keys: str) -> list[StageResult]:
    return run_content_plans(services, keys or (KEY,), no_progress)


def shots_of(services: Services, avatar: AvatarRef) -> list[ContentShot]:
    """Every shot the avatar ever had, in order."""
    with services.database.begin() as session:
        rows = session.scalars(
            select(ContentShot)
            .where(ContentShot.avatar_id == avatar.id)
            .order_by(ContentShot.plan_id, ContentShot.position)
        )
        return list(rows)


def plans_of(services: Services, avatar: AvatarRef) -> list[ContentPlan]:
    with services.database.begin() as session:
        rows = session.scalars(
            select(ContentPlan)
            .where(ContentPlan.avatar_id == avatar.id)
            .order_by(ContentPlan.number)
        )
        return list(rows)


def failed_checks(result: StageResult) -> Sequence[str]:
    return [f"{each.name}: {each.description}" for each in result.checks if not each.passed]
