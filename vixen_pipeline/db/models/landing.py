"""What arrived from outside, as it arrived: webhook deliveries and avatar specs.

Rows here are receipts: written once by the landing edge, and afterwards only their handling
state changes.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, LargeBinary, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from vixen_pipeline.db.base import LANDING, Base, BigIntPk, Json

EVENT_STATES = ("pending", "claimed", "handled", "dead")


class WebhookEvent(Base):
    """One verified webhook delivery. `body` is the raw bytes the signature was checked over."""

    __tablename__ = "webhook_events"
    __table_args__ = (
        UniqueConstraint("provider", "event_id"),
        CheckConstraint(f"state IN {EVENT_STATES}", name="state"),
        Index(
            "ix_webhook_events_open",
            "provider",
            "id",
            postgresql_where=text("state IN ('pending', 'claimed')"),
        ),
        Index("ix_webhook_events_dead", "id", postgresql_where=text("state = 'dead'")),
        {"schema": LANDING},
    )

    id: Mapped[BigIntPk]
    provider: Mapped[str]
    event_id: Mapped[str]
    body: Mapped[bytes] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(server_default="pending")
    attempts: Mapped[int] = mapped_column(server_default="0")
    received_at: Mapped[datetime] = mapped_column(server_default=func.now())
    available_at: Mapped[datetime] = mapped_column(server_default=func.now())
    leased_until: Mapped[datetime | None]
    lease_owner: Mapped[str | None]
    error: Mapped[str | None]
    handled_at: Mapped[datetime | None]


class LandedSpec(Base):
    """One version of one avatar's spec, valid when landed. Version 1 claims the handle."""

    __tablename__ = "avatar_specs"
    __table_args__ = (
        UniqueConstraint("avatar_key", "version"),
        Index(
            "uq_avatar_specs_handle", "handle", unique=True, postgresql_where=text("version = 1")
        ),
        Index(
            "ix_avatar_specs_unregistered",
            "id",
            postgresql_where=text("registered_at IS NULL"),
        ),
        {"schema": LANDING},
    )

    id: Mapped[BigIntPk]
    avatar_key: Mapped[str]
    niche: Mapped[str]
    handle: Mapped[str]
    version: Mapped[int]
    digest: Mapped[str]
    document: Mapped[Json]
    source: Mapped[str]
    landed_at: Mapped[datetime] = mapped_column(server_default=func.now())
    registered_at: Mapped[datetime | None]
