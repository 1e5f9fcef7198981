"""Where avatars stand with content, what can be done now, and what is complete."""

from __future__ import annotations

from datetime import timedelta

import pytest
from content_kit_ring import GIVES, give_exam, give_weights, retrained
from sqlalchemy import text
from vixen_identity import add_avatars

from vixen_pipeline.clock import ManualClock
from vixen_pipeline.content.status import completed_stages, content_statuses
from vixen_pipeline.content.work import STAGE_OF_STATUS, work_available
from vixen_pipeline.identity.attempts import record_failure
from vixen_pipeline.identity.registry import set_archived
from vixen_pipeline.services import Services

STAGES = list(STAGE_OF_STATUS.values())


@pytest.fixture
def luna(services):
    (avatar,) = add_avatars(services, "luna")
    return avatar


def climb(services, avatar, *stages):
    for stage in stages:
        with services.database.begin() as session:
            GIVES[stage](services, session, avatar)


def status(services, avatar):
    return content_statuses(services, [avatar.key])[avatar.key]


def doable(services):
    return {s: list(a) for s, a in work_available(services.database, services.clock).stages.items()}


def test_an_avatar_climbs_from_weights_to_pieces_and_each_stage_is_asked_for_in_turn(
    services, luna
):
    assert status(services, luna).waits_for == "trained weights"
    assert doable(services) == {}
    give_weights(services, luna)
    for number, stage in enumerate(STAGES):
        found = status(services, luna)
        assert (found.stage, found.waits_for) == (stage, "a run that makes it")
        assert doable(services) == {stage: [luna.key]}
        done = {name for name, keys in completed_stages(services).items() if keys == [luna.key]}
        assert done == set(STAGES[:number])
        climb(services, luna, stage)
    found = status(services, luna)
    assert (found.status, found.stage, found.waits_for) == ("ready", None, None)
    assert (found.plans, found.plans_open, found.pieces.ready) == (1, 0, 2)
    assert found.pieces.formats == {"still": 2} and found.pieces.tiers == {"public": 2}
    assert doable(services) == {}
    assert all(keys == [luna.key] for keys in completed_stages(services).values())


def test_another_plan_opens_the_way_again_and_old_pieces_stay(services, luna):
    give_weights(services, luna)
    climb(services, luna, *STAGES, "content_plans")
    found = status(services, luna)
    assert (found.stage, found.plans, found.plans_open, found.shots) == ("content_images", 2, 1, 2)
    assert found.pieces.ready == 2


def test_a_rejected_image_of_a_reopened_plan_is_made_again(services, luna):
    give_weights(services, luna)
    climb(services, luna, *STAGES)
    with services.database.begin() as session:
        session.execute(text("UPDATE vixen.content_plans SET completed_at = NULL"))
        session.execute(
            text(
                "UPDATE vixen.rendered_images SET selected = false, refusal = 'a person'"
                " WHERE id = (SELECT min(id) FROM vixen.rendered_images)"
            )
        )
    assert doable(services) == {"content_images": [luna.key]}


def test_passed_weights_stay_in_use_when_newer_ones_fail_their_exam_for_good(services, luna):
    give_weights(services, luna)
    climb(services, luna, "weights_exams")
    with services.database.begin() as session:
        dataset = session.scalars(text("SELECT max(id) FROM vixen.training_datasets")).one()
        retrained(services, session, luna, dataset)
    assert doable(services) == {"weights_exams": [luna.key]}
    with services.database.begin() as session:
        record_failure(
            session, luna.id, "weights_exams", "another face", "train", True, services.clock
        )
    assert doable(services) == {"content_plans": [luna.key]}


def test_changed_looks_end_the_use_of_old_weights(services, luna):
    give_weights(services, luna)
    climb(services, luna, "weights_exams")
    with services.database.begin() as session:
        session.execute(text("UPDATE vixen.avatars SET appearance_digest = 'new'"))
    assert status(services, luna).status == "identity"
    assert doable(services) == {}


def test_failed_stages_wait_for_their_next_try_or_for_a_person(settings, database):
    clock = ManualClock()
    with Services(settings, database=database, clock=clock) as services:
        for avatar in add_avatars(services, "luna", "mara"):
            give_weights(services, avatar)
            for_good = avatar.handle == "mara"
            with services.database.begin() as session:
                give_exam(services, session, avatar)
                record_failure(session, avatar.id, "content_plans", "no", "do it", for_good, clock)
        assert doable(services) == {}
        clock.advance(timedelta(seconds=6))
        (line,) = work_available(services.database, clock).lines()
        assert line == "content_plans fitness:luna after 1 failures"
        mara = content_statuses(services)["fitness:mara"]
        assert (mara.waits_for, mara.error, mara.next_step) == ("a person to act", "no", "do it")


def test_an_archived_avatar_has_no_next_stage(services, luna):
    give_weights(services, luna)
    set_archived(services, luna.key, archived=True)
    assert doable(services) == {}
    assert status(services, luna).status == "archived"
    assert not any(completed_stages(services).values())


def test_the_views_can_be_read_by_analysts(services, luna):
    give_weights(services, luna)
    climb(services, luna, *STAGES)
    with services.database.begin() as session:
        session.execute(text("SET LOCAL ROLE vixen_reader"))
        plan = session.execute(text("SELECT * FROM report.content_plans")).mappings().one()
        pieces = session.execute(text("SELECT * FROM report.pieces")).mappings().all()
    assert (plan["avatar"], plan["pieces_ready"], plan["images_made"]) == (luna.key, 2, 2)
    assert [(p["avatar"], p["ready"], p["format"]) for p in pieces] == [
        (luna.key, True, "still")
    ] * 2
