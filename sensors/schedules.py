"""What starts by the clock. Belongs here: schedules. Does not: reactions (sensors/drains.py)."""

from __future__ import annotations

import dagster as dg

from assets.operations import provider_costs
from assets.retention import dagster_retention

daily_costs = dg.ScheduleDefinition(
    name="daily_costs",
    description="Takes the day's costs into the asset graph, just after midnight UTC.",
    target=dg.AssetSelection.assets(provider_costs),
    cron_schedule="10 0 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)

daily_retention = dg.ScheduleDefinition(
    name="daily_retention",
    description="Purges Dagster's event log in the small hours.",
    job=dagster_retention,
    cron_schedule="40 3 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
