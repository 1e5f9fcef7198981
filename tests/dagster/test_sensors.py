"""The sensor around the decision: it reads Dagster's runs and asks for at most one drain."""

from __future__ import annotations

from collections.abc import Generator
from datetime import timedelta

import dagster as dg
import pytest
from dagster_fakes import FakeServices, fake_system

from assets.jobs import drain_job
from assets.partitions import AVATARS
from sensors.drains import MAX_NEW_PARTITIONS, drain_sensor, gather
from sensors.failures import first_line, run_failures
from vixen_pipeline.clock import SystemClock

SYSTEM = fake_system()
JOB = drain_job(SYSTEM)
SENSOR = drain_sensor(SYSTEM, JOB)


@pytest.fixture
def instance() -> Generator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def fakes() -> FakeServices:
    services = FakeServices(avatars=["fitness:luna", "travel:kai"])
    services.clock = SystemClock()  # type: ignore[assignment] - compared with Dagster's own times
    return services


def tick(instance: dg.DagsterInstance, services: FakeServices) -> dg.SensorResult:
    with dg.build_sensor_context(instance=instance, resources={"vixen": services}) as context:
        result = SENSOR(context)
    assert isinstance(result, dg.SensorResult)
    return result


def run_in(
    instance: dg.DagsterInstance, status: dg.DagsterRunStatus, *, tags: dict[str, str] | None = None
) -> dg.DagsterRun:
    run = instance.create_run_for_job(JOB, status=status, tags=tags)
    if status is dg.DagsterRunStatus.STARTED:
        instance.report_engine_event("begins", run)
    return run


def test_new_avatars_become_partitions_and_one_run_is_asked_for(
    instance: dg.DagsterInstance, fakes: FakeServices
) -> None:
    result = tick(instance, fakes)
    (request,) = result.run_requests or []
    assert request.run_key
    assert request.tags["vixen/facts"] == request.run_key.partition(":")[0]
    (addition,) = result.dynamic_partitions_requests or []
    assert list(addition.partition_keys) == fakes.avatars


def test_known_partitions_are_not_added_again(
    instance: dg.DagsterInstance, fakes: FakeServices
) -> None:
    instance.add_dynamic_partitions(AVATARS, ["fitness:luna"])
    (addition,) = tick(instance, fakes).dynamic_partitions_requests or []
    assert list(addition.partition_keys) == ["travel:kai"]


def test_a_tick_adds_a_bounded_number_of_partitions(
    instance: dg.DagsterInstance, fakes: FakeServices
) -> None:
    fakes.avatars = [f"fitness:a{number}" for number in range(MAX_NEW_PARTITIONS + 100)]
    (addition,) = tick(instance, fakes).dynamic_partitions_requests or []
    assert list(addition.partition_keys) == fakes.avatars[:MAX_NEW_PARTITIONS]


def test_nothing_to_do_is_a_skip_with_a_reason(instance: dg.DagsterInstance) -> None:
    services = FakeServices()
    result = tick(instance, services)
    assert not result.run_requests
    assert result.skip_reason is not None
    assert result.skip_reason.skip_message == "Nothing to do."


@pytest.mark.parametrize(
    "status",
    [
        dg.DagsterRunStatus.NOT_STARTED,
        dg.DagsterRunStatus.STARTING,
        dg.DagsterRunStatus.STARTED,
        dg.DagsterRunStatus.CANCELING,
    ],
)
def test_while_a_drain_is_queued_or_running_no_other_is_asked_for(
    instance: dg.DagsterInstance, fakes: FakeServices, status: dg.DagsterRunStatus
) -> None:
    run_in(instance, status)
    assert not tick(instance, fakes).run_requests


def test_a_tick_that_is_repeated_asks_for_the_same_run(
    instance: dg.DagsterInstance, fakes: FakeServices
) -> None:
    (first,) = tick(instance, fakes).run_requests or []
    (second,) = tick(instance, fakes).run_requests or []
    assert first.run_key == second.run_key


def test_a_drain_whose_process_is_gone_is_closed_and_replaced(
    instance: dg.DagsterInstance, fakes: FakeServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sensors.decisions.LOCK_GRACE", timedelta(seconds=-1))
    run = instance.create_run_for_job(JOB, status=dg.DagsterRunStatus.STARTED)
    record = instance.get_run_record_by_id(run.run_id)
    assert record is not None
    fakes.locks.taken.add(("drain", "fakes"))
    assert not tick(instance, fakes).run_requests  # somebody holds the lock: it lives
    fakes.locks.taken.clear()
    monkeypatch.setattr("sensors.drains._moment", lambda _timestamp: fakes.clock.now())
    monkeypatch.setattr(dg.RunRecord, "start_time", property(lambda self: 1.0), raising=False)
    (request,) = tick(instance, fakes).run_requests or []
    assert request.run_key and request.run_key.endswith(run.run_id)
    buried = instance.get_run_by_id(run.run_id)
    assert buried is not None
    assert buried.status is dg.DagsterRunStatus.FAILURE


def test_a_failed_read_fails_the_tick_and_is_not_taken_for_nothing(
    instance: dg.DagsterInstance,
) -> None:
    class Broken(FakeServices):
        def ready(self, stage: object) -> list[str]:
            raise ConnectionError("the database does not answer")

    with pytest.raises(ConnectionError):
        tick(instance, Broken(avatars=["fitness:luna"]))


def test_facts_hold_the_last_drains_newest_first(
    instance: dg.DagsterInstance, fakes: FakeServices
) -> None:
    first = run_in(instance, dg.DagsterRunStatus.SUCCESS, tags={"vixen/facts": "one"})
    second = run_in(instance, dg.DagsterRunStatus.FAILURE, tags={"vixen/facts": "two"})
    facts = gather(instance, fakes, SYSTEM, JOB.name)  # type: ignore[arg-type]
    assert [(run.run_id, run.succeeded, run.digest) for run in facts.finished] == [
        (second.run_id, False, "two"),
        (first.run_id, True, "one"),
    ]


def test_a_failed_run_becomes_one_log_line(
    instance: dg.DagsterInstance, capsys: pytest.CaptureFixture[str]
) -> None:
    @dg.op
    def breaks() -> None:
        raise ValueError("boom")

    @dg.job
    def broken() -> None:
        breaks()

    result = broken.execute_in_process(instance=instance, raise_on_error=False)
    capsys.readouterr()
    context = dg.build_run_status_sensor_context(
        sensor_name="run_failures",
        dagster_event=result.get_run_failure_event(),
        dagster_instance=instance,
        dagster_run=result.dagster_run,
    ).for_run_failure()
    run_failures(context)
    told = capsys.readouterr()
    assert "dagster.run_failed" in told.out + told.err
    assert result.run_id in told.out + told.err


def test_the_reason_is_one_line_and_never_a_stack_trace() -> None:
    assert first_line("it broke\n  at line 3") == "it broke"
    assert first_line("  ") == "unknown"
    assert len(first_line("x" * 5000)) == 300
