"""Review: a person approves, rejects, and has replacements made."""

from __future__ import annotations

import pytest
from content_kit_pieces import give_image, give_plan, shot_ids
from sqlalchemy import select
from vixen_identity import add_avatars, fake_services

from vixen_pipeline.content.listing import PieceFilter, list_pieces
from vixen_pipeline.content.pieces import run_content_pieces
from vixen_pipeline.content.review import Decisions, pending_ids, review
from vixen_pipeline.db.models import ContentPiece, ContentPlan, RenderedImage
from vixen_pipeline.errors import InvalidInput, NotFound
from vixen_pipeline.stages import no_progress


def made(core, count=4, **plan):
    (luna,) = add_avatars(core, "luna")
    plan_id = give_plan(core, luna, count, **plan)
    (result,) = run_content_pieces(core, [luna.key], no_progress)
    assert result.outcome == "made", result
    return luna, plan_id


def test_in_manual_mode_everything_waits_until_a_person_has_decided(settings, database):
    core = fake_services(settings, database, content_review="manual")
    luna, _ = made(core, 6, formats={"carousel": 1}, scene_size=3)
    waiting = pending_ids(core, luna.key)
    assert len(waiting) == 7
    review(core, luna.key, Decisions(approve=waiting), by="mara")
    assert pending_ids(core, luna.key) == []
    pieces = list_pieces(core, luna.key, PieceFilter(state="approved"))
    assert len(pieces) == 7 and {piece.reviewed_by for piece in pieces} == {"mara"}


def test_a_composed_piece_is_not_approved_before_its_members(settings, database):
    core = fake_services(settings, database, content_review="manual")
    luna, _ = made(core, 4, formats={"carousel": 1}, scene_size=2)
    (carousel,) = list_pieces(core, luna.key, PieceFilter(format="carousel"))
    with pytest.raises(InvalidInput) as caught:
        review(core, luna.key, Decisions(approve=[carousel.id]), by="mara")
    assert "are not approved" in caught.value.problems[0]
    review(core, luna.key, Decisions(approve=[carousel.id, *carousel.members]), by="mara")


def test_a_rejected_still_is_replaced_on_request_and_bears_no_cost_twice(core):
    luna, plan_id = made(core)
    victim = list_pieces(core, luna.key)[-1]
    review(core, luna.key, Decisions((), [victim.id], "hand looks odd", True), by="mara")
    with core.database.begin() as session:
        assert session.get_one(ContentPlan, plan_id).completed_at is None
        shot = session.get_one(ContentPiece, victim.id).shot_id
        image = session.scalars(select(RenderedImage).where(RenderedImage.shot_id == shot)).one()
        assert not image.selected and image.refusal == "review: hand looks odd"
    (result,) = run_content_pieces(core, [luna.key], no_progress)
    assert (result.outcome, result.waits_for) == ("blocked", "content_images")

    give_image(core, luna, shot, attempt=2)
    (result,) = run_content_pieces(core, [luna.key], no_progress)
    assert result.outcome == "made" and result.metadata["stills"].value == 4
    everything = list_pieces(core, luna.key, PieceFilter(replaced=True))
    assert len(everything) == 5 and len(list_pieces(core, luna.key)) == 4
    both = {piece.usd for piece in everything if piece.lineage["shot"] == victim.lineage["shot"]}
    assert sorted(map(str, both)) == ["0.01000000", "0.01400000"]


def test_a_rejected_still_without_replacement_leaves_the_plan_closed(core):
    luna, _ = made(core)
    victim = list_pieces(core, luna.key)[0]
    review(core, luna.key, Decisions((), [victim.id], "too dark"), by="mara")
    (result,) = run_content_pieces(core, [luna.key], no_progress)
    assert result.outcome == "unchanged" and result.metadata["rejected"].value == 1
    assert result.metadata["stills"].value == 3
    assert next(c for c in result.checks if c.name == "pieces_complete").passed
    review(core, luna.key, Decisions(approve=[victim.id]), by="mara")
    assert len(list_pieces(core, luna.key, PieceFilter(state="rejected"))) == 0


def test_a_rejected_still_takes_its_carousels_along_and_they_are_composed_anew(core):
    luna, _ = made(core, 6, formats={"carousel": 1}, scene_size=6)
    (carousel,) = list_pieces(core, luna.key, PieceFilter(format="carousel"))
    victim = carousel.members[0]
    told = review(core, luna.key, Decisions((), [victim], "blur", True), by="mara")
    assert [(piece.piece_id, piece.state, piece.because) for piece in told] == [
        (victim, "rejected", False),
        (carousel.id, "rejected", True),
    ]
    with core.database.begin() as session:
        shot = session.get_one(ContentPiece, victim).shot_id
    give_image(core, luna, shot, attempt=2)
    (result,) = run_content_pieces(core, [luna.key], no_progress)
    assert result.outcome == "made", result
    (fresh,) = list_pieces(core, luna.key, PieceFilter(format="carousel"))
    assert fresh.id != carousel.id and victim not in fresh.members


def test_a_carousel_rejected_while_its_plan_is_closed_is_replaced_all_the_same(core, monkeypatch):
    """The review comes between composing and closing, which is long while others' videos run."""
    from vixen_pipeline.content import pieces

    (luna,) = add_avatars(core, "luna")
    give_plan(core, luna, 6, formats={"carousel": 1}, scene_size=3)
    compose = pieces.compose

    def rejected_meanwhile(*arguments):
        composed = compose(*arguments)
        (carousel,) = list_pieces(core, luna.key, PieceFilter(format="carousel"))
        review(core, luna.key, Decisions((), [carousel.id], "dull", True), by="mara")
        return composed

    monkeypatch.setattr(pieces, "compose", rejected_meanwhile)
    (result,) = run_content_pieces(core, [luna.key], no_progress)
    assert result.outcome == "blocked"
    monkeypatch.setattr(pieces, "compose", compose)
    (result,) = run_content_pieces(core, [luna.key], no_progress)
    assert result.outcome == "made", result
    (fresh,) = list_pieces(core, luna.key, PieceFilter(format="carousel"))
    assert fresh.state == "auto_approved"


def test_every_problem_of_a_review_is_named_and_nothing_is_done(core):
    luna, _ = made(core, 2)
    ids = [piece.id for piece in list_pieces(core, luna.key)]
    decisions = Decisions(approve=[ids[0], 999], reject=[ids[0], 998], replace=True)
    with pytest.raises(InvalidInput) as caught:
        review(core, luna.key, decisions, by="mara")
    assert list(caught.value.problems) == [
        f"{ids[0]}: both approved and rejected",
        "a rejection needs a reason",
        "999: the avatar has no such piece",
        "998: the avatar has no such piece",
    ]
    assert {piece.state for piece in list_pieces(core, luna.key)} == {"auto_approved"}
    with pytest.raises(NotFound):
        review(core, "fitness:nobody", Decisions(approve=[1]), by="mara")


def test_another_avatars_pieces_cannot_be_decided_on(core):
    luna, _ = made(core, 1)
    (mira,) = add_avatars(core, "mira")
    (piece,) = list_pieces(core, luna.key)
    with pytest.raises(InvalidInput):
        review(core, mira.key, Decisions(approve=[piece.id]), by="mara")


def test_an_image_rejected_while_its_files_are_made_becomes_no_piece(core, monkeypatch):
    """The row is refused when the image was taken out between reading and writing."""
    from vixen_pipeline.content import piece_pool

    (luna,) = add_avatars(core, "luna")
    plan_id = give_plan(core, luna, 1)
    (shot,) = shot_ids(core, plan_id)
    make_still = piece_pool.make_still

    def rejected_meanwhile(*arguments):
        still = make_still(*arguments)
        with core.database.begin() as session:
            session.get_one(RenderedImage, still.task.image.id).selected = False
        return still

    monkeypatch.setattr(piece_pool, "make_still", rejected_meanwhile)
    (result,) = run_content_pieces(core, [luna.key], no_progress)
    assert (result.outcome, result.waits_for) == ("blocked", "content_images")
    assert list_pieces(core, luna.key) == [] and shot
