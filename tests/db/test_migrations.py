"""The schema that the migrations build is the schema that the models describe."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from vixen_pipeline.db import migrate, models
from vixen_pipeline.db.base import Base
from vixen_pipeline.db.session import Database

OURS = {"landing", "vixen"}


def test_models_and_migrations_describe_the_same_schema(database: Database) -> None:
    assert models.__all__
    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_schemas": True,
                "include_name": lambda name, kind, _: kind != "schema" or name in OURS,
                "version_table_schema": "vixen",
            },
        )
        assert compare_metadata(context, Base.metadata) == []


def test_upgrading_twice_changes_nothing(database_url: str) -> None:
    migrate.upgrade(database_url)
    current, head = migrate.revisions(database_url)
    assert current == head


def test_reset_leaves_an_empty_schema_at_the_newest_revision(database_url: str) -> None:
    migrate.reset(database_url)
    current, head = migrate.revisions(database_url)
    assert current == head
