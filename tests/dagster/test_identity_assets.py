"""System 1's own assets on a real database: what an operator does by hand in the UI."""

from __future__ import annotations

from collections.abc import Generator

import dagster as dg
import pytest

from assets.identity import IDENTITY, identity_assets
from assets.partitions import AVATARS
from vixen_pipeline.services import Services


@pytest.fixture
def instance() -> Generator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(AVATARS, ["fitness:ghost"])
        yield instance


@pytest.mark.parametrize("asset", [stage.name for stage in IDENTITY.stages])
def test_a_key_added_by_hand_with_no_avatar_behind_it_fails_with_that_sentence(
    instance: dg.DagsterInstance, services: Services, asset: str
) -> None:
    result = dg.materialize(
        [identity_assets],
        instance=instance,
        resources={"vixen": services},
        selection=[asset],
        partition_key="fitness:ghost",
        raise_on_error=False,
    )
    assert not result.success
    (event,) = [e for e in result.all_events if e.event_type_value == "STEP_FAILURE"]
    data = event.step_failure_data.user_failure_data
    assert data is not None
    assert data.description is not None
    assert "no avatar has the key 'fitness:ghost'" in data.description
    assert "vixen avatar list" in data.description


def test_nothing_to_do_is_nothing_to_do(services: Services) -> None:
    assert list(IDENTITY.work(services)) == []
    assert list(IDENTITY.keys(services)) == []
    assert not any(IDENTITY.completed(services).values())
