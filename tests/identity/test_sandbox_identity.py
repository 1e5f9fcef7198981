"""System 1 as a whole against the real sandbox: from a landed spec to verified weights."""

from __future__ import annotations

import httpx
import pytest
from sqlalchemy import text
from vixen_identity import spec_document
from vixen_testkit import wait_until

from vixen_pipeline.identity.advance import advance
from vixen_pipeline.identity.registry import land_specs
from vixen_pipeline.identity.spec import AvatarSpec, ParsedSpec
from vixen_pipeline.identity.stages_list import IDENTITY_STAGES
from vixen_pipeline.identity.status import avatar_status, completed_stages
from vixen_pipeline.identity.weights import presigned_weights_url
from vixen_pipeline.identity.work import work_available
from vixen_pipeline.services import Services
from vixen_pipeline.stages import no_progress


@pytest.fixture
def small(settings, database, sandbox):
    sandbox.control.training(seconds=0)
    changes = {"dataset_images": 4, "replicate_concurrency": 4, "training_poll_s": 0.2}
    with Services(settings.model_copy(update=changes), database=database) as services:
        yield services


def round_of(services, log):
    advance(services, None, IDENTITY_STAGES, no_progress, lambda name, r: log.append((name, r)))


def test_a_landed_spec_becomes_ready_by_rounds_and_says_where_it_stands(small, sandbox):
    spec = AvatarSpec.model_validate(spec_document("luna"))
    land_specs(small, [ParsedSpec(spec, "test")])
    assert work_available(small.database, small.clock).specs
    log: list = []

    def ready():
        round_of(small, log)
        failed = [(name, r.error) for name, r in log if r.outcome == "failed"]
        assert not failed, failed
        return avatar_status(small, spec.key).status == "ready"

    wait_until(ready, seconds=60, every=0.2)
    assert [name for name, r in log if r.outcome == "made"] == [s.name for s in IDENTITY_STAGES]
    for stage in IDENTITY_STAGES:
        results = [r for name, r in log if name == stage.name and r.outcome == "made"]
        assert set(results[-1].metadata) == set(stage.metadata_schema), stage.name
        assert {check.name for check in results[-1].checks} == {name for name, _ in stage.checks}
        assert all(c.passed for c in results[-1].checks if c.blocking), results[-1].checks
    status = avatar_status(small, spec.key)
    assert (status.stage, status.waits_for, status.error) == (None, None, None)
    assert status.images_accepted == 4 and status.usd > 2
    assert all(completed_stages(small)[stage.name] == [spec.key] for stage in IDENTITY_STAGES)
    assert not work_available(small.database, small.clock)
    url = presigned_weights_url(small, spec.key)
    assert httpx.get(url).status_code == 200
    with small.database.begin() as session:
        kept = session.execute(text("SELECT request::text, result::text FROM vixen.effects"))
        assert not [row for row in kept if "http" in f"{row[0]}{row[1]}"]
        assert session.scalar(text("SELECT count(*) FROM vixen.cost_reservations")) == 0
    assert len(sandbox.control.trainings()) == 1
