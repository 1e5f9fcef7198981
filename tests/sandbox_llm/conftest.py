"""One sandbox per module, emptied before each test: these tests are many and short."""

from __future__ import annotations

import secrets
from collections.abc import Generator

import anthropic
import openai
import psycopg
import pytest
from psycopg import sql

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
def openai_client(sandbox: Sandbox) -> Generator[openai.OpenAI]:
    with openai.OpenAI(
        api_key=sandbox.token, base_url=f"{sandbox.url}/openai/v1", max_retries=0
    ) as openai_client:
        yield openai_client


@pytest.fixture
def anthropic_client(sandbox: Sandbox) -> Generator[anthropic.Anthropic]:
    with anthropic.Anthropic(
        api_key=sandbox.token, base_url=f"{sandbox.url}/anthropic", max_retries=0
    ) as anthropic_client:
        yield anthropic_client
