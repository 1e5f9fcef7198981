"""Effects on the test's own database, with a clock that moves only when told."""

from __future__ import annotations

from collections.abc import Generator
from datetime import UTC, datetime

import pytest

from vixen_pipeline.clock import ManualClock
from vixen_pipeline.db.session import Database
from vixen_pipeline.effects import Effects
from vixen_pipeline.locks import ProcessLocks
from vixen_pipeline.settings import Settings


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 11, 22, 12, tzinfo=UTC))


@pytest.fixture
def locks(database: Database) -> Generator[ProcessLocks]:
    locks = ProcessLocks(database)
    yield locks
    locks.close()


@pytest.fixture
def effects(
    database: Database, locks: ProcessLocks, clock: ManualClock, settings: Settings
) -> Effects:
    return Effects(database, locks, clock, settings)
