"""The databases of an instance on a server that somebody else runs."""

from __future__ import annotations

from collections.abc import Generator

import psycopg
import pytest

from vixen_pipeline.db import siblings
from vixen_pipeline.errors import Unavailable, UserError
from vixen_pipeline.runtime import databases
from vixen_pipeline.settings import Settings, load_settings


def admin(postgres_url: str) -> str:
    return postgres_url.replace("/template_vixen", "/postgres")


@pytest.fixture
def role(postgres_url: str) -> Generator[str]:
    """A role that owns nothing and may create no database."""
    with psycopg.connect(admin(postgres_url), autocommit=True) as connection:
        connection.execute("CREATE ROLE plain LOGIN")
        yield "plain"
        connection.execute("DROP OWNED BY plain")
        connection.execute("DROP ROLE plain")


@pytest.fixture
def settings(database_url: str, postgres_url: str) -> Generator[Settings]:
    yield load_settings(database_url=database_url)
    with psycopg.connect(admin(postgres_url), autocommit=True) as connection:
        for url in (siblings.sandbox_url(database_url), _dagster(database_url)):
            name = url.partition("?")[0].rsplit("/", 1)[1]
            connection.execute(f'DROP DATABASE IF EXISTS "{name}"')


def _dagster(url: str) -> str:
    return siblings.dagster_url(load_settings(), url)


def test_siblings_are_created_beside_ours_and_named_after_it(settings: Settings, database_url: str):
    found = databases.make_ready(settings)
    again = databases.make_ready(settings)
    assert found == again
    assert not found.embedded
    for url in (found.main, found.dagster, found.sandbox):
        with psycopg.connect(url) as connection:
            row = connection.execute("SELECT current_database()").fetchone()
        assert row is not None
        assert row[0].startswith(database_url.partition("?")[0].rsplit("/", 1)[1])
    assert len({found.main, found.dagster, found.sandbox}) == 3


def test_the_default_names_are_those_of_the_manual():
    url = "postgresql://u@h/vixen"
    assert siblings.dagster_url(load_settings(), url) == "postgresql://u@h/dagster"
    assert siblings.sandbox_url(url) == "postgresql://u@h/vixen_sandbox"
    assert siblings.dagster_storage_url(url) == "postgresql+psycopg2://u@h/vixen"


def test_addresses_with_odd_folders_and_passwords_survive_every_spelling():
    url = "postgresql://u:p%40%3A+%2F@h:5/vixen?host=/a%20b/it%27s&port=5432"
    plain = siblings.plain_url(siblings.dagster_storage_url(url), "vixen")
    assert psycopg.conninfo.conninfo_to_dict(plain) == psycopg.conninfo.conninfo_to_dict(url)


def test_without_the_right_to_create_the_missing_database_is_named(
    database_url: str, role: str, settings: Settings
):
    mine = database_url.replace("postgres@", f"{role}@")
    with pytest.raises(UserError) as caught:
        databases.make_ready(load_settings(database_url=mine))
    assert "does not exist and cannot be created (permission denied" in caught.value.message
    assert settings


def test_a_server_that_is_away_is_said_without_the_password():
    with pytest.raises(Unavailable) as caught:
        databases.make_ready(load_settings(database_url="postgresql://u:hunter2@127.0.0.1:9/x"))
    assert "hunter2" not in str(caught.value)
    assert "127.0.0.1" in str(caught.value)
