"""The stage `content_pieces`: from images and words to signed pieces."""

from __future__ import annotations

from decimal import Decimal

from content_kit_pieces import (
    MODEL_DIGEST,
    PASSES,
    WEIGHTS,
    give_copy,
    give_image,
    give_plan,
    shot_ids,
)
from pydantic import SecretStr
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


def test_a_piece_knows_everything_it_was_made_from_and_what_it_cost(core):
    (luna,) = add_avatars(core, "luna")
    plan_id = give_plan(core, luna, 1)
    (shot,) = shot_ids(core, plan_id)
    give_image(
        core, luna, shot, attempt=2, selected=False, refusal="sharpness", usd=Decimal("0.03")
    )
    run(core, luna.key)
    with core.database.begin() as session:
        piece = session.scalars(select(ContentPiece)).one()
        image = session.scalars(select(RenderedImage).where(RenderedImage.selected)).one()
        copies = session.scalars(select(ContentCopy)).all()
    lineage = piece.lineage
    assert piece.usd == Decimal("0.044")  # both images and the words for two platforms
    assert lineage["template"] == "fitness-stretch" and lineage["prompt"] == image.prompt
    assert lineage["seed"] == image.seed and lineage["weights_sha256"] == WEIGHTS
    assert lineage["model_digest"] == MODEL_DIGEST and lineage["image"]["sha256"] == image.sha256
    assert lineage["copies"] == {copy.platform: copy.id for copy in copies}
    assert set(piece.disclosure) == {"instagram", "tiktok"}
    assert lineage["renditions"]["4:5"]["how"] == "crop"


def test_a_second_run_changes_nothing_and_a_plan_waits_for_what_it_lacks(core):
    luna, mira, nova, vega = add_avatars(core, "luna", "mira", "nova", "vega")
    give_plan(core, luna, 2)
    give_plan(core, mira, 2, images=False)
    give_plan(core, nova, 2, copies=False)
    keys = [luna.key, mira.key, nova.key, vega.key]
    first = run(core, *keys)
    assert [(r.outcome, r.waits_for) for r in first] == [
        ("made", None),
        ("blocked", "content_images"),
        ("blocked", "content_copy"),
        ("blocked", "content_plans"),
    ]
    stored = core.objects.puts
    (again,) = run(core, luna.key)
    assert again.outcome == "unchanged" and again.metadata == first[0].metadata
    assert core.objects.puts == stored
    with core.database.begin() as session:
        assert len(session.scalars(select(ContentPiece)).all()) == 2


def test_one_avatars_damaged_image_stops_that_avatar_only(core):
    luna, mira = add_avatars(core, "luna", "mira")
    give_plan(core, luna, 2)
    plan_id = give_plan(core, mira, 2)
    with core.database.begin() as session:
        session.execute(
            update(RenderedImage)
            .where(RenderedImage.shot_id == shot_ids(core, plan_id)[0])
            .values(object_key="avatars/fitness/mira/content/gone.jpg")
        )
    good, bad = run(core, luna.key, mira.key)
    assert good.outcome == "made"
    assert bad.outcome == "failed" and "gone.jpg" in (bad.error or "")


def test_nothing_without_a_moderation_verdict_becomes_a_piece(core):
    (luna,) = add_avatars(core, "luna")
    plan_id = give_plan(core, luna, 2)
    shot = shot_ids(core, plan_id)[0]
    for table, column in (
        (RenderedImage, RenderedImage.shot_id),
        (ContentCopy, ContentCopy.shot_id),
    ):
        with core.database.begin() as session:
            kept = session.scalars(select(table.moderation).where(column == shot)).first()
            session.execute(update(table).where(column == shot).values(moderation=None))
        (result,) = run(core, luna.key)
        assert result.outcome == "failed" and not result.permanent
        assert "no moderation verdict" in (result.error or "")
        with core.database.begin() as session:
            assert session.scalars(select(ContentPiece)).all() == []
            session.execute(update(table).where(column == shot).values(moderation=kept))
    (result,) = run(core, luna.key)
    assert result.outcome == "made"


def flagged(category: str, score: float) -> dict:
    return {**PASSES, "scores": {**PASSES["scores"], category: score}}


def test_an_image_that_todays_limits_refuse_goes_back_to_be_made_again(core):
    (luna,) = add_avatars(core, "luna")
    plan_id = give_plan(core, luna, 2)
    shot = shot_ids(core, plan_id)[1]
    with core.database.begin() as session:
        session.execute(
            update(RenderedImage)
            .where(RenderedImage.shot_id == shot)
            .values(moderation=flagged("sexual", 0.7))
        )
    (result,) = run(core, luna.key)
    assert (result.outcome, result.waits_for) == ("blocked", "content_images")
    give_image(core, luna, shot, attempt=2)
    (result,) = run(core, luna.key)
    assert result.outcome == "made"
    with core.database.begin() as session:
        old = session.scalars(select(RenderedImage).where(RenderedImage.attempt == 1)).all()
        assert [image.refusal for image in old if not image.selected] == [
            "moderation: sexual 0.70 (limit 0.50)"
        ]


def test_words_that_do_not_say_ai_go_back_to_be_written_again(core):
    (luna,) = add_avatars(core, "luna")
    plan_id = give_plan(core, luna, 1)
    (shot,) = shot_ids(core, plan_id)
    with core.database.begin() as session:
        session.execute(
            update(ContentCopy)
            .where(ContentCopy.platform == "tiktok")
            .values(caption="Slow mornings.")
        )
    (result,) = run(core, luna.key)
    assert (result.outcome, result.waits_for) == ("blocked", "content_copy")
    give_copy(core, luna, shot, "tiktok", round=2)
    (result,) = run(core, luna.key)
    assert result.outcome == "made"


def test_scores_tighten_a_tier_and_never_widen_it(core):
    (luna,) = add_avatars(core, "luna")
    plan_id = give_plan(core, luna, 4)
    shots = shot_ids(core, plan_id)
    with core.database.begin() as session:
        for shot, score in zip(shots[:3], (0.1, 0.3, 0.45), strict=True):
            session.execute(
                update(RenderedImage)
                .where(RenderedImage.shot_id == shot)
                .values(moderation=flagged("sexual", score))
            )
    (result,) = run(core, luna.key)
    with core.database.begin() as session:
        pieces = session.execute(
            select(ContentPiece.declared_tier, ContentPiece.tier, ContentPiece.tier_reason)
            .join(ContentShot, ContentShot.id == ContentPiece.shot_id)
            .order_by(ContentShot.position)
        ).all()
    assert [tuple(row[:2]) for row in pieces] == [
        ("public", "public"),
        ("public", "premium"),
        ("public", "exclusive"),
        ("premium", "premium"),
    ]
    assert pieces[1][2] == "sexual 0.30, over 0.25 (limit of public)"
    assert {c.name: c.passed for c in result.checks}["pieces_tiers"] is True


def test_what_todays_thresholds_doubt_waits_for_a_person(core):
    (luna,) = add_avatars(core, "luna")
    plan_id = give_plan(core, luna, 2)
    with core.database.begin() as session:
        session.execute(
            update(RenderedImage)
            .where(RenderedImage.shot_id == shot_ids(core, plan_id)[0])
            .values(identity_score=0.5)
        )
    (result,) = run(core, luna.key)
    assert result.outcome == "made"
    assert result.metadata["pending_review"].value == 1 and result.metadata["approved"].value == 1
    with core.database.begin() as session:
        piece = session.scalars(
            select(ContentPiece).where(ContentPiece.state == "pending_review")
        ).one()
    assert "identity: 0.500" in (piece.state_reason or "")


def test_two_plans_of_one_avatar_are_closed_in_one_run(core):
    (luna,) = add_avatars(core, "luna")
    ids = [give_plan(core, luna, 2, number=number) for number in (1, 2)]
    late = give_plan(core, luna, 2, number=3, images=False)
    (result,) = run(core, luna.key)
    assert result.outcome == "made" and result.metadata["stills"].value == 4
    with core.database.begin() as session:
        open_ = session.scalars(
            select(ContentPlan.id).where(ContentPlan.completed_at.is_(None))
        ).all()
    assert open_ == [late] and ids != [late]


def test_carousels_are_composed_of_the_stills_of_a_plan(core):
    (luna,) = add_avatars(core, "luna")
    give_plan(core, luna, 6, formats={"carousel": 2}, scene_size=3)
    (result,) = run(core, luna.key)
    assert result.outcome == "made", result
    assert result.metadata["carousels"].value == 2 and result.metadata["pieces"].value == 8


def test_a_plan_without_a_vertical_platform_gets_no_vertical_shape(core):
    (luna,) = add_avatars(core, "luna")
    give_plan(core, luna, 1, platforms=["instagram"])
    run(core, luna.key)
    with core.database.begin() as session:
        names = session.scalars(select(PieceFile.name)).all()
    assert sorted(names) == ["1:1", "4:5"]


def test_an_unusable_certificate_fails_by_name_and_signs_nothing(settings, database):
    core = fake_services(settings, database, c2pa_certificate=SecretStr("/nowhere.pem"))
    (luna,) = add_avatars(core, "luna")
    give_plan(core, luna, 1)
    (result,) = run(core, luna.key)
    assert result.outcome == "failed" and "VIXEN_C2PA_PRIVATE_KEY is missing" in (
        result.error or ""
    )
    with core.database.begin() as session:
        assert session.scalars(select(PieceFile)).all() == []
