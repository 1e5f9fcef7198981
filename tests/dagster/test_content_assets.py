"""System 2's own assets on a real database: what an operator does by hand in the UI."""

from __future__ import annotations

import dagster as dg
import pytest

from assets.content import CONTENT, content_assets
from assets.partitions import AVATARS
from assets.selection import resolve
from vixen_pipeline.services import Services


@pytest.mark.parametrize("asset", [stage.name for stage in CONTENT.stages])
def test_a_key_added_by_hand_with_no_avatar_behind_it_fails_in_every_content_stage(
    services: Services, asset: str
) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(AVATARS, ["fitness:ghost"])
        result = dg.materialize(
            [content_assets],
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


def test_without_avatars_content_has_nothing_to_do_and_nothing_done(services: Services) -> None:
    assert list(CONTENT.work(services)) == []
    assert not any(CONTENT.completed(services).values())
    assert CONTENT.advance(services, None, CONTENT.stages, print, print) is None


def test_the_group_is_selected_by_its_name_from_exam_to_pieces() -> None:
    from assets.catalog import ASSETS

    selected = resolve(ASSETS, "group:content")
    assert set(selected.partitioned) == {stage.name for stage in CONTENT.stages}
    assert selected.partitioned[0] == "weights_exams"
    assert selected.partitioned[-1] == "content_pieces"
    assert selected.unpartitioned == ()


def test_content_comes_after_the_weights_in_the_lineage() -> None:
    from assets.catalog import ASSETS

    selected = resolve(ASSETS, "lora_weights+")
    assert {stage.name for stage in CONTENT.stages} < set(selected.partitioned)
