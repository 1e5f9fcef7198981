"""Late effects and dead letters, noticed within minutes.

Belongs here: when the checks are evaluated. Does not: the checks themselves (assets/operations.py).
A tick is two small queries of ours; a run starts only when something is stuck, or when a check is
still red although nothing is any more, so a quiet instance has no runs and no events from this.

No `from __future__ import annotations` here: Dagster reads the parameter types of schedules.
"""
# Dagster's schedule decorator is untyped for the checker at this edge.
# pyright: reportUnknownMemberType=false

from typing import TYPE_CHECKING, Any

import dagster as dg

from assets.operations import DEAD_CHECK, OVERDUE_CHECK, operations_checks, stuck_work

if TYPE_CHECKING:
    from vixen_pipeline.services import Services


@dg.schedule(
    name="stuck_work_checks",
    description="Turns the checks of provider_costs red, and green again, within five minutes.",
    job=operations_checks,
    cron_schedule="*/5 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def stuck_work_checks(
    context: dg.ScheduleEvaluationContext, vixen: dg.ResourceParam[Any]
) -> dg.RunRequest | dg.SkipReason:
    return dg.RunRequest() if due(context.instance, vixen) else dg.SkipReason("Nothing is stuck.")


def due(instance: dg.DagsterInstance, services: "Services") -> bool:
    """Whether the checks are to be evaluated now: something is stuck, or shown as stuck."""
    return any(not result.passed for result in stuck_work(services)) or any_red(instance)


def any_red(instance: dg.DagsterInstance) -> bool:
    """Whether the last evaluation of a check did not pass."""
    keys = [OVERDUE_CHECK.key, DEAD_CHECK.key]
    last = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    evaluations = [record.evaluation for record in last.values()]
    return any(evaluation is not None and not evaluation.passed for evaluation in evaluations)
