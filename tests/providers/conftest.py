"""One sandbox for all tests of the clients, emptied before each: starting one takes longer."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

import pytest

from vixen_pipeline.db import embedded
from vixen_pipeline.providers.replicate_api import Raw, ReplicateApi
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


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every request to Replicate from now on: method and path."""
    seen: list[str] = []
    send = ReplicateApi.call

    def call(self: ReplicateApi, method: str, path: str, *values: Any, **named: Any) -> Raw:
        seen.append(f"{method} {path}")
        return send(self, method, path, *values, **named)

    monkeypatch.setattr(ReplicateApi, "call", call)
    return seen
