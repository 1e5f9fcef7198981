"""What one avatar has lost stops no other avatar's pieces."""

from __future__ import annotations

from content_kit_pieces import give_plan
from sqlalchemy import insert
from vixen_identity import add_avatars

from vixen_pipeline.content import pieces
from vixen_pipeline.content.pieces import run_content_pieces
from vixen_pipeline.db.models import EffectRow, GeneratedImage
from vixen_pipeline.errors import Permanent
from vixen_pipeline.stages import no_progress


def test_a_lost_portrait_stops_nobodys_pieces(core):
    luna, mira = add_avatars(core, "luna", "mira")
    for avatar in (luna, mira):
        give_plan(core, avatar, 1)
    with core.database.begin() as session:
        effect = session.scalars(
            insert(EffectRow)
            .values(
                kind="t", provider="test", key="portrait", state="confirmed", request={},
                request_digest="", deadline_s=1, deadline=core.clock.now(), avatar_id=luna.id,
            )
            .returning(EffectRow.id)
        ).one()  # fmt: skip
        session.execute(
            insert(GeneratedImage).values(
                avatar_id=luna.id, purpose="portrait", input_digest=luna.appearance_digest, slot=0,
                attempt=1, effect_id=effect, model="test", prompt="p", seed=1, shot={},
                object_key="lost.jpg", selected=True,
            )
        )  # fmt: skip
    results = run_content_pieces(core, [luna.key, mira.key], no_progress)
    assert [result.outcome for result in results] == ["made", "made"]


def test_a_sheet_that_cannot_be_made_stops_its_own_avatar_only(core, monkeypatch):
    luna, mira = add_avatars(core, "luna", "mira")
    for avatar in (luna, mira):
        give_plan(core, avatar, 1)
    store_sheet = pieces.store_sheet

    def lost(services, avatar, *rest):
        if avatar.id == luna.id:
            raise Permanent("r2", "no such object", code="NoSuchKey")
        return store_sheet(services, avatar, *rest)

    monkeypatch.setattr(pieces, "store_sheet", lost)
    results = run_content_pieces(core, [luna.key, mira.key], no_progress)
    assert [result.outcome for result in results] == ["failed", "made"]
