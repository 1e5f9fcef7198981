"""The assets that operators materialize by hand: one operation, many avatars, exact partitions."""

from __future__ import annotations

from collections.abc import Generator

import dagster as dg
import pytest
from dagster_fakes import FakeServices, Say, failed, fake_system, good

from assets.factory import system_assets
from assets.partitions import AVATARS, avatar_partitions
from vixen_pipeline.stages import StageResult

KEYS = ["fitness:luna", "fitness:mia", "travel:kai"]
STAGES = ["first", "second", "third"]


@pytest.fixture
def instance() -> Generator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(AVATARS, KEYS)
        yield instance


def materialize(
    instance: dg.DagsterInstance,
    say: Say = lambda _s, _k: None,
    *,
    services: FakeServices | None = None,
    selection: list[str] | None = None,
    first: str = KEYS[0],
    last: str = KEYS[-1],
    wait_seconds: float = 0.0,
) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [system_assets(fake_system(say))],
        instance=instance,
        resources={"vixen": services or FakeServices()},
        selection=selection,
        tags={
            "dagster/asset_partition_range_start": first,
            "dagster/asset_partition_range_end": last,
        },
        run_config={"ops": {"fakes": {"config": {"wait_seconds": wait_seconds}}}},
        raise_on_error=False,
    )


def statuses(instance: dg.DagsterInstance, asset: str) -> dict[str, str]:
    found = instance.get_status_by_partition(dg.AssetKey(asset), KEYS, avatar_partitions)
    return {key: status.value if status else "MISSING" for key, status in (found or {}).items()}


def materialized(instance: dg.DagsterInstance, asset: str) -> set[str]:
    return set(instance.get_materialized_partitions(dg.AssetKey(asset)))


def evaluations(
    instance: dg.DagsterInstance, run_id: str
) -> dict[tuple[str, str, str | None], dg.AssetCheckEvaluation]:
    found = {}
    for entry in instance.all_logs(run_id):
        event = entry.dagster_event
        if event is not None and event.event_type_value == "ASSET_CHECK_EVALUATION":
            data = event.asset_check_evaluation_data
            found[data.asset_key.to_user_string(), data.check_name, data.partition] = data
    return found


def failure_text(result: dg.ExecuteInProcessResult) -> str:
    (event,) = [e for e in result.all_events if e.event_type_value == "STEP_FAILURE"]
    data = event.step_failure_data
    assert data.user_failure_data is not None
    return data.user_failure_data.description or ""


def test_one_run_materializes_every_stage_of_every_avatar(instance: dg.DagsterInstance) -> None:
    services = FakeServices()
    result = materialize(instance, services=services)
    assert result.success
    assert all(materialized(instance, stage) == set(KEYS) for stage in STAGES)
    assert services.calls == [(stage, tuple(KEYS)) for stage in STAGES]


def test_each_materialization_carries_the_whole_metadata_schema(
    instance: dg.DagsterInstance,
) -> None:
    materialize(instance)
    records = instance.fetch_materializations(dg.AssetKey("first"), limit=10).records
    assert len(records) == len(KEYS)
    for record in records:
        metadata = record.asset_materialization.metadata  # pyright: ignore
        assert metadata["items"].value == 3
        assert metadata["usd"].value == 0.25
        assert metadata["seconds"] == dg.MetadataValue.null()


def test_a_failed_avatar_is_named_and_the_others_go_all_the_way(
    instance: dg.DagsterInstance,
) -> None:
    def say(stage: str, key: str) -> StageResult | None:
        return failed(key) if (stage, key) == ("second", "fitness:mia") else None

    services = FakeServices()
    result = materialize(instance, say, services=services)
    assert not result.success
    assert materialized(instance, "first") == set(KEYS)
    assert materialized(instance, "third") == {"fitness:luna", "travel:kai"}
    assert statuses(instance, "second")["fitness:mia"] == "FAILED"
    assert ("third", ("fitness:luna", "travel:kai")) in services.calls
    text = failure_text(result)
    assert "1 of 3 avatars" in text
    assert "fitness:mia: second failed: the provider refused the prompt." in text
    assert "Change the spec and add it again." in text
    assert "luna" not in text


def test_a_failing_blocking_check_stops_that_avatar_only(instance: dg.DagsterInstance) -> None:
    def say(stage: str, key: str) -> StageResult | None:
        return good(key, sharp=False) if (stage, key) == ("first", "travel:kai") else None

    result = materialize(instance, say)
    assert not result.success
    assert materialized(instance, "first") == set(KEYS)
    assert materialized(instance, "second") == {"fitness:luna", "fitness:mia"}
    found = evaluations(instance, result.run_id)
    assert not found["first", "sharp", "travel:kai"].passed
    assert found["first", "sharp", "fitness:luna"].passed
    assert ("second", "sharp", "travel:kai") not in found
    assert "travel:kai: first does not pass its checks: sharp: Edges are missing." in failure_text(
        result
    )


def test_not_measured_is_never_a_pass(instance: dg.DagsterInstance) -> None:
    def say(stage: str, key: str) -> StageResult | None:
        return good(key, sharp=None) if stage == "first" else None

    result = materialize(instance, say)
    assert not result.success
    evaluation = evaluations(instance, result.run_id)["first", "sharp", KEYS[0]]
    assert not evaluation.passed
    assert evaluation.metadata["measured"].value is False


def test_a_check_that_the_stage_forgot_to_report_counts_as_not_measured(
    instance: dg.DagsterInstance,
) -> None:
    def say(_stage: str, key: str) -> StageResult | None:
        return StageResult(avatar=key, outcome="made")

    result = materialize(instance, say, selection=["first"])
    assert not result.success
    assert not evaluations(instance, result.run_id)["first", "sharp", KEYS[0]].passed


def test_a_permanent_failure_is_not_retried(instance: dg.DagsterInstance) -> None:
    services = FakeServices()
    result = materialize(
        instance, lambda s, k: failed(k) if s == "first" else None, services=services
    )
    assert not result.success
    assert len(services.calls) == 1
    assert not [e for e in result.all_events if e.event_type_value == "STEP_UP_FOR_RETRY"]


def test_a_passing_failure_is_retried_and_then_only_that_is_done(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assets.batch.TRANSIENT_DELAY", 0.0)
    tries: list[str] = []

    def say(stage: str, key: str) -> StageResult | None:
        if (stage, key) != ("second", "travel:kai"):
            return None
        tries.append(key)
        return failed(key, permanent=False) if len(tries) == 1 else None

    result = materialize(instance, say)
    assert result.success
    assert len(tries) == 2
    assert materialized(instance, "third") == set(KEYS)


def test_waiting_ends_the_run_in_peace_and_leaves_the_partition_unmade(
    instance: dg.DagsterInstance,
) -> None:
    def say(stage: str, key: str) -> StageResult | None:
        waits = stage == "second" and key != "fitness:luna"
        return StageResult(key, "waiting", waits_for="training abc") if waits else None

    result = materialize(instance, say)
    assert result.success
    assert materialized(instance, "second") == {"fitness:luna"}
    assert materialized(instance, "third") == {"fitness:luna"}
    told = [entry.user_message for entry in instance.all_logs(result.run_id)]
    assert any("fitness:mia: second waits for training abc." in line for line in told)


def test_with_patience_the_run_waits_for_what_is_under_way(instance: dg.DagsterInstance) -> None:
    asked: list[str] = []

    def say(stage: str, key: str) -> StageResult | None:
        if (stage, key) != ("second", "travel:kai"):
            return None
        asked.append(key)
        return StageResult(key, "waiting", waits_for="training") if len(asked) < 4 else None

    assert materialize(instance, say, wait_seconds=60).success
    assert len(asked) == 4
    assert materialized(instance, "third") == set(KEYS)


def test_an_avatar_whose_earlier_stage_is_missing_is_refused_with_the_reason(
    instance: dg.DagsterInstance,
) -> None:
    def say(_stage: str, key: str) -> StageResult | None:
        return StageResult(key, "blocked", error="it has no first", next_step="Make it.")

    result = materialize(instance, say, selection=["second"], last=KEYS[0])
    assert "1 of 1 avatar did not get there" in failure_text(result)
    assert "fitness:luna: second cannot start: it has no first. Make it." in failure_text(result)


def test_making_it_again_changes_nothing_and_is_recorded_again(
    instance: dg.DagsterInstance,
) -> None:
    services = FakeServices()
    assert materialize(instance, services=services).success
    assert materialize(instance, services=services, selection=["second"]).success
    assert services.calls[-1] == ("second", tuple(KEYS))
    records = instance.fetch_materializations(dg.AssetKey("second"), limit=10).records
    assert len(records) == 2 * len(KEYS)


def test_assets_say_who_owns_them_and_what_they_are() -> None:
    assets = system_assets(fake_system())
    assert assets.can_subset
    for spec in assets.specs:
        assert spec.group_name == "fakes"
        assert list(spec.owners) == ["team:identity"]
        assert spec.kinds == {"python", "postgres"}
        assert spec.description
    checks = {(c.asset_key.to_user_string(), c.name): c for c in assets.check_specs}
    assert checks["first", "sharp"].blocking
    assert not checks["first", "pretty"].blocking
    assert checks["third", "completed"].blocking
    assert all(check.partitions_def == avatar_partitions for check in checks.values())
