"""What we did to the outside world, and what it cost."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from vixen_pipeline.db.base import VIXEN, Base, BigIntPk, Json

EFFECT_STATES = ("intended", "dispatched", "confirmed", "failed", "unknown")


class EffectRow(Base):
    """One act on the outside world, at most once per `key`. See vixen_pipeline.effects.

    `deadline_s` is how long each state may last; `deadline`: when the present one must have ended.
    """

    __tablename__ = "effects"
    __table_args__ = (
        UniqueConstraint("key"),
        CheckConstraint(f"state IN {EFFECT_STATES}", name="state"),
        Index("ix_effects_remote", "provider", "remote_id"),
        Index("ix_effects_avatar", "avatar_id", "kind"),
        Index(
            "ix_effects_open",
            "deadline",
            postgresql_where=text("state IN ('intended', 'dispatched', 'unknown')"),
        ),
        {"schema": VIXEN},
    )

    id: Mapped[BigIntPk]
    kind: Mapped[str]
    provider: Mapped[str]
    avatar_id: Mapped[int | None] = mapped_column(ForeignKey("vixen.avatars.id"))
    key: Mapped[str]
    state: Mapped[str] = mapped_column(server_default="intended")
    request: Mapped[Json]
    request_digest: Mapped[str]
    remote_id: Mapped[str | None]
    result: Mapped[Json | None]
    attempts: Mapped[int] = mapped_column(server_default="0")
    error: Mapped[str | None]
    deadline_s: Mapped[int]
    deadline: Mapped[datetime]
    intended_at: Mapped[datetime] = mapped_column(server_default=func.now())
    dispatched_at: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class CostEntry(Base):
    """One billed unit of work. Immutable; a correction is another entry with its own key."""

    __tablename__ = "cost_entries"
    __table_args__ = (
        UniqueConstraint("key"),
        Index("ix_cost_entries_avatar", "avatar_id", "occurred_at"),
        Index("ix_cost_entries_day", "occurred_at"),
        Index(
            "ix_cost_entries_open",
            "avatar_id",
            postgresql_include=["usd"],
            postgresql_where=text("NOT rolled_up"),
        ),
        {"schema": VIXEN},
    )

    id: Mapped[BigIntPk]
    key: Mapped[str]
    avatar_id: Mapped[int | None] = mapped_column(ForeignKey("vixen.avatars.id"))
    effect_id: Mapped[int | None] = mapped_column(ForeignKey("vixen.effects.id"))
    provider: Mapped[str]
    sku: Mapped[str]
    batch: Mapped[str]
    units: Mapped[Decimal]
    unit: Mapped[str]
    usd: Mapped[Decimal]
    price_version: Mapped[str]
    run_id: Mapped[str | None]
    occurred_at: Mapped[datetime] = mapped_column(server_default=func.now())
    rolled_up: Mapped[bool] = mapped_column(server_default=text("false"))


class CostTotal(Base):
    """The sum of an avatar's entries that are `rolled_up`, so that a budget reads few rows.

    Written where budgets are locked; what an avatar has spent is this and its other entries.
    """

    __tablename__ = "cost_totals"
    __table_args__ = ({"schema": VIXEN},)

    avatar_id: Mapped[int] = mapped_column(ForeignKey("vixen.avatars.id"), primary_key=True)
    usd: Mapped[Decimal]


class CostReservation(Base):
    """Money set aside for paid work under way, so that concurrent work cannot pass a budget."""

    __tablename__ = "cost_reservations"
    __table_args__ = (
        Index("ix_cost_reservations_avatar", "avatar_id"),
        {"schema": VIXEN},
    )

    key: Mapped[str] = mapped_column(primary_key=True)
    avatar_id: Mapped[int | None] = mapped_column(ForeignKey("vixen.avatars.id"))
    usd: Mapped[Decimal]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]


class Budget(Base):
    """A spend limit in USD that overrides the settings: of one avatar in total, or of a UTC day."""

    __tablename__ = "budgets"
    __table_args__ = (
        UniqueConstraint("scope", "avatar_id", postgresql_nulls_not_distinct=True),
        CheckConstraint("scope IN ('avatar', 'day')", name="scope"),
        CheckConstraint("(scope = 'day') = (avatar_id IS NULL)", name="avatar_scope"),
        {"schema": VIXEN},
    )

    id: Mapped[BigIntPk]
    scope: Mapped[str]
    avatar_id: Mapped[int | None] = mapped_column(ForeignKey("vixen.avatars.id"))
    usd: Mapped[Decimal]
