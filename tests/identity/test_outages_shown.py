"""An outage of our own that stops a whole stage is told at each avatar that it hit."""

from __future__ import annotations

import pytest
from vixen_identity import add_avatars, fake_services

from vixen_pipeline.errors import Unavailable
from vixen_pipeline.identity.portraits import run_reference_portraits
from vixen_pipeline.identity.status import avatar_status
from vixen_pipeline.stages import no_progress


@pytest.fixture
def core(settings, database):
    with fake_services(settings, database) as services:
        yield services


def test_a_store_that_is_down_is_shown_with_the_time_of_the_next_try_until_it_is_back(core):
    keys = [avatar.key for avatar in add_avatars(core, "luna", "mara")]
    core.objects.down = Unavailable("the object store does not answer.", next_step="Wait.")
    with pytest.raises(Unavailable):
        run_reference_portraits(core, keys, no_progress)
    for key in keys:
        status = avatar_status(core, key)
        assert status.error == "the object store does not answer."
        assert status.next_step == "Wait."
        assert (status.permanent, status.stage) == (False, "reference_portraits")
        assert status.waits_for is not None and "next try" in status.waits_for
    core.objects.down = None
    for result in run_reference_portraits(core, keys, no_progress):
        assert result.outcome == "made"
        assert avatar_status(core, result.avatar).error is None
