"""The sensor of a system: gathers facts, lets `decide` decide, asks for at most one drain.

Belongs here: reading Dagster's runs and the core's facts. Does not: the decision
(sensors/decisions.py), the work. A failed read is not an empty result: it fails the tick.

No `from __future__ import annotations` here: Dagster reads the parameter types of sensors.
"""
# Dagster's sensor decorator is untyped for the checker at this edge.
# pyright: reportUnknownMemberType=false

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg

from assets.drain import LOCK
from assets.partitions import AVATARS, avatar_partitions
from assets.system import System
from sensors.decisions import ActiveRun, Decision, Facts, FinishedRun, decide

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

INTERVAL_SECONDS = 3
"""The daemon's own loop is 5 s. At 5 every other tick would come a moment too early and be left
out, so that a tick would be 10 s. Lingering drains are faster than both."""

MAX_NEW_PARTITIONS = 500
"""Per tick: the daemon adds them one by one, about 20 ms each."""

DIGEST_TAG = "vixen/facts"
LOOK_BACK = 12

_ACTIVE = frozenset(
    {
        dg.DagsterRunStatus.QUEUED,
        dg.DagsterRunStatus.NOT_STARTED,
        dg.DagsterRunStatus.STARTING,
        dg.DagsterRunStatus.STARTED,
        dg.DagsterRunStatus.CANCELING,
    }
)


def drain_sensor(system: System, job: dg.JobDefinition) -> dg.SensorDefinition:
    """Adds partitions for new avatars, and asks for `job` when there is something to do."""

    @dg.sensor(
        name=f"{system.name}_sensor",
        description=f"Starts {job.name} when something has landed or is due, one run at a time.",
        job=job,
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def sensor(
        context: dg.SensorEvaluationContext, vixen: dg.ResourceParam[Any]
    ) -> dg.SensorResult:
        services: Services = vixen
        decision = decide(gather(context.instance, services, system, job.name))
        bury(context.instance, decision)
        new = new_partitions(context.instance, services, system)
        additions = [avatar_partitions.build_add_request(new)] if new else []
        if decision.run_key is None:
            return dg.SensorResult(
                skip_reason=decision.reason, dynamic_partitions_requests=additions
            )
        request = dg.RunRequest(run_key=decision.run_key, tags={DIGEST_TAG: decision.digest})
        return dg.SensorResult(run_requests=[request], dynamic_partitions_requests=additions)

    return sensor


def gather(
    instance: dg.DagsterInstance, services: "Services", system: System, job_name: str
) -> Facts:
    """What can be done, and what became of the last drains: two queries of ours, one of Dagster."""
    records = instance.get_run_records(dg.RunsFilter(job_name=job_name), limit=LOOK_BACK)
    active = [record for record in records if record.dagster_run.status in _ACTIVE]
    return Facts(
        now=services.clock.now(),
        work=tuple(system.work(services)),
        active=tuple(_active(record, services, system) for record in active),
        finished=tuple(_finished(record) for record in records if record not in active),
    )


def _active(record: dg.RunRecord, services: "Services", system: System) -> ActiveRun:
    run = record.dagster_run
    started = None if record.start_time is None else _moment(record.start_time)
    running = run.status is dg.DagsterRunStatus.STARTED
    return ActiveRun(run.run_id, started, lock_is_held(services, system) if running else None)


def _finished(record: dg.RunRecord) -> FinishedRun:
    run = record.dagster_run
    ended = _moment(record.end_time or record.update_timestamp.replace(tzinfo=UTC).timestamp())
    succeeded = run.status is dg.DagsterRunStatus.SUCCESS
    return FinishedRun(run.run_id, ended, succeeded, run.tags.get(DIGEST_TAG, ""))


def _moment(timestamp: float) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC)


def lock_is_held(services: "Services", system: System) -> bool:
    """Whether a process holds the drain's lock: the server frees it when the process dies."""
    if services.locks.try_acquire(LOCK, system.name):
        services.locks.release(LOCK, system.name)
        return False
    return True


def bury(instance: dg.DagsterInstance, decision: Decision) -> None:
    """Close the books of runs whose process is gone; nobody else would for an hour."""
    for run_id in decision.dead:
        run = instance.get_run_by_id(run_id)
        if run is not None and not run.is_finished:
            instance.report_run_failed(run, "The process of this drain is gone; a new one starts.")


def new_partitions(instance: dg.DagsterInstance, services: "Services", system: System) -> list[str]:
    """The next avatars without a partition, oldest first."""
    known = set(instance.get_dynamic_partitions(AVATARS))
    return [key for key in system.keys(services) if key not in known][:MAX_NEW_PARTITIONS]
