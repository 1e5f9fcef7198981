"""kill -9 at each step of the stage: nothing half is left, and no answer is paid for twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from persona_kit import register
from sqlalchemy import text

from vixen_pipeline.db.session import Database
from vixen_pipeline.identity.personas import run_personas
from vixen_pipeline.sandbox.testing import Sandbox
from vixen_pipeline.services import Services
from vixen_pipeline.settings import Settings
from vixen_pipeline.stages import no_progress

WORKER = Path(__file__).with_name("persona_worker.py")
ROOT = Path(__file__).parents[2]
KEY = "fitness:luna"


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
    }
    ended = subprocess.run(
        [sys.executable, str(WORKER), point, KEY],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stdout + ended.stderr


def count(database: Database, table: str) -> int:
    with database.begin() as session:
        return session.scalar(text(f"SELECT count(*) FROM vixen.{table}")) or 0


@pytest.mark.long
@pytest.mark.parametrize(
    ("point", "calls"),
    [
        ("intended", 1),
        # Killed between the sending and the keeping, the answer is lost and asked for once more.
        ("dispatched", 1),
        ("called", 2),
        ("saved", 1),
        ("embedded", 1),
        ("uncommitted", 1),
    ],
)
def test_killed_anywhere_the_next_run_ends_with_one_persona(
    services: Services,
    sandbox: Sandbox,
    settings: Settings,
    database: Database,
    point: str,
    calls: int,
) -> None:
    register(services, "luna")
    killed_at(point, settings)
    assert count(database, "personas") == 0
    (result,) = run_personas(services, [KEY], no_progress)
    assert result.outcome == "made", result.error
    assert count(database, "personas") == 1
    assert sandbox_calls(sandbox) == calls
    with database.begin() as session:
        confirmed = session.scalar(
            text("SELECT count(*) FROM vixen.effects WHERE state = 'confirmed'")
        )
        paid = session.scalar(
            text("SELECT count(DISTINCT effect_id) FROM vixen.cost_entries WHERE effect_id > 0")
        )
    assert (confirmed, paid) == (1, 1)


def sandbox_calls(sandbox: Sandbox) -> int:
    """How often the sandbox was asked for text."""
    counts = sandbox.control.state()["calls"]
    return sum(n for route, n in counts.items() if "messages" in route)
