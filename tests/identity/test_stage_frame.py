"""The frame around every stage: what an avatar is worked from, and locks that never stay behind."""

from __future__ import annotations

import pytest
from vixen_identity import add_avatars, fake_services, spec_document

from vixen_pipeline.errors import Unavailable
from vixen_pipeline.identity import stage_run
from vixen_pipeline.identity.registry import land_specs, register_landed, set_archived
from vixen_pipeline.identity.spec import AvatarSpec, ParsedSpec
from vixen_pipeline.identity.stage_run import LOCK, run_stage


@pytest.fixture
def core(settings, database):
    with fake_services(settings, database) as services:
        yield services


def before_the_lock(core, monkeypatch, act):
    """Have `act` happen between the first look at an avatar and its lock."""
    acquire = core.locks.try_acquire

    def late(namespace, key):
        act()
        return acquire(namespace, key)

    monkeypatch.setattr(core.locks, "try_acquire", late)


def test_a_spec_that_changes_before_the_lock_is_held_is_the_one_worked_from(core, monkeypatch):
    (before,) = add_avatars(core, "luna")

    def change():
        spec = AvatarSpec.model_validate(spec_document("luna", age=31))
        land_specs(core, [ParsedSpec(spec, "luna.yaml")])
        register_landed(core)

    before_the_lock(core, monkeypatch, change)
    seen = []

    def body(run):
        seen.extend(run.avatars)
        for avatar in run.avatars:
            run.complete(avatar, "made", {})

    run_stage(core, "personas", [before.key], body)
    assert [avatar.spec.age for avatar in seen] == [31]
    assert seen[0].persona_digest != before.persona_digest


def test_an_avatar_archived_before_its_lock_is_held_does_not_take_part(core, monkeypatch):
    (luna,) = add_avatars(core, "luna")
    before_the_lock(core, monkeypatch, lambda: set_archived(core, luna.key, archived=True))
    (result,) = run_stage(core, "personas", [luna.key], lambda _: pytest.fail("it took part"))
    assert result.outcome == "blocked"
    assert core.locks.try_acquire(LOCK, luna.id)


def test_a_failure_while_avatars_are_let_in_leaves_no_lock_behind(core, monkeypatch):
    (luna,) = add_avatars(core, "luna")

    def down(*_):
        raise Unavailable("the database does not answer.")

    monkeypatch.setattr(stage_run, "not_found", down)
    with pytest.raises(Unavailable):
        run_stage(core, "personas", [luna.key, "fitness:nobody"], lambda _: None)
    assert core.locks.try_acquire(LOCK, luna.id)
