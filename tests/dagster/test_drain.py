"""The drain: one process for all avatars, each recorded on its own partition."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import dagster as dg
import pytest
from dagster_fakes import FakeServices, Say, failed, fake_system, good

from assets.jobs import drain_job
from assets.partitions import AVATARS
from vixen_pipeline.stages import StageResult

KEYS = ["fitness:luna", "fitness:mia", "travel:kai"]


@pytest.fixture
def instance() -> Generator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def drain(
    instance: dg.DagsterInstance,
    services: FakeServices,
    say: Say = lambda _s, _k: None,
    **config: Any,
) -> dg.ExecuteInProcessResult:
    return drain_job(fake_system(say)).execute_in_process(
        instance=instance,
        resources={"vixen": services},
        run_config={"ops": {"drain": {"config": {"linger_seconds": 0.0, **config}}}},
        raise_on_error=False,
    )


def materialized(instance: dg.DagsterInstance, asset: str) -> set[str]:
    return set(instance.get_materialized_partitions(dg.AssetKey(asset)))


def test_every_avatar_is_recorded_on_its_own_partition_with_its_checks(
    instance: dg.DagsterInstance,
) -> None:
    result = drain(instance, FakeServices(avatars=list(KEYS)))
    assert result.success
    assert list(instance.get_dynamic_partitions(AVATARS)) == KEYS
    for stage in ("first", "second", "third"):
        assert materialized(instance, stage) == set(KEYS)
    checks = [
        entry.dagster_event.asset_check_evaluation_data
        for entry in instance.all_logs(result.run_id)
        if entry.dagster_event and entry.dagster_event.event_type_value == "ASSET_CHECK_EVALUATION"
    ]
    assert {(c.asset_key.to_user_string(), c.check_name, c.partition) for c in checks} == {
        (stage, check, key)
        for stage in ("first", "second", "third")
        for check in ("sharp", "pretty", "completed")
        for key in KEYS
    }
    assert all(check.passed for check in checks)


def test_a_failed_avatar_is_shown_and_the_run_succeeds(instance: dg.DagsterInstance) -> None:
    def say(stage: str, key: str) -> StageResult | None:
        return failed(key) if (stage, key) == ("second", "fitness:mia") else None

    result = drain(instance, FakeServices(avatars=list(KEYS)), say)
    assert result.success
    assert materialized(instance, "third") == {"fitness:luna", "travel:kai"}
    (observed,) = instance.fetch_observations(dg.AssetKey("second"), limit=10).records
    assert observed.asset_observation is not None
    assert observed.asset_observation.partition == "fitness:mia"
    assert observed.asset_observation.metadata["next_step"].value == (
        "Change the spec and add it again."
    )
    red = [
        entry.dagster_event.asset_check_evaluation_data
        for entry in instance.all_logs(result.run_id)
        if entry.dagster_event
        and entry.dagster_event.event_type_value == "ASSET_CHECK_EVALUATION"
        and not entry.dagster_event.asset_check_evaluation_data.passed
    ]
    assert [(c.asset_key.to_user_string(), c.check_name, c.partition) for c in red] == [
        ("second", "completed", "fitness:mia")
    ]


def test_a_blocking_check_that_fails_does_not_fail_the_run(instance: dg.DagsterInstance) -> None:
    result = drain(
        instance,
        FakeServices(avatars=list(KEYS)),
        lambda stage, key: good(key, sharp=False) if stage == "third" else None,
    )
    assert result.success
    assert materialized(instance, "third") == set(KEYS)


def test_something_unexpected_fails_the_run(instance: dg.DagsterInstance) -> None:
    services = FakeServices(avatars=list(KEYS), breaks=RuntimeError("the disk is full"))
    result = drain(instance, services)
    assert not result.success
    (event,) = [e for e in result.all_events if e.event_type_value == "STEP_FAILURE"]
    assert "the disk is full" in str(event.step_failure_data.error)


def test_it_lingers_and_takes_what_lands_meanwhile_in_the_same_run(
    instance: dg.DagsterInstance,
) -> None:
    services = FakeServices(avatars=["fitness:luna"], lands_later=[[], [], ["travel:kai"]])
    services.clock.sleep = lambda seconds: None  # type: ignore[method-assign]
    result = drain(instance, services, linger_seconds=0.5)
    assert result.success
    assert materialized(instance, "third") == {"fitness:luna", "travel:kai"}


def test_what_was_made_but_not_recorded_before_a_kill_is_recorded_now(
    instance: dg.DagsterInstance,
) -> None:
    services = FakeServices(avatars=["fitness:luna"], made={("first", "fitness:luna")})
    result = drain(instance, services)
    assert result.success
    assert materialized(instance, "first") == {"fitness:luna"}
    assert materialized(instance, "third") == {"fitness:luna"}


def test_nothing_is_recorded_twice(instance: dg.DagsterInstance) -> None:
    services = FakeServices(avatars=["fitness:luna"])
    assert drain(instance, services).success
    assert drain(instance, services).success
    assert len(instance.fetch_materializations(dg.AssetKey("third"), limit=10).records) == 1


def test_a_second_drain_leaves_the_field_to_the_first(instance: dg.DagsterInstance) -> None:
    services = FakeServices(avatars=list(KEYS))
    services.locks.taken.add(("drain", "fakes"))
    assert drain(instance, services).success
    assert services.calls == []


def test_only_the_chosen_avatars_and_stages_are_touched(instance: dg.DagsterInstance) -> None:
    services = FakeServices(avatars=list(KEYS))
    assert drain(instance, services, avatars=["travel:kai"], stages=["first"]).success
    assert services.made == {("first", "travel:kai")}
