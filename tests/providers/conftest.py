"""One sandbox for all tests of the clients, emptied before each: starting one takes longer."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

from vixen_pipeline.db import embedded
from vixen_pipeline.sandbox.testing import Sandbox, sandbox_server


@pytest.fixture(scope="session")
def shared_sandbox(
    postgres_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Sandbox]:
    name = f"providers_{os.getpid()}"
    embedded.create_database(postgres_url.replace("/template_vixen", "/postgres"), name)
    url = postgres_url.replace("/template_vixen", f"/{name}")
    with sandbox_server(url, tmp_path_factory.mktemp("objects")) as running:
        yield running


@pytest.fixture
def sandbox(shared_sandbox: Sandbox) -> Sandbox:
    shared_sandbox.control.reset()
    return shared_sandbox
