"""The rows of training datasets. Belongs here: digests and statements on training_datasets.

Does not: making images or archives. A dataset is complete for an avatar when one exists for its
*present* portrait: a changed setting (number of images, model) makes the next dataset different,
and never silently pays for a new one of an avatar that has one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from vixen_pipeline.db.base import Json
from vixen_pipeline.db.models import GeneratedImage, TrainingDataset
from vixen_pipeline.identity.digests import digest
from vixen_pipeline.identity.plan import PLAN_VERSION
from vixen_pipeline.identity.prompts import PROMPT_VERSION


def dataset_digest(portrait: GeneratedImage, *, images: int, model: str) -> str:
    """What a dataset is made from: the portrait (and so the appearance), the plan, the words."""
    return digest(
        {
            "appearance": portrait.input_digest,
            "portrait": portrait.sha256,
            "plan": PLAN_VERSION,
            "prompt": PROMPT_VERSION,
            "images": images,
            "model": model,
        }
    )


def newest_datasets(session: Session, portrait_ids: Iterable[int]) -> dict[int, TrainingDataset]:
    """The newest dataset of each portrait, by portrait id."""
    rows = session.scalars(
        select(TrainingDataset)
        .where(TrainingDataset.portrait_id.in_(list(portrait_ids)))
        .order_by(TrainingDataset.id)
    )
    return {row.portrait_id: row for row in rows}


def insert_dataset(session: Session, values: Json) -> None:
    """Once per avatar and digest; the same dataset again changes nothing."""
    session.execute(insert(TrainingDataset).values(values).on_conflict_do_nothing())


def dataset_images(session: Session, dataset: TrainingDataset) -> list[GeneratedImage]:
    """All images made for a dataset, accepted or not, by slot and attempt."""
    return list(
        session.scalars(
            select(GeneratedImage)
            .where(
                GeneratedImage.avatar_id == dataset.avatar_id,
                GeneratedImage.purpose == "dataset",
                GeneratedImage.input_digest == dataset.input_digest,
            )
            .order_by(GeneratedImage.slot, GeneratedImage.attempt)
        )
    )


def text_of(manifest: Mapping[str, object], name: str) -> str:
    return str(manifest.get(name) or "")
