"""System 2: exams of weights, plans, shots, rendered images. Pieces: pieces.py.

A plan is asked for (a row with `planned_at` NULL), planned (its shots exist) and completed
(`completed_at`): what is done looks at open plans only, so its cost does not grow with an avatar's
history. Raw measurements are kept; verdicts are read.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from pgvector.sqlalchemy import BIT, Vector
from sqlalchemy import CheckConstraint, Double, ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from vixen_pipeline.db.base import VIXEN, Base, BigIntPk, Json
from vixen_pipeline.db.models.identity import EMBEDDING_DIMENSIONS


class LoraCheckpoint(Base):
    """One checkpoint that a training offered beside its final weights; `step` is the trainer's."""

    __tablename__ = "lora_checkpoints"
    __table_args__ = (UniqueConstraint("weights_id", "step"), {"schema": VIXEN})

    id: Mapped[BigIntPk]
    weights_id: Mapped[int] = mapped_column(ForeignKey("vixen.lora_weights.id"))
    step: Mapped[int]
    object_key: Mapped[str]
    sha256: Mapped[str]
    bytes: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class WeightsExam(Base):
    """One candidate of a training (the final weights or a checkpoint), examined before it is used.

    `checkpoint_id` NULL: the final weights. Raw figures are kept; whether they suffice is read.
    `chosen` marks the one candidate that content is made with. `nearest_training` is the least
    Hamming distance (bits) to an image it was trained on, `diversity` the mean distance within.
    """

    __tablename__ = "weights_exams"
    __table_args__ = (
        UniqueConstraint("weights_id", "sha256", "exam_digest"),
        Index(
            "uq_weights_exams_chosen",
            "weights_id",
            unique=True,
            postgresql_where=text("chosen"),
        ),
        {"schema": VIXEN},
    )

    id: Mapped[BigIntPk]
    avatar_id: Mapped[int] = mapped_column(ForeignKey("vixen.avatars.id"))
    weights_id: Mapped[int] = mapped_column(ForeignKey("vixen.lora_weights.id"))
    checkpoint_id: Mapped[int | None] = mapped_column(ForeignKey("vixen.lora_checkpoints.id"))
    sha256: Mapped[str]
    object_key: Mapped[str]
    exam_digest: Mapped[str]
    portrait_id: Mapped[int] = mapped_column(ForeignKey("vixen.generated_images.id"))
    scorer: Mapped[str]
    images: Mapped[int | None]
    identity_mean: Mapped[float | None] = mapped_column(Double)
    identity_p10: Mapped[float | None] = mapped_column(Double)
    diversity: Mapped[float | None] = mapped_column(Double)
    nearest_training: Mapped[int | None]
    scores: Mapped[Json | None]
    chosen: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    completed_at: Mapped[datetime | None]


class ContentPlan(Base):
    """What is to be made for an avatar: asked for by a person, or the default one (number 1).

    `mix` is {tier: count}, exact; `platforms` of "instagram", "tiktok"; `formats` is
    {"carousel": n, "slideshow": n}, composed of the plan's stills. `contact_sheet_key` names the
    picture of all stills of a completed plan.
    """

    __tablename__ = "content_plans"
    __table_args__ = (
        UniqueConstraint("avatar_id", "number"),
        Index("ix_content_plans_open", "avatar_id", postgresql_where=text("completed_at IS NULL")),
        {"schema": VIXEN},
    )

    id: Mapped[BigIntPk]
    avatar_id: Mapped[int] = mapped_column(ForeignKey("vixen.avatars.id"))
    number: Mapped[int]
    count: Mapped[int]
    mix: Mapped[Json]
    platforms: Mapped[list[str]]
    formats: Mapped[Json]
    notes: Mapped[str | None]
    seed: Mapped[int]
    library_digest: Mapped[str | None]
    coverage: Mapped[Json | None]
    requested_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    planned_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    contact_sheet_key: Mapped[str | None]


class ContentShot(Base):
    """One still to be made: `position` in the plan (from 0), `scene` groups shots of one setting.

    `tier` is the declared access tier. `moderation` is the verdict on the prompt.
    """

    __tablename__ = "content_shots"
    __table_args__ = (
        UniqueConstraint("plan_id", "position"),
        UniqueConstraint("avatar_id", "prompt_sha256", "seed"),
        Index(
            "ix_content_shots_embedding",
            "embedding",
            postgresql_using="hnsw",
            postgresql_ops={"embedding": "vector_cosine_ops"},
        ),
        {"schema": VIXEN},
    )

    id: Mapped[BigIntPk]
    avatar_id: Mapped[int] = mapped_column(ForeignKey("vixen.avatars.id"))
    plan_id: Mapped[int] = mapped_column(ForeignKey("vixen.content_plans.id"))
    position: Mapped[int]
    scene: Mapped[int]
    tier: Mapped[str]
    template: Mapped[str]
    choices: Mapped[Json]
    prompt: Mapped[str]
    negative_prompt: Mapped[str]
    prompt_sha256: Mapped[str]
    seed: Mapped[int]
    embedding: Mapped[list[float]] = mapped_column(Vector(EMBEDDING_DIMENSIONS))
    embedding_model: Mapped[str]
    nearest_similarity: Mapped[float | None] = mapped_column(Double)
    moderation: Mapped[Json]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class RenderedImage(Base):
    """One image asked of inference: for a shot, or for the exam of weights.

    Inserted together with its intent, so that what was paid for is found again; the measurements
    follow when it has come. `request_id` ties the answer to it. `effect_id` is shared by the
    images of one call. `selected`: the one image that fills the shot. `refusal`: why a person or
    a later check took it out again.
    """

    __tablename__ = "rendered_images"
    __table_args__ = (
        UniqueConstraint("request_id"),
        UniqueConstraint("shot_id", "attempt"),
        UniqueConstraint("exam_id", "attempt"),
        UniqueConstraint("avatar_id", "prompt_sha256", "seed", "weights_sha256"),
        CheckConstraint("(shot_id IS NULL) <> (exam_id IS NULL)", name="purpose"),
        Index(
            "uq_rendered_images_selected",
            "shot_id",
            unique=True,
            postgresql_where=text("selected"),
        ),
        Index("ix_rendered_images_effect", "effect_id"),
        Index("ix_rendered_images_open", "avatar_id", postgresql_where=text("settled_at IS NULL")),
        Index(
            "ix_rendered_images_phash_bits",
            "phash_bits",
            postgresql_using="hnsw",
            postgresql_ops={"phash_bits": "bit_hamming_ops"},
            postgresql_where=text("selected"),
        ),
        {"schema": VIXEN},
    )

    id: Mapped[BigIntPk]
    avatar_id: Mapped[int] = mapped_column(ForeignKey("vixen.avatars.id"))
    shot_id: Mapped[int | None] = mapped_column(ForeignKey("vixen.content_shots.id"))
    exam_id: Mapped[int | None] = mapped_column(ForeignKey("vixen.weights_exams.id"))
    attempt: Mapped[int]
    request_id: Mapped[str]
    effect_id: Mapped[int] = mapped_column(ForeignKey("vixen.effects.id"))
    prompt: Mapped[str]
    prompt_sha256: Mapped[str]
    seed: Mapped[int]
    weights_sha256: Mapped[str]
    model: Mapped[str | None]
    object_key: Mapped[str | None]
    sha256: Mapped[str | None]
    bytes: Mapped[int | None]
    width: Mapped[int | None]
    height: Mapped[int | None]
    content_type: Mapped[str | None]
    phash: Mapped[int | None]
    phash_bits: Mapped[str | None] = mapped_column(BIT(64))
    sharpness: Mapped[float | None] = mapped_column(Double)
    identity_score: Mapped[float | None] = mapped_column(Double)
    identity_scorer: Mapped[str | None]
    moderation: Mapped[Json | None]
    unusable: Mapped[str | None]
    refusal: Mapped[str | None]
    duplicate_of: Mapped[int | None] = mapped_column(ForeignKey("vixen.rendered_images.id"))
    selected: Mapped[bool] = mapped_column(server_default=text("false"))
    usd: Mapped[Decimal | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    settled_at: Mapped[datetime | None]
