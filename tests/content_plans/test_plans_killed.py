"""kill -9 at each step of planning: no plan is half there, no shot doubled, none lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from content_kit_plans import (
    KEY,
    SMALL,
    failed_checks,
    plans_of,
    ready_avatars,
    run_plans,
    shots_of,
)

from vixen_pipeline.db.session import Database
from vixen_pipeline.sandbox.testing import Sandbox
from vixen_pipeline.services import Services
from vixen_pipeline.settings import Settings

WORKER = Path(__file__).with_name("plans_killed_worker.py")
ROOT = Path(__file__).parents[2]


def killed_at(point: str, settings: Settings) -> None:
    environment = {name: v for name, v in os.environ.items() if not name.startswith("VIXEN_")}
    assert settings.database_url is not None
    assert settings.sandbox_token is not None
    environment |= {
        "VIXEN_HOME": str(settings.home),
        "VIXEN_DATABASE_URL": settings.database_url.get_secret_value(),
        "VIXEN_SANDBOX_URL": settings.sandbox_url,
        "VIXEN_SANDBOX_TOKEN": settings.sandbox_token.get_secret_value(),
        "PYTHONPATH": str(ROOT),
        **{f"VIXEN_{name.upper()}": str(value) for name, value in SMALL.items()},
    }
    ended = subprocess.run(
        [sys.executable, str(WORKER), point, KEY],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stdout + ended.stderr


@pytest.mark.long
@pytest.mark.parametrize(
    ("point", "kept"),
    [("asking", 0), ("embedded", 0), ("moderated", 0), ("uncommitted", 0), ("committed", 12)],
)
def test_killed_anywhere_the_next_run_ends_with_one_whole_plan(
    settings: Settings, database: Database, sandbox: Sandbox, point: str, kept: int
) -> None:
    with Services(settings.model_copy(update=SMALL), database=database) as services:
        (luna,) = ready_avatars(services, "luna")
        killed_at(point, services.settings)
        before = shots_of(services, luna)
        assert len(before) == kept
        assert [bool(plan.planned_at) for plan in plans_of(services, luna)] in (
            [[True]] if kept else [[], [False]]
        )
        (result,) = run_plans(services)
        assert result.outcome == ("unchanged" if kept else "made"), result.error
        assert failed_checks(result) == []
        (plan,) = plans_of(services, luna)
        shots = shots_of(services, luna)
        assert [shot.position for shot in shots] == list(range(12))
        assert {shot.plan_id for shot in shots} == {plan.id}
        if kept:
            assert [shot.id for shot in shots] == [shot.id for shot in before]
