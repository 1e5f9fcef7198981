"""Moderation away for ten minutes, a presigned URL that dies in a queue: content waits, goes on."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from content_kit_kills import (
    SMALL,
    each_shot_has_its_words,
    each_shot_has_one_image,
    each_shot_has_one_piece,
    made,
    number,
    paid_once,
    ready_avatars,
    run,
)
from vixen_testkit import wait_until

from vixen_pipeline.clock import ManualClock, SystemClock
from vixen_pipeline.content.advance import advance
from vixen_pipeline.content.stages_list import CONTENT_STAGES
from vixen_pipeline.services import Services
from vixen_pipeline.stages import no_progress

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

SHOTS = 6
MINUTES = 10
UNTIL_DOWN = ((), ("weights_exams", "content_plans"),
              ("weights_exams", "content_plans", "content_images"))  # fmt: skip


@pytest.fixture
def clock():
    return ManualClock(SystemClock().now())


@pytest.fixture
def core(settings, database, sandbox, clock):
    changed = settings.model_copy(update=dict(SMALL))
    with Services(changed, database=database, clock=clock) as services:
        yield services


@pytest.fixture
def luna(core, sandbox):
    (avatar,) = ready_avatars(core, sandbox, "luna")
    return avatar.key


def go_on(core) -> None:
    """One round of what the drain does."""
    advance(core, None, CONTENT_STAGES, no_progress, lambda name, result: None)


def go_on_until_ready(core, clock) -> None:
    for _ in range(20):
        if number(core, "SELECT count(*) FROM report.content_status WHERE status = 'ready'"):
            return
        go_on(core)
        clock.advance(timedelta(minutes=10))
    raise AssertionError("not ready long after moderation has come back")


def nothing_to_publish(core) -> None:
    assert number(core, "SELECT count(*) FROM vixen.content_pieces") == 0


@pytest.mark.parametrize("before", UNTIL_DOWN, ids=["prompts", "images", "captions"])
def test_moderation_down_for_ten_minutes_delays_and_publishes_nothing(
    core, luna, sandbox, clock, before
):
    for stage in before:
        made(core, stage, luna)
    sandbox.control.fault("openai", "error", route="POST */moderations", status=503, count=None)
    begun = clock.now()
    while clock.now() < begun + timedelta(minutes=MINUTES):
        go_on(core)
        nothing_to_publish(core)
        unjudged = (
            "SELECT count(*) FROM vixen.rendered_images"
            " WHERE selected AND moderation IS NULL AND shot_id IS NOT NULL"
        )
        assert number(core, unjudged) == 0
        unheard = "SELECT count(*) FROM vixen.content_copies WHERE chosen AND moderation IS NULL"
        assert number(core, unheard) == 0
        clock.advance(timedelta(minutes=1))
    permanent = "SELECT count(*) FROM vixen.stage_attempts WHERE permanent"
    assert number(core, permanent) == 0, "nobody has to act"
    sandbox.control.clear_faults()
    go_on_until_ready(core, clock)
    each_shot_has_one_image(core, SHOTS)
    each_shot_has_its_words(core, SHOTS)
    each_shot_has_one_piece(core, SHOTS)
    paid_once(core, sandbox)


@pytest.fixture
def brief(settings, database, sandbox):
    """Presigned URLs live two seconds, and one call is made at a time."""
    changes = {**SMALL, "presign_seconds": 2, "modal_concurrency": 1}
    with Services(settings.model_copy(update=changes), database=database) as services:
        yield services


@pytest.fixture
def planned(brief, sandbox):
    (avatar,) = ready_avatars(brief, sandbox, "luna")
    made(brief, "weights_exams", avatar.key)
    made(brief, "content_plans", avatar.key)
    return avatar.key


def test_a_url_that_would_expire_in_our_queue_is_made_after_it(brief, planned, sandbox):
    """The slot is taken for longer than a URL lives; the call comes with one that is fresh."""
    before = refused(sandbox)
    results: list[object] = []
    with brief.slots.hold("modal"):
        work = threading.Thread(
            target=lambda: results.extend(run(brief, "content_images", planned))
        )
        work.start()
        intended = "SELECT count(*) FROM vixen.effects WHERE kind = 'content.images'"
        wait_until(lambda: number(brief, intended), seconds=60)
        wait_until(expired(brief, planned), seconds=30, every=0.1)
    work.join(timeout=120)
    assert [result.outcome for result in results] == ["made"], results
    assert refused(sandbox) == before
    each_shot_has_one_image(brief, SHOTS)
    paid_once(brief, sandbox)


def test_a_url_that_expires_in_the_providers_queue_is_replaced(brief, planned, sandbox):
    """A cold start longer than the URL lives: the endpoint refuses it, and gets a fresh one."""
    sandbox.control.fault("modal", "latency", route="POST /generate", seconds=3.0)
    before = refused(sandbox)
    made(brief, "content_images", planned)
    assert refused(sandbox) == before + 1
    each_shot_has_one_image(brief, SHOTS)
    paid_once(brief, sandbox)


def refused(sandbox) -> int:
    """How often an object was asked for by a URL that is not valid any more."""
    return sandbox.control.state()["calls"].get("modal weights_unavailable", 0)


def expired(core, key):
    """A condition: a URL made at its first call has expired by now."""
    import httpx

    keys = "SELECT object_key FROM vixen.lora_weights WHERE failure IS NULL"
    with core.database.begin() as session:
        from sqlalchemy import text

        url = core.objects.presign(session.scalar(text(keys)))
    assert httpx.get(url).status_code == 200, key
    return lambda: httpx.get(url).status_code == 403
