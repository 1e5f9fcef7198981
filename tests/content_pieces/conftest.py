"""The core on fakes of every provider."""

from __future__ import annotations

import pytest
from vixen_identity import fake_services

from vixen_pipeline.services import Services


@pytest.fixture
def core(settings, database) -> Services:
    return fake_services(settings, database)
