"""Services on the sandbox with small plans."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import pytest

from vixen_pipeline.db.session import Database
from vixen_pipeline.sandbox.testing import Sandbox
from vixen_pipeline.services import Services
from vixen_pipeline.settings import Settings

SMALL = {"modal_batch": 2, "modal_concurrency": 3, "reconcile_grace_s": 60.0}

Open = Callable[..., Services]


@pytest.fixture
def open_services(settings: Settings, database: Database, sandbox: Sandbox) -> Generator[Open]:
    """Makes services like a new process would; settings may be changed by keyword."""
    opened: list[Services] = []

    def open_(**changes: Any) -> Services:
        update = {**SMALL, **changes}
        opened.append(Services(settings.model_copy(update=update), database=database))
        return opened[-1]

    yield open_
    for services in opened:
        services.close()


@pytest.fixture
def core(open_services: Open) -> Services:
    return open_services()
