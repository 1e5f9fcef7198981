"""Which weights content is made with. Belongs here: the one query that every other stage asks.

Does not: examining (exams.py) and its rule (exam_rule.py). Weights that were never examined, or
that failed, are never returned, nor those that today's thresholds would not pass. While newer
weights are examined (a retraining of the same looks), the ones that passed before stay in use; a
change of looks ends their use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from vixen_pipeline.content.exam_rule import ExamThresholds, unfit_reasons
from vixen_pipeline.db.models import LoraTraining, LoraWeights, WeightsExam
from vixen_pipeline.identity.registry import AvatarRef, avatar_refs
from vixen_pipeline.identity.training_rows import current_datasets

if TYPE_CHECKING:
    from vixen_pipeline.services import Services


@dataclass(frozen=True, slots=True)
class ChosenWeights:
    """The examined weights of an avatar: object keys to presign, hex SHA-256 to check.

    `weights_id` is the row of lora_weights, `exam_id` the exam that chose this candidate (final
    weights or a checkpoint). Embeddings (the trained tokens of the trigger word) may be missing.
    """

    weights_id: int
    exam_id: int
    object_key: str
    sha256: str
    embeddings_key: str | None
    embeddings_sha256: str | None
    trigger_word: str


def chosen_weights(services: Services, keys: Sequence[str]) -> dict[int, ChosenWeights]:
    """The chosen weights of the avatars of `keys`, by avatar id; those without are left out."""
    avatars = list(avatar_refs(services, keys).values())
    with services.database.begin() as session:
        return select_chosen(session, avatars)


def select_chosen(session: Session, avatars: Sequence[AvatarRef]) -> dict[int, ChosenWeights]:
    """The same, in the caller's transaction: of each avatar's present looks, the newest."""
    datasets = current_datasets(session, avatars)
    thresholds = ExamThresholds()
    portraits = {each.avatar_id: each.portrait_id for each in datasets.values()}
    rows = session.execute(
        select(WeightsExam, LoraWeights)
        .join(LoraWeights, LoraWeights.id == WeightsExam.weights_id)
        .join(LoraTraining, LoraTraining.id == LoraWeights.training_id)
        .where(
            LoraTraining.dataset_id.in_([each.id for each in datasets.values()]),
            WeightsExam.chosen,
            WeightsExam.completed_at.is_not(None),
            LoraWeights.failure.is_(None),
        )
        .order_by(LoraWeights.id)
    ).all()
    return {
        exam.avatar_id: _chosen(exam, weights)
        for exam, weights in rows
        if exam.portrait_id == portraits[exam.avatar_id] and not unfit_reasons(exam, thresholds)
    }


def _chosen(exam: WeightsExam, weights: LoraWeights) -> ChosenWeights:
    return ChosenWeights(
        weights_id=weights.id,
        exam_id=exam.id,
        object_key=exam.object_key,
        sha256=exam.sha256,
        embeddings_key=weights.embeddings_key,
        embeddings_sha256=weights.embeddings_sha256,
        trigger_word=weights.trigger_word or "",
    )
