"""Runs that failed, told to whoever reads the logs.

Belongs here: one structured line per failed run, from any job. Does not: retrying (the drain's
sensor and the core's backoff do that), telling people elsewhere (a log shipper's business).
"""
# Dagster's sensor decorator is untyped for the checker at this edge.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import dagster as dg

FIRST_LINE = 300


@dg.run_failure_sensor(
    name="run_failures",
    description="Writes one structured log line for each failed run.",
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=15,
)
def run_failures(context: dg.RunFailureSensorContext) -> None:
    import structlog

    run = context.dagster_run
    structlog.get_logger(__name__).error(
        "dagster.run_failed",
        run_id=run.run_id,
        job=run.job_name,
        partition=run.tags.get("dagster/partition"),
        backfill=run.tags.get("dagster/backfill"),
        reason=first_line(context.failure_event.message or ""),
    )


def first_line(message: str) -> str:
    """The start of a message: enough to know which failure it is, never a stack trace."""
    return message.strip().splitlines()[0][:FIRST_LINE] if message.strip() else "unknown"
