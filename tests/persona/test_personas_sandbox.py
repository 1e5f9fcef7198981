"""Personas by the real provider clients against the sandbox, also when it is rude."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select, text

from vixen_pipeline.db.models import Persona
from vixen_pipeline.db.session import Database
from vixen_pipeline.identity.avatars import run_avatars
from vixen_pipeline.identity.persona_store import similar_personas
from vixen_pipeline.identity.personas import run_personas
from vixen_pipeline.identity.spec_files import add_files
from vixen_pipeline.sandbox.testing import Sandbox
from vixen_pipeline.services import Services
from vixen_pipeline.stages import StageResult, no_progress

EXAMPLES = sorted((Path(__file__).parents[2] / "examples" / "avatars").glob("*.yaml"))


@pytest.fixture
def keys(services: Services, sandbox: Sandbox) -> list[str]:
    """The examples, registered."""
    landed = add_files(services, EXAMPLES)
    results = run_avatars(services, [item.key for item in landed], no_progress)
    assert {r.outcome for r in results} == {"made"}
    return [item.key for item in landed]


def described(results: list[StageResult]) -> list[str]:
    return [f"{r.avatar}: {r.outcome} {r.error or ''}" for r in results if r.outcome != "made"]


def test_every_example_gets_a_distinct_persona_that_fits(
    services: Services, keys: list[str], database: Database
) -> None:
    results = run_personas(services, keys, no_progress)
    assert described(results) == []
    for result in results:
        assert [c.name for c in result.checks if not c.passed] == []
        assert result.metadata["usd"].value > 0  # type: ignore[operator]
    with database.begin() as session:
        biographies = session.scalars(select(Persona.document["biography"].astext)).all()
        assert session.scalar(text("SELECT count(*) FROM vixen.cost_reservations")) == 0
    assert len(set(biographies)) == len(keys)
    assert len(similar_personas(services, keys[0])) == len(keys) - 1


@pytest.mark.parametrize("provider", ["anthropic", "openai"])
def test_rate_limits_and_dropped_replies_end_in_one_persona_each(
    services: Services, sandbox: Sandbox, keys: list[str], database: Database, provider: str
) -> None:
    sandbox.control.fault(provider, "rate_limit", count=2)
    sandbox.control.fault(provider, "drop_reply", phase="after", count=1)
    results = run_personas(services, keys, no_progress)
    while any(r.outcome == "failed" and not r.permanent for r in results):
        results = run_personas(services, keys, no_progress)
    assert {r.outcome for r in results} <= {"made", "unchanged"}
    with database.begin() as session:
        assert session.scalar(text("SELECT count(*) FROM vixen.personas")) == len(keys)
