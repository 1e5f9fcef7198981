"""All models; importing this package registers every table on `Base.metadata`."""

from vixen_pipeline.db.models.content import (
    ContentPlan,
    ContentShot,
    LoraCheckpoint,
    RenderedImage,
    WeightsExam,
)
from vixen_pipeline.db.models.effects import (
    Budget,
    CostEntry,
    CostReservation,
    CostTotal,
    EffectRow,
)
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
from vixen_pipeline.db.models.pieces import ContentCopy, ContentPiece, PieceFile, PieceMember

__all__ = [
    "Avatar",
    "Budget",
    "ContentCopy",
    "ContentPiece",
    "ContentPlan",
    "ContentShot",
    "CostEntry",
    "CostReservation",
    "CostTotal",
    "EffectRow",
    "GeneratedImage",
    "LandedSpec",
    "LikenessConsent",
    "LoraCheckpoint",
    "LoraTraining",
    "LoraWeights",
    "Persona",
    "PieceFile",
    "PieceMember",
    "RenderedImage",
    "StageAttempt",
    "TrainingDataset",
    "WebhookEvent",
    "WeightsExam",
]
