"""Services on the sandbox with small exams."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from content_kit_exam import SMALL

from vixen_pipeline.db.session import Database
from vixen_pipeline.sandbox.testing import Sandbox
from vixen_pipeline.services import Services
from vixen_pipeline.settings import Settings


@pytest.fixture
def core(settings: Settings, database: Database, sandbox: Sandbox) -> Generator[Services]:
    with Services(settings.model_copy(update=SMALL), database=database) as services:
        yield services
