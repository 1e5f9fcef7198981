"""Keeping Dagster's own storage small: its event log grows without bound otherwise.

Belongs here: what is deleted from the event log, and when. Does not: our own tables; ticks, which
the instance purges by itself (dagster.yaml); runs, because deleting a run deletes the
materializations it recorded and forgets its run key.

Kept for ever: materializations, observations, check evaluations, and how runs started and ended.

No `from __future__ import annotations` here: Dagster reads the parameter types of operations.
"""
# Dagster's config classes and decorators are untyped for the checker at this edge.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false

from collections.abc import Mapping
from datetime import timedelta

import dagster as dg
from pydantic import Field

from resources.core import EVENT_LOG_KEY, event_log_url

BATCH_ROWS = 5_000

TRANSITORY = (
    "ASSET_CHECK_EVALUATION_PLANNED",
    "ENGINE_EVENT",
    "HANDLED_OUTPUT",
    "HOOK_COMPLETED",
    "HOOK_SKIPPED",
    "LOADED_INPUT",
    "LOGS_CAPTURED",
    "OBJECT_STORE_OPERATION",
    "PIPELINE_DEQUEUED",
    "PIPELINE_ENQUEUED",
    "PIPELINE_STARTING",
    "RESOURCE_INIT_STARTED",
    "RESOURCE_INIT_SUCCESS",
    "STEP_INPUT",
    "STEP_OUTPUT",
    "STEP_START",
    "STEP_SUCCESS",
    "STEP_WORKER_STARTED",
    "STEP_WORKER_STARTING",
)
"""How a step went, second by second: of interest while somebody still looks into the run."""

_DELETE = """
DELETE FROM event_logs WHERE id IN (
    SELECT id FROM event_logs WHERE {condition} AND timestamp < :before ORDER BY id LIMIT :limit
)
"""
_CONDITIONS = {
    "debug_lines": "dagster_event_type IS NULL AND (event::jsonb ->> 'level')::int <= 10",
    "log_lines": "dagster_event_type IS NULL",
    "transitory_events": "dagster_event_type = ANY(:transitory)",
}


class RetentionConfig(dg.Config):
    """How long each kind of row is kept."""

    debug_days: int = Field(default=7, ge=1, description="Debug lines of runs.")
    log_days: int = Field(default=60, ge=1, description="All other log lines of runs.")
    transitory_days: int = Field(default=30, ge=1, description="Step by step events.")


@dg.op(
    description="Deletes old log lines and step events from Dagster's event log, batch by batch.",
    required_resource_keys={EVENT_LOG_KEY},
)
def purge_event_log(context: dg.OpExecutionContext, config: RetentionConfig) -> None:
    days = {
        "debug_lines": config.debug_days,
        "log_lines": config.log_days,
        "transitory_events": config.transitory_days,
    }
    url = event_log_url(context)
    deleted = purge(url, {kind: timedelta(days=count) for kind, count in days.items()})
    context.log.info(", ".join(f"{count} {kind}" for kind, count in deleted.items()) + " deleted.")


@dg.job(
    name="dagster_retention",
    description="Keeps Dagster's event log small; materializations and checks stay for ever.",
    tags={"vixen/system": "operations"},
)
def dagster_retention() -> None:
    purge_event_log()


def purge(url: str, keep: Mapping[str, timedelta]) -> dict[str, int]:
    """Delete what is older than `keep` says, per kind; returns how many rows of each.

    Small transactions, so that running runs never wait for it.
    """
    from datetime import UTC, datetime

    from sqlalchemy import create_engine, text

    deleted: dict[str, int] = {}
    engine = create_engine(url)
    try:
        for kind, age in keep.items():
            before = (datetime.now(UTC) - age).replace(tzinfo=None)
            values = {"before": before, "limit": BATCH_ROWS, "transitory": list(TRANSITORY)}
            statement = text(_DELETE.format(condition=_CONDITIONS[kind]))
            deleted[kind] = 0
            while True:
                with engine.begin() as connection:
                    count = connection.execute(statement, values).rowcount
                deleted[kind] += count
                if count < BATCH_ROWS:
                    break
    finally:
        engine.dispose()
    return deleted
