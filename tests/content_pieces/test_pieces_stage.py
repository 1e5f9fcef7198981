"""The stage `content_pieces`: from images and words to signed pieces."""

from __future__ import annotations

from decimal import Decimal

import pytest
from content_kit_pieces import MODEL_DIGEST, WEIGHTS, give_copy, give_image, give_plan, shot_ids
from sqlalchemy import select, update
from vixen_identity import add_avatars, fake_services

from vixen_pipeline.content.pieces import run_content_pieces
from vixen_pipeline.db.models import (
    ContentCopy,
    ContentPiece,
    ContentPlan,
    ContentShot,
    PieceFile,
    RenderedImage,
)
from vixen_pipeline.services import Services
from vixen_pipeline.stages import StageResult, no_progress


@pytest.fixture
def core(settings, database) -> Services:
    return fake_services(settings, database)


def run(core: Services, *keys: str) -> list[StageResult]:
    return run_content_pieces(core, list(keys), no_progress)


def test_every_shot_of_a_plan_becomes_a_signed_still_in_every_shape(core):
    (luna,) = add_avatars(core, "luna")
    plan_id = give_plan(core, luna, 4)
    (result,) = run(core, luna.key)
    assert result.outcome == "made", result
    assert {c.name: c.passed for c in result.checks} == {
        "pieces_complete": True,
        "pieces_signed": True,
        "pieces_disclosed": True,
        "pieces_tiers": True,
        "certificate_is_own": False,
    }
    with core.database.begin() as session:
        pieces = session.scalars(select(ContentPiece).order_by(ContentPiece.id)).all()
        files = session.scalars(select(PieceFile)).all()
        plan = session.get_one(ContentPlan, plan_id)
    assert [piece.state for piece in pieces] == ["auto_approved"] * 4
    assert sorted({file.name for file in files}) == ["1:1", "4:5", "9:16"] and len(files) == 12
    assert plan.completed_at is not None and plan.contact_sheet_key is not None
    assert result.metadata["tiers"].value == {"public": 3, "premium": 1, "exclusive": 0}
    assert result.metadata["usd_per_piece"].value == Decimal("0.014")
    assert str(result.metadata["tier_plot"].value).startswith("![tiers](data:image/png;base64,")
