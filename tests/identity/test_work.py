"""What can be done now, and where an avatar stands: derived from products, cheap for many."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from sqlalchemy import text
from vixen_identity import add_avatars, fake_services, give_dataset, give_personas, spec_document

from vixen_pipeline.clock import ManualClock
from vixen_pipeline.errors import NotFound
from vixen_pipeline.identity.advance import advance
from vixen_pipeline.identity.attempts import record_failure
from vixen_pipeline.identity.registry import land_specs, set_archived
from vixen_pipeline.identity.spec import AvatarSpec, ParsedSpec
from vixen_pipeline.identity.stages_list import IDENTITY_STAGES
from vixen_pipeline.identity.status import avatar_status, avatar_statuses, completed_stages
from vixen_pipeline.identity.work import work_available
from vixen_pipeline.stages import no_progress


@pytest.fixture
def core(settings, database):
    with fake_services(settings, database, dataset_images=2, clock=ManualClock()) as services:
        yield services


def work(core):
    return work_available(core.database, core.clock)


def fail(core, avatar, stage, *, permanent=False):
    with core.database.begin() as session:
        record_failure(session, avatar.id, stage, "no luck", "do this", permanent, core.clock)


def test_a_landed_spec_is_work_until_it_is_registered(core):
    spec = AvatarSpec.model_validate(spec_document("luna"))
    land_specs(core, [ParsedSpec(spec, "test")])
    assert work(core).lines() == ["spec fitness:luna version 1"]
    advance(core, None, IDENTITY_STAGES[:1], no_progress, lambda *_: None)
    assert work(core).stages == {"personas": ("fitness:luna",)}


def test_the_next_stage_of_each_avatar_is_found_in_one_look(core):
    fresh, portrayed, done = add_avatars(core, "fresh", "portrayed", "done", persona=False)
    give_personas(core, [portrayed, done])
    give_dataset(core, done)
    assert work(core).stages == {
        "personas": (fresh.key,),
        "reference_portraits": (portrayed.key,),
        "lora_trainings": (done.key,),
    }
    found = completed_stages(core)
    assert {stage: set(keys) for stage, keys in found.items()} == {
        "avatars": {fresh.key, portrayed.key, done.key},
        "personas": {portrayed.key, done.key},
        "reference_portraits": {done.key},
        "training_datasets": {done.key},
        "lora_trainings": set(),
        "lora_weights": set(),
    }


def test_a_failure_waits_for_its_backoff_and_a_permanent_one_for_a_person(core):
    soon, never = add_avatars(core, "soon", "never")
    fail(core, soon, "reference_portraits")
    fail(core, never, "reference_portraits", permanent=True)
    assert not work(core)
    before = avatar_status(core, soon.key)
    assert before.waits_for.startswith("its next try at ") and before.error == "no luck"
    assert avatar_status(core, never.key).waits_for == "a person to act"
    core.clock.advance(timedelta(seconds=6))
    first = work(core).lines()
    assert first == ["reference_portraits fitness:soon after 1 failures"]
    fail(core, soon, "reference_portraits")
    core.clock.advance(timedelta(seconds=60))
    assert work(core).lines() != first, "each try has a line of its own"


def test_an_avatar_that_the_policy_refuses_is_not_worked_on(core):
    (avatar,) = add_avatars(core, "luna")
    fail(core, avatar, "avatars", permanent=True)
    assert not work(core)
    assert avatar_status(core, avatar.key).stage == "avatars"


def test_an_archived_avatar_is_left_alone(core):
    (avatar,) = add_avatars(core, "luna")
    set_archived(core, avatar.key, archived=True)
    assert not work(core)
    status = avatar_status(core, avatar.key)
    assert (status.status, status.stage, status.waits_for) == ("archived", None, None)


def test_an_unknown_avatar_has_no_status(core):
    with pytest.raises(NotFound, match="no avatar has the key"):
        avatar_status(core, "fitness:nobody")


def test_advance_works_only_on_the_avatars_named(core):
    one, other = add_avatars(core, "one", "other")
    seen = []
    advance(core, [one.key], IDENTITY_STAGES, no_progress, lambda name, r: seen.append((name, r)))
    assert {result.avatar for _, result in seen} == {one.key}
    assert [name for name, r in seen if r.outcome == "made"] == [
        "reference_portraits",
        "training_datasets",
        "lora_trainings",
    ]
    assert work(core).stages == {"reference_portraits": (other.key,)}


def test_changed_looks_start_the_avatar_anew_from_its_portrait(core):
    (avatar,) = add_avatars(core, "luna")
    give_dataset(core, avatar)
    document = spec_document("luna")
    document["appearance"]["hair_color"] = "black"
    land_specs(core, [ParsedSpec(AvatarSpec.model_validate(document), "test")])
    advance(core, None, IDENTITY_STAGES[:1], no_progress, lambda *_: None)
    assert work(core).stages == {"reference_portraits": (avatar.key,)}
    assert avatar_status(core, avatar.key).status == "persona"


def test_a_thousand_avatars_are_looked_over_quickly(core):
    add_avatars(core, "luna")
    with core.database.begin() as session:
        session.execute(
            text(
                """
                INSERT INTO landing.avatar_specs (avatar_key, niche, handle, version, digest,
                                                  document, source, registered_at)
                SELECT 'fitness:many' || n, 'fitness', 'many' || n, 1, 'd', '{}', 'test', now()
                FROM generate_series(1, 1000) n
                """
            )
        )
        session.execute(
            text(
                """
                INSERT INTO vixen.avatars (key, niche, handle, display_name, spec_id, spec_version,
                                           spec, persona_digest, appearance_digest)
                SELECT avatar_key, niche, handle, 'x', id, 1, '{}', 'p', 'a'
                FROM landing.avatar_specs WHERE handle LIKE 'many%'
                """
            )
        )
    work(core)
    started = time.perf_counter()
    assert len(work(core).stages["personas"]) == 1000
    assert len(avatar_statuses(core)) == 1001
    assert time.perf_counter() - started < 2.0
