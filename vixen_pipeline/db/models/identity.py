"""System 1: avatars, personas, images, datasets, trainings, weights.

Each product row carries `input_digest`, the digest of everything it was made from; a stage is
complete when a row with the *current* input digest exists. Nothing here is a typed-in status.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from pgvector.sqlalchemy import Vector
from sqlalchemy import CheckConstraint, Double, ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from vixen_pipeline.db.base import VIXEN, Base, BigIntPk, Json

EMBEDDING_DIMENSIONS = 1536
TRAINING_STATES = ("submitted", "processing", "succeeded", "failed", "canceled", "aborted")


class Avatar(Base):
    """A virtual creator. `key` is `niche:handle`, the partition key, and never changes.

    The two digests are of the parts of the current spec that the persona and the looks are made
    from: a new price list does not retrain a LoRA.
    """

    __tablename__ = "avatars"
    __table_args__ = (
        UniqueConstraint("key"),
        UniqueConstraint("handle"),
        CheckConstraint("status IN ('active', 'archived')", name="status"),
        CheckConstraint("key = niche || ':' || handle", name="key"),
        {"schema": VIXEN},
    )

    id: Mapped[BigIntPk]
    key: Mapped[str]
    niche: Mapped[str]
    handle: Mapped[str]
    display_name: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="active")
    spec_id: Mapped[int] = mapped_column(ForeignKey("landing.avatar_specs.id"))
    spec_version: Mapped[int]
    spec: Mapped[Json]
    persona_digest: Mapped[str]
    appearance_digest: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Persona(Base):
    """Who the avatar is, written by a language model against a schema, with its embedding."""

    __tablename__ = "personas"
    __table_args__ = (
        UniqueConstraint("avatar_id", "input_digest"),
        Index(
            "ix_personas_embedding",
            "embedding",
            postgresql_using="hnsw",
            postgresql_ops={"embedding": "vector_cosine_ops"},
        ),
        {"schema": VIXEN},
    )

    id: Mapped[BigIntPk]
    avatar_id: Mapped[int] = mapped_column(ForeignKey("vixen.avatars.id"))
    input_digest: Mapped[str]
    document: Mapped[Json]
    embedding: Mapped[list[float]] = mapped_column(Vector(EMBEDDING_DIMENSIONS))
    embedding_model: Mapped[str]
    neighbour_avatar_id: Mapped[int | None] = mapped_column(ForeignKey("vixen.avatars.id"))
    neighbour_similarity: Mapped[float | None] = mapped_column(Double)
    provider: Mapped[str]
    model: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class GeneratedImage(Base):
    """One image made by a provider, with its raw measurements; verdicts are read, not stored.

    `purpose` is 'portrait' or 'dataset'; `slot` is the shot number within its collection (0 for
    a portrait), `attempt` counts the tries for that slot. `selected` marks the one image that
    fills the slot. `phash` is the 64-bit difference hash as a signed integer.
    """

    __tablename__ = "generated_images"
    __table_args__ = (
        UniqueConstraint("effect_id"),
        UniqueConstraint("avatar_id", "purpose", "input_digest", "slot", "attempt"),
        Index(
            "uq_generated_images_selected",
            "avatar_id",
            "purpose",
            "input_digest",
            "slot",
            unique=True,
            postgresql_where=text("selected"),
        ),
        {"schema": VIXEN},
    )

    id: Mapped[BigIntPk]
    avatar_id: Mapped[int] = mapped_column(ForeignKey("vixen.avatars.id"))
    purpose: Mapped[str]
    input_digest: Mapped[str]
    slot: Mapped[int]
    attempt: Mapped[int]
    effect_id: Mapped[int] = mapped_column(ForeignKey("vixen.effects.id"))
    model: Mapped[str]
    prompt: Mapped[str]
    seed: Mapped[int]
    shot: Mapped[Json]
    object_key: Mapped[str | None]
    sha256: Mapped[str | None]
    bytes: Mapped[int | None]
    width: Mapped[int | None]
    height: Mapped[int | None]
    content_type: Mapped[str | None]
    phash: Mapped[int | None]
    sharpness: Mapped[float | None] = mapped_column(Double)
    identity_score: Mapped[float | None] = mapped_column(Double)
    identity_scorer: Mapped[str | None]
    moderation: Mapped[Json | None]
    unusable: Mapped[str | None]
    caption: Mapped[str | None]
    selected: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class TrainingDataset(Base):
    """Exactly the accepted images of one plan, zipped with a manifest in the object store."""

    __tablename__ = "training_datasets"
    __table_args__ = (UniqueConstraint("avatar_id", "input_digest"), {"schema": VIXEN})

    id: Mapped[BigIntPk]
    avatar_id: Mapped[int] = mapped_column(ForeignKey("vixen.avatars.id"))
    input_digest: Mapped[str]
    portrait_id: Mapped[int] = mapped_column(ForeignKey("vixen.generated_images.id"))
    image_count: Mapped[int]
    manifest: Mapped[Json]
    archive_key: Mapped[str]
    archive_sha256: Mapped[str]
    archive_bytes: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class LoraTraining(Base):
    """One training job at the provider. `attempt` rises only when an operator asks for another."""

    __tablename__ = "lora_trainings"
    __table_args__ = (
        UniqueConstraint("dataset_id", "settings_digest", "attempt"),
        UniqueConstraint("effect_id"),
        CheckConstraint(f"status IN {TRAINING_STATES}", name="status"),
        Index(
            "ix_lora_trainings_open",
            "next_poll_at",
            postgresql_where=text("status IN ('submitted', 'processing')"),
        ),
        Index("ix_lora_trainings_remote", "remote_id"),
        {"schema": VIXEN},
    )

    id: Mapped[BigIntPk]
    avatar_id: Mapped[int] = mapped_column(ForeignKey("vixen.avatars.id"))
    dataset_id: Mapped[int] = mapped_column(ForeignKey("vixen.training_datasets.id"))
    settings_digest: Mapped[str]
    settings: Mapped[Json]
    attempt: Mapped[int] = mapped_column(server_default="1")
    effect_id: Mapped[int] = mapped_column(ForeignKey("vixen.effects.id"))
    remote_id: Mapped[str | None]
    status: Mapped[str] = mapped_column(server_default="submitted")
    estimate_usd: Mapped[Decimal]
    billed_seconds: Mapped[Decimal | None]
    cost_usd: Mapped[Decimal | None]
    error: Mapped[str | None]
    next_poll_at: Mapped[datetime]
    deadline: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    status_at: Mapped[datetime] = mapped_column(server_default=func.now())
    completed_at: Mapped[datetime | None]


class LoraWeights(Base):
    """Weights copied from a training. `failure` is why they are unusable; NULL means verified."""

    __tablename__ = "lora_weights"
    __table_args__ = (UniqueConstraint("training_id"), {"schema": VIXEN})

    id: Mapped[BigIntPk]
    avatar_id: Mapped[int] = mapped_column(ForeignKey("vixen.avatars.id"))
    training_id: Mapped[int] = mapped_column(ForeignKey("vixen.lora_trainings.id"))
    archive_key: Mapped[str | None]
    archive_sha256: Mapped[str | None]
    object_key: Mapped[str | None]
    sha256: Mapped[str | None]
    bytes: Mapped[int | None]
    embeddings_key: Mapped[str | None]
    embeddings_sha256: Mapped[str | None]
    family: Mapped[str | None]
    rank: Mapped[int | None]
    tensor_count: Mapped[int | None]
    trigger_word: Mapped[str | None]
    failure: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class StageAttempt(Base):
    """The last failure of a stage for an avatar: what it waits for, since when, what to do.

    Deleted when the stage completes: the products themselves say what is done.
    """

    __tablename__ = "stage_attempts"
    __table_args__ = ({"schema": VIXEN},)

    avatar_id: Mapped[int] = mapped_column(ForeignKey("vixen.avatars.id"), primary_key=True)
    stage: Mapped[str] = mapped_column(primary_key=True)
    attempts: Mapped[int]
    error: Mapped[str]
    next_step: Mapped[str | None]
    permanent: Mapped[bool]
    next_attempt_at: Mapped[datetime | None]
    first_failed_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class LikenessConsent(Base):
    """A recorded consent document for the likeness of a real person."""

    __tablename__ = "likeness_consents"
    __table_args__ = (UniqueConstraint("reference"), {"schema": VIXEN})

    id: Mapped[BigIntPk]
    reference: Mapped[str]
    person_name: Mapped[str]
    document_sha256: Mapped[str]
    recorded_by: Mapped[str]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.now())
