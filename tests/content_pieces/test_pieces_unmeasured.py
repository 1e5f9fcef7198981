"""What moderation did not measure never passes as harmless."""

from __future__ import annotations

import pytest
from content_kit_pieces import PASSES, give_plan, shot_ids
from sqlalchemy import select, update
from vixen_identity import add_avatars

from vixen_pipeline.content.pieces import run_content_pieces
from vixen_pipeline.db.models import ContentCopy, ContentPiece, RenderedImage
from vixen_pipeline.stages import no_progress


def unmeasured(*categories: str) -> dict:
    kept = {name: each for name, each in PASSES["scores"].items() if name not in categories}
    return {**PASSES, "scores": kept}


@pytest.mark.parametrize("table", [RenderedImage, ContentCopy])
def test_a_category_without_a_score_tightens_the_tier_and_waits_for_a_person(core, table):
    (luna,) = add_avatars(core, "luna")
    plan_id = give_plan(core, luna, 2)
    shot = shot_ids(core, plan_id)[0]
    with core.database.begin() as session:
        session.execute(
            update(table).where(table.shot_id == shot).values(moderation=unmeasured("violence"))
        )
    (result,) = run_content_pieces(core, [luna.key], no_progress)
    assert result.outcome == "made"
    with core.database.begin() as session:
        piece = session.scalars(select(ContentPiece).where(ContentPiece.shot_id == shot)).one()
    assert (piece.declared_tier, piece.tier, piece.state) == (
        "public",
        "exclusive",
        "pending_review",
    )
    assert piece.tier_reason == "violence was not measured (limit of public)"
    assert piece.state_reason == "moderation: violence was not measured"


def test_a_verdict_without_scores_stops_its_avatar_only(core):
    luna, mira = add_avatars(core, "luna", "mira")
    give_plan(core, luna, 2)
    plan_id = give_plan(core, mira, 2)
    with core.database.begin() as session:
        session.execute(
            update(RenderedImage)
            .where(RenderedImage.shot_id == shot_ids(core, plan_id)[0])
            .values(moderation={**PASSES, "scores": {}})
        )
    good, bad = run_content_pieces(core, [luna.key, mira.key], no_progress)
    assert good.outcome == "made"
    assert bad.outcome == "failed" and "no moderation verdict" in (bad.error or "")
