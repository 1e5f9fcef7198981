"""Fixtures for all tests: a real PostgreSQL per session, a fresh migrated database per test."""

from __future__ import annotations

import itertools
import logging
import os
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import structlog
from psycopg import sql

from vixen_pipeline.db import embedded, migrate
from vixen_pipeline.db.session import Database
from vixen_pipeline.sandbox.testing import Sandbox, sandbox_server
from vixen_pipeline.services import Services
from vixen_pipeline.settings import Settings, load_settings

_numbers = itertools.count(1)
_FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Give this session a temporary folder that no other session touches.

    Pytest's own is shared by all sessions of an account, and each new one closes it to everybody
    else (mode 0700): the servers that run as an account of their own would lose their files.
    """
    if config.option.basetemp is None:
        folder = Path(tempfile.mkdtemp(prefix="vixen-tests-"))
        config.option.basetemp = str(folder / "session")
        config.add_cleanup(lambda: _remove(config, folder))


def _remove(config: pytest.Config, folder: Path) -> None:
    """After a failure the files stay, to be looked at."""
    if not config.stash.get(_FAILED, False):
        shutil.rmtree(folder, ignore_errors=True)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    session.config.stash[_FAILED] = exitstatus != 0


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Generator[None]:
    """A command run inside a test sets up logging on that test's captured streams, which close."""
    config, root = structlog.get_config(), logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    structlog.configure(**config)
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """Admin URL of a throwaway embedded server (no fsync: its data die with the session)."""
    data_dir: Path = tmp_path_factory.mktemp("pg") / "data"
    url = embedded.ensure_running(data_dir, "template_vixen")
    with psycopg.connect(url, autocommit=True) as connection:
        for setting in ("fsync = off", "synchronous_commit = off", "full_page_writes = off"):
            connection.execute(f"ALTER SYSTEM SET {setting}")
        connection.execute("SELECT pg_reload_conf()")
    migrate.upgrade(url)
    yield url
    embedded.stop(data_dir)


@pytest.fixture
def database_url(postgres_url: str) -> Generator[str]:
    """URL of a fresh database whose schema the migrations built."""
    name = f"t_{os.getpid()}_{next(_numbers)}"
    admin = postgres_url.replace("/template_vixen", "/postgres")
    embedded.create_database(admin, name, template="template_vixen")
    yield postgres_url.replace("/template_vixen", f"/{name}")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        )


@pytest.fixture
def database(database_url: str) -> Generator[Database]:
    database = Database(database_url)
    yield database
    database.dispose()


@pytest.fixture
def sandbox(postgres_url: str, tmp_path: Path) -> Generator[Sandbox]:
    """A provider sandbox of its own, in a thread, with its own empty database."""
    name = f"s_{os.getpid()}_{next(_numbers)}"
    admin = postgres_url.replace("/template_vixen", "/postgres")
    embedded.create_database(admin, name)
    url = postgres_url.replace("/template_vixen", f"/{name}")
    with sandbox_server(url, tmp_path / "objects") as running:
        yield running
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        )


@pytest.fixture
def settings(
    request: pytest.FixtureRequest,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Settings:
    """Settings for the test's own database; for the sandbox too where the test asks for one."""
    monkeypatch.setenv("VIXEN_HOME", str(tmp_path))  # no runtime.json of a running instance
    values: dict[str, Any] = {"home": tmp_path, "database_url": database_url}
    if "sandbox" in request.fixturenames:
        sandbox = request.getfixturevalue("sandbox")
        values["sandbox_url"] = sandbox.url
        values["sandbox_token"] = sandbox.token
        values["replicate_webhook_secrets"] = sandbox.webhook_secret
    else:
        values["sandbox_token"] = "no-sandbox-in-this-test"
    return load_settings(**values)


@pytest.fixture
def services(settings: Settings, database: Database) -> Generator[Services]:
    """The composed core on the test's own database; replace parts with `Services(settings, …)`."""
    with Services(settings, database=database) as services:
        yield services
