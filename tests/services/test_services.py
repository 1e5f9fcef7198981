"""Services are made on first use, may be replaced, and cost no SDK import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from vixen_pipeline.db.session import Database
from vixen_pipeline.errors import Unavailable
from vixen_pipeline.providers.ports import ObjectStore
from vixen_pipeline.services import Services
from vixen_pipeline.settings import Settings

SDKS = "replicate, openai, anthropic, modal, stripe, boto3, pandas, numpy, PIL, dagster, yaml"


def test_importing_the_services_imports_no_sdk() -> None:
    code = (
        "import sys, vixen_pipeline.services;"
        f"print([name for name in {SDKS!r}.split(', ') if name in sys.modules])"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root
    )
    assert done.stdout.strip() == "[]"


def test_a_given_part_is_used_and_not_closed(settings: Settings, database: Database) -> None:
    class Store:
        """Stands in for any object store."""

    store: ObjectStore = Store()  # type: ignore[assignment]
    with Services(settings, database=database, objects=store) as services:
        assert services.objects is store
        assert services.database is database
        assert services.effects is services.effects
    with database.begin() as session:
        assert session.connection().exec_driver_sql("SELECT 1").scalar() == 1


def test_closing_gives_locks_and_slots_back(settings: Settings) -> None:
    with Services(settings) as first:
        assert first.locks.try_acquire("identity", 1)
        with first.slots.hold("replicate"), first.slots.hold("text"):
            pass
    with Services(settings) as second:
        assert second.locks.try_acquire("identity", 1)


def test_closing_what_was_never_used_connects_to_nothing(settings: Settings) -> None:
    away = settings.model_copy(update={"database_url": None})
    Services(away).close()
    assert not away.postgres_dir.exists()


def test_a_database_that_is_away_is_one_clear_line(settings: Settings) -> None:
    from pydantic import SecretStr

    nowhere = SecretStr("postgresql://nobody@127.0.0.1:1/none")
    services = Services(settings.model_copy(update={"database_url": nowhere}))
    with services, pytest.raises(Unavailable, match="the database does not answer"):
        services.inbox.pending("replicate")
