"""Schema upgrades by Alembic. Belongs here: run, inspect, reset. Not: the migrations themselves."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, pool, text

from vixen_pipeline.db.base import SCHEMAS, VIXEN
from vixen_pipeline.db.session import normalize_url

_MIGRATIONS = Path(__file__).parent / "migrations"


def _config(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["url"] = normalize_url(url)
    return config


def upgrade(url: str, revision: str = "head") -> None:
    """Bring the schema at `url` to `revision`. Safe to run twice and from two processes."""
    command.upgrade(_config(url), revision)


def revisions(url: str) -> tuple[str | None, str]:
    """The revision the database is at (None: never migrated) and the newest one in the code."""
    head = ScriptDirectory.from_config(_config(url)).get_current_head()
    assert head is not None
    engine = create_engine(normalize_url(url), poolclass=pool.NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table_schema": VIXEN})
        return context.get_current_revision(), head


def reset(url: str) -> None:
    """Drop our three schemas with everything in them, then upgrade. Data is gone."""
    engine = create_engine(normalize_url(url), poolclass=pool.NullPool)
    with engine.begin() as connection:
        for schema in reversed(SCHEMAS):
            connection.execute(text(f"DROP SCHEMA IF EXISTS {schema} CASCADE"))
    upgrade(url)
