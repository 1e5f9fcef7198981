"""Costs on the test's own database: 10 USD per avatar, 25 USD a day, half an hour to midnight."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from sqlalchemy import text

from vixen_pipeline.clock import ManualClock
from vixen_pipeline.costs import Costs, PriceBook
from vixen_pipeline.db.session import Database
from vixen_pipeline.settings import Settings

EVENING = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
NewCosts = Callable[[], Costs]

_AVATAR = text(
    """
    WITH spec AS (
      INSERT INTO landing.avatar_specs (avatar_key, niche, handle, version, digest, document,
                                        source)
      VALUES (:niche || ':' || :handle, :niche, :handle, 1, '', '{}', 'test') RETURNING id)
    INSERT INTO vixen.avatars (key, niche, handle, display_name, spec_id, spec_version, spec,
                               persona_digest, appearance_digest)
    SELECT :niche || ':' || :handle, :niche, :handle, :handle, id, 1, '{}', '', '' FROM spec
    RETURNING id
    """
)


@pytest.fixture
def add_avatar(database: Database) -> Callable[..., int]:
    """Adds an avatar by handle and niche; returns its id."""

    def add(handle: str, niche: str = "fitness") -> int:
        with database.begin() as session:
            return session.execute(_AVATAR, {"niche": niche, "handle": handle}).scalar_one()

    return add


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(EVENING)


@pytest.fixture
def luna(add_avatar: Callable[..., int]) -> int:
    return add_avatar("luna")


@pytest.fixture
def new_costs(database: Database, settings: Settings, clock: ManualClock) -> NewCosts:
    limited = settings.model_copy(
        update={"budget_avatar_usd": Decimal(10), "budget_day_usd": Decimal(25)}
    )
    return lambda: Costs(database, PriceBook.load(), limited, clock, "run-1")


@pytest.fixture
def costs(new_costs: NewCosts) -> Costs:
    return new_costs()
