"""All models; importing this package registers every table on `Base.metadata`."""

from vixen_pipeline.db.models.effects import Budget, CostEntry, CostReservation, EffectRow
from vixen_pipeline.db.models.identity import (
    Avatar,
    GeneratedImage,
    LikenessConsent,
    LoraTraining,
    LoraWeights,
    Persona,
    StageAttempt,
    TrainingDataset,
)
from vixen_pipeline.db.models.landing import LandedSpec, WebhookEvent

__all__ = [
    "Avatar",
    "Budget",
    "CostEntry",
    "CostReservation",
    "EffectRow",
    "GeneratedImage",
    "LandedSpec",
    "LikenessConsent",
    "LoraTraining",
    "LoraWeights",
    "Persona",
    "StageAttempt",
    "TrainingDataset",
    "WebhookEvent",
]
