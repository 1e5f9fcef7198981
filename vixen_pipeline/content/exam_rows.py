"""The rows of exams. Belongs here: statements on vixen.weights_exams, and who is to be examined.

Does not: rendering (exam_render.py), the rule (exam_rule.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from vixen_pipeline.content.exam_prompts import EXAM_VERSION
from vixen_pipeline.content.exam_rule import Candidate
from vixen_pipeline.db.base import Json
from vixen_pipeline.db.models import (
    GeneratedImage,
    LoraCheckpoint,
    LoraTraining,
    LoraWeights,
    RenderedImage,
    TrainingDataset,
    WeightsExam,
)
from vixen_pipeline.identity.digests import digest
from vixen_pipeline.identity.registry import AvatarRef
from vixen_pipeline.identity.training_rows import current_datasets

if TYPE_CHECKING:
    from vixen_pipeline.services import Services


@dataclass(frozen=True, slots=True)
class Subject:
    """One avatar's weights that an exam is about, and what it compares with.

    `training` are the hashes of the images that the weights were trained on.
    """

    avatar: AvatarRef
    weights: LoraWeights
    checkpoints: tuple[LoraCheckpoint, ...]
    portrait: GeneratedImage
    training: tuple[int, ...]

    def exam_digest(self, scorer: str, images: int) -> str:
        """What the exam is made from: its words, how many, who judges, the reference."""
        return digest(
            {
                "version": EXAM_VERSION,
                "images": images,
                "scorer": scorer,
                "portrait": self.portrait.sha256,
            }
        )


def subjects(session: Session, avatars: Sequence[AvatarRef]) -> dict[int, Subject]:
    """The newest verified weights of each avatar's present looks, by avatar id."""
    datasets = current_datasets(session, avatars)
    by_id = {dataset.id: dataset for dataset in datasets.values()}
    rows = session.execute(
        select(LoraWeights, LoraTraining.dataset_id)
        .join(LoraTraining, LoraTraining.id == LoraWeights.training_id)
        .where(
            LoraTraining.dataset_id.in_(by_id),
            LoraWeights.failure.is_(None),
            LoraWeights.object_key.is_not(None),
        )
        .order_by(LoraWeights.id)
    ).all()
    newest = {weights.avatar_id: (weights, by_id[dataset_id]) for weights, dataset_id in rows}
    checkpoints = _checkpoints(session, [weights.id for weights, _ in newest.values()])
    portraits = _portraits(session, [dataset.portrait_id for _, dataset in newest.values()])
    training = _training_hashes(session, [dataset for _, dataset in newest.values()])
    return {
        avatar.id: Subject(
            avatar,
            newest[avatar.id][0],
            tuple(checkpoints.get(newest[avatar.id][0].id, ())),
            portraits[newest[avatar.id][1].portrait_id],
            tuple(training.get(avatar.id, ())),
        )
        for avatar in avatars
        if avatar.id in newest
    }


def _checkpoints(session: Session, weights_ids: Iterable[int]) -> dict[int, list[LoraCheckpoint]]:
    found: dict[int, list[LoraCheckpoint]] = {}
    rows = session.scalars(
        select(LoraCheckpoint)
        .where(LoraCheckpoint.weights_id.in_(list(weights_ids)))
        .order_by(LoraCheckpoint.step)
    )
    for row in rows:
        found.setdefault(row.weights_id, []).append(row)
    return found


def _portraits(session: Session, ids: Iterable[int]) -> dict[int, GeneratedImage]:
    rows = session.scalars(select(GeneratedImage).where(GeneratedImage.id.in_(list(ids))))
    return {row.id: row for row in rows}


def _training_hashes(session: Session, datasets: Sequence[TrainingDataset]) -> dict[int, list[int]]:
    """The hashes of the chosen images of these datasets, by avatar id, in one query."""
    wanted = {(dataset.avatar_id, dataset.input_digest) for dataset in datasets}
    rows = session.execute(
        select(GeneratedImage.avatar_id, GeneratedImage.input_digest, GeneratedImage.phash).where(
            GeneratedImage.avatar_id.in_({avatar_id for avatar_id, _ in wanted}),
            GeneratedImage.purpose == "dataset",
            GeneratedImage.input_digest.in_({input_digest for _, input_digest in wanted}),
            GeneratedImage.selected,
            GeneratedImage.phash.is_not(None),
        )
    ).all()
    found: dict[int, list[int]] = {}
    for avatar_id, input_digest, phash in rows:
        if (avatar_id, input_digest) in wanted and phash is not None:
            found.setdefault(avatar_id, []).append(phash)
    return found


def chosen_exams(session: Session, weights_ids: Iterable[int]) -> dict[int, WeightsExam]:
    """The chosen exam of each weights row, by weights id."""
    rows = session.scalars(
        select(WeightsExam).where(
            WeightsExam.weights_id.in_(list(weights_ids)),
            WeightsExam.chosen,
            WeightsExam.completed_at.is_not(None),
        )
    )
    return {row.weights_id: row for row in rows}


def open_exams(services: Services, subject: Subject, scorer: str, images: int) -> list[Candidate]:
    """The exams of the final weights and of every checkpoint, made where they are missing."""
    weights, exam_digest = subject.weights, subject.exam_digest(scorer, images)
    values: Json = {
        "avatar_id": subject.avatar.id,
        "weights_id": weights.id,
        "exam_digest": exam_digest,
        "portrait_id": subject.portrait.id,
        "scorer": scorer,
        "created_at": services.clock.now(),
    }
    # Equal bytes are examined once.
    files: dict[str, tuple[int | None, str]] = {
        each.sha256: (each.id, each.object_key) for each in subject.checkpoints
    }
    files[weights.sha256 or ""] = (None, weights.object_key or "")
    with services.database.begin() as session:
        for sha256, (checkpoint_id, object_key) in files.items():
            row: Json = {"checkpoint_id": checkpoint_id, "sha256": sha256, "object_key": object_key}
            session.execute(insert(WeightsExam).values({**values, **row}).on_conflict_do_nothing())
        return candidates_in(session, subject, exam_digest)


def candidates_of(services: Services, subject: Subject, exam_digest: str) -> list[Candidate]:
    """The candidates of one exam, checkpoints by step, the final weights last."""
    with services.database.begin() as session:
        return candidates_in(session, subject, exam_digest)


def candidates_in(session: Session, subject: Subject, exam_digest: str) -> list[Candidate]:
    """The same, in the caller's transaction."""
    steps: dict[int | None, int | None] = {each.id: each.step for each in subject.checkpoints}
    rows = session.scalars(
        select(WeightsExam)
        .where(WeightsExam.weights_id == subject.weights.id, WeightsExam.exam_digest == exam_digest)
        .execution_options(populate_existing=True)
    ).all()
    found = [Candidate(row, steps.get(row.checkpoint_id)) for row in rows]
    return sorted(found, key=lambda each: (each.step is None, each.step or 0))


def exam_images(services: Services, exam_ids: Iterable[int]) -> list[RenderedImage]:
    """All images of these exams, by exam and attempt."""
    with services.database.begin() as session:
        return list(
            session.scalars(
                select(RenderedImage)
                .where(RenderedImage.exam_id.in_(list(exam_ids)))
                .order_by(RenderedImage.exam_id, RenderedImage.attempt)
            )
        )


def save_figures(session: Session, exam_id: int, values: Json) -> None:
    session.execute(update(WeightsExam).where(WeightsExam.id == exam_id).values(**values))


def mark_chosen(session: Session, weights_id: int, exam_id: int | None) -> None:
    """Make this the one candidate of the weights that is used (None: none of them)."""
    of_weights = WeightsExam.weights_id == weights_id
    session.execute(update(WeightsExam).where(of_weights, WeightsExam.chosen).values(chosen=False))
    if exam_id is not None:
        session.execute(update(WeightsExam).where(WeightsExam.id == exam_id).values(chosen=True))
