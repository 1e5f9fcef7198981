"""Alembic's environment: the URL comes from the caller, never from a file."""

from __future__ import annotations

from alembic import context
from sqlalchemy import create_engine, pool, text

from vixen_pipeline.db import models as models
from vixen_pipeline.db.base import SCHEMAS, Base

LOCK_TIMEOUT = "5s"


def run() -> None:
    """Run migrations in one transaction, with a lock timeout so that traffic is never blocked."""
    url = context.config.attributes["url"]
    engine = create_engine(url, poolclass=pool.NullPool)
    with engine.begin() as connection:
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
        # Two processes that start together must not migrate together.
        connection.execute(text("SELECT pg_advisory_xact_lock(7140231)"))
        for schema in SCHEMAS:
            connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {schema}"))
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            include_schemas=True,
            version_table_schema="vixen",
        )
        context.run_migrations()


run()
