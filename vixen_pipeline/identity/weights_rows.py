"""The rows of weights. Belongs here: statements on lora_weights, lora_checkpoints. Not: files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from vixen_pipeline.db.base import Json
from vixen_pipeline.db.models import LoraCheckpoint, LoraWeights
from vixen_pipeline.identity.attempts import clear_failure, record_failure, retry_command
from vixen_pipeline.identity.registry import AvatarRef
from vixen_pipeline.identity.training_settle import STAGE as TRAININGS
from vixen_pipeline.identity.training_settle import another_attempt

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

STAGE = "lora_weights"
EXAMS = "weights_exams"
"""The stage of the content system that examines what is kept here."""
_EMPTY: Json = dict.fromkeys(
    (
        "archive_key", "archive_sha256", "object_key", "sha256", "bytes", "embeddings_key",
        "embeddings_sha256", "family", "rank", "tensor_count", "trigger_word", "failure",
    )
)  # fmt: skip


def save_verified(
    services: Services,
    avatar: AvatarRef,
    training_id: int,
    values: Json,
    checkpoints: Sequence[Json] = (),
) -> None:
    """Weights that passed every check, with their checkpoints; failures of before are forgotten."""
    with services.database.begin() as session:
        weights_id = _upsert(session, services, avatar, training_id, values)
        for checkpoint in checkpoints:
            row: Json = {**checkpoint, "created_at": services.clock.now()}
            session.execute(
                insert(LoraCheckpoint).values(weights_id=weights_id, **row).on_conflict_do_nothing()
            )
        clear_failure(session, avatar.id, STAGE)
        clear_failure(session, avatar.id, TRAININGS)
        clear_failure(session, avatar.id, EXAMS)  # of other weights: these are examined anew


def save_refused(
    services: Services, avatar: AvatarRef, training_id: int, values: Json, failure: str
) -> None:
    """Weights that are unusable, with the reason; nothing downstream runs.

    The failure stands in both stages, because a person has two ways on: to fetch the same weights
    again (cheap), or to pay for another training.
    """
    with services.database.begin() as session:
        _upsert(session, services, avatar, training_id, {**values, "failure": failure})
        for stage in (STAGE, TRAININGS):
            record_failure(
                session,
                avatar.id,
                stage,
                f"the weights are refused: {failure}",
                refused_next_step(avatar.key),
                True,
                services.clock,
            )


def refused_next_step(avatar_key: str) -> str:
    return (
        f"{another_attempt(avatar_key)} `{retry_command(STAGE, avatar_key)}` "
        "fetches the same weights again."
    )


def _upsert(
    session: Session, services: Services, avatar: AvatarRef, training_id: int, values: Json
) -> int:
    row: Json = {**_EMPTY, **values, "created_at": services.clock.now()}
    return session.scalars(
        insert(LoraWeights)
        .values(avatar_id=avatar.id, training_id=training_id, **row)
        .on_conflict_do_update(index_elements=[LoraWeights.training_id], set_=row)
        .returning(LoraWeights.id)
    ).one()
