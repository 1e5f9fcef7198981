"""The values of costs. Belongs here: what callers pass in and get back. Not: SQL, prices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal, Protocol


class Billed(Protocol):
    """Billed units of one call, as providers report them (`providers.ports.Usage` is one)."""

    @property
    def provider(self) -> str: ...

    @property
    def sku(self) -> str: ...

    @property
    def units(self) -> Decimal: ...


@dataclass(frozen=True, slots=True)
class PaidCall:
    """One paid call. `key` makes it idempotent (the effect's key where there is one) and releases
    the reservation of the same key; `batch` groups calls for reports, e.g. the stage's name."""

    key: str
    avatar_id: int | None
    effect_id: int | None
    batch: str
    usages: Sequence[Billed]


@dataclass(frozen=True, slots=True)
class BudgetState:
    """One spend limit in USD and what is left of it now. `scope` is `avatar` or `day` (UTC)."""

    scope: Literal["avatar", "day"]
    limit: Decimal
    spent: Decimal
    reserved: Decimal

    @property
    def left(self) -> Decimal:
        return self.limit - self.spent - self.reserved


@dataclass(frozen=True, slots=True)
class CostLine:
    """A sum of cost entries; a dimension that was not asked for is None."""

    usd: Decimal
    entries: int
    units: Decimal | None = None
    day: date | None = None
    avatar: str | None = None
    provider: str | None = None
    sku: str | None = None
    batch: str | None = None


Dimension = Literal["day", "avatar", "provider", "sku", "batch"]


@dataclass(frozen=True, slots=True)
class CostFilter:
    """Which entries count. `avatar` is the partition key; `since` inclusive, `until` exclusive."""

    avatar: str | None = None
    niche: str | None = None
    provider: str | None = None
    since: datetime | None = None
    until: datetime | None = None
