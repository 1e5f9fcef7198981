"""A landed spec that no longer validates stops its own avatar, by name, and nobody else."""

from __future__ import annotations

import pytest
from spec_samples import sample_spec
from sqlalchemy import select, text

from vixen_pipeline.clock import SystemClock
from vixen_pipeline.db.models import LandedSpec
from vixen_pipeline.db.session import Database
from vixen_pipeline.errors import NotFound
from vixen_pipeline.identity import registry
from vixen_pipeline.identity.avatars import run_avatars
from vixen_pipeline.identity.registry_listing import list_avatars
from vixen_pipeline.identity.spec import ParsedSpec
from vixen_pipeline.identity.status import avatar_status
from vixen_pipeline.identity.work import work_available
from vixen_pipeline.services import Services
from vixen_pipeline.settings import Settings
from vixen_pipeline.stages import no_progress

LUNA, MIRA = "fitness:luna", "fitness:mira"


@pytest.fixture
def core(database: Database) -> Services:
    return Services(Settings(), database=database)


def land(core: Services, handle: str, **changes: object) -> None:
    registry.land_specs(core, [ParsedSpec(sample_spec(handle=handle, **changes), "test.yaml")])


def outdate(database: Database, key: str) -> None:
    """As if the program had grown stricter since the newest version landed."""
    statement = text(
        "UPDATE landing.avatar_specs SET document = document || '{\"age\": 19}', digest = 'old'"
        " WHERE avatar_key = :key AND registered_at IS NULL"
    )
    with database.begin() as session:
        session.execute(statement, {"key": key})


def test_a_new_avatar_whose_spec_no_longer_validates_leaves_the_others_alone(
    core: Services, database: Database
) -> None:
    land(core, "luna")
    land(core, "mira")
    outdate(database, LUNA)
    luna, mira = run_avatars(core, [LUNA, MIRA], no_progress)
    assert (luna.outcome, luna.permanent, mira.outcome) == ("failed", True, "made")
    assert "no longer validates: age: 19 is under age" in str(luna.error)
    with pytest.raises(NotFound, match="cannot be registered: version 1 of the spec"):
        registry.avatar_ref(core, LUNA)
    assert [(a.avatar, a.status) for a in list_avatars(core)] == [
        (MIRA, "described"),
        (LUNA, "invalid"),
    ]
    assert work_available(database, SystemClock()).specs == ()
    with database.begin() as session:
        assert session.scalars(
            select(LandedSpec.avatar_key).where(LandedSpec.registered_at.is_(None))
        ).all() == [LUNA], "it is never lost"


def test_a_new_version_that_does_not_validate_stops_the_avatar_until_the_next_one(
    core: Services, database: Database
) -> None:
    land(core, "luna")
    assert registry.register_landed(core) == [LUNA]
    land(core, "luna", age=30)
    outdate(database, LUNA)
    assert registry.register_landed(core) == []
    status = avatar_status(core, LUNA)
    assert (status.stage, status.permanent) == ("avatars", True)
    assert "version 2 of the spec of fitness:luna no longer validates" in str(status.error)
    assert work_available(database, SystemClock()).stages == {}
    assert run_avatars(core, [LUNA], no_progress)[0].outcome == "failed"
    assert registry.avatar_ref(core, LUNA).spec.age == 27
    land(core, "luna", age=31)
    assert registry.register_landed(core) == [LUNA]
    assert avatar_status(core, LUNA).error is None
    assert registry.avatar_ref(core, LUNA).spec.age == 31
