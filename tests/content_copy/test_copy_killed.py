"""kill -9 at each step: no row twice, none lost, at most the calls under way are paid once more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from content_kit_copy import KEY, copies, plan, run, with_persona
from sqlalchemy import text

from vixen_pipeline.db.session import Database
from vixen_pipeline.sandbox.testing import Sandbox
from vixen_pipeline.services import Services
from vixen_pipeline.settings import Settings

WORKER = Path(__file__).with_name("copy_worker.py")
ROOT = Path(__file__).parents[2]


def killed_at(point: str, count: int, settings: Settings) -> None:
    environment = {name: v for name, v in os.environ.items() if not name.startswith("VIXEN_")}
    assert settings.database_url is not None
    assert settings.sandbox_token is not None
    environment |= {
        "VIXEN_HOME": str(settings.home),
        "VIXEN_DATABASE_URL": settings.database_url.get_secret_value(),
        "VIXEN_SANDBOX_URL": settings.sandbox_url,
        "VIXEN_SANDBOX_TOKEN": settings.sandbox_token.get_secret_value(),
        "VIXEN_TEXT_CONCURRENCY": "1",
        "PYTHONPATH": str(ROOT),
    }
    ended = subprocess.run(
        [sys.executable, str(WORKER), point, str(count), KEY],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stdout + ended.stderr


@pytest.mark.long
@pytest.mark.parametrize(
    ("point", "count", "calls"),
    [
        ("intended", 1, 2),
        ("dispatched", 2, 2),
        # Killed between the sending and the keeping, the answer is lost and asked for once more.
        ("called", 2, 3),
        ("saved", 2, 2),
        ("uncommitted", 2, 2),
        ("moderated", 1, 2),
        ("chosen", 2, 2),
    ],
)
def test_killed_anywhere_the_next_run_ends_with_every_caption_once(
    services: Services,
    sandbox: Sandbox,
    settings: Settings,
    database: Database,
    point: str,
    count: int,
    calls: int,
) -> None:
    (avatar,) = with_persona(services, "luna")
    plan(services, avatar, 7)
    killed_at(point, count, settings)
    (result,) = run(services)
    assert result.outcome in ("made", "unchanged"), result.error
    rows = copies(database)
    assert len(rows) == 42
    assert sum(row.chosen for row in rows) == 14
    counts = sandbox.control.state()["calls"]
    assert sum(n for route, n in counts.items() if "messages" in route) == calls
    with database.begin() as session:
        confirmed, paid = session.execute(
            text(
                "SELECT (SELECT count(*) FROM vixen.effects WHERE state = 'confirmed'),"
                " (SELECT count(DISTINCT effect_id) FROM vixen.cost_entries)"
            )
        ).one()
    assert (confirmed, paid) == (2, 2)
