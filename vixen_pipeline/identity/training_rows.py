"""The rows of trainings. Belongs here: statements on vixen.lora_trainings. Not: providers.

A training is *spent* when nothing usable comes of it any more: it failed, was canceled or aborted,
its weights were refused, or they failed their exam. Only a person makes another attempt: by
forgetting the failure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from vixen_pipeline.db.base import Json
from vixen_pipeline.db.models import (
    Avatar,
    GeneratedImage,
    LoraTraining,
    LoraWeights,
    TrainingDataset,
    WeightsExam,
)
from vixen_pipeline.identity.dataset_rows import newest_datasets
from vixen_pipeline.identity.portraits import select_portraits
from vixen_pipeline.identity.registry import AvatarRef

OPEN = ("submitted", "processing")
FAILED = ("failed", "canceled", "aborted")

_DUE = text(
    """
    UPDATE vixen.lora_trainings SET next_poll_at = :next
    WHERE id IN (SELECT id FROM vixen.lora_trainings
                 WHERE status IN ('submitted', 'processing') AND remote_id IS NOT NULL
                   AND (next_poll_at <= :now OR deadline <= :now)
                 ORDER BY next_poll_at LIMIT :limit FOR UPDATE SKIP LOCKED)
    RETURNING id
    """
)


def current_datasets(session: Session, avatars: Sequence[AvatarRef]) -> dict[int, TrainingDataset]:
    """The dataset of each avatar's present portrait, by avatar id."""
    portraits = select_portraits(session, avatars)
    found = newest_datasets(session, [portrait.id for portrait in portraits.values()])
    return {dataset.avatar_id: dataset for dataset in found.values()}


def newest_trainings(session: Session, dataset_ids: Iterable[int]) -> dict[int, LoraTraining]:
    """The newest training of each dataset, by dataset id."""
    rows = session.scalars(
        select(LoraTraining)
        .where(LoraTraining.dataset_id.in_(list(dataset_ids)))
        .order_by(LoraTraining.id)
    )
    return {row.dataset_id: row for row in rows}


def weights_of(session: Session, training_ids: Iterable[int]) -> dict[int, LoraWeights]:
    """The weights row of each training, by training id."""
    rows = session.scalars(
        select(LoraWeights).where(LoraWeights.training_id.in_(list(training_ids)))
    )
    return {row.training_id: row for row in rows}


def failed_exam(session: Session, weights_id: int) -> bool:
    """Whether these weights were examined, every candidate to the end, and none was chosen."""
    rows = session.execute(
        select(WeightsExam.chosen, WeightsExam.completed_at).where(
            WeightsExam.weights_id == weights_id
        )
    ).all()
    return bool(rows) and not any(row.chosen or row.completed_at is None for row in rows)


def last_attempt(session: Session, dataset_id: int, settings_digest: str) -> int:
    """The highest attempt so far for this dataset and these settings; 0 when there is none."""
    return session.scalars(
        select(func.coalesce(func.max(LoraTraining.attempt), 0)).where(
            LoraTraining.dataset_id == dataset_id,
            LoraTraining.settings_digest == settings_digest,
        )
    ).one()


def insert_training(session: Session, values: Json) -> None:
    """Once per effect; the same training again changes nothing."""
    session.execute(insert(LoraTraining).values(values).on_conflict_do_nothing())


def lock_training(session: Session, remote_id: str) -> LoraTraining | None:
    """The training with this id at the provider, locked until the transaction ends."""
    return session.scalars(
        select(LoraTraining)
        .where(LoraTraining.remote_id == remote_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).first()


def claim_due(session: Session, now: datetime, every: timedelta, limit: int) -> list[LoraTraining]:
    """Open trainings whose poll is due or that are past their deadline; the next poll is set."""
    ids = session.scalars(_DUE, {"now": now, "next": now + every, "limit": limit}).all()
    return list(session.scalars(select(LoraTraining).where(LoraTraining.id.in_(ids))))


def poll_now(session: Session, training_id: int, now: datetime) -> None:
    session.execute(
        update(LoraTraining).where(LoraTraining.id == training_id).values(next_poll_at=now)
    )


def is_current(session: Session, training: LoraTraining) -> bool:
    """Whether the training is of its avatar's present looks."""
    avatar = session.get_one(Avatar, training.avatar_id)
    dataset = session.get_one(TrainingDataset, training.dataset_id)
    portrait = session.get_one(GeneratedImage, dataset.portrait_id)
    return portrait.selected and portrait.input_digest == avatar.appearance_digest
