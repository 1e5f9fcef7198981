"""System 2, what is published of it: copy, pieces, their files and members.

Rows of pieces are written once their files are stored; afterwards only their review changes.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from pgvector.sqlalchemy import BIT
from sqlalchemy import CheckConstraint, Double, ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from vixen_pipeline.db.base import VIXEN, Base, BigIntPk, Json

TIERS = ("public", "premium", "exclusive")
"""Access tiers, from the widest access to the narrowest. Access only, never explicitness."""
PIECE_FORMATS = ("still", "carousel", "slideshow", "video")
PIECE_STATES = ("pending_review", "auto_approved", "approved", "rejected")
COPY_OUTCOMES = ("written", "refused", "cut_off", "unfit")


class ContentCopy(Base):
    """One variant of the words for a shot on a platform; all are kept, one is `chosen`.

    `round` counts the tries for a shot and platform, `variant` the alternatives within one. Only
    outcome 'written' has words; `reason` says why the others have none. `caption` is the final
    text, within the platform's limits, hashtags and disclosure included. `usd`, `input_tokens`
    (all of the prompt) and `cached_tokens` (of them, read from the provider's cache) are the
    row's exact share of the call `effect_id`.
    """

    __tablename__ = "content_copies"
    __table_args__ = (
        UniqueConstraint("shot_id", "platform", "round", "variant"),
        CheckConstraint(f"outcome IN {COPY_OUTCOMES}", name="outcome"),
        Index(
            "uq_content_copies_chosen",
            "shot_id",
            "platform",
            unique=True,
            postgresql_where=text("chosen"),
        ),
        {"schema": VIXEN},
    )

    id: Mapped[BigIntPk]
    avatar_id: Mapped[int] = mapped_column(ForeignKey("vixen.avatars.id"))
    shot_id: Mapped[int] = mapped_column(ForeignKey("vixen.content_shots.id"))
    platform: Mapped[str]
    round: Mapped[int]
    variant: Mapped[int]
    outcome: Mapped[str]
    reason: Mapped[str | None]
    language: Mapped[str]
    hook: Mapped[str | None]
    body: Mapped[str | None]
    call_to_action: Mapped[str | None]
    hashtags: Mapped[list[str] | None]
    caption: Mapped[str | None]
    title: Mapped[str | None]
    scores: Mapped[Json | None]
    score: Mapped[float | None] = mapped_column(Double)
    moderation: Mapped[Json | None]
    chosen: Mapped[bool] = mapped_column(server_default=text("false"))
    provider: Mapped[str]
    model: Mapped[str]
    effect_id: Mapped[int | None] = mapped_column(ForeignKey("vixen.effects.id"))
    usd: Mapped[Decimal | None]
    input_tokens: Mapped[int | None]
    cached_tokens: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ContentPiece(Base):
    """Something that can be published. A still has an image; the others have members.

    `key` is permanent (`still:<image>`, `carousel:<plan>:<scene>:<n>` …), so a repeated making
    changes nothing. `tier` is never wider than `declared_tier`. `lineage` is everything it was
    made from: template, prompt, seed, model, weights digest, run, costs.
    """

    __tablename__ = "content_pieces"
    __table_args__ = (
        UniqueConstraint("avatar_id", "key"),
        UniqueConstraint("image_id"),
        CheckConstraint(f"format IN {PIECE_FORMATS}", name="format"),
        CheckConstraint(f"state IN {PIECE_STATES}", name="state"),
        CheckConstraint(f"tier IN {TIERS}", name="tier"),
        Index("ix_content_pieces_plan", "plan_id", "format", "state"),
        Index("ix_content_pieces_avatar", "avatar_id", "created_at"),
        Index("ix_content_pieces_shot", "shot_id"),
        {"schema": VIXEN},
    )

    id: Mapped[BigIntPk]
    avatar_id: Mapped[int] = mapped_column(ForeignKey("vixen.avatars.id"))
    plan_id: Mapped[int] = mapped_column(ForeignKey("vixen.content_plans.id"))
    key: Mapped[str]
    format: Mapped[str]
    shot_id: Mapped[int | None] = mapped_column(ForeignKey("vixen.content_shots.id"))
    image_id: Mapped[int | None] = mapped_column(ForeignKey("vixen.rendered_images.id"))
    declared_tier: Mapped[str]
    tier: Mapped[str]
    tier_reason: Mapped[str | None]
    state: Mapped[str]
    state_reason: Mapped[str | None]
    reviewed_by: Mapped[str | None]
    reviewed_at: Mapped[datetime | None]
    disclosure: Mapped[Json]
    lineage: Mapped[Json]
    usd: Mapped[Decimal]
    run_id: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    replaced_at: Mapped[datetime | None]


class PieceFile(Base):
    """One signed file of a piece: `name` is a rendition ("4:5", "9:16", "1:1") or "video".

    The registry of published files is `phash_bits`: an image that comes back re-encoded is found
    by it. `credentials` says what was signed: manifest id, certificate, whether it is the
    development one.
    """

    __tablename__ = "piece_files"
    __table_args__ = (
        UniqueConstraint("piece_id", "name"),
        Index("ix_piece_files_sha256", "sha256"),
        Index(
            "ix_piece_files_phash_bits",
            "phash_bits",
            postgresql_using="hnsw",
            postgresql_ops={"phash_bits": "bit_hamming_ops"},
        ),
        {"schema": VIXEN},
    )

    id: Mapped[BigIntPk]
    piece_id: Mapped[int] = mapped_column(ForeignKey("vixen.content_pieces.id"))
    name: Mapped[str]
    object_key: Mapped[str]
    sha256: Mapped[str]
    bytes: Mapped[int]
    width: Mapped[int]
    height: Mapped[int]
    content_type: Mapped[str]
    duration_ms: Mapped[int | None]
    phash: Mapped[int | None]
    phash_bits: Mapped[str | None] = mapped_column(BIT(64))
    credentials: Mapped[Json]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class PieceMember(Base):
    """The stills that a carousel or a slideshow is made of, in order."""

    __tablename__ = "piece_members"
    __table_args__ = (
        UniqueConstraint("piece_id", "position"),
        UniqueConstraint("piece_id", "member_id"),
        Index("ix_piece_members_member", "member_id"),
        {"schema": VIXEN},
    )

    id: Mapped[BigIntPk]
    piece_id: Mapped[int] = mapped_column(ForeignKey("vixen.content_pieces.id"))
    position: Mapped[int]
    member_id: Mapped[int] = mapped_column(ForeignKey("vixen.content_pieces.id"))
