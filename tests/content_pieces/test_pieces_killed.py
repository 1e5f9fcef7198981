"""kill -9 while pieces are made: none lost, none twice."""

from __future__ import annotations

import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from content_kit_pieces import give_plan
from sqlalchemy import func, select
from vixen_identity import add_avatars

from vixen_pipeline.content.pieces import run_content_pieces
from vixen_pipeline.db.models import ContentPiece, ContentPlan, PieceFile
from vixen_pipeline.stages import no_progress

SCRIPT = """
import os, signal, sys
from vixen_pipeline.content import piece_pool, pieces
from vixen_pipeline.services import Services
from vixen_pipeline.settings import load_settings
from vixen_pipeline.stages import no_progress

point, number, key = sys.argv[1], int(sys.argv[2]), sys.argv[3]
left = [number]

def dying(call, before):
    def wrapped(*arguments):
        left[0] -= 1
        if before and left[0] <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        answer = call(*arguments)
        if left[0] <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer
    return wrapped

if point == "stored":      # files are there, the row is not
    piece_pool.make_still = dying(piece_pool.make_still, False)
elif point == "written":   # some rows are there
    piece_pool.StillPool._write = dying(piece_pool.StillPool._write, False)
elif point == "closing":   # all rows are there, the plan is open
    pieces.rows.complete_plan = dying(pieces.rows.complete_plan, True)
with Services(load_settings()) as services:
    pieces.run_content_pieces(services, [key], no_progress)
"""


@pytest.mark.long
@pytest.mark.parametrize(
    ("point", "number"), [("stored", 1), ("stored", 4), ("written", 2), ("closing", 1)]
)
def test_a_killed_run_loses_no_piece_and_makes_none_twice(
    services, settings, sandbox, tmp_path, point, number
):
    (luna,) = add_avatars(services, "luna")
    plan_id = give_plan(services, luna, 6, formats={"carousel": 1})
    environment = {
        **os.environ,
        "VIXEN_HOME": str(settings.home),
        "VIXEN_DATABASE_URL": settings.database_url.get_secret_value(),
        "VIXEN_SANDBOX_URL": settings.sandbox_url,
        "VIXEN_SANDBOX_TOKEN": settings.sandbox_token.get_secret_value(),
    }
    killed = subprocess.run(
        [sys.executable, "-c", SCRIPT, point, str(number), luna.key],
        env=environment,
        cwd=Path(__file__).parents[2],
        timeout=120,
        check=False,
    )
    assert killed.returncode == -9
    (result,) = run_content_pieces(services, [luna.key], no_progress)
    assert result.outcome == "made", result
    with services.database.begin() as session:
        stills = select(func.count()).where(ContentPiece.format == "still")
        assert session.scalar(stills) == 6
        assert session.scalar(select(func.count()).select_from(PieceFile)) == 18
        assert session.scalar(stills.where(ContentPiece.usd == Decimal("0.014"))) == 6
        carousels = select(func.count()).where(ContentPiece.format == "carousel")
        assert session.scalar(carousels) == 1
        assert session.get_one(ContentPlan, plan_id).completed_at is not None
