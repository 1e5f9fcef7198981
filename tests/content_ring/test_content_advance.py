"""Rounds of content: avatars flow through the stages beside each other, and failures stay alone."""

from __future__ import annotations

import threading

import pytest
from content_kit_ring import give_weights, row_stages
from vixen_identity import add_avatars
from vixen_testkit import wait_until

from vixen_pipeline.content.advance import advance
from vixen_pipeline.content.status import content_statuses
from vixen_pipeline.content.work import STAGE_OF_STATUS, work_available
from vixen_pipeline.errors import Unavailable
from vixen_pipeline.identity.attempts import record_failure
from vixen_pipeline.identity.registry import avatar_refs
from vixen_pipeline.stages import StageResult, no_progress

STAGES = list(STAGE_OF_STATUS.values())


def ready_avatars(services, *handles):
    avatars = add_avatars(services, *handles)
    for avatar in avatars:
        give_weights(services, avatar)
    return [avatar.key for avatar in avatars]


def go(services, before, keys=None):
    log: list[tuple[str, StageResult]] = []
    count = advance(
        services, keys, row_stages(before), no_progress, lambda name, r: log.append((name, r))
    )
    assert count == len(log)
    return log


def statuses(services):
    return {key: found.status for key, found in content_statuses(services).items()}


def test_one_round_takes_every_avatar_from_weights_to_pieces(services):
    keys = ready_avatars(services, "luna", "mara")
    log = go(services, lambda name, keys: None)
    assert sorted((name, r.avatar) for name, r in log) == sorted(
        (stage, key) for stage in STAGES for key in keys
    )
    assert set(statuses(services).values()) == {"ready"}
    assert go(services, lambda name, keys: pytest.fail("nothing was to be done")) == []


def test_only_the_chosen_avatars_take_part(services):
    ready_avatars(services, "luna", "mara")
    go(services, lambda name, keys: None, keys=["fitness:mara"])
    assert statuses(services) == {"fitness:luna": "exam", "fitness:mara": "ready"}


def test_one_avatar_goes_on_while_another_is_still_drawn(services):
    """Luna's images end only when Mara, whose weights came later, has all her pieces."""
    luna, mara = add_avatars(services, "luna", "mara")
    give_weights(services, luna)

    def before(name, keys):
        if name == "content_images" and luna.key in keys:
            give_weights(services, mara)
            wait_until(lambda: statuses(services)[mara.key] == "ready", seconds=30)

    log = go(services, before)
    order = [(name, r.avatar) for name, r in log]
    assert order.index(("content_pieces", mara.key)) < order.index(("content_images", luna.key))
    assert set(statuses(services).values()) == {"ready"}


def test_an_avatar_is_in_one_stage_at_a_time(services):
    ready_avatars(services, *(f"a{n}" for n in range(6)))
    busy: set[str] = set()
    mutex = threading.Lock()
    twice: list[str] = []

    def before(name, keys):
        with mutex:
            twice.extend(busy & set(keys))
            busy.update(keys)
        with mutex:
            busy.difference_update(keys)

    go(services, before)
    assert not twice


def test_what_fails_is_tried_once_and_the_others_go_on(services):
    ready_avatars(services, "luna", "mara")

    def before(name, keys):
        if name != "content_plans":
            return None
        with services.database.begin() as session:
            luna = avatar_refs(services, ["fitness:luna"])["fitness:luna"]
            record_failure(session, luna.id, name, "no", None, False, services.clock)
        return [StageResult(key, "failed", error="no") for key in keys]

    log = go(services, before)
    assert [name for name, _ in log].count("content_plans") == 2
    assert statuses(services) == {"fitness:luna": "plan", "fitness:mara": "plan"}
    (line,) = work_available(services.database, services.clock).lines()
    assert line.startswith("content_plans fitness:mara")  # recorded no failure: tried once as well


def test_an_outage_of_ours_ends_the_round_when_what_was_begun_has_ended(services):
    ready_avatars(services, *(f"a{n}" for n in range(30)))
    ended: list[str] = []

    def before(name, keys):
        if name == "weights_exams" and len(keys) < 25:
            raise Unavailable("the object store does not answer.")
        ended.append(name)

    with pytest.raises(Unavailable):
        go(services, before)
    assert ended.count("weights_exams") == 1
    assert go(services, lambda name, keys: None)
    assert set(statuses(services).values()) == {"ready"}
