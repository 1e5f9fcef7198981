"""One sandbox per module, emptied before each test: these tests are many and short."""

from __future__ import annotations

import secrets
from collections.abc import Generator
from typing import Any

import psycopg
import pytest
from psycopg import sql
from s3_kit import client_of

from vixen_pipeline.db import embedded
from vixen_pipeline.sandbox.testing import Sandbox, sandbox_server


@pytest.fixture(scope="module")
def module_sandbox(
    postgres_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Sandbox]:
    name = f"s_{secrets.token_hex(6)}"
    admin = postgres_url.replace("/template_vixen", "/postgres")
    embedded.create_database(admin, name)
    url = postgres_url.replace("/template_vixen", f"/{name}")
    with sandbox_server(url, tmp_path_factory.mktemp("objects")) as running:
        yield running
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        )


@pytest.fixture
def sandbox(module_sandbox: Sandbox) -> Sandbox:
    module_sandbox.control.reset()
    return module_sandbox


@pytest.fixture
def s3(sandbox: Sandbox) -> Generator[Any]:
    """The unmodified official SDK."""
    client = client_of(sandbox)
    yield client
    client.close()
