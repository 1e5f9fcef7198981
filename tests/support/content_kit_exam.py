"""Avatars whose weights await their exam. Belongs here: making them exist by the stages themselves.

Does not: fixtures, assertions.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, text
from vixen_identity import add_avatars, give_dataset
from vixen_testkit import wait_until

from vixen_pipeline.content.exams import run_weights_exams
from vixen_pipeline.db.models import RenderedImage, WeightsExam
from vixen_pipeline.identity.registry import AvatarRef
from vixen_pipeline.identity.trainings import poll_due, run_lora_trainings
from vixen_pipeline.identity.weights import run_lora_weights
from vixen_pipeline.services import Services
from vixen_pipeline.stages import StageResult, no_progress

SMALL: dict[str, Any] = {
    "dataset_images": 3,
    "exam_images": 4,
    "modal_batch": 4,
    "modal_concurrency": 2,
    "reconcile_grace_s": 0.0,
    "content_tries_per_shot": 2,
}


def trained_avatars(services: Services, sandbox: Any, *handles: str) -> list[AvatarRef]:
    """Avatars with a dataset and verified weights, trained in the sandbox."""
    sandbox.control.training(seconds=0)
    avatars = add_avatars(services, *handles)
    for avatar in avatars:
        give_dataset(services, avatar, services.settings.dataset_images)
    train(services, avatars)
    return avatars


def train(services: Services, avatars: list[AvatarRef]) -> None:
    """A training of each, submitted, ended and fetched."""
    keys = [avatar.key for avatar in avatars]
    for result in run_lora_trainings(services, keys, no_progress):
        assert result.outcome == "made", result
    fetch(services, keys)


def fetch(services: Services, keys: list[str]) -> None:
    def ended() -> bool:
        with services.database.begin() as session:
            session.execute(text("UPDATE vixen.lora_trainings SET next_poll_at = now()"))
        poll_due(services)
        with services.database.begin() as session:
            query = "SELECT count(*) FROM vixen.lora_trainings WHERE status <> 'succeeded'"
            return session.scalar(text(query)) == 0

    wait_until(ended, seconds=60, every=0.1)
    for result in run_lora_weights(services, keys, no_progress):
        assert result.outcome == "made", result


def examine(services: Services, *keys: str) -> list[StageResult]:
    return run_weights_exams(services, keys, no_progress)


def exams(services: Services) -> list[WeightsExam]:
    with services.database.begin() as session:
        return list(session.scalars(select(WeightsExam).order_by(WeightsExam.id)))


def images(services: Services) -> list[RenderedImage]:
    with services.database.begin() as session:
        return list(session.scalars(select(RenderedImage).order_by(RenderedImage.id)))


def checks(result: StageResult) -> dict[str, bool | None]:
    return {check.name: check.passed for check in result.checks}
