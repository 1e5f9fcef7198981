"""Costs and stuck work as an asset, and the purge of Dagster's own event log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import dagster as dg
import psycopg
import pytest
from psycopg import sql
from sqlalchemy import create_engine, text

from assets.operations import operations_checks, provider_costs
from assets.retention import dagster_retention, purge
from sensors.stuck import due, stuck_work_checks
from vixen_pipeline.db import embedded
from vixen_pipeline.db.models import CostEntry, EffectRow, WebhookEvent
from vixen_pipeline.definitions import defs
from vixen_pipeline.services import Services


def run(services: Services) -> dg.ExecuteInProcessResult:
    with dg.DagsterInstance.ephemeral() as instance:
        return dg.materialize([provider_costs], instance=instance, resources={"vixen": services})


def metadata(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    (made,) = result.asset_materializations_for_node("provider_costs")
    return {
        name: [record.data for record in value.records]
        if isinstance(value, dg.TableMetadataValue)
        else value.value
        for name, value in made.metadata.items()
    }


def checks(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    return {e.check_name: e.passed for e in result.get_asset_check_evaluations()}


def cost(key: str, usd: str, sku: str = "gpu-h100") -> CostEntry:
    return CostEntry(
        key=key,
        provider="replicate",
        sku=sku,
        batch="training",
        units=Decimal(10),
        unit="second",
        usd=Decimal(usd),
        price_version="2026-01",
    )


def test_an_empty_instance_has_costs_of_zero_and_green_checks(services: Services) -> None:
    result = run(services)
    assert metadata(result)["usd"] == 0.0
    assert checks(result) == {"no_effect_past_its_deadline": True, "no_dead_letters": True}


def test_costs_are_summed_and_shown_by_product_and_avatar(services: Services) -> None:
    with services.database.begin() as session:
        session.add_all([cost("a", "1.25"), cost("b", "0.75"), cost("c", "0.5", "gpu-l40s")])
    found = metadata(run(services))
    assert found["usd"] == 2.5
    assert found["today_usd"] == 2.5
    assert [(row["sku"], Decimal(row["usd"])) for row in found["by_sku"]] == [
        ("gpu-h100", Decimal(2)),
        ("gpu-l40s", Decimal("0.5")),
    ]
    assert [row["avatar"] for row in found["by_avatar"]] == ["unattributed"]


def test_what_is_past_its_deadline_or_dead_turns_the_checks_red(services: Services) -> None:
    with services.database.begin() as session:
        session.add(
            EffectRow(
                kind="training",
                provider="replicate",
                key="t1",
                request={},
                request_digest="x",
                deadline_s=60,
                deadline=datetime.now(UTC) - timedelta(hours=1),
            )
        )
        session.add(WebhookEvent(provider="replicate", event_id="e1", body=b"{}", state="dead"))
    assert checks(run(services)) == {
        "no_effect_past_its_deadline": False,
        "no_dead_letters": False,
    }


def test_late_work_turns_the_checks_red_and_green_again_between_the_daily_runs(
    services: Services,
) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert not due(instance, services)
        with services.database.begin() as session:
            session.add(WebhookEvent(provider="replicate", event_id="e1", body=b"{}", state="dead"))
        for dead in (True, False):
            assert due(instance, services)
            result = operations_checks.execute_in_process(
                instance=instance, resources={"vixen": services}
            )
            assert checks(result) == {
                "no_effect_past_its_deadline": True,
                "no_dead_letters": not dead,
            }
            with services.database.begin() as session:
                session.execute(text("DELETE FROM landing.webhook_events"))
        assert not due(instance, services)


def test_the_checks_are_due_every_five_minutes() -> None:
    assert stuck_work_checks.cron_schedule == "*/5 * * * *"
    assert defs.get_repository_def().has_schedule_def("stuck_work_checks")


@pytest.fixture
def dagster_url(postgres_url: str) -> str:
    """A database with Dagster's own tables and some old and new rows."""
    from dagster_postgres.event_log import PostgresEventLogStorage

    name = f"dagster_{datetime.now(UTC):%H%M%S%f}"
    admin = postgres_url.replace("/template_vixen", "/postgres")
    embedded.create_database(admin, name)
    url = postgres_url.replace("/template_vixen", f"/{name}")
    url = url.replace("postgresql://", "postgresql+psycopg2://")
    PostgresEventLogStorage(url, should_autocreate_tables=True).dispose()
    yield url  # type: ignore[misc]
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        )


def insert(url: str, rows: list[tuple[str | None, int, int]]) -> None:
    """(event type, level, age in days) per row."""
    engine = create_engine(url)
    with engine.begin() as connection:
        for kind, level, days in rows:
            connection.execute(
                text(
                    "INSERT INTO event_logs (run_id, event, dagster_event_type, timestamp) VALUES"
                    " ('r', :event, :kind, (now() AT TIME ZONE 'UTC') - make_interval(days => :d))"
                ),
                {"event": f'{{"level": {level}}}', "kind": kind, "d": days},
            )
    engine.dispose()


def left(url: str) -> list[tuple[str | None, int]]:
    engine = create_engine(url)
    with engine.begin() as connection:
        found = connection.execute(
            text(
                "SELECT dagster_event_type, (now() AT TIME ZONE 'UTC')::date - timestamp::date"
                " FROM event_logs ORDER BY id"
            )
        ).all()
    engine.dispose()
    return [(row[0], row[1]) for row in found]


ROWS = [
    (None, 10, 8),
    (None, 10, 2),
    (None, 20, 8),
    (None, 20, 90),
    ("STEP_OUTPUT", 10, 40),
    ("STEP_OUTPUT", 10, 3),
    ("ASSET_MATERIALIZATION", 10, 4000),
    ("ASSET_CHECK_EVALUATION", 10, 4000),
    ("PIPELINE_FAILURE", 40, 4000),
    ("STEP_FAILURE", 40, 4000),
]


def test_the_purge_takes_old_lines_and_leaves_what_happened(dagster_url: str) -> None:
    insert(dagster_url, ROWS)
    keep = {
        "debug_lines": timedelta(days=7),
        "log_lines": timedelta(days=60),
        "transitory_events": timedelta(days=30),
    }
    assert purge(dagster_url, keep) == {"debug_lines": 1, "log_lines": 1, "transitory_events": 1}
    assert left(dagster_url) == [
        (None, 2),
        (None, 8),
        ("STEP_OUTPUT", 3),
        ("ASSET_MATERIALIZATION", 4000),
        ("ASSET_CHECK_EVALUATION", 4000),
        ("PIPELINE_FAILURE", 4000),
        ("STEP_FAILURE", 4000),
    ]
    assert sum(purge(dagster_url, keep).values()) == 0


def test_the_purge_goes_through_many_batches(
    dagster_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assets.retention.BATCH_ROWS", 2)
    insert(dagster_url, [(None, 20, 90)] * 7)
    assert purge(dagster_url, {"log_lines": timedelta(days=60)}) == {"log_lines": 7}


def test_the_retention_job_purges_the_instance_it_runs_in(dagster_url: str) -> None:
    from resources.core import EventLogDatabase

    insert(dagster_url, ROWS)
    with dg.DagsterInstance.ephemeral() as instance:
        result = dagster_retention.execute_in_process(
            instance=instance,
            resources={"event_log": EventLogDatabase(url=dagster_url)},
            run_config={"ops": {"purge_event_log": {"config": {"log_days": 5}}}},
        )
    assert result.success
    assert (None, 8) not in left(dagster_url)
